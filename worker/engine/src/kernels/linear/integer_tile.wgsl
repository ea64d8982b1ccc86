// Blocks of one token's input in workgroup memory, rounded to 8-bit integers; with SEVERAL_TOKENS those of TOKENS tokens
// (otherwise TOKENS is 1). Constants: SPAN, UNITS, LANES, WORKGROUP, TOKENS, TILE_LOADS (quarters of blocks that a thread
// loads with SHUFFLE_FOURS, which takes subgroups of four or more).
#include "linear/rounded.wgsl"

// Units of SPAN blocks that a tile has room for.
const TILE_UNITS: u32 = LANES * UNITS;
const TILE_BLOCKS: u32 = TILE_UNITS * SPAN;
#ifdef SEVERAL_TOKENS
#else
// Threads that load the input of the same token.
const LOADERS: u32 = WORKGROUP;
#endif
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

// Writes a block of a token's input.
fn put_block(token: u32, block: u32, bytes: Rounded) {
    let place = token * TILE_BLOCKS + block % SPAN * TILE_UNITS + block / SPAN;
    tile[place] = bytes.first;
    tile[ALL_BLOCKS + place] = bytes.second;
    tile_scales[place] = bytes.scale;
    var starts = bytes.sums;
    if (!HAS_HALVES) {
        starts = vec2<i32>(starts.x + starts.y, 0);
    }
    tile_starts[place] = -CENTRE * starts;
}

#ifdef SHUFFLE_FOURS
// The same word of four neighbouring threads, in order in the first of them.
fn four_words(word: u32) -> vec4<u32> {
    return vec4<u32>(
        word,
        subgroupShuffleXor(word, 1u),
        subgroupShuffleXor(word, 2u),
        subgroupShuffleXor(word, 3u),
    );
}

// Rounds `count` blocks of the input that starts at `base` into the tile, starting with block `first`; with NORM they
// are multiplied by its weight. Returns the thread's part of their sum of squares. With SEVERAL_TOKENS the input is that
// of the token that the thread loads with others.
//
// Four neighbouring threads share a block: threads that each read a whole one would wait for each other's cache lines.
fn fill_tile(base: u32, first: u32, count: u32, thread: u32) -> f32 {
    var square = 0.0;
    // All loads are issued before the first result is needed.
    #repeat l TILE_LOADS
    let i$l = $lu * LOADERS + thread % LOADERS;
    let at$l = (first + min(i$l / 4u, count - 1u)) * 8u + i$l % 4u;
    var low$l = input(base + at$l);
    var high$l = input(base + at$l + 4u);
#ifdef NORM
    let low_weight$l = norm_weight[at$l];
    let high_weight$l = norm_weight[at$l + 4u];
#endif
    #end
    #repeat l TILE_LOADS
    {
        let is_inside = i$l < 4u * count;
#ifdef NORM
        square += select(0.0, dot(low$l, low$l) + dot(high$l, high$l), is_inside);
        low$l *= low_weight$l;
        high$l *= high_weight$l;
#endif
        let largest = max(abs(low$l), abs(high$l));
        var most = max(max(largest.x, largest.y), max(largest.z, largest.w));
        most = max(most, subgroupShuffleXor(most, 1u));
        most = max(most, subgroupShuffleXor(most, 2u));
        let factor = rounding_factor(most);
        let first_words = four_words(rounded_word(low$l, factor));
        let second_words = four_words(rounded_word(high$l, factor));
        if (is_inside && i$l % 4u == 0u) {
            let sums = vec2<i32>(half_sum(first_words), half_sum(second_words));
            put_block(thread / LOADERS, i$l / 4u, Rounded(first_words, second_words, most / 127.0, sums));
        }
    }
    #end
    return square;
}
#else
// The same, where each thread rounds whole blocks.
fn fill_tile(base: u32, first: u32, count: u32, thread: u32) -> f32 {
    var square = 0.0;
    for (var i = thread % LOADERS; i < count; i += LOADERS) {
        let start = (first + i) * 8u;
        // All loads are issued before the first result is needed.
        #repeat v 8
        var value$v = input(base + start + $vu);
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
        put_block(
            thread / LOADERS,
            i,
            rounded(Block(value0, value1, value2, value3, value4, value5, value6, value7)),
        );
    }
    return square;
}
#endif

// A block of the tile.
struct TileBlock {
    first: vec4<u32>,
    second: vec4<u32>,
    starts: vec2<i32>,
    scale: f32,
}

fn tile_block(place: u32) -> TileBlock {
    return TileBlock(tile[place], tile[ALL_BLOCKS + place], tile_starts[place], tile_scales[place]);
}

// The product of a block's weights with a block of the tile.
fn product(codes: Codes, x: TileBlock) -> f32 {
    var sums = x.starts;
    #repeat v 4
    sums.x += dot4I8Packed(codes.first[$v], x.first[$v]);
    #end
    if (HAS_HALVES) {
        #repeat v 4
        sums.y += dot4I8Packed(codes.second[$v], x.second[$v]);
        #end
        return x.scale * dot(codes.scale, vec2<f32>(sums));
    }
    #repeat v 4
    sums.x += dot4I8Packed(codes.second[$v], x.second[$v]);
    #end
    return x.scale * codes.scale.x * f32(sums.x);
}
