// Matrix times many vectors, as in `tiled.wgsl`, with 8-bit integers: weights of a format that supports it
// (`formats/integers.wgsl`), and an input rounded by `quantise.wgsl`. For a block with w = s q + m and x = d r, the sum
// of w x is s d sum(q r) + m d sum(r).
//
// Grid and constants: those of `tiled.wgsl`.
#include "linear/product_bindings.wgsl"
#include "linear/tile.wgsl"

// Input: [tokens][BLOCKS][10], as written by `quantise.wgsl`
@group(0) @binding(3) var<storage, read> x: array<u32>;

// One more than is used, so that neighbours in a column are in different banks.
const ROW_STRIDE: u32 = 2u * TILE_PAIRS + 1u;
const TOKEN_STRIDE: u32 = TILE_TOKENS + 1u;

// A block of each row, the first rows of the pairs before the second: [8][ROW_STRIDE], of four columns each
var<workgroup> row_tile: array<u32, 8u * ROW_STRIDE>;
// Scale and offset of each row's block: [2 * TILE_PAIRS]
var<workgroup> row_scales: array<vec2<f32>, 2u * TILE_PAIRS>;
// A block of each token: [8][TOKEN_STRIDE], of four columns each
var<workgroup> token_tile: array<u32, 8u * TOKEN_STRIDE>;
// Scale of each token's block, and scale times sum: [TILE_TOKENS]
var<workgroup> token_scales: array<vec2<f32>, TILE_TOKENS>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_pair = (group.y * GRID_X + group.x) * TILE_PAIRS;
    let first_place = group.z * TILE_TOKENS;
    let token_count = state.token_count * SLOTS;
    #repeat h PARTS
#ifdef EXPERTS
    let has$h = groups[first_place + $hu * (TILE_TOKENS / PARTS)] < token_count;
#else
    let has$h = true;
#endif
    #end
    if (!has0) {
        return;
    }
    let lane = thread % LANES;
    let turn = thread / LANES;
    let first_row = tile_row(first_place);
    // The thread loads the same rows, and the same four columns of the same tokens, of each block.
    #repeat r ROW_LOADS
    let row$r = thread + $ru * WORKGROUP;
    let rows$r = first_row + pair_rows(min(first_pair + row$r % TILE_PAIRS, PAIRS - 1u));
    let base$r = select(rows$r.x, rows$r.y, row$r >= TILE_PAIRS) * BLOCKS;
    #end
    let quad = thread % 8u;
    #repeat l TOKEN_LOADS
    let token$l = thread / 8u + $lu * (WORKGROUP / 8u);
    let x_base$l = min(token_at(first_place + token$l), token_count - 1u) / X_SHARE * BLOCKS * 10u;
    #end
    #repeat h PARTS
    #repeat t PART_TOKENS
    #repeat p THREAD_PAIRS
    var sum$h_$t_$p = vec2<f32>(0.0);
    #end
    #end
    #end

    for (var block = 0u; block < BLOCKS; block++) {
        workgroupBarrier();
        #repeat r ROW_LOADS
        {
            let weights = load_integers(base$r + block);
            #repeat v 4
            row_tile[$vu * ROW_STRIDE + row$r] = weights.first[$v];
            row_tile[(4u + $vu) * ROW_STRIDE + row$r] = weights.second[$v];
            #end
            row_scales[row$r] = vec2<f32>(weights.scale, weights.offset);
        }
        #end
        #repeat l TOKEN_LOADS
        token_tile[quad * TOKEN_STRIDE + token$l] = x[x_base$l + block * 10u + quad];
        if (quad == 0u) {
            let at = x_base$l + block * 10u + 8u;
            token_scales[token$l] = vec2<f32>(bitcast<f32>(x[at]), bitcast<f32>(x[at + 1u]));
        }
        #end
        workgroupBarrier();
        #repeat h PARTS
        #repeat t PART_TOKENS
        #repeat p THREAD_PAIRS
        var product$h_$t_$p = vec2<i32>(0);
        #end
        #end
        #end
        for (var column = 0u; column < 8u; column++) {
            let row_base = column * ROW_STRIDE + lane;
            let token_base = column * TOKEN_STRIDE + turn;
            #repeat p THREAD_PAIRS
            let a$p = row_tile[row_base + $pu * LANES];
            let b$p = row_tile[row_base + $pu * LANES + TILE_PAIRS];
            #end
            #repeat h PARTS
            if (has$h) {
                #repeat t PART_TOKENS
                {
                    let value = token_tile[token_base + ($hu * PART_TOKENS + $tu) * (WORKGROUP / LANES)];
                    #repeat p THREAD_PAIRS
                    product$h_$t_$p += vec2<i32>(dot4I8Packed(a$p, value), dot4I8Packed(b$p, value));
                    #end
                }
                #end
            }
            #end
        }
        #repeat p THREAD_PAIRS
        let scale_a$p = row_scales[lane + $pu * LANES];
        let scale_b$p = row_scales[lane + $pu * LANES + TILE_PAIRS];
        #end
        #repeat h PARTS
        if (has$h) {
            #repeat t PART_TOKENS
            {
                let token_scale = token_scales[turn + ($hu * PART_TOKENS + $tu) * (WORKGROUP / LANES)];
                #repeat p THREAD_PAIRS
                sum$h_$t_$p += vec2<f32>(product$h_$t_$p) * vec2<f32>(scale_a$p.x, scale_b$p.x) * token_scale.x
                    + vec2<f32>(scale_a$p.y, scale_b$p.y) * token_scale.y;
                #end
            }
            #end
        }
        #end
    }

    #repeat h PARTS
    #repeat t PART_TOKENS
    {
        let token = token_at(first_place + turn + ($hu * PART_TOKENS + $tu) * (WORKGROUP / LANES));
        #repeat p THREAD_PAIRS
        {
            let pair = first_pair + lane + $pu * LANES;
            if (pair < PAIRS && token < token_count) {
                finish_pair(token, pair, sum$h_$t_$p);
            }
        }
        #end
    }
    #end
    #end
}
