//! What a loaded model leaves to do, and what has time until nobody waits: measuring kernel layouts, once the model has answered, and computing the
//! checksum of a file for which nobody specified one. A request that comes meanwhile is not kept waiting.

use std::time::Duration;

use futures::future::{Either, select};
use parlance_engine::runtime::Loaded;

use crate::client::Incoming;
use crate::load::LoadedModel;
use crate::prepare::tune;
use crate::server::Server;
use crate::storage::Entry;

/// How long nobody must have asked for anything: people read an answer before they go on.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// What a model leaves to do.
#[derive(Default)]
pub(crate) struct Later {
    /// The kept file of a model whose kernel layout has yet to be measured.
    untuned: Option<Entry>,
    has_answered: bool,
    /// Kept files without a checksum.
    unsealed: Vec<Entry>,
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

impl Server {
    /// Whether a model leaves anything to do.
    pub(crate) fn has_work(&self) -> bool {
        self.models.position(|model| model.later.is_due()).is_some()
    }

    /// Does what one of the models leaves to do. Returns a request that came meanwhile.
    pub(crate) async fn work(&mut self) -> Option<Incoming> {
        let queue = self.shared.queue.clone();
        let index = self.models.position(|model| model.later.is_due())?;
        let LoadedModel { loaded, later, .. } = &mut self.models.model_mut(index).model;
        if !later.has_answered || later.untuned.is_none() {
            let entry = later.unsealed.pop()?;
            // What cannot be read now is tried again after the next load.
            let incoming = first_of(queue.next(), entry.compute_seal()).await;
            if incoming.is_some() {
                later.unsealed.push(entry);
            }
            return incoming;
        }
        let (Loaded::Decoder(model), Some(entry)) = (loaded, later.untuned.take()) else { return None };
        match tune(model, &entry, &|| queue.is_empty()).await {
            Ok(false) => later.untuned = Some(entry),
            Err(error) if error.is_gpu() => self.forget_all(),
            // After an error the default layout stays, and is measured again after the next load.
            Ok(true) | Err(_) => {}
        }
        None
    }
}

/// The request, if it comes before the work is done.
async fn first_of<T>(request: impl Future<Output = T>, work: impl Future) -> Option<T> {
    match select(std::pin::pin!(request), std::pin::pin!(work)).await {
        Either::Left((request, _)) => Some(request),
        Either::Right(_) => None,
    }
}
