//! Bodies of requests: read as JSON, or discarded before a refusal.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::StatusCode;
use axum::http::header::EXPECT;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::time::timeout;

use crate::error::Refusal;

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How much of a refused body is read, so that clients that read no response before they have sent everything see it.
const DISCARDED_BYTES: usize = 256 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Reads a body of JSON, of at most `limit` bytes.
pub(crate) async fn read_json(body: &mut Body, limit: usize) -> Result<Value, Refusal> {
    let bytes = timeout(BODY_TIME, read(body, limit))
        .await
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not arrive in time"))??;
    serde_json::from_slice(&bytes)
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "invalid_json", "the body is not JSON"))
}

async fn read(body: &mut Body, limit: usize) -> Result<Vec<u8>, Refusal> {
    let too_large = || {
        let message = format!("the body is longer than {limit} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let broken = |_| Refusal::new(StatusCode::BAD_REQUEST, "invalid_body", "the body broke off");
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// The response to a refused request, once its body has come.
pub(crate) async fn refuse(refusal: Refusal, parts: &Parts, body: &mut Body) -> Response {
    // A client that asked before sending the body will not send it.
    if !parts.headers.contains_key(EXPECT) {
        // Whatever comes of it, the response is the same.
        let _ = timeout(DISCARD_TIME, discard(body)).await;
    }
    refusal.into_response()
}

/// Reads the rest of a body, up to a limit.
async fn discard(body: &mut Body) {
    let mut len = 0;
    while let Some(Ok(frame)) = body.frame().await {
        len += frame.data_ref().map_or(0, Bytes::len);
        if len > DISCARDED_BYTES {
            return;
        }
    }
}
