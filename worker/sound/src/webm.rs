//! `WebM` and Matroska files (RFC 9559): elements, one within the other.

use crate::bytes::{Bytes, Source};
use crate::error::SoundError;
use crate::ogg::{opus, vorbis};
use crate::track::Track;

/// The first bytes of a file.
pub(crate) const MAGIC: [u8; 4] = [0x1A, 0x45, 0xDF, 0xA3];

const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_AE6B;
const TRACK: u32 = 0xAE;
const TRACK_NUMBER: u32 = 0xD7;
const CODEC: u32 = 0x86;
const CODEC_PRIVATE: u32 = 0x63A2;
const AUDIO: u32 = 0xE1;
const SAMPLING_FREQUENCY: u32 = 0xB5;
const CHANNELS: u32 = 0x9F;
const CLUSTER: u32 = 0x1F43_B675;
const SIMPLE_BLOCK: u32 = 0xA3;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;

/// Maximum number of elements before the first block.
const MAX_HEADER_ELEMENTS: usize = 100_000;
/// Bits of a block's flags that say that it has several packets.
const LACING: u8 = 0x06;

/// An element. Of those whose length is unknown, `end` is that of the file.
struct Element {
    id: u32,
    start: u64,
    end: u64,
}

impl Element {
    /// The element at a position; `None` at the end of the file.
    fn read<S: Source>(bytes: &mut Bytes<S>, position: u64) -> Result<Option<Self>, S::Error> {
        if position >= bytes.len_bytes() {
            return Ok(None);
        }
        let id_len = u64::from(bytes.exact(position, 1)?[0].leading_zeros()) + 1;
        if id_len > 4 {
            return Err(SoundError::Damaged("an element of it has no name").into());
        }
        let id = bytes.exact(position, id_len)?.iter().fold(0, |id, byte| (id << 8) | u32::from(*byte));
        let position = position + id_len;
        let size_len = u64::from(bytes.exact(position, 1)?[0].leading_zeros()) + 1;
        if size_len > 8 {
            return Err(SoundError::Damaged("an element of it has no length").into());
        }
        let size = bytes.exact(position, size_len)?.iter().fold(0, |size, byte| (size << 8) | u64::from(*byte));
        let mask = (1 << (7 * size_len)) - 1;
        let start = position + size_len;
        // All bits are set where a program did not know the length.
        let end = if size & mask == mask { bytes.len_bytes() } else { start.saturating_add(size & mask) };
        Ok(Some(Self { id, start, end }))
    }

    fn content<'b, S: Source>(&self, bytes: &'b mut Bytes<S>) -> Result<&'b [u8], S::Error> {
        bytes.exact(self.start, self.end - self.start)
    }

    fn number<S: Source>(&self, bytes: &mut Bytes<S>) -> Result<u64, S::Error> {
        Ok(self.content(bytes)?.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }
}

/// What is known of a track.
#[derive(Default)]
struct Entry {
    number: u64,
    codec: String,
    private: Vec<u8>,
    sample_rate: f64,
    channels: u32,
}

impl Entry {
    /// The track, if it is one of sound.
    fn track(&self) -> Result<Option<Track>, SoundError> {
        match self.codec.as_str() {
            "A_OPUS" => opus(&self.private).map(Some),
            "A_VORBIS" => vorbis(&unlaced(&self.private)?).map(Some),
            // A lossless file's header, as it is.
            "A_FLAC" => {
                Track::new("flac", self.private.clone(), self.sample_rate as u32, self.channels.max(1)).map(Some)
            }
            codec if codec.starts_with("A_") => Err(SoundError::Unsupported(format!("WebM with {codec}"))),
            _ => Ok(None),
        }
    }
}

/// The packets of a file's first track of sound.
pub(crate) struct WebmPackets {
    track: u64,
    position: u64,
}

