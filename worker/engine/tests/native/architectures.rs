//! Tiny models of every family against llama.cpp (`fixtures/make_architectures.py`): logits of a prefill and of decode
//! steps, in every layout of kernels, with both KV cache formats, and on the CPU. The results are recorded for
//! `docs/models.md`.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::bounds::Precision;
use crate::common::{Described, On, build_file, build_parts, note};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parlance_engine::gguf::{Gguf, Parsed};
use parlance_engine::kernels::linear::{LinearTuning, Tiles};
use parlance_engine::models::{CacheFormat, EncoderConfig, ModelConfig};
use parlance_engine::runtime::{
    Change, Cpu, Device, Gpu, GpuOptions, Loaded, Loader, LoaderOptions, Model, SelfTest, Tuning, Verdict,
};
use pollster::block_on;
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Fixture {
    pub(crate) tokenizer: Vec<(String, String, serde_json::Value)>,
    #[serde(flatten)]
    short: Run,
    pub(crate) long: Run,
    vocab: usize,
    pub(crate) models: Vec<Case>,
    pub(crate) word_tokenizer: Vec<(String, String, serde_json::Value)>,
    pub(crate) texts: Vec<String>,
    pub(crate) encoders: Vec<EncoderCase>,
}

/// Tokens that a model processes.
#[derive(Deserialize)]
pub(crate) struct Run {
    /// How many of them are the prompt. The others are decoded one by one.
    pub(crate) prefill: usize,
    pub(crate) ids: Vec<u32>,
    /// Positions with reference logits.
    kept: Vec<usize>,
}

pub(crate) static FIXTURE: LazyLock<Fixture> =
    LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/architectures.json")).unwrap());

/// The file of a decoder.
pub(crate) fn file(name: &str) -> Vec<u8> {
    build_file(&FIXTURE.models.iter().find(|case| case.model.name == name).unwrap().model, &FIXTURE.tokenizer)
}

#[derive(Deserialize)]
pub(crate) struct EncoderCase {
    #[serde(flatten)]
    pub(crate) model: Described,
    /// llama.cpp's embeddings of [`Fixture::texts`], or a ranker's scores of the others for the first: f32 in base64.
    pub(crate) vectors: String,
    /// The same, computed in double precision.
    pub(crate) exact: String,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    #[serde(flatten)]
    pub(crate) model: Described,
    /// Whether it processes [`Fixture::long`], because llama.cpp computes recurrent layers in chunks of 64 tokens.
    #[serde(default)]
    pub(crate) long: bool,
    logits: String,
}

impl Case {
    pub(crate) fn run(&self) -> &'static Run {
        if self.long { &FIXTURE.long } else { &FIXTURE.short }
    }

    /// llama.cpp's logits, in the order of [`Run::kept`].
    fn reference(&self) -> Vec<Vec<f32>> {
        reference_logits(&self.logits)
    }

    /// Divergences of `logits`, which are those of all or of the first positions, from llama.cpp's at [`Run::kept`].
    pub(crate) fn divergences(&self, logits: &[Vec<f32>]) -> Vec<f64> {
        let reference = self.reference();
        let both = self.run().kept.iter().zip(&reference);
        both.filter_map(|(at, reference)| Some(divergence(logits.get(*at)?, reference))).collect()
    }
}

/// Logits as the fixtures have them: f16 in base64, `[positions][vocab]`.
pub(crate) fn reference_logits(base64: &str) -> Vec<Vec<f32>> {
    let halves = STANDARD.decode(base64).unwrap();
    let floats: Vec<f32> =
        halves.chunks_exact(2).map(|half| half::f16::from_le_bytes([half[0], half[1]]).to_f32()).collect();
    floats.chunks_exact(FIXTURE.vocab).map(<[f32]>::to_vec).collect()
}

