//! A tiny Whisper against a forward pass in numpy and the spectrogram of faster-whisper (`fixtures/make_whisper.py`), in
//! GGUF and in whisper.cpp's format; files that are damaged; and transcripts.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parlance_engine::ggml::{is_ggml, read_header};
use parlance_engine::gguf::Gguf;
use parlance_engine::kernels::linear::Tiles;
use parlance_engine::runtime::{
    Cpu, Device, Loaded, Loader, LoaderOptions, SelfTest, Transcriber, TranscriptEvent, TranscriptSegment,
    TranscriptionOptions, Verdict,
};
use parlance_engine::{EngineError, Result};
use pollster::block_on;
use serde::Deserialize;
use serde_json::Value;

use crate::architectures::{baseline, divergence, hardware};
use crate::common::{Described, On, Random, build_file};
use crate::hybrids::devices;

/// How far logits may diverge from the reference.
const BOUND: f64 = 1e-3;
/// Changes must cause a larger divergence.
const NOTICEABLE: f64 = 1e-2;
/// Samples in a window of the tiny model.
const WINDOW: usize = 80 * 160;

#[derive(Deserialize)]
struct Fixture {
    model: Described,
    ids: Vec<u32>,
    /// Prefixes of the tokens, after which there are logits.
    lengths: Vec<usize>,
    /// f32 in base64: `[lengths][vocab]`
    logits: String,
    frames: Vec<usize>,
    /// f32 in base64: `[frames][mels]`
    spectrogram: String,
    /// The tokens of each window of a transcript.
    windows: Vec<Vec<u32>>,
    language: String,
}

static FIXTURE: LazyLock<Fixture> =
    LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/whisper.json")).unwrap());

fn floats(base64: &str) -> Vec<f32> {
    let bytes = STANDARD.decode(base64).unwrap();
    bytes.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
}

fn number(model: &Described, key: &str) -> u32 {
    let (.., value) = model.metadata.iter().find(|(own, ..)| own == key).unwrap();
    value.as_u64().unwrap() as u32
}

/// The model's file in whisper.cpp's format, whose vocabulary is one token per byte and three more.
fn ggml_file(model: &Described) -> Vec<u8> {
    let mels = number(model, "whisper.encoder.mels_count");
    let mut numbers = vec![0x6767_6D6C, 260 + 1 + 4 + 6 + 41];
    for side in ["encoder", "decoder"] {
        for key in ["context_length", "embedding_length", "attention.head_count", "block_count"] {
            numbers.push(number(model, &format!("whisper.{side}.{key}")));
        }
    }
    numbers.extend([mels, 1, mels, 201]);
    let mut bytes: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.resize(bytes.len() + mels as usize * 201 * 4, 0);
    let single = (0..=255u8).map(|byte| vec![byte]);
    let tokens: Vec<Vec<u8>> = single.chain([" a", "an", " an"].map(|text| text.as_bytes().to_vec())).collect();
    bytes.extend((tokens.len() as u32).to_le_bytes());
    for token in tokens {
        bytes.extend((token.len() as u32).to_le_bytes());
        bytes.extend(token);
    }
    for (name, dimensions, kind, data) in model.tensor_data() {
        for number in [dimensions.len() as u32, name.len() as u32, kind.number()] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(dimensions.iter().flat_map(|dimension| (*dimension as u32).to_le_bytes()));
        bytes.extend(name.as_bytes());
        bytes.extend(data);
    }
    bytes
}

fn ggml_header(bytes: &[u8]) -> Result<Gguf> {
    read_header(bytes.len() as u64, |at, buffer| {
        buffer.copy_from_slice(&bytes[at as usize..at as usize + buffer.len()]);
        Ok(())
    })
}

/// Loads a file in either format.
async fn try_load(device: Device, bytes: &[u8]) -> Result<Transcriber> {
    let options = LoaderOptions::default();
    let mut loader = if is_ggml(bytes) {
        Loader::with_headers(device, options, &[ggml_header(bytes)?]).await?
    } else {
        Loader::new(device, options)
    };
    // Chunks of an odd size, so that boundaries fall everywhere.
    for chunk in bytes.chunks(10_007) {
        loader.push(chunk).await?;
    }
    match loader.finish_any().await? {
        Loaded::Transcriber(transcriber) => Ok(*transcriber),
        Loaded::Decoder(_) | Loaded::Encoder(_) => panic!("it recognises speech"),
    }
}

