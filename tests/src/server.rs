//! Serves the built site under a sub-path, as any static host would, and model files for tests next to it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::TcpListener;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use crate::split::split;
use crate::tiny::{encoder, talking_model};
use crate::{model_path, root, site};

/// The path of the site, which must not depend on being at the root.
const SITE: &str = "/some/path/";
/// The demo model's path within the site.
const DEMO_MODEL: &str = "/models/SmolLM2-135M-Instruct.Q4_1.gguf";
/// Everything below this path is cross-origin isolated.
const ISOLATED: &str = "/isolated";

/// A server on a free local port. It stops when dropped.
pub struct Server {
    /// Runs the server; held only to be dropped with it.
    _runtime: Runtime,
    port: u16,
    shared: Arc<Shared>,
}

/// State that all requests share.
#[derive(Default)]
struct Shared {
    /// Bytes of the split model sent.
    sent: AtomicU64,
    build: Mutex<Build>,
    /// Local files that are served next to the site.
    offered: Mutex<Vec<PathBuf>>,
    /// Replaces the demo model.
    demo_model: Option<Bytes>,
    /// Served instead of the site.
    folder: Option<PathBuf>,
}

/// The build of the site that is served.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Build {
    /// The site as it was built.
    #[default]
    Built,
    /// A newer build.
    Newer,
    /// A newer build that was copied over the old one, except for `index.html`.
    Mixed,
}

impl Server {
    /// Starts serving the built site.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start() -> io::Result<Self> {
        Self::start_with(Shared::default())
    }

    /// Like [`Self::start`], but with [`talking_model`] as the demo model: for tests in which the text of answers does
    /// not matter.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start_with_tiny_model() -> io::Result<Self> {
        Self::start_with(Shared { demo_model: Some(talking_model()?.into()), ..Shared::default() })
    }

    /// Serves a folder at the root, as the host of a project does, with tiny models next to it.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start_with_folder(folder: PathBuf) -> io::Result<Self> {
        let demo_model = Some(talking_model()?.into());
        Self::start_with(Shared { demo_model, folder: Some(folder), ..Shared::default() })
    }

    fn start_with(shared: Shared) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(shared);
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(async { tokio::net::TcpListener::from_std(listener) })?;
        runtime.spawn(axum::serve(listener, app).into_future());
        Ok(Self { _runtime: runtime, port, shared })
    }

    /// The URL of a page of the site; `path` is relative and may have a query.
    pub fn page(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{SITE}{path}", self.port)
    }

    /// The server's origin.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Serves a newer build of the site from now on.
    pub fn publish_newer_build(&self) {
        self.publish(Build::Newer);
    }

    /// Serves a newer build with the old `index.html` from now on, as a host does after an incomplete upload.
    pub fn publish_mixed_builds(&self) {
        self.publish(Build::Mixed);
    }

    fn publish(&self, build: Build) {
        *self.shared.build.lock().unwrap_or_else(PoisonError::into_inner) = build;
    }

    /// The URL of an empty page outside the site, to run scripts on.
    pub fn blank_page(&self) -> String {
        format!("http://127.0.0.1:{}/blank.html", self.port)
    }

    /// The URL of a page of the site that is cross-origin isolated, so that it may use threads.
    pub fn isolated_page(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{ISOLATED}{SITE}{path}", self.port)
    }

    /// The URL of an empty page that is cross-origin isolated.
    pub fn isolated_blank_page(&self) -> String {
        format!("http://127.0.0.1:{}{ISOLATED}/blank.html", self.port)
    }

    /// Serves a local file from now on, and returns its URL.
    pub fn offer(&self, file: &Path) -> String {
        self.shared.offered.lock().unwrap_or_else(PoisonError::into_inner).push(file.to_owned());
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        format!("http://127.0.0.1:{}/offered/{name}", self.port)
    }

    /// The URL of the demo model over a slow connection, about 15 MB/s.
    pub fn slow_model(&self) -> String {
        format!("http://127.0.0.1:{}/slow/model.gguf", self.port)
    }

    /// The URL of the second of three files that the demo model is split into.
    pub fn split_model(&self) -> String {
        format!("http://127.0.0.1:{}/parts/model-00002-of-00003.gguf", self.port)
    }

    /// Bytes of the split model sent so far.
    pub fn sent_bytes(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// The URL of the embedding model that `cargo xtask setup` converts.
    pub fn embedding_model(&self) -> String {
        format!("http://127.0.0.1:{}/embedding/all-MiniLM-L6-v2.gguf", self.port)
    }

    /// The URL of a tiny embedding model or ranker, see [`encoder`].
    pub fn tiny_encoder(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/tiny/{name}.gguf", self.port)
    }

    /// The URL of a file that cannot be loaded, see `faulty`.
    pub fn faulty(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/faulty/{name}", self.port)
    }
}

