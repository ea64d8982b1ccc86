//! Models in memory, and what is needed to load them.

use std::rc::Rc;

use parlance_api::{ChatCodec, Senses};
use parlance_engine::runtime::Loaded;
use parlance_worker_core::residency;
use web_sys::File;

use crate::later::Later;

/// What is needed to load a model, now or again.
pub(crate) type LoadSpec = residency::LoadSpec<File>;

/// A model in memory.
pub(crate) type Resident = residency::Resident<File, LoadedModel>;

/// What computes a model.
pub(crate) struct LoadedModel {
    pub(crate) loaded: Loaded,
    /// Of a chat model.
    pub(crate) codec: Option<Rc<ChatCodec>>,
    /// Of a chat model that sees images or hears recordings.
    pub(crate) senses: Option<Senses>,
    /// What has time until nobody waits.
    pub(crate) later: Later,
}
