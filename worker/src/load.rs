//! Loading a model: onto this device, then onto the GPU or CPU, chunk by chunk, with progress.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use gloo_timers::future::sleep;
use parlance_api::{ChatCodec, Vision, capabilities};
use parlance_engine::EngineError;
use parlance_engine::models::CacheFormat;
use parlance_engine::runtime::{Device, Loaded, Loader, LoaderOptions, ProjectorLoader};
use parlance_protocol::openai::Capability;
use parlance_protocol::{DeviceChoice, KvCache, ModelInfo, ModelSource, Phase, RequestId, SelfTest};
use parlance_worker_core::FileError;
use parlance_worker_core::address::LOCAL;
use parlance_worker_core::checksum::FileChecksum;
use parlance_worker_core::repair::{Evidence, Remedy, remedy};
use parlance_worker_core::residency::{self, ComputeOptions};
use web_sys::File;
use web_time::Instant;

use crate::client::Client;
use crate::error::WorkerError;
use crate::interrupts::Guard;
use crate::model_info::{device_bytes, model_info};
use crate::projector::Found;
use crate::source::{Chunks, ModelHeaders, Opened, Part};
use crate::storage::{Reader, Store, download, try_template};
use crate::{address, device};

/// Seconds between two progress events.
const PROGRESS_INTERVAL_SECONDS: f64 = 0.1;

/// What is needed to load a model, now or again.
pub(crate) type LoadSpec = residency::LoadSpec<File>;

/// A model in memory.
pub(crate) type Resident = residency::Resident<File, LoadedModel>;

/// What computes a model.
pub(crate) struct LoadedModel {
    pub(crate) loaded: Loaded,
    /// Of a chat model.
    pub(crate) codec: Option<Rc<ChatCodec>>,
    /// Of a chat model that sees images.
    pub(crate) vision: Option<Vision>,
}

/// The engine's name for a format.
pub(crate) fn cache_format(kv_cache: KvCache) -> CacheFormat {
    match kv_cache {
        KvCache::F16 => CacheFormat::F16,
        KvCache::Q8 => CacheFormat::Q8,
    }
}

/// A load under way.
pub(crate) struct Load<'a> {
    pub(crate) id: RequestId,
    pub(crate) client: &'a Client,
    pub(crate) guard: &'a Guard,
    pub(crate) store: Option<&'a Store>,
    pub(crate) options: ComputeOptions,
    /// When the server's clock began.
    pub(crate) clock: Instant,
}

