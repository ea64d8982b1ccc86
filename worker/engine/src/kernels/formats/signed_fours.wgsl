// Signed blocks whose codebook has entries of four magnitudes.
#include "formats/entries_of_one_word.wgsl"
#include "formats/signed_block.wgsl"

fn signed_fours(first: vec4<u32>, second: vec4<u32>, signs: u32, scale: vec2<f32>) -> Signed {
    return Signed(
        vec4<u32>(load_entry(first.x), load_entry(first.y), load_entry(first.z), load_entry(first.w)),
        vec4<u32>(load_entry(second.x), load_entry(second.y), load_entry(second.z), load_entry(second.w)),
        signs,
        scale,
    );
}
