//! Models and conversations kept on this device, in the browser's private file system.

mod download;
mod entry;
mod opfs;
mod sealing;

pub(crate) use download::Download;
pub(crate) use entry::{Entry, Reader, Record, hex};
pub(crate) use opfs::estimate;

use std::collections::BTreeMap;

use parlance_engine::gguf::part_names;
use parlance_protocol::{StorageInfo, StoredModel};
use sha2::{Digest as _, Sha256};
use web_sys::File;

use self::entry::Appender;
use self::opfs::Folder;
use crate::error::WorkerError;

/// Begins the address of a file that was copied from the user's disk.
pub(crate) const LOCAL: &str = "local:";

/// The files kept on this device.
#[derive(Clone)]
pub(crate) struct Store {
    models: Folder,
    conversations: Folder,
}

impl Store {
    /// Opens the store, or `None` where the browser gives no storage.
    pub(crate) async fn open() -> Option<Self> {
        let root = Folder::root().await?;
        let models = root.folder("models").await.ok()?;
        let conversations = root.folder("conversations").await.ok()?;
        Some(Self { models, conversations })
    }

    /// The kept file of an address, whole or not.
    pub(crate) async fn find(&self, url: &str) -> Option<Entry> {
        Entry::open(self.models.existing_folder(&key(url)).await?).await
    }

    /// The kept file of an address, if it is whole.
    pub(crate) async fn find_complete(&self, url: &str) -> Option<Entry> {
        self.find(url).await.filter(Entry::is_complete)
    }

    /// Makes room for a file, in place of what was kept of its address.
    pub(crate) async fn create(&self, record: Record) -> Result<Entry, WorkerError> {
        let key = key(&record.url);
        self.models.remove(&key).await?;
        Entry::create(self.models.folder(&key).await?, record).await
    }

    /// Deletes all files of a model.
    pub(crate) async fn remove(&self, url: &str) -> Result<(), WorkerError> {
        for url in parts(url) {
            self.models.remove(&key(&url)).await?;
        }
        Ok(())
    }

    /// Copies a file of the user's, and returns its address in the store.
    pub(crate) async fn import(&self, file: &File) -> Result<String, WorkerError> {
        let url = format!("{LOCAL}{}", file.name());
        let record = Record { url: url.clone(), len_bytes: file.size() as u64, etag: None, sha256: None };
        check_room(record.len_bytes).await?;
        let entry = self.create(record).await?;
        let writer = entry.writer().await?;
        let mut stream = crate::source::ByteStream::of_file(file)?;
        let mut appender = Appender::new(&writer, entry.record.len_bytes);
        while let Some(chunk) = stream.next().await? {
            appender.push(&chunk)?;
        }
        entry.set_seal(&appender.end()?).await?;
        Ok(url)
    }

    /// What is kept, and how much room there is. Folders that hold nothing usable are removed.
    pub(crate) async fn info(&self) -> Result<StorageInfo, WorkerError> {
        let mut models: BTreeMap<String, StoredModel> = BTreeMap::new();
        for name in self.models.names().await {
            let Some(folder) = self.models.existing_folder(&name).await else { continue };
            let Some(entry) = Entry::open(folder).await else {
                self.models.remove(&name).await?;
                continue;
            };
            let url = parts(&entry.record.url).swap_remove(0);
            let is_verified = entry.record.sha256.is_some() && entry.seal().await.is_some();
            let model = models.entry(url.clone()).or_insert_with(|| StoredModel {
                name: file_name(&url).to_owned(),
                url,
                is_verified: true,
                ..StoredModel::default()
            });
            model.len_bytes += entry.record.len_bytes as f64;
            model.done_bytes += entry.done_bytes() as f64;
            model.used_seconds = model.used_seconds.max(entry.used_seconds().await);
            model.is_verified &= is_verified;
        }
        let mut models: Vec<_> = models.into_values().collect();
        models.sort_by(|a, b| b.used_seconds.total_cmp(&a.used_seconds));
        let (used, quota) = estimate().await.unwrap_or_default();
        Ok(StorageInfo { models, used_bytes: used as f64, quota_bytes: quota as f64 })
    }

    /// Whether all files of a model are what they were.
    pub(crate) async fn is_intact(&self, url: &str) -> Result<bool, WorkerError> {
        for url in parts(url) {
            let entry =
                self.find_complete(&url).await.ok_or(WorkerError::BadRequest("this model is not on this device"))?;
            if !entry.is_intact().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Keeps a conversation's KV cache.
    pub(crate) async fn save_conversation(&self, name: &str, bytes: &[u8]) -> Result<(), WorkerError> {
        check_room(bytes.len() as u64).await?;
        self.conversations.write(&key(name), bytes).await
    }

    /// A kept KV cache.
    pub(crate) async fn conversation(&self, name: &str) -> Option<Vec<u8>> {
        self.conversations.read(&key(name)).await
    }
}

/// An error if this device has not room for so many bytes.
pub(crate) async fn check_room(needed_bytes: u64) -> Result<(), WorkerError> {
    match estimate().await {
        Some((used, quota)) if used + needed_bytes > quota => {
            Err(WorkerError::StorageFull { needed_bytes, free_bytes: Some(quota.saturating_sub(used)) })
        }
        _ => Ok(()),
    }
}

/// The addresses of all files of a model, of which `url` is one.
pub(crate) fn parts(url: &str) -> Vec<String> {
    let (path, rest) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    match part_names(path) {
        Some(paths) => paths.iter().map(|path| format!("{path}{rest}")).collect(),
        None => vec![url.to_owned()],
    }
}

/// The last part of an address's path.
pub(crate) fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.trim_start_matches(LOCAL).rsplit('/').next().unwrap_or_default()
}

/// A folder's name for an address, whose fragment does not count.
fn key(url: &str) -> String {
    let address = url.split('#').next().unwrap_or_default();
    hex(&Sha256::digest(address.as_bytes())[..16])
}
