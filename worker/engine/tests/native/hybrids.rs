//! Models that do not keep the rows of all tokens: hybrids, which have layers with a recurrent state, and models with
//! sliding windows (`windows.rs` has more about those). Prompts in pieces, sequences that are rewound or resumed.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use parlance_engine::fit::DeviceLimits;
use parlance_engine::kernels::linear::Tiles;
use parlance_engine::models::ModelConfig;
use parlance_engine::runtime::{Cpu, Device, Model, Tuning};
use parlance_engine::sampling::{SamplingParams, SamplingPlan};
use pollster::block_on;

use crate::architectures::{Case, FIXTURE, baseline, divergence, file, hardware, header, load};
use crate::bounds;
use crate::common::{On, build_file};

/// Tokens of an answer.
const ANSWER_LEN: usize = 16;

/// A model for each kind of memory: a short convolution's state, a state space's (alone, and beside a KV cache in the same
/// layer), a delta net's. What else is in a layer changes nothing about it.
const KINDS: [&str; 4] = ["lfm2", "mamba2", "falcon-h1", "qwen35"];

fn hybrids() -> impl Iterator<Item = &'static Case> {
    FIXTURE.models.iter().filter(|case| KINDS.contains(&case.model.name.as_str()))
}

/// A model with sliding windows, in which layers share caches.
const WINDOWED: &str = "gemma4";

/// A model on a device.
struct Subject {
    case: &'static Case,
    name: String,
    device: Device,
    has_threads: bool,
}

impl Subject {
    async fn fresh(&self) -> Model {
        self.load(&self.case.model.name).await
    }

    async fn load(&self, name: &str) -> Model {
        // With helper threads of its own.
        let device = if self.has_threads { On::Threads.open().await } else { self.device.clone() };
        load(device, &file(name)).await
    }
}

