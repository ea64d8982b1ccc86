//! Pictures: resized and cut as a projector expects them, and turned into the input of its tower. Sizes, filters and
//! padding are those of llama.cpp's mtmd.

mod cut;
mod patches;
mod resize;

pub use cut::{Cut, Squares};
pub use patches::{PatchGrid, PatchInput, PatchTables};

use crate::error::{EngineError, Result};

/// Width and height in pixels.
pub type Size = [u32; 2];

/// Maximum side of a picture in pixels.
pub const MAX_PICTURE_SIDE: u32 = 1 << 15;
/// Maximum number of pixels of a picture.
pub const MAX_PICTURE_PIXELS: u64 = 1 << 27;

/// A picture, decoded and upright.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture of `[height][width][3]` bytes: red, green and blue.
    ///
    /// # Errors
    /// [`EngineError::Prompt`] if the number of bytes is another, or there are too many pixels or none.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self> {
        check_size([width, height])?;
        if rgb.len() as u64 != 3 * u64::from(width) * u64::from(height) {
            return Err(EngineError::Prompt(format!(
                "a picture of {width} by {height} pixels has {} bytes",
                rgb.len()
            )));
        }
        Ok(Self { width, height, rgb })
    }

    /// Its width and height in pixels.
    pub fn size(&self) -> Size {
        [self.width, self.height]
    }

    /// Its bytes: `[height][width][3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// A black picture.
    fn black([width, height]: Size) -> Self {
        Self { width, height, rgb: vec![0; 3 * width as usize * height as usize] }
    }

    /// The part of `size` at column `x` and row `y`, which must lie inside.
    fn part(&self, [x, y]: Size, size: Size) -> Self {
        let mut part = Self::black(size);
        part.copy([0, 0], self, [x, y], size);
        part
    }

    /// Copies a part of `size` from another picture; both parts must lie inside.
    fn copy(&mut self, [to_x, to_y]: Size, from: &Self, [x, y]: Size, [width, height]: Size) {
        let row = |picture: &Self, x: u32, y: u32| 3 * (y as usize * picture.width as usize + x as usize);
        for line in 0..height {
            let (to, at) = (row(self, to_x, to_y + line), row(from, x, y + line));
            self.rgb[to..][..3 * width as usize].copy_from_slice(&from.rgb[at..][..3 * width as usize]);
        }
    }
}

/// Checks the size of a picture.
///
/// # Errors
/// [`EngineError::Prompt`].
pub(crate) fn check_size([width, height]: Size) -> Result<()> {
    let sides = 1..=MAX_PICTURE_SIDE;
    let pixels = u64::from(width) * u64::from(height);
    if sides.contains(&width) && sides.contains(&height) && pixels <= MAX_PICTURE_PIXELS {
        return Ok(());
    }
    Err(EngineError::Prompt(format!("a picture of {width} by {height} pixels is too large or empty")))
}
