// 32 weights of one row as 8-bit integers, in order, four per word, with a scale for either half: w = scale * (q -
// CENTRE). A format whose blocks have few quants declares CENTRE; HAS_HALVES, whether the scales may differ;
// `codes_of`, the integers from a block's quants and the words of scales that it needs; and how to load these words,
// long before they are used: `load_own`, that of a block alone, and `load_common`, those that all blocks share whose
// quants are in one vec4.
struct Codes {
    first: vec4<u32>,
    second: vec4<u32>,
    scale: vec2<f32>,
}
