// The matrix holds the gate's rows, then the up projection's; row i of both form a pair and give
// silu(gate) * up. PAIRS = ROWS / 2.

// Output: [tokens][PAIRS]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

fn pair_rows(pair: u32) -> vec2<u32> {
    return vec2<u32>(pair, pair + PAIRS);
}

fn store_pair(token: u32, pair: u32, values: vec2<f32>) {
    y[token * PAIRS + pair] = values.x / (1.0 + exp(-values.x)) * values.y;
}
