//! Files that are kept on this device: what is recorded of them, which parts are here, and how they are listed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use parlance_protocol::openai::Capability;
use parlance_protocol::{Abilities, StoredModel};
use serde::{Deserialize, Serialize};

use crate::FileError;
use crate::address::without_fragment;
use crate::checksum::parse_sha256;
use crate::http::is_plausible_len;
use crate::projector::is_projector;

/// Bytes of a segment, the unit of the journal.
pub const SEGMENT_BYTES: u64 = 4 << 20;

/// What is known of a file's source. It is written once, before the file's first byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where it comes from.
    pub url: String,
    /// Its length.
    pub len_bytes: u64,
    /// The host's name for this version of the file.
    pub etag: Option<String>,
    /// The checksum that its address or its host specified: SHA-256 in lower-case hexadecimal digits.
    pub sha256: Option<String>,
}

impl Record {
    /// Parses a record, maybe of another version of this program; `None` if no file can be like that.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(json).ok()?;
        let sha256 = record.sha256.as_deref().and_then(parse_sha256);
        is_plausible_len(record.len_bytes).then_some(Self { sha256, ..record })
    }

    /// How many segments the file has.
    pub fn segment_count(&self) -> u64 {
        self.len_bytes.div_ceil(SEGMENT_BYTES)
    }

    /// First byte and length of a segment; one beyond the file's end is empty.
    pub fn segment(&self, index: u64) -> (u64, u64) {
        let start = index.saturating_mul(SEGMENT_BYTES).min(self.len_bytes);
        (start, SEGMENT_BYTES.min(self.len_bytes - start))
    }

    /// The segments that end when the bytes from `from` up to `to`, exclusive, follow those before them.
    pub fn completed(&self, from: u64, to: u64) -> Range<u64> {
        let end = if to < self.len_bytes { to / SEGMENT_BYTES } else { self.segment_count() };
        from / SEGMENT_BYTES..end
    }
}

/// A kept file, complete or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// Its source.
    pub record: Record,
    /// Whether each segment is here.
    has: Vec<bool>,
}

impl KeptFile {
    /// A file with its journal, which has a byte for each segment: 1 once that is safely stored.
    pub fn new(record: Record, journal: &[u8]) -> Self {
        let has = (0..record.segment_count()).map(|index| journal.get(index as usize) == Some(&1)).collect();
        Self { record, has }
    }

    /// Whether a segment is here.
    pub fn has(&self, segment: u64) -> bool {
        self.has.get(segment as usize) == Some(&true)
    }

    /// Segments that are not here, in order.
    pub fn missing(&self) -> impl Iterator<Item = u64> {
        (0u64..).zip(&self.has).filter(|(_, has)| !**has).map(|(index, _)| index)
    }

    /// Whether all of it is here.
    pub fn is_complete(&self) -> bool {
        self.has.iter().all(|has| *has)
    }

    /// Bytes that are here.
    pub fn done_bytes(&self) -> u64 {
        let here = (0u64..).zip(&self.has).filter(|(_, has)| **has);
        here.map(|(index, _)| self.record.segment(index).1).sum()
    }
}

/// What a file's checksum must be: the pin of the address by which it was found, otherwise what was recorded when it was fetched.
pub fn expected_checksum<'a>(pin: Option<&'a String>, record: &'a Record) -> Option<&'a String> {
    pin.or(record.sha256.as_ref())
}

/// Whether a kept file is not the pinned one. `computed` is the checksum of its bytes; where nobody has computed it, the recorded one counts, and a
/// file without either may be the pinned one.
pub fn contradicts_pin(pin: Option<&String>, computed: Option<&String>, record: &Record) -> bool {
    match (pin, computed.or(record.sha256.as_ref())) {
        (Some(pin), Some(known)) => pin != known,
        _ => false,
    }
}

/// What the browser says about this site's storage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes that the site may use.
    pub quota_bytes: u64,
}

impl Usage {
    /// Bytes that are left.
    pub fn free_bytes(&self) -> u64 {
        self.quota_bytes.saturating_sub(self.used_bytes)
    }
}

/// Checks that there is room for `needed_bytes`. Where the browser says nothing, there is.
///
/// # Errors
/// [`FileError::StorageFull`].
pub fn check_room(usage: Option<Usage>, needed_bytes: u64) -> Result<(), FileError> {
    match usage {
        Some(usage) if usage.used_bytes.saturating_add(needed_bytes) > usage.quota_bytes => {
            Err(FileError::StorageFull { needed_bytes, free_bytes: Some(usage.free_bytes()) })
        }
        _ => Ok(()),
    }
}

/// A kept file, for the list of models.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedFile {
    /// The URL of its model, see [`listed_url`](crate::address::listed_url).
    pub url: String,
    /// The name of its model.
    pub name: String,
    /// Its length.
    pub len_bytes: u64,
    /// Bytes of it that are here.
    pub done_bytes: u64,
    /// When it was loaded last, in seconds since 1970.
    pub used_seconds: f64,
    /// Whether its checksum was specified, computed and right.
    pub is_verified: bool,
    /// What its model can do, if it is the first file and was loaded.
    pub abilities: Option<Abilities>,
    /// The URL of its model's projector, if it is known to have one.
    pub projector: Option<String>,
}