impl Load<'_> {
    /// Loads the model and computes one token, so that the first answer does not wait for compilation. A kept file that turns out to be damaged is
    /// fetched again, once; one that is intact, and yet no model, stays. Nothing else that is no model is kept.
    pub(crate) async fn run(&self, spec: LoadSpec) -> Result<Resident, WorkerError> {
        let (Some(store), ModelSource::Url { url }) = (self.store, &spec.source) else {
            return self.try_run(&spec).await;
        };
        let files = address::files(url)?;
        let mut kept = Vec::new();
        for file in &files {
            kept.extend(store.find_complete(file).await);
        }
        let error = match self.try_run(&spec).await {
            Err(error) if error.is_bad_model() => error,
            result => return result,
        };
        let evidence = Evidence {
            was_damaged: self.unless_stopped(store.remove_unsound(&kept)).await??,
            can_be_fetched: !url.starts_with(LOCAL),
            is_refused_copy: kept.len() == files.len() && matches!(error, WorkerError::Engine(_)),
        };
        let error = match (remedy(evidence), error) {
            (Remedy::FetchAgain, _) => match self.try_run(&spec).await {
                Err(error) if error.is_bad_model() => error,
                result => return result,
            },
            (Remedy::Keep, WorkerError::Engine(error)) => return Err(WorkerError::UnusableCopy(error)),
            (Remedy::Keep | Remedy::Remove, error) => error,
        };
        store.remove(url).await?;
        Err(error)
    }

    /// Loads onto the chosen device. If the choice is ours and the GPU fails, the CPU takes its place.
    async fn try_run(&self, spec: &LoadSpec) -> Result<Resident, WorkerError> {
        match self.load_onto(self.options.device, spec).await {
            Err(error) if error.is_gpu() && self.options.device == DeviceChoice::Auto => {
                let mut resident = self.load_onto(DeviceChoice::Cpu, spec).await?;
                if matches!(error, WorkerError::Engine(EngineError::WrongResults)) {
                    resident.info.self_test = SelfTest::Failed;
                }
                Ok(resident)
            }
            result => result,
        }
    }

    async fn load_onto(&self, choice: DeviceChoice, spec: &LoadSpec) -> Result<Resident, WorkerError> {
        let start = Instant::now();
        self.client.report(self.id, Phase::Start, 0.0, None, start);
        let device = device::open(choice).await?;
        let parts = Part::of(&spec.source, spec.files.clone(), self.store, &self.client.allowed_hosts).await?;
        let found = self.unless_stopped(Found::of(spec, self.store, &self.client.allowed_hosts)).await??;
        let (parts, unkept) = self.fetch(parts).await?;
        let (found, unfetched) = self.fetch_projector(found).await?;
        let (mut loader, len_bytes) = self.stream(device, &parts, spec.context_tokens).await?;
        let prepare_start = Instant::now();
        self.client.report(self.id, Phase::Prepare, 0.0, None, prepare_start);
        if let Some(chat) = loader.chat_mut() {
            try_template(self.store, chat).await?;
        }
        let mut model = loader.finish_any().await?;
        let self_test = self.prepare(&mut model, parts.first()).await?;
        let (weight_bytes, kv_bytes) = device_bytes(&model, len_bytes);
        let (mut codec, mut vision, mut unfit) = (None, None, None);
        if let Loaded::Decoder(model) = &model {
            codec = Some(Rc::new(ChatCodec::new(model.chat_handle(), model.context_tokens())));
            (vision, unfit) = self.sight(spec, model, found.as_ref()).await?;
        }
        let warnings: Vec<String> = [unkept, unfetched, unfit].into_iter().flatten().collect();
        let warning = (!warnings.is_empty()).then(|| warnings.join(" "));
        let info = model_info(&spec.source, &model, len_bytes, warning, start);
        let sight_bytes = vision.as_ref().map_or(0, |vision| vision.projector().weight_bytes());
        let can_see = vision.is_some();
        let mut capabilities = capabilities(&model, codec.as_deref());
        capabilities.extend(can_see.then_some(Capability::Vision));
        Ok(Resident {
            spec: spec.clone(),
            info: ModelInfo {
                self_test,
                capabilities,
                can_see,
                weight_bytes: info.weight_bytes + sight_bytes as f64,
                ..info
            },
            model: LoadedModel { loaded: model, codec, vision },
            len_bytes: weight_bytes + kv_bytes + sight_bytes,
            used: self.clock.elapsed(),
            options: self.options,
        })
    }

    /// Downloads a model and its projector, and loads nothing.
    pub(crate) async fn keep(&self, spec: &LoadSpec) -> Result<(), WorkerError> {
        if self.store.is_none() {
            return Err(WorkerError::NoStorage);
        }
        let parts = Part::of(&spec.source, spec.files.clone(), self.store, &self.client.allowed_hosts).await?;
        let found = self.unless_stopped(Found::of(spec, self.store, &self.client.allowed_hosts)).await??;
        let (parts, unkept) = self.fetch(parts).await?;
        if parts.iter().any(|part| !matches!(part, Part::Stored(_))) {
            let reason = unkept.unwrap_or_else(|| "the host does not say how long the file is".to_owned());
            return Err(FileError::Storage(reason).into());
        }
        self.fetch_projector(found).await?;
        Ok(())
    }

    /// Downloads what is missing. Where there is no room, the model is streamed to the GPU and not kept; the text says so.
    pub(crate) async fn fetch(&self, parts: Vec<Part>) -> Result<(Vec<Part>, Option<String>), WorkerError> {
        let Some(store) = self.store else { return Ok((parts, None)) };
        let start = Instant::now();
        let mut fetched = Vec::new();
        let mut before = 0u64;
        let mut warning = None;
        for part in parts {
            let Part::Url(file) = &part else {
                fetched.push(part);
                continue;
            };
            let last = Cell::new(f64::NEG_INFINITY);
            let report = |done: u64, len: u64| {
                let seconds = start.elapsed().as_secs_f64();
                if seconds - last.get() >= PROGRESS_INTERVAL_SECONDS || done == len {
                    last.set(seconds);
                    let (done, total) = (before.saturating_add(done) as f64, before.saturating_add(len) as f64);
                    self.client.report(self.id, Phase::Download, done, Some(total), start);
                }
            };
            match self.unless_stopped(download(store, file, &report)).await? {
                Ok(Some(entry)) => {
                    before = before.saturating_add(entry.file.record.len_bytes);
                    fetched.push(Part::Stored(Box::new(entry)));
                }
                // A file can be streamed even from a server that does not say how long it is.
                Ok(None) => fetched.push(part),
                Err(error @ WorkerError::File(FileError::StorageFull { .. } | FileError::Storage(_))) => {
                    warning = Some(format!("The model was not kept: {error}."));
                    fetched.push(part);
                }
                Err(error) => return Err(error),
            }
        }
        Ok((fetched, warning))
    }

    /// Streams all files into a loader. Returns it with the number of their bytes.
    async fn stream(
        &self,
        device: Device,
        parts: &[Part],
        context_tokens: Option<u32>,
    ) -> Result<(Loader, u64), WorkerError> {
        let cache = cache_format(self.options.kv_cache);
        let options = LoaderOptions { context_tokens, cache, ..LoaderOptions::default() };
        let [part] = parts else { return self.stream_parts(device, parts, options).await };
        let opened = part.open().await?;
        let total = opened.len_bytes.map(|len| len as f64);
        let options = LoaderOptions { file_len_bytes: opened.len_bytes, ..options };
        self.stream_file(Loader::new(device, options), opened, 0, total).await
    }

    /// Reads the headers of all parts, so that the whole model is planned before its weights come, then the parts.
    async fn stream_parts(
        &self,
        device: Device,
        parts: &[Part],
        options: LoaderOptions,
    ) -> Result<(Loader, u64), WorkerError> {
        let ModelHeaders { ggufs, beginnings, len_bytes } = ModelHeaders::of(parts).await?;
        let mut loader = Loader::with_headers(device, options, &ggufs).await?;
        let mut done = 0;
        for (part, beginning) in parts.iter().zip(beginnings) {
            let mut opened = part.open().await?;
            opened.checksum = opened.checksum.map(|checksum| checksum.with_beginning(beginning));
            (loader, done) = self.stream_file(loader, opened, done, Some(len_bytes as f64)).await?;
            loader.end_file()?;
        }
        Ok((loader, done))
    }

    /// Feeds the loader with a whole file and checks the file's checksum. Returns the loader with the number of bytes so far, of which `done`
    /// came before.
    pub(crate) async fn stream_file<R: Receiver>(
        &self,
        mut loader: R,
        file: Opened<'_>,
        mut done: u64,
        total: Option<f64>,
    ) -> Result<(R, u64), WorkerError> {
        let start = Instant::now();
        let mut reported = 0.0;
        let Opened { mut chunks, mut checksum, unsealed, .. } = file;
        let report = |done: u64| self.client.report(self.id, Phase::Upload, done as f64, total, start);
        report(done);
        while let Some(taken) = self.unless_stopped(feed(&mut loader, &mut chunks, &mut checksum)).await?? {
            done += taken;
            let seconds = start.elapsed().as_secs_f64();
            if seconds - reported >= PROGRESS_INTERVAL_SECONDS {
                report(done);
                reported = seconds;
                // Reading from this device never waits, but a stop must be heard.
                sleep(Duration::ZERO).await;
            }
        }
        report(done);
        drop(chunks);
        if let Some(checksum) = checksum {
            let checksum = checksum.finish()?;
            if let Some(entry) = unsealed {
                entry.set_seal(&checksum).await?;
            }
        }
        Ok((loader, done))
    }

    /// Waits for some work, unless the request is stopped first.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, WorkerError> {
        use futures::future::{Either, select};
        match select(std::pin::pin!(self.guard.stopped()), std::pin::pin!(work)).await {
            Either::Left(_) => Err(EngineError::Interrupted.into()),
            Either::Right((result, _)) => Ok(result),
        }
    }
}

