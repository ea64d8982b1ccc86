//! Draft models: whatever they draft, the answer is that of the larger model alone.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_engine::EngineError;
use parlance_engine::runtime::{Device, DraftStats, Loader, LoaderOptions, Model};
use parlance_engine::sampling::SamplingParams;
use pollster::block_on;

use crate::architectures::{FIXTURE, file, load};
use crate::common::{On, build_file};
use crate::hybrids::{devices, with_batches_of};

/// Models and what drafts for them: layers that keep all rows, windows, and a recurrent state.
const PAIRS: [(&str, &str); 2] = [("gemma4", "lfm2"), ("lfm2", "llama")];
/// Tokens of an answer: enough for drafts, a pause because they are not worth their time, and drafts again.
const ANSWER_LEN: usize = 40;

const RANDOM: SamplingParams = SamplingParams {
    temperature: 0.8,
    top_k: 40,
    top_p: 0.95,
    repetition_penalty: 1.2,
    frequency_penalty: 0.3,
    seed: 5,
    ..SamplingParams::GREEDY
};

/// An answer, with drafts if there is a draft model.
async fn answer(model: &mut Model, prompt: &[u32], params: &SamplingParams) -> (Vec<u32>, DraftStats) {
    model.prefill_with_draft(prompt, |_, _| true).await.unwrap();
    let mut generation = model.generate(prompt, params, ANSWER_LEN).unwrap();
    let mut tokens = Vec::new();
    while let Some(token) = generation.next().await.unwrap() {
        tokens.push(token);
    }
    (tokens, generation.drafts())
}

fn prompt() -> &'static [u32] {
    &FIXTURE.long.ids[..100]
}

async fn load_with_context(device: &Device, bytes: &[u8], context_tokens: u32) -> Model {
    let options = LoaderOptions { context_tokens: Some(context_tokens), ..LoaderOptions::default() };
    let mut loader = Loader::new(device.clone(), options);
    loader.push(bytes).await.unwrap();
    loader.finish().await.unwrap()
}

#[test]
fn a_draft_model_that_equals_the_model_is_always_right() {
    block_on(async {
        for (name, device) in devices().await {
            let mut model = load(device.clone(), &file("qwen3")).await;
            let alone = answer(&mut model, prompt(), &SamplingParams::GREEDY).await;
            assert_eq!(alone.1, DraftStats::default());
            model.reset();
            model.set_draft(load(device, &file("qwen3")).await).unwrap();
            let (tokens, drafts) = answer(&mut model, prompt(), &SamplingParams::GREEDY).await;
            assert_eq!(tokens, alone.0, "{name}");
            assert!(drafts.accepted > 0 && drafts.rejected == 0, "{name}: {drafts:?}");
        }
    });
}

#[test]
fn the_text_is_that_without_drafts() {
    block_on(async {
        let mut all = DraftStats::default();
        for (name, device) in devices().await {
            let device = with_batches_of(&device, 16);
            for (large, small) in PAIRS {
                let what = format!("{small} for {large} on {name}");
                let mut model = load(device.clone(), &file(large)).await;
                let mut alone = Vec::new();
                for params in [SamplingParams::GREEDY, RANDOM] {
                    let (tokens, _) = answer(&mut model, prompt(), &params).await;
                    let next = [prompt(), &tokens, &FIXTURE.long.ids[190..200]].concat();
                    let (follow_up, _) = answer(&mut model, &next, &params).await;
                    alone.push((params, tokens, next, follow_up));
                }
                model.reset();
                model.set_draft(load(device.clone(), &file(small)).await).unwrap();
                let mut own = DraftStats::default();
                for (params, expected, next, follow_up) in alone {
                    let (tokens, drafts) = answer(&mut model, prompt(), &params).await;
                    assert_eq!(tokens, expected, "{what}");
                    // Both continue from what they know: the larger model's text, not the draft.
                    let known = model.draft().unwrap().cached_prefix_len(&next);
                    assert!(known >= prompt().len() - 1, "{what}: {known}");
                    let (tokens, more) = answer(&mut model, &next, &params).await;
                    assert_eq!(tokens, follow_up, "{what}");
                    own = own + drafts + more;
                }
                assert!(own.accepted + own.rejected > 0, "{what}");
                all = all + own;
            }
        }
        assert!(all.rejected > 0, "{all:?}");
    });
}

