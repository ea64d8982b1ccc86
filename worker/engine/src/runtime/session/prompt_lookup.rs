//! Prompt lookup (Saxena 2023, "Prompt Lookup Decoding"): where the last few tokens occurred before, what followed them is
//! the draft. So quotations, edited code and lists are generated several tokens at a time.

use std::collections::HashMap;

use super::pause::Pause;

/// Number of tokens that must match.
const NGRAM: usize = 3;

/// The tokens so far, with the last occurrence of each n-gram.
pub(super) struct PromptLookup {
    tokens: Vec<u32>,
    /// Index after the last occurrence of each n-gram.
    places: HashMap<[u32; NGRAM], usize>,
    /// Index after the previous occurrence of the n-gram that `tokens` ends with.
    place: Option<usize>,
    pause: Pause,
}

impl PromptLookup {
    /// Drafts from `prediction` and from `prompt`.
    pub(super) fn new(prediction: &[u32], prompt: &[u32]) -> Self {
        let mut lookup = Self {
            tokens: Vec::with_capacity(2 * (prediction.len() + prompt.len())),
            places: HashMap::new(),
            place: None,
            pause: Pause::default(),
        };
        lookup.extend(prediction);
        lookup.extend(prompt);
        lookup
    }

    /// Appends tokens that the model chose.
    pub(super) fn extend(&mut self, tokens: &[u32]) {
        for token in tokens {
            self.tokens.push(*token);
            self.place = self.tokens.last_chunk().and_then(|ngram| self.places.insert(*ngram, self.tokens.len()));
        }
        self.pause.pass(tokens.len());
    }

    /// A draft of at most `most` tokens; empty if no earlier occurrence is known.
    pub(super) fn draft(&self, most: usize) -> &[u32] {
        let Some(place) = self.place.filter(|_| self.pause.is_over()) else { return &[] };
        let followed = &self.tokens[place..];
        &followed[..followed.len().min(most)]
    }

    /// Records whether the verification of a draft was worth its time.
    pub(super) fn verified(&mut self, was_worth_it: bool) {
        if was_worth_it {
            self.pause.end();
        } else {
            self.pause.begin();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draft_is_what_followed_the_last_occurrence() {
        let mut lookup = PromptLookup::new(&[], &[1, 2, 3, 4, 5, 9, 1, 2, 3, 6, 7, 8]);
        assert_eq!(lookup.draft(4), &[] as &[u32], "6, 7, 8 did not occur before");
        lookup.extend(&[1, 2, 3]);
        assert_eq!(lookup.draft(2), [6, 7]);
        assert_eq!(lookup.draft(100), [6, 7, 8, 1, 2, 3]);
        // Drafts from a predicted text.
        assert_eq!(PromptLookup::new(&[4, 5, 6, 7], &[4, 5, 6]).draft(3), [7, 4, 5]);
        assert_eq!(PromptLookup::new(&[], &[]).draft(3), &[] as &[u32]);
    }

    #[test]
    fn drafts_that_do_not_pay_off_become_rarer() {
        let mut lookup = PromptLookup::new(&[], &[1; 10]);
        let mut waited = Vec::new();
        for _ in 0..6 {
            lookup.verified(false);
            let mut count = 0;
            while lookup.draft(5).is_empty() {
                lookup.extend(&[1]);
                count += 1;
            }
            waited.push(count);
        }
        assert_eq!(waited, [16, 32, 64, 128, 256, 256]);
        lookup.verified(true);
        assert!(!lookup.draft(1).is_empty());
        lookup.verified(false);
        lookup.extend(&[1; 16]);
        assert!(!lookup.draft(1).is_empty(), "pauses are short again");
    }
}
