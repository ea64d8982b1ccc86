//! What clients and their requests are known by, and the names of channels and locks.

use parlance_protocol::RequestId;

use crate::identity::scope;

/// Identifies a client: empty for the page that started this worker.
pub(crate) type ClientId = String;

/// Identifies a request among those of all clients.
pub(crate) type RequestKey = (ClientId, RequestId);

/// The lock that the leader holds. Each build has one of its own: builds may not speak the same protocol.
pub(crate) fn leader_lock() -> String {
    format!("parlance.engine:{}", scope())
}

/// Where followers and the service worker ask the leader.
pub(crate) fn requests_channel() -> String {
    format!("parlance.requests:{}", scope())
}

/// Where the leader answers a client.
pub(crate) fn events_channel(client: &str) -> String {
    format!("parlance.events:{}.{client}", scope())
}

/// The lock that a client holds as long as it lives.
pub(crate) fn client_lock(client: &str) -> String {
    format!("parlance.client:{}.{client}", scope())
}
