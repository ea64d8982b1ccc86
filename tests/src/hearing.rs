//! A tiny Whisper, a recording for it, and what the native engine hears in that.
#![allow(clippy::unwrap_used, reason = "a test without the native answer has nothing to compare with")]

use std::io;

use parlance_engine::ggml::{is_ggml, read_header};
use parlance_engine::kernels::random::Random;
use parlance_engine::runtime::{
    Cpu, Device, Loaded, Loader, LoaderOptions, Transcriber, TranscriptEvent, TranscriptSegment, TranscriptionOptions,
};
use parlance_engine::{EngineError, Result};
use serde::Deserialize;

use crate::described::{Described, DescribedTensor, read};

/// The first bytes of whisper.cpp's files.
const MAGIC: u32 = 0x6767_6D6C;
/// Frequencies that a filter of the spectrogram weighs.
const BINS: u32 = 201;
/// Tokens after those of text: the end, the start, languages, tasks and times.
const SPECIAL_TOKENS: u32 = 1 + 1 + 4 + 6 + 41;

/// The description from `make_whisper.py` of the engine's tests.
#[derive(Deserialize)]
struct Fixture {
    model: Described,
}

fn described() -> io::Result<Described> {
    read("whisper.json").map(|Fixture { model }| model)
}

/// A number in a model's metadata.
fn number(model: &Described, key: &str) -> u32 {
    let (.., value) = model.metadata.iter().find(|(own, ..)| own == key).unwrap();
    value.as_u64().unwrap() as u32
}

/// Random weights of the tensor with this index.
fn weights(tensor: &DescribedTensor, index: u64) -> Vec<u8> {
    let mut random = Random((index + 1) << 32);
    let count = tensor.shape.iter().product::<u64>();
    (0..count).flat_map(|_| (tensor.offset + tensor.scale * random.float()).to_le_bytes()).collect()
}

/// A Whisper of 500 KB with random weights, whose windows take 0.8 seconds, in GGUF.
///
/// # Errors
/// If the fixture cannot be read.
pub fn whisper() -> io::Result<Vec<u8>> {
    let mut index = 0;
    described()?.file(&[], |tensor, _| {
        index += 1;
        weights(tensor, index - 1)
    })
}

/// The same in whisper.cpp's format, with filters of one frequency each. Its vocabulary is one token per byte and three more.
///
/// # Errors
/// If the fixture cannot be read.
pub fn ggml_whisper() -> io::Result<Vec<u8>> {
    let model = described()?;
    let single = (0..=255u8).map(|byte| vec![byte]);
    let tokens: Vec<Vec<u8>> = single.chain([" a", "an", " an"].map(|text| text.as_bytes().to_vec())).collect();
    let mels = number(&model, "whisper.encoder.mels_count");
    let mut numbers = vec![MAGIC, tokens.len() as u32 + SPECIAL_TOKENS];
    for side in ["encoder", "decoder"] {
        for key in ["context_length", "embedding_length", "attention.head_count", "block_count"] {
            numbers.push(number(&model, &format!("whisper.{side}.{key}")));
        }
    }
    numbers.extend([mels, 0, mels, BINS]);
    let mut bytes: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.extend((0..mels * BINS).flat_map(|index| (f32::from(index % BINS == index / BINS * 7) * 0.02).to_le_bytes()));
    bytes.extend((tokens.len() as u32).to_le_bytes());
    for token in tokens {
        bytes.extend((token.len() as u32).to_le_bytes());
        bytes.extend(token);
    }
    for (index, tensor) in (0u64..).zip(&model.tensors) {
        for number in [tensor.shape.len() as u32, tensor.name.len() as u32, 0] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(tensor.shape.iter().flat_map(|len| (*len as u32).to_le_bytes()));
        bytes.extend(tensor.name.as_bytes());
        bytes.extend(weights(tensor, index));
    }
    Ok(bytes)
}

/// Noise that comes and goes: 16,000 samples per second.
pub fn recording(seconds: f64) -> Vec<i16> {
    let mut random = Random(9);
    let count = (seconds * 16_000.0) as usize;
    (0..count).map(|i| (random.float() * 9000.0 * ((i / 1600) % 4) as f32) as i16).collect()
}

/// What sounds like a voice to a microphone that suppresses noise: syllables of a low tone with overtones.
pub fn voice(seconds: f64) -> Vec<i16> {
    let sample = |i: usize| {
        let time = i as f64 / 16_000.0;
        let tone = |number: f64| (std::f64::consts::TAU * 140.0 * number * time).sin() / number;
        let syllable = (std::f64::consts::PI * (time * 4.0).fract()).sin();
        (9000.0 * syllable * (1..12).map(|number| tone(f64::from(number))).sum::<f64>()) as i16
    };
    (0..(seconds * 16_000.0) as usize).map(sample).collect()
}

/// The WAV file of these samples.
pub fn wav(samples: &[i16]) -> Vec<u8> {
    let len = samples.len() as u32 * 2;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + len).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(16_000u32.to_le_bytes());
    file.extend(32_000u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(len.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

/// Loads a recogniser from a file in either format.
///
/// # Errors
/// Errors of the engine, also if it recognises no speech.
pub async fn load(device: Device, model: &[u8]) -> Result<Transcriber> {
    let options = LoaderOptions::default();
    let mut loader = if is_ggml(model) {
        let header = read_header::<EngineError>(model.len() as u64, |at, bytes| {
            bytes.copy_from_slice(&model[at as usize..at as usize + bytes.len()]);
            Ok(())
        })?;
        Loader::with_headers(device, options, &[header]).await?
    } else {
        Loader::new(device, options)
    };
    loader.push(model).await?;
    match loader.finish_any().await? {
        Loaded::Transcriber(transcriber) => Ok(*transcriber),
        Loaded::Decoder(_) | Loaded::Encoder(_) => Err(EngineError::WrongKind("it recognises no speech")),
    }
}

/// What the native engine hears.
///
/// # Errors
/// Errors of the engine.
pub fn heard(model: &[u8], samples: &[i16]) -> Result<Vec<TranscriptSegment>> {
    pollster::block_on(async {
        let mut transcriber = load(Cpu::blocking().into(), model).await?;
        let mut segments = Vec::new();
        let on_event = |event| {
            if let TranscriptEvent::Segment(segment) = event {
                segments.push(segment);
            }
            true
        };
        transcriber.transcribe(samples, &TranscriptionOptions::default(), on_event).await?;
        Ok(segments)
    })
}