/// Published models of a family.
pub(crate) fn published(family: &str) -> &'static str {
    match family {
        "llama" => "Llama 2 to 3.2, Mistral, Mixtral, SmolLM2, TinyLlama, DeepSeek distillations",
        "mistral3" => "Ministral 3",
        "smollm3" => "SmolLM3",
        "qwen2" => "Qwen 2 and 2.5",
        "qwen2vl" => "Qwen 2 VL and 2.5 VL (text)",
        "qwen2moe" => "Qwen 1.5 MoE A2.7B, Qwen 2 57B-A14B",
        "qwen3" => "Qwen 3",
        "qwen3vl" => "Qwen 3 VL (text)",
        "qwen3vlmoe" => "Qwen 3 VL 30B-A3B and 235B-A22B (text)",
        "qwen3moe" => "Qwen 3 30B-A3B and 235B-A22B",
        "gemma" => "Gemma",
        "gemma2" => "Gemma 2",
        "gemma3" => "Gemma 3 (text)",
        "gemma3n" => "Gemma 3n E2B and E4B (text)",
        "gemma4" => "Gemma 4 E2B, E4B, 26B-A4B and 31B (text)",
        "gpt-oss" => "gpt-oss 20B and 120B",
        "phi3" => "Phi 3, 3.5 and 4",
        "granite" => "Granite 3",
        "granitemoe" => "Granite 3 1B-A400M and 3B-A800M",
        "granitehybrid" => "Granite 4.0 H",
        "mamba2" => "Mamba-2, Mamba Codestral",
        "falcon-h1" => "Falcon-H1",
        "nemotron_h" => "Nemotron-H, Nemotron Nano 2",
        "nemotron_h_moe" => "Nemotron 3 Nano and Super",
        "deepseek2" => "DeepSeek V2, V3 and R1, Kimi K2, GLM 4.7 Flash",
        "mistral4" => "Mistral Small 4 (text)",
        "ernie4_5" => "ERNIE 4.5 0.3B",
        "ernie4_5-moe" => "ERNIE 4.5 21B-A3B",
        "glm4moe" => "GLM 4.5 and 4.6",
        "hunyuan-dense" => "Hunyuan 0.5B to 7B",
        "command-r" => "Command R and R+, Aya 23 and Expanse",
        "cohere2" => "Command R7B, Command A",
        "glm4" => "GLM 4 0414, GLM Z1",
        "exaone4" => "EXAONE 4.0",
        "olmo2" => "OLMo 2",
        "olmoe" => "OLMoE",
        "lfm2" => "LFM2 and 2.5",
        "lfm2moe" => "LFM2 8B-A1B",
        "qwen35" => "Qwen 3.5",
        "qwen3next" => "Qwen3-Next 80B-A3B",
        "qwen35moe" => "Qwen 3.5 35B-A3B and larger",
        "gemma-embedding" => "EmbeddingGemma",
        "bert" => "BERT, all-MiniLM, BGE, E5; BGE rerankers",
        "nomic-bert" => "Nomic Embed Text",
        "nomic-bert-moe" => "Nomic Embed Text 2",
        "jina-bert-v2" => "Jina Embeddings 2, Jina Reranker 1",
        "jina-bert-v3" => "Jina Embeddings 3",
        "modern-bert" => "ModernBERT, GTE ModernBERT and its reranker, Granite Embedding R2",
        _ => panic!("{family} has no models"),
    }
}

/// The family of a described model.
pub(crate) fn family(model: &Described) -> &str {
    let (.., name) = model.metadata.iter().find(|(key, ..)| key == "general.architecture").unwrap();
    name.as_str().unwrap()
}

/// Context length, enough for every run.
pub(crate) const CONTEXT: u32 = 256;

pub(crate) async fn load_any(device: Device, bytes: &[u8], cache: CacheFormat) -> Loaded {
    let options = LoaderOptions { context_tokens: Some(CONTEXT), cache, ..LoaderOptions::default() };
    let mut loader = Loader::new(device, options);
    // Chunks of an odd size, so that boundaries fall everywhere.
    for chunk in bytes.chunks(10_007) {
        loader.push(chunk).await.unwrap();
    }
    loader.finish_any().await.unwrap()
}

pub(crate) async fn load_with_cache(device: Device, bytes: &[u8], cache: CacheFormat) -> Model {
    match load_any(device, bytes, cache).await {
        Loaded::Decoder(model) => *model,
        Loaded::Encoder(_) | Loaded::Transcriber(_) => panic!("not a decoder"),
    }
}

pub(crate) async fn load(device: impl Into<Device>, bytes: &[u8]) -> Model {
    load_with_cache(device.into(), bytes, CacheFormat::F16).await
}

/// Kullback-Leibler divergence from `reference` to `actual`, both logits.
pub(crate) fn divergence(actual: &[f32], reference: &[f32]) -> f64 {
    let log_softmax = |logits: &[f32]| -> Vec<f64> {
        let highest = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
        let total = logits.iter().map(|logit| (f64::from(*logit) - highest).exp()).sum::<f64>().ln() + highest;
        logits.iter().map(|logit| f64::from(*logit) - total).collect()
    };
    let (actual, reference) = (log_softmax(actual), log_softmax(reference));
    reference.iter().zip(&actual).map(|(r, a)| r.exp() * (r - a)).sum()
}

