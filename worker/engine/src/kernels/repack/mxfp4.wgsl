// MXFP4: four blocks, each with a byte (the exponent) and four words of quants.
#include "repack/put_scales.wgsl"

fn repack(at: u32, group: u32) {
    var exponents = 0u;
    for (var block = 0u; block < 4u; block++) {
        let start = at + 17u * block;
        exponents |= file_byte(start) << (8u * block);
        copy_quants(start + 1u, group, 4u * block, 4u);
    }
    put_scales(group, 0u, exponents);
}
