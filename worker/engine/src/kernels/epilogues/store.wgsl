// Neighbouring rows form a pair; y = W x, or y += W x with RESIDUAL.

// Output: [tokens][ROWS]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

fn pair_rows(pair: u32) -> vec2<u32> {
    return vec2<u32>(2u * pair, min(2u * pair + 1u, ROWS - 1u));
}

fn store_pair(token: u32, pair: u32, values: vec2<f32>) {
    let base = token * ROWS + 2u * pair;
#ifdef RESIDUAL
    y[base] += values.x;
    if (2u * pair + 1u < ROWS) {
        y[base + 1u] += values.y;
    }
#else
    y[base] = values.x;
    if (2u * pair + 1u < ROWS) {
        y[base + 1u] = values.y;
    }
#endif
}
