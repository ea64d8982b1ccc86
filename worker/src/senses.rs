//! Loading the projector of a model, with which it sees images or hears recordings.

use parlance_api::Senses;
use parlance_engine::runtime::{Model, ProjectorLoader};
use parlance_protocol::{ModelSource, Warning, WarningReason};
use parlance_worker_core::address::without_fragment;

use crate::error::WorkerError;
use crate::load::{Files, Load};
use crate::prepare::prepare_projector;
use crate::projector::{Found, detail};
use crate::resident::LoadSpec;
use crate::source::Part;

impl Load<'_> {
    /// Loads a model's projector, and notes with a kept model which it is, so that it sees and hears without a network, too. A warning says why one that merely
    /// lies beside the model is of no use.
    pub(crate) async fn senses(
        &self,
        spec: &LoadSpec,
        model: &Model,
        found: Option<&Found>,
        files: &mut Files,
    ) -> Result<Option<Senses>, WorkerError> {
        let Some(found) = found else { return Ok(None) };
        let error = match self.load_projector(model, &found.part).await {
            Ok((senses, own)) => {
                files.add(own);
                self.note_projector(spec, found).await;
                return Ok(Some(senses));
            }
            Err(error) if error.is_gpu() || error.is_interrupted() => return Err(error),
            Err(error) => error,
        };
        let is_bad = error.is_bad_model();
        if let (true, Some(store), Some(url)) = (is_bad, self.store, found.url()) {
            // It may be damaged: the next load fetches it again.
            store.remove(url).await?;
        }
        match error {
            // It cannot be had, which says nothing about it.
            WorkerError::File(error) if found.is_wanted && !is_bad => Err(error.into()),
            error if found.is_wanted => Err(found.refused(&error)),
            error => {
                files.warnings.push(no_sight(found.name(), detail(&error)));
                Ok(None)
            }
        }
    }

    async fn load_projector(&self, model: &Model, part: &Part) -> Result<(Senses, Files), WorkerError> {
        let mut files = Files::default();
        let opened = self.open(part, &files).await?;
        let loader = ProjectorLoader::new(model.device().clone(), opened.len_bytes);
        let mut projector = self.stream_file(loader, opened, &mut files).await?.finish()?;
        projector.check(model)?;
        prepare_projector(&mut projector, files.first_kept()).await?;
        Ok((Senses::new(projector), files))
    }

    async fn note_projector(&self, spec: &LoadSpec, found: &Found) {
        if let (Some(store), ModelSource::Url { url }, Some(projector)) = (self.store, &spec.source, found.url()) {
            store.set_projector(url, without_fragment(projector)).await;
            store.note_use(projector, None).await;
        }
    }
}

/// The warning about a projector that lies beside a model but cannot be used.
fn no_sight(name: String, detail: String) -> Warning {
    let error = WorkerError::WrongProjector { name: name.clone(), detail: detail.clone() };
    Warning::new(WarningReason::NoSight { name, detail }, format!("{error}."))
}
