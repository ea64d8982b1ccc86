//! A simulated host and disk, and a driver that takes events in any order.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::FileError;
use crate::address::FileAddress;
use crate::checksum::hex;
use crate::download::{Bytes, Command, Download, Event, Outcome};
use crate::http::Answer;
use crate::kept::{KeptFile, Record, SEGMENT_BYTES, Usage, contradicts_pin};

pub(super) const URL: &str = "https://host/model.gguf";
const MIB: usize = 1 << 20;

impl Bytes for Vec<u8> {
    fn len_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn first(&self, count: usize) -> Vec<u8> {
        self[..count.min(self.len())].to_vec()
    }
}

/// A model's file of this length.
pub(super) fn model(len_bytes: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len_bytes).map(|index| (index / 7 % 251) as u8).collect();
    bytes[..4].copy_from_slice(b"GGUF");
    bytes
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What goes wrong with a request.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// It is answered with this status.
    Status(u16),
    /// Its response breaks off in the middle.
    Breaks,
    /// Its response ends in the middle as if it were complete.
    EndsEarly,
    /// Its response has one byte too many.
    TooLong,
    /// Nothing follows the first bytes of its response.
    Stalls,
    /// Its response is that of another version of the file.
    OtherEtag,
    /// Its response is the whole file.
    IgnoresRange,
}

pub(super) struct Host {
    file: Vec<u8>,
    etag: &'static str,
    pub(super) has_ranges: bool,
    /// The length that it reports; none if absent.
    pub(super) len_bytes: Option<usize>,
    /// What goes wrong with the next requests.
    pub(super) faults: VecDeque<Option<Fault>>,
    /// From this request on, counted from 0, it serves another file with another `ETag`.
    pub(super) replacement: Option<(usize, Vec<u8>, &'static str)>,
    /// Ranges that were requested.
    pub(super) requests: Vec<Range<u64>>,
    /// Bytes that were sent.
    pub(super) sent_bytes: u64,
}

/// A response's body.
struct Body {
    chunks: VecDeque<Vec<u8>>,
    fault: Option<Fault>,
}

impl Host {
    pub(super) fn new(file: Vec<u8>) -> Self {
        let len_bytes = Some(file.len());
        Self {
            file,
            etag: "v1",
            has_ranges: true,
            len_bytes,
            faults: VecDeque::new(),
            replacement: None,
            requests: Vec::new(),
            sent_bytes: 0,
        }
    }

    pub(super) fn replace(&mut self, file: Vec<u8>, etag: &'static str) {
        (self.len_bytes, self.etag) = (Some(file.len()), etag);
        self.file = file;
    }

    /// The segments with which requests began.
    pub(super) fn requested(&self) -> Vec<u64> {
        self.requests.iter().map(|range| range.start / SEGMENT_BYTES).collect()
    }

    fn respond(&mut self, range: Range<u64>) -> Result<(Answer, Body), FileError> {
        if self.replacement.as_ref().is_some_and(|(first, ..)| self.requests.len() >= *first)
            && let Some((_, file, etag)) = self.replacement.take()
        {
            self.replace(file, etag);
        }
        self.requests.push(range.clone());
        let fault = self.faults.pop_front().flatten();
        if let Some(Fault::Status(status)) = fault {
            return Err(FileError::Status { status, url: URL.to_owned() });
        }
        let is_partial = self.has_ranges && !matches!(fault, Some(Fault::IgnoresRange));
        let etag = if matches!(fault, Some(Fault::OtherEtag)) { "other" } else { self.etag };
        let answer = Answer {
            is_partial,
            len_bytes: self.len_bytes.map(|len| len as u64),
            etag: Some(etag.to_owned()),
            sha256: None,
        };
        let [start, end] = [range.start, range.end].map(|place| (place as usize).min(self.file.len()));
        let mut bytes = if is_partial { self.file[start..end].to_vec() } else { self.file.clone() };
        match fault {
            Some(Fault::Breaks | Fault::EndsEarly) => bytes.truncate(bytes.len() / 2),
            Some(Fault::Stalls) => bytes.truncate(MIB + 1),
            Some(Fault::TooLong) => bytes.push(0),
            _ => {}
        }
        let chunks = bytes.chunks(MIB + 1).map(<[u8]>::to_vec).collect();
        Ok((answer, Body { chunks, fault }))
    }
}

#[derive(Default)]
pub(super) struct Disk {
    pub(super) record: Option<Record>,
    pub(super) data: Vec<u8>,
    journal: Vec<u8>,
    pub(super) seal: Option<String>,
    /// What the browser says about its storage.
    pub(super) usage: Option<Usage>,
    /// Bytes that can be written before the storage is full; no limit if absent.
    pub(super) left_bytes: Option<usize>,
    /// Whether the file cannot be opened.
    pub(super) is_locked: bool,
    /// Whether the file cannot be read.
    pub(super) is_unreadable: bool,
    /// Bytes that were read.
    pub(super) read_bytes: u64,
}

impl Disk {
    pub(super) fn kept(&self, pin: Option<&String>) -> Option<KeptFile> {
        let record = self.record.clone()?;
        (!contradicts_pin(pin, self.seal.as_ref(), &record)).then(|| KeptFile::new(record, &self.journal))
    }

