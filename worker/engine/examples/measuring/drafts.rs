//! The rate of answers with a draft model.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use parlance_engine::runtime::{LoaderOptions, Model};
use parlance_engine::sampling::SamplingParams;

use crate::measuring::{load, prompt};

/// Loads the draft model of `model`, if there is one.
pub(crate) async fn add_draft(model: &mut Model, draft: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let Some(path) = draft else { return Ok(()) };
    let options = LoaderOptions { context_tokens: Some(model.context_tokens()), ..LoaderOptions::default() };
    let (mut draft, _) = load(model.device().clone(), path, options).await?;
    draft.warm_up().await?;
    Ok(model.set_draft(draft)?)
}

/// Lets the drafts of the greedy answer of `tokens` tokens after `context` be right with this likelihood.
pub(crate) async fn feign(
    model: &mut Model,
    context: usize,
    tokens: usize,
    acceptance: f64,
) -> Result<(), Box<dyn Error>> {
    let prompt = prompt(model, context + 1);
    model.prefill(&prompt, |_, _| true).await?;
    let mut generation = model.generate(&prompt, &SamplingParams::GREEDY, tokens + 1)?;
    let mut answer = Vec::new();
    while let Some(token) = generation.next().await? {
        answer.push(token);
    }
    drop(generation);
    model.feign_drafts(answer, acceptance);
    Ok(())
}

/// Tokens per second of the greedy answer of `tokens` tokens after `context`, with drafts.
pub(crate) async fn rate(model: &mut Model, context: usize, tokens: usize) -> Result<f64, Box<dyn Error>> {
    let prompt = prompt(model, context + 1);
    model.prefill_with_draft(&prompt, |_, _| true).await?;
    let mut generation = model.generate(&prompt, &SamplingParams::GREEDY, tokens + 1)?;
    // As without drafts, the first token's time does not count.
    generation.next().await?;
    let start = Instant::now();
    while generation.next().await?.is_some() {}
    Ok(tokens as f64 / start.elapsed().as_secs_f64())
}
