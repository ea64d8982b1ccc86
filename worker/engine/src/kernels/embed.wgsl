// Looks up the embedding rows of a batch of tokens: x[t] = SCALE * weight[id[t]].
// Grid: one workgroup a token. Constants: COLS, BLOCKS (blocks of 32 a row), WORKGROUP, SCALE.
#include "state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// One weight block of the format each QUANTS_PER_BLOCK entries: [VOCAB][BLOCKS]
@group(0) @binding(1) var<storage, read> quants: array<vec4<u32>>;
// Scales of the blocks, packed as the format says: [VOCAB][BLOCKS]
@group(0) @binding(2) var<storage, read> scales: array<u32>;
// Token ids: [tokens]
@group(0) @binding(3) var<storage, read> ids: array<u32>;
// Hidden state: [tokens][COLS / 4]
@group(0) @binding(4) var<storage, read_write> x: array<vec4<f32>>;

#include "formats/FORMAT.wgsl"

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let token = group.x;
    if (token >= state.token_count) {
        return;
    }
    let id = ids[token];
    for (var block = thread; block < BLOCKS; block += WORKGROUP) {
        let w = load_block(id * BLOCKS + block);
        let base = (token * BLOCKS + block) * 8u;
        x[base] = w.v0 * SCALE;
        x[base + 1u] = w.v1 * SCALE;
        x[base + 2u] = w.v2 * SCALE;
        x[base + 3u] = w.v3 * SCALE;
        x[base + 4u] = w.v4 * SCALE;
        x[base + 5u] = w.v5 * SCALE;
        x[base + 6u] = w.v6 * SCALE;
        x[base + 7u] = w.v7 * SCALE;
    }
}
