//! Guesses of what comes next, by prompt lookup (Saxena 2023, "Prompt Lookup Decoding"): after the last few tokens, what followed the
//! same tokens before. A model verifies a guess in one pass, which costs little more than one token where reading the weights is what
//! takes the time; quotations, code that is edited and lists come several tokens at a time.

use std::collections::HashMap;

use crate::reference::sampling::IN_PROMPT;

/// Tokens that must be the same for what followed them to be a guess.
const NGRAM: usize = 3;
/// Tokens after a guess that was not worth its time until the next one, at first and at most.
const PAUSES: [usize; 2] = [16, 256];

/// How the guesses of an answer went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guessed {
    /// Guessed tokens that the model chose, too.
    pub accepted: usize,
    /// Guessed tokens that it did not choose.
    pub rejected: usize,
}

impl std::ops::Add for Guessed {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { accepted: self.accepted + other.accepted, rejected: self.rejected + other.rejected }
    }
}

/// What was there so far, and where each of its n-grams was last.
pub(super) struct Guesser {
    tokens: Vec<u32>,
    /// Where the prompt begins in `tokens`, after the text that only guesses come from, and where its answer does.
    prompt_start: usize,
    answer_start: usize,
    /// The place after the last occurrence of each n-gram.
    places: HashMap<[u32; NGRAM], usize>,
    /// The place after the last occurrence but this one of the last n-gram.
    place: Option<usize>,
    /// No guesses before there are so many tokens.
    resume_at: usize,
    pause: usize,
    guessed: Guessed,
}

impl Guesser {
    /// Guesses from `prediction` and from `prompt`, whose last `generated` tokens belong to the answer.
    pub(super) fn new(prediction: &[u32], prompt: &[u32], generated: usize) -> Self {
        let prompt_start = prediction.len();
        let mut guesser = Self {
            tokens: Vec::with_capacity(2 * (prompt_start + prompt.len())),
            prompt_start,
            answer_start: prompt_start + prompt.len() - generated.min(prompt.len()),
            places: HashMap::new(),
            place: None,
            resume_at: 0,
            pause: 0,
            guessed: Guessed::default(),
        };
        guesser.extend(prediction);
        guesser.extend(prompt);
        guesser
    }

    /// Learns of a token that the model chose.
    fn push(&mut self, token: u32) {
        self.tokens.push(token);
        self.place = self.tokens.last_chunk().and_then(|ngram| self.places.insert(*ngram, self.tokens.len()));
    }

    /// The same for several.
    pub(super) fn extend(&mut self, tokens: &[u32]) {
        for token in tokens {
            self.push(*token);
        }
    }

    /// The token that came last.
    pub(super) fn last(&self) -> u32 {
        self.tokens.last().copied().unwrap_or_default()
    }

    /// What may come next: at most so many tokens, and none where there is nothing to guess from.
    pub(super) fn guess(&self, most: usize) -> &[u32] {
        let Some(place) = self.place.filter(|_| self.tokens.len() >= self.resume_at) else { return &[] };
        let followed = &self.tokens[place..];
        &followed[..followed.len().min(most)]
    }

    /// Learns how many tokens of a guess were right, and whether that was worth the time it took.
    pub(super) fn verified(&mut self, accepted: usize, rejected: usize, was_worth_it: bool) {
        self.guessed.accepted += accepted;
        self.guessed.rejected += rejected;
        self.pause = if was_worth_it { 0 } else { (2 * self.pause).clamp(PAUSES[0], PAUSES[1]) };
        self.resume_at = self.tokens.len() + self.pause;
    }

    /// How the guesses went.
    pub(super) fn guessed(&self) -> Guessed {
        self.guessed
    }

    /// What was seen of a token, see [`IN_PROMPT`].
    pub(super) fn seen(&self, id: u32) -> u32 {
        let (prompt, answer) = (&self.tokens[self.prompt_start..self.answer_start], &self.tokens[self.answer_start..]);
        let count = answer.iter().filter(|token| **token == id).count() as u32;
        if prompt.contains(&id) { IN_PROMPT | count } else { count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_the_same_tokens_last_is_the_guess() {
        let mut guesser = Guesser::new(&[], &[1, 2, 3, 4, 5, 9, 1, 2, 3, 6, 7, 8], 0);
        assert_eq!(guesser.guess(4), &[] as &[u32], "6, 7, 8 was not there before");
        for token in [1, 2, 3] {
            guesser.push(token);
        }
        assert_eq!(guesser.guess(2), [6, 7]);
        assert_eq!(guesser.guess(100), [6, 7, 8, 1, 2, 3]);
        assert_eq!(guesser.last(), 3);
        // A text that is expected.
        assert_eq!(Guesser::new(&[4, 5, 6, 7], &[4, 5, 6], 1).guess(3), [7, 4, 5]);
        assert_eq!(Guesser::new(&[], &[], 0).guess(3), &[] as &[u32]);
    }

    #[test]
    fn guesses_that_are_not_worth_it_become_rarer() {
        let mut guesser = Guesser::new(&[], &[1; 10], 0);
        let mut waited = Vec::new();
        for _ in 0..6 {
            guesser.verified(0, 5, false);
            let mut count = 0;
            while guesser.guess(5).is_empty() {
                guesser.push(1);
                count += 1;
            }
            waited.push(count);
        }
        assert_eq!(waited, [16, 32, 64, 128, 256, 256]);
        guesser.verified(5, 0, true);
        assert!(!guesser.guess(1).is_empty());
        assert_eq!(guesser.guessed(), Guessed { accepted: 5, rejected: 30 });
    }

    #[test]
    fn what_was_seen_of_a_token_is_what_penalties_count() {
        let guesser = Guesser::new(&[7, 7], &[1, 2, 2, 3, 2], 2);
        assert_eq!([1, 2, 3, 7].map(|id| guesser.seen(id)), [IN_PROMPT, IN_PROMPT | 1, 1, 0]);
    }
}
