//! Several sequences in one memory: tokens that are computed together are those that each sequence gets alone, and what
//! happens to one does not affect the others.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_engine::EngineError;
use parlance_engine::fit::{Description, DeviceLimits};
use parlance_engine::kernels::Shader;
use parlance_engine::kernels::linear::Tiles;
use parlance_engine::models::ModelConfig;
use parlance_engine::runtime::{Device, Gpu, GpuOptions, Loader, LoaderOptions, Model, Verdict};
use parlance_engine::sampling::SamplingParams;
use pollster::block_on;

use crate::architectures::{CONTEXT, FIXTURE, as_on_hardware, divergence, file, hardware, header};
use crate::hybrids::{devices, with_batches_of};

/// Models whose layers leave all kinds of memory: rows, rows of a window, latent keys, states, states beside rows. In the
/// layout for graphics cards only attention differs, so that the first two suffice.
const MODELS: [&str; 8] = ["qwen3", "gemma3", "gemma4", "deepseek2", "lfm2", "qwen35", "granitehybrid", "falcon-h1"];
/// Tokens of a text.
const STEPS: usize = 20;

fn prompts() -> [&'static [u32]; 3] {
    let ids = &FIXTURE.long.ids;
    [&ids[..110], &ids[100..145], &ids[37..90]]
}

/// The devices that several models can use at once. Batches are so small that layers with a window do not keep all
/// tokens.
async fn shared_devices() -> Vec<(&'static str, Device)> {
    let devices = devices().await.into_iter().filter(|(name, _)| *name != "threads");
    devices.map(|(name, device)| (name, with_batches_of(&device, 16))).collect()
}

/// Loads a model with memory for as many sequences as there are prompts.
async fn load(device: &Device, name: &str) -> Model {
    let further_sequences = prompts().len() as u32 - 1;
    let options = LoaderOptions { context_tokens: Some(CONTEXT), further_sequences, ..LoaderOptions::default() };
    let mut loader = Loader::new(device.clone(), options);
    loader.push(&file(name)).await.unwrap();
    let model = loader.finish().await.unwrap();
    assert_eq!(model.sequence_count(), prompts().len(), "{name}");
    model
}

async fn prefill(model: &mut Model, prompt: &[u32]) {
    model.prefill(prompt, |_, _| true).await.unwrap();
}

fn argmax(logits: &[f32]) -> u32 {
    let best = logits.iter().copied().fold(f32::MIN, f32::max);
    logits.iter().position(|logit| *logit >= best).unwrap() as u32
}

/// The greedy text after a prompt.
async fn text_alone(model: &mut Model, prompt: &[u32]) -> Vec<u32> {
    prefill(model, prompt).await;
    let (mut text, mut last) = (Vec::new(), *prompt.last().unwrap());
    for _ in 0..STEPS {
        last = argmax(&model.decode_logits(last).await.unwrap());
        text.push(last);
    }
    text
}

/// Appends a token to each of some sequences, after the last of its text or of its prompt.
async fn step(model: &mut Model, sequences: &[usize], texts: &mut [Vec<u32>; 3]) {
    let last = |sequence: usize| *texts[sequence].last().unwrap_or(prompts()[sequence].last().unwrap());
    let tokens: Vec<(usize, u32)> = sequences.iter().map(|sequence| (*sequence, last(*sequence))).collect();
    let logits = model.each_logits(&tokens).await.unwrap();
    for (sequence, logits) in sequences.iter().zip(&logits) {
        texts[*sequence].push(argmax(logits));
    }
}

