// Matrix times many vectors: y[t] = W (norm(x[t])), as in `linear.wgsl`, for large matrices on GPUs.
//
// A workgroup computes a tile of TILE_PAIRS pairs of rows and TILE_TOKENS tokens. Weights and input are loaded block by
// block (32 columns) into workgroup memory, where each is read by all threads that need it: a thread computes
// THREAD_PAIRS pairs for PART_TOKENS tokens in each of the tile's PARTS from registers. Parts without tokens are skipped.
//
// Grid: x * y: ceil(PAIRS / TILE_PAIRS) workgroups, z: ceil(tokens / TILE_TOKENS), or with EXPERTS as many as groups may
// take.
// Constants: those of `linear.wgsl` except TOKENS; LANES: adjacent threads along the pairs; TILE_PAIRS = LANES *
// THREAD_PAIRS, TILE_TOKENS = WORKGROUP / LANES * PARTS * PART_TOKENS; ROW_LOADS: 2 * TILE_PAIRS / WORKGROUP,
// TOKEN_LOADS: 8 * TILE_TOKENS / WORKGROUP.
#include "linear/product_bindings.wgsl"
#include "linear/tile.wgsl"

// Input: [tokens][COLS / 4]
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

// One more than is used, so that neighbours in a column are in different banks.
const ROW_STRIDE: u32 = 2u * TILE_PAIRS + 1u;
const TOKEN_STRIDE: u32 = TILE_TOKENS + 1u;

// A block of each row, the first rows of the pairs before the second: [8][ROW_STRIDE], of four columns each
var<workgroup> row_tile: array<vec4<f32>, 8u * ROW_STRIDE>;
// A block of each token: [8][TOKEN_STRIDE], of four columns each
var<workgroup> token_tile: array<vec4<f32>, 8u * TOKEN_STRIDE>;
#ifdef NORM
// Sums of squares of a token's columns: [TILE_TOKENS][8]
var<workgroup> squares: array<f32, 8u * TILE_TOKENS>;
#endif

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
    let x_base$l = min(token_at(first_place + token$l), token_count - 1u) / X_SHARE * BLOCKS * 8u + quad;
#ifdef NORM
    var square$l = 0.0;
#endif
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
            let weights = load_block(base$r + block);
            #repeat v 8
            row_tile[$vu * ROW_STRIDE + row$r] = weights.v$v;
            #end
        }
        #end
#ifdef NORM
        let norm = norm_weight[block * 8u + quad];
#endif
        #repeat l TOKEN_LOADS
        {
            var value = x[x_base$l + block * 8u];
#ifdef NORM
            square$l += dot(value, value);
            value *= norm;
#endif
            token_tile[quad * TOKEN_STRIDE + token$l] = value;
        }
        #end
        workgroupBarrier();
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
                    sum$h_$t_$p += vec2<f32>(a$p.x, b$p.x) * value.x;
                    sum$h_$t_$p += vec2<f32>(a$p.y, b$p.y) * value.y;
                    sum$h_$t_$p += vec2<f32>(a$p.z, b$p.z) * value.z;
                    sum$h_$t_$p += vec2<f32>(a$p.w, b$p.w) * value.w;
                    #end
                }
                #end
            }
            #end
        }
    }

#ifdef NORM
    #repeat l TOKEN_LOADS
    squares[token$l * 8u + quad] = square$l;
    #end
    workgroupBarrier();
#endif
    #repeat h PARTS
    #repeat t PART_TOKENS
    {
        let place = turn + ($hu * PART_TOKENS + $tu) * (WORKGROUP / LANES);
        let token = token_at(first_place + place);
        var scale = 1.0;
#ifdef NORM
        var square = 0.0;
        #repeat v 8
        square += squares[place * 8u + $vu];
        #end
        scale = inverseSqrt(square / f32(COLS) + EPS);
#endif
        #repeat p THREAD_PAIRS
        {
            let pair = first_pair + lane + $pu * LANES;
            if (pair < PAIRS && token < token_count) {
                finish_pair(token, pair, sum$h_$t_$p * scale);
            }
        }
        #end
    }
    #end
    #end
}
