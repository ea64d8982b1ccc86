// Matrix times one vector: y = W norm(x), with further operations fused in; with SEVERAL_TOKENS, times a few vectors.
// `linear.wgsl` does the same for many.
//
// A thread computes THREAD_PAIRS pairs of rows; the epilogue determines which rows form a pair and where the results go
// (`epilogues/*.wgsl`). LANES neighbouring threads share their pairs and split the columns: a thread takes a block of
// 32 at a time. All threads of a workgroup need the same input. It goes through workgroup memory in tiles of LANES *
// STEPS blocks: read in order, and stored so that neighbouring threads read adjacent vectors. Reading it in place would
// scatter each load over as many cache lines as there are lanes.
//
// With SEVERAL_TOKENS a workgroup computes TOKENS of them (otherwise TOKENS is 1): a tile has the same blocks of each
// token's input, and each weight is loaded and unpacked once for all (`several_tokens.wgsl`). Not with EXPERTS or MERGE.
//
// With NORM, x is RMS-normalised on the fly: since the norm only scales x, the sum of squares is accumulated along with
// the dot products and divides the results at the end. With WEIGHTS_FIRST, which requires a single step, weights are
// loaded before the input: that is faster if a thread has few of them. With MERGE, x is one token's attention in splits
// (`merged_input.wgsl`). With SHARED_CODEBOOK the format's codebook is in workgroup memory.
//
// With EXPERTS the matrix holds ROWS rows per expert, a token uses SLOTS experts, and X_SHARE adjacent slots have the
// same input. Otherwise SLOTS and X_SHARE are 1. With PER_HEAD it holds ROWS rows per head, and each of a token's SLOTS
// heads has an input of its own, from X_STRIDE vectors after the previous head's on.
//
// Grid: x * y: ceil(PAIRS / THREAD_PAIRS / (WORKGROUP / LANES)) workgroups, z: ceil(tokens / TOKENS) * SLOTS.
// Constants: ROWS, COLS, BLOCKS (COLS / 32), PAIRS, WORKGROUP, LANES, THREAD_PAIRS, STEPS, TOKENS, GRID_X, EPS, SLOTS,
// X_SHARE, X_STRIDE, SUBGROUP (threads that reduce with subgroup operations); FIRST_ROW and OUT_ROWS: the output row that
// the matrix starts with, and the output's rows.
#include "linear/product_bindings.wgsl"

#ifdef MERGE
#include "linear/merged_input.wgsl"
#else
#include "linear/vector_input.wgsl"
#endif

const TILE_BLOCKS: u32 = LANES * STEPS;
#ifdef SEVERAL_TOKENS
#include "linear/several_tokens.wgsl"
#endif
#include "linear/input_tile.wgsl"
#include "shared/span_sum.wgsl"

#ifdef SEVERAL_TOKENS
// Adds the products of a vector of the input with weights of either row of a pair.
fn with_products(sum: vec2<f32>, a: vec4<f32>, b: vec4<f32>, x: vec4<f32>) -> vec2<f32> {
    // In this form, since a dot product that is added to a sum takes an operation more.
    var result = fma(vec2<f32>(a.x, b.x), vec2<f32>(x.x), sum);
    result = fma(vec2<f32>(a.y, b.y), vec2<f32>(x.y), result);
    result = fma(vec2<f32>(a.z, b.z), vec2<f32>(x.z), result);
    return fma(vec2<f32>(a.w, b.w), vec2<f32>(x.w), result);
}
#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_pair = ((group.y * GRID_X + group.x) * (WORKGROUP / LANES) + thread / LANES) * THREAD_PAIRS;
    let lane = thread % LANES;
#ifdef SEVERAL_TOKENS
    // That of the input that the thread loads.
    let token = slot_of(group.z, thread / LOADERS);
#else
    // The grid has exactly as many: checking the count would take a load that everything else has to wait for.
    let token = group.z;
#endif
    var expert_row = 0u;
#ifdef EXPERTS
    expert_row = experts[token] * ROWS;
#endif
#ifdef PER_HEAD
    expert_row = group.z % SLOTS * ROWS;
#endif
    #repeat p THREAD_PAIRS
    let pair_rows$p = pair_rows(min(first_pair + $pu, PAIRS - 1u));
    let rows$p = (expert_row + pair_rows$p) * BLOCKS;
    #repeat t TOKENS
    var sum$p_$t = vec2<f32>(0.0);
    #end
    #end
#ifdef PER_HEAD
    let x_base = token * X_STRIDE;
#else
    let x_base = token / X_SHARE * BLOCKS * 8u;
#endif
    var square = 0.0;
#ifdef SHARED_CODEBOOK
    fill_codebook(thread);
    workgroupBarrier();
#endif

    for (var first = 0u; first < BLOCKS; first += TILE_BLOCKS) {
#ifdef WEIGHTS_FIRST
        // Weight loads are issued before waiting for the input.
        let own_block = min(first + lane, BLOCKS - 1u);
        #repeat p THREAD_PAIRS
        let a$p = load_block(rows$p.x + own_block);
        let b$p = load_block(rows$p.y + own_block);
        #end
#endif
        // All threads have finished with the previous tile.
        workgroupBarrier();
        square += fill_tile(x_base, first, min(TILE_BLOCKS, BLOCKS - first), thread);
        workgroupBarrier();
        #repeat s STEPS
        {
            let at = $su * LANES + lane;
            let block = first + at;
            if (block < BLOCKS) {
#ifdef WEIGHTS_FIRST
#else
                #repeat p THREAD_PAIRS
                let a$p = load_block(rows$p.x + block);
                let b$p = load_block(rows$p.y + block);
                #end
#endif
#ifdef SEVERAL_TOKENS
                // Vector by vector, so that few weights take registers at a time.
                #repeat v 8
                #repeat t TOKENS
                let x$v_$t = tile[$tu * TILE_LEN + $vu * STRIDE + at];
                #repeat p THREAD_PAIRS
                sum$p_$t = with_products(sum$p_$t, a$p.v$v, b$p.v$v, x$v_$t);
                #end
                #end
                #end
#else
                let inputs = tile_block(at);
                #repeat p THREAD_PAIRS
                sum$p_0 += vec2<f32>(dot_block(a$p, inputs), dot_block(b$p, inputs));
                #end
#endif
            }
        }
        #end
    }

#ifdef SEVERAL_TOKENS
    #repeat t TOKENS
    #repeat p THREAD_PAIRS
    keep_total($tu, $pu, sum$p_$t, thread);
    #end
    #end
    finish_tokens(group, square, thread);
#else
    var scale = 1.0;
#ifdef NORM
    scale = inverseSqrt(sum_over_all(square, thread) / f32(COLS) + EPS);
#endif
    #repeat p THREAD_PAIRS
    {
        let sum = sum_over(sum$p_0, thread, LANES);
        if (lane == 0u && first_pair + $pu < PAIRS) {
            finish_pair(token, first_pair + $pu, sum * scale);
        }
    }
    #end
#endif
}
