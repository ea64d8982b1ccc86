//! Prompts with embeddings among their tokens, as those of images: against llama.cpp (`fixtures/make_spans.py`), and
//! against the same prompt without them; reuse of the KV cache; snapshots; prompts that are refused.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::sync::LazyLock;

use parlance_engine::EngineError;
use parlance_engine::runtime::{EmbeddingSpan, Model, Prompt, Span};
use pollster::block_on;
use serde::Deserialize;

use crate::architectures::{divergence, file, load, reference_logits};
use crate::common::On;
use crate::hybrids::devices;

/// Maximum divergence from llama.cpp.
const BOUND: f64 = 1e-4;

#[derive(Deserialize)]
struct Fixture {
    /// Number of tokens before the embeddings.
    before: usize,
    /// Number of embeddings.
    rows: usize,
    /// The tokens before and after them.
    ids: Vec<u32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    /// Rows and columns of the embeddings' positions; without them, positions count up.
    grid: Option<[u32; 2]>,
    two_way: bool,
    /// llama.cpp's logits after the last tokens.
    logits: String,
}

static FIXTURE: LazyLock<Fixture> =
    LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/spans.json")).unwrap());

impl Case {
    fn embeddings(&self, width: usize) -> EmbeddingSpan {
        let wave = |index: usize| (0.5 * (0.37 * index as f64 + 0.011 * (index as f64).powf(1.5)).sin()) as f32;
        let place = |columns: u32| move |row: u32| [0, row / columns, row % columns];
        EmbeddingSpan {
            id: 7,
            rows: (0..FIXTURE.rows * width).map(wave).collect(),
            deepstack: Vec::new(),
            positions: self
                .grid
                .map_or(Vec::new(), |[_, columns]| (0..FIXTURE.rows as u32).map(place(columns)).collect()),
            position_len: self.grid.map_or(FIXTURE.rows as u32, |[rows, columns]| rows.max(columns)),
            two_way: self.two_way,
        }
    }

    /// The largest divergence from llama.cpp if the prompt has these embeddings.
    async fn divergence(&self, model: &mut Model, embeddings: &EmbeddingSpan) -> f64 {
        // Decoding starts within the tokens after the embeddings.
        let prompted = FIXTURE.before + 9;
        model.prefill(prompt(embeddings, prompted), |_, _| true).await.unwrap();
        let mut logits = Vec::new();
        for id in &FIXTURE.ids[prompted - 1..] {
            logits.push(model.decode_logits(*id).await.unwrap());
        }
        let reference = reference_logits(&self.logits);
        let last = &logits[logits.len() - reference.len()..];
        last.iter().zip(&reference).map(|(own, expected)| divergence(own, expected)).fold(0.0, f64::max)
    }
}

/// The first `prompted` tokens, with embeddings among them.
fn prompt(embeddings: &EmbeddingSpan, prompted: usize) -> Prompt<'_> {
    let (before, after) = FIXTURE.ids[..prompted].split_at(FIXTURE.before);
    Prompt(vec![Span::Tokens(before), Span::Embeddings(embeddings), Span::Tokens(after)])
}

/// The logits after a prompt.
async fn logits_after(model: &mut Model, prompt: &Prompt<'_>) -> Vec<f32> {
    model.prefill(prompt, |_, _| true).await.unwrap();
    model.decode_logits(*FIXTURE.ids.last().unwrap()).await.unwrap()
}

/// Asserts that a prompt has the same logits as before.
async fn assert_same(model: &mut Model, prompt: &Prompt<'_>, expected: &[f32], what: &str) {
    let found = divergence(&logits_after(model, prompt).await, expected);
    assert!(found < 1e-6, "{what}: {found:.1e}");
}