/// Columns with bounds in the table of families (`xtask/src/tables.rs`), after the family, its published models and the
/// test model.
#[derive(Clone, Copy)]
enum Column {
    Plain = 3,
    GraphicsCard,
    Integers,
    Cpu,
    Threads,
}

/// Compares the models whose names are `wanted`, and records the bound in a column of the table.
fn check(
    column: impl Into<Option<Column>>,
    device: &(impl Clone + Into<Device>),
    cache: CacheFormat,
    precision: Precision,
    wanted: fn(&str) -> bool,
) {
    let column = column.into();
    let mut failures = Vec::new();
    let start = Instant::now();
    for case in FIXTURE.models.iter().filter(|case| wanted(&case.model.name)) {
        let (name, family) = (case.model.name.as_str(), family(&case.model));
        let divergences = block_on(divergences(case, device.clone().into(), cache));
        let largest = divergences.iter().copied().fold(0.0, f64::max);
        let mean = divergences.iter().sum::<f64>() / divergences.len() as f64;
        println!("{name} {precision}: divergence {largest:.2e} at most, {mean:.2e} on average");
        let (most, most_on_average) = precision.bounds(name);
        // NaN must fail, too; it makes the mean NaN.
        if largest <= most && mean <= most_on_average {
            let Some(column) = column else { continue };
            let text = precision.text();
            let mut cells = [""; Column::Threads as usize + 1];
            (cells[0], cells[1], cells[2], cells[column as usize]) = (family, published(family), name, text.as_str());
            note("families", &cells);
        } else {
            failures.push((name, largest, mean));
        }
    }
    println!("{:.1} s", start.elapsed().as_secs_f64());
    assert!(failures.is_empty(), "{failures:?}");
}

/// Divergences from the reference at its positions.
async fn divergences(case: &Case, device: Device, cache: CacheFormat) -> Vec<f64> {
    let expected_cache = device.cache_format(cache);
    let mut model = load_with_cache(device, &build_file(&case.model, &FIXTURE.tokenizer), cache).await;
    assert_eq!(model.config().cache, expected_cache, "{}", case.model.name);
    let run = case.run();
    let (prompt, steps) = run.ids.split_at(run.prefill);
    let mut logits = model.logits(prompt).await.unwrap();
    for id in steps {
        logits.push(model.decode_logits(*id).await.unwrap());
    }
    // Kernels that give these logits pass the self-test, too.
    let SelfTest { verdict, wrong } = model.self_test().await.unwrap();
    assert_eq!((verdict, wrong), (Verdict::Sound, Vec::new()), "{}", case.model.name);
    case.divergences(&logits)
}

/// Models with different attention: wide heads, query and key norms, soft caps, windows, sinks, latent keys. Nothing
/// else in a model affects the KV cache, or the kernels without subgroups.
const ATTENTIONS: [&str; 11] = [
    "llama-tied-bias",
    "qwen3",
    "gemma2",
    "gemma3",
    "gemma4",
    "gpt-oss",
    "hunyuan-dense",
    "smollm3",
    "qwen35",
    "deepseek2",
    "deepseek2-lite",
];

/// The only model whose weights are floats.
const FLOATS: [&str; 1] = ["llama"];

/// A device with WebGPU's defaults. Its threads compute one pair of rows at a time, not several: emulated GPUs compile that
/// faster.
pub(crate) async fn baseline() -> Gpu {
    let gpu = Gpu::new(GpuOptions { baseline: true, ..GpuOptions::default() }).await.unwrap();
    let quick = |linear: LinearTuning| LinearTuning { pairs: 1, ..linear };
    let tuning = gpu.tuning();
    gpu.with_tuning(Tuning {
        decode: quick(tuning.decode),
        decode_large: quick(tuning.decode_large),
        prefill: quick(tuning.prefill),
        prefill_large: quick(tuning.prefill_large),
        ..tuning
    })
}