fn gguf_file(model: &Described) -> Vec<u8> {
    build_file(model, &[])
}

fn both_files() -> [Vec<u8>; 2] {
    [gguf_file(&FIXTURE.model), ggml_file(&FIXTURE.model)]
}

fn load(device: Device) -> Transcriber {
    block_on(try_load(device, &gguf_file(&FIXTURE.model))).unwrap()
}

/// The largest divergence of a recogniser's logits from the reference.
async fn divergence_of(transcriber: &mut Transcriber) -> Result<f64> {
    let mels = transcriber.config().mels as usize;
    let mel = Random(5).floats(transcriber.config().window_frames() as usize * mels);
    let reference = floats(&FIXTURE.logits);
    let reference = reference.chunks_exact(reference.len() / FIXTURE.lengths.len());
    let mut largest = 0.0;
    for (len, reference) in FIXTURE.lengths.iter().zip(reference) {
        let logits = transcriber.logits(&mel, &FIXTURE.ids[..*len]).await?;
        let own = divergence(&logits, reference);
        // NaN counts as infinite.
        largest = f64::max(largest, if own.is_nan() { f64::INFINITY } else { own });
    }
    Ok(largest)
}

fn check(device: &Device, files: &[Vec<u8>]) {
    let name = device.adapter_name();
    for bytes in files {
        let mut transcriber = block_on(try_load(device.clone(), bytes)).unwrap();
        let largest = block_on(divergence_of(&mut transcriber)).unwrap();
        println!("{name}: divergence {largest:.1e}");
        assert!(largest <= BOUND, "{name}: {largest}");
        // Kernels that give these logits pass the self-test, too.
        let SelfTest { verdict, wrong } = block_on(transcriber.self_test()).unwrap();
        assert_eq!((verdict, wrong), (Verdict::Sound, Vec::new()), "{name}");
    }
}

#[test]
fn logits_match_numpy_with_webgpus_defaults() {
    check(&block_on(baseline()).into(), &both_files());
}

#[test]
fn logits_match_numpy_with_the_layouts_for_graphics_cards() {
    for tiles in [Tiles::Shared, Tiles::Packed] {
        check(&block_on(hardware(tiles)).into(), &[gguf_file(&FIXTURE.model)]);
    }
}

#[test]
fn logits_match_numpy_on_the_cpu() {
    check(&Cpu::blocking().into(), &both_files());
    check(&block_on(On::Threads.open()), &[gguf_file(&FIXTURE.model)]);
}

/// The divergence of a changed model; infinite if it is rejected.
fn divergence_of_changed(changed: &Described) -> f64 {
    let divergence = async {
        let mut transcriber = try_load(Cpu::blocking().into(), &gguf_file(changed)).await?;
        divergence_of(&mut transcriber).await
    };
    block_on(divergence).unwrap_or(f64::INFINITY)
}

