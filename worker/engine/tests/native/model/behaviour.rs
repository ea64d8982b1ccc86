//! Behaviour that does not depend on a real model: caches, limits, seeds, stepwise generation.

use parlance_engine::EngineError;
use parlance_engine::chat::Message;
use parlance_engine::models::CacheFormat;
use parlance_engine::runtime::{Loader, LoaderOptions, Model};
use parlance_engine::sampling::{SamplingParams, SamplingPlan};
use pollster::block_on;

use super::{QUESTION, answer, argmax, generate, load_file, pull};
use crate::architectures::FIXTURE;
use crate::common::{On, build_file, tiny_model};

/// A tiny model with random weights.
fn tiny(on: On, context_tokens: u32) -> Model {
    load_file(&tiny_model("llama"), on, context_tokens, CacheFormat::F16)
}

/// Prefills a prompt, and returns how many of its tokens were not cached.
async fn prefill(model: &mut Model, prompt: &[u32]) -> usize {
    let mut work = 0;
    let report = |_, to_do| {
        work = to_do;
        true
    };
    model.prefill(prompt, report).await.unwrap();
    work
}

#[test]
fn saved_conversations_are_resumed_if_they_fit() {
    // Saved KV caches hold as many tokens as the context, so three conversations are too many.
    let conversation =
        |first: u32, len: usize| -> Vec<u32> { (0..len as u32).map(|i| (first + 7 * i) % 256).collect() };
    let [a, b, c] = [100, 136, 40].map(|first| conversation(first, 40));
    for on in [On::GPU, On::Cpu] {
        let mut model = tiny(on, 96);
        block_on(async {
            let expected = answer(&mut model, &a, 8).await;
            let logits = async |model: &mut Model| {
                prefill(model, &a).await;
                model.decode_logits(a[39]).await.unwrap()
            };
            let expected_logits = logits(&mut model).await;
            assert_eq!(prefill(&mut model, &b).await, 39, "nothing of it is cached");
            assert!(model.cached_prefix_len(&a) == 39 && model.cached_prefix_len(&b) == 39);

            // Back to the first, and to the second with a follow-up.
            assert_eq!(logits(&mut model).await, expected_logits, "they should be identical");
            assert_eq!(answer(&mut model, &a, 8).await, expected);
            assert_eq!(prefill(&mut model, &[&b[..], &[3, 4, 5]].concat()).await, 3, "the follow-up");

            // The third one evicts the first, which is the least recently used.
            prefill(&mut model, &c).await;
            prefill(&mut model, &conversation(32, 40)).await;
            assert_eq!(model.cached_prefix_len(&a), 0);
            assert_eq!(model.cached_prefix_len(&c), 39);
            model.reset();
            assert_eq!(model.cached_prefix_len(&c), 0);
        });
    }
}

#[test]
fn the_context_length_limits_answers_and_prompts() {
    for on in [On::GPU, On::Cpu] {
        let mut model = tiny(on, 128);
        let prompt: Vec<u32> = (0..121).map(|i| 100 + i % 50).collect();
        block_on(async {
            model.prefill(&prompt, |_, _| true).await.unwrap();
            let mut generation = model.generate(&prompt, &SamplingParams::GREEDY, 100).unwrap();
            let mut count = 0;
            while generation.next().await.unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, 128 - 120, "the last prompt token takes a position, too");
            let too_long = vec![100; 128];
            let result = model.prefill(&too_long, |_, _| true).await;
            assert_eq!(result, Err(EngineError::ContextOverflow { prompt_tokens: 128, context_tokens: 128 }));
        });
    }
}

#[test]
fn the_same_seed_gives_the_same_answer() {
    for on in [On::GPU, On::Cpu] {
        let mut model = tiny(on, 128);
        let prompt: Vec<u32> = (65..90).collect();
        let mut sample = |seed| {
            let params = SamplingParams { temperature: 1.0, top_p: 0.95, seed, ..SamplingParams::GREEDY };
            block_on(async {
                model.prefill(&prompt, |_, _| true).await.unwrap();
                let mut generation = model.generate(&prompt, &params, 12).unwrap();
                let mut ids = Vec::new();
                while let Some(id) = generation.next().await.unwrap() {
                    ids.push(id);
                }
                ids
            })
        };
        let first = sample(1);
        assert_eq!(sample(1), first);
        assert_ne!(sample(2), first);
    }
}

#[test]
fn truncated_models_are_rejected() {
    let bytes = tiny_model("llama");
    // Inside the header, and inside the last tensor.
    let (header, tensor) = (3_000, bytes.len() - 1_000);
    for (len, known) in [(20, true), (header, true), (tensor, true), (header, false), (tensor, false)] {
        let result = block_on(async {
            let gpu = On::GPU.open().await;
            let file_len_bytes = known.then_some(len as u64);
            let mut loader =
                Loader::new(gpu, LoaderOptions { file_len_bytes, context_tokens: Some(64), ..Default::default() });
            pull(&mut loader, &bytes[..len]).await?;
            loader.finish().await.map(drop)
        });
        assert!(matches!(result, Err(EngineError::Truncated { .. })), "{len} {known}: {result:?}");
    }
}

