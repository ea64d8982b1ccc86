// Matrix times many vectors on an adapter's matrix units: y[t] = W x[t], as in `tiled.wgsl`, with f16 products and f32
// sums. The input comes from `halve.wgsl`.
//
// A workgroup computes a tile of TILE_ROWS rows and TILE_TOKENS tokens; each of its subgroups takes ROW_TILES times
// TOKEN_TILES cooperative 16x16 matrices of it. Adjacent rows of the tile are a pair of the epilogue. Parts without tokens
// are skipped, as in `tiled.wgsl`. With PREFETCH the blocks of the next step are loaded while this one is multiplied.
//
// A thread loads whole blocks, each of which lies in a cache line of its own. With COALESCED, neighbouring threads load
// neighbouring groups of four columns of inputs instead, and with WEIGHT_HALVES of rows, whose weights are f16.
//
// Grid: x * y: ceil(2 * PAIRS / TILE_ROWS) workgroups, z: that of `tiled.wgsl`.
// Constants: those of `linear.wgsl` except THREAD_PAIRS and TOKENS; ROW_TILES, TOKEN_TILES; ROW_GROUPS, TOKEN_GROUPS:
// subgroups along either side; STEP_BLOCKS: blocks of 32 columns that are multiplied between two barriers; UNROLL: matrices
// along the columns that are multiplied in one turn of a loop, a divisor of 2 * STEP_BLOCKS; ROW_LOADS, TOKEN_LOADS: blocks,
// or groups of four columns, of rows and of tokens that a thread loads per step, with FEW_TOKENS at most one; ROW_PARTS,
// TOKEN_PARTS: how many of them a row and a token have per step; TILE_TOKENS: 16 * TOKEN_TILES * TOKEN_GROUPS; PAIR_TURNS:
// 128 / SUBGROUP.
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

#ifdef WEIGHT_HALVES
// Four columns of a row.
alias RowPart = vec4<f16>;

// A part of a step's columns of a row, which starts at block `base`; zeros past its end.
fn load_row(base: u32, step: u32, part: u32) -> RowPart {
    let block = step + part / 8u;
    let four = quants[(base + min(block, BLOCKS - 1u)) * 8u + part % 8u];
    return select(vec4<f16>(), four, block < BLOCKS);
}

fn store_row(row: u32, part: u32, four: RowPart) {
    row_tile[row * STRIDE + part] = four;
}
#else
// A block of a row.
alias RowPart = Halves;

// A part of a step's columns of a row, which starts at block `base`; zeros past its end.
fn load_row(base: u32, step: u32, part: u32) -> RowPart {
    let block = step + part;
    let weights = load_block(base + min(block, BLOCKS - 1u));
    let is_there = block < BLOCKS;
    #repeat v 8
    let half$v = select(vec4<f16>(), vec4<f16>(weights.v$v), is_there);
    #end
    return Halves(half0, half1, half2, half3, half4, half5, half6, half7);
}

fn store_row(row: u32, part: u32, halves: RowPart) {
    #repeat v 8
    row_tile[row * STRIDE + part * 8u + $vu] = halves.v$v;
    #end
}
#endif

#ifdef COALESCED
// Four columns of an input.
alias TokenPart = vec4<f16>;

// A part of a step's columns of an input, which starts at block `base`; anything past its end.
fn load_token(base: u32, step: u32, part: u32) -> TokenPart {
    return x[(base + min(step + part / 8u, BLOCKS - 1u)) * 8u + part % 8u];
}

fn store_token(token: u32, part: u32, four: TokenPart) {
    token_tile[token * STRIDE + part] = four;
}
#else
// A block of an input.
alias TokenPart = Halves;

// A part of a step's columns of an input, which starts at block `base`; anything past its end.
fn load_token(base: u32, step: u32, part: u32) -> TokenPart {
    let start = (base + min(step + part, BLOCKS - 1u)) * 8u;
    #repeat v 8
    let half$v = x[start + $vu];
    #end
    return Halves(half0, half1, half2, half3, half4, half5, half6, half7);
}

