//! What the server does while nobody waits: it measures kernel layouts, once a model has answered, and computes the
//! checksums of files for which nobody specified one. A request that comes meanwhile is not kept waiting.

use futures::future::{Either, select};
use parlance_engine::runtime::Loaded;

use crate::client::Incoming;
use crate::prepare::tune;
use crate::resident::LoadedModel;
use crate::server::Server;

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
