//! Files that do not fit the context: the passages that matter for the question take their place.

use leptos::prelude::*;
use parlance_protocol::library::Attachment;

use super::Chats;
use crate::options::model_url;

/// Tokens of context where no model is loaded yet.
const USUAL_CONTEXT_TOKENS: u32 = 4096;
/// Characters of a file for each token of the context: half of the context at three characters a token.
const CHARS_PER_CONTEXT_TOKEN: f64 = 1.5;

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
        let mut passages = Vec::new();
        for file in files {
            let texts = self.library.split(file.text).await?;
            passages.extend(texts.into_iter().map(|text| Attachment { name: file.name.clone(), text }));
        }
        let texts: Vec<String> = passages.iter().map(|passage| passage.text.clone()).collect();
        let vectors = self.vectors(&question, &texts).await;
        let chosen = self.library.best(texts, question, vectors, self.room_chars() as u32).await?;
        Ok(chosen.into_iter().filter_map(|index| passages.get(index as usize).cloned()).collect())
    }

    /// Vectors of the question and the passages, if there is an embedding model that works.
    async fn vectors(self, question: &str, passages: &[String]) -> Option<Vec<Vec<f32>>> {
        let url = self.settings.0.with_untracked(|settings| model_url(&settings.embedding_model))?;
        let texts: Vec<String> = [question.to_owned()].into_iter().chain(passages.iter().cloned()).collect();
        match self.client.embed(url, &texts).await {
            Ok(vectors) => Some(vectors),
            Err(failure) => {
                // Words decide then; the user hears why.
                self.tell(failure.message);
                None
            }
        }
    }
}
