//! Ogg files (RFC 3533) with Opus (RFC 7845), Vorbis or FLAC.

use std::collections::VecDeque;

use crate::bytes::{Bytes, Source};
use crate::error::SoundError;
use crate::limits::MAX_PACKET_BYTES;
use crate::track::Track;

const PAGE_HEADER_BYTES: u64 = 27;
/// Maximum number of packets before the track is known.
const MAX_HEADER_PACKETS: usize = 64;

/// What is in the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Opus,
    Vorbis,
    Flac,
}

impl Codec {
    fn of(first_packet: &[u8]) -> Option<Self> {
        [
            (b"OpusHead".as_slice(), Self::Opus),
            (b"\x01vorbis".as_slice(), Self::Vorbis),
            (b"\x7FFLAC".as_slice(), Self::Flac),
        ]
        .into_iter()
        .find(|(magic, _)| first_packet.starts_with(magic))
        .map(|(_, codec)| codec)
    }

    /// Whether a packet after the first is no sound.
    fn is_header(self, packet: &[u8]) -> bool {
        match self {
            Self::Opus => packet.starts_with(b"OpusTags"),
            Self::Vorbis => packet.first().is_some_and(|kind| kind & 1 == 1),
            Self::Flac => packet.first() != Some(&0xFF),
        }
    }
}

/// The packets of a file's first stream of sound.
pub(crate) struct OggPackets {
    codec: Codec,
    serial: u32,
    position: u64,
    /// A packet whose end is on a later page.
    begun: Vec<u8>,
    ready: VecDeque<Vec<u8>>,
}

impl OggPackets {
    pub(crate) fn open<S: Source>(bytes: &mut Bytes<S>) -> Result<(Self, Track), S::Error> {
        // The first pages are those that begin the streams.
        let mut position = 0;
        let (codec, serial) = loop {
            let page = Page::read(bytes, position)?.ok_or(SoundError::Unknown)?;
            if !page.begins_stream {
                return Err(SoundError::Unsupported("Ogg without Opus, Vorbis or FLAC".to_owned()).into());
            }
            let first = bytes.exact(page.body, page.sizes.iter().map(|size| u64::from(*size)).sum())?;
            if let Some(codec) = Codec::of(first) {
                break (codec, page.serial);
            }
            position = page.end;
        };
        let mut packets = Self { codec, serial, position, begun: Vec::new(), ready: VecDeque::new() };
        let mut headers = vec![packets.any(bytes)?.ok_or(SoundError::Empty)?];
        while let Some(packet) = packets.any(bytes)? {
            if !codec.is_header(&packet) {
                packets.ready.push_front(packet);
                break;
            }
            headers.push(packet);
            if headers.len() > MAX_HEADER_PACKETS {
                return Err(SoundError::Damaged("it has too many headers").into());
            }
        }
        let track = track(codec, &headers)?;
        Ok((packets, track))
    }

    pub(crate) fn next<S: Source>(&mut self, bytes: &mut Bytes<S>) -> Result<Option<Vec<u8>>, S::Error> {
        loop {
            match self.any(bytes)? {
                Some(packet) if packet.is_empty() || self.codec.is_header(&packet) => {}
                packet => return Ok(packet),
            }
        }
    }

    /// The next packet of the stream, headers included.
    fn any<S: Source>(&mut self, bytes: &mut Bytes<S>) -> Result<Option<Vec<u8>>, S::Error> {
        loop {
            if let Some(packet) = self.ready.pop_front() {
                return Ok(Some(packet));
            }
            let Some(page) = Page::read(bytes, self.position)? else { return Ok(None) };
            self.position = page.end;
            if page.serial != self.serial {
                continue;
            }
            if !page.continues {
                self.begun.clear();
            }
            let mut at = page.body;
            for size in page.sizes {
                self.begun.extend_from_slice(bytes.exact(at, size.into())?);
                at += u64::from(size);
                if self.begun.len() as u64 > MAX_PACKET_BYTES {
                    return Err(SoundError::Damaged("a packet of it is too long").into());
                }
                // A packet ends with a segment that is not full.
                if size < 255 {
                    self.ready.push_back(std::mem::take(&mut self.begun));
                }
            }
        }
    }
}

