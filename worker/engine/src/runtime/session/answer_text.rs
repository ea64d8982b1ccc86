//! The tokens of a prompt and the answer to it.

use crate::sampling::IN_PROMPT;

/// The tokens so far.
pub(super) struct AnswerText {
    tokens: Vec<u32>,
    answer_start: usize,
}

impl AnswerText {
    /// The last `generated` tokens of `prompt` belong to the answer.
    pub(super) fn new(prompt: Vec<u32>, generated: usize) -> Self {
        let answer_start = prompt.len() - generated.min(prompt.len());
        Self { tokens: prompt, answer_start }
    }

    /// Appends tokens that the model chose.
    pub(super) fn extend(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
    }

    /// All tokens.
    pub(super) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The last token.
    pub(super) fn last(&self) -> u32 {
        self.tokens.last().copied().unwrap_or_default()
    }

    /// Number of tokens in the answer, which is also the number of the next step.
    pub(super) fn answer_len(&self) -> usize {
        self.tokens.len() - self.answer_start
    }

    /// History entry of a token, see [`IN_PROMPT`].
    pub(super) fn seen(&self, id: u32) -> u32 {
        let (prompt, answer) = self.tokens.split_at(self.answer_start);
        let count = answer.iter().filter(|token| **token == id).count() as u32;
        if prompt.contains(&id) { IN_PROMPT | count } else { count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_entries_match_what_penalties_count() {
        let mut text = AnswerText::new(vec![1, 2, 2, 3], 1);
        text.extend(&[2]);
        assert_eq!([1, 2, 3, 7].map(|id| text.seen(id)), [IN_PROMPT, IN_PROMPT | 1, 1, 0]);
        assert_eq!((text.answer_len(), text.last()), (2, 2));
    }
}
