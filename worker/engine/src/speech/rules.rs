//! Which token may follow in a transcript.

use super::tokens::SpeechTokens;
use crate::error::Result;
use crate::kernels::random::Random;
use crate::kernels::transcript::{Transcript, bits};
use crate::tokenizer::Tokenizer;

/// The latest time at which a window's first segment may start, in steps of 20 ms.
const LATEST_START: u32 = 50;

/// Symbols that transcripts of sounds other than speech have, and names of speakers.
const SYMBOLS: &str = "\" # ( ) * + / : ; < = > @ [ \\ ] ^ _ ` { | } ~ 「 」 『 』 << >> <<< >>> -- --- -( -[ (' (\" (( )) \
                       ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪";
/// Notes, whose tokens may be parts of characters. No other character that begins like them is ever said.
const NOTES: &str = "♩ ♪ ♫ ♬ ♭ ♮ ♯";

/// The rules of a vocabulary.
pub(crate) struct Rules {
    tokens: SpeechTokens,
    /// Tokens that are never said.
    never: Vec<u32>,
}

/// A token, and the logarithm of its likelihood among those allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Choice {
    pub(crate) id: u32,
    pub(crate) log_likelihood: f64,
}

impl Rules {
    /// The rules for a tokenizer's vocabulary.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`](crate::EngineError::Tokenizer).
    pub(crate) fn new(tokenizer: &Tokenizer, tokens: SpeechTokens) -> Result<Self> {
        let mut never: Vec<u32> = tokens.never_said().collect();
        // A hyphen or an apostrophe may be within a word, but not start one.
        for text in [" -", " '"] {
            never.extend(tokenizer.encode_plain(text)?.first());
        }
        for (texts, may_be_parts) in [(SYMBOLS, false), (NOTES, true)] {
            for text in texts.split_whitespace() {
                for ids in [tokenizer.encode_plain(text)?, tokenizer.encode_plain(&format!(" {text}"))?] {
                    never.extend(ids.first().filter(|_| ids.len() == 1 || may_be_parts));
                }
            }
        }
        Ok(Self { tokens, never })
    }

    /// What a device needs to know to choose tokens by itself: the vocabulary, of which it records `ring_len` tokens, and
    /// which of it are never said.
    pub(crate) fn on_device(&self, ring_len: u32) -> (Transcript, Vec<u32>) {
        let SpeechTokens { end, first_time, vocab, .. } = self.tokens;
        (Transcript { vocab, end, first_time, latest_start: LATEST_START, ring_len }, bits(vocab, &self.never))
    }