impl WebmPackets {
    pub(crate) fn open<S: Source>(bytes: &mut Bytes<S>) -> Result<(Self, Track), S::Error> {
        let mut position = 0;
        let mut entry: Option<Entry> = None;
        for _ in 0..MAX_HEADER_ELEMENTS {
            let Some(element) = Element::read(bytes, position)? else { break };
            let is_at_end = matches!(element.id, TRACK | CLUSTER);
            // The element before this one described a track.
            if let Some(entry) = entry.take_if(|_| is_at_end)
                && let Some(track) = entry.track()?
            {
                return Ok((Self { track: entry.number, position }, track));
            }
            match element.id {
                SEGMENT | TRACKS | AUDIO => {}
                CLUSTER => break,
                TRACK => entry = Some(Entry::default()),
                _ => {
                    if let Some(entry) = &mut entry {
                        describe(bytes, &element, entry)?;
                    }
                    position = element.end;
                    continue;
                }
            }
            position = element.start;
        }
        Err(SoundError::Empty.into())
    }

    pub(crate) fn next<S: Source>(&mut self, bytes: &mut Bytes<S>) -> Result<Option<Vec<u8>>, S::Error> {
        // What is within these elements follows their headers.
        while let Some(element) = Element::read(bytes, self.position)? {
            self.position = match element.id {
                SEGMENT | CLUSTER | BLOCK_GROUP => element.start,
                _ => element.end,
            };
            if !matches!(element.id, SIMPLE_BLOCK | BLOCK) {
                continue;
            }
            // A recording that was cut off ends here.
            if element.end > bytes.len_bytes() {
                return Ok(None);
            }
            let block = element.content(bytes)?;
            let (track, rest) = variable(block).ok_or(SoundError::Damaged("a block of it is cut off"))?;
            let (Some(flags), Some(packet)) = (rest.get(2), rest.get(3..)) else {
                return Err(SoundError::Damaged("a block of it is cut off").into());
            };
            if track != self.track {
                continue;
            }
            if flags & LACING != 0 {
                return Err(SoundError::Unsupported("WebM with several packets in a block".to_owned()).into());
            }
            return Ok(Some(packet.to_vec()));
        }
        Ok(None)
    }
}

/// Notes what an element says of a track.
fn describe<S: Source>(bytes: &mut Bytes<S>, element: &Element, entry: &mut Entry) -> Result<(), S::Error> {
    match element.id {
        TRACK_NUMBER => entry.number = element.number(bytes)?,
        CODEC => {
            let name = String::from_utf8_lossy(element.content(bytes)?);
            name.trim_end_matches('\0').clone_into(&mut entry.codec);
        }
        CODEC_PRIVATE => entry.private = element.content(bytes)?.to_vec(),
        CHANNELS => entry.channels = element.number(bytes)?.min(u32::MAX.into()) as u32,
        SAMPLING_FREQUENCY => {
            let content = element.content(bytes)?;
            let short = || content.try_into().map_or(0.0, |bytes| f32::from_be_bytes(bytes).into());
            entry.sample_rate = content.try_into().map_or_else(|_| short(), f64::from_be_bytes);
        }
        _ => {}
    }
    Ok(())
}

/// A number of variable length, and what follows it.
fn variable(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let len = bytes.first()?.leading_zeros() as usize + 1;
    let number = bytes.get(..len.min(8))?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
    (len <= 8).then(|| (number & ((1 << (7 * len)) - 1), &bytes[len..]))
}

/// Vorbis' three headers, whose lengths come before them.
fn unlaced(private: &[u8]) -> Result<Vec<Vec<u8>>, SoundError> {
    let damaged = || SoundError::Damaged("its Vorbis header is cut off");
    let mut rest = private.strip_prefix(&[2]).ok_or_else(damaged)?;
    let mut lens = [0, 0];
    for len in &mut lens {
        loop {
            let (byte, after) = rest.split_first().ok_or_else(damaged)?;
            rest = after;
            *len += usize::from(*byte);
            if *byte < 255 {
                break;
            }
        }
    }
    let (info, rest) = rest.split_at_checked(lens[0]).ok_or_else(damaged)?;
    let (comment, setup) = rest.split_at_checked(lens[1]).ok_or_else(damaged)?;
    Ok(vec![info.to_vec(), comment.to_vec(), setup.to_vec()])
}
