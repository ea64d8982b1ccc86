// Looks up the embeddings of a batch of tokens: x[t] = SCALE * weight[id[t]], or with ADD, x[t] += SCALE *
// weight[id[t]]. The table may be partial: ROWS rows from FIRST_ROW on; other tokens are left unchanged.
// Grid: one workgroup per token. Constants: BLOCKS (blocks of 32 per row), FIRST_ROW, ROWS, WORKGROUP, SCALE.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Weight blocks in the format's layout: [ROWS][BLOCKS]
@group(0) @binding(1) var<storage, read> quants: array<vec4<u32>>;
// Scales of the blocks in the format's layout: [ROWS][BLOCKS]
@group(0) @binding(2) var<storage, read> scales: array<u32>;
// Token IDs: [tokens]
@group(0) @binding(3) var<storage, read> ids: array<u32>;
// Hidden state: [tokens][BLOCKS * 8]
@group(0) @binding(4) var<storage, read_write> x: array<vec4<f32>>;

#include "formats/FORMAT.wgsl"

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let token = group.x;
    if (token >= state.token_count) {
        return;
    }
    let id = ids[token];
    if (id < FIRST_ROW || id - FIRST_ROW >= ROWS) {
        return;
    }
    for (var block = thread; block < BLOCKS; block += WORKGROUP) {
        let w = load_block((id - FIRST_ROW) * BLOCKS + block);
        let base = (token * BLOCKS + block) * 8u;
        #repeat v 8
#ifdef ADD
        x[base + $vu] += w.v$v * SCALE;
#else
        x[base + $vu] = w.v$v * SCALE;
#endif
        #end
    }
}
