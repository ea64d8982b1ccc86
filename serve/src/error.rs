//! Why the server does not start, and how requests are refused.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use parlance_api::RequestError;
use parlance_engine::EngineError;
use parlance_protocol::Failure;
use parlance_protocol::openai::{ApiError, ApiErrorBody};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{0}; --help lists the options")]
    Usage(String),
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    File(PathBuf, io::Error),
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Model(PathBuf, EngineError),
    #[error("{path}: {message}", path = .0.display(), message = .1)]
    Config(PathBuf, String),
    #[error("{0} is reachable from other devices, so it needs --keys")]
    NoKeys(SocketAddr),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error("the system does not allow it: {0}")]
    System(#[from] io::Error),
    #[error("the engine has stopped; the message above says why")]
    EngineStopped,
}

/// The response to a request that is not answered, in the form that `OpenAI`'s clients expect.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: ApiError,
    /// Another header, with its value.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let error = ApiError { code: Some(code.to_owned()), ..ApiError::new(status.as_u16(), message) };
        Self { status, error, header: None }
    }

    /// A request without a key, or with another.
    pub(crate) fn bad_key() -> Self {
        let refusal = Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", "the key is missing or wrong");
        Self { header: Some(Box::new((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))), ..refusal }
    }

    /// A path that takes other methods.
    pub(crate) fn wrong_method(path: &str, allowed: &[&str]) -> Self {
        let message = format!("{path} takes {}", allowed.join(" or "));
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
        let header = HeaderValue::try_from(allowed.join(", ")).ok().map(|methods| Box::new((ALLOW, methods)));
        Self { header, ..refusal }
    }

    /// More requests than the server takes at a time.
    pub(crate) fn too_many() -> Self {
        let message = "too many requests are waiting; try again later";
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message);
        Self { header: Some(Box::new((RETRY_AFTER, HeaderValue::from_static("1")))), ..refusal }
    }

    /// The engine's thread has ended.
    pub(crate) fn engine_stopped() -> Self {
        let message = "the engine has stopped";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "engine_unavailable", message)
    }

    /// The engine has ended a stream early.
    pub(crate) fn broken_off() -> Self {
        let message = "the answer broke off, because it was read too slowly or the engine has stopped";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "broken_off", message)
    }

    /// The time for an answer is over.
    pub(crate) fn too_late() -> Self {
        let message = "there was no answer in time";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Its JSON.
    pub(crate) fn body(&self) -> String {
        to_json(&ApiErrorBody { error: self.error.clone() })
    }
}

impl From<Box<Failure>> for Refusal {
    fn from(failure: Box<Failure>) -> Self {
        let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, error: failure.error, header: None }
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Box::new(error.failure()).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json_response(self.status, self.body());
        response.headers_mut().extend(self.header.map(|header| *header));
        response
    }
}

/// A response with this JSON.
pub(crate) fn json_response(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

/// The JSON of plain data, which always has one.
pub(crate) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
