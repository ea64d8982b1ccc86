// Sums over a workgroup. Constants: WORKGROUP, a power of two.

var<workgroup> partials: array<f32, WORKGROUP>;

// The sum of `value` over all threads, returned in all of them.
fn workgroup_sum(value: f32, thread: u32) -> f32 {
    workgroupBarrier();
    partials[thread] = value;
    workgroupBarrier();
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        if (thread < width) {
            partials[thread] += partials[thread + width];
        }
        workgroupBarrier();
    }
    return partials[0];
}
