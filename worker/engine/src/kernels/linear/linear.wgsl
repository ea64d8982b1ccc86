// Matrix times a batch of vectors: y[t] = W (norm(x[t])), with further operations fused in. `matvec.wgsl` does the same
// for one vector.
//
// A thread computes THREAD_PAIRS pairs of rows for TOKENS tokens; the epilogue determines which rows form a pair and
// where the results go (`epilogues/*.wgsl`). With NORM, x is RMS-normalised on the fly: since the norm only scales x,
// the sum of squares is accumulated along with the dot products and divides the results at the end.
//
// With EXPERTS the matrix holds ROWS rows per expert, a token uses SLOTS experts, and "token" below means one such
// slot; X_SHARE adjacent slots have the same input. Otherwise SLOTS and X_SHARE are 1.
//
// With PER_HEAD the matrix holds ROWS rows per head, and each of a token's SLOTS heads has an input of its own, from
// X_STRIDE vectors after the previous head's on. All tokens of a workgroup are of the same head.
//
// Grid: x * y: ceil(PAIRS / THREAD_PAIRS / WORKGROUP) workgroups, z: ceil(tokens / TOKENS) * SLOTS.
// Constants: ROWS, COLS, BLOCKS (COLS / 32), PAIRS, WORKGROUP, THREAD_PAIRS, TOKENS, GRID_X, EPS, SLOTS, X_SHARE,
// X_STRIDE; FIRST_ROW and OUT_ROWS: the output row that the matrix starts with, and the output's rows.
#include "linear/product_bindings.wgsl"

// Input: [tokens][COLS / 4], with PER_HEAD [tokens][SLOTS][X_STRIDE]; padded to a multiple of TOKENS
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_pair = ((group.y * GRID_X + group.x) * WORKGROUP + thread) * THREAD_PAIRS;
#ifdef PER_HEAD
    let head = group.z % SLOTS;
    let first_token = group.z / SLOTS * TOKENS;
    let token_count = state.token_count;
    let expert_row = head * ROWS;
#else
    let first_token = group.z * TOKENS;
    let token_count = state.token_count * SLOTS;
    var expert_row = 0u;
#endif
#ifdef EXPERTS
    if (first_token >= token_count) {
        return;
    }
    expert_row = experts[first_token] * ROWS;
#endif
    #repeat p THREAD_PAIRS
    let pair_rows$p = pair_rows(min(first_pair + $pu, PAIRS - 1u));
    let rows$p = (expert_row + pair_rows$p) * BLOCKS;
    #end
    #repeat t TOKENS
#ifdef PER_HEAD
    let slot$t = (first_token + $tu) * SLOTS + head;
    let x_base$t = slot$t * X_STRIDE;
#else
    let slot$t = first_token + $tu;
    let x_base$t = slot$t / X_SHARE * BLOCKS * 8u;
#endif
    var square$t = 0.0;
    #repeat p THREAD_PAIRS
    var sum$p_$t = vec2<f32>(0.0);
    #end
    #end

    for (var block = 0u; block < BLOCKS; block++) {
        #repeat p THREAD_PAIRS
        let a$p = load_block(rows$p.x + block);
        let b$p = load_block(rows$p.y + block);
        #end
#ifdef NORM
        #repeat v 8
        let norm$v = norm_weight[block * 8u + $vu];
        #end
#endif
        #repeat t TOKENS
        {
            let base = x_base$t + block * 8u;
            #repeat v 8
            var x$v = x[base + $vu];
            #end
#ifdef NORM
            square$t += dot(x0, x0) + dot(x1, x1) + dot(x2, x2) + dot(x3, x3)
                + dot(x4, x4) + dot(x5, x5) + dot(x6, x6) + dot(x7, x7);
            #repeat v 8
            x$v *= norm$v;
            #end
#endif
            #repeat p THREAD_PAIRS
            sum$p_$t += vec2<f32>(
                dot(a$p.v0, x0) + dot(a$p.v1, x1) + dot(a$p.v2, x2) + dot(a$p.v3, x3)
                    + dot(a$p.v4, x4) + dot(a$p.v5, x5) + dot(a$p.v6, x6) + dot(a$p.v7, x7),
                dot(b$p.v0, x0) + dot(b$p.v1, x1) + dot(b$p.v2, x2) + dot(b$p.v3, x3)
                    + dot(b$p.v4, x4) + dot(b$p.v5, x5) + dot(b$p.v6, x6) + dot(b$p.v7, x7),
            );
            #end
        }
        #end
    }

    #repeat t TOKENS
    {
        #repeat p THREAD_PAIRS
        {
            if (first_pair + $pu < PAIRS && first_token + $tu < token_count) {
#ifdef NORM
                let scale = inverseSqrt(square$t / f32(COLS) + EPS);
#else
                let scale = 1.0;
#endif
                finish_pair(slot$t, first_pair + $pu, sum$p_$t * scale);
            }
        }
        #end
    }
    #end
}
