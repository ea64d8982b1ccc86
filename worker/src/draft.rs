//! Loading the model that drafts the answers of another.

use parlance_engine::EngineError;
use parlance_engine::runtime::{Loaded, LoaderOptions, Model};
use parlance_protocol::{ModelSource, is_ggml_name};
use parlance_worker_core::residency::DraftSpec;
use web_sys::File;

use crate::error::WorkerError;
use crate::load::{DraftBytes, Files, Load, cache_format};
use crate::prepare::prepare;
use crate::source::Part;

impl Load<'_> {
    /// Loads the model that drafts for `model`, onto the same device. Its progress continues that of `files`, those of the model.
    pub(crate) async fn load_draft(
        &self,
        draft: &DraftSpec<File>,
        model: &mut Model,
        files: &mut Files,
    ) -> Result<DraftBytes, WorkerError> {
        match self.stream_draft(draft, model, files).await {
            Err(error) if error.is_bad_model() => {
                if let (Some(store), ModelSource::Url { url }) = (self.store, &draft.source) {
                    // It may be damaged: the next load fetches it again.
                    store.remove(url).await?;
                }
                // Of the model itself, this says nothing.
                Err(EngineError::WrongDraft(error.to_string()).into())
            }
            result => result,
        }
    }

    async fn stream_draft(
        &self,
        draft: &DraftSpec<File>,
        model: &mut Model,
        files: &mut Files,
    ) -> Result<DraftBytes, WorkerError> {
        let parts = Part::of(&draft.source, draft.files.clone(), self.store, &self.client.allowed_hosts).await?;
        if parts.iter().any(|part| is_ggml_name(&part.name())) {
            return Err(EngineError::WrongDraft("it recognises speech".to_owned()).into());
        }
        let (device, context_tokens) = (model.device().clone(), Some(model.context_tokens()));
        let cache = cache_format(self.options.kv_cache);
        let options = LoaderOptions { context_tokens, cache, ..LoaderOptions::default() };
        let (loader, own) = self.stream(async { Ok(device) }, &parts, options, files.following()).await?;
        let mut any = loader.finish_any().await?;
        prepare(&mut any, own.first_kept()).await?;
        let Loaded::Decoder(small) = any else {
            return Err(EngineError::WrongDraft("it is not for chats".to_owned()).into());
        };
        let kv = small.config().kv_bytes(small.context_tokens());
        let bytes = DraftBytes { weights: small.weight_bytes(), kv };
        model.set_draft(*small)?;
        files.add(own);
        if let (Some(store), ModelSource::Url { url }) = (self.store, &draft.source) {
            store.note_use(url, None).await;
        }
        Ok(bytes)
    }
}
