//! The log: a line of JSON on standard error for each request, without what was asked or answered.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::http::{Method, StatusCode};
use serde_json::json;

/// A request, which is logged when this is dropped.
pub(crate) struct Entry {
    method: Method,
    path: String,
    start: Instant,
    outcome: Outcome,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The client left before the end.
    Left,
    /// A response with this status.
    Status(StatusCode),
}

impl Entry {
    pub(crate) fn new(method: &Method, path: &str) -> Self {
        // Paths are the client's to choose.
        let path = path.chars().take(100).collect();
        Self { method: method.clone(), path, start: Instant::now(), outcome: Outcome::Left }
    }

    /// Notes how it ended.
    pub(crate) fn end(&mut self, status: StatusCode) {
        self.outcome = Outcome::Status(status);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let status = match self.outcome {
            Outcome::Status(status) => json!(status.as_u16()),
            Outcome::Left => json!("left"),
        };
        let milliseconds = self.start.elapsed().as_millis() as u64;
        let method = self.method.as_str();
        eprintln!(
            "{}",
            json!({ "time": now(), "method": method, "path": self.path, "status": status, "ms": milliseconds })
        );
    }
}

/// Logs something else.
pub(crate) fn note(message: &str) {
    eprintln!("{}", json!({ "time": now(), "message": message }));
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1000.0).round() / 1000.0
}
