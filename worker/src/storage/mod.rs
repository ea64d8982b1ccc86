//! Models, conversations and responses kept on this device, in the browser's private file system.

mod download;
mod entry;
mod opfs;
mod responses;
mod self_test;
mod suspects;

pub(crate) use download::{Arriving, Report};
pub(crate) use entry::{Entry, Reader};
pub(crate) use opfs::usage;
pub(crate) use self_test::TestedKernels;

use parlance_engine::chat::Chat;
use parlance_protocol::{Abilities, StorageInfo};
use parlance_worker_core::FileError;
use parlance_worker_core::address::{FileAddress, LOCAL, file_name, without_fragment};
use parlance_worker_core::checksum::short_digest;
use parlance_worker_core::download::Append;
use parlance_worker_core::kept::{ListedFile, Record, check_room, list_models};
use web_sys::File;

use self::opfs::Folder;
use self::responses::Responses;
use self::suspects::Suspects;
use crate::address;
use crate::error::WorkerError;
use crate::stream::ByteStream;

/// The files kept on this device.
#[derive(Clone)]
pub(crate) struct Store {
    models: Folder,
    conversations: Folder,
    responses: Responses,
    suspects: Suspects,
}

impl Store {
    /// Opens the store, or `None` where the browser gives no storage.
    pub(crate) async fn open() -> Option<Self> {
        let root = Folder::root().await?;
        let models = root.folder("models").await.ok()?;
        let conversations = root.folder("conversations").await.ok()?;
        let responses = Responses::new(root.folder("responses").await.ok()?);
        let suspects = Suspects::new(root.folder("suspects").await.ok()?);
        Some(Self { models, conversations, responses, suspects })
    }

    /// The kept file of an address, complete or not, unless it contradicts the address's pin.
    pub(crate) async fn find(&self, file: &FileAddress) -> Option<Entry> {
        let entry = Entry::open(self.models.existing_folder(&key(&file.url)).await?).await?;
        entry.pinned(file.pin.clone()).await
    }

    /// The same, if it is complete.
    pub(crate) async fn find_complete(&self, file: &FileAddress) -> Option<Entry> {
        self.find(file).await.filter(|entry| entry.file.is_complete())
    }

    /// Creates a file, in place of what was kept of its address.
    async fn create(&self, record: Record) -> Result<Entry, FileError> {
        let key = key(&record.url);
        self.models.remove(&key).await?;
        let entry = Entry::create(self.models.folder(&key).await?, record).await;
        if entry.is_err() {
            // A record without its data is of no use. If it cannot be removed either, the next attempt replaces it.
            let _ = self.models.remove(&key).await;
        }
        entry
    }

    /// Deletes all files of a model, and its projector unless that of another model is the same.
    pub(crate) async fn remove(&self, url: &str) -> Result<(), FileError> {
        let projector = self.projector_of(url).await.filter(|projector| !projector.is_empty());
        for url in address::part_urls(url) {
            self.remove_file(&url).await?;
        }
        let Some(projector) = projector else { return Ok(()) };
        for name in self.models.names().await {
            let Some(folder) = self.models.existing_folder(&name).await else { continue };
            let Some(entry) = Entry::open(folder).await else { continue };
            if entry.projector().await.as_ref() == Some(&projector) {
                return Ok(());
            }
        }
        self.remove_file(&projector).await
    }

    /// The URL of the projector of a kept model, empty if it has none; `None` if that is not known.
    pub(crate) async fn projector_of(&self, url: &str) -> Option<String> {
        let first = address::part_urls(url).into_iter().next()?;
        Entry::open(self.models.existing_folder(&key(&first)).await?).await?.projector().await
    }

    /// Notes the URL of the projector of a kept model.
    pub(crate) async fn set_projector(&self, url: &str, projector: &str) {
        let Some(first) = address::part_urls(url).into_iter().next() else { return };
        let Some(folder) = self.models.existing_folder(&key(&first)).await else { return };
        if let Some(entry) = Entry::open(folder).await {
            // Without room for it, the projector is looked for again the next time.
            let _ = entry.set_projector(projector).await;
        }
    }

    /// Deletes one file of a model.
    async fn remove_file(&self, url: &str) -> Result<(), FileError> {
        self.models.remove(&key(url)).await
    }

    /// Deletes those of some kept files that are not known to be what they should be, and says whether there were any.
    pub(crate) async fn remove_unsound(&self, kept: &[Entry]) -> Result<bool, FileError> {
        let mut were_any = false;
        for entry in kept {
            if !entry.is_sound().await? {
                self.remove_file(&entry.file.record.url).await?;
                were_any = true;
            }
        }
        Ok(were_any)
    }