/// What takes the bytes of a file in order, as they come or straight from a kept file.
pub(crate) trait Receiver {
    async fn push(&mut self, bytes: &[u8]) -> Result<(), EngineError>;

    /// As [`Loader::pull`].
    async fn pull(&mut self, reader: &mut Reader, left_bytes: u64) -> Result<u64, WorkerError>;
}

impl Receiver for Loader {
    async fn push(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        Loader::push(self, bytes).await
    }

    async fn pull(&mut self, reader: &mut Reader, left_bytes: u64) -> Result<u64, WorkerError> {
        Loader::pull(self, reader, left_bytes).await
    }
}

impl Receiver for ProjectorLoader {
    async fn push(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        ProjectorLoader::push(self, bytes).await
    }

    async fn pull(&mut self, reader: &mut Reader, left_bytes: u64) -> Result<u64, WorkerError> {
        ProjectorLoader::pull(self, reader, left_bytes).await
    }
}

/// Feeds the loader once and returns the number of bytes; `None` at the end. A kept file is read straight to where the GPU takes it, unless its
/// checksum must be computed.
async fn feed(
    loader: &mut impl Receiver,
    chunks: &mut Chunks,
    checksum: &mut Option<FileChecksum>,
) -> Result<Option<u64>, WorkerError> {
    if let (Chunks::Stored(reader), None) = (&mut *chunks, &*checksum) {
        let left_bytes = reader.left_bytes();
        let taken = loader.pull(reader, left_bytes).await?;
        return Ok((taken > 0).then_some(taken));
    }
    let Some(chunk) = chunks.next().await? else { return Ok(None) };
    if let Some(checksum) = checksum {
        checksum.update(&chunk)?;
    }
    loader.push(&chunk).await?;
    Ok(Some(chunk.len() as u64))
}
