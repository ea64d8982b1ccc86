// Appends keys and values to the cache `kv`. Constants: those of `epilogues/qkv.wgsl`.
#ifdef CACHE_Q8
// A head's key or value.
var<workgroup> gathered: array<f32, max(HEAD_DIM, VALUE_DIM)>;

// Collects a pair of a head's elements.
fn append(head: u32, index: u32, pair: vec2<f32>) {
    gathered[2u * index] = pair.x;
    gathered[2u * index + 1u] = pair.y;
}

// Appends four elements of the collected head, a key or a value of `len` elements, to the row that starts at word
// `row`.
fn quantise_word(row: u32, head: u32, len: u32, word: u32) {
    let block = word / 8u;
    var largest = 0.0;
    for (var i = 0u; i < 32u; i++) {
        largest = max(largest, abs(gathered[32u * block + i]));
    }
    let four = vec4<f32>(
        gathered[4u * word], gathered[4u * word + 1u], gathered[4u * word + 2u], gathered[4u * word + 3u]);
    // If all are zero, they stay zero.
    kv[row + head * (len / 4u) + word] = pack4x8snorm(four / max(largest, 1e-30));
    if (word % 8u == 0u) {
        kv[row + KV_HEADS * (len / 4u) + head * (len / 32u) + block] = bitcast<u32>(largest);
    }
}
#else
#ifdef CACHE_F32
// Appends a pair of elements to the key or value that starts at word `head` of the cache.
fn append(head: u32, index: u32, pair: vec2<f32>) {
    kv[head + 2u * index] = bitcast<u32>(pair.x);
    kv[head + 2u * index + 1u] = bitcast<u32>(pair.y);
}
#else
// Appends a pair of elements to the key or value that starts at word `head` of the cache.
fn append(head: u32, index: u32, pair: vec2<f32>) {
    kv[head + index] = pack2x16float(pair);
}
#endif
#endif
