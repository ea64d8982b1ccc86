// IQ3_XXS: f16 d, 64 bytes of indices; a word per block with signs and, in its upper four bits, the scale.
#include "repack/put_scales.wgsl"
#include "repack/even_signs.wgsl"

fn repack(at: u32, group: u32) {
    copy_quants(at + 2u, group, 0u, 16u);
    for (var block = 0u; block < 8u; block++) {
        let signs = file_word(at + 66u + 4u * block);
        put_scales(group, block, even_signs(signs, signs >> 28u));
    }
    put_half(at, group, 8u);
}