/// The demo model in three files.
static PARTS: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
    let parts = std::fs::read(model_path()).and_then(|model| split(&model, 3)).unwrap_or_default();
    parts.into_iter().map(Bytes::from).collect()
});

/// The byte range that a request asks for: start and end.
fn range(headers: &HeaderMap, len: usize) -> Option<(usize, usize)> {
    let (start, last) = headers.get(RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let (start, last) = (start.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
    (start < len && start <= last).then(|| (start, (last + 1).min(len)))
}

/// A file, or the requested range of it.
fn ranges(headers: &HeaderMap, bytes: &Bytes, sent: &AtomicU64) -> Response {
    let asked = range(headers, bytes.len());
    let (start, end) = asked.unwrap_or((0, bytes.len()));
    sent.fetch_add((end - start) as u64, Ordering::Relaxed);
    let status = if asked.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let content_range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
    (status, [(CONTENT_RANGE, content_range)], bytes.slice(start..end)).into_response()
}

/// A file, which may be long, or the requested range of it.
fn file_response(headers: &HeaderMap, path: &Path) -> io::Result<Response> {
    const PIECE_BYTES: u64 = 1 << 20;
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let asked = range(headers, usize::try_from(len).unwrap_or(usize::MAX));
    let (start, end) = asked.map_or((0, len), |(start, end)| (start as u64, end as u64));
    file.seek(SeekFrom::Start(start))?;
    let pieces = stream::unfold(file.take(end - start), |mut rest| async {
        let mut piece = Vec::new();
        let read = rest.by_ref().take(PIECE_BYTES).read_to_end(&mut piece).map(|_| piece);
        let is_end = read.as_ref().is_ok_and(Vec::is_empty);
        (!is_end).then_some((read, rest))
    });
    let status = if asked.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = (status, [(CONTENT_LENGTH, end - start)], Body::from_stream(pieces)).into_response();
    if asked.is_some() {
        let range = format!("bytes {start}-{}/{len}", end - 1);
        response.headers_mut().insert(CONTENT_RANGE, HeaderValue::try_from(range).map_err(io::Error::other)?);
    }
    Ok(response)
}

/// A file that is sent slowly.
fn slow(file: File) -> io::Result<Response> {
    let len = file.metadata()?.len();
    let pieces = stream::unfold(file, |mut file| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut piece = vec![0; 75_000];
        let read = file.read(&mut piece).map(|len| {
            piece.truncate(len);
            piece
        });
        let is_end = read.as_ref().is_ok_and(Vec::is_empty);
        (!is_end).then_some((read, file))
    });
    Ok(([(CONTENT_LENGTH, len)], Body::from_stream(pieces)).into_response())
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "not here").into_response()
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    // Reading whole files may take a while.
    let path = request.uri().path().to_owned();
    let response = tokio::task::spawn_blocking(move || match path.strip_prefix(ISOLATED) {
        Some(path) => respond(path, &request, &shared).map(isolated),
        None => respond(&path, &request, &shared),
    });
    let response = response.await;
    match response.map_err(io::Error::other).flatten() {
        Ok(response) => response,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The response with the headers for cross-origin isolation.
fn isolated(mut response: Response) -> Response {
    for (name, value) in
        [("cross-origin-opener-policy", "same-origin"), ("cross-origin-embedder-policy", "require-corp")]
    {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn respond(path: &str, request: &Request, shared: &Shared) -> io::Result<Response> {
    if let Some(name) = path.strip_prefix("/faulty/") {
        return Ok(faulty(name).map_or_else(missing, axum::response::IntoResponse::into_response));
    }
    if let Some(name) = path.strip_prefix("/parts/model-0000") {
        let number = name.split('-').next().and_then(|number| number.parse::<usize>().ok()).unwrap_or(0);
        let part = PARTS.get(number.wrapping_sub(1));
        return Ok(part.map_or_else(missing, |part| ranges(request.headers(), part, &shared.sent)));
    }
    if let Some(name) = path.strip_prefix("/tiny/").and_then(|name| name.strip_suffix(".gguf")) {
        return Ok(encoder(name)?.into_response());
    }
    if path.starts_with("/embedding/") {
        return Ok(std::fs::read(root().join("target/test-data/all-MiniLM-L6-v2.F16.gguf"))?.into_response());
    }
    if let Some(name) = path.strip_prefix("/offered/") {
        let offered = shared.offered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let file = offered.iter().find(|file| file.file_name().is_some_and(|own| own == name));
        return file.map_or_else(|| Ok(missing()), |file| file_response(request.headers(), file));
    }
    if path == "/slow/model.gguf" {
        return slow(File::open(model_path())?);
    }
    if path == "/favicon.ico" {
        // Browsers request it for pages without an icon.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if path == "/blank.html" {
        return Ok(([(CONTENT_TYPE, "text/html")], "<!doctype html>").into_response());
    }
    if let Some(model) = shared.demo_model.as_ref().filter(|_| path.ends_with(DEMO_MODEL)) {
        return Ok(model.clone().into_response());
    }
    if let Some(folder) = &shared.folder {
        return folder_response(folder, path.trim_start_matches('/'));
    }
    let build = *shared.build.lock().unwrap_or_else(PoisonError::into_inner);
    site_response(path, request.uri().query(), build)
}

/// A file of a folder. Other sites may use it.
fn folder_response(folder: &Path, relative: &str) -> io::Result<Response> {
    let name = if relative.is_empty() { "index.html" } else { relative };
    let Some(file) = file_in(folder, name) else { return Ok(missing()) };
    let headers = [(CONTENT_TYPE, content_type(&file)), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    Ok((headers, std::fs::read(file)?).into_response())
}

/// The response of a static host: a file of the site, the page of a folder, a file of an npm package, or the page for
/// unknown paths. Folders without a trailing slash redirect.
fn site_response(path: &str, query: Option<&str>, build: Build) -> io::Result<Response> {
    if path.strip_prefix(SITE).is_some_and(is_site_folder) {
        let name = path.rsplit('/').next().unwrap_or_default();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        return Ok(Redirect::permanent(&format!("{name}/{query}")).into_response());
    }
    let package = path.strip_prefix("/npm/").and_then(|name| {
        // The tests' packages, and the one for benchmarks.
        ["tests/npm/node_modules", "target/test-data/npm"].iter().find_map(|folder| file_in(&root().join(folder), name))
    });
    let Some(file) = package.or_else(|| path.strip_prefix(SITE).and_then(site_file)) else {
        let page = std::fs::read(site().join("404.html")).unwrap_or_default();
        return Ok((StatusCode::NOT_FOUND, [(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response());
    };
    // Static hosts let other sites use their files.
    let headers = [(CONTENT_TYPE, content_type(&file)), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    let is_old = build == Build::Built || build == Build::Mixed && file == site().join("index.html");
    let body = if is_old { std::fs::read(file)? } else { newer(&file)? };
    Ok((headers, body).into_response())
}

/// Files that differ in a newer build, with the old and the new text: a page that names its build, and the build's id.
const CHANGES: [(&str, &str, &str); 2] = [
    ("index.html", "<title>Parlance</title>", "<title>Parlance</title><meta name=\"build\" content=\"newer\" />"),
    ("build.js", "const BUILD = \"", "const BUILD = \"newer-"),
];

/// A file of the site in a newer build.
fn newer(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    let name = path.file_name().unwrap_or_default();
    if path != site().join("service-worker.js") {
        return Ok(match CHANGES.iter().find(|(changed, ..)| name == *changed) {
            Some((_, old, new)) => replaced(&bytes, old, new),
            None => bytes,
        });
    }
    let digest = |bytes: &[u8]| format!("sha256-{}", STANDARD.encode(Sha256::digest(bytes)));
    let mut text = String::from_utf8_lossy(&bytes).replacen("const BUILD = \"", "const BUILD = \"newer-", 1);
    for (changed, old, new) in CHANGES {
        let bytes = std::fs::read(path.with_file_name(changed))?;
        text = text.replacen(&digest(&bytes), &digest(&replaced(&bytes, old, new)), 1);
    }
    Ok(text.into_bytes())
}

fn replaced(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    String::from_utf8_lossy(bytes).replacen(old, new, 1).into_bytes()
}

/// The file at a path of the site, unless the path leaves the site. For a folder it is the page.
fn site_file(relative: &str) -> Option<PathBuf> {
    let is_folder = relative.is_empty() || relative.ends_with('/');
    file_in(&site(), &if is_folder { format!("{relative}index.html") } else { relative.to_owned() })
}

/// Whether a path of the site is a folder without a trailing slash.
fn is_site_folder(relative: &str) -> bool {
    let is_inside = Path::new(relative).components().all(|part| matches!(part, Component::Normal(_)));
    is_inside && !relative.is_empty() && !relative.ends_with('/') && site().join(relative).is_dir()
}

/// The file at a path in a folder, unless the path leaves the folder.
fn file_in(folder: &Path, relative: &str) -> Option<PathBuf> {
    let relative = Path::new(relative);
    let is_inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
    is_inside.then(|| folder.join(relative)).filter(|path| path.is_file())
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript",
        Some("css") => "text/css",
        Some("json" | "webmanifest") => "application/json",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// Files that cannot be loaded as a model.
fn faulty(name: &str) -> Option<Vec<u8>> {
    let start_of_model = |len: u64| {
        let mut bytes = Vec::new();
        File::open(model_path()).ok()?.take(len).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    match name {
        "page.html" => Some(b"<!doctype html><title>Sign in</title><p>Please sign in.".to_vec()),
        "pointer.gguf" => {
            Some(b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 98362432\n".to_vec())
        }
        "picture.gguf" => Some(b"\x89PNG\r\n\x1a\n0123456789012345678901234567890123456789".to_vec()),
        "cut-header.gguf" => start_of_model(100_000),
        "cut-weights.gguf" => start_of_model(20_000_000),
        "architecture.gguf" => Some(minimal_gguf("mamba", 0)),
        "quantisation.gguf" => Some(minimal_gguf("llama", 9)),
        _ => None,
    }
}

/// The smallest file with an architecture and, for Llama, hyperparameters and an embedding in some format.
fn minimal_gguf(architecture: &str, embedding_type: u32) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    let string = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    let numbers = [
        ("llama.embedding_length", 256u32),
        ("llama.attention.head_count", 4),
        ("llama.feed_forward_length", 256),
        ("llama.context_length", 128),
        ("llama.block_count", 1),
    ];
    bytes.extend(3u32.to_le_bytes());
    bytes.extend(1u64.to_le_bytes());
    bytes.extend((2 + numbers.len() as u64).to_le_bytes());
    string(&mut bytes, "general.architecture");
    bytes.extend(8u32.to_le_bytes());
    string(&mut bytes, architecture);
    string(&mut bytes, "llama.attention.layer_norm_rms_epsilon");
    bytes.extend(6u32.to_le_bytes());
    bytes.extend(1e-5f32.to_le_bytes());
    for (key, value) in numbers {
        string(&mut bytes, key);
        bytes.extend(4u32.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    string(&mut bytes, "token_embd.weight");
    bytes.extend(2u32.to_le_bytes());
    bytes.extend(256u64.to_le_bytes());
    bytes.extend(2u64.to_le_bytes());
    bytes.extend(embedding_type.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.resize(bytes.len() + 4096, 0);
    bytes
}
