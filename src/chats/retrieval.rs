//! Retrieval: of files that are too long for the context, only the passages relevant to the question are sent.

use leptos::prelude::*;
use parlance_protocol::library::Attachment;

use super::Chats;
use crate::failure::sentence;
use crate::options::model_url;

/// Assumed context length while no model is loaded.
const DEFAULT_CONTEXT_TOKENS: u32 = 4096;
/// Characters of files per token of context: half of the context, at three characters per token.
const CHARS_PER_CONTEXT_TOKEN: f64 = 1.5;
/// Maximum characters of passages to embed: about 400 passages, which take a minute. In longer files they are preselected by keywords.
const MAX_EMBEDDED_CHARS: u32 = 300_000;

impl Chats {
    /// Maximum characters of files to send to the model.
    fn budget_chars(self) -> usize {
        let context_tokens = self.client.ready_model().map_or(DEFAULT_CONTEXT_TOKENS, |model| model.context_tokens);
        (f64::from(context_tokens) * CHARS_PER_CONTEXT_TOKEN) as usize
    }

    /// Whether files are too long to be sent in full.
    pub(super) fn is_too_long(self, files: &[Attachment]) -> bool {
        files.iter().map(|file| file.text.chars().count()).sum::<usize>() > self.budget_chars()
    }

    /// The passages of files that are most relevant to a question, each named after its file.
    pub(super) async fn passages(self, files: Vec<Attachment>, question: String) -> Result<Vec<Attachment>, String> {
        let budget_chars = self.budget_chars() as u32;
        let Some(model) = self.settings.0.with_untracked(|settings| model_url(&settings.embedding_model)) else {
            return self.library.find_passages(files, question, budget_chars).await;
        };
        let max_chars = MAX_EMBEDDED_CHARS.max(budget_chars);
        let passages = self.library.find_passages(files.clone(), question.clone(), max_chars).await?;
        let texts: Vec<String> = passages.iter().map(|passage| passage.text.clone()).collect();
        let inputs: Vec<String> = [question.clone()].into_iter().chain(texts.iter().cloned()).collect();
        match self.client.embed(model, &inputs).await {
            Ok(vectors) => {
                let chosen = self.library.best(texts, vectors, budget_chars).await?;
                Ok(chosen.into_iter().filter_map(|index| passages.get(index as usize).cloned()).collect())
            }
            Err(failure) => {
                // Fall back to keywords and show why.
                self.notify(sentence(&failure));
                self.library.find_passages(files, question, budget_chars).await
            }
        }
    }
}