/// The device with the layout for graphics cards, for which some matrices count as large, and with subgroups if it has
/// any.
pub(crate) fn as_on_hardware(gpu: &Gpu, best: Tiles) -> Gpu {
    let memory_bytes = gpu.device().limits().max_compute_workgroup_storage_size;
    // No subgroups are smaller than four threads.
    let hardware = Tuning::for_hardware(gpu.has_subgroups().then_some(4));
    let hardware = hardware.with_tiles(memory_bytes, best);
    // Smaller tiles, for the same reason.
    let prefill_large = match hardware.prefill_large.tiles {
        Tiles::Shared | Tiles::Packed => LinearTuning { workgroup: 32, pairs: 1, tokens: 2, ..hardware.prefill_large },
        Tiles::Cooperative | Tiles::None => hardware.prefill_large,
    };
    let encode_large = match prefill_large.tiles {
        Tiles::Shared => prefill_large,
        Tiles::Packed => prefill_large.unpacked(),
        Tiles::Cooperative | Tiles::None => hardware.encode_large,
    };
    // Experts of few tokens are grouped, too, so that short prompts go through tiles (`layouts.rs` has the other way).
    gpu.with_tuning(Tuning { large_matrix: 1 << 14, prefill_large, encode_large, few_tokens: 0, ..hardware })
}

/// The same with a device that has all features.
pub(crate) async fn hardware(best: Tiles) -> Gpu {
    let gpu = as_on_hardware(&Gpu::new(GpuOptions::default()).await.unwrap(), best);
    assert_ne!(gpu.tuning().prefill_large.tiles, Tiles::None, "not enough memory for tiles");
    gpu
}

#[test]
fn every_family_has_a_model() {
    let models = FIXTURE.models.iter().map(|case| &case.model).chain(FIXTURE.encoders.iter().map(|case| &case.model));
    let tested: Vec<&str> = models.map(family).collect();
    for architecture in ModelConfig::architectures().chain(EncoderConfig::architectures()) {
        assert!(tested.contains(&architecture), "{architecture}");
    }
}

// Separate tests, so that kernels are compiled on all cores, which takes most of the time. By its name, the one of 8-bit
// integers runs after those that put the kernels of single tokens into the driver's cache.

#[test]
fn families_match_llama_cpp_with_webgpus_defaults() {
    let gpu = block_on(baseline());
    check(Column::Plain, &gpu, CacheFormat::F16, Precision::Exact, |_| true);
}

#[test]
fn families_match_llama_cpp_with_the_layout_for_graphics_cards() {
    let gpu = block_on(Gpu::new(GpuOptions::default())).unwrap();
    let tiles = if gpu.has_matrix_units() { Tiles::Cooperative } else { Tiles::Shared };
    let gpu = as_on_hardware(&gpu, tiles);
    assert_eq!(gpu.tuning().prefill_large.tiles, tiles);
    let precision = if gpu.has_matrix_units() { Precision::Halves } else { Precision::Exact };
    check(Column::GraphicsCard, &gpu, CacheFormat::F16, precision, |_| true);
    check(None, &gpu, CacheFormat::Q8, Precision::Rounded, |model| ATTENTIONS.contains(&model));
}

#[test]
fn products_of_8_bit_integers_match_llama_cpp_in_every_family() {
    let gpu = block_on(hardware(Tiles::Packed));
    assert_eq!(gpu.tuning().prefill_large.tiles, Tiles::Packed);
    check(Column::Integers, &gpu, CacheFormat::F16, Precision::Rounded, |model| !FLOATS.contains(&model));
}

#[test]
fn attentions_match_llama_cpp_without_subgroups() {
    let gpu = block_on(baseline());
    check(None, &gpu, CacheFormat::Q8, Precision::Rounded, |model| ATTENTIONS.contains(&model));
    let gpu = as_on_hardware(&gpu, Tiles::Shared);
    check(None, &gpu, CacheFormat::F16, Precision::Exact, |model| ATTENTIONS.contains(&model));
}

#[test]
fn families_match_llama_cpp_on_the_cpu() {
    check(Column::Cpu, &Cpu::blocking(), CacheFormat::F16, Precision::Exact, |_| true);
}

#[test]
fn families_match_llama_cpp_on_several_threads() {
    check(Column::Threads, &block_on(On::Threads.open()), CacheFormat::F16, Precision::Exact, |_| true);
}

/// On graphics cards small models need four dispatches per layer. With one more, results are the same.
#[test]
fn attention_that_projects_its_own_query_gives_the_same_logits() {
    let bytes = file("llama");
    block_on(async {
        let gpu = hardware(Tiles::Shared).await;
        let apart = gpu.with_tuning(Tuning { projected_weights: 0, ..gpu.tuning() });
        let mut together = load(gpu, &bytes).await;
        let mut apart = load(apart, &bytes).await;
        let layers = together.config().layers.len();
        assert_eq!(together.dispatches_per_token().unwrap() + layers, apart.dispatches_per_token().unwrap());
        // Past 64 tokens several workgroups share a head.
        for position in 0..70 {
            let id = FIXTURE.short.ids[position % FIXTURE.short.ids.len()];
            let logits = [together.decode_logits(id).await.unwrap(), apart.decode_logits(id).await.unwrap()];
            assert!(divergence(&logits[0], &logits[1]).abs() < 1e-7, "at {position}");
        }
    });
}

