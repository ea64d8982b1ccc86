//! Downloading a file: drives [`parlance_worker_core::download`] with requests and files.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use futures::future::{AbortHandle, Either, LocalBoxFuture, abortable, select};
use futures::stream::{FuturesUnordered, StreamExt as _};
use gloo_timers::future::sleep;
use parlance_engine::EngineError;
use parlance_engine::ggml::is_ggml;
use parlance_engine::gguf::Gguf;
use parlance_worker_core::FileError;
use parlance_worker_core::address::FileAddress;
use parlance_worker_core::download::{Command, Download, Event, Outcome};
use parlance_worker_core::kept::Record;
use wasm_bindgen::JsCast as _;
use web_sys::WorkerGlobalScope;

use super::entry::{Entry, Writer};
use super::{Store, usage};
use crate::bytes::JsBytes;
use crate::error::WorkerError;
use crate::stream::{ByteStream, Fetched};

/// A response of which nothing came for so long has broken off.
const SILENCE: Duration = Duration::from_secs(30);

/// Hears how many bytes are here, and how many there are in all.
pub(crate) type Report<'a> = Box<dyn Fn(u64, u64) + 'a>;

/// A file that is being downloaded, and kept where there is storage. Dropping it aborts the download; what is stored stays for the next one.
pub(crate) struct Arriving<'a> {
    download: Download<JsBytes>,
    commands: VecDeque<Command<JsBytes>>,
    driver: Driver<'a>,
    /// Why the file could not be kept.
    unkept: Option<FileError>,
    has_ended: bool,
}

/// What comes of a download.
enum Arrival {
    /// Bytes of this file follow.
    Begin(Record),
    /// The next bytes.
    Bytes(JsBytes),
    End,
    /// The server does not say how long the file is.
    UnknownLength,
}

impl<'a> Arriving<'a> {
    /// Begins to download a file, or to complete what is kept of it. `None` where the server does not say how long it is.
    pub(crate) async fn start(
        store: Option<&'a Store>,
        file: &'a FileAddress,
        report: Report<'a>,
    ) -> Result<Option<(Self, Record)>, WorkerError> {
        let entry = match store {
            Some(store) => store.find(file).await,
            None => None,
        };
        let kept = entry.as_ref().map(|entry| entry.file.clone());
        let (download, commands) = Download::start(file.clone(), kept, store.is_some());
        let driver = Driver::new(store, file, report, entry);
        let mut arriving = Self { download, commands: commands.into(), driver, unkept: None, has_ended: false };
        match arriving.advance().await? {
            Arrival::Begin(record) => Ok(Some((arriving, record))),
            // Nothing else comes before the beginning.
            Arrival::UnknownLength | Arrival::Bytes(_) | Arrival::End => Ok(None),
        }
    }

