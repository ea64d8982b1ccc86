// The matrix holds rows of the query, key and value projections, in this order; FIRST_ROW is the row of
// that order that it starts with (not 0 where the three have different formats and take a dispatch each).
// A pair is what RoPE turns together: neighbouring rows of a head, or rows half a head apart (ROPE_HALF).
// Queries go to `q`; keys and values are appended to the cache as f16.
// Constants: HEADS, KV_HEADS, HEAD_DIM, ROPE_DIM, VALUE_OFFSET (first word of the values in the cache).

// Query: [tokens][HEADS][HEAD_DIM]
@group(0) @binding(5) var<storage, read_write> q: array<f32>;
// Keys, then from VALUE_OFFSET on values; two f16 a word: [position][KV_HEADS][HEAD_DIM / 2]
@group(0) @binding(6) var<storage, read_write> kv: array<u32>;
// Cosine and sine of the angle: [position][ROPE_DIM / 2]
@group(0) @binding(7) var<storage, read> rope: array<vec2<f32>>;

const HALF_DIM: u32 = HEAD_DIM / 2u;
const FIRST_PAIR: u32 = FIRST_ROW / 2u;

// The two elements of a head that pair `index` (0..HALF_DIM) of a query or key head consists of.
fn rope_elements(index: u32) -> vec2<u32> {
#ifdef ROPE_HALF
    // Elements past ROPE_DIM are not turned; they pair with their neighbours.
    if (index < ROPE_DIM / 2u) {
        return vec2<u32>(index, index + ROPE_DIM / 2u);
    }
#endif
    return vec2<u32>(2u * index, 2u * index + 1u);
}

fn pair_rows(pair: u32) -> vec2<u32> {
    let head = (FIRST_PAIR + pair) / HALF_DIM;
    let index = (FIRST_PAIR + pair) % HALF_DIM;
    let base = head * HEAD_DIM - 2u * FIRST_PAIR;
    if (head >= HEADS + KV_HEADS) {
        return vec2<u32>(base + 2u * index, base + 2u * index + 1u);
    }
    return base + rope_elements(index);
}

fn store_pair(token: u32, pair: u32, values: vec2<f32>) {
    let head = (FIRST_PAIR + pair) / HALF_DIM;
    let index = (FIRST_PAIR + pair) % HALF_DIM;
    let position = state.position + token;
    let row = position * KV_HEADS * HALF_DIM;
    if (head >= HEADS + KV_HEADS) {
        kv[VALUE_OFFSET + row + (head - HEADS - KV_HEADS) * HALF_DIM + index] = pack2x16float(values);
        return;
    }
    var turned = values;
    if (index < ROPE_DIM / 2u) {
        let angle = rope[position * (ROPE_DIM / 2u) + index];
        turned = vec2<f32>(values.x * angle.x - values.y * angle.y, values.x * angle.y + values.y * angle.x);
    }
    if (head < HEADS) {
        let elements = rope_elements(index);
        let base = (token * HEADS + head) * HEAD_DIM;
        q[base + elements.x] = turned.x;
        q[base + elements.y] = turned.y;
    } else {
        // Keys keep the pair's order; `attention.wgsl` reads the query in the same order.
        kv[row + (head - HEADS) * HALF_DIM + index] = pack2x16float(turned);
    }
}