fn store_token(token: u32, part: u32, halves: TokenPart) {
    #repeat v 8
    token_tile[token * STRIDE + part * 8u + $vu] = halves.v$v;
    #end
}
#endif

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
    let row$l = (thread + $lu * WORKGROUP) / ROW_PARTS;
    let rows$l = expert_row + pair_rows(min(first_pair + row$l / 2u, PAIRS - 1u));
    let base$l = select(rows$l.x, rows$l.y, row$l % 2u == 1u) * BLOCKS;
    #end
    let row_part = thread % ROW_PARTS;
    #repeat l TOKEN_LOADS
    // With FEW_TOKENS, threads without a token load the last one.
    let token$l = min((thread + $lu * WORKGROUP) / TOKEN_PARTS, TILE_TOKENS - 1u);
    let x_base$l = min(token_at(first_place + token$l), token_count - 1u) / X_SHARE * BLOCKS;
    #end
    let token_part = thread % TOKEN_PARTS;
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
    var weights$l = load_row(base$l, 0u, row_part);
    #end
    #repeat l TOKEN_LOADS
    var inputs$l = load_token(x_base$l, 0u, token_part);
    #end
#endif
    for (var step = 0u; step < BLOCKS; step += STEP_BLOCKS) {
        workgroupBarrier();
#ifdef PREFETCH
#else
        #repeat l ROW_LOADS
        let weights$l = load_row(base$l, step, row_part);
        #end
        #repeat l TOKEN_LOADS
        let inputs$l = load_token(x_base$l, step, token_part);
        #end
#endif
        #repeat l ROW_LOADS
        store_row(row$l, row_part, weights$l);
        #end
#ifdef FEW_TOKENS
        if (thread < TILE_TOKENS * TOKEN_PARTS) {
#else
        {
#endif
            #repeat l TOKEN_LOADS
            store_token(token$l, token_part, inputs$l);
            #end
        }
        workgroupBarrier();
#ifdef PREFETCH
        // The loads of the next step are under way while this one is multiplied.
        #repeat l ROW_LOADS
        weights$l = load_row(base$l, step + STEP_BLOCKS, row_part);
        #end
        #repeat l TOKEN_LOADS
        inputs$l = load_token(x_base$l, step + STEP_BLOCKS, token_part);
        #end
#endif
        for (var column = 0u; column < 8u * STEP_BLOCKS; column += 4u * UNROLL) {
            #repeat c UNROLL
            {
                let at = column + $cu * 4u;
                #repeat r ROW_TILES
                let a$r = coopLoadT<coop_mat16x16<f16, A>>(&row_tile[(first_row + $ru * 16u) * STRIDE + at], STRIDE);
                #end
                #repeat t TOKEN_TILES
                if (has$t) {
                    let first = (first_column + $tu * PART_TOKENS) * STRIDE + at;
                    let b = coopLoad<coop_mat16x16<f16, B>>(&token_tile[first], STRIDE);
                    #repeat r ROW_TILES
                    sum$r_$t = coopMultiplyAdd(a$r, b, sum$r_$t);
                    #end
                }
                #end
            }
            #end
        }
    }

    #repeat t TOKEN_TILES
    #repeat r ROW_TILES
    {
        // Loads are repeated in the text, so that none of them waits for an earlier store.
        #repeat i PAIR_TURNS
        let place$i = lane + $iu * SUBGROUP;
        let pair$i = first_pair + (first_row + $ru * 16u) / 2u + place$i % 8u;
        let owner$i = token_at(first_place + first_column + $tu * PART_TOKENS + place$i / 8u);
        let is_there$i = pair$i < PAIRS && owner$i < token_count;
        var before$i = vec2<f32>();
        if (is_there$i) {
            before$i = earlier(owner$i, pair$i);
        }
        #end
        workgroupBarrier();
        coopStore(sum$r_$t, &results[subgroup * 256u], 16u);
        workgroupBarrier();
        #repeat i PAIR_TURNS
        if (is_there$i) {
            let result = subgroup * 256u + place$i / 8u * 16u + place$i % 8u * 2u;
            finish_pair_after(owner$i, pair$i, vec2<f32>(results[result], results[result + 1u]), before$i);
        }
        #end
    }
    #end
    #end
}
