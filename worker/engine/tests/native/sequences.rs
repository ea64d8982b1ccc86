//! Several sequences in one memory: tokens that are computed together are those that each sequence gets alone, and what
//! happens to one does not affect the others.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_engine::EngineError;
use parlance_engine::runtime::{Device, Loader, LoaderOptions, Model, Verdict};
use parlance_engine::sampling::SamplingParams;
use pollster::block_on;

use crate::architectures::{CONTEXT, FIXTURE, divergence, file};
use crate::hybrids::{devices, with_batches_of};

/// Models whose layers leave all kinds of memory: rows, rows of a window, latent keys, states, states beside rows.
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
            for name in MODELS {
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
