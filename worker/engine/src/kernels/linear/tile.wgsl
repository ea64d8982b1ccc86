// The tokens of a tile. They are adjacent; with EXPERTS, where "token" means a slot as in `linear.wgsl`, they have the
// same expert.
#ifdef EXPERTS
// Slots by expert, see `experts/group.wgsl`: [tiles][TILE_TOKENS]
@group(0) @binding(10) var<storage, read> groups: array<u32>;
#endif

// The token at a place of all tiles; the number of tokens or more if there is none.
fn token_at(place: u32) -> u32 {
#ifdef EXPERTS
    return groups[place];
#else
    return place;
#endif
}

// The row of the matrix that the tile's rows start with.
fn tile_row(first_place: u32) -> u32 {
#ifdef EXPERTS
    return experts[groups[first_place]] * ROWS;
#else
    return 0u;
#endif
}
