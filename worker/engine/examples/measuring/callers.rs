//! The rate of several answers at once.

use std::error::Error;
use std::time::Instant;

use parlance_engine::runtime::{Choice, Model};
use parlance_engine::sampling::SamplingParams;

use crate::measuring::prompt;

/// Tokens per second of `callers` greedy answers of `tokens` tokens after `context`, in all.
pub(crate) async fn rate(
    model: &mut Model,
    callers: usize,
    context: usize,
    tokens: usize,
) -> Result<f64, Box<dyn Error>> {
    if model.sequence_count() < callers {
        return Err(format!("there is memory for {} sequences, not {callers}", model.sequence_count()).into());
    }
    let prompt = prompt(model, context + 1);
    let sequences: Vec<usize> = (0..callers).collect();
    for sequence in &sequences {
        model.select(*sequence);
        model.prefill(&prompt, |_, _| true).await?;
        model.join(&prompt, &SamplingParams::GREEDY)?;
    }
    let mut start = Instant::now();
    for step in 0..=tokens {
        if step == 1 {
            // The first step compiles kernels.
            start = Instant::now();
        }
        for sequences in sequences.chunks(model.max_joint()) {
            let choices = vec![Choice::default(); sequences.len()];
            model.begin_step(sequences).await?.choose(&choices).await?;
        }
    }
    Ok((callers * tokens) as f64 / start.elapsed().as_secs_f64())
}
