// Blocks of one token's input in workgroup memory, rounded to 8-bit integers; with SEVERAL_TOKENS those of TOKENS tokens
// (otherwise TOKENS is 1). Constants: SPAN, UNITS, LANES, WORKGROUP, TOKENS.
#include "linear/rounded.wgsl"

// Units of SPAN blocks that a tile has room for.
const TILE_UNITS: u32 = LANES * UNITS;
const TILE_BLOCKS: u32 = TILE_UNITS * SPAN;
// Blocks of all tokens.
const ALL_BLOCKS: u32 = TOKENS * TILE_BLOCKS;

// The integers: [2][TOKENS][SPAN][TILE_UNITS], four words for either half of a block. Neighbouring threads read
// neighbouring units.
var<workgroup> tile: array<vec4<u32>, 2u * ALL_BLOCKS>;
// Scales of the blocks: [TOKENS][SPAN][TILE_UNITS]
var<workgroup> tile_scales: array<f32, ALL_BLOCKS>;
// What the products of the blocks with codes start from, since weights are codes less CENTRE: [TOKENS][SPAN][TILE_UNITS].
// Of both halves, or if they share a scale of the block and zero.
var<workgroup> tile_starts: array<vec2<i32>, ALL_BLOCKS>;

// Rounds `count` blocks of the input that starts at `base` into the tile, starting with block `first`; with NORM they
// are multiplied by its weight. Returns the thread's part of their sum of squares. With SEVERAL_TOKENS the input is that
// of the token that the thread loads with others.
fn fill_tile(base: u32, first: u32, count: u32, thread: u32) -> f32 {
    var square = 0.0;
#ifdef SEVERAL_TOKENS
    let own = thread / LOADERS * TILE_BLOCKS;
    let loader = thread % LOADERS;
    let loaders = LOADERS;
#else
    let own = 0u;
    let loader = thread;
    let loaders = WORKGROUP;
#endif
    for (var i = loader; i < count; i += loaders) {
        let start = (first + i) * 8u;
        // All loads are issued before the first result is needed.
        #repeat v 8
        var value$v = x[base + start + $vu];
#ifdef NORM
        let weight$v = norm_weight[start + $vu];
#endif
        #end
#ifdef NORM
        #repeat v 8
        square += dot(value$v, value$v);
        value$v *= weight$v;
        #end
#endif
        let bytes = rounded(Block(value0, value1, value2, value3, value4, value5, value6, value7));
        let place = own + i % SPAN * TILE_UNITS + i / SPAN;
        tile[place] = bytes.first;
        tile[ALL_BLOCKS + place] = bytes.second;
        tile_scales[place] = bytes.scale;
        var starts = bytes.sums;
        if (!HAS_HALVES) {
            starts = vec2<i32>(starts.x + starts.y, 0);
        }
        tile_starts[place] = -CENTRE * starts;
    }
    return square;
}

// The product of a block's weights with the block at `place` of the tile.
fn tile_product(codes: Codes, place: u32) -> f32 {
    let first = tile[place];
    let second = tile[ALL_BLOCKS + place];
    var sums = tile_starts[place];
    #repeat v 4
    sums.x += dot4I8Packed(codes.first[$v], first[$v]);
    #end
    if (HAS_HALVES) {
        #repeat v 4
        sums.y += dot4I8Packed(codes.second[$v], second[$v]);
        #end
        return tile_scales[place] * dot(codes.scale, vec2<f32>(sums));
    }
    #repeat v 4
    sums.x += dot4I8Packed(codes.second[$v], second[$v]);
    #end
    return tile_scales[place] * codes.scale.x * f32(sums.x);
}
