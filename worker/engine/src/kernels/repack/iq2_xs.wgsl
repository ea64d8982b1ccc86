// IQ2_XS: f16 d; per block four times 16 bits, nine of an index and seven signs; eight bytes of scales.
#include "repack/put_scales.wgsl"
#include "repack/even_signs.wgsl"

fn repack(at: u32, group: u32) {
    for (var block = 0u; block < 8u; block++) {
        var low = 0u;
        var high = 0u;
        var signs = 0u;
        for (var i = 0u; i < 4u; i++) {
            let both = file_word(at + 2u + 8u * block + 2u * i) & 0xffffu;
            low |= (both & 0xffu) << (8u * i);
            high |= ((both >> 8u) & 1u) << i;
            signs |= (both >> 9u) << (7u * i);
        }
        put_quants(group, 2u * block, low);
        put_quants(group, 2u * block + 1u, even_signs(signs, high));
    }
    copy_scales(at + 66u, group, 0u, 2u);
    put_half(at, group, 2u);
}
