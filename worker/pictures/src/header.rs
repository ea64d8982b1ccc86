//! What a picture's file claims to be, from its first bytes.

use crate::{MAX_BYTES, MAX_PIXELS, PictureError};

/// Boxes within boxes of an AVIF file; the last has the properties of its images, such as `ispe`, their size.
const AVIF_PATH: [&[u8]; 3] = [b"meta", b"iprp", b"ipco"];
/// Bytes at the start in which an SVG file names itself.
const SVG_BYTES: usize = 1024;

/// A kind of file that browsers decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Portable Network Graphics.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
    /// AV1 in an image file.
    Avif,
    /// GIF, of which the first frame counts.
    Gif,
}

impl Kind {
    /// The kind of a file that starts with `bytes`.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let holds = |at: usize, mark: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(mark));
        if holds(0, b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if holds(0, b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if holds(0, b"GIF87a") || holds(0, b"GIF89a") {
            Some(Self::Gif)
        } else if holds(0, b"RIFF") && holds(8, b"WEBP") {
            Some(Self::Webp)
        } else if is_avif(bytes) {
            Some(Self::Avif)
        } else {
            None
        }
    }

    /// The kind of this MIME type.
    pub fn of_mime(mime: &str) -> Option<Self> {
        [Self::Png, Self::Jpeg, Self::Webp, Self::Avif, Self::Gif].into_iter().find(|kind| kind.mime() == mime)
    }

    /// Its MIME type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
            Self::Gif => "image/gif",
        }
    }

    /// The kind in which a drawing of such a file is stored: as sharp, and about as large. All browsers write PNG and JPEG;
    /// those that do not write WebP write PNG instead.
    #[must_use]
    pub fn stored(self) -> Self {
        match self {
            Self::Png | Self::Gif => Self::Png,
            Self::Jpeg => Self::Jpeg,
            Self::Webp | Self::Avif => Self::Webp,
        }
    }
}

/// What a file claims to be. Width and height are those before it is turned upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The kind of the file.
    pub kind: Kind,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Header {
    /// Reads the header of a whole file.
    ///
    /// # Errors
    /// Whatever keeps it from being decoded: see [`PictureError`].
    pub fn read(bytes: &[u8]) -> Result<Self, PictureError> {
        if bytes.len() > MAX_BYTES {
            return Err(PictureError::TooManyBytes(bytes.len() as u64));
        }
        let Some(kind) = Kind::of(bytes) else {
            return Err(if is_svg(bytes) { PictureError::Svg } else { PictureError::Unknown });
        };
        let size = match kind {
            Kind::Png => png_size(bytes),
            Kind::Jpeg => jpeg_size(bytes),
            Kind::Webp => webp_size(bytes),
            Kind::Avif => avif_size(bytes),
            Kind::Gif => gif_size(bytes),
        };
        match size {
            None => Err(PictureError::Damaged("it does not say how large it is".to_owned())),
            Some((0, _) | (_, 0)) => Err(PictureError::Damaged("it has no pixels".to_owned())),
            Some((width, height)) if u64::from(width) * u64::from(height) > MAX_PIXELS => {
                Err(PictureError::TooManyPixels(width, height))
            }
            Some((width, height)) => Ok(Self { kind, width, height }),
        }
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_be(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u16::from_be_bytes).map(u32::from)
}

fn u16_le(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u16::from_le_bytes).map(u32::from)
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

/// The `IHDR` chunk comes first.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    (array::<4>(bytes, 12)? == *b"IHDR").then_some(())?;
    Some((u32_be(bytes, 16)?, u32_be(bytes, 20)?))
}

/// The logical screen, in which all frames lie.
fn gif_size(bytes: &[u8]) -> Option<(u32, u32)> {
    Some((u16_le(bytes, 6)?, u16_le(bytes, 8)?))
}

