//! Files of every kind, whole, cut off and changed.

use crate::limits::MAX_PACKET_BYTES;
use crate::{Recording, SoundError, Track, open};

const NUMBERS: [u16; 6] = [0, 1000, 2000, 0x8000, 0x7FFF, 0xFFFF];

/// A WAV file with this format, and a length of its samples that may be a lie.
fn wav(tag: u16, (rate, channels, bits): (u32, u16, u16), data: &[u8], len: u32) -> Vec<u8> {
    let frame_bytes = channels * bits / 8;
    let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
    file.extend(tag.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(frame_bytes)).to_le_bytes());
    file.extend(frame_bytes.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend(len.to_le_bytes());
    file.extend(data);
    file
}

fn halves() -> Vec<u8> {
    NUMBERS.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// All samples of a WAV file, and its rate.
fn samples(file: &[u8]) -> Result<(Vec<f32>, u32), SoundError> {
    let Recording::Samples(mut wav) = open(file)? else { panic!("it is WAV") };
    let mut samples = Vec::new();
    while let Some(piece) = wav.next_samples()? {
        samples.extend(piece);
    }
    Ok((samples, wav.sample_rate()))
}

/// The track of a file, and its packets.
fn packets(file: &[u8]) -> Result<(Track, Vec<Vec<u8>>), SoundError> {
    let Recording::Packets(mut packets) = open(file)? else { panic!("it has packets") };
    let mut all = Vec::new();
    while let Some(packet) = packets.next_packet()? {
        all.push(packet);
    }
    Ok((packets.track().clone(), all))
}

/// Three packets, one of which does not fit into a segment or lace of 255 bytes.
fn three() -> Vec<Vec<u8>> {
    vec![vec![0xFC; 20], vec![0xFA; 600], vec![0xF8; 255]]
}

fn opus_head() -> Vec<u8> {
    [b"OpusHead\x01\x02\x38\x01".as_slice(), &48_000u32.to_le_bytes(), &[0, 0, 0]].concat()
}

/// A frame of 128 kbit/s and 44,100 samples per second with a byte of its own.
fn mp3_frame(byte: u8) -> Vec<u8> {
    let mut frame = vec![0xFF, 0xFB, 0x90, 0x00];
    frame.resize(417, byte);
    frame
}

fn ogg_page(flags: u8, serial: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut sizes = Vec::new();
    for packet in packets {
        sizes.extend(std::iter::repeat_n(255, packet.len() / 255));
        sizes.push((packet.len() % 255) as u8);
    }
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend([0; 8]);
    page.extend(serial.to_le_bytes());
    page.extend([0; 8]);
    page.push(sizes.len() as u8);
    page.extend(sizes);
    page.extend(packets.concat());
    page
}

fn ogg_file() -> Vec<u8> {
    let pages = [
        ogg_page(2, 1, &[b"\x80theora, which is no sound".to_vec()]),
        ogg_page(2, 7, &[opus_head()]),
        ogg_page(0, 7, &[b"OpusTags".to_vec()]),
        ogg_page(0, 1, &[vec![1; 300]]),
        ogg_page(0, 7, &three()[..1]),
        ogg_page(4, 7, &three()[1..]),
    ];
    pages.concat()
}

fn mp4_box(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    [(content.len() as u32 + 8).to_be_bytes().as_slice(), &kind, content].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Two chunks: one of two packets and one of one.
fn mp4_file() -> Vec<u8> {
    let head = mp4_box(*b"ftyp", b"M4A \0\0\0\0");
    let data = mp4_box(*b"mdat", &three().concat());
    let start = head.len() as u32 + 8;
    let sizes: Vec<u32> = three().iter().map(|packet| packet.len() as u32).collect();
    let specific = [5, 2, 0x12, 0x10];
    let decoder = [[4, 17, 0x40].as_slice(), &[0; 12], &specific].concat();
    let stream = [[3, 22, 0, 0, 0].as_slice(), &decoder].concat();
    let esds = mp4_box(*b"esds", &[[0; 4].as_slice(), &stream].concat());
    let mut entry = vec![0; 28];
    entry[17] = 2;
    entry[24..26].copy_from_slice(&44_100u16.to_be_bytes());
    let entry = mp4_box(*b"mp4a", &[entry, esds].concat());
    let tables = [
        mp4_box(*b"stsd", &[words(&[0, 1]), entry].concat()),
        mp4_box(*b"stsz", &words(&[0, 0, 3, sizes[0], sizes[1], sizes[2]])),
        mp4_box(*b"stsc", &words(&[0, 2, 1, 2, 1, 2, 1, 1])),
        mp4_box(*b"stco", &words(&[0, 2, start, start + sizes[0] + sizes[1]])),
    ];
    let table = mp4_box(*b"minf", &mp4_box(*b"stbl", &tables.concat()));
    let handler = |kind: &[u8]| mp4_box(*b"hdlr", &[[0; 8].as_slice(), kind].concat());
    let video = mp4_box(*b"trak", &mp4_box(*b"mdia", &handler(b"vide")));
    let sound = mp4_box(*b"trak", &mp4_box(*b"mdia", &[handler(b"soun"), table].concat()));
    [head, data, mp4_box(*b"moov", &[video, sound].concat())].concat()
}

/// An element, whose length may be left open.
fn element(id: u32, content: &[u8], is_open: bool) -> Vec<u8> {
    let id = id.to_be_bytes();
    let mut bytes: Vec<u8> = id.into_iter().skip_while(|byte| *byte == 0).collect();
    let len = if is_open { u32::MAX >> 4 } else { content.len() as u32 };
    bytes.extend((len | (1 << 28)).to_be_bytes());
    bytes.extend(content);
    bytes
}

fn webm_file() -> Vec<u8> {
    let track = |number: u8, codec: &[u8], private: &[u8]| {
        let parts = [element(0xD7, &[number], false), element(0x86, codec, false), element(0x63A2, private, false)];
        element(0xAE, &parts.concat(), false)
    };
    let tracks = element(0x1654_AE6B, &[track(1, b"V_VP8", b""), track(2, b"A_OPUS", &opus_head())].concat(), false);
    let block = |track: u8, packet: &[u8]| [[0x80 | track, 0, 0, 0x80].as_slice(), packet].concat();
    let [first, second, third] = [0, 1, 2].map(|index| three().swap_remove(index));
    let one = [element(0xA3, &block(1, b"video"), false), element(0xA3, &block(2, &first), false)].concat();
    let group = element(0xA0, &element(0xA1, &block(2, &second), false), false);
    let two = [group, element(0xA3, &block(2, &third), false)].concat();
    let clusters = [element(0x1F43_B675, &one, true), element(0x1F43_B675, &two, true)].concat();
    let segment = element(0x1853_8067, &[element(0xEC, &[0; 9], false), tracks, clusters].concat(), true);
    [element(0x1A45_DFA3, b"webm", false), segment].concat()
}

fn mp3_file() -> Vec<u8> {
    let mut file = b"ID3\x04\0\0\0\0\x01\x02".to_vec();
    file.resize(10 + 130, b't');
    let mut tag = mp3_frame(0);
    tag[36..40].copy_from_slice(b"Xing");
    for frame in [tag, mp3_frame(1), mp3_frame(2), mp3_frame(3)] {
        file.extend(frame);
    }
    file.extend(b"TAG");
    file.resize(file.len() + 125, 0);
    file
}

#[test]
fn wav_files_are_read_in_all_widths() {
    let expected: Vec<f32> = NUMBERS.iter().map(|number| f32::from(number.cast_signed()) / 32768.0).collect();
    let data = halves();
    assert_eq!(samples(&wav(1, (16_000, 1, 16), &data, 12)).unwrap_or_default(), (expected.clone(), 16_000));
    let wide = |before: usize| -> Vec<u8> {
        data.chunks(2).flat_map(|half| [vec![0; before].as_slice(), half].concat()).collect()
    };
    for (tag, bits, data) in [
        (1, 24, wide(1)),
        (1, 32, wide(2)),
        (3, 32, expected.iter().flat_map(|value| value.to_le_bytes()).collect()),
        (3, 64, expected.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect()),
    ] {
        let file = wav(tag, (8_000, 1, bits), &data, data.len() as u32);
        assert_eq!(samples(&file).unwrap_or_default(), (expected.clone(), 8_000), "{bits} bits");
    }
    let bytes = wav(1, (16_000, 1, 8), &[0, 128, 192], 3);
    assert_eq!(samples(&bytes).unwrap_or_default().0, [-1.0, 0.0, 0.5]);
    // Channels are mixed, and the length may be missing.
    for len in [12, 0, u32::MAX] {
        let stereo = samples(&wav(1, (16_000, 2, 16), &data, len)).unwrap_or_default().0;
        assert_eq!(
            stereo,
            [expected[0] + expected[1], expected[2] + expected[3], expected[4] + expected[5]].map(|sum| sum / 2.0)
        );
    }
}

#[test]
fn packets_are_found_in_every_kind_of_file() {
    let (track, all) = packets(&mp3_file()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((track.codec.as_str(), track.sample_rate, track.channels), ("mp3", 44_100, 2));
    assert_eq!(all, [mp3_frame(1), mp3_frame(2), mp3_frame(3)]);
    for (file, codec, rate) in
        [(ogg_file(), "opus", 48_000), (webm_file(), "opus", 48_000), (mp4_file(), "mp4a.40.2", 44_100)]
    {
        let (track, all) = packets(&file).unwrap_or_else(|error| panic!("{codec}: {error}"));
        assert_eq!((track.codec.as_str(), track.sample_rate, track.channels), (codec, rate, 2));
        let description = if codec == "opus" { opus_head() } else { vec![0x12, 0x10] };
        assert_eq!((track.description, all), (description, three()), "{codec}");
    }
}

#[test]
fn vorbis_headers_become_a_description() {
    let mut info = b"\x01vorbis\0\0\0\0\x01".to_vec();
    info.extend(22_050u32.to_le_bytes());
    let headers = [info, [b"\x03vorbis".as_slice(), &[9; 600]].concat(), b"\x05vorbis".to_vec()];
    let sound = vec![vec![0; 40]];
    let file = [ogg_page(2, 1, &headers[..1]), ogg_page(0, 1, &headers[1..]), ogg_page(4, 1, &sound)].concat();
    let (track, all) = packets(&file).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((track.codec.as_str(), track.sample_rate, track.channels, all), ("vorbis", 22_050, 1, sound));
    assert_eq!(track.description[..5], [2, 16, 255, 255, 97]);
    assert_eq!(track.description[5..], headers.concat());
}

#[test]
fn what_exceeds_a_limit_or_lies_is_refused_in_a_sentence() {
    let data = halves();
    let refusal = |file: &[u8]| samples(file).map(|_| ()).map_err(|error| error.to_string());
    let hour = 3600 * 16_000 * 2;
    for (file, expected) in [
        (wav(1, (16_000, 9, 16), &data, 12), "it has 9 channels, and 1 to 8 are read"),
        (wav(1, (16_000, 0, 16), &data, 12), "it has 0 channels"),
        (wav(1, (384_000, 1, 16), &data, 12), "it has 384000 samples per second"),
        (wav(1, (1, 1, 16), &data, 12), "it has 1 samples per second"),
        (wav(1, (16_000, 1, 16), &data, 10 * hour), "it is longer than 6 hours"),
        (wav(1, (16_000, 1, 16), &data, hour), "it is cut off: it has 68 bytes"),
        (wav(2, (16_000, 1, 4), &data, 12), "its sound is stored in a way that cannot be read here: WAV with format 2"),
        (b"RIFF\0\0\0\0WAVEdata\x02\0\0\0ab".to_vec(), "it is damaged: its samples come before"),
        (b"RIFF\0\0\0\0WAVE".to_vec(), "it is cut off"),
    ] {
        let error = refusal(&file).err().unwrap_or_default();
        assert!(error.starts_with(expected), "{error}");
    }
    // Eight channels and 192,000 samples per second are read.
    assert_eq!(refusal(&wav(1, (192_000, 8, 16), &[0; 32], 32)), Ok(()));
    for file in [b"no sound at all".as_slice(), b"", b"%PDF-1.7 and so on and so forth", &[0; 5000]] {
        assert_eq!(open(file).err(), Some(SoundError::Unknown));
    }
    let cut_off = &mp4_file()[..200];
    assert!(matches!(open(cut_off).err(), Some(SoundError::Truncated { .. } | SoundError::Damaged(_))));
}

#[test]
fn damaged_files_end_without_a_panic() {
    for file in [wav(1, (16_000, 2, 16), &[7; 400], 400), mp3_file(), ogg_file(), mp4_file(), webm_file()] {
        let read = |file: &[u8]| match open(file) {
            Ok(Recording::Samples(mut wav)) => while let Ok(Some(_)) = wav.next_samples() {},
            Ok(Recording::Packets(mut packets)) => {
                let mut count = 0;
                while let Ok(Some(packet)) = packets.next_packet() {
                    count += 1;
                    assert!(packet.len() as u64 <= MAX_PACKET_BYTES && count <= file.len(), "it has no end");
                }
            }
            Err(_) => {}
        };
        for len in 0..file.len() {
            read(&file[..len]);
        }
        for at in 0..file.len() {
            for value in [0, 1, 0x7F, 0x80, 0xFF] {
                let mut changed = file.clone();
                changed[at] = value;
                read(&changed);
            }
        }
    }
}
