//! Log probabilities of tokens.

use parlance_engine::tokenizer::Tokenizer;
use parlance_protocol::openai::{TokenLogProb, TopLogProb};

/// The log probability of `token`, given `logits`, with those of the `top` most likely tokens.
pub(crate) fn log_prob(tokenizer: &Tokenizer, logits: &[f32], token: u32, top: usize) -> TokenLogProb {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|logit| f64::from(logit - highest).exp()).sum();
    let log_total = total.ln() as f32 + highest;
    let logprob = |id: u32| logits.get(id as usize).map_or(f32::NEG_INFINITY, |logit| logit - log_total);
    let top_logprobs = most_likely(logits, top)
        .into_iter()
        .map(|id| TopLogProb {
            token: text(tokenizer, id),
            logprob: logprob(id),
            bytes: Some(tokenizer.token_bytes(id).to_vec()),
        })
        .collect();
    let bytes = Some(tokenizer.token_bytes(token).to_vec());
    TokenLogProb { token: text(tokenizer, token), logprob: logprob(token), bytes, top_logprobs }
}

/// The `count` most likely tokens, the most likely first.
fn most_likely(logits: &[f32], count: usize) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    let count = count.min(ids.len());
    if count == 0 {
        return Vec::new();
    }
    let by_logit = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    ids.select_nth_unstable_by(count - 1, by_logit);
    ids.truncate(count);
    ids.sort_by(by_logit);
    ids
}

/// A token's bytes as text, or a control token's name.
fn text(tokenizer: &Tokenizer, id: u32) -> String {
    match tokenizer.token_bytes(id) {
        [] => tokenizer.text(id).unwrap_or_default().to_owned(),
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_likely_tokens_come_first_and_ties_are_ordered_by_id() {
        assert_eq!(most_likely(&[1.0, 3.0, 2.0, 3.0], 3), [1, 3, 2]);
        assert_eq!(most_likely(&[1.0], 5), [0]);
        assert_eq!(most_likely(&[1.0], 0), [0u32; 0]);
    }
}
