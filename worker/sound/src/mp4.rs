//! M4A files (ISO/IEC 14496-12): tables say where each packet is.

use crate::bytes::{Bytes, Source};
use crate::error::SoundError;
use crate::limits::MAX_PACKET_BYTES;
use crate::ogg::opus;
use crate::track::Track;

/// Maximum number of boxes in one, and of entries of one table.
const MAX_BOXES: usize = 4096;
const MAX_ENTRIES: u32 = 1 << 24;

/// A box's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Content {
    start: u64,
    end: u64,
}

/// A table of numbers of 32 bits, or of 64.
#[derive(Debug, Clone, Copy)]
struct Table {
    start: u64,
    count: u32,
    /// Bytes of an entry.
    stride: u64,
}

impl Table {
    /// The table in a box, whose entries are counted after `skipped` bytes.
    fn read<S: Source>(bytes: &mut Bytes<S>, content: Content, skipped: u64, stride: u64) -> Result<Self, S::Error> {
        let count = u32::from_be_bytes(bytes.array(content.start + skipped)?);
        let start = content.start + skipped + 4;
        if count > MAX_ENTRIES || start + u64::from(count) * stride > content.end {
            return Err(SoundError::Damaged("a table of it is cut off").into());
        }
        Ok(Self { start, count, stride })
    }

    /// A number of an entry, `offset` bytes after its start.
    fn number<S: Source>(&self, bytes: &mut Bytes<S>, index: u32, offset: u64) -> Result<u32, S::Error> {
        if index >= self.count {
            return Err(SoundError::Damaged("a table of it is too short").into());
        }
        Ok(u32::from_be_bytes(bytes.array(self.start + u64::from(index) * self.stride + offset)?))
    }
}

/// The packets of a file's first track of sound. They lie in *chunks* of several.
pub(crate) struct Mp4Packets {
    /// The length that all packets share, or 0.
    shared_size: u32,
    sizes: Table,
    /// Offsets of the chunks.
    chunks: Table,
    /// How many packets are in a chunk, from this one on.
    runs: Table,
    /// Numbers of the next packet and of the next chunk, and the run of the latter.
    packet: u32,
    chunk: u32,
    run: u32,
    /// Packets that are left in the chunk, and where they begin.
    left: u32,
    position: u64,
}

impl Mp4Packets {
    pub(crate) fn open<S: Source>(bytes: &mut Bytes<S>) -> Result<(Self, Track), S::Error> {
        let file = Content { start: 0, end: bytes.len_bytes() };
        let movie = find(bytes, file, *b"moov")?.ok_or(SoundError::Damaged("its table of contents is missing"))?;
        let mut tracks = movie;
        while let Some(track) = find(bytes, tracks, *b"trak")? {
            tracks.start = track.end;
            if let Some(table) = sound_table(bytes, track)? {
                return Self::of(bytes, table);
            }
        }
        Err(SoundError::Empty.into())
    }

    /// The packets that a table describes (`stbl`).
    fn of<S: Source>(bytes: &mut Bytes<S>, table: Content) -> Result<(Self, Track), S::Error> {
        let description = within(bytes, table, *b"stsd")?;
        let track = track(bytes, Content { start: description.start + 8, ..description })?;
        let sizes = within(bytes, table, *b"stsz")?;
        let shared_size = u32::from_be_bytes(bytes.array(sizes.start + 4)?);
        let sizes = if shared_size == 0 {
            Table::read(bytes, sizes, 8, 4)?
        } else {
            Table { start: 0, count: u32::from_be_bytes(bytes.array(sizes.start + 8)?), stride: 0 }
        };
        if sizes.count == 0 {
            // What is recorded live has its packets elsewhere.
            return Err(SoundError::Unsupported("MP4 in fragments".to_owned()).into());
        }
        let chunks = if let Some(offsets) = find(bytes, table, *b"stco")? {
            Table::read(bytes, offsets, 4, 4)?
        } else {
            let offsets = within(bytes, table, *b"co64")?;
            Table::read(bytes, offsets, 4, 8)?
        };
        let runs = within(bytes, table, *b"stsc")?;
        let runs = Table::read(bytes, runs, 4, 12)?;
        let packets = Self { shared_size, sizes, chunks, runs, packet: 0, chunk: 0, run: 0, left: 0, position: 0 };
        Ok((packets, track))
    }

