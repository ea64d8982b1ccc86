//! What the answers of the conversation on screen took, from what is stored with them.

use leptos::prelude::*;
use parlance_protocol::openai::Usage;

use super::Chats;
use crate::conversation::{AnswerState, ChatMessage, ConversationStoreFields as _};

/// Sums over the messages of a conversation. Answers without usage, such as imported ones, count as messages only.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Statistics {
    /// Number of messages.
    pub(crate) messages: usize,
    /// Tokens of prompts that were computed for the answers.
    pub(crate) read_tokens: f64,
    /// Tokens of prompts that were still in the KV cache.
    pub(crate) cached_tokens: f64,
    /// Tokens of the answers.
    pub(crate) written_tokens: f64,
    /// Seconds until the first tokens.
    first_token_s: f64,
    /// Seconds in which `timed_tokens` were generated.
    decode_s: f64,
    /// Tokens of the answers whose speed is known.
    timed_tokens: f64,
}

impl Statistics {
    fn of<'a>(messages: impl Iterator<Item = &'a ChatMessage>) -> Self {
        let mut all = Self::default();
        for message in messages {
            all.messages += 1;
            if let AnswerState::Done(_, usage) = &message.state {
                all.add(usage);
            }
        }
        all
    }

    /// Adds an answer. If it was continued, its times are those of the last part and its tokens those of all, so its duration follows from
    /// the speed.
    fn add(&mut self, usage: &Usage) {
        let cached_tokens = usage.prompt_tokens_details.cached_tokens;
        let written_tokens = f64::from(usage.completion_tokens);
        self.read_tokens += f64::from(usage.prompt_tokens.saturating_sub(cached_tokens));
        self.cached_tokens += f64::from(cached_tokens);
        self.written_tokens += written_tokens;
        self.first_token_s += usage.extra.time_to_first_token_s;
        if usage.extra.decode_tokens_per_s > 0.0 {
            self.decode_s += written_tokens / usage.extra.decode_tokens_per_s;
            self.timed_tokens += written_tokens;
        }
    }

    /// Seconds that the user waited for the answers.
    pub(crate) fn duration_s(&self) -> f64 {
        self.first_token_s + self.decode_s
    }

    /// Generation speed over all answers, if it is known.
    pub(crate) fn tokens_per_s(&self) -> Option<f64> {
        (self.decode_s > 0.0).then(|| self.timed_tokens / self.decode_s)
    }
}

impl Chats {
    /// Statistics of the messages on screen. Reactive: updated when an answer begins or ends.
    pub(crate) fn statistics(self) -> Statistics {
        self.is_answering().track();
        let branch = self.branch.read();
        let messages = self.current.messages();
        let messages = messages.read_untracked();
        Statistics::of(messages.iter().filter(|message| branch.contains(&message.id)))
    }
}

#[cfg(test)]
mod tests {
    use parlance_protocol::library::{Ending, Message, Role};
    use parlance_protocol::openai::{FinishReason, PromptTokens, UsageExtra};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn answer(usage: Usage) -> ChatMessage {
        let ending = Some(Ending::Done { reason: FinishReason::Stop, usage });
        let record = Message { role: Role::Assistant, ending, ..Message::default() };
        ChatMessage::from_record(record, AnswerState::Incomplete)
    }

    fn question() -> ChatMessage {
        ChatMessage::from_record(Message { role: Role::User, ..Message::default() }, AnswerState::Incomplete)
    }

    /// An answer to a prompt of 100 tokens.
    fn usage(cached_tokens: u32, completion_tokens: u32, decode_tokens_per_s: f64) -> Usage {
        Usage {
            prompt_tokens: 100,
            completion_tokens,
            prompt_tokens_details: PromptTokens { cached_tokens, ..PromptTokens::default() },
            extra: UsageExtra { time_to_first_token_s: 0.5, decode_tokens_per_s, ..UsageExtra::default() },
            ..Usage::default()
        }
    }

    #[wasm_bindgen_test]
    fn answers_count_with_their_tokens_and_times() {
        // The third has a single token, so its speed is unknown; the fourth was imported.
        let answers = [usage(0, 100, 50.0), usage(75, 300, 100.0), usage(50, 1, 0.0), Usage::default()];
        let messages: Vec<ChatMessage> = answers.into_iter().flat_map(|usage| [question(), answer(usage)]).collect();
        let found = Statistics::of(messages.iter());
        let expected = Statistics {
            messages: 8,
            read_tokens: 175.0,
            cached_tokens: 125.0,
            written_tokens: 401.0,
            first_token_s: 1.5,
            decode_s: 5.0,
            timed_tokens: 400.0,
        };
        assert_eq!(found, expected);
        assert_eq!((Some(found.duration_s()), found.tokens_per_s()), (Some(6.5), Some(80.0)));
        assert_eq!(Statistics::of([question()].iter()).tokens_per_s(), None);
    }
}
