// 32 weights of one row as 8-bit integers, in order, four per word, with a scale for either half: w = scale * (q -
// CENTRE). A format whose blocks have few quants declares CENTRE; HAS_HALVES, whether the scales may differ;
// `load_head`, the words of scales that a block needs, which can be loaded long before they are used; and `codes_of`,
// the integers from a block's quants and head.
struct Codes {
    first: vec4<u32>,
    second: vec4<u32>,
    scale: vec2<f32>,
}
