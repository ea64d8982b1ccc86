//! Pictures from anywhere, for the two workers: the library stores what a user attaches, the engine's worker decodes what a
//! model is to see.
//!
//! The browser decodes ([`draw`]); it is hardened against hostile files, and knows more formats than a crate would. Before
//! it gets a file, [`Header`] reads what the file claims to be: a few bytes can claim a billion pixels. What is drawn is
//! upright, on white where it was transparent, and without any metadata, such as the place where a photo was taken.

mod drawing;
mod header;
mod metadata;

pub use drawing::{Drawing, draw};
pub use header::{Header, Kind};
pub use metadata::is_plain;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Maximum size of a file in bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// Maximum number of pixels: while the browser decodes them, each takes four bytes.
pub const MAX_PIXELS: u64 = 100_000_000;
/// The longer side of a picture that is stored or shown to a model, in pixels; larger ones are scaled to it.
pub const MAX_SIDE: u32 = 2048;
/// The same of a picture that is looked at in little detail.
pub const LOW_SIDE: u32 = 512;

/// Why a file is no picture that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// It is of another kind, or no picture.
    #[error("it is not a PNG, JPEG, WebP, AVIF or GIF file")]
    Unknown,
    /// SVG is a program that draws.
    #[error("SVG files are not drawn, because they can contain scripts and refer to other files; convert it to PNG")]
    Svg,
    /// The file is too long.
    #[error("it has {} MB, and at most {} MB are read", .0 / 1_000_000, MAX_BYTES / 1_000_000)]
    TooManyBytes(u64),
    /// It has too many pixels.
    #[error("it has {0} × {1} pixels, and at most {max} million are decoded", max = MAX_PIXELS / 1_000_000)]
    TooManyPixels(u32, u32),
    /// It is cut off, or contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// The SHA-256 of a file, in lower-case hexadecimal digits. It identifies a picture.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
        }
        text
    })
}

/// Identifies what is in a file, of a picture or another.
pub fn content_id(bytes: &[u8]) -> u64 {
    // Sixteen hexadecimal digits are 64 bits.
    u64::from_str_radix(&digest(bytes)[..16], 16).unwrap_or_default()
}

/// Identifies the pixels of a file that is scaled to this side.
pub fn id(bytes: &[u8], max_side: u32) -> u64 {
    content_id(bytes) ^ u64::from(max_side)
}

/// The bytes of a data URL after its scheme, if they are in base64.
pub fn data_url_bytes(data: &str) -> Option<Vec<u8>> {
    let (kind, text) = data.split_once(',')?;
    kind.ends_with(";base64").then(|| STANDARD.decode(text.trim()).ok()).flatten()
}

/// The width and height of a picture whose longer side is scaled to `max_side`; small pictures stay as they are.
pub fn fit(width: u32, height: u32, max_side: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= max_side {
        return (width, height);
    }
    let scaled = |side: u32| {
        let side = (u64::from(side) * u64::from(max_side) + u64::from(longer) / 2) / u64::from(longer);
        // It is at most `max_side`.
        (side as u32).max(1)
    };
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_are_scaled_in_proportion() {
        assert_eq!(fit(640, 480, 2048), (640, 480));
        assert_eq!(fit(4096, 2048, 2048), (2048, 1024));
        assert_eq!(fit(3000, 4000, 2048), (1536, 2048));
        assert_eq!(fit(100_000, 1, 2048), (2048, 1), "no side vanishes");
        assert_eq!(fit(u32::MAX, u32::MAX, 2048), (2048, 2048));
    }

    #[test]
    fn a_file_is_identified_by_its_bytes() {
        // printf abc | sha256sum
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn data_urls_are_decoded() {
        assert_eq!(data_url_bytes("image/png;base64,AQL/"), Some(vec![1, 2, 255]));
        assert_eq!(data_url_bytes("image/png;charset=x;base64,AQL/\n"), Some(vec![1, 2, 255]));
        for other in ["image/svg+xml,<svg/>", "image/png;base64,!", "image/png;base64", ""] {
            assert_eq!(data_url_bytes(other), None, "{other}");
        }
    }

    #[test]
    fn refusals_are_sentences() {
        let text = PictureError::TooManyPixels(30_000, 30_000).to_string();
        assert_eq!(text, "it has 30000 × 30000 pixels, and at most 100 million are decoded");
        assert_eq!(PictureError::TooManyBytes(70_000_000).to_string(), "it has 70 MB, and at most 67 MB are read");
    }
}
