//! What the client's signals show.

use parlance_protocol::library::ChatModel;
use parlance_protocol::{Failure, ModelDescription, ModelInfo, Phase};

/// State of the engine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum EngineState {
    /// No model is loaded.
    Empty,
    /// A model is being loaded.
    Loading(LoadProgress),
    /// A model is ready.
    Ready(ModelInfo),
    /// Loading failed, or the worker died.
    Failed(Failure),
}

/// Result of inspecting a model before loading it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Inspection {
    /// Its header is being read.
    Pending,
    /// It can be used.
    Done(ModelDescription),
    /// It cannot be used.
    Failed(Failure),
}

/// Progress of loading a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LoadProgress {
    /// Current phase.
    pub(crate) phase: Phase,
    /// Bytes done.
    pub(crate) done_bytes: f64,
    /// Total bytes, if known.
    pub(crate) total_bytes: Option<f64>,
    /// Seconds since the phase started.
    pub(crate) seconds: f64,
}

/// A model that is being fetched.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Download {
    /// The model.
    pub(crate) model: ChatModel,
    /// How far it is.
    pub(crate) state: DownloadState,
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DownloadState {
    /// It is under way.
    Running(LoadProgress),
    /// The model is on this device, but something is being answered, so that it has not been loaded.
    Done,
    /// It failed. What is stored stays for the next attempt.
    Failed(Failure),
}
