//! MP3 files (ISO/IEC 11172-3 and 13818-3): frames, one after the other, perhaps after a tag.

use crate::bytes::{Bytes, Source};
use crate::error::SoundError;
use crate::track::Track;

/// Bytes in which the first frame, or the next one after damage, must begin.
const MAX_GAP_BYTES: u64 = 256 << 10;
const HEADER_BYTES: u64 = 4;

/// Kilobits per second, by the header's index: of MPEG-1, and of the versions for lower rates.
const BITRATES: [[u32; 16]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
];
const RATES: [u32; 3] = [44_100, 48_000, 32_000];

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    len_bytes: u64,
    sample_rate: u32,
    channels: u32,
    /// Where the first frame tells about the others, if it does.
    tag_at: u64,
}

impl Header {
    fn parse(bytes: [u8; 4]) -> Option<Self> {
        let word = u32::from_be_bytes(bytes);
        let bits = |shift: u32, count: u32| (word >> shift) & ((1 << count) - 1);
        if bits(21, 11) != 0x7FF || bits(17, 2) != 1 {
            return None;
        }
        // MPEG-1, 2 and 2.5 halve the rates; a value is left out.
        let halvings: u32 = match bits(19, 2) {
            3 => 0,
            2 => 1,
            0 => 2,
            _ => return None,
        };
        let is_first = halvings == 0;
        let bitrate = BITRATES[usize::from(!is_first)][bits(12, 4) as usize];
        let sample_rate = RATES.get(bits(10, 2) as usize)? >> halvings;
        if bitrate == 0 {
            return None;
        }
        let factor = if is_first { 144_000 } else { 72_000 };
        let channels = if bits(6, 2) == 3 { 1 } else { 2 };
        let side_info = match (is_first, channels) {
            (true, 2) => 32,
            (true, _) | (false, 2) => 17,
            (false, _) => 9,
        };
        Some(Self {
            len_bytes: u64::from(factor * bitrate / sample_rate + bits(9, 1)),
            sample_rate,
            channels,
            tag_at: HEADER_BYTES + side_info,
        })
    }
}

/// The frames of a file.
pub(crate) struct Mp3Packets {
    position: u64,
}

impl Mp3Packets {
    pub(crate) fn open<S: Source>(bytes: &mut Bytes<S>) -> Result<(Self, Track), S::Error> {
        let start = after_tags(bytes)?;
        let (mut position, header) = find(bytes, start)?.ok_or(SoundError::Unknown)?;
        // A frame without sound, which encoders write for players.
        let tag = bytes.up_to(position + header.tag_at, 4)?;
        if tag == b"Xing" || tag == b"Info" {
            position += header.len_bytes;
        }
        let track = Track::new("mp3", Vec::new(), header.sample_rate, header.channels)?;
        Ok((Self { position }, track))
    }

    pub(crate) fn next<S: Source>(&mut self, bytes: &mut Bytes<S>) -> Result<Option<Vec<u8>>, S::Error> {
        // What follows the last frame is a tag, or a frame that was cut off.
        let Some((position, header)) = find(bytes, self.position)? else { return Ok(None) };
        let frame = bytes.exact(position, header.len_bytes)?.to_vec();
        self.position = position + header.len_bytes;
        Ok(Some(frame))
    }
}

/// Where the tags before the first frame end (`ID3v2`).
fn after_tags<S: Source>(bytes: &mut Bytes<S>) -> Result<u64, S::Error> {
    const TAG_HEADER_BYTES: u64 = 10;
    let mut position = 0;
    loop {
        let header = bytes.up_to(position, TAG_HEADER_BYTES)?;
        let [b'I', b'D', b'3', _, _, flags, sizes @ ..] = header else { return Ok(position) };
        let size = sizes.iter().fold(0, |size, byte| (size << 7) | u64::from(byte & 0x7F));
        let footer = if flags & 0x10 == 0 { 0 } else { TAG_HEADER_BYTES };
        position += TAG_HEADER_BYTES + size + footer;
    }
}

/// The next whole frame from a position on: one that another follows, or the end of the file.
fn find<S: Source>(bytes: &mut Bytes<S>, from: u64) -> Result<Option<(u64, Header)>, S::Error> {
    for position in from..from.saturating_add(MAX_GAP_BYTES) {
        let Some(header) = header_at(bytes, position)? else {
            if position + HEADER_BYTES >= bytes.len_bytes() {
                return Ok(None);
            }
            continue;
        };
        let end = position + header.len_bytes;
        if end > bytes.len_bytes() {
            continue;
        }
        let follows = bytes.up_to(end, HEADER_BYTES)?;
        // At a place that is known, a frame needs no other to confirm it.
        if position == from && from > 0 || follows.len() < 4 || follows.starts_with(b"TAG") {
            return Ok(Some((position, header)));
        }
        if header_at(bytes, end)?.is_some_and(|next| next.sample_rate == header.sample_rate) {
            return Ok(Some((position, header)));
        }
    }
    Ok(None)
}

fn header_at<S: Source>(bytes: &mut Bytes<S>, position: u64) -> Result<Option<Header>, S::Error> {
    let header = bytes.up_to(position, HEADER_BYTES)?;
    Ok(header.try_into().ok().and_then(Header::parse))
}
