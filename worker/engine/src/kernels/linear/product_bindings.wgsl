// What every matrix product binds but its input, with its format and its epilogue.
// Constants: those of `linear.wgsl` and `matvec.wgsl`.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Weight blocks, as the format says: [ROWS][BLOCKS]
@group(0) @binding(1) var<storage, read> quants: array<vec4<u32>>;
// Scales of the blocks, as the format says: [ROWS][BLOCKS]
@group(0) @binding(2) var<storage, read> scales: array<u32>;
#ifdef NORM
// Weight of the RMS norm before the matrix: [COLS / 4]
@group(0) @binding(4) var<storage, read> norm_weight: array<vec4<f32>>;
#endif
#ifdef BIAS
// Added to the product: [OUT_ROWS]
@group(0) @binding(8) var<storage, read> bias: array<f32>;
#endif
#ifdef EXPERTS
// Experts of the tokens: [tokens][SLOTS]
@group(0) @binding(9) var<storage, read> experts: array<u32>;
#endif

#include "formats/FORMAT.wgsl"
#include "linear/epilogues/EPILOGUE.wgsl"

// Adds the bias, if there is one, to the products of a pair of rows, and gives them to the epilogue.
fn finish_pair(token: u32, pair: u32, products: vec2<f32>) {
    var result = products;
#ifdef BIAS
    let rows = pair_rows(pair);
    result += vec2<f32>(bias[FIRST_ROW + rows.x], bias[FIRST_ROW + rows.y]);
#endif
    store_pair(token, pair, result);
}
