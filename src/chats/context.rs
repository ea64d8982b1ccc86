//! What fills the context of the conversation on screen. Estimated from the lengths of texts, and from how many tokens the latest answer's
//! prompt had.

use leptos::prelude::*;
use parlance_protocol::library::Role;
use parlance_protocol::openai::Usage;

use super::Chats;
use crate::conversation::{AnswerState, ChatMessage, ConversationStoreFields as _};

/// Tokens per character before anything has been answered.
const TOKENS_PER_CHAR: f64 = 0.25;
/// Bounds of what counts as measured: below and above, the texts and the token count do not belong together.
const PLAUSIBLE_TOKENS_PER_CHAR: (f64, f64) = (0.05, 2.0);
/// Tokens per image before one has been seen.
const TOKENS_PER_IMAGE: f64 = 256.0;

/// Lengths of what is sent to the model, in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Lengths {
    system: usize,
    summary: usize,
    messages: usize,
    files: usize,
    /// Number of images.
    images: usize,
}

/// How many tokens things take, about.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct ContextUse {
    /// The system prompt.
    pub(crate) system: f64,
    /// The summary of messages that are not sent.
    pub(crate) summary: f64,
    /// Questions and answers.
    pub(crate) messages: f64,
    /// Attached files, or their passages.
    pub(crate) files: f64,
    /// Images.
    pub(crate) images: f64,
    /// The message in the composer, with its files and images.
    pub(crate) draft: f64,
    /// How many of the branch's messages are not sent.
    pub(crate) left_out: usize,
    per_char: f64,
    per_image: f64,
}

impl ContextUse {
    /// All of it together.
    pub(crate) fn total(&self) -> f64 {
        self.system + self.summary + self.messages + self.files + self.images + self.draft
    }

    /// The parts with their message ids; those that take nothing are left out.
    pub(crate) fn parts(&self) -> Vec<(&'static str, f64)> {
        let parts = [
            ("system-prompt", self.system),
            ("context-summary", self.summary),
            ("context-messages", self.messages),
            ("context-files", self.files),
            ("context-images", self.images),
            ("context-draft", self.draft),
        ];
        parts.into_iter().filter(|(_, tokens)| *tokens >= 0.5).collect()
    }

    /// The estimate for texts of some lengths; `measured` has the usage of an answer and the lengths of what it was given and wrote.
    fn estimate(lengths: Lengths, measured: Option<(Usage, Lengths)>) -> Self {
        let (per_char, per_image) = measured.map_or((TOKENS_PER_CHAR, TOKENS_PER_IMAGE), rates);
        let tokens = |chars: usize| chars as f64 * per_char;
        Self {
            system: tokens(lengths.system),
            summary: tokens(lengths.summary),
            messages: tokens(lengths.messages),
            files: tokens(lengths.files),
            images: lengths.images as f64 * per_image,
            draft: 0.0,
            left_out: 0,
            per_char,
            per_image,
        }
    }

    /// The same with a message in the composer, of this many characters and images.
    fn with_draft(self, chars: usize, images: usize) -> Self {
        Self { draft: chars as f64 * self.per_char + images as f64 * self.per_image, ..self }
    }
}

/// Tokens per character and per image of an answer with its prompt.
fn rates((usage, lengths): (Usage, Lengths)) -> (f64, f64) {
    let image_tokens = usage.prompt_tokens_details.image_tokens.map(f64::from);
    let per_image = match image_tokens {
        Some(tokens) if lengths.images > 0 && tokens > 0.0 => tokens / lengths.images as f64,
        _ => TOKENS_PER_IMAGE,
    };
    let tokens = f64::from(usage.prompt_tokens) + f64::from(usage.completion_tokens) - image_tokens.unwrap_or(0.0);
    let chars = lengths.system + lengths.summary + lengths.messages + lengths.files;
    let per_char = tokens / (chars as f64).max(1.0);
    let (least, most) = PLAUSIBLE_TOKENS_PER_CHAR;
    (if (least..most).contains(&per_char) { per_char } else { TOKENS_PER_CHAR }, per_image)
}

impl Lengths {
    fn add(&mut self, message: &ChatMessage) {
        let files = message.files_in_full().iter().chain(&message.sources);
        self.messages += message.content.chars().count();
        self.files += files.map(|file| file.text.chars().count()).sum::<usize>();
        self.images += message.images.len();
    }
}

impl Chats {
    /// What fills the context, without the message in the composer. Reactive: updated when an answer begins or ends.
    pub(crate) fn context_use(self) -> ContextUse {
        self.is_answering().track();
        let summary = self.current.summary().get();
        let branch = self.branch.read();
        let starts = [self.context_start.get(), self.digest_start.get()];
        let start = starts.into_iter().flatten().filter_map(|start| branch.iter().position(|id| *id == start)).max();
        let start = start.unwrap_or(0);
        let system = self.system_prompt();
        let digest = summary.digest.as_ref().filter(|_| self.digest_start.get().is_some());
        let mut lengths = Lengths {
            system: system.chars().count(),
            summary: digest.map_or(0, |digest| digest.text.chars().count()),
            ..Lengths::default()
        };
        let messages = self.current.messages();
        let messages = messages.read_untracked();
        let mut measured = None;
        for id in branch.iter().skip(start) {
            let Some(message) = messages.iter().find(|message| message.id == *id) else { continue };
            lengths.add(message);
            if let (Role::Assistant, AnswerState::Done(_, usage)) = (message.role, &message.state) {
                measured = Some((*usage, lengths));
            }
        }
        ContextUse { left_out: start, ..ContextUse::estimate(lengths, measured) }
    }

    /// The same with the message in the composer. Reactive.
    pub(crate) fn with_draft(self, known: ContextUse) -> ContextUse {
        let files: usize = self.attachments.read().iter().map(|file| file.text.chars().count()).sum();
        known.with_draft(self.draft.read().chars().count() + files, self.images.read().len())
    }
}

#[cfg(test)]
mod tests {
    use parlance_protocol::openai::PromptTokens;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[wasm_bindgen_test]
    fn the_latest_answer_says_how_many_tokens_texts_take() {
        let lengths = Lengths { system: 40, messages: 400, files: 60, images: 1, ..Lengths::default() };
        let guessed = ContextUse::estimate(lengths, None);
        assert!(near(guessed.total(), 500.0 * TOKENS_PER_CHAR + TOKENS_PER_IMAGE));
        let details = PromptTokens { image_tokens: Some(100), ..PromptTokens::default() };
        let usage =
            Usage { prompt_tokens: 250, completion_tokens: 100, prompt_tokens_details: details, ..Usage::default() };
        let known = ContextUse::estimate(lengths, Some((usage, lengths)));
        assert!(near(known.total(), 350.0) && near(known.images, 100.0) && near(known.messages, 200.0), "{known:?}");
        let with_draft = known.with_draft(10, 1);
        assert!(near(with_draft.draft, 105.0) && near(with_draft.total(), 455.0), "{with_draft:?}");
        let names: Vec<&str> = with_draft.parts().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["system-prompt", "context-messages", "context-files", "context-images", "context-draft"]);
        // A count that cannot be true is not used.
        let usage = Usage { prompt_tokens: 1, ..Usage::default() };
        assert!(near(ContextUse::estimate(lengths, Some((usage, lengths))).system, 40.0 * TOKENS_PER_CHAR));
    }
}
