//! Models and conversations kept on this device, in the browser's private file system.

mod download;
mod entry;
mod opfs;
mod sealing;
mod suspects;
mod verdicts;

pub(crate) use download::Download;
pub(crate) use entry::{Entry, Reader, Record, hex};
pub(crate) use opfs::estimate;
pub(crate) use suspects::try_template;
pub(crate) use verdicts::Tested;

use std::collections::BTreeMap;

use parlance_engine::EngineError;
use parlance_protocol::{StorageInfo, StoredModel};
use sha2::{Digest as _, Sha256};
use web_sys::File;

use self::entry::Appender;
use self::opfs::Folder;
use self::suspects::Suspects;
use crate::address::{FileAddress, LOCAL, file_name, parts, without_fragment};
use crate::error::WorkerError;

/// The files kept on this device.
#[derive(Clone)]
pub(crate) struct Store {
    models: Folder,
    conversations: Folder,
    suspects: Suspects,
}

impl Store {
    /// Opens the store, or `None` where the browser gives no storage.
    pub(crate) async fn open() -> Option<Self> {
        let root = Folder::root().await?;
        let models = root.folder("models").await.ok()?;
        let conversations = root.folder("conversations").await.ok()?;
        let suspects = Suspects::new(root.folder("suspects").await.ok()?);
        Some(Self { models, conversations, suspects })
    }

    /// The kept file of an address, whole or not. One that is another than the address pins does not count.
    pub(crate) async fn find(&self, file: &FileAddress) -> Option<Entry> {
        let entry = Entry::open(self.models.existing_folder(&key(&file.url)).await?).await?;
        entry.pinned(file.pin.clone()).await
    }

    /// The same, if it is whole.
    pub(crate) async fn find_complete(&self, file: &FileAddress) -> Option<Entry> {
        self.find(file).await.filter(Entry::is_complete)
    }

    /// Makes room for a file, in place of what was kept of its address.
    pub(crate) async fn create(&self, record: Record) -> Result<Entry, WorkerError> {
        let key = key(&record.url);
        self.models.remove(&key).await?;
        let entry = Entry::create(self.models.folder(&key).await?, record).await;
        if entry.is_err() {
            // A record without its data is of no use. If it cannot be removed either, the next attempt replaces it.
            let _ = self.models.remove(&key).await;
        }
        entry
    }

    /// Deletes all files of a model.
    pub(crate) async fn remove(&self, url: &str) -> Result<(), WorkerError> {
        for url in parts(url) {
            self.remove_file(&url).await?;
        }
        Ok(())
    }

    /// Deletes one file of a model.
    pub(crate) async fn remove_file(&self, url: &str) -> Result<(), WorkerError> {
        self.models.remove(&key(url)).await
    }

    /// Deletes those of some kept files that are not known to be what they should be, and says whether there were any.
    pub(crate) async fn remove_unsound(&self, kept: &[Entry]) -> Result<bool, WorkerError> {
        let mut were_any = false;
        for entry in kept {
            if !entry.is_sound().await? {
                self.remove_file(&entry.record.url).await?;
                were_any = true;
            }
        }
        Ok(were_any)
    }

    /// Notes that a model is loaded now.
    pub(crate) async fn note_use(&self, url: &str) {
        for file in FileAddress::all(url).unwrap_or_default() {
            if let Some(entry) = self.find_complete(&file).await {
                // Where there is no room for a date, the model is loaded nevertheless.
                let _ = entry.note_use().await;
            }
        }
    }

    /// Copies a file of the user's, and returns its address in the store.
    pub(crate) async fn import(&self, file: &File) -> Result<String, WorkerError> {
        // In an address these begin something else than a name.
        let url = format!("{LOCAL}{}", file.name().replace(['?', '#'], "_"));
        if file.size() < 1.0 {
            return Err(EngineError::Truncated { len_bytes: 0, needed_bytes: 1 }.into());
        }
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
                // One that cannot be removed is tried again the next time.
                let _ = self.models.remove(&name).await;
                continue;
            };
            let url = listed_url(&entry.record.url);
            let is_verified = entry.record.sha256.is_some() && entry.seal().await.is_some();
            let model = models.entry(without_fragment(&url).to_owned()).or_insert_with(|| StoredModel {
                name: file_name(&url).to_owned(),
                is_verified: true,
                ..StoredModel::default()
            });
            // Of files that were fetched under several addresses, the one with the pins stands for all.
            if model.url.len() < url.len() {
                model.url = url;
            }
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
        for file in FileAddress::all(url)? {
            let entry = self.find_complete(&file).await.ok_or(WorkerError::NotKept)?;
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

    /// Deletes all kept KV caches: they hold what was said.
    pub(crate) async fn delete_conversations(&self) -> Result<(), WorkerError> {
        for name in self.conversations.names().await {
            self.conversations.remove(&name).await?;
        }
        Ok(())
    }

    /// A kept KV cache.
    pub(crate) async fn conversation(&self, name: &str) -> Option<Vec<u8>> {
        self.conversations.read(&key(name)).await
    }
}

/// An error if this device has not room for so many bytes.
pub(crate) async fn check_room(needed_bytes: u64) -> Result<(), WorkerError> {
    match estimate().await {
        Some((used, quota)) if used.saturating_add(needed_bytes) > quota => {
            Err(WorkerError::StorageFull { needed_bytes, free_bytes: Some(quota.saturating_sub(used)) })
        }
        _ => Ok(()),
    }
}

/// The address by which the model of a kept file can be loaded: that of its first file, with its pins. Older versions took fragments that
/// are none.
fn listed_url(url: &str) -> String {
    match FileAddress::all(url).unwrap_or_default().into_iter().next() {
        Some(first) => first.url,
        None => parts(without_fragment(url)).swap_remove(0),
    }
}

/// A folder's name for an address, whose fragment does not count.
fn key(url: &str) -> String {
    hex(&Sha256::digest(without_fragment(url).as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_files_are_listed_by_an_address_that_can_be_loaded() {
        let pins = format!("#sha256={},{}", "a".repeat(64), "b".repeat(64));
        let listed = |fragment: &str| listed_url(&format!("https://host/m-00002-of-00002.gguf{fragment}"));
        assert_eq!(listed(&pins), format!("https://host/m-00001-of-00002.gguf{pins}"));
        for fragment in ["", "#main", "#sha256=abc"] {
            assert_eq!(listed(fragment), "https://host/m-00001-of-00002.gguf", "{fragment}");
        }
    }

    #[test]
    fn a_pin_makes_no_other_file() {
        assert_eq!(key("https://host/m.gguf?a#sha256=1"), key("https://host/m.gguf?a"));
        assert_ne!(key("https://host/m.gguf?a"), key("https://host/m.gguf?b"));
    }
}