#[test]
fn the_comparison_notices_every_tensor() {
    let mut unnoticed = Vec::new();
    for name in FIXTURE.model.tensor_names() {
        // Not just scaling, which norms and softmax may undo.
        let changed = FIXTURE.model.with_changed_tensor(name, |weights, cols| {
            if weights.len() == cols {
                weights.reverse();
                for weight in weights {
                    *weight *= 2.0;
                }
            } else {
                weights.rotate_left(cols);
            }
        });
        let largest = divergence_of_changed(&changed);
        if largest < NOTICEABLE {
            unnoticed.push((name, largest));
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[test]
fn the_comparison_notices_every_hyperparameter() {
    let numbers = FIXTURE.model.metadata.iter().enumerate().filter(|(_, (.., value))| value.is_u64());
    for (index, (key, ..)) in numbers.filter(|(_, (key, ..))| key.starts_with("whisper.")) {
        let mut changed = FIXTURE.model.clone();
        let (.., value) = &mut changed.metadata[index];
        *value = Value::from(2 * value.as_u64().unwrap());
        let largest = divergence_of_changed(&changed);
        assert!(largest > NOTICEABLE, "{key}: {largest}");
    }
}

/// Noise that comes and goes, as in the script.
fn recording() -> Vec<f32> {
    let loudness = Random(8).floats(WINDOW / 200);
    let samples = Random(20).floats(WINDOW);
    samples.iter().enumerate().map(|(i, sample)| sample * loudness[i / 200].abs().powi(4)).collect()
}

#[test]
fn spectrograms_are_those_of_faster_whisper() {
    let transcriber = load(Cpu::blocking().into());
    let actual = transcriber.spectrogram(&recording());
    let expected = floats(&FIXTURE.spectrogram);
    let mels = transcriber.config().mels as usize;
    for (frame, expected) in FIXTURE.frames.iter().zip(expected.chunks_exact(mels)) {
        for (band, (actual, expected)) in actual[frame * mels..].iter().zip(expected).enumerate() {
            assert!((actual - expected).abs() < 1e-4, "frame {frame}, band {band}: {actual}, not {expected}");
        }
    }
}

/// What a recording of three and a half windows becomes.
fn transcribe(
    transcriber: &mut Transcriber,
    options: &TranscriptionOptions,
    mut on_event: impl FnMut(&TranscriptEvent) -> bool,
) -> Result<Vec<TranscriptSegment>> {
    let samples: Vec<f32> = recording().into_iter().cycle().take(WINDOW * 7 / 2).collect();
    let mut segments = Vec::new();
    block_on(transcriber.transcribe(&samples[..], options, |event| {
        let goes_on = on_event(&event);
        if let TranscriptEvent::Segment(segment) = event {
            segments.push(segment);
        }
        goes_on
    }))?;
    Ok(segments)
}

/// Options with which no text is implausible, since everything that this model says is.
fn lenient() -> TranscriptionOptions {
    TranscriptionOptions {
        max_compression_ratio: f32::INFINITY,
        min_log_likelihood: f32::NEG_INFINITY,
        max_no_speech: 2.0,
        ..TranscriptionOptions::default()
    }
}

#[test]
fn transcripts_are_those_of_the_script_on_every_device() {
    for (name, device) in block_on(devices()) {
        let mut transcriber = load(device);
        let mut language = "";
        let segments = transcribe(&mut transcriber, &lenient(), |event| {
            if let TranscriptEvent::Language { code, .. } = event {
                language = *code;
            }
            true
        });
        let windows: Vec<_> = segments.unwrap().into_iter().map(|segment| segment.tokens).collect();
        assert_eq!((windows, language), (FIXTURE.windows.clone(), FIXTURE.language.as_str()), "{name}");
    }
}

#[test]
fn recordings_are_transcribed_window_by_window() {
    let mut transcriber = load(Cpu::blocking().into());
    let mut events = Vec::new();
    let segments = transcribe(&mut transcriber, &lenient(), |event| {
        events.push(event.clone());
        true
    });
    assert!(matches!(events[0], TranscriptEvent::Language { code, likelihood }
        if transcriber.languages().contains(&code) && likelihood > 0.25 && likelihood <= 1.0));
    let last = events.last().unwrap();
    assert!(matches!(last, TranscriptEvent::Progress { seconds, total } if seconds >= total), "{last:?}");
    let segments = segments.unwrap();
    assert!(!segments.is_empty());
    for pair in segments.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:?}");
    }
    // The last window is longer than what is left of the recording.
    assert!(segments.iter().all(|segment| segment.start < segment.end && segment.end <= 3.6), "{segments:?}");
    assert!(segments.iter().all(|segment| segment.temperature < 0.1 && !segment.text.is_empty()));
    // The same again, since nothing is left of the first time.
    assert_eq!(transcribe(&mut transcriber, &lenient(), |_| true).unwrap(), segments);
}

#[test]
fn implausible_texts_are_tried_again_and_silence_is_skipped() {
    let mut transcriber = load(Cpu::blocking().into());
    let demanding = TranscriptionOptions { min_log_likelihood: 0.0, max_no_speech: 2.0, ..lenient() };
    let segments = transcribe(&mut transcriber, &demanding, |_| true).unwrap();
    assert!(segments.iter().all(|segment| segment.temperature > 0.9), "{segments:?}");
    let deaf = TranscriptionOptions { max_no_speech: -1.0, min_log_likelihood: 0.0, ..lenient() };
    assert!(transcribe(&mut transcriber, &deaf, |_| true).unwrap().is_empty());
}

#[test]
fn transcripts_can_be_stopped_and_unknown_languages_are_errors() {
    let mut transcriber = load(Cpu::blocking().into());
    let mut count = 0;
    let stopped = transcribe(&mut transcriber, &lenient(), |_| {
        count += 1;
        count < 2
    });
    assert_eq!((stopped.err(), count), (Some(EngineError::Interrupted), 2));
    for language in ["tlh", "ru"] {
        let options = TranscriptionOptions { language: Some(language.to_owned()), ..lenient() };
        let error = transcribe(&mut transcriber, &options, |_| true).unwrap_err();
        assert!(matches!(&error, EngineError::Prompt(text) if text.contains(language)), "{error:?}");
    }
    let options = TranscriptionOptions { language: Some("de".to_owned()), translate: true, ..lenient() };
    transcribe(&mut transcriber, &options, |_| true).unwrap();
    // Shorter than a frame.
    block_on(transcriber.transcribe(&[0.0f32; 100][..], &lenient(), |_| true)).unwrap();
}

#[test]
fn whisper_cpps_files_are_described_as_gguf() {
    let bytes = ggml_file(&FIXTURE.model);
    let header = ggml_header(&bytes).unwrap();
    assert_eq!(header.file_len_bytes, bytes.len() as u64);
    let tokens = header.metadata.strings("tokenizer.ggml.tokens").unwrap();
    assert_eq!(tokens.len(), 312);
    let places =
        [(65, "A"), (256, "Ġa"), (259, "<|endoftext|>"), (261, "<|en|>"), (271, "<|0.00|>"), (311, "<|0.80|>")];
    for (id, text) in places {
        assert_eq!(tokens[id], text);
    }
    assert_eq!(header.metadata.strings("tokenizer.ggml.merges").unwrap(), ["Ġ a", "a n", "Ġa n"]);
    let tensor = header.tensor("encoder.conv1.weight").unwrap();
    assert_eq!(tensor.dimensions, [3, 20, 64]);
}

#[test]
fn truncated_files_are_errors() {
    let bytes = ggml_file(&FIXTURE.model);
    let header = ggml_header(&bytes).unwrap();
    let first = header.tensors[0].offset_bytes as usize;
    // Every prefix of the header, and some that end within tensors.
    for len in (0..first + 100).step_by(7).chain((first..bytes.len()).step_by(4099)) {
        match ggml_header(&bytes[..len]) {
            Err(EngineError::Truncated { len_bytes, needed_bytes }) => assert!(len_bytes < needed_bytes),
            // It ends between two tensors.
            Ok(cut) => assert!(cut.tensors.len() < header.tensors.len()),
            other => panic!("{len}: {other:?}"),
        }
    }
    // What is missing is noticed, too.
    let cut = block_on(try_load(Cpu::blocking().into(), &bytes[..header.tensors[40].end_bytes() as usize]));
    assert!(matches!(cut.err(), Some(EngineError::MissingTensor(_))));
}

#[test]
fn false_sizes_are_errors() {
    let bytes = ggml_file(&FIXTURE.model);
    let with = |word: usize, number: i32| {
        let mut changed = bytes.clone();
        changed[4 * word..4 * word + 4].copy_from_slice(&number.to_le_bytes());
        block_on(try_load(Cpu::blocking().into(), &changed)).err()
    };
    for word in 1..=9 {
        for number in [-1, 0, 7, i32::MAX] {
            assert!(with(word, number).is_some(), "{number} in place of hyperparameter {word}");
        }
    }
    // Bands, and the filters' bands and frequencies.
    for word in [10, 12, 13] {
        for number in [-1, 0, 7, i32::MAX] {
            assert!(with(word, number).is_some(), "{number} in place of {word}");
        }
    }
    // The number of tokens, and the length of the first.
    let tokens = 14 + 20 * 201;
    for word in [tokens, tokens + 1] {
        for number in [-1, i32::MAX] {
            assert!(with(word, number).is_some(), "{number} in place of {word}");
        }
    }
}

#[test]
fn no_damage_makes_the_reader_panic() {
    let bytes = ggml_file(&FIXTURE.model);
    let header = ggml_header(&bytes).unwrap();
    let mut random = Random(9);
    // Anywhere before the first tensor's data, and in the headers of the others.
    let starts = header.tensors.iter().map(|tensor| tensor.offset_bytes as usize - 40);
    let places: Vec<usize> = (0..56).chain(starts.flat_map(|start| start..start + 40)).collect();
    for place in places {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1 << (random.bits() % 8);
        // Any result is fine; a panic, a hang or an endless allocation is not.
        let _ = ggml_header(&damaged);
    }
}
