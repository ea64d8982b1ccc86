//! How a picture is cut: the sizes to which it is resized, and the squares of a grid. In single precision, as in mtmd, so
//! that sizes near a limit are the same.

use super::{Picture, Size};
use crate::models::{PictureConfig, Sizing, TILE};

/// Squares of a picture, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Squares {
    /// Side of each in pixels.
    pub side: u32,
    /// Number of columns and of rows.
    pub grid: Size,
    /// The picture first gets this size.
    first: Option<Size>,
}

/// How a picture is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Squares that show its details.
    pub squares: Option<Squares>,
    /// The size of the whole.
    pub whole: Size,
}

impl Cut {
    /// The cut of a picture of this size. The sides of its parts are multiples of `unit`; a whole that may have any size
    /// has at most `max_pixels`, whatever the file says.
    pub fn new(config: &PictureConfig, size: Size, unit: u32, max_pixels: u32) -> Self {
        let [width, height] = size;
        let between = |min: u32, max: u32| {
            let max = max.min(max_pixels);
            whole_units(size, unit, [min.min(max), max])
        };
        match config.sizing {
            Sizing::Square(edge) => Self { squares: None, whole: [edge; 2] },
            Sizing::Between { min_pixels, max_pixels } => {
                Self { squares: None, whole: between(min_pixels, max_pixels) }
            }
            Sizing::Squares { side, longest } => {
                let first = with_longest(size, longest);
                let squares = Squares { side, grid: covering(first, side), first: Some(first) };
                Self { squares: Some(squares), whole: [side; 2] }
            }
            Sizing::Grid { side, min_tiles, max_tiles } => {
                let grid = || best_grid(size, side, [min_tiles, max_tiles]);
                let squares = (width > side || height > side).then(|| Squares { side, grid: grid(), first: None });
                Self { squares, whole: [side; 2] }
            }
            Sizing::Tiles { min_pixels, max_pixels } => {
                let squares = is_large(size, unit, max_pixels).then(|| Squares {
                    side: TILE,
                    grid: similar_grid(size),
                    first: None,
                });
                Self { squares, whole: between(min_pixels, max_pixels) }
            }
        }
    }

    /// The parts: squares row by row, then the whole.
    pub fn parts(&self, picture: &Picture, config: &PictureConfig) -> Vec<Picture> {
        let filter = config.filter;
        let Some(Squares { side, grid, first }) = self.squares else {
            return vec![match config.sizing {
                Sizing::Square(_) | Sizing::Between { .. } => picture.padded(self.whole, filter),
                _ => picture.resized(self.whole, filter),
            }];
        };
        let size = grid.map(|count| count * side);
        let all = match first {
            Some(first) => picture.resized(first, filter).resized(size, filter),
            None => picture.padded(size, filter),
        };
        let places = (0..grid[1]).flat_map(|row| (0..grid[0]).map(move |column| [column * side, row * side]));
        let mut parts: Vec<Picture> = places.map(|place| all.part(place, [side; 2])).collect();
        let whole = if first.is_some() { &all } else { picture };
        parts.push(whole.resized(self.whole, filter));
        parts
    }

    /// Sizes of all parts.
    pub fn sizes(&self) -> impl Iterator<Item = Size> {
        let squares = self.squares.map_or(0, |squares| squares.grid[0] * squares.grid[1]);
        let side = self.squares.map_or(0, |squares| squares.side);
        (0..squares).map(move |_| [side; 2]).chain([self.whole])
    }
}

/// The size in whole units that is about as large, with `[min, max]` pixels.
fn whole_units([width, height]: Size, unit: u32, [min, max]: [u32; 2]) -> Size {
    let own = [width as f32, height as f32];
    let units = |sides: [f32; 2], round: fn(f32) -> f32| sides.map(|side| (round(side / unit as f32) as u32).max(1));
    let pixels = |[columns, rows]: Size| u64::from(columns) * u64::from(rows) * u64::from(unit).pow(2);
    let nearest = units(own, f32::round);
    let count = if pixels(nearest) > u64::from(max) {
        let shrink = (own[0] * own[1] / max as f32).sqrt();
        units(own.map(|side| side / shrink), f32::floor)
    } else if pixels(nearest) < u64::from(min) {
        let growth = (min as f32 / (own[0] * own[1])).sqrt();
        units(own.map(|side| side * growth), f32::ceil)
    } else {
        nearest
    };
    // Very long pictures would exceed it all the same.
    let most = max / unit.pow(2);
    let [columns, rows] = count;
    let count = if columns > rows {
        [columns.min((most / rows).max(1)), rows]
    } else {
        [columns, rows.min((most / columns).max(1))]
    };
    count.map(|count| count * unit)
}

