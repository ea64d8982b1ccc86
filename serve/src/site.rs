//! The built site, with the headers that improve on what its pages carry themselves (docs/deploy.md).

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tower_http::services::{ServeDir, ServeFile};

const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    // Together these let models on the CPU use several threads.
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
];

/// A hash in a file's name has at least this many digits.
const MIN_HASH_DIGITS: usize = 16;

/// Serves the files of a folder.
pub(crate) fn router(folder: &Path) -> Router {
    let files = ServeDir::new(folder).not_found_service(ServeFile::new(folder.join("404.html")));
    Router::new().fallback_service(files).layer(from_fn(with_headers))
}

async fn with_headers(request: Request, next: Next) -> Response {
    let is_immutable = has_hash(request.uri().path());
    let mut response = next.run(request).await;
    let is_found = response.status().is_success();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let caching = if is_immutable && is_found { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}

/// Whether a file's name has a hash, so that its contents never change: `parlance-0123456789abcdef_bg.wasm`.
fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_hash = |part: &str| part.len() >= MIN_HASH_DIGITS && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.split(['-', '_', '.']).any(is_hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_with_a_hash_in_their_names_never_change() {
        for path in ["/a/parlance-0123456789abcdef.js", "/parlance-0123456789abcdef_bg.wasm"] {
            assert!(has_hash(path), "{path}");
        }
        for path in ["/", "/index.html", "/service-worker.js", "/models/SmolLM2-135M-Instruct.Q4_1.gguf"] {
            assert!(!has_hash(path), "{path}");
        }
    }
}
