// Matrix times one vector, as in `matvec.wgsl`, with 8-bit integers: weights of a format with few bits
// (`formats/codes.wgsl`), and the input rounded as by `quantise.wgsl`. Every workgroup rounds it itself, which takes less
// time than a separate dispatch. With MERGE, the input is one token's attention in splits.
//
// A vec4 of quants holds SPAN blocks, a unit. A lane takes UNITS of them per tile, so that it loads no quants twice, and
// loads what a tile needs before the input has arrived: integers take few registers.
//
// Grid and constants, and what SEVERAL_TOKENS does: those of `matvec.wgsl`, but SPAN and UNITS instead of STEPS.
#include "linear/product_bindings.wgsl"

#ifdef MERGE
#include "linear/merged_input.wgsl"
#else
#include "linear/vector_input.wgsl"
#endif

#ifdef SEVERAL_TOKENS
#include "linear/several_tokens.wgsl"
#endif
#include "linear/integer_tile.wgsl"
#include "shared/span_sum.wgsl"

const ROW_UNITS: u32 = BLOCKS / SPAN;
// Words of quants per block.
const WORDS: u32 = 4u / SPAN;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_pair = ((group.y * GRID_X + group.x) * (WORKGROUP / LANES) + thread / LANES) * THREAD_PAIRS;
    let lane = thread % LANES;
#ifdef SEVERAL_TOKENS
    // That of the input that the thread loads.
    let token = slot_of(group.z, thread / LOADERS);
#else
    // The grid has exactly as many, as in `matvec.wgsl`.
    let token = group.z;
#endif
    var expert_row = 0u;
#ifdef EXPERTS
    expert_row = experts[token] * ROWS;
#endif
    #repeat p THREAD_PAIRS
    let pair_rows$p = pair_rows(min(first_pair + $pu, PAIRS - 1u));
    let rows$p = (expert_row + pair_rows$p) * ROW_UNITS;
    #repeat t TOKENS
    var sum$p_$t = vec2<f32>(0.0);
    #end
    #end
    let x_base = token / X_SHARE * BLOCKS * 8u;
    var square = 0.0;

    for (var first = 0u; first < ROW_UNITS; first += TILE_UNITS) {
        #repeat s UNITS
        let unit$s = min(first + $su * LANES + lane, ROW_UNITS - 1u);
        #repeat p THREAD_PAIRS
        let a$s_$p = quants[rows$p.x + unit$s];
        let b$s_$p = quants[rows$p.y + unit$s];
        let common_a$s_$p = load_common((rows$p.x + unit$s) * SPAN);
        let common_b$s_$p = load_common((rows$p.y + unit$s) * SPAN);
        #repeat b SPAN
        let own_a$s_$p_$b = load_own((rows$p.x + unit$s) * SPAN + $bu);
        let own_b$s_$p_$b = load_own((rows$p.y + unit$s) * SPAN + $bu);
        #end
        #end
        #end
#ifdef SHARED_CODEBOOK
        // While those loads are in flight.
        if (first == 0u) {
            fill_codebook(thread);
        }
#endif
        // All threads have finished with the previous tile.
        workgroupBarrier();
        square += fill_tile(x_base, first * SPAN, min(TILE_BLOCKS, BLOCKS - first * SPAN), thread);
        workgroupBarrier();
        #repeat s UNITS
        if (first + $su * LANES + lane < ROW_UNITS) {
            #repeat b SPAN
            {
                let place = $bu * TILE_UNITS + $su * LANES + lane;
#ifdef SEVERAL_TOKENS
#else
                let inputs = tile_block(place);
#endif
                #repeat p THREAD_PAIRS
                let words_a$p = vec2<u32>(a$s_$p[$bu * WORDS], a$s_$p[$bu * WORDS + WORDS - 1u]);
                let words_b$p = vec2<u32>(b$s_$p[$bu * WORDS], b$s_$p[$bu * WORDS + WORDS - 1u]);
                let block_a$p = (rows$p.x + unit$s) * SPAN + $bu;
                let block_b$p = (rows$p.y + unit$s) * SPAN + $bu;
                let codes_a$p = codes_of(words_a$p, own_a$s_$p_$b, common_a$s_$p, block_a$p);
                let codes_b$p = codes_of(words_b$p, own_b$s_$p_$b, common_b$s_$p, block_b$p);
#ifdef SEVERAL_TOKENS
#else
                sum$p_0 += vec2<f32>(product(codes_a$p, inputs), product(codes_b$p, inputs));
#endif
                #end
#ifdef SEVERAL_TOKENS
                #repeat t TOKENS
                let inputs$t = tile_block($tu * TILE_BLOCKS + place);
                #repeat p THREAD_PAIRS
                sum$p_$t += vec2<f32>(product(codes_a$p, inputs$t), product(codes_b$p, inputs$t));
                #end
                #end
#endif
            }
            #end
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
