//! Models with sliding windows, whose layers keep only the last tokens of a long sequence: they compute the same as if
//! they kept all, and return to what they lost.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_engine::kernels::linear::Tiles;
use parlance_engine::models::{CacheFormat, ModelConfig};
use parlance_engine::runtime::{Device, GpuOptions, Model};
use pollster::block_on;

use crate::architectures::{CONTEXT, FIXTURE, divergence, file, hardware, header, load_with_cache};
use crate::common::{On, device};
use crate::hybrids::with_batches_of;

/// Maximum divergence of computations that differ only in how a prompt is cut into batches.
const BOUND: f64 = 1e-6;
/// Maximum divergence between devices: the bound of the comparison with llama.cpp.
const DEVICE_BOUND: f64 = 1e-3;
/// Tokens that are computed, of which the last are decoded one by one: several times as many as a window has.
const TOKENS: usize = 250;
const DECODED: usize = 64;

/// Names of the models with windows.
fn windowed() -> impl Iterator<Item = &'static str> {
    let models = FIXTURE.models.iter().map(|case| &case.model);
    let has_window = |key: &str| key.ends_with(".attention.sliding_window");
    let windowed = models.filter(move |model| model.metadata.iter().any(|(key, ..)| has_window(key)));
    windowed.map(|model| model.name.as_str()).filter(|name| config(name).attentions().any(|own| own.window.is_some()))
}

fn config(name: &str) -> ModelConfig {
    ModelConfig::from_gguf(&header(&file(name))).unwrap()
}

fn ids(count: usize) -> Vec<u32> {
    FIXTURE.long.ids.iter().copied().cycle().take(count).collect()
}

/// Logits after each of the last [`DECODED`] tokens.
async fn decoded(model: &mut Model) -> Vec<Vec<f32>> {
    let ids = ids(TOKENS);
    let prompt = &ids[..=TOKENS - DECODED];
    model.prefill(prompt, |_, _| true).await.unwrap();
    let mut logits = Vec::new();
    for id in &ids[TOKENS - DECODED..] {
        logits.push(model.decode_logits(*id).await.unwrap());
    }
    logits
}

/// Asserts that a model on `short`, where layers keep only the last tokens, computes the same as on `full`.
async fn assert_same(name: &str, [short, full]: [&Device; 2], cache: CacheFormat, bound: f64) {
    let bytes = file(name);
    let mut last = load_with_cache(short.clone(), &bytes, cache).await;
    let mut all = load_with_cache(full.clone(), &bytes, cache).await;
    let (own, expected) = (decoded(&mut last).await, decoded(&mut all).await);
    for (index, (own, expected)) in own.iter().zip(&expected).enumerate() {
        let found = divergence(own, expected).abs();
        assert!(found <= bound, "{name} on {}: {found:.1e} at {index}", short.adapter_name());
    }
    if !short.is_cpu() {
        let [last, all] = [last.snapshot().await.unwrap().len(), all.snapshot().await.unwrap().len()];
        assert!(last < all, "{name} keeps {last} bytes of {all}");
    }
}

#[test]
fn layers_that_keep_the_last_tokens_give_the_same_logits() {
    block_on(async {
        let baseline: Device = device(GpuOptions { baseline: true, ..GpuOptions::default() }).await.into();
        let card: Device = hardware(Tiles::Shared).await.into();
        let cpu = On::Cpu.open().await;
        for name in windowed() {
            for gpu in [&baseline, &card] {
                let [short, full] = [16, CONTEXT].map(|batch| with_batches_of(gpu, batch));
                assert_same(name, [&short, &full], CacheFormat::F16, BOUND).await;
                if name == "gemma3" {
                    assert_same(name, [&short, &full], CacheFormat::Q8, BOUND).await;
                }
            }
            assert_same(name, [&cpu, &with_batches_of(&card, CONTEXT)], CacheFormat::F16, DEVICE_BOUND).await;
        }
    });
}

#[test]
fn a_few_tokens_are_taken_back_and_many_are_computed_again() {
    block_on(async {
        let card: Device = hardware(Tiles::Shared).await.into();
        let mut model = load_with_cache(with_batches_of(&card, 16), &file("gemma3"), CacheFormat::F16).await;
        let ids = ids(200);
        let prefill = async |model: &mut Model, prompt: &[u32]| model.prefill(prompt, |_, _| true).await.unwrap();
        prefill(&mut model, &ids[..60]).await;
        prefill(&mut model, &ids).await;
        let changed_at = |at: usize| [&ids[..at], &[ids[at] ^ 1, 3, 4, 5]].concat();
        assert_eq!(model.cached_prefix_len(&changed_at(180)), 180, "it is still there");
        // Of earlier tokens, only those up to the end of a prompt.
        assert_eq!(model.cached_prefix_len(&changed_at(100)), 59);
        assert_eq!(model.cached_prefix_len(&changed_at(50)), 0);
        // Nothing more is lost by taking tokens back, but nothing returns either.
        prefill(&mut model, &changed_at(180)).await;
        assert_eq!(model.cached_prefix_len(&changed_at(170)), 170);
        assert_eq!(model.cached_prefix_len(&changed_at(100)), 59);
        // From the checkpoint on, the sequence can be cut anywhere again.
        prefill(&mut model, &changed_at(100)).await;
        assert_eq!(model.cached_prefix_len(&changed_at(90)), 90);
    });
}

#[test]
fn windows_take_no_memory_for_long_contexts() {
    for name in windowed() {
        let config = config(name);
        let unlimited: Vec<_> = config.attentions().filter(|own| own.window.is_none()).collect();
        let bytes_per_token: u32 = unlimited.iter().map(|own| 2 * (own.key_len() + own.value_len())).sum();
        let grown = config.kv_bytes(20_000) - config.kv_bytes(10_000);
        assert_eq!(grown, 10_000 * u64::from(bytes_per_token), "{name}");
        assert!(config.kv_bytes(10_000) < 10_000 * config.kv_bytes_per_token(), "{name}");
        // A short context takes no more than its tokens.
        assert_eq!(config.kv_bytes(100), 100 * config.kv_bytes_per_token(), "{name}");
    }
}
