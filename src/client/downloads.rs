//! Fetching a model onto this device while another one answers.

use leptos::prelude::*;
use parlance_protocol::library::ChatModel;
use parlance_protocol::{Failure, FailureKind, ModelSource, Phase, Request, RequestId};

use super::Client;
use super::state::{Download, DownloadState, EngineState, LoadProgress};
use crate::allowed_hosts;
use crate::storage;

impl Client {
    /// The model that is being fetched, until it has been loaded or the user has dismissed it.
    pub(crate) fn download(self) -> Signal<Option<Download>> {
        self.download.into()
    }

    /// Fetches a model, to be loaded when it is here. It takes the place of one that was being fetched.
    pub(crate) fn fetch(self, model: ChatModel) {
        self.dismiss_download();
        storage::want_model(Some(&model));
        storage::agree_to_load();
        self.start_fetch(model);
        if matches!(*self.engine.read_untracked(), EngineState::Empty) {
            // Something has to answer meanwhile.
            self.load_default_unless_loaded();
        }
    }

    /// Continues the download that an earlier visit began, if its host is still allowed.
    pub(crate) fn resume_fetch(self) {
        let is_idle = self.download.read_untracked().is_none();
        if let Some(model) = storage::wanted_model().filter(|model| is_idle && allowed_hosts::is_in_force(&model.url)) {
            self.start_fetch(model);
        }
    }

    /// Tries a failed download again.
    pub(crate) fn retry_fetch(self) {
        if let Some(Download { model, .. }) = self.download.get_untracked() {
            self.start_fetch(model);
        }
    }

    /// Stops the download. What is stored stays.
    pub(crate) fn dismiss_download(self) {
        if let Some(id) = self.link.try_update_value(|link| link.download.take()).flatten() {
            self.send(Request::Interrupt { id }, Vec::new());
        }
        storage::want_model(None);
        self.download.set(None);
    }

    /// Loads the model that was fetched.
    pub(crate) fn use_download(self) {
        if let Some(Download { model, state: DownloadState::Done }) = self.download.get_untracked() {
            self.download.set(None);
            self.load_chosen(&model);
        }
    }

    fn start_fetch(self, model: ChatModel) {
        let id = self.next_request();
        self.link.update_value(|link| link.download = Some(id));
        let progress = LoadProgress { phase: Phase::Start, done_bytes: 0.0, total_bytes: None, seconds: 0.0 };
        let (source, projector) = (ModelSource::Url { url: model.url.clone() }, model.projector.clone());
        self.download.set(Some(Download { model, state: DownloadState::Running(progress) }));
        self.send(Request::Fetch { id, source, projector }, Vec::new());
    }

    pub(super) fn is_download(self, id: RequestId) -> bool {
        self.link.with_value(|link| link.download == Some(id))
    }

    pub(super) fn download_progress(self, progress: LoadProgress) {
        self.set_download(DownloadState::Running(progress));
    }

    /// The model is here: it is loaded at once, unless something is being answered.
    pub(super) fn fetched(self) {
        self.link.update_value(|link| link.download = None);
        storage::want_model(None);
        self.set_download(DownloadState::Done);
        self.list_stored();
        let is_answering = self.link.with_value(|link| !link.answers.is_empty());
        let is_loading = matches!(*self.engine.read_untracked(), EngineState::Loading(_));
        if !is_answering && !is_loading {
            self.use_download();
        }
    }

    pub(super) fn fetch_failed(self, failure: Failure) {
        self.link.update_value(|link| link.download = None);
        if failure.kind == FailureKind::Interrupted {
            self.download.set(None);
        } else {
            self.set_download(DownloadState::Failed(failure));
        }
    }

    /// Continues a download after the worker was replaced.
    pub(super) fn continue_fetch(self) {
        if self.link.with_value(|link| link.download.is_some()) {
            self.retry_fetch();
        }
    }

    fn set_download(self, state: DownloadState) {
        self.download.update(|download| {
            if let Some(download) = download {
                download.state = state;
            }
        });
    }
}
