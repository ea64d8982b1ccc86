//! Chat templates that may kill the worker. None is known to, but one that did would do so again each time its model is loaded. So a note is made
//! before a template is rendered for the first time, and deleted afterwards: where it is found, the worker died in between, and this version does not
//! try the template again.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use parlance_engine::chat::Chat;
use parlance_worker_core::checksum::short_digest;

use super::opfs::Folder;
use crate::error::WorkerError;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The notes.
#[derive(Clone)]
pub(super) struct Suspects {
    folder: Folder,
    /// Notes of this worker, which is still alive.
    own: Rc<RefCell<BTreeSet<String>>>,
}

impl Suspects {
    pub(super) fn new(folder: Folder) -> Self {
        Self { folder, own: Rc::default() }
    }

    /// Whether a worker died while it tried the template.
    async fn has(&self, name: &str) -> bool {
        let is_own = self.own.borrow().contains(name);
        !is_own && self.folder.read(name).await.as_deref() == Some(VERSION.as_bytes())
    }
    /// Renders a model's template for the first time, unless that killed a worker before.
    pub(super) async fn try_template(&self, chat: &mut Chat) -> Result<(), WorkerError> {
        let Some(name) = chat.untried_template().map(short_digest) else { return Ok(chat.try_template()?) };
        if self.has(&name).await {
            chat.distrust_template();
            return Ok(chat.try_template()?);
        }
        // Without room for a note it is tried nevertheless.
        self.own.borrow_mut().insert(name.clone());
        let _ = self.folder.write(&name, VERSION.as_bytes()).await;
        let result = chat.try_template();
        let _ = self.folder.remove(&name).await;
        self.own.borrow_mut().remove(&name);
        Ok(result?)
    }
}
