//! Vectors of texts, by an embedding model beside the one that chats.

use futures::channel::oneshot;
use leptos::prelude::*;
use parlance_protocol::openai::{EmbeddingList, EmbeddingRequest, Endpoint};
use parlance_protocol::{Event, Failure, FailureKind, ModelSource, Reason, Request, RequestId};

use super::Client;

/// Texts of a request: more would keep the queue from others for too long.
const BATCH: usize = 32;

impl Client {
    /// The vectors of texts by the model at an address, which is loaded if it is not yet.
    pub(crate) async fn embed(self, url: String, texts: &[String]) -> Result<Vec<Vec<f32>>, Failure> {
        let source = ModelSource::Url { url };
        let load = |id| Request::Load { id, source, context_tokens: None, beside: true, unless_loaded: false };
        self.call(load).await?;
        let mut vectors = Vec::with_capacity(texts.len());
        for texts in texts.chunks(BATCH) {
            let request = EmbeddingRequest { input: texts.into(), ..EmbeddingRequest::default() };
            // Plain structs with string keys always have a JSON form.
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

    /// How many tokens a text has for the model that is ready; `None` if none is, or it went away.
    pub(crate) async fn count_tokens(self, text: String) -> Option<u32> {
        self.ready_model()?;
        match self.call(|id| Request::CountTokens { id, text }).await {
            Ok(Event::Counted { tokens, .. }) => Some(tokens),
            _ => None,
        }
    }

    /// Sends a request and waits for the event that ends it.
    async fn call(self, request: impl FnOnce(RequestId) -> Request) -> Result<Event, Failure> {
        let id = self.next_request();
        let (sender, receiver) = oneshot::channel();
        self.link.update_value(|link| {
            link.replies.insert(id, sender);
        });
        self.send(request(id), Vec::new());
        match receiver.await {
            Ok(Event::Failed { failure, .. }) => Err(failure),
            Ok(event) => Ok(event),
            // The worker died with the request.
            Err(_) => Err(no_answer()),
        }
    }

    /// Hands an event to whoever waits for it; gives it back if nobody does.
    pub(super) fn reply(self, event: Event) -> Option<Event> {
        let (Event::Loaded { id, .. }
        | Event::Response { id, .. }
        | Event::Counted { id, .. }
        | Event::Failed { id, .. }) = &event
        else {
            return Some(event);
        };
        match self.link.try_update_value(|link| link.replies.remove(id)).flatten() {
            Some(sender) => {
                // Whoever waited may be gone.
                let _ = sender.send(event);
                None
            }
            None => Some(event),
        }
    }
}

fn no_answer() -> Failure {
    let detail = "the engine gave no vectors";
    Failure::new(FailureKind::Crashed, detail).with_reason(Reason::EngineStopped { detail: detail.to_owned() })
}
