//! A stand-in for Hugging Face: the part of its JSON API that the site uses, and files that are redirected to another host, as
//! there. It notes every request.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::host::hex;
use crate::seeing::SeeingModel;

/// The token that opens the gated repository.
pub const TOKEN: &str = "hf_of_the_test";
/// A repository with a model that sees, one that is far too large, and one that lacks a part.
pub const OPEN: &str = "tiny/Seeing-GGUF";
/// A repository whose files need [`TOKEN`].
pub const GATED: &str = "locked/Gated-GGUF";

/// What all responses allow pages of other origins to do.
const CORS: &str = "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: Authorization, Range\r\nAccess-Control-Expose-Headers: Content-Range, ETag\r\nConnection: close\r\n";

/// The hub and the host of its files. Both stop when it is dropped.
pub struct Hub {
    ports: [u16; 2],
    state: Arc<State>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whether it came to the host of files, not to the hub.
    pub is_files: bool,
    /// Its path with the query.
    pub path: String,
    /// Its `Authorization` header.
    pub authorization: Option<String>,
}

struct State {
    files: SeeingModel,
    seen: Mutex<Vec<Seen>>,
    file_origin: String,
    is_down: AtomicBool,
}

impl Hub {
    /// Starts both.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(files: SeeingModel) -> io::Result<Self> {
        let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let mut ports = [0; 2];
        for (port, listener) in ports.iter_mut().zip(&listeners) {
            *port = listener.local_addr()?.port();
        }
        let file_origin = format!("http://127.0.0.1:{}", ports[1]);
        let state = Arc::new(State { files, seen: Mutex::default(), file_origin, is_down: AtomicBool::new(false) });
        for (listener, is_files) in listeners.into_iter().zip([false, true]) {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if state.is_down.load(Ordering::Relaxed) {
                        break;
                    }
                    let state = Arc::clone(&state);
                    // An error means that the client went away.
                    thread::spawn(move || state.respond(stream, is_files));
                }
            });
        }
        Ok(Self { ports, state })
    }

    /// The origins of the hub and of the host of its files.
    pub fn origins(&self) -> [String; 2] {
        self.ports.map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// The requests so far, without those that browsers send before others.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.state.is_down.store(true, Ordering::Relaxed);
        for port in self.ports {
            // Wakes the accept loop.
            let _ = TcpStream::connect(("127.0.0.1", port));
        }
    }
}

impl State {
    fn respond(&self, mut stream: TcpStream, is_files: bool) -> io::Result<()> {
        let (mut method, mut path, mut authorization, mut range) = (String::new(), String::new(), None, None);
        for (index, line) in BufReader::new(stream.try_clone()?).lines().enumerate() {
            let line = line?;
            if line.is_empty() {
                break;
            }
            if index == 0 {
                let mut words = line.split(' ').map(str::to_owned);
                method = words.next().unwrap_or_default();
                path = words.next().unwrap_or_default();
                continue;
            }
            let Some((name, value)) = line.split_once(": ") else { continue };
            match name.to_lowercase().as_str() {
                "authorization" => authorization = Some(value.to_owned()),
                "range" => range = Some(value.to_owned()),
                _ => {}
            }
        }
        if method == "OPTIONS" {
            return write!(stream, "HTTP/1.1 204 No Content\r\n{CORS}\r\n");
        }
        let seen = Seen { is_files, path: path.clone(), authorization: authorization.clone() };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        if is_files {
            return send_range(&mut stream, self.file(&path), range.as_deref());
        }
        if let Some(query) = path.strip_prefix("/api/models?") {
            return found(&mut stream, query);
        }
        if let Some(rest) = path.strip_prefix("/api/models/") {
            return send_json(&mut stream, &self.list(rest));
        }
        let is_allowed = !path.contains(GATED) || authorization == Some(format!("Bearer {TOKEN}"));
        if is_allowed {
            let location = format!("{}{path}", self.file_origin);
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n{CORS}\r\n")
        } else {
            write!(stream, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n{CORS}\r\n")
        }
    }

    fn file(&self, path: &str) -> &[u8] {
        if path.contains("mmproj") { &self.files.projector } else { &self.files.model }
    }

    /// The files of a repository.
    fn list(&self, path: &str) -> Value {
        let file = |path: &str, bytes: &[u8]| {
            let oid = hex(&Sha256::digest(bytes));
            json!({ "type": "file", "path": path, "size": bytes.len(), "lfs": { "oid": oid, "size": bytes.len() } })
        };
        let model = file("model-Q8_0.gguf", &self.files.model);
        if path.starts_with(GATED) {
            return json!([model]);
        }
        json!([
            { "type": "file", "path": "README.md", "size": 10 },
            { "type": "file", "path": "../evil-Q4_0.gguf", "size": 10 },
            { "type": "file", "path": "huge-Q4_K_M.gguf", "size": 9e12 },
            { "type": "file", "path": "part-F16-00002-of-00002.gguf", "size": 10 },
            file("mmproj-model-F16.gguf", &self.files.projector),
            model,
        ])
    }
}

/// The repositories that match a search.
fn found(stream: &mut TcpStream, query: &str) -> io::Result<()> {
    if query.contains("search=broken") {
        return write!(stream, "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n{CORS}\r\n");
    }
    if query.contains("search=garbage") {
        return send_json(stream, &json!({ "error": "no list" }));
    }
    let all = [
        json!({
            "id": OPEN, "downloads": 1234, "gated": false, "tags": ["gguf", "license:mit"],
            "gguf": { "total": 4_000_000_000_u64, "architecture": "gemma3" },
        }),
        json!({ "id": GATED, "downloads": 7, "gated": "manual", "tags": ["gguf"] }),
        json!({ "id": "../../evil", "downloads": 9, "tags": [] }),
    ];
    let words = query.split('&').find_map(|field| field.strip_prefix("search=")).unwrap_or_default().to_lowercase();
    let is_found = |entry: &Value| entry["id"].as_str().is_some_and(|id| id.to_lowercase().contains(&words));
    send_json(stream, &all.into_iter().filter(is_found).collect())
}

fn send_json(stream: &mut TcpStream, value: &Value) -> io::Result<()> {
    let body = value.to_string();
    let len = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n{CORS}\r\n{body}")
}

fn send_range(stream: &mut TcpStream, bytes: &[u8], range: Option<&str>) -> io::Result<()> {
    let len = bytes.len();
    let numbers = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let parsed = numbers.and_then(|(start, last)| Some((start.parse::<usize>().ok()?, last.parse::<usize>().ok()?)));
    let (start, end) = parsed.map_or((0, len), |(start, last)| (start.min(len - 1), (last + 1).min(len)));
    let status = if parsed.is_some() { "206 Partial Content" } else { "200 OK" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{len}\r\nETag: \"v1\"\r\n{CORS}\r\n",
        end - start,
        end - 1
    )?;
    stream.write_all(&bytes[start..end])
}