#[test]
fn texts_computed_together_are_those_computed_alone() {
    block_on(async {
        for (device_name, device) in shared_devices().await {
            let models = if device_name == "a graphics card" { &MODELS[..2] } else { &MODELS[..] };
            for name in models.iter().copied() {
                let mut alone = crate::architectures::load(device.clone(), &file(name)).await;
                let mut expected = [Vec::new(), Vec::new(), Vec::new()];
                for (text, prompt) in expected.iter_mut().zip(prompts()) {
                    *text = text_alone(&mut alone, prompt).await;
                }
                let mut model = load(&device, name).await;
                let mut texts = [Vec::new(), Vec::new(), Vec::new()];
                for sequence in [1, 0] {
                    model.select(sequence);
                    prefill(&mut model, prompts()[sequence]).await;
                }
                for _ in 0..7 {
                    step(&mut model, &[0, 1], &mut texts).await;
                }
                // Another one begins, and the others pause, in turn and together.
                model.select(2);
                prefill(&mut model, prompts()[2]).await;
                for round in 0..7 {
                    step(&mut model, &[2, round % 2], &mut texts).await;
                }
                while texts.iter().any(|text| text.len() < STEPS) {
                    let unfinished: Vec<usize> = (0..3).filter(|sequence| texts[*sequence].len() < STEPS).collect();
                    step(&mut model, &unfinished, &mut texts).await;
                }
                assert_eq!(texts, expected, "{name} on {device_name}");
            }
        }
    });
}

#[test]
fn sequences_do_not_affect_each_other() {
    block_on(async {
        for (device_name, device) in shared_devices().await {
            for name in ["qwen3", "gemma3", "qwen35"] {
                let what = format!("{name} on {device_name}");
                let mut alone = crate::architectures::load(device.clone(), &file(name)).await;
                let mut model = load(&device, name).await;
                let [first, second, third] = prompts();
                for (sequence, prompt) in prompts().into_iter().enumerate() {
                    model.select(sequence);
                    prefill(&mut model, prompt).await;
                }
                // An answer to the first one, from which it returns to its prompt; then it changes.
                model.select(0);
                let answer = {
                    let mut generation = model.generate(first, &SamplingParams::GREEDY, STEPS).unwrap();
                    let mut tokens = Vec::new();
                    while let Some(token) = generation.next().await.unwrap() {
                        tokens.push(token);
                    }
                    tokens
                };
                assert_eq!(answer, text_alone(&mut alone, first).await, "{what}");
                assert_eq!(model.cached_prefix_len(first), first.len() - 1, "{what}");
                let changed = [&first[..60], third].concat();
                prefill(&mut model, &changed).await;

                // The third one becomes a copy of it.
                let snapshot = model.snapshot().await.unwrap();
                model.select(2);
                model.restore(&snapshot).unwrap();
                let last = *changed.last().unwrap();
                let tokens = [(2, last), (1, *second.last().unwrap()), (0, last)];
                let logits = model.each_logits(&tokens).await.unwrap();
                for (prompt, logits) in [(&changed[..], &logits[0]), (second, &logits[1]), (&changed[..], &logits[2])] {
                    prefill(&mut alone, prompt).await;
                    let expected = alone.decode_logits(*prompt.last().unwrap()).await.unwrap();
                    let found = divergence(logits, &expected).abs();
                    assert!(found < 1e-5, "{what}: {found:.1e}");
                }

                for refused in [&[(0, 1), (0, 2)][..], &[(3, 1)]] {
                    let found = model.each_logits(refused).await;
                    assert!(matches!(found, Err(EngineError::Prompt(_))), "{what}: {found:?}");
                }
                // Its kernels pass the self-test, too.
                assert_eq!(model.self_test().await.unwrap().verdict, Verdict::Sound, "{what}");
                assert_eq!(model.cached_len(), 0, "{what}");
            }
        }
    });
}

/// On graphics cards, kernels that load weights once compute the tokens of a step.
#[test]
fn tokens_of_a_step_share_weights_on_a_graphics_card() {
    // All tokens of a workgroup take the place of its first, which only matters if it has several.
    let damage: fn(&Shader, String) -> String = |_, text| text.replace("first_token(z) + token", "first_token(z)");
    block_on(async {
        let options = GpuOptions { edit_kernels: Some(damage), ..GpuOptions::default() };
        let damaged = as_on_hardware(&Gpu::new(options).await.unwrap(), Tiles::Shared);
        let mut logits = Vec::new();
        for gpu in [hardware(Tiles::Shared).await, damaged] {
            let mut model = load(&gpu.into(), "qwen3").await;
            let alone = model.each_logits(&[(1, 7)]).await.unwrap().swap_remove(0);
            let together = model.each_logits(&[(0, 5), (1, 7), (2, 9)]).await.unwrap().swap_remove(1);
            logits.push([alone, together]);
        }
        let [alone, together] = [0, 1].map(|index| divergence(&logits[1][index], &logits[0][index]).abs());
        assert!(alone < 1e-7 && together > 1e-4, "{alone:.1e}, {together:.1e}");
    });
}