/// The ways to compute a model, by name.
pub(crate) async fn devices() -> [(&'static str, Device); 4] {
    [
        ("WebGPU's defaults", baseline().await.into()),
        ("a graphics card", hardware(Tiles::Shared).await.into()),
        ("the CPU", On::Cpu.open().await),
        ("threads", On::Threads.open().await),
    ]
}

/// Each model on each device. Batches are so small that layers with a window do not keep all tokens.
async fn subjects() -> Vec<Subject> {
    let devices = devices().await;
    let subjects = devices.iter().flat_map(|(device_name, device)| {
        let windowed = FIXTURE.models.iter().filter(|case| case.model.name == WINDOWED);
        hybrids().chain(windowed).map(move |case| Subject {
            case,
            name: format!("{} on {device_name}", case.model.name),
            device: if case.long { device.clone() } else { with_batches_of(device, 16) },
            has_threads: *device_name == "threads",
        })
    });
    subjects.collect()
}

/// The same device with smaller or larger batches of a prompt; on the CPU they stay the same.
pub(crate) fn with_batches_of(device: &Device, prefill_batch: u32) -> Device {
    match device {
        Device::Gpu(gpu) => gpu.with_tuning(Tuning { prefill_batch, ..gpu.tuning() }).into(),
        Device::Cpu(_) => device.clone(),
    }
}

/// Prefills a prompt and returns the greedy answer.
async fn answer(model: &mut Model, prompt: &[u32]) -> Vec<u32> {
    model.prefill(prompt, |_, _| true).await.unwrap();
    let mut generation = model.generate(prompt, &SamplingParams::GREEDY, ANSWER_LEN).unwrap();
    let mut tokens = Vec::new();
    while let Some(token) = generation.next().await.unwrap() {
        tokens.push(token);
    }
    tokens
}

/// The logits after a prompt.
async fn logits_after(model: &mut Model, prompt: &[u32]) -> Vec<f32> {
    model.prefill(prompt, |_, _| true).await.unwrap();
    model.decode_logits(*prompt.last().unwrap()).await.unwrap()
}

#[test]
fn prompts_in_pieces_give_the_same_logits() {
    block_on(async {
        for subject in subjects().await.iter().filter(|subject| subject.case.long) {
            let run = subject.case.run();
            for split in [1, 63, 65] {
                let mut model = subject.fresh().await;
                let mut logits = model.logits(&run.ids[..split]).await.unwrap();
                logits.extend(model.logits(&run.ids[split..run.prefill]).await.unwrap());
                for id in &run.ids[run.prefill..] {
                    logits.push(model.decode_logits(*id).await.unwrap());
                }
                let largest = subject.case.divergences(&logits).into_iter().fold(0.0, f64::max);
                assert!(
                    largest <= bounds::exact(&subject.case.model.name),
                    "{} split at {split}: {largest:.1e}",
                    subject.name
                );
            }
        }
    });
}

#[test]
fn prompts_that_change_in_the_middle_match_a_fresh_model() {
    block_on(async {
        for subject in subjects().await {
            let (run, mut model) = (&FIXTURE.long, subject.fresh().await);
            let first = &run.ids[..120];
            answer(&mut model, first).await;
            // Longer by another question: the cache of the first prompt is reused.
            let longer = [first, &run.ids[130..160]].concat();
            assert!(model.cached_prefix_len(&longer) >= first.len() - 1, "{}", subject.name);
            // Changed before its end.
            let changed = [&first[..70], &run.ids[150..180]].concat();
            for prompt in [longer, changed] {
                let (own, expected) =
                    (logits_after(&mut model, &prompt).await, logits_after(&mut subject.fresh().await, &prompt).await);
                let divergence = divergence(&own, &expected).abs();
                assert!(divergence <= bounds::exact(&subject.case.model.name), "{}: {divergence:.1e}", subject.name);
                let tokens = answer(&mut model, &prompt).await;
                assert_eq!(tokens, answer(&mut subject.fresh().await, &prompt).await, "{}", subject.name);
            }
        }
    });
}

#[test]
fn alternating_conversations_are_saved_and_resumed() {
    block_on(async {
        for subject in subjects().await {
            let (run, mut model) = (&FIXTURE.long, subject.fresh().await);
            let (first, second) = (&run.ids[..100], &run.ids[100..180]);
            let first_answer = answer(&mut model, first).await;
            let second_answer = answer(&mut model, second).await;
            assert_eq!(second_answer, answer(&mut subject.fresh().await, second).await, "{}", subject.name);
            // Each resumes at least from its prompt's state.
            for (prompt, answered) in [(first, &first_answer), (second, &second_answer)] {
                let next = [prompt, answered, &run.ids[180..190]].concat();
                assert!(model.cached_prefix_len(&next) >= prompt.len() - 1, "{}", subject.name);
                let tokens = answer(&mut model, &next).await;
                assert_eq!(tokens, answer(&mut subject.fresh().await, &next).await, "{}", subject.name);
            }
        }
    });
}

#[test]
fn restored_snapshots_give_the_same_answer() {
    block_on(async {
        for subject in subjects().await {
            let (run, mut model) = (&FIXTURE.long, subject.fresh().await);
            let prompt = &run.ids[..100];
            let expected = answer(&mut model, prompt).await;
            let snapshot = model.snapshot().await.unwrap();
            let mut restored = subject.fresh().await;
            restored.restore(&snapshot).unwrap();
            assert!(restored.cached_tokens().len() >= prompt.len() - 1, "{}", subject.name);
            assert!(prompt.starts_with(&restored.cached_tokens()[..prompt.len() - 1]), "{}", subject.name);
            assert_eq!(answer(&mut restored, prompt).await, expected, "{}", subject.name);
            // Another model's snapshot is rejected.
            let other = hybrids().find(|case| case.model.name != subject.case.model.name).unwrap();
            let mut other = subject.load(&other.model.name).await;
            assert!(other.restore(&snapshot).is_err());
            for cut in [0, 7, 19, snapshot.len() / 2, snapshot.len() - 1] {
                assert!(restored.restore(&snapshot[..cut]).is_err(), "{cut} bytes");
            }
        }
    });
}

#[test]
fn drafts_do_not_change_the_answer() {
    block_on(async {
        for subject in subjects().await {
            let (run, mut model) = (&FIXTURE.long, subject.fresh().await);
            let prompt = &run.ids[..100];
            let expected = answer(&mut model, prompt).await;
            // Right at first, then wrong: some of it is accepted.
            let mut draft = [&prompt[97..], &expected].concat();
            draft[3 + ANSWER_LEN / 2] ^= 1;
            let params = SamplingParams::GREEDY;
            let plan = SamplingPlan { params, bias: &[], generated: 0, draft_from: Some(&draft) };
            let mut model = subject.fresh().await;
            model.prefill(prompt, |_, _| true).await.unwrap();
            let mut generation = model.generate(prompt, plan, ANSWER_LEN).unwrap();
            let mut tokens = Vec::new();
            while let Some(token) = generation.next().await.unwrap() {
                tokens.push(token);
            }
            let stats = generation.drafts();
            assert!(stats.accepted > 0, "{}: {stats:?}", subject.name);
            assert_eq!(tokens, expected, "{}", subject.name);
            // What follows is computed from the right state.
            let next = [prompt, &tokens, &run.ids[190..200]].concat();
            assert_eq!(answer(&mut model, &next).await, answer(&mut subject.fresh().await, &next).await);
        }
    });
}

/// Whether [`interruptible`] never returns from a pause, so that a computation can only be dropped.
static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn interruptible() -> Cpu {
    Cpu::new(|| {
        if IS_INTERRUPTED.load(Ordering::Relaxed) {
            Box::pin(std::future::pending())
        } else {
            Box::pin(std::future::ready(()))
        }
    })
}

#[test]
fn prompts_that_were_interrupted_between_layers_are_recomputed() {
    for case in hybrids() {
        let prompt = &case.run().ids[..40];
        block_on(async {
            let mut model = load(interruptible(), &file(&case.model.name)).await;
            // Now the next pause is due.
            std::thread::sleep(Duration::from_millis(50));
            IS_INTERRUPTED.store(true, Ordering::Relaxed);
            assert!(model.prefill(prompt, |_, _| true).now_or_never().is_none(), "it should be interrupted");
            IS_INTERRUPTED.store(false, Ordering::Relaxed);
            let logits = logits_after(&mut model, prompt).await;
            let expected = logits_after(&mut load(Cpu::blocking(), &file(&case.model.name)).await, prompt).await;
            let divergence = divergence(&logits, &expected).abs();
            assert!(divergence <= 1e-6, "{}: {divergence:.1e}", case.model.name);
        });
    }
}

#[test]
fn hybrids_with_invalid_hyperparameters_are_rejected() {
    let assert_rejected = |name: &str, changes: &[(&str, serde_json::Value)]| {
        let mut model = FIXTURE.models.iter().find(|case| case.model.name == name).unwrap().model.clone();
        for (key, value) in changes {
            model.metadata.retain(|(known, ..)| known != key);
            let kind = if value.is_array() { "i32s" } else { "u32" };
            model.metadata.push(((*key).to_owned(), kind.to_owned(), value.clone()));
        }
        let config = ModelConfig::from_gguf(&header(&build_file(&model, &FIXTURE.tokenizer)));
        assert!(config.is_err(), "{name} with {changes:?}");
    };
    assert_rejected("qwen35", &[("qwen35.attention.head_count_kv", 0.into())]);
    assert_rejected("qwen35", &[("qwen35.full_attention_interval", 0.into())]);
    assert_rejected("qwen35", &[("qwen35.ssm.group_count", 0.into())]);
    assert_rejected("qwen35", &[("qwen35.ssm.time_step_rank", 0.into()), ("qwen35.ssm.inner_size", 0.into())]);
    assert_rejected("lfm2", &[("lfm2.shortconv.l_cache", 1.into())]);
    assert_rejected("lfm2", &[("lfm2.attention.head_count_kv", serde_json::json!([0, 2]))]);
    assert_rejected("mamba2", &[("mamba2.ssm.group_count", 0.into())]);
    assert_rejected("falcon-h1", &[("falcon-h1.attention.head_count_kv", 0.into())]);
    assert_rejected("nemotron_h_moe", &[("nemotron_h_moe.expert_group_count", 2.into())]);
}

#[test]
fn models_without_attention_have_contexts_of_any_length() {
    let config = ModelConfig::from_gguf(&header(&file("mamba2"))).unwrap();
    let limits = DeviceLimits { max_binding_bytes: 1 << 20 };
    assert_eq!(config.kv_bytes_per_token(), 0);
    assert!(config.state_bytes() > 0);
    assert_eq!(config.max_context(limits), config.trained_context);
    assert_eq!(config.context(Some(200), limits).unwrap(), 200);
}
