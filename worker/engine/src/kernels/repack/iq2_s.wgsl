// IQ2_S: f16 d, 32 bytes of indices, 32 bytes of signs, eight bytes with two more bits of each index, eight bytes of
// scales.
#include "repack/put_scales.wgsl"
#include "repack/spread_bits.wgsl"

fn repack(at: u32, group: u32) {
    for (var block = 0u; block < 8u; block++) {
        let start = at + 2u + 4u * block;
        put_quants(group, 2u * block, file_word(start));
        put_quants(group, 2u * block + 1u, spread_bits(file_word(start + 32u)));
    }
    copy_scales(at + 66u, group, 0u, 4u);
    put_half(at, group, 4u);
}