/// A page of a file.
struct Page {
    serial: u32,
    begins_stream: bool,
    /// Whether it begins within a packet.
    continues: bool,
    /// Lengths of its segments.
    sizes: Vec<u8>,
    body: u64,
    end: u64,
}

impl Page {
    /// The page at a position; `None` at the end of the file, or where it is cut off.
    fn read<S: Source>(bytes: &mut Bytes<S>, position: u64) -> Result<Option<Self>, S::Error> {
        if position + PAGE_HEADER_BYTES > bytes.len_bytes() {
            return Ok(None);
        }
        let header: [u8; 27] = bytes.array(position)?;
        if !header.starts_with(b"OggS") {
            return Err(SoundError::Damaged("a page of it is missing").into());
        }
        let table = position + PAGE_HEADER_BYTES;
        let body = table + u64::from(header[26]);
        if body > bytes.len_bytes() {
            return Ok(None);
        }
        let sizes = bytes.exact(table, header[26].into())?.to_vec();
        let end = body + sizes.iter().map(|size| u64::from(*size)).sum::<u64>();
        let serial = u32::from_le_bytes([header[14], header[15], header[16], header[17]]);
        let page = Self { serial, begins_stream: header[5] & 2 != 0, continues: header[5] & 1 != 0, sizes, body, end };
        Ok((end <= bytes.len_bytes()).then_some(page))
    }
}

/// The track of a stream with these headers.
fn track(codec: Codec, headers: &[Vec<u8>]) -> Result<Track, SoundError> {
    let cut_off = || SoundError::Damaged("its header is cut off");
    let first = headers.first().ok_or_else(cut_off)?;
    match codec {
        Codec::Opus => opus(first),
        Codec::Vorbis => vorbis(headers),
        Codec::Flac => {
            // A version and the number of headers come before what begins a FLAC file.
            let info: &[u8; 42] = first.get(9..51).and_then(|info| info.try_into().ok()).ok_or_else(cut_off)?;
            let sample_rate = u32::from_be_bytes([0, info[18], info[19], info[20]]) >> 4;
            let channels = u32::from((info[20] >> 1) & 7) + 1;
            let mut description = info.to_vec();
            // The other blocks of metadata are left out: this one is the last.
            description[4] |= 0x80;
            Track::new("flac", description, sample_rate, channels)
        }
    }
}

/// The track that an `OpusHead` describes.
pub(crate) fn opus(head: &[u8]) -> Result<Track, SoundError> {
    /// Opus is decoded at this rate, whatever the recording's was.
    const RATE: u32 = 48_000;
    if !head.starts_with(b"OpusHead") || head.len() < 19 {
        return Err(SoundError::Damaged("its Opus header is cut off"));
    }
    Track::new("opus", head.to_vec(), RATE, head[9].into())
}

/// The track of Vorbis' three headers.
pub(crate) fn vorbis(headers: &[Vec<u8>]) -> Result<Track, SoundError> {
    let [info, comment, setup, ..] = headers else {
        return Err(SoundError::Damaged("it lacks a Vorbis header"));
    };
    let (Some(channels), Some(rate)) = (info.get(11), info.get(12..16)) else {
        return Err(SoundError::Damaged("its Vorbis header is cut off"));
    };
    let rate = u32::from_le_bytes([rate[0], rate[1], rate[2], rate[3]]);
    // Their number but one, the lengths of all but the last, and the headers.
    let mut description = vec![2];
    for header in [info, comment] {
        description.extend(std::iter::repeat_n(255, header.len() / 255));
        description.push((header.len() % 255) as u8);
    }
    description.extend([info, comment, setup].into_iter().flatten());
    Track::new("vorbis", description, rate, (*channels).into())
}
