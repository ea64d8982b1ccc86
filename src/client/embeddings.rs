//! Embeddings and rankings, by an embedding model and a ranker loaded next to the chat model.

use futures::channel::oneshot;
use leptos::prelude::*;
use parlance_protocol::openai::{EmbeddingList, EmbeddingRequest, Endpoint, RerankRequest, Reranking};
use parlance_protocol::{Event, Failure, FailureKind, ModelSource, Reason, Request, RequestId};
use serde_json::Value;

use super::Client;

/// Texts per request. Larger requests would block the queue for too long.
const BATCH: usize = 32;

impl Client {
    /// Embeds texts with the model at `url`, loading it if necessary.
    pub(crate) async fn embed(self, url: String, texts: &[String]) -> Result<Vec<Vec<f32>>, Failure> {
        self.load_beside(url).await?;
        let mut vectors = Vec::with_capacity(texts.len());
        for texts in texts.chunks(BATCH) {
            let request = EmbeddingRequest { input: texts.into(), ..EmbeddingRequest::default() };
            // Plain structs with string keys always serialise.
            let body = serde_json::to_value(request).unwrap_or_default();
            let event = self.call(|id| Request::Api { id, endpoint: Endpoint::Embeddings, body }).await?;
            let Event::Response { body: Some(body), .. } = event else { return Err(no_answer()) };
            let list: EmbeddingList = serde_json::from_value(body).map_err(|_| no_answer())?;
            for entry in list.data {
                vectors.push(serde_json::from_value(entry.embedding).map_err(|_| no_answer())?);
            }
        }
        Ok(vectors)
    }

    /// The indices of texts in the order in which they answer a question, best first, by the ranker at `url`, which is loaded if necessary.
    pub(crate) async fn rank(self, url: String, query: String, texts: &[String]) -> Result<Vec<usize>, Failure> {
        self.load_beside(url).await?;
        let documents = texts.iter().cloned().map(Value::String).collect();
        let request = RerankRequest { query, documents, ..RerankRequest::default() };
        // Plain structs with string keys always serialise.
        let body = serde_json::to_value(request).unwrap_or_default();
        let event = self.call(|id| Request::Api { id, endpoint: Endpoint::Rerank, body }).await?;
        let Event::Response { body: Some(body), .. } = event else { return Err(no_answer()) };
        let ranking: Reranking = serde_json::from_value(body).map_err(|_| no_answer())?;
        Ok(ranking.results.into_iter().map(|result| result.index as usize).collect())
    }

    /// Loads a model that reads texts only, next to those that are loaded.
    async fn load_beside(self, url: String) -> Result<(), Failure> {
        let source = ModelSource::Url { url };
        let projector = Some(String::new());
        let load =
            |id| Request::Load { id, source, projector, context_tokens: None, beside: true, unless_loaded: false };
        self.call(load).await.map(drop)
    }

    /// Counts a text's tokens with the ready model's tokenizer; `None` if no model is ready or it is unloaded.
    pub(crate) async fn count_tokens(self, text: String) -> Option<u32> {
        self.ready_model()?;
        match self.call(|id| Request::CountTokens { id, text }).await {
            Ok(Event::Counted { tokens, .. }) => Some(tokens),
            _ => None,
        }
    }

    /// Sends a request and waits for its final event.
    pub(super) async fn call(self, request: impl FnOnce(RequestId) -> Request) -> Result<Event, Failure> {
        let id = self.next_request();
        self.call_as(id, request(id)).await
    }

    /// The same, with a number that the caller knows.
    pub(super) async fn call_as(self, id: RequestId, request: Request) -> Result<Event, Failure> {
        let (sender, receiver) = oneshot::channel();
        self.link.update_value(|link| {
            link.replies.insert(id, sender);
        });
        self.send(request, Vec::new());
        match receiver.await {
            Ok(Event::Failed { failure, .. }) => Err(failure),
            Ok(event) => Ok(event),
            // The worker died with the request.
            Err(_) => Err(no_answer()),
        }
    }

    /// Passes an event to the [`Client::call`] that waits for it; returns the event if there is none.
    pub(super) fn reply(self, event: Event) -> Option<Event> {
        let (Event::Loaded { id, .. }
        | Event::Response { id, .. }
        | Event::Storage { id, .. }
        | Event::Counted { id, .. }
        | Event::Failed { id, .. }) = &event
        else {
            return Some(event);
        };
        match self.link.try_update_value(|link| link.replies.remove(id)).flatten() {
            Some(sender) => {
                // The caller may be gone.
                let _ = sender.send(event);
                None
            }
            None => Some(event),
        }
    }
}

fn no_answer() -> Failure {
    let detail = "the engine returned no embeddings or ranking";
    Failure::new(FailureKind::Crashed, detail).with_reason(Reason::EngineStopped { detail: detail.to_owned() })
}