/// The size whose longer side is `longest`. The other one is even, as in Idefics's own code.
fn with_longest([width, height]: Size, longest: u32) -> Size {
    let ratio = f64::from(width) / f64::from(height);
    let even = |side: f64| (side as u32).next_multiple_of(2).max(2);
    if width >= height {
        [longest, even(f64::from(longest) / ratio)]
    } else {
        [even(f64::from(longest) * ratio), longest]
    }
}

/// Columns and rows of squares that cover a size; the shorter side grows with the longer one.
fn covering([width, height]: Size, side: u32) -> Size {
    let ratio = f64::from(width) / f64::from(height);
    if width >= height {
        let columns = width.div_ceil(side);
        [columns, ((f64::from(columns * side) / ratio) as u32).div_ceil(side).max(1)]
    } else {
        let rows = height.div_ceil(side);
        [((f64::from(rows * side) * ratio) as u32).div_ceil(side).max(1), rows]
    }
}

/// The grid of `[min, max]` squares in which most of the picture's pixels remain, and least is empty.
fn best_grid([width, height]: Size, side: u32, [min, max]: [u32; 2]) -> Size {
    let own = u64::from(width) * u64::from(height);
    let (mut best, mut most, mut least) = ([1, 1], 0, u64::MAX);
    for (columns, rows) in (1..=max).flat_map(|columns| (1..=max / columns).map(move |rows| (columns, rows))) {
        if columns * rows < min {
            continue;
        }
        let [grid_width, grid_height] = [columns * side, rows * side];
        let scale = (grid_width as f32 / width as f32).min(grid_height as f32 / height as f32);
        let [inner_width, inner_height] = [width, height].map(|side| u64::from((side as f32 * scale) as u32));
        let kept = (inner_width * inner_height).min(own);
        let empty = u64::from(grid_width) * u64::from(grid_height) - kept;
        if kept > most || kept == most && empty < least {
            (best, most, least) = ([columns, rows], kept, empty);
        }
    }
    best
}

/// The fewest and the most squares of [`Sizing::Tiles`].
const TILES: [u32; 2] = [2, 10];

/// Whether a picture is so large that [`Sizing::Tiles`] needs squares.
fn is_large(size: Size, unit: u32, max_pixels: u32) -> bool {
    // Halves are rounded to even numbers, as in Python. At least a patch, which is half a unit.
    let units = |side: u32| (f64::from(side) / f64::from(unit)).round_ties_even().max(0.5);
    let [columns, rows] = size.map(units);
    columns * rows * f64::from(unit).powi(2) > 2.0 * f64::from(max_pixels)
}

/// The grid whose shape is the most similar. Of several with the same shape, the largest of which more than half is
/// filled.
fn similar_grid([width, height]: Size) -> Size {
    let [min, max] = TILES;
    let (ratio, pixels) = (width as f32 / height as f32, width as f32 * height as f32);
    let all = (1..=max).flat_map(|columns| (1..=max / columns).map(move |rows| [columns, rows]));
    let mut grids: Vec<Size> = all.filter(|[columns, rows]| columns * rows >= min).collect();
    grids.sort_by_key(|[columns, rows]| columns * rows);
    let (mut best, mut least) = ([1, 1], f32::MAX);
    for grid in grids {
        let [columns, rows] = grid.map(|count| count as f32);
        let difference = (ratio - columns / rows).abs();
        let is_filled = pixels > 0.5 * (TILE * TILE) as f32 * columns * rows;
        if difference < least || difference <= least && is_filled {
            (best, least) = (grid, difference);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_units_within_their_limits() {
        let limits = [64 * 1024, 256 * 1024];
        for (size, expected) in
            [([320, 200], [352, 224]), ([1041, 512], [704, 352]), ([100, 37], [448, 160]), ([900, 300], [896, 288])]
        {
            assert_eq!(whole_units(size, 32, limits), expected);
        }
        assert_eq!(whole_units([30_000, 1], 32, limits), [8192, 32]);
    }

    #[test]
    fn grids_follow_the_shape() {
        assert_eq!(best_grid([150, 70], 56, [1, 12]), [3, 2]);
        assert_eq!(similar_grid([1041, 512]), [2, 1]);
        assert_eq!(similar_grid([724, 724]), [2, 2]);
        assert!(!is_large([1040, 512], 32, 256 * 1024) && is_large([1041, 512], 32, 256 * 1024));
        assert_eq!(with_longest([200, 131], 112), [112, 74]);
        assert_eq!(covering([112, 40], 56), [2, 1]);
    }
}
