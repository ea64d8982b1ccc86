//! Which endpoint a request is for, and the parameters that its path and query have.

use axum::http::StatusCode;
use axum::http::request::Parts;
use parlance_protocol::openai::Endpoint;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::error::Refusal;

/// Method, path and endpoint of each request. A part in braces is a parameter.
const ROUTES: [(&str, &str, Endpoint); 11] = [
    ("POST", "v1/chat/completions", Endpoint::ChatCompletions),
    ("POST", "v1/completions", Endpoint::Completions),
    ("POST", "v1/responses", Endpoint::Responses),
    ("GET", "v1/responses/{response_id}", Endpoint::RetrieveResponse),
    ("DELETE", "v1/responses/{response_id}", Endpoint::DeleteResponse),
    ("POST", "v1/responses/{response_id}/cancel", Endpoint::CancelResponse),
    ("GET", "v1/responses/{response_id}/input_items", Endpoint::InputItems),
    ("POST", "v1/embeddings", Endpoint::Embeddings),
    ("POST", "v1/rerank", Endpoint::Rerank),
    ("GET", "v1/models", Endpoint::Models),
    ("GET", "v1/models/{model}", Endpoint::RetrieveModel),
];

/// The endpoint of a request, and its parameters: an object of strings.
pub(crate) fn route(parts: &Parts) -> Result<(Endpoint, Value), Refusal> {
    let path = parts.uri.path().trim_matches('/');
    let mut methods = Vec::new();
    for (method, pattern, endpoint) in ROUTES {
        let Some(of_path) = parameters(pattern, path) else { continue };
        if parts.method.as_str() == method {
            let query = parts.uri.query().unwrap_or_default();
            let of_query = form_urlencoded::parse(query.as_bytes());
            let mut all: Map<String, Value> =
                of_query.map(|(name, text)| (name.into_owned(), Value::from(text))).collect();
            all.extend(of_path);
            return Ok((endpoint, Value::Object(all)));
        }
        methods.push(method);
    }
    if methods.is_empty() {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "unknown_url", format!("there is no {path}")));
    }
    Err(Refusal::wrong_method(path, &methods))
}

/// The parameters in a path; `None` if it is another one.
fn parameters(pattern: &str, path: &str) -> Option<Map<String, Value>> {
    let mut found = Map::new();
    let (mut expected, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return Some(found),
            (Some(part), Some(text)) => match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(name) if !text.is_empty() => {
                    found.insert(name.to_owned(), Value::from(percent_decode_str(text).decode_utf8_lossy()));
                }
                None if part == text => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use axum::http::Request;
    use serde_json::json;

    use super::*;

    fn routed(method: &str, path: &str) -> Result<(Endpoint, Value), Refusal> {
        let (parts, ()) = Request::builder().method(method).uri(path).body(()).unwrap().into_parts();
        route(&parts)
    }

    #[test]
    fn endpoints_have_the_parameters_of_path_and_query() {
        for (method, path, endpoint, parameters) in [
            ("POST", "/v1/chat/completions", Endpoint::ChatCompletions, json!({})),
            ("GET", "/v1/models/", Endpoint::Models, json!({})),
            ("GET", "/v1/models/a%20b%2Fc", Endpoint::RetrieveModel, json!({ "model": "a b/c" })),
            ("GET", "/v1/responses/r1", Endpoint::RetrieveResponse, json!({ "response_id": "r1" })),
            ("DELETE", "/v1/responses/r1", Endpoint::DeleteResponse, json!({ "response_id": "r1" })),
            ("POST", "/v1/responses/r1/cancel", Endpoint::CancelResponse, json!({ "response_id": "r1" })),
            (
                "GET",
                "/v1/responses/r1/input_items?limit=2&after=a%2Bb&response_id=x",
                Endpoint::InputItems,
                json!({ "response_id": "r1", "limit": "2", "after": "a+b" }),
            ),
        ] {
            assert_eq!(routed(method, path).unwrap(), (endpoint, parameters), "{path}");
        }
    }

    #[test]
    fn other_paths_and_methods_are_told_apart() {
        let status = |method, path| routed(method, path).unwrap_err().status();
        for path in ["/v1/files", "/v1", "/", "/v1/responses//cancel", "/v1/responses/r1/other", "/v1/models/a/b"] {
            assert_eq!(status("GET", path), StatusCode::NOT_FOUND, "{path}");
        }
        for (method, path) in [("POST", "/v1/models"), ("PATCH", "/v1/responses/r1"), ("GET", "/v1/responses")] {
            assert_eq!(status(method, path), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
}