#[test]
fn embeddings_among_tokens_match_llama_cpp() {
    block_on(async {
        for (name, device) in devices().await {
            for case in &FIXTURE.cases {
                let mut model = load(device.clone(), &file(&case.model)).await;
                let width = model.config().embedding_len as usize;
                let own = case.embeddings(width);
                let text = Prompt::from(&FIXTURE.ids);
                let expected = logits_after(&mut model, &text).await;
                model.reset();
                let found = case.divergence(&mut model, &own).await;
                println!("{} on {name}: {found:.1e}", case.model);
                assert!(found <= BOUND, "{} on {name}: {found:.1e}", case.model);
                // Text afterwards has the positions of text again.
                assert_same(&mut model, &text, &expected, &format!("{} on {name}", case.model)).await;

                // The comparison notices what an image needs.
                let mut shuffled = own.clone();
                shuffled.rows.rotate_left(width);
                let mut changed = vec![("the order of rows", shuffled)];
                if case.two_way {
                    changed.push(("the mask", EmbeddingSpan { two_way: false, ..own.clone() }));
                }
                if case.grid.is_some() {
                    let turned = own.positions.iter().map(|[time, row, column]| [*time, *column, *row]).collect();
                    changed.push(("the grid", EmbeddingSpan { positions: turned, ..own.clone() }));
                    changed.push(("the positions", EmbeddingSpan { positions: Vec::new(), ..own.clone() }));
                    changed.push(("what follows", EmbeddingSpan { position_len: FIXTURE.rows as u32, ..own.clone() }));
                }
                for (what, changed) in changed {
                    let found = case.divergence(&mut model, &EmbeddingSpan { id: 8, ..changed }).await;
                    model.reset();
                    assert!(found > 10.0 * BOUND, "{} on {name} without {what}: {found:.1e}", case.model);
                }
            }
        }
    });
}

#[test]
fn equal_embeddings_are_reused_and_others_are_not() {
    block_on(async {
        for (name, device) in devices().await {
            for case in &FIXTURE.cases {
                let bytes = file(&case.model);
                let mut model = load(device.clone(), &bytes).await;
                let own = case.embeddings(model.config().embedding_len as usize);
                let (len, before) = (FIXTURE.ids.len() + FIXTURE.rows, FIXTURE.before);
                let whole = prompt(&own, FIXTURE.ids.len());
                let what = format!("{} on {name}", case.model);
                let expected = logits_after(&mut model, &whole).await;
                assert_eq!(model.cached_prefix_len(&whole), len - 1, "{what}");
                let other = EmbeddingSpan { id: 9, rows: own.rows.iter().map(|value| -value).collect(), ..own.clone() };
                let changed = prompt(&other, FIXTURE.ids.len());
                assert!(model.cached_prefix_len(&changed) <= before, "{what}");
                let others = logits_after(&mut model, &changed).await;
                assert!(divergence(&others, &expected) > 10.0 * BOUND, "{what}");
                // Back to the first ones, which may have been saved.
                assert_same(&mut model, &whole, &expected, &what).await;

                model.prefill(&whole, |_, _| true).await.unwrap();
                let snapshot = model.snapshot().await.unwrap();
                model.reset();
                model.restore(&snapshot).unwrap();
                assert!(model.cached_prefix_len(&whole) >= len - 1, "{what}");
                assert_same(&mut model, &whole, &expected, &what).await;

                // An interruption leaves nothing half-done behind.
                model.reset();
                let mut batches = 0;
                let interrupt = |_, _| {
                    batches += 1;
                    batches < 3
                };
                assert_eq!(model.prefill(&whole, interrupt).await, Err(EngineError::Interrupted), "{what}");
                assert_same(&mut model, &whole, &expected, &what).await;
            }
        }
    });
}

#[test]
fn contradictory_prompts_are_refused() {
    block_on(async {
        let mut model = load(On::Cpu.open().await, &file("qwen35")).await;
        let own = FIXTURE.cases[0].embeddings(model.config().embedding_len as usize);
        let refused = [
            EmbeddingSpan { rows: Vec::new(), ..own.clone() },
            EmbeddingSpan { rows: own.rows[1..].to_vec(), ..own.clone() },
            EmbeddingSpan { rows: vec![f32::NAN; own.rows.len()], ..own.clone() },
            EmbeddingSpan { positions: vec![[0; 3]; 5], ..own.clone() },
        ];
        for embeddings in &refused {
            let found = model.prefill(prompt(embeddings, 30), |_, _| true).await;
            assert!(matches!(found, Err(EngineError::Prompt(_))), "{found:?}");
        }
        for spans in [vec![], vec![Span::Embeddings(&own)], vec![Span::Tokens(&[])]] {
            let found = model.prefill(Prompt(spans), |_, _| true).await;
            assert!(matches!(found, Err(EngineError::Prompt(_))), "{found:?}");
        }
        // Positions at the end of what can be counted are harmless.
        let far = EmbeddingSpan { positions: vec![[u32::MAX; 3]; FIXTURE.rows], position_len: u32::MAX, ..own.clone() };
        model.prefill(prompt(&far, 30), |_, _| true).await.unwrap();
        assert!(model.decode_logits(1).await.unwrap().iter().all(|logit| logit.is_finite()));
    });
}
