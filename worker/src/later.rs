//! What a loaded model leaves to do that has time until nobody waits (`idle.rs`).

use std::time::Duration;

use crate::storage::Entry;

/// How long nobody must have asked for anything: people read an answer before they go on.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// What a model leaves to do.
#[derive(Default)]
pub(crate) struct Later {
    /// The kept file of a model whose kernel layout has yet to be measured.
    pub(crate) untuned: Option<Entry>,
    pub(crate) has_answered: bool,
    /// Kept files without a checksum.
    pub(crate) unsealed: Vec<Entry>,
}

impl Later {
    /// What a model leaves to do whose kept files are these.
    pub(crate) async fn new(untuned: Option<Entry>, kept: Vec<Option<Entry>>) -> Self {
        let mut unsealed = Vec::new();
        for entry in kept.into_iter().flatten() {
            if entry.seal().await.is_none() {
                unsealed.push(entry);
            }
        }
        Self { untuned, has_answered: false, unsealed }
    }

    /// Notes that the model has answered. Nothing is measured before that.
    pub(crate) fn note_answer(&mut self) {
        self.has_answered = true;
    }

    /// Whether there is anything to do now.
    pub(crate) fn is_due(&self) -> bool {
        !self.unsealed.is_empty() || self.has_answered && self.untuned.is_some()
    }
}