/// The frame header, after any number of other segments.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        (*bytes.get(at)? == 0xff).then_some(())?;
        // Any number of fill bytes may precede a marker.
        while *bytes.get(at)? == 0xff {
            at += 1;
        }
        let marker = *bytes.get(at)?;
        at += 1;
        match marker {
            // Markers without a segment.
            0x01 | 0xd0..=0xd7 => {}
            // The pixels, or the end, before any frame header.
            0xd9 | 0xda => return None,
            // Start of frame; the numbers left out are tables.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Some((u16_be(bytes, at + 5)?, u16_be(bytes, at + 3)?));
            }
            _ => {
                let len = u16_be(bytes, at)? as usize;
                (len >= 2).then_some(())?;
                at += len;
            }
        }
    }
}

/// Lossy, lossless, or extended with a canvas.
fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let first: [u8; 4] = array(bytes, 12)?;
    match &first {
        b"VP8 " => {
            (array::<3>(bytes, 23)? == [0x9d, 0x01, 0x2a]).then_some(())?;
            Some((u16_le(bytes, 26)? & 0x3fff, u16_le(bytes, 28)? & 0x3fff))
        }
        b"VP8L" => {
            (*bytes.get(20)? == 0x2f).then_some(())?;
            let sizes = array(bytes, 21).map(u32::from_le_bytes)?;
            Some(((sizes & 0x3fff) + 1, ((sizes >> 14) & 0x3fff) + 1))
        }
        b"VP8X" => {
            let side = |at| {
                let [low, middle, high] = array(bytes, at)?;
                Some(u32::from_le_bytes([low, middle, high, 0]) + 1)
            };
            Some((side(24)?, side(27)?))
        }
        _ => None,
    }
}

/// Whether the `ftyp` box names AVIF, as the brand or a compatible one.
fn is_avif(bytes: &[u8]) -> bool {
    let Some((kind, content, _)) = next_box(bytes) else { return false };
    let brands = content.chunks_exact(4).enumerate().filter(|(index, _)| *index != 1).map(|(_, brand)| brand);
    kind == *b"ftyp" && brands.take(32).any(|brand| brand == b"avif" || brand == b"avis")
}

/// The largest of the sizes of its images: beside the picture there may be its transparency and a thumbnail.
fn avif_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut inside = bytes;
    for wanted in AVIF_PATH {
        inside = boxes(inside).find(|(kind, _)| *kind == *wanted)?.1;
        if wanted == b"meta" {
            // Version and flags.
            inside = inside.get(4..)?;
        }
    }
    let sizes = boxes(inside).filter(|(kind, _)| kind == b"ispe");
    let sizes = sizes.filter_map(|(_, size)| Some((u32_be(size, 4)?, u32_be(size, 8)?)));
    sizes.max_by_key(|(width, height)| u64::from(*width) * u64::from(*height))
}

/// The boxes in a row, with their kinds.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (kind, content, after) = next_box(rest)?;
        rest = after;
        Some((kind, content))
    })
}

/// The kind and the content of the first box, and what follows it. The content of one that is cut off ends with the bytes.
fn next_box(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let (len, kind) = (u32_be(bytes, 0)?, array(bytes, 4)?);
    let (start, len) = match len {
        // To the end.
        0 => (8, bytes.len()),
        1 => (16, usize::try_from(array(bytes, 8).map(u64::from_be_bytes)?).unwrap_or(usize::MAX)),
        len => (8, len as usize),
    };
    let end = len.min(bytes.len());
    Some((kind, bytes.get(start..end)?, &bytes[end..]))
}

