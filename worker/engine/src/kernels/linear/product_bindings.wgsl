// Bindings of all matrix products except the input, with format and epilogue.
// Constants: those of `linear.wgsl` and `matvec.wgsl`.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
#ifdef WEIGHT_HALVES
// Weights in f16: [ROWS][COLS / 4]
@group(0) @binding(1) var<storage, read> quants: array<vec4<f16>>;
#else
// Weight blocks in the format's layout: [ROWS][BLOCKS]
@group(0) @binding(1) var<storage, read> quants: array<vec4<u32>>;
#endif
// Scales of the blocks in the format's layout: [ROWS][BLOCKS]
@group(0) @binding(2) var<storage, read> scales: array<u32>;
#ifdef NORM
// Weight of the RMS norm before the matrix: [COLS / 4]
@group(0) @binding(4) var<storage, read> norm_weight: array<vec4<f32>>;
#endif
#ifdef BIAS
// Added to the product: [OUT_ROWS], or with EXPERTS a row of ROWS for each of them
@group(0) @binding(8) var<storage, read> bias: array<f32>;
#endif
#ifdef EXPERTS
// The experts of each token: [tokens][SLOTS]
@group(0) @binding(9) var<storage, read> experts: array<u32>;
#endif

#ifdef WEIGHT_HALVES
#else
#include "formats/FORMAT.wgsl"
#endif
#include "linear/epilogues/EPILOGUE.wgsl"

// Adds the bias, if any, to the products of a row pair, and passes them to the epilogue.
fn finish_pair(token: u32, pair: u32, products: vec2<f32>) {
    finish_pair_after(token, pair, products, earlier(token, pair));
}

// The same, with what the epilogue finds in place of the results, see `earlier`.
fn finish_pair_after(token: u32, pair: u32, products: vec2<f32>, before: vec2<f32>) {
    var result = products;
#ifdef BIAS
#ifdef EXPERTS
    let rows = experts[token] * ROWS + pair_rows(pair);
#else
    let rows = FIRST_ROW + pair_rows(pair);
#endif
    result += vec2<f32>(bias[rows.x], bias[rows.y]);
#endif
    store_pair(token, pair, result, before);
}
