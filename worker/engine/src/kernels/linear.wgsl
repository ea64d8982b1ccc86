// Matrix times a batch of vectors: y[t] = W (norm(x[t])), with what follows it fused in.
//
// A thread computes a pair of rows for TOKENS tokens; which rows belong together and where the results go
// is the epilogue's choice (`epilogues/*.wgsl`). LANES neighbouring threads share a pair and split its
// columns. With NORM, x is RMS-normalised on the way: since the norm only scales x, the sum of squares is
// gathered beside the dot products and divides the result at the end.
//
// Grid: x * y: ceil(PAIRS / (WORKGROUP / LANES)) workgroups, z: ceil(tokens / TOKENS).
// Constants: ROWS, COLS, BLOCKS (COLS / 32), PAIRS, WORKGROUP, LANES, TOKENS, GRID_X, EPS.
#ifdef SUBGROUP_ENABLE
enable subgroups;
#endif
#include "state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Weight blocks, as the format says: [ROWS][BLOCKS]
@group(0) @binding(1) var<storage, read> quants: array<vec4<u32>>;
// Scales of the blocks, as the format says: [ROWS][BLOCKS]
@group(0) @binding(2) var<storage, read> scales: array<u32>;
// Input: [tokens][COLS / 4], at least a multiple of TOKENS long
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
#ifdef NORM
// Weight of the RMS norm before the matrix: [COLS / 4]
@group(0) @binding(4) var<storage, read> norm_weight: array<vec4<f32>>;
#endif

#include "formats/FORMAT.wgsl"
#include "epilogues/EPILOGUE.wgsl"

// (dot with row 0, dot with row 1, sum of squares) of each thread.
var<workgroup> partials: array<vec3<f32>, WORKGROUP>;

// Sums over the LANES threads of a pair; the result is right in the first of them.
fn sum_over_lanes(value: vec3<f32>, thread: u32) -> vec3<f32> {
#ifdef SUBGROUP_REDUCE
    var sum = value;
    for (var offset = LANES / 2u; offset > 0u; offset /= 2u) {
        sum += subgroupShuffleXor(sum, offset);
    }
    return sum;
#else
    if (LANES == 1u) {
        return value;
    }
    workgroupBarrier();
    partials[thread] = value;
    workgroupBarrier();
    var sum = vec3<f32>(0.0);
    if (thread % LANES == 0u) {
        for (var lane = 0u; lane < LANES; lane++) {
            sum += partials[thread + lane];
        }
    }
    return sum;
#endif
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let pair = (group.y * GRID_X + group.x) * (WORKGROUP / LANES) + thread / LANES;
    let lane = thread % LANES;
    let first_token = group.z * TOKENS;
    let rows = pair_rows(min(pair, PAIRS - 1u));
    var sums: array<vec3<f32>, TOKENS>;

    for (var block = lane; block < BLOCKS; block += LANES) {
        let a = load_block(rows.x * BLOCKS + block);
        let b = load_block(rows.y * BLOCKS + block);
        for (var t = 0u; t < TOKENS; t++) {
            let base = ((first_token + t) * BLOCKS + block) * 8u;
            var x0 = x[base];
            var x1 = x[base + 1u];
            var x2 = x[base + 2u];
            var x3 = x[base + 3u];
            var x4 = x[base + 4u];
            var x5 = x[base + 5u];
            var x6 = x[base + 6u];
            var x7 = x[base + 7u];
            var sum = sums[t];
#ifdef NORM
            sum.z += dot(x0, x0) + dot(x1, x1) + dot(x2, x2) + dot(x3, x3)
                + dot(x4, x4) + dot(x5, x5) + dot(x6, x6) + dot(x7, x7);
            let norm = block * 8u;
            x0 *= norm_weight[norm];
            x1 *= norm_weight[norm + 1u];
            x2 *= norm_weight[norm + 2u];
            x3 *= norm_weight[norm + 3u];
            x4 *= norm_weight[norm + 4u];
            x5 *= norm_weight[norm + 5u];
            x6 *= norm_weight[norm + 6u];
            x7 *= norm_weight[norm + 7u];
#endif
            sum.x += dot(a.v0, x0) + dot(a.v1, x1) + dot(a.v2, x2) + dot(a.v3, x3)
                + dot(a.v4, x4) + dot(a.v5, x5) + dot(a.v6, x6) + dot(a.v7, x7);
            sum.y += dot(b.v0, x0) + dot(b.v1, x1) + dot(b.v2, x2) + dot(b.v3, x3)
                + dot(b.v4, x4) + dot(b.v5, x5) + dot(b.v6, x6) + dot(b.v7, x7);
            sums[t] = sum;
        }
    }

    for (var t = 0u; t < TOKENS; t++) {
        let sum = sum_over_lanes(sums[t], thread);
        let token = first_token + t;
        if (lane == 0u && pair < PAIRS && token < state.token_count) {
#ifdef NORM
            store_pair(token, pair, sum.xy * inverseSqrt(sum.z / f32(COLS) + EPS));
#else
            store_pair(token, pair, sum.xy);
#endif
        }
    }
}
