// Adjacent rows form a pair. With v = SCALE * (W x): y = v, with a soft cap if SOFTCAP; y += v with RESIDUAL; y =
// gated(y, v) with GATE; y = activation(v) with ACTIVATE, times an input with GATES_INPUT. With HALVES the output is
// converted as by `halve.wgsl`.
#include "shared/activation.wgsl"

#ifdef HALVES
#include "shared/to_half.wgsl"

// Output: [tokens][OUT_ROWS / 2]
@group(0) @binding(5) var<storage, read_write> y: array<vec2<f16>>;
#else
// Output: [tokens][OUT_ROWS]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
#endif
#ifdef GATES_INPUT
// What is gated: [tokens][INPUT_LEN], from INPUT_AT on
@group(0) @binding(6) var<storage, read> gated_input: array<f32>;
#endif

fn pair_rows(pair: u32) -> vec2<u32> {
    return vec2<u32>(2u * pair, min(2u * pair + 1u, ROWS - 1u));
}

// What was stored before in place of a pair's results, if it counts.
fn earlier(token: u32, pair: u32) -> vec2<f32> {
    var before = vec2<f32>();
#ifdef RESIDUAL
    let rows = token * OUT_ROWS + FIRST_ROW + pair_rows(pair);
    before = vec2<f32>(y[rows.x], y[rows.y]);
#endif
#ifdef GATE
    let rows = token * OUT_ROWS + FIRST_ROW + pair_rows(pair);
    before = vec2<f32>(y[rows.x], y[rows.y]);
#endif
    return before;
}

// A row's result.
fn finished(token: u32, row: u32, value: f32, before: f32) -> f32 {
    var v = SCALE * value;
#ifdef SOFTCAP
    // Beyond 10 tanh is 1, and some implementations overflow.
    v = SOFTCAP_LIMIT * tanh(clamp(v / SOFTCAP_LIMIT, -10.0, 10.0));
#endif
#ifdef RESIDUAL
    v += before;
#endif
#ifdef GATE
    v = gated(before, v);
#endif
#ifdef ACTIVATE
    v = activation(v);
#endif
#ifdef GATES_INPUT
    v *= gated_input[token * INPUT_LEN + INPUT_AT + row];
#endif
    return v;
}

fn store_pair(token: u32, pair: u32, values: vec2<f32>, before: vec2<f32>) {
    let row = FIRST_ROW + 2u * pair;
    let at = token * OUT_ROWS + row;
    let has_second = 2u * pair + 1u < ROWS;
    var pair_results = vec2<f32>(finished(token, row, values.x, before.x), 0.0);
    if (has_second) {
        pair_results.y = finished(token, row + 1u, values.y, before.y);
    }
#ifdef HALVES
    y[at / 2u] = to_half(vec4<f32>(pair_results, 0.0, 0.0)).xy;
#else
    y[at] = pair_results.x;
    if (has_second) {
        y[at + 1u] = pair_results.y;
    }
#endif
}
