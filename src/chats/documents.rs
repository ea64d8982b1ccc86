//! Files that do not fit the context: the passages that matter for the question take their place.

use leptos::prelude::*;
use parlance_protocol::library::Attachment;

use super::Chats;
use crate::failure::sentence;
use crate::options::model_url;

/// Tokens of context where no model is loaded yet.
const USUAL_CONTEXT_TOKENS: u32 = 4096;
/// Characters of a file for each token of the context: half of the context at three characters a token.
const CHARS_PER_CONTEXT_TOKEN: f64 = 1.5;
/// Characters of the passages that are turned into vectors: some 400, a minute's work. Of longer files words choose those.
const MAX_VECTOR_CHARS: u32 = 300_000;

impl Chats {
    /// Characters of files that the model is given.
    fn room_chars(self) -> usize {
        let context_tokens = self.client.ready_model().map_or(USUAL_CONTEXT_TOKENS, |model| model.context_tokens);
        (f64::from(context_tokens) * CHARS_PER_CONTEXT_TOKEN) as usize
    }

    /// Whether files are too long to be given whole.
    pub(super) fn is_too_long(self, files: &[Attachment]) -> bool {
        files.iter().map(|file| file.text.chars().count()).sum::<usize>() > self.room_chars()
    }

    /// The passages of files that fit a question best, each under its file's name.
    pub(super) async fn passages(self, files: Vec<Attachment>, question: String) -> Result<Vec<Attachment>, String> {
        let room_chars = self.room_chars() as u32;
        let Some(model) = self.settings.0.with_untracked(|settings| model_url(&settings.embedding_model)) else {
            return self.library.find_passages(files, question, room_chars).await;
        };
        let max_chars = MAX_VECTOR_CHARS.max(room_chars);
        let passages = self.library.find_passages(files.clone(), question.clone(), max_chars).await?;
        let texts: Vec<String> = passages.iter().map(|passage| passage.text.clone()).collect();
        let questioned: Vec<String> = [question.clone()].into_iter().chain(texts.iter().cloned()).collect();
        match self.client.embed(model, &questioned).await {
            Ok(vectors) => {
                let chosen = self.library.best(texts, vectors, room_chars).await?;
                Ok(chosen.into_iter().filter_map(|index| passages.get(index as usize).cloned()).collect())
            }
            Err(failure) => {
                // Words decide then; the user hears why.
                self.tell(sentence(&failure));
                self.library.find_passages(files, question, room_chars).await
            }
        }
    }
}
