// TQ1_0: 240 weights in 48 bytes, five per byte; 16 weights in four bytes; f16 d. A byte is a fraction of 256 whose
// digits to base 3 are the weights plus 1. They take pairs of bits, as in TQ2_0.
#include "repack/put_scales.wgsl"

// The first digit of `byte` / 256 times 3^n.
fn digit(byte: u32, n: u32) -> u32 {
    var fraction = byte;
    for (var i = 0u; i < n; i++) {
        fraction = (3u * fraction) & 0xffu;
    }
    return (3u * fraction) >> 8u;
}

// Weight i of 256, plus 1. Digit n of 32 bytes is a block; then come digits of 16 bytes, and of four.
fn ternary(at: u32, i: u32) -> u32 {
    if (i < 160u) {
        return digit(file_byte(at + (i & 31u)), i >> 5u);
    }
    if (i < 240u) {
        return digit(file_byte(at + 32u + (i & 15u)), (i - 160u) >> 4u);
    }
    return digit(file_byte(at + 48u + (i & 3u)), (i - 240u) >> 2u);
}

fn repack(at: u32, group: u32) {
    for (var word = 0u; word < 16u; word++) {
        var bits = 0u;
        for (var i = 0u; i < 16u; i++) {
            bits |= ternary(at, 16u * word + i) << (8u * (i & 3u) + 2u * (i >> 2u));
        }
        put_quants(group, word, bits);
    }
    put_half(at + 52u, group, 0u);
}
