//! Downloading a file onto this device: drives [`parlance_worker_core::download`] with requests and files.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use gloo_timers::future::sleep;
use parlance_engine::EngineError;
use parlance_engine::gguf::Gguf;
use parlance_worker_core::FileError;
use parlance_worker_core::address::FileAddress;
use parlance_worker_core::download::{Command, Download, Event, Outcome};
use parlance_worker_core::kept::SEGMENT_BYTES;
use wasm_bindgen::JsCast as _;
use web_sys::WorkerGlobalScope;

use super::entry::{Entry, Writer};
use super::{Store, usage};
use crate::error::WorkerError;
use crate::source::{ByteStream, Fetched};

/// Completes a file and returns it, or `None` where the server does not say how long it is. `report` hears how many bytes are here, and how many
/// there are in all. A complete file takes no request. Dropping the future aborts the download; what is stored stays for the next one.
pub(crate) async fn download(
    store: &Store,
    file: &FileAddress,
    report: &dyn Fn(u64, u64),
) -> Result<Option<Entry>, WorkerError> {
    let entry = store.find(file).await;
    let (mut download, commands) = Download::start(file.clone(), entry.as_ref().map(|entry| entry.file.clone()));
    let mut driver = Driver::new(store, file, report, entry);
    let mut commands = VecDeque::from(commands);
    loop {
        while let Some(command) = commands.pop_front() {
            if let Command::Finish(outcome) = command {
                return driver.finish(outcome).await;
            }
            match driver.execute(command).await {
                Ok(Some(event)) => commands.extend(download.handle(event)),
                Ok(None) => {}
                // The commands that were to follow depended on this one.
                Err(event) => commands = download.handle(event).into(),
            }
        }
        let event = driver.next_event().await;
        commands.extend(download.handle(event));
    }
}

/// What a download's commands are executed with.
struct Driver<'a> {
    store: &'a Store,
    file: &'a FileAddress,
    report: &'a dyn Fn(u64, u64),
    entry: Option<Entry>,
    /// The file, while it is open.
    writer: Option<Writer>,
    /// Responses, by the segment that was requested.
    bodies: BTreeMap<u64, ByteStream>,
    tasks: FuturesUnordered<LocalBoxFuture<'a, Done>>,
    /// Why the file is not a model.
    rejection: Option<EngineError>,
}

/// The end of a task.
enum Done {
    Answered(u64, Result<Fetched, FileError>),
    Read(u64, ByteStream, Result<Option<Vec<u8>>, FileError>),
    Yielded,
}

impl<'a> Driver<'a> {
    fn new(store: &'a Store, file: &'a FileAddress, report: &'a dyn Fn(u64, u64), entry: Option<Entry>) -> Self {
        Self {
            store,
            file,
            report,
            entry,
            writer: None,
            bodies: BTreeMap::new(),
            tasks: FuturesUnordered::new(),
            rejection: None,
        }
    }

    /// Executes a command. Returns the event that follows at once, or that of a failure.
    async fn execute(&mut self, command: Command) -> Result<Option<Event>, Event> {
        match command {
            Command::Fetch { segment, after } => self.fetch(segment, after),
            Command::ReadOn { segment } => self.read_on(segment),
            Command::Abort => self.close(),
            Command::Yield => self.tasks.push(Box::pin(async {
                sleep(Duration::ZERO).await;
                Done::Yielded
            })),
            Command::Report { done_bytes, len_bytes } => (self.report)(done_bytes, len_bytes),
            Command::CheckHeader(bytes) => {
                // A header that is merely incomplete is no error.
                if let Err(error) = Gguf::parse(&bytes, None) {
                    self.rejection = Some(error);
                    return Err(Event::NotAModel);
                }
            }
            command => return self.use_storage(command).await.map_err(Event::StorageFailed),
        }
        Ok(None)
    }