#[test]
fn a_recurrent_draft_model_keeps_up_although_its_drafts_are_rejected() {
    block_on(async {
        for (name, device) in devices().await {
            let mut model = load(device.clone(), &file("qwen3")).await;
            let (expected, _) = answer(&mut model, prompt(), &SamplingParams::GREEDY).await;
            model.reset();
            model.set_draft(load(device, &file("lfm2")).await).unwrap();
            model.feign_drafts(expected.clone(), 0.0);
            let (tokens, drafts) = answer(&mut model, prompt(), &SamplingParams::GREEDY).await;
            assert_eq!(tokens, expected, "{name}");
            assert!(drafts.accepted == 0 && drafts.rejected > 0, "{name}: {drafts:?}");
            // The first draft's time is not counted, so there is a second one at least.
            let known = model.draft().unwrap().cached_len();
            assert!(known > prompt().len(), "{name}: {known} tokens are not fed again");
        }
    });
}

#[test]
fn a_text_that_is_too_long_for_the_draft_model_goes_on_without() {
    block_on(async {
        let device = On::Cpu.open().await;
        let mut model = load(device.clone(), &file("qwen3")).await;
        let (expected, _) = answer(&mut model, prompt(), &RANDOM).await;
        for context_tokens in [64, 110] {
            model.reset();
            model.set_draft(load_with_context(&device, &file("llama"), context_tokens).await).unwrap();
            let (tokens, drafts) = answer(&mut model, prompt(), &RANDOM).await;
            assert_eq!(tokens, expected);
            assert_eq!(drafts == DraftStats::default(), context_tokens == 64, "{drafts:?}");
        }
    });
}

#[test]
fn progress_is_that_of_both_models_and_only_answers_with_drafts_need_the_small_one() {
    block_on(async {
        let device = On::Cpu.open().await;
        let mut model = load(device.clone(), &file("qwen3")).await;
        model.set_draft(load(device, &file("llama")).await).unwrap();
        model.prefill(prompt(), |_, total| total == 99).await.unwrap();
        assert_eq!(model.draft().unwrap().cached_len(), 0);
        let mut reports = Vec::new();
        let report = |done, total| {
            reports.push((done, total));
            true
        };
        model.prefill_with_draft(prompt(), report).await.unwrap();
        assert_eq!((reports.first(), reports.last()), (Some(&(0, 99)), Some(&(99, 99))), "the large one has read it");
        let stopped = model.prefill_with_draft(&[9; 50], |done, _| done < 60).await;
        assert_eq!(stopped, Err(EngineError::Interrupted), "the large one has read it, the small one in part");
        model.reset();
        assert_eq!(model.draft().unwrap().cached_len(), 0);
    });
}

#[test]
fn a_model_with_another_vocabulary_cannot_draft() {
    type Change = fn(&mut serde_json::Value);

    block_on(async {
        let device = On::Cpu.open().await;
        let mut model = load(device.clone(), &file("qwen3")).await;
        let described = &FIXTURE.models.iter().find(|case| case.model.name == "llama").unwrap().model;
        let changes: [(&str, Change); 2] = [
            ("tokenizer.ggml.tokens", |tokens| tokens[258] = "<|other|>".into()),
            ("tokenizer.ggml.eos_token_id", |id| *id = 257.into()),
        ];
        for (changed, change) in changes {
            let mut tokenizer = FIXTURE.tokenizer.clone();
            tokenizer.iter_mut().filter(|(key, ..)| key == changed).for_each(|(.., value)| change(value));
            let foreign = load(device.clone(), &build_file(described, &tokenizer)).await;
            let refused = model.set_draft(foreign);
            assert!(matches!(refused, Err(EngineError::WrongDraft(_))), "{changed}: {refused:?}");
            assert!(model.draft().is_none());
        }
    });
}
