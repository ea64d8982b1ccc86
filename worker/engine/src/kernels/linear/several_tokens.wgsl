// What a workgroup that multiplies the inputs of TOKENS tokens does beside the products: who loads which input, and where
// the sums go. Weights are read once for all of them. The last tokens of the last workgroup may be none of the batch's:
// their inputs are loaded, too, but their sums go nowhere.
// Constants: those of `matvec.wgsl`. With PER_HEAD all tokens of a workgroup are of the same head.
#include "shared/span_sum.wgsl"

// Neighbouring threads that load the input of the same token.
const LOADERS: u32 = WORKGROUP / TOKENS;
// Row pairs of a workgroup.
const GROUP_PAIRS: u32 = WORKGROUP / LANES * THREAD_PAIRS;

// Products of the workgroup's row pairs: [TOKENS][GROUP_PAIRS]
var<workgroup> totals: array<vec2<f32>, TOKENS * GROUP_PAIRS>;
#ifdef NORM
// The norm's factor of a token's products: [TOKENS]
var<workgroup> norm_factors: array<f32, TOKENS>;
#endif

// Index in the batch of the first token of workgroup `z`.
fn first_token(z: u32) -> u32 {
    return z / SLOTS * TOKENS;
}

// The slot of workgroup `z` for one of its tokens.
fn slot_of(z: u32, token: u32) -> u32 {
    return (first_token(z) + token) * SLOTS + z % SLOTS;
}

// Adds the sums of the lanes for one of the thread's row pairs and one of the tokens.
fn keep_total(token: u32, pair: u32, sum: vec2<f32>, thread: u32) {
    let total = sum_over(sum, thread, LANES);
    if (thread % LANES == 0u) {
        totals[token * GROUP_PAIRS + thread / LANES * THREAD_PAIRS + pair] = total;
    }
}

// Passes all products to the epilogue, neighbouring threads those of neighbouring rows. `square` is the thread's part of
// the sum of squares of the input that it loaded.
fn finish_tokens(group: vec3<u32>, square: f32, thread: u32) {
#ifdef NORM
    let squares = sum_over(vec2<f32>(square, 0.0), thread, LOADERS);
    if (thread % LOADERS == 0u) {
        norm_factors[thread / LOADERS] = inverseSqrt(squares.x / f32(COLS) + EPS);
    }
#endif
    workgroupBarrier();
    let first_pair = (group.y * GRID_X + group.x) * GROUP_PAIRS;
    for (var i = thread; i < TOKENS * GROUP_PAIRS; i += WORKGROUP) {
        let token = i / GROUP_PAIRS;
        let pair = first_pair + i % GROUP_PAIRS;
        if (pair < PAIRS && first_token(group.z) + token < state.token_count) {
            var products = totals[i];
#ifdef NORM
            products *= norm_factors[token];
#endif
            finish_pair(slot_of(group.z, token), pair, products);
        }
    }
}