    fn remove(&mut self) {
        *self = Self { usage: self.usage, left_bytes: self.left_bytes, ..Self::default() };
    }

    fn open(&self) -> Event<Vec<u8>> {
        if self.is_locked {
            return Event::StorageFailed(FileError::Storage("it is in use".to_owned()));
        }
        Event::Opened
    }

    fn spend(&mut self, bytes: usize) -> Result<(), FileError> {
        let Some(left_bytes) = &mut self.left_bytes else { return Ok(()) };
        let full = FileError::StorageFull { needed_bytes: bytes as u64, free_bytes: None };
        *left_bytes = left_bytes.checked_sub(bytes).ok_or(full)?;
        Ok(())
    }
}

/// A driver with what it drives.
pub(super) struct World {
    pub(super) host: Host,
    pub(super) disk: Disk,
    pub(super) has_storage: bool,
    pub(super) is_online: bool,
    /// Mixes events that are under way at the same time; 0 takes them in order.
    pub(super) seed: u64,
    pub(super) pauses: Vec<Duration>,
    pub(super) most_at_once: usize,
    /// What was delivered in the latest download.
    pub(super) delivered: Vec<u8>,
    /// The most bytes that had come and were not delivered.
    pub(super) most_held: u64,
    come_bytes: u64,
    is_writable: bool,
    events: Vec<Event<Vec<u8>>>,
    bodies: BTreeMap<u64, Body>,
}

impl World {
    pub(super) fn new(host: Host) -> Self {
        Self {
            host,
            disk: Disk::default(),
            has_storage: true,
            is_online: true,
            seed: 0,
            pauses: Vec::new(),
            most_at_once: 0,
            delivered: Vec::new(),
            most_held: 0,
            come_bytes: 0,
            is_writable: true,
            events: Vec::new(),
            bodies: BTreeMap::new(),
        }
    }

    /// Downloads the file.
    pub(super) fn run(&mut self, pin: Option<&String>) -> Outcome {
        self.run_until(pin, usize::MAX).unwrap()
    }

    /// Downloads the file, unless the tab is closed after `commits` segments have been stored; then there is no outcome.
    pub(super) fn run_until(&mut self, pin: Option<&String>, commits: usize) -> Option<Outcome> {
        self.events.clear();
        self.bodies.clear();
        self.delivered.clear();
        (self.come_bytes, self.is_writable) = (0, true);
        let file = FileAddress { url: URL.to_owned(), pin: pin.cloned() };
        let (mut download, commands) = Download::start(file, self.disk.kept(pin), self.has_storage);
        let mut commands = VecDeque::from(commands);
        let mut left_commits = commits;
        loop {
            while let Some(command) = commands.pop_front() {
                if let Command::Finish(outcome) = command {
                    assert!(commands.is_empty(), "nothing follows the end");
                    let late = download.handle(Event::Chunk { request: 0, bytes: vec![1] });
                    assert!(late.is_empty(), "late events are ignored");
                    return Some(outcome);
                }
                left_commits -= usize::from(matches!(command, Command::Commit { .. }));
                match self.execute(command) {
                    Ok(Some(event)) => commands.extend(download.handle(event)),
                    Ok(None) => {}
                    Err(event) => commands = download.handle(event).into(),
                }
                if left_commits == 0 {
                    return None;
                }
            }
            assert!(!self.events.is_empty(), "it waits for something");
            let index = self.random() % self.events.len();
            let event = self.events.remove(index);
            commands.extend(download.handle(event));
        }
    }

    fn random(&mut self) -> usize {
        if self.seed == 0 {
            return 0;
        }
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33) as usize
    }

