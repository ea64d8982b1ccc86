// Sums over neighbouring threads. Constants: WORKGROUP, SUBGROUP (threads that reduce with subgroup operations).
#ifdef SUBGROUP_ENABLE
enable subgroups;
#endif

// Sums of single threads, or of subgroups.
var<workgroup> span_sums: array<vec2<f32>, WORKGROUP / SUBGROUP>;

// Sums over `span` neighbouring threads; `span` divides the workgroup. The result is valid in the first of them.
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
        span_sums[thread / SUBGROUP] = sum;
    }
    workgroupBarrier();
    let own = thread / SUBGROUP;
    let share = span / SUBGROUP;
    for (var width = share / 2u; width > 0u; width /= 2u) {
        if (thread % SUBGROUP == 0u && own % share < width) {
            span_sums[own] += span_sums[own + width];
        }
        workgroupBarrier();
    }
    return span_sums[own];
}

// The sum over the workgroup, returned in all threads.
fn sum_over_all(value: f32, thread: u32) -> f32 {
    // If there are few partial sums, every thread adds them itself, which takes fewer barriers.
    let span = select(WORKGROUP, SUBGROUP, WORKGROUP / SUBGROUP <= 8u);
    let sum = sum_over(vec2<f32>(value, 0.0), thread, span);
    workgroupBarrier();
    if (thread % span == 0u) {
        span_sums[thread / span] = sum;
    }
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < WORKGROUP / span; i++) {
        total += span_sums[i].x;
    }
    return total;
}
