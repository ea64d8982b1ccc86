//! A simulated host and disk, and a driver that takes events in any order.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::FileError;
use crate::address::FileAddress;
use crate::checksum::hex;
use crate::download::{Command, Download, Event, Outcome};
use crate::http::Answer;
use crate::kept::{KeptFile, Record, SEGMENT_BYTES, Usage, contradicts_pin};

pub(super) const URL: &str = "https://host/model.gguf";
const MIB: usize = 1 << 20;

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
}

pub(super) struct Host {
    file: Vec<u8>,
    etag: &'static str,
    /// The checksum that it reports.
    pub(super) sha256: Option<String>,
    pub(super) has_ranges: bool,
    /// The length that it reports; none if absent.
    pub(super) len_bytes: Option<usize>,
    /// What goes wrong with the next requests.
    pub(super) faults: VecDeque<Fault>,
    /// From this request on, counted from 0, it serves another file with another `ETag`.
    pub(super) replacement: Option<(usize, Vec<u8>, &'static str)>,
    /// Segments that were requested.
    pub(super) requests: Vec<u64>,
}

/// A response's body.
struct Body {
    chunks: VecDeque<Vec<u8>>,
    breaks: bool,
}

impl Host {
    pub(super) fn new(file: Vec<u8>) -> Self {
        let len_bytes = Some(file.len());
        Self {
            file,
            etag: "v1",
            sha256: None,
            has_ranges: true,
            len_bytes,
            faults: VecDeque::new(),
            replacement: None,
            requests: Vec::new(),
        }
    }

    pub(super) fn replace(&mut self, file: Vec<u8>, etag: &'static str) {
        (self.len_bytes, self.etag) = (Some(file.len()), etag);
        self.file = file;
    }

    fn respond(&mut self, segment: u64) -> Result<(Answer, Body), FileError> {
        if self.replacement.as_ref().is_some_and(|(first, ..)| self.requests.len() >= *first)
            && let Some((_, file, etag)) = self.replacement.take()
        {
            self.replace(file, etag);
        }
        self.requests.push(segment);
        let fault = self.faults.pop_front();
        if let Some(Fault::Status(status)) = fault {
            return Err(FileError::Status { status, url: URL.to_owned() });
        }
        let answer = Answer {
            is_partial: self.has_ranges,
            len_bytes: self.len_bytes.map(|len| len as u64),
            etag: Some(self.etag.to_owned()),
            sha256: self.sha256.clone(),
        };
        let range = if self.has_ranges {
            let start = ((segment * SEGMENT_BYTES) as usize).min(self.file.len());
            start..(start + SEGMENT_BYTES as usize).min(self.file.len())
        } else {
            0..self.file.len()
        };
        let mut bytes = self.file[range].to_vec();
        match fault {
            Some(Fault::Breaks | Fault::EndsEarly) => bytes.truncate(bytes.len() / 2),
            Some(Fault::TooLong) => bytes.push(0),
            Some(Fault::Status(_)) | None => {}
        }
        let chunks = bytes.chunks(MIB + 1).map(<[u8]>::to_vec).collect();
        Ok((answer, Body { chunks, breaks: matches!(fault, Some(Fault::Breaks)) }))
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
}

impl Disk {
    pub(super) fn kept(&self, pin: Option<&String>) -> Option<KeptFile> {
        let record = self.record.clone()?;
        (!contradicts_pin(pin, self.seal.as_ref(), &record)).then(|| KeptFile::new(record, &self.journal))
    }

