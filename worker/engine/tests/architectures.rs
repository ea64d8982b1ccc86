//! Tiny models of every family against llama.cpp (`fixtures/make_architectures.py`): logits of a prefill and of decode
//! steps, with and without optional features.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Described, On, describe, describe_parts};
use parlance_engine::gguf::{Gguf, Parsed};
use parlance_engine::kernels::linear::Tiles;
use parlance_engine::runtime::{Change, Cpu, Device, Gpu, GpuOptions, Loaded, Loader, LoaderOptions, Model, Tuning};
use pollster::block_on;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    tokenizer: Vec<(String, String, serde_json::Value)>,
    prefill: usize,
    ids: Vec<u32>,
    kept: Vec<usize>,
    vocab: usize,
    models: Vec<Case>,
    word_tokenizer: Vec<(String, String, serde_json::Value)>,
    texts: Vec<String>,
    encoders: Vec<EncoderCase>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/architectures.json")).unwrap()
}

#[derive(Deserialize)]
struct EncoderCase {
    name: String,
    #[serde(flatten)]
    model: Described,
    vectors: String,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(flatten)]
    model: Described,
    logits: String,
}

async fn load_any(bytes: &[u8], on: On) -> Loaded {
    load_onto(on.open().await, bytes).await
}

async fn load_onto(device: Device, bytes: &[u8]) -> Loaded {
    let mut loader = Loader::new(device, LoaderOptions { context_tokens: Some(128), ..LoaderOptions::default() });
    // Chunks of an odd size, so that borders fall everywhere.
    for chunk in bytes.chunks(10_007) {
        loader.push(chunk).await.unwrap();
    }
    loader.finish_any().await.unwrap()
}

async fn load(bytes: &[u8], on: On) -> Model {
    match load_any(bytes, on).await {
        Loaded::Decoder(model) => *model,
        Loaded::Encoder(_) => panic!("a decoder is described"),
    }
}

/// Kullback-Leibler divergence from `reference` to `actual`, both logits.
fn divergence(actual: &[f32], reference: &[f32]) -> f64 {
    let log_softmax = |logits: &[f32]| -> Vec<f64> {
        let highest = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
        let total = logits.iter().map(|logit| (f64::from(*logit) - highest).exp()).sum::<f64>().ln() + highest;
        logits.iter().map(|logit| f64::from(*logit) - total).collect()
    };
    let (actual, reference) = (log_softmax(actual), log_softmax(reference));
    reference.iter().zip(&actual).map(|(r, a)| r.exp() * (r - a)).sum()
}

/// Divergence of what is computed in floats, or as exactly.
const EXACT: f64 = 1e-3;

/// All features, laid out as on a graphics card, some matrices as large ones.
async fn as_on_hardware(best: Tiles) -> GpuOptions {
    let gpu = Gpu::new(GpuOptions::default()).await.unwrap();
    let memory_bytes = gpu.device().limits().max_compute_workgroup_storage_size;
    // No subgroups are smaller than four threads.
    let hardware = Tuning::for_hardware(gpu.has_subgroups().then_some(4));
    let tuning = Tuning { large_matrix: 1 << 13, ..hardware.with_tiles(memory_bytes, best) };
    assert_ne!(tuning.prefill_large.tiles, Tiles::None, "{memory_bytes} bytes of workgroup memory");
    GpuOptions { tuning: Some(tuning), ..GpuOptions::default() }
}

