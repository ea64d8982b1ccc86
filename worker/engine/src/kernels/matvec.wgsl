// Matrix times one vector: y = W norm(x), with what follows it fused in. `linear.wgsl` does the same for many vectors.
//
// A thread computes THREAD_PAIRS pairs of rows; which rows belong together and where the results go is the epilogue's choice
// (`epilogues/*.wgsl`). LANES neighbouring threads share their pairs and split the columns: a thread takes a block of 32 at a time.
// All threads of a workgroup need the same input. It goes through workgroup memory in tiles of LANES * STEPS blocks: read in order, and
// kept so that neighbouring threads find neighbouring vectors. Reading it in place would scatter each load over as many cache lines as
// there are lanes.
//
// With NORM, x is RMS-normalised on the way: since the norm only scales x, the sum of squares is gathered beside the dot products and
// divides the result at the end. With MERGE, x is one token's attention in parts (`merged_input.wgsl`).
//
// With EXPERTS the matrix holds one of ROWS rows for each expert, a token takes SLOTS of them, and X_SHARE neighbouring slots have the
// same input. Elsewhere SLOTS and X_SHARE are 1.
//
// Grid: x * y: ceil(PAIRS / THREAD_PAIRS / (WORKGROUP / LANES)) workgroups, z: tokens * SLOTS.
// Constants: ROWS, COLS, BLOCKS (COLS / 32), PAIRS, WORKGROUP, LANES, THREAD_PAIRS, STEPS, GRID_X, EPS, SLOTS, X_SHARE, SUBGROUP
// (threads that reduce with subgroup operations); FIRST_ROW and OUT_ROWS: the output row that the matrix starts with, and the output's
// rows.
#ifdef SUBGROUP_ENABLE
enable subgroups;
#endif
#include "product_bindings.wgsl"

#ifdef MERGE
#include "merged_input.wgsl"
#else
// Input: [tokens][COLS / 4]
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

fn input(index: u32) -> vec4<f32> {
    return x[index];
}
#endif

const TILE_BLOCKS: u32 = LANES * STEPS;
// One more than a tile has, so that threads write to different banks of the memory.
const STRIDE: u32 = TILE_BLOCKS + 1u;

// A tile of the input: [8][STRIDE], the vectors of a block STRIDE apart.
var<workgroup> tile: array<vec4<f32>, 8u * STRIDE>;
// Sums of threads, or of subgroups: of a pair of rows, or of squares.
var<workgroup> partials: array<vec2<f32>, WORKGROUP / SUBGROUP>;

// Sums over SPAN neighbouring threads, where SPAN divides the workgroup; the result is right in the first of them.
fn sum_over(value: vec2<f32>, thread: u32, span: u32) -> vec2<f32> {
    var sum = value;
#ifdef SUBGROUP_REDUCE
    for (var offset = min(span, SUBGROUP) / 2u; offset > 0u; offset /= 2u) {
        sum += subgroupShuffleXor(sum, offset);
    }
#endif
    if (span <= SUBGROUP) {
        return sum;
    }
    workgroupBarrier();
    if (thread % SUBGROUP == 0u) {
        partials[thread / SUBGROUP] = sum;
    }
    workgroupBarrier();
    let own = thread / SUBGROUP;
    let share = span / SUBGROUP;
    for (var width = share / 2u; width > 0u; width /= 2u) {
        if (thread % SUBGROUP == 0u && own % share < width) {
            partials[own] += partials[own + width];
        }
        workgroupBarrier();
    }
    return partials[own];
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_pair = ((group.y * GRID_X + group.x) * (WORKGROUP / LANES) + thread / LANES) * THREAD_PAIRS;
    let lane = thread % LANES;
    let token = group.z;
    if (token >= state.token_count * SLOTS) {
        return;
    }
    var expert_row = 0u;
#ifdef EXPERTS
    expert_row = experts[token] * ROWS;
#endif
    #repeat p THREAD_PAIRS
    let pair_rows$p = pair_rows(min(first_pair + $pu, PAIRS - 1u));
    let rows$p = (expert_row + pair_rows$p) * BLOCKS;
    var sum$p = vec2<f32>(0.0);
    #end
    let x_base = token / X_SHARE * BLOCKS * 8u;
    var square = 0.0;

    for (var first = 0u; first < BLOCKS; first += TILE_BLOCKS) {
        // The tile before is done with.
        workgroupBarrier();
        let tile_vectors = min(TILE_BLOCKS, BLOCKS - first) * 8u;
        for (var i = thread; i < tile_vectors; i += WORKGROUP) {
            var value = input(x_base + first * 8u + i);
#ifdef NORM
            square += dot(value, value);
            value *= norm_weight[first * 8u + i];
#endif
            tile[i % 8u * STRIDE + i / 8u] = value;
        }
        workgroupBarrier();
        #repeat s STEPS
        {
            let at = $su * LANES + lane;
            let block = first + at;
            if (block < BLOCKS) {
                #repeat p THREAD_PAIRS
                let a$p = load_block(rows$p.x + block);
                let b$p = load_block(rows$p.y + block);
                #end
                #repeat v 8
                let x$v = tile[$vu * STRIDE + at];
                #end
                #repeat p THREAD_PAIRS
                sum$p += vec2<f32>(
                    dot(a$p.v0, x0) + dot(a$p.v1, x1) + dot(a$p.v2, x2) + dot(a$p.v3, x3)
                        + dot(a$p.v4, x4) + dot(a$p.v5, x5) + dot(a$p.v6, x6) + dot(a$p.v7, x7),
                    dot(b$p.v0, x0) + dot(b$p.v1, x1) + dot(b$p.v2, x2) + dot(b$p.v3, x3)
                        + dot(b$p.v4, x4) + dot(b$p.v5, x5) + dot(b$p.v6, x6) + dot(b$p.v7, x7),
                );
                #end
            }
        }
        #end
    }

    var scale = 1.0;
#ifdef NORM
    // Each thread needs the sum over all of the workgroup.
    let squares = sum_over(vec2<f32>(square, 0.0), thread, WORKGROUP);
    workgroupBarrier();
    if (thread == 0u) {
        partials[0] = squares;
    }
    workgroupBarrier();
    scale = inverseSqrt(partials[0].x / f32(COLS) + EPS);
#endif
    #repeat p THREAD_PAIRS
    {
        let sum = sum_over(sum$p, thread, LANES);
        if (lane == 0u && first_pair + $pu < PAIRS) {
            finish_pair(token, first_pair + $pu, sum * scale);
        }
    }
    #end
}