    /// The next bytes, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<JsBytes>, WorkerError> {
        while !self.has_ended {
            if let Arrival::Bytes(bytes) = self.advance().await? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// The kept file, after its end; or else why it is not kept, where it was to be.
    pub(crate) async fn finish(self) -> (Option<Entry>, Option<FileError>) {
        let Self { driver, unkept, .. } = self;
        let (store, file) = (driver.store, driver.file);
        // Others can open the file only then.
        drop(driver);
        match (store, unkept) {
            (Some(store), None) => (store.find_complete(file).await, None),
            (_, unkept) => (None, unkept),
        }
    }

    /// Goes on until something comes of it.
    async fn advance(&mut self) -> Result<Arrival, WorkerError> {
        loop {
            let Some(command) = self.commands.pop_front() else {
                let event = self.driver.next_event().await;
                self.commands.extend(self.download.handle(event));
                continue;
            };
            match command {
                Command::Begin(record) => return Ok(Arrival::Begin(record)),
                Command::Deliver(bytes) => return Ok(Arrival::Bytes(bytes)),
                Command::Finish(outcome) => return self.end(outcome),
                command => match self.driver.execute(command).await {
                    Ok(Some(event)) => self.commands.extend(self.download.handle(event)),
                    Ok(None) => {}
                    // The commands that were to follow depended on this one.
                    Err(event) => self.commands = self.download.handle(event).into(),
                },
            }
        }
    }

    fn end(&mut self, outcome: Outcome) -> Result<Arrival, WorkerError> {
        self.has_ended = true;
        match outcome {
            Outcome::Complete => self.unkept = self.driver.keep(Writer::record).err(),
            Outcome::Unkept(error) => self.unkept = Some(error),
            Outcome::UnknownLength => return Ok(Arrival::UnknownLength),
            Outcome::NotAModel => {
                let rejection = self.driver.rejection.take();
                return Err(rejection.map_or_else(|| FileError::Damaged.into(), WorkerError::from));
            }
            Outcome::Failed(error) => return Err(error.into()),
        }
        Ok(Arrival::End)
    }
}

/// What a download's commands are executed with.
struct Driver<'a> {
    store: Option<&'a Store>,
    file: &'a FileAddress,
    report: Report<'a>,
    entry: Option<Entry>,
    /// The file, while it is open.
    writer: Option<Writer>,
    /// Whether writing it has failed.
    has_failed: bool,
    /// Responses, by the number of the request.
    bodies: BTreeMap<u64, ByteStream>,
    /// What is waited for, at most one for each request.
    tasks: FuturesUnordered<LocalBoxFuture<'a, Done>>,
    /// How it is aborted, by the number of the request.
    aborts: BTreeMap<u64, AbortHandle>,
    /// Why the file is not a model.
    rejection: Option<EngineError>,
}

/// The end of a task.
enum Done {
    Answered(u64, Result<Fetched, FileError>),
    Read(u64, ByteStream, Result<Option<JsBytes>, FileError>),
    Aborted,
}

impl<'a> Driver<'a> {
    fn new(store: Option<&'a Store>, file: &'a FileAddress, report: Report<'a>, entry: Option<Entry>) -> Self {
        Self {
            store,
            file,
            report,
            entry,
            writer: None,
            has_failed: false,
            bodies: BTreeMap::new(),
            tasks: FuturesUnordered::new(),
            aborts: BTreeMap::new(),
            rejection: None,
        }
    }

    /// Executes a command. Returns the event that follows at once, or one that fails the download.
    async fn execute(&mut self, command: Command<JsBytes>) -> Result<Option<Event<JsBytes>>, Event<JsBytes>> {
        let kept = match command {
            Command::Fetch { request, range, after } => {
                self.fetch(request, range, after);
                Ok(())
            }
            Command::ReadOn { request } => {
                self.read_on(request);
                Ok(())
            }
            Command::Cancel { request } => {
                self.cancel(request);
                Ok(())
            }
            Command::Abort => {
                self.close();
                Ok(())
            }
            Command::Report { done_bytes, len_bytes } => {
                (self.report)(done_bytes, len_bytes);
                Ok(())
            }
            Command::CheckHeader(bytes) => return self.check_header(&bytes),
            Command::EstimateRoom => return Ok(Some(Event::Room(usage().await))),
            Command::Conclude => return Ok(Some(Event::Concluded)),
            Command::Create(record) => return Ok(Some(opened(self.create(record).await))),
            Command::Open => return Ok(Some(opened(self.open().await))),
            Command::Write { offset, bytes } => self.keep(|writer| writer.write(&bytes, offset)),
            Command::Commit { segment } => self.keep(|writer| writer.commit(segment)),
            Command::Read { offset, len_bytes } => {
                let read = self.writer.as_ref().ok_or_else(not_open).and_then(|writer| writer.read(offset, len_bytes));
                return read.map(|bytes| Some(Event::Read(bytes))).map_err(Event::ReadFailed);
            }
            Command::Remove => {
                self.close();
                if let Some(store) = self.store {
                    // What cannot be removed is replaced by the next download.
                    let _ = store.remove_file(&self.file.url).await;
                }
                Ok(())
            }
            // What comes of a download is no work.
            Command::Begin(_) | Command::Deliver(_) | Command::Finish(_) => Ok(()),
        };
        Ok(kept.err().map(Event::StorageFailed))
    }

