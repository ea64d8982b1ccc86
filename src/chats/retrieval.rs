//! Retrieval: of files that are too long for the context, only the passages relevant to the question are sent.

use leptos::prelude::*;
use parlance_protocol::library::{Attachment, Id, Role};

use super::Chats;
use crate::conversation::{ChatMessageStoreFields as _, ConversationStoreFields as _, MessageId};
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
    pub(super) fn budget_chars(self) -> usize {
        let context_tokens = self.client.ready_model().map_or(DEFAULT_CONTEXT_TOKENS, |model| model.context_tokens);
        (f64::from(context_tokens) * CHARS_PER_CONTEXT_TOKEN) as usize
    }

    /// Whether files are too long to be sent in full.
    pub(super) fn is_too_long(self, files: &[Attachment]) -> bool {
        files.iter().map(|file| file.text.chars().count()).sum::<usize>() > self.budget_chars()
    }

    /// Reads the sources of a question, or those of the question that an answer is to. Reactive.
    pub(crate) fn sources_of<T>(self, id: MessageId, read: impl FnOnce(&[Attachment]) -> T) -> T {
        let question = self.question_of(id);
        let sources = question.and_then(|question| self.current.messages().at_key(question).sources().try_get());
        read(&sources.unwrap_or_default())
    }

    /// The source of this number, from 1, of a question or an answer, with the file that it is of, if that is there.
    pub(crate) async fn source(self, id: MessageId, number: usize) -> Option<(Attachment, Option<Attachment>)> {
        let source = untrack(|| self.sources_of(id, |sources| sources.get(number.checked_sub(1)?).cloned()))?;
        let question = self.question_of(id).and_then(|question| self.find_message(question))?;
        let file = match source.file {
            Some(file) => self.library.project_file(file).await.ok().flatten(),
            None => question.attachments.into_iter().find(|file| file.name == source.name),
        };
        Some((source, file))
    }

    /// The message itself if it is a question, or else the one before it.
    fn question_of(self, id: MessageId) -> Option<MessageId> {
        let messages = self.current.messages();
        let messages = messages.read_untracked();
        let message = messages.iter().find(|message| message.id == id)?;
        if message.role == Role::User { Some(id) } else { message.parent }
    }

    /// What a question is sent with: passages of its own files if they are too long, and of its project's.
    pub(super) async fn find_sources(
        self,
        files: Vec<Attachment>,
        question: String,
        project: Option<Id>,
    ) -> Result<Vec<Attachment>, String> {
        let mut sources = Vec::new();
        if self.is_too_long(&files) {
            sources = self.passages(files, question.clone()).await?;
        }
        if let Some(project) = project {
            sources.extend(self.project_passages(project, question).await?);
        }
        Ok(sources)
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