/// The models that some files belong to, most recently used first.
pub fn list_models(files: impl IntoIterator<Item = ListedFile>) -> Vec<StoredModel> {
    let files: Vec<ListedFile> = files.into_iter().collect();
    let complete = files.iter().filter(|file| file.done_bytes >= file.len_bytes);
    let complete: BTreeSet<String> = complete.map(|file| without_fragment(&file.url).to_owned()).collect();
    let mut models: BTreeMap<String, StoredModel> = BTreeMap::new();
    for file in files {
        let model = models.entry(without_fragment(&file.url).to_owned()).or_insert_with(|| StoredModel {
            is_projector: is_projector(&file.name),
            name: file.name,
            is_verified: true,
            ..StoredModel::default()
        });
        model.can_see |= file.projector.is_some_and(|url| complete.contains(without_fragment(&url)));
        // Files of a model may have been fetched by addresses with and without pins; the one with pins stands for all.
        if model.url.len() < file.url.len() {
            model.url = file.url;
        }
        model.len_bytes += file.len_bytes as f64;
        model.done_bytes += file.done_bytes as f64;
        model.used_seconds = model.used_seconds.max(file.used_seconds);
        model.is_verified &= file.is_verified;
        model.abilities = model.abilities.take().or(file.abilities);
    }
    // With its projector a model may hear, and see nothing.
    let hears_only = |known: &Abilities| {
        let can = |wanted| known.capabilities.contains(&wanted);
        can(Capability::Hearing) && !can(Capability::Vision)
    };
    let mut models: Vec<_> = models.into_values().collect();
    for model in &mut models {
        model.can_see &= !model.abilities.as_ref().is_some_and(hears_only);
    }
    models.sort_by(|a, b| b.used_seconds.total_cmp(&a.used_seconds));
    models
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIB: u64 = 1 << 40;

    fn record(len_bytes: u64) -> Option<Record> {
        Record::parse(format!(r#"{{"url":"u","len_bytes":{len_bytes},"etag":null,"sha256":null}}"#).as_bytes())
    }

    #[test]
    fn records_that_no_file_can_match_are_ignored() {
        for len_bytes in [0, TIB + 1, u64::MAX - 1, u64::MAX] {
            assert_eq!(record(len_bytes), None, "{len_bytes}");
        }
        for json in ["", "{}", r#"{"url":"u","len_bytes":-1}"#, r#"{"url":"u","len_bytes":1e30}"#, "[1"] {
            assert_eq!(Record::parse(json.as_bytes()), None, "{json}");
        }
        let odd = r#"{"url":"u","len_bytes":7,"etag":"e","sha256":"none"}"#;
        assert_eq!(Record::parse(odd.as_bytes()).map(|record| record.sha256), Some(None));
        let upper = odd.replace("none", &"AB".repeat(32));
        assert_eq!(Record::parse(upper.as_bytes()).and_then(|record| record.sha256), Some("ab".repeat(32)));
    }

    #[test]
    fn segments_cover_a_file_and_nothing_else() {
        for len_bytes in [1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, TIB - 1, TIB] {
            let Some(record) = record(len_bytes) else { panic!("{len_bytes} bytes are plausible") };
            let last = record.segment_count() - 1;
            let (start, len) = record.segment(last);
            assert!(len > 0 && len <= SEGMENT_BYTES && start + len == len_bytes, "{len_bytes}");
            for index in [last + 1, u64::MAX / SEGMENT_BYTES, u64::MAX] {
                assert_eq!(record.segment(index), (len_bytes, 0), "{len_bytes}");
            }
        }
    }

    #[test]
    fn a_journal_says_what_is_here_whatever_its_length() {
        let Some(record) = record(2 * SEGMENT_BYTES + 5) else { panic!("it is plausible") };
        let file = |journal: &[u8]| KeptFile::new(record.clone(), journal);
        assert_eq!(file(&[]).missing().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(file(&[1, 0, 1]).missing().collect::<Vec<_>>(), [1]);
        assert_eq!(file(&[1, 0, 1]).done_bytes(), SEGMENT_BYTES + 5);
        assert_eq!(file(&[1, 7]).missing().collect::<Vec<_>>(), [1, 2], "only 1 counts");
        assert!(file(&[1; 9]).is_complete(), "a longer one is that of a longer file, which the record contradicts");
        let file = file(&[1, 1]);
        assert!(!file.is_complete() && file.has(1) && !file.has(2) && !file.has(99));
    }

    #[test]
    fn segments_are_completed_in_order_whatever_the_pieces() {
        for len_bytes in [1, SEGMENT_BYTES - 1, SEGMENT_BYTES, 2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES + 3] {
            let Some(record) = record(len_bytes) else { panic!("{len_bytes} bytes are plausible") };
            for piece_bytes in [1_000_000, SEGMENT_BYTES, SEGMENT_BYTES + 1, u64::MAX] {
                let (mut completed, mut from) = (Vec::new(), 0);
                while from < len_bytes {
                    let to = from.saturating_add(piece_bytes).min(len_bytes);
                    completed.extend(record.completed(from, to));
                    from = to;
                }
                assert_eq!(completed, (0..record.segment_count()).collect::<Vec<_>>(), "{len_bytes} {piece_bytes}");
            }
        }
    }

    #[test]
    fn a_pin_outranks_what_was_recorded_and_computed() {
        let [a, b] = ["a", "b"].map(|digit| digit.repeat(64));
        let recorded = |sha256: Option<&String>| {
            let (url, sha256) = (String::new(), sha256.cloned());
            Record { url, len_bytes: 1, etag: None, sha256 }
        };
        assert_eq!(expected_checksum(Some(&a), &recorded(Some(&b))), Some(&a));
        assert_eq!(expected_checksum(None, &recorded(Some(&b))), Some(&b));
        assert_eq!(expected_checksum(None, &recorded(None)), None);
        for (pin, computed, record, contradicts) in [
            (Some(&a), Some(&a), Some(&b), false),
            (Some(&a), Some(&b), Some(&a), true),
            (Some(&a), None, Some(&b), true),
            (Some(&a), None, Some(&a), false),
            (Some(&a), None, None, false),
            (None, Some(&a), Some(&b), false),
        ] {
            let found = contradicts_pin(pin, computed, &recorded(record));
            assert_eq!(found, contradicts, "{pin:?} {computed:?} {record:?}");
        }
    }

    #[test]
    fn a_full_storage_is_noticed_before_anything_is_written() {
        let usage = |used_bytes, quota_bytes| Some(Usage { used_bytes, quota_bytes });
        assert_eq!(check_room(usage(40, 100), 60), Ok(()));
        assert_eq!(check_room(None, u64::MAX), Ok(()), "the browser says nothing");
        let full =
            |needed_bytes, free_bytes| Err(FileError::StorageFull { needed_bytes, free_bytes: Some(free_bytes) });
        assert_eq!(check_room(usage(40, 100), 61), full(61, 60));
        assert_eq!(check_room(usage(120, 100), 1), full(1, 0), "the quota may shrink");
        assert_eq!(check_room(usage(1, 100), u64::MAX), full(u64::MAX, 99));
    }

    fn listed(url: &str, done_bytes: u64, used_seconds: f64, is_verified: bool) -> ListedFile {
        let (url, name) = (url.to_owned(), "m.gguf".to_owned());
        let abilities = is_verified.then(|| Abilities { context_tokens: 512, ..Abilities::default() });
        ListedFile { url, name, len_bytes: 10, done_bytes, used_seconds, is_verified, abilities, projector: None }
    }

    #[test]
    fn a_model_sees_once_its_projector_is_here() {
        let model = |projector: &str| ListedFile {
            projector: Some(projector.to_owned()),
            ..listed("https://host/m.gguf", 10, 1.0, true)
        };
        let projector = |done_bytes| ListedFile {
            name: "mmproj-F16.gguf".to_owned(),
            ..listed("https://host/mmproj-F16.gguf", done_bytes, 0.0, true)
        };
        let kinds = |files: [ListedFile; 2]| -> Vec<(bool, bool)> {
            list_models(files).into_iter().map(|model| (model.is_projector, model.can_see)).collect()
        };
        let url = "https://host/mmproj-F16.gguf";
        assert_eq!(kinds([model(url), projector(10)]), [(false, true), (true, false)]);
        assert_eq!(kinds([model(url), projector(9)]), [(false, false), (true, false)]);
        assert_eq!(kinds([model(""), projector(10)]), [(false, false), (true, false)]);
        let abilities = Abilities { capabilities: vec![Capability::Chat, Capability::Hearing], context_tokens: 512 };
        let hearing = ListedFile { abilities: Some(abilities), ..model(url) };
        assert_eq!(kinds([hearing, projector(10)]), [(false, false), (true, false)], "it hears with it");
    }

    #[test]
    fn files_of_a_model_are_listed_together() {
        let models = list_models([
            listed("https://host/old.gguf", 10, 1.0, true),
            listed("https://host/m.gguf", 10, 5.0, true),
            listed("https://host/m.gguf#sha256=1,2", 4, 2.0, false),
        ]);
        let [split, old] = models.as_slice() else { panic!("two models, not {models:?}") };
        assert_eq!(split.url, "https://host/m.gguf#sha256=1,2");
        assert_eq!((split.len_bytes, split.done_bytes), (20.0, 14.0));
        assert!(!split.is_verified && old.is_verified);
        assert_eq!(split.abilities.as_ref().map(|abilities| abilities.context_tokens), Some(512), "one file knows it");
        assert_eq!((split.used_seconds, old.used_seconds), (5.0, 1.0), "most recently used first");
    }
}