    fn check_header(&mut self, bytes: &[u8]) -> Result<Option<Event<JsBytes>>, Event<JsBytes>> {
        // A header that is merely incomplete is no error. What a file of whisper.cpp holds is seen once it is complete.
        match Gguf::parse(bytes, None) {
            Ok(_) => Ok(None),
            Err(_) if is_ggml(bytes) => Ok(None),
            Err(error) => {
                self.rejection = Some(error);
                Err(Event::NotAModel)
            }
        }
    }

    /// Works on the kept file, unless that has failed before.
    fn keep(&mut self, work: impl FnOnce(&mut Writer) -> Result<(), FileError>) -> Result<(), FileError> {
        match &mut self.writer {
            Some(writer) if !self.has_failed => work(writer).inspect_err(|_| self.has_failed = true),
            _ => Ok(()),
        }
    }

    async fn create(&mut self, record: Record) -> Result<(), FileError> {
        let store = self.store.ok_or_else(not_open)?;
        self.entry = Some(store.create(record).await?);
        self.open().await
    }

    async fn open(&mut self) -> Result<(), FileError> {
        self.writer = Some(self.entry.as_ref().ok_or_else(not_open)?.writer().await?);
        Ok(())
    }

    /// Requests a range after a pause.
    fn fetch(&mut self, request: u64, range: Range<u64>, after: Duration) {
        self.cancel(request);
        let file = self.file;
        self.wait_for(request, async move {
            if !after.is_zero() {
                sleep(after).await;
            }
            Done::Answered(request, ByteStream::fetch(&file.url, Some((range.start, range.end))).await)
        });
    }

    /// Reads the next bytes of a response.
    fn read_on(&mut self, request: u64) {
        let Some(mut body) = self.bodies.remove(&request) else { return };
        self.wait_for(request, async move {
            let read = match select(std::pin::pin!(body.next_piece()), std::pin::pin!(sleep(SILENCE))).await {
                Either::Left((read, _)) => read,
                Either::Right(_) => Err(FileError::Network("the server stopped sending".to_owned())),
            };
            Done::Read(request, body, read)
        });
    }

    fn wait_for(&mut self, request: u64, task: impl Future<Output = Done> + 'a) {
        let (task, abort) = abortable(task);
        self.aborts.insert(request, abort);
        self.tasks.push(Box::pin(async move { task.await.unwrap_or(Done::Aborted) }));
    }

    /// Drops a request and its response.
    fn cancel(&mut self, request: u64) {
        self.bodies.remove(&request);
        if let Some(abort) = self.aborts.remove(&request) {
            abort.abort();
        }
    }

    /// Cancels all requests and closes the file.
    fn close(&mut self) {
        self.tasks = FuturesUnordered::new();
        self.aborts.clear();
        self.bodies.clear();
        self.writer = None;
    }

    /// Waits for the first task to end.
    async fn next_event(&mut self) -> Event<JsBytes> {
        while let Some(done) = self.tasks.next().await {
            return match done {
                Done::Answered(request, Ok(Fetched { stream, answer })) => {
                    self.bodies.insert(request, stream);
                    Event::Answered { request, answer }
                }
                Done::Read(request, body, Ok(Some(bytes))) => {
                    self.bodies.insert(request, body);
                    Event::Chunk { request, bytes }
                }
                Done::Read(request, _, Ok(None)) => Event::BodyEnd { request },
                Done::Answered(request, Err(error)) | Done::Read(request, _, Err(error)) => {
                    Event::RequestFailed { request, error, is_online: is_online() }
                }
                Done::Aborted => continue,
            };
        }
        // It always waits for a task. If not, it must end rather than wait forever.
        Event::ReadFailed(FileError::Network("the download stalled".to_owned()))
    }
}

fn opened(result: Result<(), FileError>) -> Event<JsBytes> {
    result.map_or_else(Event::StorageFailed, |()| Event::Opened)
}

/// What commands find that come when they cannot.
fn not_open() -> FileError {
    FileError::Storage("the file is not open".to_owned())
}

/// Whether the browser believes that there is a network.
fn is_online() -> bool {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    scope.navigator().on_line()
}
