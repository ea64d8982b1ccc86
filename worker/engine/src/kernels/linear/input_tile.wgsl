// Blocks of one token's input in workgroup memory, which all threads of the workgroup need; with SEVERAL_TOKENS those of
// TOKENS tokens. Constants: TILE_BLOCKS, WORKGROUP, TILE_LOADS (4-element vectors that a thread loads).

// One more than the tile has, so that threads write to different memory banks.
const STRIDE: u32 = TILE_BLOCKS + 1u;
// Vectors of a token in the tile.
const TILE_LEN: u32 = 8u * STRIDE;

// [8][STRIDE]: the vectors of a block are STRIDE apart, so that neighbouring threads read adjacent vectors. With
// SEVERAL_TOKENS [TOKENS][8][STRIDE].
#ifdef SEVERAL_TOKENS
var<workgroup> tile: array<vec4<f32>, TOKENS * TILE_LEN>;
#else
var<workgroup> tile: array<vec4<f32>, TILE_LEN>;
#endif

// Loads `count` blocks of the input that starts at `base` into the tile, starting with block `first`; with NORM they
// are multiplied by its weight. Returns the thread's part of their sum of squares. With SEVERAL_TOKENS the input is that
// of the token that the thread loads with others.
fn fill_tile(base: u32, first: u32, count: u32, thread: u32) -> f32 {
    var square = 0.0;
    let last = 8u * count - 1u;
#ifdef SEVERAL_TOKENS
    let own = thread / LOADERS * TILE_LEN;
    let loader = thread % LOADERS;
    let loaders = LOADERS;
#else
    let own = 0u;
    let loader = thread;
    let loaders = WORKGROUP;
#endif
    // All loads are issued before the first result is needed.
    #repeat l TILE_LOADS
    let i$l = $lu * loaders + loader;
    var value$l = input(base + first * 8u + min(i$l, last));
#ifdef NORM
    let weight$l = norm_weight[first * 8u + min(i$l, last)];
#endif
    #end
    #repeat l TILE_LOADS
    if (i$l <= last) {
#ifdef NORM
        square += dot(value$l, value$l);
        value$l *= weight$l;
#endif
        tile[own + i$l % 8u * STRIDE + i$l / 8u] = value$l;
    }
    #end
    return square;
}

fn tile_block(at: u32) -> Block {
    return Block(
        tile[at],
        tile[STRIDE + at],
        tile[2u * STRIDE + at],
        tile[3u * STRIDE + at],
        tile[4u * STRIDE + at],
        tile[5u * STRIDE + at],
        tile[6u * STRIDE + at],
        tile[7u * STRIDE + at],
    );
}
