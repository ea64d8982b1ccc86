//! The projector of a model, with which it sees images or hears recordings: which one that is. `senses.rs` loads it.

use parlance_engine::EngineError;
use parlance_protocol::{ModelSource, is_ggml_name};
use parlance_worker_core::address::{LOCAL, file_name};
use parlance_worker_core::hosts::AllowedHosts;
use parlance_worker_core::projector::{self, RepositoryFile, choose, choose_alike, listed_paths};

use crate::error::WorkerError;
use crate::policy;
use crate::resident::LoadSpec;
use crate::source::Part;
use crate::storage::Store;
use crate::stream::ByteStream;

/// Maximum bytes of the list of a repository's files.
const MAX_LIST_BYTES: usize = 4 << 20;

/// The projector of a model.
pub(crate) struct Found {
    pub(crate) part: Part,
    /// Whether the request asked for it, so that the model is of no use without it.
    pub(crate) is_wanted: bool,
}

impl Found {
    /// Finds a model's projector: the one that the request names or has with it, or else the one that lies beside the model.
    pub(crate) async fn of(
        spec: &LoadSpec,
        store: Option<&Store>,
        allowed_hosts: &AllowedHosts,
    ) -> Result<Option<Self>, WorkerError> {
        if let ModelSource::Url { url } = &spec.source
            && projector::is_projector(file_name(url))
        {
            return Err(WorkerError::lone_projector(file_name(url)));
        }
        // Speech recognisers have none.
        let name = match &spec.source {
            ModelSource::Url { url } => file_name(url),
            ModelSource::File { name } => name,
        };
        if is_ggml_name(name) {
            return Ok(None);
        }
        let file = spec.files.iter().find(|file| projector::is_projector(&file.name()));
        if let Some(file) = file {
            return Ok(Some(Self { part: Part::File(file.clone()), is_wanted: true }));
        }
        match (&spec.projector, &spec.source) {
            (Some(none), _) if none.is_empty() => Ok(None),
            (Some(url), _) => Ok(Some(Self { part: part(url, store, allowed_hosts).await?, is_wanted: true })),
            (None, ModelSource::File { .. }) => Ok(None),
            (None, ModelSource::Url { url }) => {
                let Some(beside) = beside(url, store, allowed_hosts).await else { return Ok(None) };
                // One that may not be fetched is like none.
                let part = part(&beside, store, allowed_hosts).await.ok();
                Ok(part.map(|part| Self { part, is_wanted: false }))
            }
        }
    }

    /// Its URL; `None` for a file of the user's.
    pub(crate) fn url(&self) -> Option<&str> {
        match &self.part {
            Part::Url(file) => Some(&file.url),
            Part::Stored(entry) => Some(&entry.file.record.url),
            Part::File(_) => None,
        }
    }

    /// The error of one that cannot be used.
    pub(crate) fn refused(&self, error: &WorkerError) -> WorkerError {
        WorkerError::WrongProjector { name: self.name(), detail: detail(error) }
    }

    /// Its file's name.
    pub(crate) fn name(&self) -> String {
        self.part.name()
    }
}

/// Why a projector cannot be used.
pub(crate) fn detail(error: &WorkerError) -> String {
    match error {
        WorkerError::Engine(EngineError::WrongProjector(detail)) => detail.clone(),
        error => error.to_string(),
    }
}

/// The file at a URL, on this device or to be fetched.
async fn part(url: &str, store: Option<&Store>, allowed_hosts: &AllowedHosts) -> Result<Part, WorkerError> {
    let source = ModelSource::Url { url: url.to_owned() };
    let mut parts = Part::of(&source, Vec::new(), store, allowed_hosts).await?;
    match (parts.pop(), parts.is_empty()) {
        (Some(part), true) => Ok(part),
        _ => Err(WorkerError::WrongProjector {
            name: file_name(url).to_owned(),
            detail: "it is in several files".to_owned(),
        }),
    }
}

/// The URL of the projector that lies beside the model at a URL. What was found once is known without asking again.
async fn beside(url: &str, store: Option<&Store>, allowed_hosts: &AllowedHosts) -> Option<String> {
    if let Some(store) = store {
        if let Some(known) = store.projector_of(url).await {
            return Some(known).filter(|known| !known.is_empty());
        }
        if url.starts_with(LOCAL) {
            let names: Vec<String> = store.info().await.models.into_iter().map(|model| model.url).collect();
            let names = names.iter().filter_map(|url| url.strip_prefix(LOCAL));
            return choose_alike(file_name(url), names).map(|name| format!("{LOCAL}{name}"));
        }
    }
    let file = RepositoryFile::of(url)?;
    let listing_url = file.listing_url();
    policy::check(allowed_hosts, &listing_url).ok()?;
    // Without a list, the model is loaded without sight, and the next time it is asked for again.
    let paths = listed_paths(&read(&listing_url, MAX_LIST_BYTES).await?);
    let chosen = choose(file.path, paths.iter().map(String::as_str)).map(|path| file.beside(path));
    if let (None, false, Some(store)) = (&chosen, paths.is_empty(), store) {
        // A model that is kept need not be asked for again.
        store.set_projector(url, "").await;
    }
    chosen
}

/// A small file from the network.
async fn read(url: &str, max_bytes: usize) -> Option<Vec<u8>> {
    let mut stream = ByteStream::fetch(url, None).await.ok()?.stream;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await.ok()? {
        bytes.extend(chunk);
        if bytes.len() > max_bytes {
            return None;
        }
    }
    Some(bytes)
}