/// Autotuning only changes the speed.
#[test]
fn autotuned_layouts_give_the_same_logits() {
    // Its weights are integers.
    let bytes = file("llama3-scaling");
    block_on(async {
        let gpu = hardware(Tiles::Packed).await;
        let mut plain = load(gpu.clone(), &bytes).await;
        let expected = logits_of(&mut plain).await;
        for change in Change::ALL {
            let mut changed = load(gpu.clone(), &bytes).await;
            changed.apply(&[change]);
            // Integer products round their inputs, float products do not.
            let largest = if change == Change::FloatTiles { 1e-2 } else { 1e-7 };
            for (actual, expected) in logits_of(&mut changed).await.iter().zip(&expected) {
                let own = divergence(actual, expected).abs();
                assert!(own < largest, "{own:.1e} with {}", change.name());
            }
        }
        // Somebody asks at once, or a while later.
        for most in [0, 4] {
            let asked = std::cell::Cell::new(0);
            let is_wanted = || asked.replace(asked.get() + 1) < most;
            assert_eq!(plain.autotune_while(&is_wanted).await.unwrap(), None, "{most}");
            for (actual, expected) in logits_of(&mut plain).await.iter().zip(&expected) {
                assert!(divergence(actual, expected).abs() < 1e-7, "the layout is as before");
            }
            plain.reset();
        }
        let changes = plain.autotune().await.unwrap();
        assert!(plain.cached_tokens().is_empty());
        for (actual, expected) in logits_of(&mut plain).await.iter().zip(&expected) {
            assert!(divergence(actual, expected).abs() < 1e-2, "with {changes:?}");
        }
    });
}

/// Logits of a prompt, then of tokens one by one.
async fn logits_of(model: &mut Model) -> Vec<Vec<f32>> {
    let mut logits = model.logits(&FIXTURE.short.ids[..FIXTURE.short.prefill]).await.unwrap();
    // Enough that several workgroups share a head.
    let context = 128;
    for id in FIXTURE.short.ids.iter().cycle().take(context - FIXTURE.short.prefill) {
        logits.push(model.decode_logits(*id).await.unwrap());
    }
    logits
}

/// A worker's other tasks, such as a request to stop, must get their turn even if every token is quick.
#[test]
fn the_cpu_yields_between_quick_tokens() {
    static PAUSES: AtomicUsize = AtomicUsize::new(0);
    let cpu = Cpu::new(|| {
        PAUSES.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    });
    let bytes = file("llama");
    block_on(async {
        let mut model = load(cpu, &bytes).await;
        let start = Instant::now();
        let mut tokens = 0;
        while start.elapsed().as_secs_f64() < 0.3 {
            model.decode_logits(1).await.unwrap();
            model.reset();
            tokens += 1;
        }
        assert!(tokens > 30, "only {tokens} tokens in 0.3 s");
    });
    assert!(PAUSES.load(Ordering::Relaxed) >= 3, "{PAUSES:?}");
}

#[test]
fn split_matrices_and_split_models_give_the_same_logits() {
    let case = FIXTURE.models.iter().find(|case| case.model.name == "mixed-k").unwrap();
    let whole = block_on(async {
        let gpu = Gpu::new(GpuOptions::default()).await.unwrap();
        load(gpu, &file("mixed-k")).await.logits(&FIXTURE.short.ids).await.unwrap()
    });
    // Every matrix is split, the largest into five.
    let options = GpuOptions { max_binding_bytes: Some(40_000), ..GpuOptions::default() };
    let parts = build_parts(&case.model, &FIXTURE.tokenizer, 3);
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
        loader.finish().await.unwrap().logits(&FIXTURE.short.ids).await.unwrap()
    });
    for (position, (whole, split)) in whole.iter().zip(&split).enumerate() {
        crate::common::assert_close(split, whole, 1e-5, &format!("position {position}"));
    }
}

pub(crate) fn header(part: &[u8]) -> Gguf {
    match Gguf::parse(part, Some(part.len() as u64)).unwrap() {
        Parsed::Complete(gguf) => *gguf,
        Parsed::NeedMore(needed) => panic!("{needed} bytes of header"),
    }
}