    /// Notes that a file was loaded now, and what it can do if it is a model's.
    pub(crate) async fn note_use(&self, url: &str, abilities: Option<&Abilities>) {
        for file in address::files(url).unwrap_or_default() {
            if let Some(entry) = self.find_complete(&file).await {
                // Without room for a note, the model is loaded nevertheless.
                let _ = entry.note_use().await;
                if let Some(abilities) = abilities {
                    let _ = entry.set_abilities(abilities).await;
                }
            }
        }
    }

    /// Copies a file of the user's.
    pub(crate) async fn import(&self, file: &File) -> Result<(), FileError> {
        // In an address these would begin something else than a name.
        let url = format!("{LOCAL}{}", file.name().replace(['?', '#'], "_"));
        if file.size() < 1.0 {
            return Err(FileError::CutShort { len_bytes: 0, needed_bytes: 1 });
        }
        let len_bytes = file.size() as u64;
        check_room(usage().await, len_bytes)?;
        let entry = self.create(Record { url, len_bytes, etag: None, sha256: None }).await?;
        let mut writer = entry.writer().await?;
        let mut stream = ByteStream::of_file(file)?;
        let mut append = Append::new(len_bytes);
        while let Some(chunk) = stream.next().await? {
            let mut placed = append.push(&chunk)?;
            writer.write_at(&chunk, placed.offset)?;
            placed.completed.try_for_each(|segment| writer.commit(segment))?;
        }
        let end = append.finish()?;
        end.completed.map_or(Ok(()), |segment| writer.commit(segment))?;
        writer.record()?;
        entry.set_seal(&end.checksum).await
    }

    /// What is kept, and how much room there is. Folders that cannot be used are removed.
    pub(crate) async fn info(&self) -> StorageInfo {
        let mut files = Vec::new();
        for name in self.models.names().await {
            let Some(folder) = self.models.existing_folder(&name).await else { continue };
            match Entry::open(folder).await {
                Some(entry) => files.push(listed(&entry).await),
                // One that cannot be removed is tried again the next time.
                None => drop(self.models.remove(&name).await),
            }
        }
        let usage = usage().await.unwrap_or_default();
        let (used_bytes, quota_bytes) = (usage.used_bytes as f64, usage.quota_bytes as f64);
        StorageInfo { models: list_models(files), used_bytes, quota_bytes }
    }

    /// Whether all files of a model are intact.
    pub(crate) async fn is_intact(&self, url: &str) -> Result<bool, WorkerError> {
        for file in address::files(url)? {
            let entry = self.find_complete(&file).await.ok_or(WorkerError::NotKept)?;
            if !entry.is_intact().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Keeps a conversation's KV cache.
    pub(crate) async fn save_conversation(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        check_room(usage().await, bytes.len() as u64)?;
        self.conversations.write(&key(name), bytes).await
    }

    /// Deletes all saved KV caches and kept responses: they contain what was said.
    pub(crate) async fn delete_conversations(&self) -> Result<(), FileError> {
        for name in self.conversations.names().await {
            self.conversations.remove(&name).await?;
        }
        self.responses.delete_all().await
    }

    /// The responses that are kept.
    pub(crate) fn responses(&self) -> &Responses {
        &self.responses
    }

    /// A saved KV cache.
    pub(crate) async fn conversation(&self, name: &str) -> Option<Vec<u8>> {
        self.conversations.read(&key(name)).await
    }
}

async fn listed(entry: &Entry) -> ListedFile {
    let record = &entry.file.record;
    let url = address::listed_url(&record.url);
    ListedFile {
        name: file_name(&url).to_owned(),
        url,
        len_bytes: record.len_bytes,
        done_bytes: entry.file.done_bytes(),
        used_seconds: entry.used_seconds().await,
        is_verified: record.sha256.is_some() && entry.seal().await.is_some(),
        abilities: entry.abilities().await,
        projector: entry.projector().await,
    }
}

/// Renders a model's template for the first time, unless that killed a worker before.
pub(crate) async fn try_template(store: Option<&Store>, chat: &mut Chat) -> Result<(), WorkerError> {
    match store {
        Some(store) => store.suspects.try_template(chat).await,
        None => Ok(chat.try_template()?),
    }
}

/// The name of an address's folder; the fragment does not count.
fn key(url: &str) -> String {
    short_digest(without_fragment(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_same_folder_with_and_without_a_pin() {
        assert_eq!(key("https://host/m.gguf?a#sha256=1"), key("https://host/m.gguf?a"));
        assert_ne!(key("https://host/m.gguf?a"), key("https://host/m.gguf?b"));
    }
}
