// The matrix, or each expert's part of it, holds the rows of the gate, then those of the up projection. Row i of either
// form a pair and are combined by `gated`. PAIRS = ROWS / 2.
#include "shared/activation.wgsl"

// Output: [tokens][OUT_ROWS]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

fn pair_rows(pair: u32) -> vec2<u32> {
    return vec2<u32>(pair, pair + PAIRS);
}

// What was stored before does not count.
fn earlier(token: u32, pair: u32) -> vec2<f32> {
    return vec2<f32>();
}

fn store_pair(token: u32, pair: u32, values: vec2<f32>, before: vec2<f32>) {
    y[token * OUT_ROWS + FIRST_ROW + pair] = gated(values.x, values.y);
}