/// Checks every `step`th model, from `first` on: its logits may diverge from the reference by so much.
fn check(first: usize, step: usize, on: On, largest: f64) {
    let fixture = fixture();
    assert!(fixture.models.len() >= 20, "every family has a model");
    let mut failures = Vec::new();
    for case in fixture.models.iter().skip(first).step_by(step) {
        let bytes = describe(&case.model, &fixture.tokenizer);
        let halves = STANDARD.decode(&case.logits).unwrap();
        let reference: Vec<f32> =
            halves.chunks_exact(2).map(|half| half::f16::from_le_bytes([half[0], half[1]]).to_f32()).collect();
        let logits = block_on(async {
            let mut model = load(&bytes, on).await;
            let (prompt, steps) = fixture.ids.split_at(fixture.prefill);
            let mut logits = model.logits(prompt).await.unwrap();
            for id in steps {
                logits.push(model.decode_logits(*id).await.unwrap());
            }
            logits
        });
        let worst = fixture
            .kept
            .iter()
            .zip(reference.chunks_exact(fixture.vocab))
            .map(|(position, reference)| divergence(&logits[*position], reference))
            .fold(0.0, |worst, own| if own.is_nan() { own } else { f64::max(worst, own) });
        println!("{}: largest divergence {worst:.1e}", case.name);
        // Not a number must fail, too.
        if worst.is_nan() || worst >= largest {
            failures.push((&case.name, worst));
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn families_laid_out_as_on_hardware_give_llama_cpps_logits() {
    let gpu = block_on(Gpu::new(GpuOptions::default())).unwrap();
    let tiles = if gpu.has_matrix_units() { Tiles::Cooperative } else { Tiles::Shared };
    check(0, 2, On::Gpu(block_on(as_on_hardware(tiles))), EXACT);
}

/// Activations are rounded to 8 bits there.
#[test]
fn families_with_packed_products_give_nearly_llama_cpps_logits() {
    check(0, 2, On::Gpu(block_on(as_on_hardware(Tiles::Packed))), 1e-2);
}

/// On graphics cards small models have four dispatches a layer; with one more, results are the same.
#[test]
fn attention_that_multiplies_its_own_query_gives_the_same_logits() {
    let fixture = fixture();
    let bytes = describe(&fixture.models[0].model, &fixture.tokenizer);
    block_on(async {
        let options = as_on_hardware(Tiles::Shared).await;
        let apart = options.tuning.map(|tuning| Tuning { projected_weights: 0, ..tuning });
        let mut together = load(&bytes, On::Gpu(options)).await;
        let mut apart = load(&bytes, On::Gpu(GpuOptions { tuning: apart, ..options })).await;
        let layers = together.config().layers.len();
        assert_eq!(together.dispatches_per_token().unwrap() + layers, apart.dispatches_per_token().unwrap());
        // Past 64 tokens several workgroups share a head.
        for position in 0..70 {
            let id = fixture.ids[position % fixture.ids.len()];
            let logits = [together.decode_logits(id).await.unwrap(), apart.decode_logits(id).await.unwrap()];
            assert!(divergence(&logits[0], &logits[1]).abs() < 1e-7, "at {position}");
        }
    });
}

/// What is measured on an adapter changes its speed only, and what is kept of it is found again.
#[test]
fn layouts_that_are_measured_give_the_same_logits() {
    let fixture = fixture();
    let bytes = describe(&fixture.models[0].model, &fixture.tokenizer);
    block_on(async {
        let options = as_on_hardware(Tiles::Packed).await;
        let mut plain = load(&bytes, On::Gpu(options)).await;
        let expected = logits_of(&mut plain, &fixture).await;
        for change in Change::ALL {
            let mut changed = load(&bytes, On::Gpu(options)).await;
            changed.apply(&[change]);
            // Integers are rounded, floats are not.
            let largest = if change == Change::FloatTiles { 1e-2 } else { 1e-7 };
            for (actual, expected) in logits_of(&mut changed, &fixture).await.iter().zip(&expected) {
                let own = divergence(actual, expected).abs();
                assert!(own < largest, "{own:.1e} with {}", change.name());
            }
        }
        let changes = plain.autotune().await.unwrap();
        assert!(plain.cached_tokens().is_empty());
        for (actual, expected) in logits_of(&mut plain, &fixture).await.iter().zip(&expected) {
            assert!(divergence(actual, expected).abs() < 1e-2, "with {changes:?}");
        }
    });
}

/// Logits of a prompt, then of tokens one by one, until several workgroups share a head.
async fn logits_of(model: &mut Model, fixture: &Fixture) -> Vec<Vec<f32>> {
    let mut logits = model.logits(&fixture.ids[..fixture.prefill]).await.unwrap();
    let context = model.context_tokens() as usize;
    for id in fixture.ids.iter().cycle().take(context - fixture.prefill) {
        logits.push(model.decode_logits(*id).await.unwrap());
    }
    logits
}

#[test]
fn families_with_webgpu_defaults_give_llama_cpps_logits() {
    check(1, 2, On::BASELINE, EXACT);
}

#[test]
fn families_on_the_cpu_give_llama_cpps_logits() {
    check(0, 1, On::Cpu, EXACT);
}

#[test]
fn families_on_several_threads_give_llama_cpps_logits() {
    check(0, 1, On::Threads, EXACT);
}

/// What else a worker has to do, as a request to stop, must get its turn though every token is quick.
#[test]
fn the_cpu_pauses_between_quick_tokens() {
    static PAUSES: AtomicUsize = AtomicUsize::new(0);
    let cpu = Cpu::new(|| {
        PAUSES.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    });
    let fixture = fixture();
    let bytes = describe(&fixture.models[0].model, &fixture.tokenizer);
    block_on(async {
        let Loaded::Decoder(mut model) = load_onto(cpu.into(), &bytes).await else { panic!("a decoder is described") };
        let start = Instant::now();
        let mut tokens = 0;
        while start.elapsed().as_secs_f64() < 0.3 {
            model.decode_logits(1).await.unwrap();
            model.reset();
            tokens += 1;
        }
        assert!(tokens > 30, "{tokens} tokens in 0.3 s are not quick");
    });
    assert!(PAUSES.load(Ordering::Relaxed) >= 3, "{PAUSES:?}");
}

#[test]
fn encoders_give_llama_cpps_vectors() {
    let fixture = fixture();
    assert_eq!(fixture.encoders.len(), 3);
    for (case, on) in
        fixture.encoders.iter().flat_map(|case| [On::GPU, On::BASELINE, On::Cpu, On::Threads].map(|on| (case, on)))
    {
        let bytes = describe(&case.model, &fixture.word_tokenizer);
        let floats = STANDARD.decode(&case.vectors).unwrap();
        let reference: Vec<f32> =
            floats.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
        let Loaded::Encoder(encoder) = block_on(load_any(&bytes, on)) else {
            panic!("{} is an encoder", case.name);
        };
        let width = encoder.config().embedding_len as usize;
        let mut worst = 0.0f64;
        for (text, expected) in fixture.texts.iter().zip(reference.chunks_exact(width)) {
            let vector = block_on(encoder.embed(text)).unwrap().vector;
            let cosine: f64 = vector.iter().zip(expected).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let length: f64 = vector.iter().map(|a| f64::from(*a).powi(2)).sum();
            assert!((length - 1.0).abs() < 1e-5, "{}: {text:?} has length {length}", case.name);
            worst = worst.max(1.0 - cosine);
        }
        println!("{}: largest distance {worst:.1e}", case.name);
        assert!(worst < 1e-4, "{}: {worst}", case.name);
    }
}

#[test]
fn matrices_larger_than_a_binding_and_models_in_several_files_give_the_same_logits() {
    let fixture = fixture();
    let case = fixture.models.iter().find(|case| case.name == "mixed-k").unwrap();
    let bytes = describe(&case.model, &fixture.tokenizer);
    let whole = block_on(async { load(&bytes, On::GPU).await.logits(&fixture.ids).await.unwrap() });
    // Every matrix is split, the largest into five.
    let options = GpuOptions { max_binding_bytes: Some(40_000), ..GpuOptions::default() };
    let parts = describe_parts(&case.model, &fixture.tokenizer, 3);
    let split = block_on(async {
        let headers: Vec<Gguf> = parts.iter().map(|part| header(part)).collect();
        let gpu = Gpu::new(options).await.unwrap();
        let options = LoaderOptions { context_tokens: Some(96), ..LoaderOptions::default() };
        let mut loader = Loader::with_headers(gpu, options, &headers).await.unwrap();
        for part in &parts {
            for chunk in part.chunks(10_007) {
                loader.push(chunk).await.unwrap();
            }
            loader.end_file().unwrap();
        }
        loader.finish().await.unwrap().logits(&fixture.ids).await.unwrap()
    });
    for (position, (whole, split)) in whole.iter().zip(&split).enumerate() {
        common::assert_close(split, whole, 1e-5, &format!("position {position}"));
    }
}

fn header(part: &[u8]) -> Gguf {
    match Gguf::parse(part, Some(part.len() as u64)).unwrap() {
        Parsed::Complete(gguf) => *gguf,
        Parsed::NeedMore(needed) => panic!("{needed} bytes of header"),
    }
}
