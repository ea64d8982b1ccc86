// One head's query, key and value of one token, multiplied by the workgroup that needs them: for small matrices this
// takes less time than a separate dispatch. The threads of a row pair are neighbours; each takes every LANES-th block
// of columns.
// Constants: those of `matvec.wgsl` that `product_bindings.wgsl` needs, PROJECTION_STEPS (blocks per thread), WORKGROUP
// (a multiple of HALF_DIM), SUBGROUP.
#include "linear/product_bindings.wgsl"
#include "linear/vector_input.wgsl"

const LANES: u32 = WORKGROUP / HALF_DIM;
const TILE_BLOCKS: u32 = BLOCKS;
#include "linear/input_tile.wgsl"
#include "shared/span_sum.wgsl"

// Loads the input into the tile, and returns the norm's factor of all products.
fn load_input(thread: u32) -> f32 {
    let square = fill_tile(0u, 0u, BLOCKS, thread);
    workgroupBarrier();
#ifdef NORM
    return inverseSqrt(sum_over_all(square, thread) / f32(COLS) + EPS);
#else
    return 1.0;
#endif
}

// Rows of a thread's pair of a head; heads are numbered queries first, then keys, then values.
fn head_rows(head: u32, thread: u32) -> vec2<u32> {
    return pair_rows(head * HALF_DIM + thread / LANES) * BLOCKS;
}

// The thread's blocks; past the end the last one.
fn own_block(step: u32, thread: u32) -> u32 {
    return min(step * LANES + thread % LANES, BLOCKS - 1u);
}

// Contribution of one of its blocks to the products of its rows.
fn products(a: Block, b: Block, step: u32, thread: u32) -> vec2<f32> {
    let inputs = tile_block(own_block(step, thread));
    let both = vec2<f32>(dot_block(a, inputs), dot_block(b, inputs));
    return select(vec2<f32>(0.0), both, step * LANES + thread % LANES < BLOCKS);
}

// Passes the products of a head's rows to the epilogue.
fn finish_head(head: u32, sum: vec2<f32>, scale: f32, thread: u32) {
    let total = sum_over(sum, thread, LANES);
    if (thread % LANES == 0u) {
        finish_pair(0u, head * HALF_DIM + thread / LANES, total * scale);
    }
}

// Loads the input, multiplies a head's rows with it, and returns the norm's factor.
fn project(head: u32, thread: u32) -> f32 {
    let rows = head_rows(head, thread);
    // Weight loads are issued before waiting for the input.
    #repeat s PROJECTION_STEPS
    let a$s = load_block(rows.x + own_block($su, thread));
    let b$s = load_block(rows.y + own_block($su, thread));
    #end
    let scale = load_input(thread);
    var sum = vec2<f32>(0.0);
    #repeat s PROJECTION_STEPS
    sum += products(a$s, b$s, $su, thread);
    #end
    finish_head(head, sum, scale, thread);
    return scale;
}

// Appends the token's key in the workgroup to the cache, or its value if `first` is VALUE_VEC_OFFSET.
fn append_own(first: u32, head: u32, kv_head: u32, thread: u32) {
    // Done by one of the heads that share the key head.
    if (head % (HEADS / KV_HEADS) == 0u && thread < KEY_VECTORS) {
        kv[first + own_row(0u) * ROW_VECTORS + kv_head * KEY_VECTORS + thread] =
            vec4<u32>(own[4u * thread], own[4u * thread + 1u], own[4u * thread + 2u], own[4u * thread + 3u]);
    }
}

// The value of the token's own position: a weighted sum with a single weight of 1.
fn attend_to_own_value(head: u32, kv_head: u32, part: u32, thread: u32) {
    workgroupBarrier();
    append_own(VALUE_VEC_OFFSET, head, kv_head, thread);
    if (thread < HALF_DIM) {
        y[part + thread] = unpack2x16float(own[thread]);
    }
}

// The score of the token's own position.
fn attend_to_own_key(head: u32, kv_head: u32, part: u32, scale: f32, thread: u32) {
    let rows = head_rows(HEADS + kv_head, thread);
    var sum = vec2<f32>(0.0);
    #repeat s PROJECTION_STEPS
    let block$s = own_block($su, thread);
    sum += products(load_block(rows.x + block$s), load_block(rows.y + block$s), $su, thread);
    #end
    finish_head(HEADS + kv_head, sum, scale, thread);
    workgroupBarrier();
    append_own(0u, head, kv_head, thread);
    var product = 0.0;
    if (thread < HALF_DIM) {
        product = dot(query[thread], unpack2x16float(own[thread]));
    }
    let score = sum_over_all(product, thread);
    if (thread == 0u) {
        y[part + HALF_DIM] = vec2<f32>(soft_capped(score), 1.0);
    }
}