    /// Executes a command that touches this device's storage.
    async fn use_storage(&mut self, command: Command) -> Result<Option<Event>, FileError> {
        match command {
            Command::EstimateRoom => return Ok(Some(Event::Room(usage().await))),
            Command::Create(record) => {
                self.entry = Some(self.store.create(record).await?);
                return self.open().await.map(Some);
            }
            Command::Open => return self.open().await.map(Some),
            Command::Write { offset, bytes } => opened(self.writer.as_ref())?.write_at(&bytes, offset)?,
            Command::Commit { segment } => opened(self.writer.as_ref())?.commit(segment)?,
            Command::Read { offset, len_bytes } => {
                return opened(self.writer.as_ref())?.read_at(offset, len_bytes).map(|bytes| Some(Event::Read(bytes)));
            }
            Command::Seal(checksum) => opened(self.entry.as_ref())?.set_seal(&checksum).await?,
            Command::Remove => {
                self.close();
                self.store.remove_file(&self.file.url).await?;
            }
            // They touch no storage.
            Command::Fetch { .. }
            | Command::ReadOn { .. }
            | Command::Abort
            | Command::Yield
            | Command::Report { .. }
            | Command::CheckHeader(_)
            | Command::Finish(_) => {}
        }
        Ok(None)
    }

    /// Requests a segment after a pause.
    fn fetch(&mut self, segment: u64, after: Duration) {
        self.bodies.remove(&segment);
        let url = self.file.url.as_str();
        let range = (segment * SEGMENT_BYTES, (segment + 1) * SEGMENT_BYTES);
        self.tasks.push(Box::pin(async move {
            if !after.is_zero() {
                sleep(after).await;
            }
            Done::Answered(segment, ByteStream::fetch(url, Some(range)).await)
        }));
    }

    /// Reads the next bytes of a response.
    fn read_on(&mut self, segment: u64) {
        let Some(mut body) = self.bodies.remove(&segment) else { return };
        self.tasks.push(Box::pin(async move {
            let read = body.next().await;
            Done::Read(segment, body, read)
        }));
    }

    async fn open(&mut self) -> Result<Event, FileError> {
        self.writer = Some(opened(self.entry.as_ref())?.writer().await?);
        Ok(Event::Opened)
    }

    /// Cancels all requests and closes the file.
    fn close(&mut self) {
        self.tasks = FuturesUnordered::new();
        self.bodies.clear();
        self.writer = None;
    }

    /// Waits for the first task to end.
    async fn next_event(&mut self) -> Event {
        match self.tasks.next().await {
            Some(Done::Answered(segment, Ok(Fetched { stream, answer }))) => {
                self.bodies.insert(segment, stream);
                Event::Answered { segment, answer }
            }
            Some(Done::Read(segment, body, Ok(Some(bytes)))) => {
                self.bodies.insert(segment, body);
                Event::Chunk { segment, bytes }
            }
            Some(Done::Read(segment, _, Ok(None))) => Event::BodyEnd { segment },
            Some(Done::Answered(segment, Err(error)) | Done::Read(segment, _, Err(error))) => {
                Event::RequestFailed { segment, error, is_online: is_online() }
            }
            Some(Done::Yielded) => Event::Yielded,
            // It always waits for a task. If not, it must end rather than wait forever.
            None => Event::StorageFailed(FileError::Storage("the download stalled".to_owned())),
        }
    }

    async fn finish(mut self, outcome: Outcome) -> Result<Option<Entry>, WorkerError> {
        // Others can open the file only then.
        self.close();
        match outcome {
            Outcome::Complete => {
                let entry = self.store.find_complete(self.file).await;
                entry.map(Some).ok_or_else(|| FileError::Damaged.into())
            }
            Outcome::UnknownLength => Ok(None),
            Outcome::NotAModel => Err(self.rejection.map_or_else(|| FileError::Damaged.into(), WorkerError::from)),
            Outcome::Failed(error) => Err(error.into()),
        }
    }
}

/// What is open while segments come.
fn opened<T>(file: Option<&T>) -> Result<&T, FileError> {
    file.ok_or_else(|| FileError::Storage("the file is not open".to_owned()))
}

/// Whether the browser believes that there is a network.
fn is_online() -> bool {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    scope.navigator().on_line()
}
