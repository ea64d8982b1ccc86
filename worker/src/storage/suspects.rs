//! Templates that may end the worker. None is known to; but one that did would end it again each time that its model is loaded.
//! So a note is made before a template is rendered for the first time, and taken away after: where it is found, the worker ended
//! in between, and the template is not tried again by this version.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use parlance_engine::chat::Chat;
use sha2::{Digest as _, Sha256};

use super::opfs::Folder;
use super::{Store, hex};
use crate::error::WorkerError;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The notes.
#[derive(Clone)]
pub(super) struct Suspects {
    folder: Folder,
    /// Those that this worker made, which is still there.
    own: Rc<RefCell<BTreeSet<String>>>,
}

impl Suspects {
    pub(super) fn new(folder: Folder) -> Self {
        Self { folder, own: Rc::default() }
    }

    /// Whether the worker ended while it tried the template.
    async fn has(&self, name: &str) -> bool {
        let is_own = self.own.borrow().contains(name);
        !is_own && self.folder.read(name).await.as_deref() == Some(VERSION.as_bytes())
    }
}

/// Renders a model's template for the first time, unless that ended a worker before.
pub(crate) async fn try_template(store: Option<&Store>, chat: &mut Chat) -> Result<(), WorkerError> {
    let name = chat.untried_template().map(|source| hex(&Sha256::digest(source.as_bytes())[..16]));
    let (Some(Store { suspects, .. }), Some(name)) = (store, name) else { return Ok(chat.try_template()?) };
    if suspects.has(&name).await {
        chat.distrust_template();
        return Ok(chat.try_template()?);
    }
    // Without room for a note it is tried nevertheless.
    suspects.own.borrow_mut().insert(name.clone());
    let _ = suspects.folder.write(&name, VERSION.as_bytes()).await;
    let result = chat.try_template();
    let _ = suspects.folder.remove(&name).await;
    suspects.own.borrow_mut().remove(&name);
    Ok(result?)
}