#[test]
fn a_single_sequence_is_computed_by_the_same_call() {
    block_on(async {
        for (device_name, device) in shared_devices().await {
            for name in ["gemma3", "lfm2"] {
                let mut model = crate::architectures::load(device.clone(), &file(name)).await;
                let [prompt, ..] = prompts();
                prefill(&mut model, &prompt[..60]).await;
                let own: Vec<f32> = model.each_logits(&[(0, prompt[59])]).await.unwrap().concat();
                prefill(&mut model, &prompt[..60]).await;
                let expected = model.decode_logits(prompt[59]).await.unwrap();
                let found = divergence(&own, &expected).abs();
                assert!(found < 1e-5, "{name} on {device_name}: {found:.1e}");
            }
        }
    });
}

/// The divergence of the logits after a prompt, from those of another model.
async fn divergence_after(prompt: &[u32], model: &mut Model, other: &mut Model) -> f64 {
    let mut logits = Vec::new();
    for model in [model, other] {
        prefill(model, prompt).await;
        logits.push(model.decode_logits(*prompt.last().unwrap()).await.unwrap());
    }
    divergence(&logits[0], &logits[1]).abs()
}

#[test]
fn saved_conversations_return_to_any_sequence() {
    block_on(async {
        for (device_name, device) in shared_devices().await {
            for name in ["qwen3", "gemma3", "qwen35"] {
                let what = format!("{name} on {device_name}");
                let mut alone = crate::architectures::load(device.clone(), &file(name)).await;
                let mut model = load(&device, name).await;
                let [first, second, third] = prompts();
                // The first is saved when the second takes its place, and the third stays where it is.
                for (sequence, prompt) in [(1, first), (2, third), (1, second)] {
                    model.select(sequence);
                    prefill(&mut model, prompt).await;
                }
                // In turn, each one comes to another sequence, is copied there, or returns; what it replaces is saved.
                for (sequence, prompt) in [(0, first), (1, second), (1, third), (2, third), (0, second), (2, first)] {
                    model.select(sequence);
                    assert_eq!(model.cached_prefix_len(prompt), prompt.len() - 1, "{what}: sequence {sequence}");
                    let found = divergence_after(prompt, &mut model, &mut alone).await;
                    assert!(found < 1e-5, "{what}: sequence {sequence}: {found:.1e}");
                }
            }
        }
    });
}

#[test]
fn the_fit_counts_all_sequences() {
    let limits = DeviceLimits { max_binding_bytes: 1 << 30 };
    for name in MODELS {
        let header = header(&file(name));
        let fit = |further| {
            let description = Description::new(&header, limits).unwrap().with_sequences(further);
            description.fit(Some(100), limits).unwrap()
        };
        let [one, three] = [fit(0), fit(2)];
        assert_eq!(three.kv_bytes, 3 * one.kv_bytes, "{name}");
        assert_eq!((three.weight_bytes, three.context_tokens), (one.weight_bytes, 100), "{name}");
    }
    // A layer's rows of all sequences are in one binding.
    let one = ModelConfig::from_gguf(&header(&file("qwen3"))).unwrap();
    let three = ModelConfig { sequences: 3, ..one.clone() };
    let row_bytes = one.kv_bytes_per_token() / one.layers.len() as u64;
    let limits = DeviceLimits { max_binding_bytes: 120 * row_bytes };
    assert_eq!([&one, &three].map(|config| config.max_context(limits)), [120, 40]);
}
