//! `/v1/`: the `OpenAI` API.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use parlance_api::{RequestError, find_model, model_list};
use parlance_protocol::openai::{Endpoint, ModelEntry};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::access::{Access, Peer};
use crate::body::{read_json, refuse};
use crate::engine::UNREAD_CHUNKS;
use crate::error::{Refusal, json_response, to_json};
use crate::log::Entry;
use crate::options::Limits;
use crate::queue::{Event, Owner, Queue, Ticket, Work};
use crate::responses::Responses;
use crate::routes::route;

/// What requests share.
pub(crate) struct Api {
    access: Arc<Access>,
    queue: Arc<Queue>,
    responses: Arc<Responses>,
    models: Vec<ModelEntry>,
    limits: Limits,
    /// Taken by requests that are read, wait or are answered.
    slots: Arc<Semaphore>,
}

/// An answer to a request.
enum Answer {
    Whole(String),
    Stream(Chunks),
}

impl Api {
    pub(crate) fn new(
        access: Arc<Access>,
        queue: Arc<Queue>,
        responses: Arc<Responses>,
        models: Vec<ModelEntry>,
        limits: Limits,
    ) -> Self {
        Self { access, queue, responses, models, limits, slots: Arc::new(Semaphore::new(limits.requests)) }
    }

    /// Answers what needs no model; `None` if it does.
    fn at_once(&self, owner: Owner, endpoint: Endpoint, parameters: &Value) -> Option<Result<Value, RequestError>> {
        match endpoint {
            Endpoint::Models => Some(Ok(model_list(self.models.clone()))),
            Endpoint::RetrieveModel => Some(find_model(&self.models, parameters)),
            Endpoint::RetrieveResponse | Endpoint::DeleteResponse | Endpoint::CancelResponse | Endpoint::InputItems => {
                Some(self.responses.answer(owner, endpoint, parameters))
            }
            Endpoint::ChatCompletions
            | Endpoint::Completions
            | Endpoint::Responses
            | Endpoint::Embeddings
            | Endpoint::Rerank => None,
        }
    }

    /// Answers a request. When its client leaves, this future or the stream is dropped, and the engine stops.
    async fn answer(&self, peer: IpAddr, parts: &Parts, body: &mut Body) -> Result<Answer, Refusal> {
        let deadline = Instant::now() + self.limits.time;
        let owner = self.access.owner(&parts.headers, peer)?;
        let (endpoint, parameters) = route(parts)?;
        if let Some(answer) = self.at_once(owner, endpoint, &parameters) {
            return Ok(Answer::Whole(to_json(&answer?)));
        }
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Refusal::too_many())?;
        let body = read_json(body, self.limits.body_bytes).await?;
        let (events, mut incoming) = mpsc::channel(UNREAD_CHUNKS);
        let work = Work { owner, endpoint, body, events };
        let ticket = self.queue.push(work).ok_or_else(Refusal::engine_stopped)?;
        let first = timeout_at(deadline, incoming.recv()).await.map_err(|_| Refusal::too_late())?;
        match first {
            Some(Event::Done(Some(body))) => Ok(Answer::Whole(body)),
            Some(Event::Failed(failure)) => Err(failure.into()),
            None => Err(Refusal::engine_stopped()),
            first => Ok(Answer::Stream(Chunks {
                first,
                incoming,
                has_types: endpoint == Endpoint::Responses,
                deadline,
                entry: None,
                _held: (ticket, slot),
            })),
        }
    }
}

/// Handles all of `/v1/`.
pub(crate) async fn handle(
    State(api): State<Arc<Api>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
) -> Response {
    let (parts, mut body) = request.into_parts();
    let mut entry = Entry::new(&parts.method, parts.uri.path());
    match api.answer(peer, &parts, &mut body).await {
        Ok(Answer::Whole(body)) => {
            entry.end(StatusCode::OK);
            json_response(StatusCode::OK, body)
        }
        Ok(Answer::Stream(chunks)) => Chunks { entry: Some(entry), ..chunks }.into_response(),
        Err(refusal) => {
            entry.end(refusal.status());
            refuse(refusal, &parts, &mut body).await
        }
    }
}

/// A streamed answer: server-sent events in `OpenAI`'s format.
struct Chunks {
    /// The event that came first.
    first: Option<Event>,
    incoming: mpsc::Receiver<Event>,
    /// Whether events have a type, the last of which is the end.
    has_types: bool,
    deadline: Instant,
    /// `None` before the response has begun, and after its end.
    entry: Option<Entry>,
    _held: (Ticket, OwnedSemaphorePermit),
}

impl Chunks {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, "text/event-stream"),
            (CACHE_CONTROL, "no-store"),
            // nginx would collect what it passes on.
            (HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        // The next chunk is only asked for when the one before has been written.
        (headers, Body::from_stream(stream::unfold(self, Self::next))).into_response()
    }

    /// The next piece of the body.
    async fn next(mut self) -> Option<(Result<String, Infallible>, Self)> {
        self.entry.as_ref()?;
        let event = match self.first.take() {
            Some(event) => Ok(Some(event)),
            None => timeout_at(self.deadline, self.incoming.recv()).await,
        };
        let (data, status) = match event {
            Ok(Some(Event::Chunk(chunk))) => return Some((Ok(chunk), self)),
            Ok(Some(Event::Done(_))) => ((!self.has_types).then(|| "[DONE]".to_owned()), StatusCode::OK),
            Ok(Some(Event::Failed(failure))) => ended_by(&failure.into()),
            Ok(None) => ended_by(&Refusal::broken_off()),
            Err(_) => ended_by(&Refusal::too_late()),
        };
        if let Some(mut entry) = self.entry.take() {
            entry.end(status);
        }
        Some((Ok(format!("data: {}\n\n", data?)), self))
    }
}

/// What ends a stream instead of `[DONE]`, and the status for the log.
fn ended_by(refusal: &Refusal) -> (Option<String>, StatusCode) {
    (Some(refusal.body()), refusal.status())
}