/// Whether a text names itself SVG near its start.
fn is_svg(bytes: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(SVG_BYTES)]).to_lowercase();
    let text = start.trim_start_matches('\u{feff}').trim_start();
    text.starts_with('<') && text.contains("<svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
        [&b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"[..], &sizes, &[8, 2, 0, 0, 0]].concat()
    }

    /// A JPEG file with a comment, fill bytes and a progressive frame header.
    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let sizes = [height.to_be_bytes(), width.to_be_bytes()].concat();
        [&b"\xff\xd8\xff\xfe\0\x04hi\xff\xff\xff\xc2\0\x11\x08"[..], &sizes, &[3]].concat()
    }

    fn webp(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        [&b"RIFF\0\0\0\0WEBP"[..], &kind, &(content.len() as u32).to_le_bytes(), content].concat()
    }

    fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], &kind, content].concat()
    }

    fn avif(sizes: &[(u32, u32)]) -> Vec<u8> {
        let sizes = sizes
            .iter()
            .flat_map(|(width, height)| boxed(*b"ispe", &[[0; 4], width.to_be_bytes(), height.to_be_bytes()].concat()));
        let properties = boxed(*b"iprp", &boxed(*b"ipco", &sizes.collect::<Vec<u8>>()));
        let meta = boxed(*b"meta", &[&[0; 4][..], &boxed(*b"hdlr", &[0; 5]), &properties].concat());
        [boxed(*b"ftyp", b"mif1\0\0\0\0miafavif"), meta].concat()
    }

    #[test]
    fn every_kind_tells_its_size() {
        // One less than 640 and 480.
        let lossless = [&[0x2f][..], &(0x27f_u32 | (0x1df << 14)).to_le_bytes()].concat();
        let cases = [
            (png(640, 480), Kind::Png),
            (jpeg(640, 480), Kind::Jpeg),
            (b"GIF89a\x80\x02\xe0\x01\0\0\0".to_vec(), Kind::Gif),
            (webp(*b"VP8 ", &[0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0xe0, 0x01]), Kind::Webp),
            (webp(*b"VP8L", &lossless), Kind::Webp),
            (webp(*b"VP8X", &[0, 0, 0, 0, 0x7f, 0x02, 0, 0xdf, 0x01, 0]), Kind::Webp),
            (avif(&[(64, 48), (640, 480), (1, 1)]), Kind::Avif),
        ];
        for (bytes, kind) in cases {
            assert_eq!(Header::read(&bytes), Ok(Header { kind, width: 640, height: 480 }), "{bytes:?}");
            // However it is cut off, it is refused, or says the same.
            for len in 0..bytes.len() {
                if let Ok(header) = Header::read(&bytes[..len]) {
                    assert!(header.kind == kind && header.width <= 640 && header.height <= 480, "{len}: {bytes:?}");
                }
            }
        }
    }

    #[test]
    fn what_would_exhaust_memory_is_refused_before_it_is_decoded() {
        let side = 30_000;
        let too_many = Err(PictureError::TooManyPixels(side, side));
        assert_eq!(Header::read(&png(side, side)), too_many);
        assert_eq!(Header::read(&jpeg(side as u16, side as u16)), too_many);
        assert_eq!(Header::read(&avif(&[(1, 1), (side, side)])), too_many);
        assert_eq!(Header::read(&png(u32::MAX, u32::MAX)), Err(PictureError::TooManyPixels(u32::MAX, u32::MAX)));
        assert!(Header::read(&png(10_000, 10_000)).is_ok());
        let long = [png(1, 1), vec![0; MAX_BYTES]].concat();
        assert_eq!(Header::read(&long), Err(PictureError::TooManyBytes(long.len() as u64)));
    }

    #[test]
    fn other_files_are_refused() {
        for bytes in [png(0, 5), jpeg(5, 0)] {
            assert_eq!(Header::read(&bytes), Err(PictureError::Damaged("it has no pixels".to_owned())));
        }
        for svg in
            ["<svg xmlns='http://www.w3.org/2000/svg'/>", " \u{feff}<?xml version='1.0'?>\n<SVG>", "<!--a--><svg>"]
        {
            assert_eq!(Header::read(svg.trim_start().as_bytes()), Err(PictureError::Svg), "{svg}");
        }
        for other in ["", "GIF", "<html>", "RIFF....WAVE", "BM", "%PDF-", "....ftypheic....heic", "about <svg>"] {
            assert_eq!(Header::read(other.as_bytes()), Err(PictureError::Unknown), "{other}");
        }
    }
}