    fn remove(&mut self) {
        *self = Self { usage: self.usage, left_bytes: self.left_bytes, ..Self::default() };
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
    pub(super) is_online: bool,
    /// Mixes events that are under way at the same time; 0 takes them in order.
    pub(super) seed: u64,
    pub(super) pauses: Vec<Duration>,
    pub(super) most_at_once: usize,
    events: Vec<Event>,
    bodies: BTreeMap<u64, Body>,
}

impl World {
    pub(super) fn new(host: Host) -> Self {
        Self {
            host,
            disk: Disk::default(),
            is_online: true,
            seed: 0,
            pauses: Vec::new(),
            most_at_once: 0,
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
        let file = FileAddress { url: URL.to_owned(), pin: pin.cloned() };
        let (mut download, commands) = Download::start(file, self.disk.kept(pin));
        let mut commands = VecDeque::from(commands);
        let mut left_commits = commits;
        loop {
            while let Some(command) = commands.pop_front() {
                if let Command::Finish(outcome) = command {
                    assert!(commands.is_empty(), "nothing follows the end");
                    let late = download.handle(Event::Chunk { segment: 0, bytes: vec![1] });
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
    fn execute(&mut self, command: Command) -> Result<Option<Event>, Event> {
        match command {
            Command::Fetch { segment, after } => {
                if !after.is_zero() {
                    self.pauses.push(after);
                }
                self.fetch(segment);
            }
            Command::ReadOn { segment } => self.read_on(segment),
            Command::Abort => {
                self.events.clear();
                self.bodies.clear();
            }
            Command::EstimateRoom => return Ok(Some(Event::Room(self.disk.usage))),
            Command::Create(record) => {
                self.disk.remove();
                self.disk.data = vec![0; record.len_bytes as usize];
                self.disk.journal = vec![0; record.segment_count() as usize];
                self.disk.record = Some(record);
                return Ok(Some(Event::Opened));
            }
            Command::Open => return Ok(Some(Event::Opened)),
            Command::CheckHeader(bytes) => {
                let is_model = bytes.iter().zip(b"GGUF").all(|(found, expected)| found == expected);
                return if is_model { Ok(None) } else { Err(Event::NotAModel) };
            }
            Command::Write { offset, bytes } => {
                self.disk.spend(bytes.len()).map_err(Event::StorageFailed)?;
                self.disk.data[offset as usize..][..bytes.len()].copy_from_slice(&bytes);
            }
            Command::Commit { segment } => self.disk.journal[segment as usize] = 1,
            Command::Read { offset, len_bytes } => {
                let bytes = self.disk.data[offset as usize..][..len_bytes as usize].to_vec();
                return Ok(Some(Event::Read(bytes)));
            }
            Command::Yield => self.events.push(Event::Yielded),
            Command::Report { done_bytes, len_bytes } => assert!(done_bytes <= len_bytes),
            Command::Seal(checksum) => {
                self.disk.spend(checksum.len()).map_err(Event::StorageFailed)?;
                self.disk.seal = Some(checksum);
            }
            Command::Remove => self.disk.remove(),
            Command::Finish(outcome) => panic!("{outcome:?} is taken before"),
        }
        Ok(None)
    }

    fn fetch(&mut self, segment: u64) {
        self.bodies.remove(&segment);
        let event = match self.host.respond(segment) {
            Ok((answer, body)) => {
                self.bodies.insert(segment, body);
                Event::Answered { segment, answer }
            }
            Err(error) => Event::RequestFailed { segment, error, is_online: self.is_online },
        };
        self.most_at_once = self.most_at_once.max(self.bodies.len());
        self.events.push(event);
    }

    fn read_on(&mut self, segment: u64) {
        let body = self.bodies.get_mut(&segment).unwrap();
        let event = match body.chunks.pop_front() {
            Some(bytes) => Event::Chunk { segment, bytes },
            None if body.breaks => {
                let error = FileError::Network("connection reset".to_owned());
                Event::RequestFailed { segment, error, is_online: self.is_online }
            }
            None => Event::BodyEnd { segment },
        };
        if !matches!(event, Event::Chunk { .. }) {
            self.bodies.remove(&segment);
        }
        self.events.push(event);
    }

    pub(super) fn assert_complete(&self, file: &[u8]) {
        assert!(self.disk.data == file, "the bytes are those of the host");
        assert!(self.disk.kept(None).is_some_and(|kept| kept.is_complete()));
        assert_eq!(self.disk.seal, Some(sha256(file)));
    }

    pub(super) fn assert_removed(&self) {
        assert!(self.disk.record.is_none() && self.disk.data.is_empty(), "nothing of it is kept");
    }
}

pub(super) fn world(len_bytes: usize) -> World {
    World::new(Host::new(model(len_bytes)))
}
