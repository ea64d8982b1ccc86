//! `/lend/`: what a browser cannot do, lent to pages that know the token. Off unless the owner asks for it (SECURITY.md).
#![allow(clippy::unused_async, reason = "handlers are asynchronous")]

mod fetch;
mod mcp;
mod secret;

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as PathPart, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::access::{Keys, bearer};
use crate::body::read_json;
use crate::error::{Refusal, StartError, json_response};
use crate::log::Entry;
use fetch::{FetchError, Page};
use mcp::Servers;
use secret::random_hex;

/// Pages that are fetched at a time.
const FETCHES: usize = 8;
/// Length of a request to fetch a page.
const FETCH_REQUEST_BYTES: usize = 16 << 10;

/// What is lent.
pub(crate) struct Lender {
    token: String,
    /// The token alone.
    keys: Keys,
    fetches: Semaphore,
    servers: Servers,
}

impl Lender {
    /// Lends pages of public hosts, and the MCP servers of a configuration, for a new token.
    pub(crate) fn new(mcp: Option<&Path>) -> Result<Self, StartError> {
        let token = random_hex().map_err(io::Error::other)?;
        let servers = mcp.map(Servers::read).transpose()?.unwrap_or_default();
        Ok(Self { keys: Keys::of([token.as_str()]), token, fetches: Semaphore::new(FETCHES), servers })
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    async fn fetch(&self, request: Request) -> Result<Response, Refusal> {
        let Ok(_permit) = self.fetches.try_acquire() else { return Err(Refusal::too_many()) };
        let body = read_json(&mut request.into_body(), FETCH_REQUEST_BYTES).await?;
        let Some(url) = body.get("url").and_then(Value::as_str).map(str::to_owned) else {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_value", "url: it must be a string"));
        };
        let fetched = tokio::task::spawn_blocking(move || fetch::fetch(&url)).await;
        let page = fetched.unwrap_or_else(|error| Err(FetchError::Failed(error.to_string())));
        Ok(page_response(page.map_err(|error| refusal(&error))?))
    }
}

/// The paths under `/lend/`.
pub(crate) fn router(lender: Lender) -> Router {
    let lender = Arc::new(lender);
    Router::new()
        .route("/lend/fetch", post(fetch_page))
        .route("/lend/mcp", get(list_servers))
        .route("/lend/mcp/{name}", post(send_message).get(receive_messages).delete(end_session))
        .layer(from_fn_with_state(Arc::clone(&lender), check_token))
        .with_state(lender)
}

/// Refuses requests without the token, and logs all.
async fn check_token(State(lender): State<Arc<Lender>>, request: Request, next: Next) -> Response {
    let mut entry = Entry::new(request.method(), request.uri().path());
    let is_known = bearer(request.headers()).is_some_and(|token| lender.keys.find(token).is_some());
    let response = if is_known { next.run(request).await } else { Refusal::bad_key().into_response() };
    entry.end(response.status());
    response
}

/// Fetches `{"url": …}`.
async fn fetch_page(State(lender): State<Arc<Lender>>, request: Request) -> Response {
    lender.fetch(request).await.unwrap_or_else(Refusal::into_response)
}

/// A page as plain bytes, so that no browser takes it for a document of this server.
fn page_response(page: Page) -> Response {
    let mut response = page.body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let about = [("x-page-status", page.status), ("x-page-url", page.url), ("x-page-content-type", page.content_type)];
    for (name, value) in about {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn refusal(error: &FetchError) -> Refusal {
    let (status, code) = match error {
        FetchError::BadUrl => (StatusCode::BAD_REQUEST, "invalid_value"),
        FetchError::NotPublic => (StatusCode::FORBIDDEN, "not_public"),
        FetchError::TooLarge => (StatusCode::BAD_GATEWAY, "page_too_large"),
        FetchError::Failed(_) => (StatusCode::BAD_GATEWAY, "fetch_failed"),
    };
    Refusal::new(status, code, error.to_string())
}

async fn list_servers(State(lender): State<Arc<Lender>>) -> Response {
    json_response(StatusCode::OK, json!({ "servers": lender.servers.names() }).to_string())
}

async fn send_message(
    State(lender): State<Arc<Lender>>,
    PathPart(name): PathPart<String>,
    request: Request,
) -> Response {
    lender.servers.send(&name, request).await.unwrap_or_else(Refusal::into_response)
}

async fn receive_messages(
    State(lender): State<Arc<Lender>>,
    PathPart(name): PathPart<String>,
    request: Request,
) -> Response {
    lender.servers.receive(&name, request.headers()).unwrap_or_else(Refusal::into_response)
}

async fn end_session(
    State(lender): State<Arc<Lender>>,
    PathPart(name): PathPart<String>,
    request: Request,
) -> Response {
    match lender.servers.end(&name, request.headers()) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}
