// IQ2_XXS: f16 d; per block four bytes of indices and a word with signs and, in its upper four bits, the scale.
#include "repack/put_scales.wgsl"
#include "repack/even_signs.wgsl"

fn repack(at: u32, group: u32) {
    for (var block = 0u; block < 8u; block++) {
        let start = at + 2u + 8u * block;
        let signs = file_word(start + 4u);
        put_quants(group, 2u * block, file_word(start));
        put_quants(group, 2u * block + 1u, even_signs(signs, signs >> 28u));
    }
    put_half(at, group, 0u);
}
