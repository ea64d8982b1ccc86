//! Serves `dist/` under a sub-path, as any static host would, and a few faulty model files beside it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tiny_http::{Header, Request, Response, StatusCode};

use crate::split::split;
use crate::{model_path, root};

/// The sub-path that the site is served under: it must not depend on being at the root.
const SITE: &str = "/some/path/";

/// A server on a free port of this machine. It stops when dropped.
pub struct Server {
    http: Arc<tiny_http::Server>,
    port: u16,
    shared: Arc<Shared>,
}

/// What the threads that answer share.
#[derive(Default)]
struct Shared {
    /// Bytes of models sent.
    sent: AtomicU64,
    /// Whether a newer build has been put in the site's place.
    is_newer: AtomicBool,
    /// A file of this machine's that is served beside the site.
    offered: Mutex<Option<PathBuf>>,
}

impl Server {
    /// Starts to serve the built site.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start() -> io::Result<Self> {
        let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").map_err(io::Error::other)?);
        let port = server.server_addr().to_ip().map(|address| address.port()).unwrap_or_default();
        let shared = Arc::new(Shared::default());
        // A page fetches several files at once, and a model takes its time.
        for _ in 0..8 {
            let (server, shared) = (Arc::clone(&server), Arc::clone(&shared));
            thread::spawn(move || {
                for request in server.incoming_requests() {
                    // A client that went away is no fault of the server's.
                    let _ = answer(request, &shared);
                }
            });
        }
        Ok(Self { http: server, port, shared })
    }

    /// The address of a page of the site; `query` begins with `?` or is empty.
    pub fn page(&self, query: &str) -> String {
        format!("http://127.0.0.1:{}{SITE}{query}", self.port)
    }

    /// Puts a newer build of the site in the place of the one that is served.
    pub fn publish_newer_build(&self) {
        self.shared.is_newer.store(true, Ordering::Relaxed);
    }

    /// The address of an empty page beside the site, for scripts of other sites.
    pub fn blank_page(&self) -> String {
        format!("http://127.0.0.1:{}/blank.html", self.port)
    }

    /// An empty page that may use threads (`Cross-Origin-Opener-Policy`, `Cross-Origin-Embedder-Policy`).
    pub fn isolated_page(&self) -> String {
        format!("http://127.0.0.1:{}/isolated.html", self.port)
    }

    /// Serves a file of this machine's beside the site, and returns its address.
    pub fn offer(&self, file: &Path) -> String {
        *self.shared.offered.lock().unwrap_or_else(PoisonError::into_inner) = Some(file.to_owned());
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        format!("http://127.0.0.1:{}/offered/{name}", self.port)
    }

    /// The address of the demo model on a slow line, about 15 MB a second.
    pub fn slow_model(&self) -> String {
        format!("http://127.0.0.1:{}/slow/model.gguf", self.port)
    }

    /// The address of the demo model cut into three files, by the name of the second.
    pub fn split_model(&self) -> String {
        format!("http://127.0.0.1:{}/parts/model-00002-of-00003.gguf", self.port)
    }

    /// Bytes of the cut model sent so far.
    pub fn sent_bytes(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// The address of the embedding model that the set-up makes.
    pub fn embedding_model(&self) -> String {
        format!("http://127.0.0.1:{}/embedding/all-MiniLM-L6-v2.gguf", self.port)
    }

    /// The address of a faulty file, see `faulty`.
    pub fn faulty(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/faulty/{name}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.http.unblock();
    }
}

/// A file that is read slowly.
struct SlowFile(File);

impl io::Read for SlowFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(75_000);
        thread::sleep(Duration::from_millis(5));
        self.0.read(&mut buffer[..len])
    }
}

/// The demo model in three files.
static PARTS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| std::fs::read(model_path()).and_then(|model| split(&model, 3)).unwrap_or_default());

