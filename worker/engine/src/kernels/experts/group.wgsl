// Lists the slots of a batch by expert, so that tiles of a product can share one (`linear/tile.wgsl`). Slot number token
// * USED + i is a token's place with its i-th expert. Groups come in the order of the experts, each in the order of the
// batch. Each is padded to a multiple of UNIT, and the list to the length that the grids of products cover.
// Grid: one workgroup per expert. Constants: COUNT, USED, UNIT, WORKGROUP.
#include "shared/state.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Chosen experts: [tokens][USED]
@group(0) @binding(1) var<storage, read> experts: array<u32>;
// Slots, or NO_SLOT: [units][UNIT]
@group(0) @binding(2) var<storage, read_write> groups: array<u32>;

const NO_SLOT: u32 = 0xffffffffu;

// Slots of each expert.
var<workgroup> counts: array<atomic<u32>, COUNT>;
// Entries of the list before the expert's group.
var<workgroup> before: atomic<u32>;
// Slots of the expert in each thread's share of the batch.
var<workgroup> shares: array<u32, WORKGROUP>;

fn padded(count: u32) -> u32 {
    return (count + UNIT - 1u) / UNIT * UNIT;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let expert = group.x;
    let slots = state.token_count * USED;
    for (var i = thread; i < COUNT; i += WORKGROUP) {
        atomicStore(&counts[i], 0u);
    }
    if (thread == 0u) {
        atomicStore(&before, 0u);
    }
    workgroupBarrier();
    for (var i = thread; i < slots; i += WORKGROUP) {
        atomicAdd(&counts[experts[i]], 1u);
    }
    workgroupBarrier();
    for (var i = thread; i < expert; i += WORKGROUP) {
        atomicAdd(&before, padded(atomicLoad(&counts[i])));
    }
    let share = (slots + WORKGROUP - 1u) / WORKGROUP;
    let first = min(thread * share, slots);
    let end = min(first + share, slots);
    var own = 0u;
    for (var i = first; i < end; i++) {
        own += select(0u, 1u, experts[i] == expert);
    }
    shares[thread] = own;
    workgroupBarrier();

    let start = atomicLoad(&before);
    var at = start;
    for (var i = 0u; i < thread; i++) {
        at += shares[i];
    }
    for (var i = first; i < end; i++) {
        if (experts[i] == expert) {
            groups[at] = i;
            at++;
        }
    }
    let count = atomicLoad(&counts[expert]);
    var group_end = start + padded(count);
    if (expert == COUNT - 1u) {
        // As `grouped_len`.
        group_end = (slots / UNIT + min(COUNT, slots)) * UNIT;
    }
    for (var i = start + count + thread; i < group_end; i += WORKGROUP) {
        groups[i] = NO_SLOT;
    }
}