    /// Chooses the token after those `said` in this window: the most likely one, or with a temperature at random.
    /// `logits` is `[vocab]`; the logits of tokens that are not allowed become negative infinity.
    pub(crate) fn choose(&self, logits: &mut [f32], said: &[u32], temperature: f32, random: &mut Random) -> Choice {
        self.apply(logits, said);
        let total = log_sum(logits);
        let rank = |logit: f32| {
            if temperature == 0.0 {
                return f64::from(logit);
            }
            // A race with noise of Gumbel's distribution, in which a token wins as often as it is likely.
            let uniform = ((random.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            f64::from(logit) / f64::from(temperature) - (-uniform.ln()).ln()
        };
        let ranks: Vec<f64> = logits.iter().copied().map(rank).collect();
        // Of equal ranks the first.
        let best = (0..ranks.len()).rev().max_by(|a, b| ranks[*a].total_cmp(&ranks[*b])).unwrap_or_default();
        Choice { id: best as u32, log_likelihood: f64::from(logits[best]) - total }
    }

    /// Forbids tokens that must not follow those `said`: times come in pairs, the end of a segment and the start of the
    /// next, and never decrease.
    fn apply(&self, logits: &mut [f32], said: &[u32]) {
        let tokens = &self.tokens;
        let first_time = tokens.first_time as usize;
        let forbid = |logits: &mut [f32]| logits.fill(f32::NEG_INFINITY);
        for id in &self.never {
            logits[*id as usize] = f32::NEG_INFINITY;
        }
        let Some(last) = said.last() else {
            forbid(&mut logits[..first_time]);
            let end = logits.len().min(first_time + LATEST_START as usize + 1);
            forbid(&mut logits[end..]);
            return;
        };
        let follows_time = said.len() < 2 || tokens.is_time(said[said.len() - 2]);
        if tokens.is_time(*last) && follows_time {
            forbid(&mut logits[first_time..]);
            return;
        }
        if tokens.is_time(*last) {
            forbid(&mut logits[..tokens.end as usize]);
        }
        if let Some(time) = said.iter().rfind(|id| tokens.is_time(**id)) {
            // The next segment may start where this one ended, but none ends where it started.
            let end = if tokens.is_time(*last) { *time } else { *time + 1 };
            forbid(&mut logits[first_time..end as usize]);
        }
        let (others, times) = logits.split_at_mut(first_time);
        let most_likely = others.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if log_sum(times) > f64::from(most_likely) {
            forbid(others);
        }
    }
}

/// The logarithm of the sum of exponentials.
fn log_sum(logits: &[f32]) -> f64 {
    let highest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    if highest == f64::NEG_INFINITY {
        return highest;
    }
    highest + logits.iter().map(|logit| (f64::from(*logit) - highest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    /// Text up to 100, times from 200 on.
    fn rules() -> Rules {
        let tokens = SpeechTokens::new(260, 100, 59).unwrap();
        Rules { tokens, never: tokens.never_said().chain([7]).collect() }
    }

    /// The tokens allowed after those `said`, if all are equally likely but for those with the given logits.
    fn allowed(said: &[u32], set: &[(usize, f32)]) -> Vec<u32> {
        let mut logits = vec![-10.0; 260];
        for (id, logit) in set {
            logits[*id] = *logit;
        }
        rules().apply(&mut logits, said);
        (0..).zip(&logits).filter(|(_, logit)| logit.is_finite()).map(|(id, _)| id).collect()
    }

    #[test]
    fn a_window_begins_with_a_time_of_at_most_a_second() {
        assert_eq!(allowed(&[], &[]), (200..=250).collect::<Vec<_>>());
    }

    #[test]
    fn text_follows_the_start_of_a_segment() {
        let after_first = allowed(&[205], &[]);
        assert!(after_first.contains(&0) && after_first.contains(&100) && !after_first.contains(&7));
        assert!(after_first.iter().all(|id| *id < 200));
        assert_eq!(allowed(&[205, 1, 210, 210], &[]), after_first);
    }

    #[test]
    fn a_segments_end_is_followed_by_the_next_start_or_the_end() {
        let times = |from: u32| (from..260).collect::<Vec<_>>();
        assert_eq!(allowed(&[205, 1, 210], &[]), times(210), "times are more likely together");
        assert_eq!(allowed(&[205, 1, 210], &[(100, 0.0)])[0], 100);
    }

    #[test]
    fn segments_take_time() {
        let allowed = allowed(&[205, 1], &[(5, 0.0)]);
        assert!(allowed.contains(&5) && allowed.contains(&206) && !allowed.contains(&205));
    }

    #[test]
    fn likely_times_together_outweigh_text() {
        assert!(allowed(&[205, 1], &[(5, -9.0)]).iter().all(|id| *id >= 206));
        assert!(allowed(&[205, 1], &[(5, -5.0)]).contains(&5));
    }

    #[test]
    fn choices_follow_likelihoods() {
        let rules = rules();
        let logits = |said: &[u32], temperature, random: &mut Random| {
            let mut logits = vec![-50.0; 260];
            (logits[5], logits[6], logits[7]) = (1.0, 0.0, 9.0);
            rules.choose(&mut logits, said, temperature, random)
        };
        let mut random = Random(1);
        let best = logits(&[205], 0.0, &mut random);
        assert_eq!(best.id, 5);
        assert!((best.log_likelihood + (1.0 + (-1f64).exp()).ln()).abs() < 1e-6, "{best:?}");
        let drawn: Vec<u32> = (0..2000).map(|_| logits(&[205], 0.5, &mut random).id).collect();
        let share = drawn.iter().filter(|id| **id == 5).count() as f64 / 2000.0;
        assert!((share - 1.0 / (1.0 + (-2f64).exp())).abs() < 0.03, "{share}");
        assert!(drawn.iter().all(|id| [5, 6].contains(id)));
    }
}
