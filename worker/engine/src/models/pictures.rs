//! How pictures become inputs of a projector, and what surrounds them in a prompt.

use super::checks::check_ranges;
use crate::error::{EngineError, Result};

/// Filters for resizing; formulas as in Pillow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// A triangle, two pixels wide.
    Bilinear,
    /// A cubic with a = -0.5 (Keys 1981), four pixels wide.
    Bicubic,
    /// A windowed sinc, six pixels wide.
    Lanczos,
}

/// The sizes to which pictures are resized, in pixels. Where the shape differs, the rest is black.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizing {
    /// A square with this side.
    Square(u32),
    /// About the picture's own size, in whole embeddings.
    Between {
        /// Smaller pictures are enlarged.
        min_pixels: u32,
        /// Larger ones are shrunk.
        max_pixels: u32,
    },
    /// Squares that cover the picture, whose longer side is `longest`; then all of it in one square.
    Squares {
        /// Side of a square.
        side: u32,
        /// The picture's longer side.
        longest: u32,
    },
    /// The grid of squares that keeps most of the picture; then all of it in one square, which is enough for small ones.
    Grid {
        /// Side of a square.
        side: u32,
        /// The fewest squares of a grid.
        min_tiles: u32,
        /// The most squares of a grid.
        max_tiles: u32,
    },
    /// As [`Sizing::Between`]; before that, for large pictures, the grid of squares of [`TILE`] whose shape is the most
    /// similar.
    Tiles {
        /// Smaller pictures are enlarged.
        min_pixels: u32,
        /// Larger ones are shrunk.
        max_pixels: u32,
    },
}

/// Side of the squares of [`Sizing::Tiles`].
pub const TILE: u32 = 512;

/// Texts around a picture, and around its parts. They consist of control tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Markers {
    /// Before all.
    pub before: &'static str,
    /// After all.
    pub after: &'static str,
    /// Before each square; `{row}` and `{column}` count from one.
    pub tile: &'static str,
    /// Between rows of squares.
    pub row_end: &'static str,
    /// Before and after the whole picture that follows its squares.
    pub overview: [&'static str; 2],
}

impl Markers {
    /// No texts.
    pub(super) const NONE: Self = Self { before: "", after: "", tile: "", row_end: "", overview: [""; 2] };
}

/// How pictures become inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PictureConfig {
    /// Mean of each colour, which is subtracted, where the brightest pixel is 1.
    pub mean: [f32; 3],
    /// Standard deviation of each colour, by which it is divided.
    pub deviation: [f32; 3],
    /// Filter for resizing.
    pub filter: Filter,
    /// Sizes.
    pub sizing: Sizing,
    /// Texts around it.
    pub markers: Markers,
}

/// Maximum side of a resized picture, and of its parts.
const MAX_SIDE: u32 = 1 << 12;
/// Maximum number of squares along a side.
const MAX_SQUARES: u32 = 16;
/// Maximum number of pixels of a resized picture.
const MAX_PIXELS: u32 = 1 << 26;

impl PictureConfig {
    /// The side of square parts, if there are any.
    pub(crate) fn square(&self) -> Option<u32> {
        match self.sizing {
            Sizing::Square(side) | Sizing::Squares { side, .. } | Sizing::Grid { side, .. } => Some(side),
            Sizing::Tiles { .. } => Some(TILE),
            Sizing::Between { .. } => None,
        }
    }

    /// The most pixels of a part that may have any shape.
    pub(crate) fn max_pixels(&self) -> Option<u32> {
        match self.sizing {
            Sizing::Between { max_pixels, .. } | Sizing::Tiles { max_pixels, .. } => Some(max_pixels),
            Sizing::Square(_) | Sizing::Squares { .. } | Sizing::Grid { .. } => None,
        }
    }

    pub(super) fn check(&self, patch: u32, merge: u32) -> Result<()> {
        let unit = patch * merge;
        let square = |side| ("the side of squares", side, unit, MAX_SIDE, unit);
        let pixels =
            |min, max| [("the fewest pixels", min, 1, max, 1), ("the most pixels", max, unit * unit, MAX_PIXELS, 1)];
        match self.sizing {
            Sizing::Square(side) => check_ranges(&[square(side)])?,
            Sizing::Between { min_pixels, max_pixels } => check_ranges(&pixels(min_pixels, max_pixels))?,
            Sizing::Tiles { min_pixels, max_pixels } => {
                check_ranges(&pixels(min_pixels, max_pixels))?;
                check_ranges(&[square(TILE)])?;
            }
            Sizing::Squares { side, longest } => {
                check_ranges(&[square(side), ("the longer side", longest, side, MAX_SIDE, 1)])?;
                check_ranges(&[("the squares of a side", longest.div_ceil(side), 1, MAX_SQUARES, 1)])?;
            }
            Sizing::Grid { side, min_tiles, max_tiles } => {
                check_ranges(&[square(side), ("the most squares", max_tiles, 1, 64, 1)])?;
                // However small a picture is, it is resized to these.
                let most = (MAX_PIXELS / side.pow(2)).clamp(1, max_tiles);
                check_ranges(&[("the fewest squares", min_tiles, 1, most, 1)])?;
            }
        }
        let is_number = |value: &f32| value.is_finite();
        if !(self.mean.iter().all(is_number) && self.deviation.iter().all(|value| value.is_normal())) {
            return Err(EngineError::malformed("the mean or the deviation of colours is no number"));
        }
        Ok(())
    }
}