    pub(crate) fn next<S: Source>(&mut self, bytes: &mut Bytes<S>) -> Result<Option<Vec<u8>>, S::Error> {
        if self.packet == self.sizes.count {
            return Ok(None);
        }
        while self.left == 0 {
            self.begin_chunk(bytes)?;
        }
        let size = match self.shared_size {
            0 => self.sizes.number(bytes, self.packet, 0)?,
            size => size,
        };
        let packet = bytes.exact(self.position, size.into())?.to_vec();
        self.position += u64::from(size);
        self.packet += 1;
        self.left -= 1;
        Ok(Some(packet))
    }

    fn begin_chunk<S: Source>(&mut self, bytes: &mut Bytes<S>) -> Result<(), S::Error> {
        self.position = self.chunks.number(bytes, self.chunk, 0)?.into();
        if self.chunks.stride == 8 {
            self.position = (self.position << 32) | u64::from(self.chunks.number(bytes, self.chunk, 4)?);
        }
        self.chunk += 1;
        // Runs name their first chunk, from 1.
        if self.run + 1 < self.runs.count && self.runs.number(bytes, self.run + 1, 0)? <= self.chunk {
            self.run += 1;
        }
        self.left = self.runs.number(bytes, self.run, 4)?;
        Ok(())
    }
}

/// The first box of a kind within another, by the name that its header has.
fn find<S: Source>(bytes: &mut Bytes<S>, parent: Content, kind: [u8; 4]) -> Result<Option<Content>, S::Error> {
    let mut position = parent.start;
    for _ in 0..MAX_BOXES {
        if position.saturating_add(8) > parent.end {
            return Ok(None);
        }
        let size = u32::from_be_bytes(bytes.array(position)?);
        let own: [u8; 4] = bytes.array(position + 4)?;
        let (header, size) = match size {
            0 => (8, parent.end - position),
            1 => (16, u64::from_be_bytes(bytes.array(position + 8)?)),
            size => (8, size.into()),
        };
        let end = position.saturating_add(size);
        if size < header {
            return Err(SoundError::Damaged("a box of it is shorter than its header").into());
        }
        if own == kind {
            if end > parent.end {
                return Err(SoundError::Truncated { len_bytes: bytes.len_bytes(), needed_bytes: end }.into());
            }
            return Ok(Some(Content { start: position + header, end }));
        }
        position = end;
    }
    Ok(None)
}

/// A box that must be there.
fn within<S: Source>(bytes: &mut Bytes<S>, parent: Content, kind: [u8; 4]) -> Result<Content, S::Error> {
    Ok(find(bytes, parent, kind)?.ok_or(SoundError::Damaged("a table of it is missing"))?)
}

/// The table of a track's packets, if it is sound.
fn sound_table<S: Source>(bytes: &mut Bytes<S>, track: Content) -> Result<Option<Content>, S::Error> {
    let media = within(bytes, track, *b"mdia")?;
    let handler = within(bytes, media, *b"hdlr")?;
    let kind: [u8; 4] = bytes.array(handler.start + 8)?;
    if kind != *b"soun" {
        return Ok(None);
    }
    let information = within(bytes, media, *b"minf")?;
    within(bytes, information, *b"stbl").map(Some)
}

