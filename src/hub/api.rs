//! Requests to the server.

use js_sys::{Reflect, Uint8Array, encode_uri_component};
use leptos::prelude::window;
use serde::Deserialize;
use serde_json::Value;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, ReadableStreamDefaultReader, RequestInit, Response};

use super::files::RepositoryFiles;
use super::{server, token};
use crate::transport::describe;

/// Repositories per search.
const MAX_FOUND: u32 = 20;
/// Maximum bytes of a response. Lists of files have up to a few hundred kilobytes.
const MAX_RESPONSE_BYTES: usize = 8 << 20;

/// A repository with models.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Repository {
    /// `owner/name`.
    pub(crate) id: String,
    /// Downloads in the last 30 days.
    pub(crate) downloads: f64,
    /// Whether its files need a token: `false`, or how access is granted.
    gated: Value,
    tags: Vec<String>,
    gguf: Option<GgufFacts>,
}

/// What the server read from a model's header.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct GgufFacts {
    /// Number of parameters.
    total: Option<f64>,
    architecture: Option<String>,
}

impl Repository {
    /// Whether its files need a token.
    pub(crate) fn is_gated(&self) -> bool {
        !matches!(self.gated, Value::Null | Value::Bool(false))
    }

    /// Its licence, if it names one.
    pub(crate) fn licence(&self) -> Option<&str> {
        self.tags.iter().find_map(|tag| tag.strip_prefix("license:"))
    }

    /// Number of parameters, if known.
    pub(crate) fn parameters(&self) -> Option<f64> {
        self.gguf.as_ref()?.total.filter(|total| *total > 0.0)
    }

    /// The architecture, if known.
    pub(crate) fn architecture(&self) -> Option<&str> {
        self.gguf.as_ref()?.architecture.as_deref()
    }
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum HubError {
    /// The server responded with this status.
    Status(u16),
    /// It could not be reached, or its response could not be read.
    Network(String),
    /// Its response is not what the API promises.
    Invalid,
}

impl HubError {
    /// Whether the server wants a token, or another one.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Status(401 | 403))
    }

    /// What happened, for people.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Status(status) => format!("HTTP {status}"),
            Self::Network(detail) => detail.clone(),
            Self::Invalid => "JSON".to_owned(),
        }
    }
}

/// Repositories with models that match some words, those with the most downloads first.
pub(crate) async fn search(words: &str) -> Result<Vec<Repository>, HubError> {
    let fields = ["downloads", "gated", "tags", "gguf"].map(|field| format!("&expand[]={field}")).concat();
    let words = String::from(encode_uri_component(words.trim()));
    let url = format!("{}/api/models?search={words}&filter=gguf&sort=downloads&limit={MAX_FOUND}{fields}", server());
    found(&get(&url).await?).ok_or(HubError::Invalid)
}

/// The model files of a repository.
pub(crate) async fn files_of(repository: &str) -> Result<RepositoryFiles, HubError> {
    let server = server();
    let json = get(&format!("{server}/api/models/{repository}/tree/main?recursive=true")).await?;
    let url_of = |path: &str| {
        let segments: Option<Vec<String>> = path.split('/').map(encoded).collect();
        Some(format!("{server}/{repository}/resolve/main/{}", segments?.join("/")))
    };
    RepositoryFiles::read(&json, &url_of).ok_or(HubError::Invalid)
}

/// A segment of a path in a URL; `None` if it would lead elsewhere.
fn encoded(segment: &str) -> Option<String> {
    let is_name = !segment.is_empty() && segment != "." && segment != "..";
    is_name.then(|| String::from(encode_uri_component(segment)))
}

/// The repositories in a response; entries that are none are left out.
fn found(json: &[u8]) -> Option<Vec<Repository>> {
    let entries: Vec<Value> = serde_json::from_slice(json).ok()?;
    let found = entries.into_iter().filter_map(|entry| serde_json::from_value::<Repository>(entry).ok());
    Some(found.filter(|repository| is_repository(&repository.id)).collect())
}

/// Whether this is `owner/name`, so that it can be part of a URL.
fn is_repository(id: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = |name: &str| !name.is_empty() && !name.starts_with('.') && name.chars().all(is_allowed);
    id.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// The body of a response, of limited length.
async fn get(url: &str) -> Result<Vec<u8>, HubError> {
    let network = |error: JsValue| HubError::Network(describe(&error));
    let init = RequestInit::new();
    if let Some(token) = token::of(&server()) {
        let headers = Headers::new().map_err(network)?;
        headers.set("Authorization", &format!("Bearer {token}")).map_err(network)?;
        init.set_headers(&headers);
    }
    let fetched = JsFuture::from(window().fetch_with_str_and_init(url, &init)).await.map_err(network)?;
    let response: Response = fetched.unchecked_into();
    if !response.ok() {
        return Err(HubError::Status(response.status()));
    }
    let body = response.body().ok_or(HubError::Invalid)?;
    let reader = ReadableStreamDefaultReader::new(&body).map_err(network)?;
    let mut bytes = Vec::new();
    loop {
        let chunk = JsFuture::from(reader.read()).await.map_err(network)?;
        let field = |name: &str| Reflect::get(&chunk, &name.into()).map_err(network);
        if field("done")?.is_truthy() {
            return Ok(bytes);
        }
        bytes.extend(field("value")?.unchecked_into::<Uint8Array>().to_vec());
        if bytes.len() > MAX_RESPONSE_BYTES {
            // The rest is of no interest, nor is whether cancelling succeeds.
            let _ = JsFuture::from(reader.cancel()).await;
            return Err(HubError::Invalid);
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn repositories_are_read_leniently_but_their_ids_strictly() {
        let json = br#"[
            {"id":"a/b-GGUF","downloads":12,"gated":"manual","tags":["gguf","license:mit"],"gguf":{"total":4e9,"architecture":"qwen3"}},
            {"id":"c/d"},
            {"id":"../x/y"}, {"id":"x/y?z"}, {"id":"x"}, {"id":3}, "z"
        ]"#;
        let Some(repositories) = found(json) else { panic!("it is a list") };
        let [gated, plain] = repositories.as_slice() else { panic!("{repositories:?}") };
        assert!(gated.is_gated() && !plain.is_gated());
        assert_eq!(
            (gated.licence(), gated.parameters(), gated.architecture()),
            (Some("mit"), Some(4e9), Some("qwen3"))
        );
        assert_eq!((plain.licence(), plain.parameters(), plain.downloads), (None, None, 0.0));
        assert_eq!(found(b"{}"), None);
    }

    #[wasm_bindgen_test]
    fn paths_stay_in_their_repository() {
        assert_eq!(encoded("a b?.gguf").as_deref(), Some("a%20b%3F.gguf"));
        for other in ["", ".", ".."] {
            assert_eq!(encoded(other), None);
        }
    }
}
