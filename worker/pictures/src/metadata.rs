//! Whether a picture's file holds more than its pixels, such as when and where a photo was taken.

use crate::Kind;

/// Chunks of PNG files that say how pixels look, and nothing else.
const PNG_CHUNKS: [&[u8; 4]; 13] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"bKGD", b"pHYs",
];
/// The same of WebP files.
const WEBP_CHUNKS: [&[u8; 4]; 5] = [b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP"];

/// Whether a file of this kind has pixels only, as those that this crate draws. Of kinds that it does not write, none counts
/// as such.
pub fn is_plain(bytes: &[u8], kind: Kind) -> bool {
    match kind {
        Kind::Png => all_known(bytes.get(8..), u32::from_be_bytes, [4, 0], &PNG_CHUNKS),
        Kind::Webp => all_known(bytes.get(12..), u32::from_le_bytes, [0, 4], &WEBP_CHUNKS),
        Kind::Jpeg => is_plain_jpeg(bytes),
        Kind::Avif | Kind::Gif => false,
    }
}

/// Whether a file consists of whole chunks with these names: each a length and a name, which lie at these places, its content,
/// and what the format adds. PNG adds a checksum, WebP makes lengths even.
fn all_known(
    chunks: Option<&[u8]>,
    number: fn([u8; 4]) -> u32,
    [name_at, len_at]: [usize; 2],
    known: &[&[u8; 4]],
) -> bool {
    let Some(mut rest) = chunks else { return false };
    while !rest.is_empty() {
        let word = |at: usize| rest.get(at..).and_then(|bytes| bytes.first_chunk::<4>());
        let (Some(name), Some(len)) = (word(name_at), word(len_at)) else { return false };
        let len = number(*len) as usize;
        let whole = if len_at == 0 { len.saturating_add(12) } else { len.saturating_add(8 + len % 2) };
        if !known.contains(&name) {
            return false;
        }
        let Some(next) = rest.get(whole..) else { return false };
        rest = next;
    }
    true
}

/// Before the pixels there may be tables, the frame, and what says how colours look: JFIF, a colour profile, Adobe's transform.
fn is_plain_jpeg(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, content @ ..] = rest {
        let is_known = match *marker {
            // The pixels.
            0xda => return true,
            0xe0 => content.starts_with(b"JFIF\0"),
            0xe2 => content.starts_with(b"ICC_PROFILE\0"),
            0xee => content.starts_with(b"Adobe"),
            0xe1..=0xef | 0xfe => false,
            _ => true,
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        match rest.get(2 + len..) {
            Some(next) if is_known && len >= 2 => rest = next,
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(chunks: &[&[u8; 4]]) -> Vec<u8> {
        let chunks = chunks.iter().flat_map(|name| [&[0, 0, 0, 2][..], name.as_slice(), &[1, 2, 0, 0, 0, 0]].concat());
        [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.collect()].concat()
    }

    fn webp(chunks: &[&[u8; 4]]) -> Vec<u8> {
        // Of an odd length, after which there is padding.
        let chunks = chunks.iter().flat_map(|name| [name.as_slice(), &[3, 0, 0, 0, 1, 2, 3, 0]].concat());
        [b"RIFF\0\0\0\0WEBP".to_vec(), chunks.collect()].concat()
    }

    fn jpeg(segments: &[(u8, &[u8])]) -> Vec<u8> {
        let segments = segments.iter().flat_map(|(marker, content)| {
            [&[0xff, *marker][..], &(content.len() as u16 + 2).to_be_bytes(), *content].concat()
        });
        [vec![0xff, 0xd8], segments.collect(), b"\xff\xda\0\x02 pixels".to_vec()].concat()
    }

    #[test]
    fn pixels_and_how_they_look_are_plain() {
        assert!(is_plain(&png(&[b"IHDR", b"sRGB", b"IDAT", b"IDAT", b"IEND"]), Kind::Png));
        assert!(is_plain(&webp(&[b"VP8X", b"ICCP", b"VP8 "]), Kind::Webp));
        let looks: [(u8, &[u8]); 4] = [(0xe0, b"JFIF\0\x01"), (0xe2, b"ICC_PROFILE\0\x01"), (0xdb, b"t"), (0xc0, b"f")];
        assert!(is_plain(&jpeg(&looks), Kind::Jpeg));
    }

    #[test]
    fn metadata_and_what_is_cut_off_are_not() {
        for other in [b"eXIf", b"tEXt", b"iTXt", b"zTXt", b"tIME", b"abcd"] {
            assert!(!is_plain(&png(&[b"IHDR", other, b"IDAT"]), Kind::Png), "{other:?}");
        }
        for other in [b"EXIF", b"XMP ", b"ANIM"] {
            assert!(!is_plain(&webp(&[b"VP8X", b"VP8 ", other]), Kind::Webp), "{other:?}");
        }
        let others: [(u8, &[u8]); 6] = [
            (0xe1, b"Exif\0\0"),
            (0xe1, b"http://ns.adobe.com/xap/1.0/\0"),
            (0xed, b"Photoshop 3.0\0"),
            (0xfe, b"a comment"),
            (0xe2, b"MPF\0"),
            (0xe0, b"JFXX\0"),
        ];
        for (marker, content) in others {
            assert!(!is_plain(&jpeg(&[(0xe0, b"JFIF\0"), (marker, content)]), Kind::Jpeg), "{marker:x} {content:?}");
        }
        let whole = [(png(&[b"IHDR", b"IDAT"]), Kind::Png, 8), (webp(&[b"VP8 "]), Kind::Webp, 12)];
        for (bytes, kind, start) in whole {
            for len in start + 1..bytes.len() {
                // It may be cut off between chunks.
                let is_between = kind == Kind::Png && (len - start).is_multiple_of(14);
                assert_eq!(is_plain(&bytes[..len], kind), is_between, "{kind:?} {len}");
            }
        }
        assert!(!is_plain(b"", Kind::Jpeg) && !is_plain(b"GIF89a", Kind::Gif));
    }
}
