// Matrix times many vectors on an adapter's matrix units: y[t] = W x[t], as in `tiled.wgsl`, with f16 products and f32
// sums. The input comes from `halve.wgsl`.
//
// A workgroup computes a tile of TILE_ROWS rows and TILE_TOKENS tokens; each of its subgroups takes ROW_TILES times
// TOKEN_TILES cooperative 16x16 matrices of it. Adjacent rows of the tile are a pair of the epilogue. Parts without tokens
// are skipped, as in `tiled.wgsl`. With PREFETCH the blocks of the next step are loaded while this one is multiplied.
//
// Grid: x * y: ceil(2 * PAIRS / TILE_ROWS) workgroups, z: that of `tiled.wgsl`.
// Constants: those of `linear.wgsl` except THREAD_PAIRS and TOKENS; ROW_TILES, TOKEN_TILES; ROW_GROUPS, TOKEN_GROUPS:
// subgroups along either side; STEP_BLOCKS: blocks of 32 columns that are multiplied between two barriers; ROW_LOADS,
// TOKEN_LOADS: blocks of rows and of tokens that a thread loads per step, with FEW_TOKENS at most one; TILE_TOKENS: 16 *
// TOKEN_TILES * TOKEN_GROUPS.
enable f16;
enable wgpu_cooperative_matrix;
#include "linear/product_bindings.wgsl"
#include "linear/tile.wgsl"

// Input: [tokens][COLS / 4]
@group(0) @binding(3) var<storage, read> x: array<vec4<f16>>;

const TILE_ROWS: u32 = 16u * ROW_TILES * ROW_GROUPS;
// Tokens of one matrix in each subgroup: a part of the tile.
const PART_TOKENS: u32 = 16u * TOKEN_GROUPS;
// Groups of four columns from one row of a tile to the next; two more than are used, so that rows are in different
// banks.
const STRIDE: u32 = 8u * STEP_BLOCKS + 2u;

// Blocks of rows: [TILE_ROWS][STRIDE], of four columns each
var<workgroup> row_tile: array<vec4<f16>, TILE_ROWS * STRIDE>;
// Blocks of tokens: [TILE_TOKENS][STRIDE], of four columns each
var<workgroup> token_tile: array<vec4<f16>, TILE_TOKENS * STRIDE>;
// A cooperative matrix per subgroup: [subgroups][16 tokens][16 rows]
var<workgroup> results: array<f32, 256u * ROW_GROUPS * TOKEN_GROUPS>;

// 32 values as halves, in order.
struct Halves {
    v0: vec4<f16>,
    v1: vec4<f16>,
    v2: vec4<f16>,
    v3: vec4<f16>,
    v4: vec4<f16>,
    v5: vec4<f16>,
    v6: vec4<f16>,
    v7: vec4<f16>,
}

// A block of a row, which starts at block `base`; zeros past its end.
fn row_halves(base: u32, block: u32) -> Halves {
    let weights = load_block(base + min(block, BLOCKS - 1u));
    let is_there = block < BLOCKS;
    #repeat v 8
    let half$v = select(vec4<f16>(), vec4<f16>(weights.v$v), is_there);
    #end
    return Halves(half0, half1, half2, half3, half4, half5, half6, half7);
}

