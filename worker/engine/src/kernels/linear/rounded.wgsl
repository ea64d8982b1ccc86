// 32 values as 8-bit integers, in order, four per word: x = scale * integer.
struct Rounded {
    first: vec4<u32>,
    second: vec4<u32>,
    scale: f32,
    // Sums of the integers in either half.
    sums: vec2<i32>,
}

// After adding this, the lowest byte of a small float's bits is the nearest integer. That takes less time than to
// convert it.
const ROUNDING: f32 = 12582912.0;

fn rounded_word(x: vec4<f32>, factor: f32) -> u32 {
    let bytes = bitcast<vec4<u32>>(x * factor + ROUNDING) & vec4<u32>(0xffu);
    return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}

fn word_sum(word: u32) -> i32 {
    return dot4I8Packed(word, 0x01010101u);
}

fn half_sum(words: vec4<u32>) -> i32 {
    return word_sum(words.x) + word_sum(words.y) + word_sum(words.z) + word_sum(words.w);
}

// What values of at most `most` are multiplied by. If all are zero, they stay zero.
fn rounding_factor(most: f32) -> f32 {
    return select(0.0, 127.0 / most, most > 0.0);
}

fn rounded(x: Block) -> Rounded {
    var largest = vec4<f32>(0.0);
    #repeat v 8
    largest = max(largest, abs(x.v$v));
    #end
    let most = max(max(largest.x, largest.y), max(largest.z, largest.w));
    let factor = rounding_factor(most);
    #repeat v 8
    let word$v = rounded_word(x.v$v, factor);
    #end
    let first = vec4<u32>(word0, word1, word2, word3);
    let second = vec4<u32>(word4, word5, word6, word7);
    return Rounded(first, second, most / 127.0, vec2<i32>(half_sum(first), half_sum(second)));
}
