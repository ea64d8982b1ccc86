//! A model host with range requests and entity tags, which fails on demand. Each connection serves one request, so that
//! it can be cut off.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::split::split;

/// Bytes written at once.
const CHUNK_BYTES: usize = 64 << 10;

/// A host whose origin differs from the site's. It stops when dropped.
pub struct ModelHost {
    port: u16,
    state: Arc<State>,
}

/// How a host responds.
#[derive(Debug, Clone, Copy, Default)]
pub enum HostMode {
    /// Correctly: with ranges and lengths.
    #[default]
    Normal,
    /// With whole files in chunks, without their length.
    Chunked,
    /// With this status line and these headers, and no body.
    Head(&'static str),
}

struct State {
    /// The files of a model, in order.
    files: Vec<Vec<u8>>,
    mode: Mutex<HostMode>,
    etag: Mutex<String>,
    /// How many of the next responses end halfway.
    drops: AtomicU32,
    /// How many of the next requests get a 503.
    refusals: AtomicU32,
    /// How many of the next responses stop after their first bytes.
    stalls: AtomicU32,
    /// After how many more requests the entity tag changes; never if 0.
    requests_to_change: AtomicU32,
    requests: AtomicU32,
    /// Delay before each chunk.
    delay_us: AtomicU64,
    sent_bytes: AtomicU64,
    is_down: AtomicBool,
}

impl ModelHost {
    /// Starts serving `bytes` at any path.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(bytes: Vec<u8>) -> io::Result<Self> {
        Self::serve(vec![bytes])
    }

    /// Starts serving `model` split into `count` files, whose names end in `-00001-of-0000N.gguf` and so on.
    ///
    /// # Errors
    /// If `model` is not a model, or no port is free.
    pub fn start_split(model: &[u8], count: usize) -> io::Result<Self> {
        Self::serve(split(model, count)?)
    }

    fn serve(files: Vec<Vec<u8>>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            files,
            mode: Mutex::default(),
            etag: Mutex::new("\"v1\"".to_owned()),
            drops: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
            stalls: AtomicU32::new(0),
            requests_to_change: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            delay_us: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            is_down: AtomicBool::new(false),
        });
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.is_down.load(Ordering::Relaxed) {
                    break;
                }
                let state = Arc::clone(&serving);
                // An error means that the client went away.
                thread::spawn(move || state.respond(stream));
            }
        });
        Ok(Self { port, state })
    }

    /// The URL of a file.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// The checksums of its files, as a URL pins them.
    pub fn pins(&self) -> String {
        let pins: Vec<String> = self.state.files.iter().map(|file| hex(&Sha256::digest(file))).collect();
        pins.join(",")
    }

    /// Sets how it responds from now on.
    pub fn set_mode(&self, mode: HostMode) {
        *self.state.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Cuts off the next `count` responses halfway.
    pub fn drop_next(&self, count: u32) {
        self.state.drops.store(count, Ordering::Relaxed);
    }

    /// Responds to the next `count` requests with 503.
    pub fn refuse_next(&self, count: u32) {
        self.state.refusals.store(count, Ordering::Relaxed);
    }

    /// Stops sending the next `count` responses after their first bytes, but leaves the connections open.
    pub fn stall_next(&self, count: u32) {
        self.state.stalls.store(count, Ordering::Relaxed);
    }

    /// Sets the entity tag to another one after `count` more requests, as if the file changed then.
    pub fn change_after(&self, count: u32) {
        self.state.requests_to_change.store(count, Ordering::Relaxed);
    }

    /// Requests answered so far.
    pub fn requests(&self) -> u32 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// Waits before every 64 kB. Over four connections, 10 ms mean about 26 MB/s.
    pub fn slow_down(&self, delay: Duration) {
        self.state.delay_us.store(delay.as_micros() as u64, Ordering::Relaxed);
    }

    /// Sets the entity tag, as if the file had changed.
    pub fn set_etag(&self, etag: &str) {
        *self.state.etag.lock().unwrap_or_else(PoisonError::into_inner) = format!("\"{etag}\"");
    }

    /// Bytes of the file sent so far.
    pub fn sent_bytes(&self) -> u64 {
        self.state.sent_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for ModelHost {
    fn drop(&mut self) {
        self.state.is_down.store(true, Ordering::Relaxed);
        // Wakes the accept loop.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// The SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
/// If it cannot be read.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let (mut file, mut sha256) = (File::open(path)?, Sha256::new());
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex(&sha256.finalize())),
            len => sha256.update(&piece[..len]),
        }
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Takes one from a counter, if there is any.
fn take_one(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_ok()
}

impl State {
    fn respond(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut range = None;
        let mut bytes = &self.files[0];
        for line in BufReader::new(stream.try_clone()?).lines() {
            let line = line?;
            if line.is_empty() {
                break;
            }
            if let Some(path) = line.strip_prefix("GET ").and_then(|line| line.split(' ').next()) {
                bytes = self.file(path);
            }
            if let Some(asked) = line.to_lowercase().strip_prefix("range: bytes=") {
                let numbers =
                    asked.split_once('-').map(|(start, last)| (start.parse().ok(), last.parse::<usize>().ok()));
                range = numbers.and_then(|(start, last)| Some((start?, last?)));
            }
        }
        let common = "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Content-Range, ETag\r\nConnection: close\r\n";
        if take_one(&self.refusals) {
            return write!(stream, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n{common}\r\n");
        }
        let mode = *self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        match mode {
            HostMode::Normal => {}
            HostMode::Chunked => return self.send_chunks(&mut stream, bytes, common),
            HostMode::Head(head) => return write!(stream, "HTTP/1.1 {head}\r\n{common}\r\n"),
        }
        let len = bytes.len();
        let (start, end): (usize, usize) = range.map_or((0, len), |(start, last)| (start, (last + 1).min(len)));
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut current = self.etag.lock().unwrap_or_else(PoisonError::into_inner);
        let etag = current.clone();
        if self.requests_to_change.load(Ordering::Relaxed) == 1 {
            "\"changed\"".clone_into(&mut current);
        }
        drop(current);
        take_one(&self.requests_to_change);
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{len}\r\nETag: {etag}\r\n{common}\r\n",
            end - start,
            end - 1
        )?;
        let end = if take_one(&self.drops) { start + (end - start) / 2 } else { end };
        let is_stalled = take_one(&self.stalls);
        for (index, chunk) in bytes[start..end].chunks(CHUNK_BYTES).enumerate() {
            if is_stalled && index > 0 {
                while !self.is_down.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(100));
                }
                return Ok(());
            }
            thread::sleep(Duration::from_micros(self.delay_us.load(Ordering::Relaxed)));
            stream.write_all(chunk)?;
            self.sent_bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The file at a path: the first one, unless the path ends in the number of another.
    fn file(&self, path: &str) -> &Vec<u8> {
        let number = path.rsplit_once("-of-").and_then(|(before, _)| before.rsplit('-').next()?.parse::<usize>().ok());
        number.and_then(|number| self.files.get(number.checked_sub(1)?)).unwrap_or(&self.files[0])
    }

    fn send_chunks(&self, stream: &mut TcpStream, bytes: &[u8], headers: &str) -> io::Result<()> {
        write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{headers}\r\n")?;
        for chunk in bytes.chunks(CHUNK_BYTES) {
            write!(stream, "{:x}\r\n", chunk.len())?;
            stream.write_all(chunk)?;
            stream.write_all(b"\r\n")?;
            self.sent_bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
        stream.write_all(b"0\r\n\r\n")
    }
}