// A block of an input, which starts at block `base`; anything past its end.
fn token_halves(base: u32, block: u32) -> Halves {
    let start = (base + min(block, BLOCKS - 1u)) * 8u;
    #repeat v 8
    let half$v = x[start + $vu];
    #end
    return Halves(half0, half1, half2, half3, half4, half5, half6, half7);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let first_pair = (group.y * GRID_X + group.x) * (TILE_ROWS / 2u);
    let first_place = group.z * TILE_TOKENS;
    let token_count = state.token_count * SLOTS;
    #repeat t TOKEN_TILES
#ifdef EXPERTS
    let has$t = groups[first_place + $tu * PART_TOKENS] < token_count;
#else
    let has$t = true;
#endif
    #end
    if (!has0) {
        return;
    }
    let expert_row = tile_row(first_place);
    let first_row = subgroup % ROW_GROUPS * ROW_TILES * 16u;
    let first_column = subgroup / ROW_GROUPS * 16u;
    #repeat l ROW_LOADS
    let row$l = (thread + $lu * WORKGROUP) / STEP_BLOCKS;
    let rows$l = expert_row + pair_rows(min(first_pair + row$l / 2u, PAIRS - 1u));
    let base$l = select(rows$l.x, rows$l.y, row$l % 2u == 1u) * BLOCKS;
    #end
    let part = thread % STEP_BLOCKS;
    #repeat l TOKEN_LOADS
    // With FEW_TOKENS, threads without a token load the last one.
    let token$l = min((thread + $lu * WORKGROUP) / STEP_BLOCKS, TILE_TOKENS - 1u);
    let x_base$l = min(token_at(first_place + token$l), token_count - 1u) / X_SHARE * BLOCKS;
    #end
    for (var i = thread; i < 256u * ROW_GROUPS * TOKEN_GROUPS; i += WORKGROUP) {
        results[i] = 0.0;
    }
    workgroupBarrier();
    #repeat r ROW_TILES
    #repeat t TOKEN_TILES
    var sum$r_$t = coopLoad<coop_mat16x16<f32, C>>(&results[subgroup * 256u], 16u);
    #end
    #end

#ifdef PREFETCH
    #repeat l ROW_LOADS
    var weights$l = row_halves(base$l, part);
    #end
    #repeat l TOKEN_LOADS
    var inputs$l = token_halves(x_base$l, part);
    #end
#endif
    for (var step = 0u; step < BLOCKS; step += STEP_BLOCKS) {
        workgroupBarrier();
#ifdef PREFETCH
#else
        #repeat l ROW_LOADS
        let weights$l = row_halves(base$l, step + part);
        #end
        #repeat l TOKEN_LOADS
        let inputs$l = token_halves(x_base$l, step + part);
        #end
#endif
        #repeat l ROW_LOADS
        #repeat v 8
        row_tile[row$l * STRIDE + part * 8u + $vu] = weights$l.v$v;
        #end
        #end
#ifdef FEW_TOKENS
        if (thread < TILE_TOKENS * STEP_BLOCKS) {
#else
        {
#endif
            #repeat l TOKEN_LOADS
            #repeat v 8
            token_tile[token$l * STRIDE + part * 8u + $vu] = inputs$l.v$v;
            #end
            #end
        }
        workgroupBarrier();
#ifdef PREFETCH
        // The loads of the next step are under way while this one is multiplied.
        #repeat l ROW_LOADS
        weights$l = row_halves(base$l, step + STEP_BLOCKS + part);
        #end
        #repeat l TOKEN_LOADS
        inputs$l = token_halves(x_base$l, step + STEP_BLOCKS + part);
        #end
#endif
        for (var column = 0u; column < 8u * STEP_BLOCKS; column += 4u) {
            #repeat r ROW_TILES
            let a$r = coopLoadT<coop_mat16x16<f16, A>>(&row_tile[(first_row + $ru * 16u) * STRIDE + column], STRIDE);
            #end
            #repeat t TOKEN_TILES
            if (has$t) {
                let first = (first_column + $tu * PART_TOKENS) * STRIDE + column;
                let b = coopLoad<coop_mat16x16<f16, B>>(&token_tile[first], STRIDE);
                #repeat r ROW_TILES
                sum$r_$t = coopMultiplyAdd(a$r, b, sum$r_$t);
                #end
            }
            #end
        }
    }

    #repeat t TOKEN_TILES
    #repeat r ROW_TILES
    {
        workgroupBarrier();
        coopStore(sum$r_$t, &results[subgroup * 256u], 16u);
        workgroupBarrier();
        for (var i = lane; i < 128u; i += SUBGROUP) {
            let pair = first_pair + (first_row + $ru * 16u) / 2u + i % 8u;
            let token = token_at(first_place + first_column + $tu * PART_TOKENS + i / 8u);
            let place = subgroup * 256u + i / 8u * 16u + i % 8u * 2u;
            if (pair < PAIRS && token < token_count) {
                finish_pair(token, pair, vec2<f32>(results[place], results[place + 1u]));
            }
        }
    }
    #end
    #end
}