    /// Executes a command. Returns the event that follows at once, or that of a failure.
    fn execute(&mut self, command: Command<Vec<u8>>) -> Result<Option<Event<Vec<u8>>>, Event<Vec<u8>>> {
        match command {
            Command::Fetch { request, range, after } => {
                if !after.is_zero() {
                    self.pauses.push(after);
                }
                self.fetch(request, range);
            }
            Command::ReadOn { request } => self.read_on(request),
            Command::Cancel { request } => self.cancel(request),
            Command::Abort => {
                self.events.clear();
                self.bodies.clear();
            }
            Command::EstimateRoom => return Ok(Some(Event::Room(self.disk.usage))),
            Command::Conclude => return Ok(Some(Event::Concluded)),
            Command::Create(record) => {
                if !self.disk.is_locked {
                    self.disk.remove();
                    self.disk.data = vec![0; record.len_bytes as usize];
                    self.disk.journal = vec![0; record.segment_count() as usize];
                    self.disk.record = Some(record);
                }
                return Ok(Some(self.disk.open()));
            }
            Command::Open => return Ok(Some(self.disk.open())),
            Command::Begin(record) => assert_eq!(Some(record.len_bytes as usize), self.host.len_bytes),
            Command::CheckHeader(bytes) => {
                let is_model = bytes.iter().zip(b"GGUF").all(|(found, expected)| found == expected);
                return if is_model { Ok(None) } else { Err(Event::NotAModel) };
            }
            Command::Write { offset, bytes } => {
                if !self.is_writable {
                    return Ok(None);
                }
                if let Err(error) = self.disk.spend(bytes.len()) {
                    self.is_writable = false;
                    return Ok(Some(Event::StorageFailed(error)));
                }
                self.disk.data[offset as usize..][..bytes.len()].copy_from_slice(&bytes);
            }
            Command::Commit { segment } => self.disk.journal[segment as usize] |= u8::from(self.is_writable),
            Command::Read { offset, len_bytes } => {
                if self.disk.is_unreadable {
                    return Err(Event::ReadFailed(FileError::Damaged));
                }
                self.disk.read_bytes += len_bytes;
                let bytes = self.disk.data[offset as usize..][..len_bytes as usize].to_vec();
                self.come_bytes += len_bytes;
                return Ok(Some(Event::Read(bytes)));
            }
            Command::Deliver(bytes) => self.delivered.extend(bytes),
            Command::Report { done_bytes, len_bytes } => assert!(done_bytes <= len_bytes),
            Command::Remove => self.disk.remove(),
            Command::Finish(outcome) => panic!("{outcome:?} is taken before"),
        }
        self.most_held = self.most_held.max(self.come_bytes - self.delivered.len() as u64);
        Ok(None)
    }

    fn fetch(&mut self, request: u64, range: Range<u64>) {
        self.cancel(request);
        let event = match self.host.respond(range) {
            Ok((answer, body)) => {
                self.bodies.insert(request, body);
                Event::Answered { request, answer }
            }
            Err(error) => Event::RequestFailed { request, error, is_online: self.is_online },
        };
        self.most_at_once = self.most_at_once.max(self.bodies.len());
        self.events.push(event);
    }

    fn cancel(&mut self, request: u64) {
        self.bodies.remove(&request);
        let come_bytes = &mut self.come_bytes;
        self.events.retain(|event| match event {
            Event::Chunk { request: other, bytes } if *other == request => {
                *come_bytes -= bytes.len() as u64;
                false
            }
            Event::Answered { request: other, .. }
            | Event::BodyEnd { request: other }
            | Event::RequestFailed { request: other, .. } => *other != request,
            _ => true,
        });
    }

    fn read_on(&mut self, request: u64) {
        let Some(body) = self.bodies.get_mut(&request) else { return };
        let event = match (body.chunks.pop_front(), body.fault) {
            (Some(bytes), _) => {
                self.host.sent_bytes += bytes.len() as u64;
                self.come_bytes += bytes.len() as u64;
                Event::Chunk { request, bytes }
            }
            (None, Some(Fault::Stalls)) => return,
            (None, Some(Fault::Breaks)) => {
                let error = FileError::Network("connection reset".to_owned());
                Event::RequestFailed { request, error, is_online: self.is_online }
            }
            (None, _) => Event::BodyEnd { request },
        };
        if !matches!(event, Event::Chunk { .. }) {
            self.bodies.remove(&request);
        }
        self.events.push(event);
    }

    /// Asserts that the file was delivered.
    pub(super) fn assert_delivered(&self, file: &[u8]) {
        assert!(self.delivered == file, "the bytes are those of the host, in order");
    }

    /// Asserts that the file was delivered and is kept.
    pub(super) fn assert_complete(&self, file: &[u8]) {
        self.assert_delivered(file);
        assert!(self.disk.data == file, "the bytes on the disk are those of the host");
        assert!(self.disk.kept(None).is_some_and(|kept| kept.is_complete()));
    }

    pub(super) fn assert_removed(&self) {
        assert!(self.disk.record.is_none() && self.disk.data.is_empty(), "nothing of it is kept");
    }
}

pub(super) fn world(len_bytes: usize) -> World {
    World::new(Host::new(model(len_bytes)))
}
