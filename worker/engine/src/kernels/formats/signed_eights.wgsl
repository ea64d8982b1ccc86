// Signed blocks whose codebook has entries of eight magnitudes.
#include "formats/entries_of_two_words.wgsl"
#include "formats/signed_block.wgsl"

fn signed_eights(index: vec4<u32>, signs: u32, scale: vec2<f32>) -> Signed {
    return Signed(
        vec4<u32>(load_entry(index.x), load_entry(index.y)),
        vec4<u32>(load_entry(index.z), load_entry(index.w)),
        signs,
        scale,
    );
}
