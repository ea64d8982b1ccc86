// IQ3_S: f16 d, 64 bytes of indices, eight bytes with another bit of each index, 32 bytes of signs, four bytes of
// scales.
#include "repack/put_scales.wgsl"
#include "repack/spread_bits.wgsl"

fn repack(at: u32, group: u32) {
    copy_quants(at + 2u, group, 0u, 16u);
    for (var block = 0u; block < 8u; block++) {
        put_scales(group, block, spread_bits(file_word(at + 74u + 4u * block)));
    }
    copy_scales(at + 66u, group, 8u, 2u);
    copy_scales(at + 106u, group, 10u, 1u);
    put_half(at, group, 11u);
}