/// The track that the first of some descriptions describes.
fn track<S: Source>(bytes: &mut Bytes<S>, descriptions: Content) -> Result<Track, S::Error> {
    /// Bytes of a description of sound before its boxes.
    const FIELDS_BYTES: u64 = 28;
    let kind: [u8; 4] = bytes.array(descriptions.start + 4)?;
    let entry = within(bytes, descriptions, kind)?;
    let channels = u16::from_be_bytes(bytes.array(entry.start + 16)?).into();
    // The other half of the number has fractions.
    let sample_rate = u16::from_be_bytes(bytes.array(entry.start + 24)?).into();
    let boxes = Content { start: entry.start + FIELDS_BYTES, ..entry };
    let track = match &kind {
        b"mp4a" => {
            let stream = within(bytes, boxes, *b"esds")?;
            aac(content(bytes, stream)?, (sample_rate, channels))?
        }
        b"Opus" => {
            let head = within(bytes, boxes, *b"dOps")?;
            opus(&opus_head(content(bytes, head)?).ok_or(SoundError::Damaged("its Opus header is cut off"))?)?
        }
        b"fLaC" => {
            let blocks = within(bytes, boxes, *b"dfLa")?;
            let blocks = content(bytes, blocks)?.get(4..).unwrap_or_default();
            Track::new("flac", [b"fLaC".as_slice(), blocks].concat(), sample_rate, channels)?
        }
        other => {
            let name = String::from_utf8_lossy(other).into_owned();
            return Err(SoundError::Unsupported(format!("MP4 with {name}")).into());
        }
    };
    Ok(track)
}

/// A short box's bytes.
fn content<S: Source>(bytes: &mut Bytes<S>, content: Content) -> Result<&[u8], S::Error> {
    bytes.exact(content.start, (content.end - content.start).min(MAX_PACKET_BYTES))
}

/// The track of an `esds` box (ISO/IEC 14496-1): descriptors, one within the other.
fn aac(box_bytes: &[u8], (sample_rate, channels): (u32, u32)) -> Result<Track, SoundError> {
    const STREAM: u8 = 3;
    const DECODER: u8 = 4;
    const SPECIFIC: u8 = 5;
    const MPEG_4: u8 = 0x40;
    const MP3: [u8; 2] = [0x69, 0x6B];
    let damaged = || SoundError::Damaged("its AAC header is cut off");
    // After the version come, in the stream's descriptor, an id and flags, of which some announce more fields.
    let stream = descriptor(box_bytes.get(4..).unwrap_or_default(), STREAM).ok_or_else(damaged)?;
    let flags = *stream.get(2).ok_or_else(damaged)?;
    let depends = if flags & 0x80 == 0 { 0 } else { 2 };
    let url = if flags & 0x40 == 0 { 0 } else { 1 + usize::from(*stream.get(3 + depends).ok_or_else(damaged)?) };
    let clock = if flags & 0x20 == 0 { 0 } else { 2 };
    let rest = stream.get(3 + depends + url + clock..).unwrap_or_default();
    let decoder = descriptor(rest, DECODER).ok_or_else(damaged)?;
    let kind = *decoder.first().ok_or_else(damaged)?;
    if MP3.contains(&kind) {
        return Track::new("mp3", Vec::new(), sample_rate, channels);
    }
    if kind != MPEG_4 {
        return Err(SoundError::Unsupported(format!("MP4 with sound of the kind {kind:#x}")));
    }
    let specific = descriptor(decoder.get(13..).unwrap_or_default(), SPECIFIC).ok_or_else(damaged)?;
    let object = specific.first().ok_or_else(damaged)? >> 3;
    Track::new(&format!("mp4a.40.{object}"), specific.to_vec(), sample_rate, channels)
}

/// The content of the descriptor that comes next, if it has this tag.
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (own, mut rest) = bytes.split_first()?;
    let mut len = 0;
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        rest = after;
        len = (len << 7) | usize::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            break;
        }
    }
    (*own == tag).then(|| rest.get(..len)).flatten()
}

/// The `OpusHead` of a `dOps` box, which has the same fields in the other order of bytes, and another version.
fn opus_head(fields: &[u8]) -> Option<Vec<u8>> {
    let [_, channels, skip_high, skip_low, a, b, c, d, gain_high, gain_low, family, mapping @ ..] = fields else {
        return None;
    };
    let mut head = b"OpusHead\x01".to_vec();
    head.extend([channels, skip_low, skip_high, d, c, b, a, gain_low, gain_high, family]);
    head.extend(mapping);
    Some(head)
}
