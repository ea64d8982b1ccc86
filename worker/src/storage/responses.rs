//! Responses kept on this device, for requests that continue them. A file each, named by the digest of its id.

use std::rc::Rc;

use futures::lock::{MappedMutexGuard, Mutex, MutexGuard};
use parlance_api::KeptResponse;
use parlance_worker_core::FileError;
use parlance_worker_core::checksum::short_digest;
use parlance_worker_core::kept::check_room;
use parlance_worker_core::recent::{Recent, Room};

use super::opfs::{Folder, usage};

/// The responses that are kept.
#[derive(Clone)]
pub(crate) struct Responses {
    folder: Folder,
    /// `None` until the first use. Locked while files change.
    recent: Rc<Mutex<Option<Recent>>>,
}

impl Responses {
    pub(super) fn new(folder: Folder) -> Self {
        Self { folder, recent: Rc::default() }
    }

    /// A kept response. It is used now, so others go first.
    pub(crate) async fn find(&self, id: &str) -> Option<KeptResponse> {
        let name = short_digest(id);
        let mut recent = self.recent().await;
        let kept = KeptResponse::from_bytes(&self.folder.read(&name).await?)?;
        recent.touch(&name);
        Some(kept)
    }

    /// Keeps a response, in place of those that were used longest ago if there is no room.
    pub(crate) async fn keep(&self, kept: &KeptResponse) -> Result<(), FileError> {
        let (name, bytes) = (short_digest(&kept.response.id), kept.to_bytes());
        let len_bytes = bytes.len() as u64;
        let mut recent = self.recent().await;
        let gone = recent.add(name.clone(), len_bytes);
        for other in &gone {
            self.folder.remove(other).await?;
        }
        if gone.contains(&name) {
            return Ok(());
        }
        let written = match check_room(usage().await, len_bytes) {
            Ok(()) => self.folder.write(&name, &bytes).await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            recent.remove(&name);
            self.folder.remove(&name).await?;
        }
        written
    }

    /// Deletes a response.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), FileError> {
        let name = short_digest(id);
        self.recent().await.remove(&name);
        self.folder.remove(&name).await
    }

    pub(super) async fn delete_all(&self) -> Result<(), FileError> {
        let mut recent = self.recent().await;
        for name in self.folder.names().await {
            recent.remove(&name);
            self.folder.remove(&name).await?;
        }
        Ok(())
    }

    async fn recent(&self) -> MappedMutexGuard<'_, Option<Recent>, Recent> {
        let mut recent = self.recent.lock().await;
        if recent.is_none() {
            *recent = Some(Recent::new(Room::RESPONSES, self.folder.files().await));
        }
        MutexGuard::map(recent, |recent| recent.get_or_insert_with(|| Recent::new(Room::RESPONSES, [])))
    }
}