/// The range of bytes that a request asks for, as start and end.
fn range(request: &Request, len: usize) -> Option<(usize, usize)> {
    let header = request.headers().iter().find(|header| header.field.equiv("Range"))?;
    let (start, last) = header.value.as_str().strip_prefix("bytes=")?.split_once('-')?;
    let (start, last) = (start.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
    (start < len && start <= last).then(|| (start, (last + 1).min(len)))
}

/// Sends a file, or the range of it that is asked for.
fn send_ranges(request: Request, bytes: &'static [u8], sent: &AtomicU64) -> io::Result<()> {
    let asked = range(&request, bytes.len());
    let (start, end) = asked.unwrap_or((0, bytes.len()));
    sent.fetch_add((end - start) as u64, Ordering::Relaxed);
    let mut response = Response::new(
        StatusCode(if asked.is_some() { 206 } else { 200 }),
        Vec::new(),
        &bytes[start..end],
        Some(end - start),
        None,
    );
    let content_range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
    if let Ok(header) = Header::from_bytes("Content-Range", content_range) {
        response.add_header(header);
    }
    request.respond(unchunked(response))
}

fn answer(request: Request, shared: &Shared) -> io::Result<()> {
    let path = request.url().split('?').next().unwrap_or_default().to_owned();
    if let Some(name) = path.strip_prefix("/faulty/") {
        return match faulty(name) {
            Some(bytes) => request.respond(unchunked(Response::from_data(bytes))),
            None => request.respond(Response::from_string("not here").with_status_code(404)),
        };
    }
    if let Some(name) = path.strip_prefix("/parts/model-0000") {
        let number = name.split('-').next().and_then(|number| number.parse::<usize>().ok()).unwrap_or(0);
        return match PARTS.get(number.wrapping_sub(1)) {
            Some(bytes) => send_ranges(request, bytes, &shared.sent),
            None => request.respond(Response::from_string("not here").with_status_code(404)),
        };
    }
    if path.starts_with("/embedding/") {
        let file = File::open(root().join("target/test-data/all-MiniLM-L6-v2.F16.gguf"))?;
        return request.respond(unchunked(Response::from_file(file)));
    }
    if path.starts_with("/offered/") {
        let offered = shared.offered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        return match offered.map(File::open) {
            Some(file) => request.respond(unchunked(Response::from_file(file?))),
            None => request.respond(Response::from_string("not here").with_status_code(404)),
        };
    }
    if let "/blank.html" | "/isolated.html" = path.as_str() {
        let isolation: &[_] = match path.as_str() {
            "/isolated.html" => {
                &[("Cross-Origin-Opener-Policy", "same-origin"), ("Cross-Origin-Embedder-Policy", "require-corp")]
            }
            _ => &[],
        };
        let headers = [("Content-Type", "text/html")].iter().chain(isolation);
        let headers = headers.filter_map(|(name, value)| Header::from_bytes(*name, *value).ok());
        return request.respond(headers.fold(Response::from_string("<!doctype html>"), Response::with_header));
    }
    if path == "/slow/model.gguf" {
        let file = File::open(model_path())?;
        let len = usize::try_from(file.metadata()?.len()).ok();
        return request.respond(unchunked(Response::new(StatusCode(200), Vec::new(), SlowFile(file), len, None)));
    }
    let package = path.strip_prefix("/npm/").and_then(|name| file_in("target/test-data/npm", name));
    let file = package.or_else(|| path.strip_prefix(SITE).and_then(file_of_site));
    let Some((path, file)) = file.and_then(|path| File::open(&path).ok().map(|file| (path, file))) else {
        // As static hosts answer for addresses that are no files.
        let page = std::fs::read_to_string(root().join("dist/404.html")).unwrap_or_default();
        let html = Header::from_bytes("Content-Type", "text/html; charset=utf-8").into_iter();
        let response = Response::from_string(page).with_status_code(404);
        return request.respond(html.fold(response, Response::with_header));
    };
    let mut response = unchunked(match newer(&path).filter(|_| shared.is_newer.load(Ordering::Relaxed)) {
        Some(text) => Response::from_string(text).boxed(),
        None => Response::from_file(file).boxed(),
    });
    // As static hosts send files that other sites may use.
    for (name, value) in [("Content-Type", content_type(&path)), ("Access-Control-Allow-Origin", "*")] {
        if let Ok(header) = Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    request.respond(response)
}

/// A file of the site as a newer build has it, if it differs: another name of the build, and a page that tells which one it is.
fn newer(path: &Path) -> Option<String> {
    let (old, new) = match path.file_name()?.to_str()? {
        "service-worker.js" => ("const BUILD = \"", "const BUILD = \"newer-"),
        "index.html" => ("<title>Parlance</title>", "<title>Parlance, newer</title>"),
        _ => return None,
    };
    Some(std::fs::read_to_string(path).ok()?.replacen(old, new, 1))
}

/// As file hosts send files: with their length.
fn unchunked<R: io::Read>(response: Response<R>) -> Response<R> {
    response.with_chunked_threshold(usize::MAX)
}

/// The file behind a path, unless it leads out of the site.
fn file_of_site(relative: &str) -> Option<PathBuf> {
    file_in("dist", if relative.is_empty() { "index.html" } else { relative })
}

/// The file behind a path in a folder of the repository, unless it leads out of it.
fn file_in(folder: &str, relative: &str) -> Option<PathBuf> {
    let relative = Path::new(relative);
    let is_inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
    // A folder is no file.
    is_inside.then(|| root().join(folder).join(relative)).filter(|path| path.is_file())
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

/// Files that no model can be loaded from.
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
        "quantisation.gguf" => Some(minimal_gguf("llama", 16)),
        _ => None,
    }
}

/// The smallest file with an architecture and, for a llama, hyperparameters and an embedding of a type.
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
