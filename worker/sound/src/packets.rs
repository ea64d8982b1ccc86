//! Recognises files, and takes them apart.

use crate::bytes::{Bytes, Source};
use crate::track::Track;
use crate::wav::Wav;
use crate::{mp3, mp4, ogg, webm};

/// A file that was recognised.
pub enum Recording<S> {
    /// Its samples.
    Samples(Wav<S>),
    /// Packets for a decoder.
    Packets(Packets<S>),
}

/// Recognises a file by its first bytes, and reads its header.
///
/// # Errors
/// A [`SoundError`](crate::SoundError) that says what is wrong with the file, and errors of the source.
pub fn open<S: Source>(source: S) -> Result<Recording<S>, S::Error> {
    let mut bytes = Bytes::new(source);
    let first = bytes.up_to(0, 12)?.to_vec();
    let starts_with = |magic: &[u8]| first.starts_with(magic);
    let is_wave = (starts_with(b"RIFF") || starts_with(b"RF64")) && first.get(8..12) == Some(b"WAVE".as_slice());
    if is_wave {
        return Ok(Recording::Samples(Wav::open(bytes)?));
    }
    let (demuxer, track) = if starts_with(b"OggS") {
        let (packets, track) = ogg::OggPackets::open(&mut bytes)?;
        (Demuxer::Ogg(packets), track)
    } else if first.get(4..8) == Some(b"ftyp".as_slice()) {
        let (packets, track) = mp4::Mp4Packets::open(&mut bytes)?;
        (Demuxer::Mp4(packets), track)
    } else if starts_with(&webm::MAGIC) {
        let (packets, track) = webm::WebmPackets::open(&mut bytes)?;
        (Demuxer::Webm(packets), track)
    } else {
        let (packets, track) = mp3::Mp3Packets::open(&mut bytes)?;
        (Demuxer::Mp3(packets), track)
    };
    Ok(Recording::Packets(Packets { bytes, demuxer, track }))
}

/// The packets of a file, in order.
pub struct Packets<S> {
    bytes: Bytes<S>,
    demuxer: Demuxer,
    track: Track,
}

enum Demuxer {
    Mp3(mp3::Mp3Packets),
    Mp4(mp4::Mp4Packets),
    Ogg(ogg::OggPackets),
    Webm(webm::WebmPackets),
}

impl<S: Source> Packets<S> {
    /// What the decoder has to know.
    pub fn track(&self) -> &Track {
        &self.track
    }

    /// The next packet, or `None` at the end.
    ///
    /// # Errors
    /// A [`SoundError`](crate::SoundError) for a damaged file, and errors of the source.
    pub fn next_packet(&mut self) -> Result<Option<Vec<u8>>, S::Error> {
        match &mut self.demuxer {
            Demuxer::Mp3(packets) => packets.next(&mut self.bytes),
            Demuxer::Mp4(packets) => packets.next(&mut self.bytes),
            Demuxer::Ogg(packets) => packets.next(&mut self.bytes),
            Demuxer::Webm(packets) => packets.next(&mut self.bytes),
        }
    }

    /// How much of the file was read, from 0 to 1.
    pub fn progress(&self) -> f64 {
        self.bytes.progress()
    }
}
