//! Responses that clients continue, look at, cancel and delete: the last ones, in memory. A client sees its own only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use parlance_api::{KeptResponse, RequestError};
use parlance_protocol::openai::{Endpoint, Response, ResponseStatus};
use parlance_worker_core::recent::{Recent, Room};
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::queue::Owner;

/// The responses of all clients.
pub(crate) struct Responses(Mutex<State>);

struct State {
    recent: Recent,
    /// By id: whose they are, and their bytes.
    kept: HashMap<String, (Owner, Vec<u8>)>,
    running: Vec<Running>,
}

/// A response that is being generated.
struct Running {
    owner: Owner,
    /// As it was at its beginning, unless it was cancelled.
    response: Response,
    /// Dropped to stop it.
    wanted: Option<Receiver<()>>,
}

impl Default for Responses {
    fn default() -> Self {
        Self(Mutex::new(State { recent: Recent::new(Room::RESPONSES, []), kept: HashMap::new(), running: Vec::new() }))
    }
}

impl Responses {
    /// Notes that a response is being generated. The channel closes when it is cancelled.
    pub(crate) fn begin(&self, owner: Owner, response: Response) -> Sender<()> {
        let (sender, wanted) = channel(1);
        self.lock().running.push(Running { owner, response, wanted: Some(wanted) });
        sender
    }

    /// Notes that a response is not being generated any more, and keeps it.
    pub(crate) fn end(&self, owner: Owner, id: &str, kept: Option<&KeptResponse>) {
        let kept = kept.map(|kept| (kept.response.id.clone(), kept.to_bytes()));
        let mut state = self.lock();
        state.running.retain(|running| !running.is(owner, id));
        let Some((id, bytes)) = kept else { return };
        let gone = state.recent.add(id.clone(), bytes.len() as u64);
        state.kept.insert(id, (owner, bytes));
        for id in gone {
            state.kept.remove(&id);
        }
    }

    /// A response that is kept. It is used now, so others go first.
    pub(crate) fn find(&self, owner: Owner, id: &str) -> Option<KeptResponse> {
        let mut state = self.lock();
        let (_, bytes) = state.kept.get(id).filter(|(own, _)| *own == owner)?;
        let bytes = bytes.clone();
        state.recent.touch(id);
        drop(state);
        KeptResponse::from_bytes(&bytes)
    }

    /// Answers a request about a response.
    pub(crate) fn answer(&self, owner: Owner, endpoint: Endpoint, parameters: &Value) -> Result<Value, RequestError> {
        let id = KeptResponse::id_of(parameters)?;
        let in_progress = match endpoint {
            Endpoint::CancelResponse => self.cancel(owner, id),
            Endpoint::RetrieveResponse => self.in_progress(owner, id),
            _ => None,
        };
        if let Some(response) = in_progress {
            return Ok(serde_json::to_value(response).unwrap_or_default());
        }
        let kept = self.find(owner, id).ok_or_else(|| KeptResponse::missing(id))?;
        if endpoint == Endpoint::DeleteResponse {
            let mut state = self.lock();
            state.recent.remove(id);
            state.kept.remove(id);
        }
        kept.answer(endpoint, parameters)
    }

    fn in_progress(&self, owner: Owner, id: &str) -> Option<Response> {
        let state = self.lock();
        state.running.iter().find(|running| running.is(owner, id)).map(|running| running.response.clone())
    }

    fn cancel(&self, owner: Owner, id: &str) -> Option<Response> {
        let mut state = self.lock();
        let running = state.running.iter_mut().find(|running| running.is(owner, id))?;
        drop(running.wanted.take());
        running.response.status = ResponseStatus::Cancelled;
        Some(running.response.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn is(&self, owner: Owner, id: &str) -> bool {
        self.owner == owner && self.response.id == id
    }
}
