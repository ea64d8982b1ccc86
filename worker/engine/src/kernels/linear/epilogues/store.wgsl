// Adjacent rows form a pair. With v = SCALE * (W x): y = v, with a soft cap if SOFTCAP; y += v with RESIDUAL; y =
// activation(y) * v with GATE; y = activation(v) with ACTIVATE.
#include "shared/activation.wgsl"

// Output: [tokens][OUT_ROWS]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

fn pair_rows(pair: u32) -> vec2<u32> {
    return vec2<u32>(2u * pair, min(2u * pair + 1u, ROWS - 1u));
}

fn store(at: u32, value: f32) {
    var v = SCALE * value;
#ifdef SOFTCAP
    // Beyond 10 tanh is 1, and some implementations overflow.
    v = SOFTCAP_LIMIT * tanh(clamp(v / SOFTCAP_LIMIT, -10.0, 10.0));
#endif
#ifdef RESIDUAL
    v += y[at];
#endif
#ifdef GATE
    v *= activation(y[at]);
#endif
#ifdef ACTIVATE
    v = activation(v);
#endif
    y[at] = v;
}

fn store_pair(token: u32, pair: u32, values: vec2<f32>) {
    let at = token * OUT_ROWS + FIRST_ROW + 2u * pair;
    store(at, values.x);
    if (2u * pair + 1u < ROWS) {
        store(at + 1u, values.y);
    }
}
