//! Requests for responses that are kept or in progress. They need no model.

use parlance_api::KeptResponse;
use parlance_protocol::openai::{Endpoint, Response, ResponseStatus};
use serde_json::Value;

use crate::error::WorkerError;
use crate::leader::Shared;

impl Shared {
    /// Answers a request for a response.
    pub(crate) async fn answer_for_response(&self, endpoint: Endpoint, body: &Value) -> Result<Value, WorkerError> {
        let id = KeptResponse::id_of(body)?;
        let in_progress = match endpoint {
            Endpoint::CancelResponse => self.cancel(id),
            Endpoint::RetrieveResponse => self.in_progress(id),
            _ => None,
        };
        if let Some(response) = in_progress {
            return Ok(serde_json::to_value(response).unwrap_or_default());
        }
        let store = self.store().await.ok_or_else(|| KeptResponse::missing(id))?;
        let kept = store.responses().find(id).await.ok_or_else(|| KeptResponse::missing(id))?;
        if endpoint == Endpoint::DeleteResponse {
            store.responses().remove(id).await?;
        }
        Ok(kept.answer(endpoint, body)?)
    }

    /// The response of this id, if it is in progress.
    fn in_progress(&self, id: &str) -> Option<Response> {
        self.running.borrow().iter().map(|running| &running.response).find(|response| response.id == id).cloned()
    }

    /// Stops a response, if it is in progress.
    fn cancel(&self, id: &str) -> Option<Response> {
        let response = self.in_progress(id)?;
        for running in self.running.borrow().iter().filter(|running| running.response.id == id) {
            self.interrupts.stop(&running.key);
        }
        Some(Response { status: ResponseStatus::Cancelled, ..response })
    }
}