#[test]
fn stepwise_generation_matches_the_decode_loop_and_obeys_masks_processors_and_bias() {
    for on in [On::GPU, On::Cpu] {
        let mut model = tiny(on, 256);
        let prompt = model.chat().prompt(&[Message::new("user", QUESTION)]).unwrap();
        for params in [SamplingParams::GREEDY, SamplingParams { temperature: 0.9, seed: 4, ..SamplingParams::GREEDY }] {
            let expected = generate(&mut model, &prompt, &params, 6);
            let stepped: Vec<u32> = block_on(async {
                model.prefill(&prompt, |_, _| true).await.unwrap();
                let mut steps = model.generate_stepwise(&prompt, &params).unwrap();
                let mut tokens = Vec::new();
                for _ in 0..expected.len() {
                    assert!(steps.begin().await.unwrap());
                    let step = steps.choose(None, true).await.unwrap();
                    if params.temperature == 0.0 {
                        assert_eq!(argmax(&step.logits.unwrap()), step.token, "it was chosen from these logits");
                    }
                    tokens.push(step.token);
                }
                tokens
            });
            assert_eq!(stepped, expected);

            // An interrupted answer continues as if it had not been interrupted.
            let (before, after) = expected.split_at(3);
            let resumed = [&prompt[..], before].concat();
            let plan = SamplingPlan { params, bias: &[], generated: before.len(), draft_from: None };
            block_on(async {
                model.prefill(&resumed, |_, _| true).await.unwrap();
                let mut generation = model.generate(&resumed, plan, after.len()).unwrap();
                for token in after {
                    assert_eq!(generation.next().await.unwrap(), Some(*token));
                }
            });
        }

        let greedy = SamplingParams::GREEDY;
        let favourite = generate(&mut model, &prompt, &greedy, 1)[0];
        block_on(async {
            model.prefill(&prompt, |_, _| true).await.unwrap();
            // Everything but the favourite.
            let mut allowed = vec![u32::MAX; model.config().vocab.div_ceil(32) as usize];
            allowed[favourite as usize / 32] &= !(1 << (favourite % 32));
            let mut steps = model.generate_stepwise(&prompt, &greedy).unwrap();
            assert!(steps.begin().await.unwrap());
            let step = steps.choose(Some(&allowed), false).await.unwrap();
            assert!(step.token != favourite && step.logits.is_none());
            // A logit processor on the host.
            assert!(steps.begin().await.unwrap());
            let mut logits = steps.logits().await.unwrap();
            logits[77] = 1e6;
            steps.set_logits(&logits);
            assert_eq!(steps.choose(None, false).await.unwrap().token, 77);

            model.prefill(&prompt, |_, _| true).await.unwrap();
            let bias = [(55, 100.0)];
            let plan = SamplingPlan { bias: &bias, ..SamplingPlan::from(&greedy) };
            let mut generation = model.generate(&prompt, plan, 1).unwrap();
            assert_eq!(generation.next().await.unwrap(), Some(55));
            drop(generation);
            // The next answer has no bias.
            model.prefill(&prompt, |_, _| true).await.unwrap();
            assert_eq!(model.generate(&prompt, &greedy, 1).unwrap().next().await.unwrap(), Some(favourite));
            let unknown = [(u32::MAX, 1.0)];
            let plan = SamplingPlan { bias: &unknown, ..SamplingPlan::from(&greedy) };
            assert!(model.generate(&prompt, plan, 1).is_err());
        });
    }
}

#[test]
fn suppressed_tokens_are_never_generated() {
    let described = &FIXTURE.models.iter().find(|case| case.model.name == "llama").unwrap().model;
    let (greedy, count) = (SamplingParams::GREEDY, 8);
    for on in [On::GPU, On::Cpu] {
        let mut model = tiny(on, 256);
        let prompt = model.chat().prompt(&[Message::new("user", QUESTION)]).unwrap();
        let favourites = generate(&mut model, &prompt, &greedy, count);
        let suppressed = ("tokenizer.ggml.suppress_tokens".to_owned(), "i32s".to_owned(), favourites.clone().into());
        let metadata = [&FIXTURE.tokenizer[..], &[suppressed]].concat();
        let mut model = load_file(&build_file(described, &metadata), on, 256, CacheFormat::F16);
        // Whatever bias a request asks for.
        let bias = [(favourites[0], 100.0)];
        let plan = SamplingPlan { bias: &bias, ..SamplingPlan::from(&greedy) };
        block_on(async {
            model.prefill(&prompt, |_, _| true).await.unwrap();
            let mut generation = model.generate(&prompt, plan, count).unwrap();
            for _ in 0..count {
                let token = generation.next().await.unwrap().unwrap();
                assert!(!favourites.contains(&token), "{token} of {favourites:?}");
            }
        });
    }
}
