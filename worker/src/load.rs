//! Loading a model onto the GPU or CPU, piece by piece, as it comes or from this device, with progress.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures::future::try_join;
use gloo_timers::future::sleep;
use parlance_api::{ChatCodec, Senses, capabilities};
use parlance_engine::EngineError;
use parlance_engine::models::CacheFormat;
use parlance_engine::runtime::{Device, Loaded, Loader, LoaderOptions, ProjectorLoader, Source};
use parlance_protocol::openai::Capability;
use parlance_protocol::{
    DeviceChoice, KvCache, ModelInfo, ModelSource, Phase, RequestId, SelfTest, Warning, WarningReason, is_ggml_name,
};
use parlance_worker_core::FileError;
use parlance_worker_core::address::LOCAL;
use parlance_worker_core::download::Bytes as _;
use parlance_worker_core::repair::{Evidence, Remedy, remedy};
use parlance_worker_core::residency::ComputeOptions;
use web_time::Instant;

use crate::bytes::Piece;
use crate::client::Client;
use crate::error::WorkerError;
use crate::hashing::Hashing;
use crate::interrupts::Guard;
use crate::later::Later;
use crate::model_info::{device_bytes, model_info};
use crate::prepare::{Prepared, prepare};
use crate::projector::Found;
use crate::resident::{LoadSpec, LoadedModel, Resident};
use crate::source::{ModelHeaders, Opened, Part, Pieces};
use crate::storage::{Entry, Store, try_template};
use crate::{address, device};

/// Seconds between two progress events.
const PROGRESS_INTERVAL_SECONDS: f64 = 0.1;

/// How many answers are computed together at most by default: those of a few tabs, or of a request's `n`.
const PARALLEL: u32 = 4;
/// Bytes that the memory of these may take on a GPU, unless a quarter of the model's size is more.
const GPU_SPARE_BYTES: u64 = 256 << 20;
/// The same on the CPU, where the wasm memory has to do for everything. It keeps twice as many bytes per token.
const CPU_SPARE_BYTES: u64 = 64 << 20;

/// Maximum number of bytes for further sequences of a model whose files have `len_bytes`.
fn spare_bytes(device: &Device, len_bytes: u64) -> u64 {
    if device.is_cpu() { CPU_SPARE_BYTES } else { GPU_SPARE_BYTES.max(len_bytes / 4) }
}

/// Bytes of a draft model on the device.
#[derive(Default)]
pub(crate) struct DraftBytes {
    pub(crate) weights: u64,
    pub(crate) kv: u64,
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

    /// Loads, once more if the file was replaced at its host while it came: then what is here of the old one is replaced, too.
    async fn try_run(&self, spec: &LoadSpec) -> Result<Resident, WorkerError> {
        // The state of loading is large.
        match Box::pin(self.load_where_possible(spec)).await {
            Err(WorkerError::File(FileError::Changed)) => Box::pin(self.load_where_possible(spec)).await,
            result => result,
        }
    }

    /// Loads onto the chosen device. If the choice is ours and the GPU fails, the CPU takes its place.
    async fn load_where_possible(&self, spec: &LoadSpec) -> Result<Resident, WorkerError> {
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
        let parts = Part::of(&spec.source, spec.files.clone(), self.store, &self.client.allowed_hosts).await?;
        // A host is asked for a projector while the model comes.
        let find = async { self.unless_stopped(Found::of(spec, self.store, &self.client.allowed_hosts)).await? };
        let stream = self.stream_model(choice, &parts, spec.context_tokens);
        let (found, (mut loader, mut files)) = try_join(find, stream).await?;
        let len_bytes = files.len_bytes;
        let prepare_start = Instant::now();
        self.client.report(self.id, Phase::Prepare, 0.0, None, prepare_start);
        if let Some(chat) = loader.chat_mut() {
            try_template(self.store, chat).await?;
        }
        let mut model = loader.finish_any().await?;
        let Prepared { self_test, untuned } = prepare(&mut model, files.first_kept()).await?;
        let draft_bytes = match (&spec.draft, &mut model) {
            (Some(draft), Loaded::Decoder(model)) => self.load_draft(draft, model, &mut files).await?,
            (Some(_), _) => return Err(EngineError::WrongDraft("it is for a chat model".to_owned()).into()),
            (None, _) => DraftBytes::default(),
        };
        let (weight_bytes, kv_bytes) = device_bytes(&model, len_bytes);
        let (mut codec, mut senses) = (None, None);
        if let Loaded::Decoder(model) = &model {
            codec = Some(Rc::new(ChatCodec::new(model.chat_handle(), model.context_tokens())));
            senses = self.senses(spec, model, found.as_ref(), &mut files).await?;
        }
        let warnings = std::mem::take(&mut files.warnings);
        let info = model_info(&spec.source, &model, len_bytes, warnings, start);
        // What is loaded beside the model.
        let projector_bytes = senses.as_ref().map_or(0, |senses| senses.projector().weight_bytes());
        let further_bytes = draft_bytes.weights + projector_bytes;
        let mut capabilities = capabilities(&model, codec.as_deref());
        capabilities.extend(senses.iter().flat_map(Senses::capabilities));
        let can_see = capabilities.contains(&Capability::Vision);
        let later = Later::new(untuned, files.kept).await;
        Ok(Resident {
            spec: spec.clone(),
            info: ModelInfo {
                self_test,
                capabilities,
                can_see,
                weight_bytes: info.weight_bytes + further_bytes as f64,
                kv_bytes: info.kv_bytes + draft_bytes.kv as f64,
                ..info
            },
            model: LoadedModel { loaded: model, codec, senses, later },
            len_bytes: weight_bytes + kv_bytes + further_bytes + draft_bytes.kv,
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
        let mut files = Files::default();
        for part in &parts {
            self.keep_file(part, &mut files).await?;
        }
        match found {
            Some(found) => match self.keep_file(&found.part, &mut files).await {
                // The model is of use without one that merely lies beside it.
                Err(error) if !found.is_wanted && !error.is_interrupted() => Ok(()),
                result => result,
            },
            None => Ok(()),
        }
    }

    pub(crate) async fn keep_file(&self, part: &Part, files: &mut Files) -> Result<(), WorkerError> {
        if matches!(part, Part::Stored(_)) {
            return Ok(());
        }
        let opened = self.open(part, files).await?;
        if !matches!(opened.pieces, Pieces::Arriving(_)) {
            return Err(FileError::Storage("the host does not say how long the file is".to_owned()).into());
        }
        self.stream_file(Discard, opened, files).await?;
        match files.warnings.pop() {
            Some(unkept) => Err(FileError::Storage(unkept.message).into()),
            None => Ok(()),
        }
    }

    /// Streams all files of a model into a loader for the chosen device.
    async fn stream_model(
        &self,
        choice: DeviceChoice,
        parts: &[Part],
        context_tokens: Option<u32>,
    ) -> Result<(Loader, Files), WorkerError> {
        let cache = cache_format(self.options.kv_cache);
        let further_sequences = self.options.parallel.unwrap_or(PARALLEL).saturating_sub(1);
        let options = LoaderOptions { context_tokens, cache, further_sequences, ..LoaderOptions::default() };
        match parts {
            [part] if is_ggml_name(&part.name()) => self.stream_ggml(choice, part, options).await,
            parts => self.stream(device::open(choice), parts, options, Files::default()).await,
        }
    }

    /// Streams all files into a loader: from this device, or as they come. The first response and the device are awaited together.
    pub(crate) async fn stream(
        &self,
        device: impl Future<Output = Result<Device, WorkerError>>,
        parts: &[Part],
        options: LoaderOptions,
        mut files: Files,
    ) -> Result<(Loader, Files), WorkerError> {
        let [part] = parts else { return self.stream_parts(device, parts, options, files).await };
        let (device, opened) = try_join(device, self.open(part, &files)).await?;
        let spare_bytes = Some(spare_bytes(&device, opened.len_bytes.unwrap_or(0)));
        let options = LoaderOptions { file_len_bytes: opened.len_bytes, spare_bytes, ..options };
        let loader = self.stream_file(Loader::new(device, options), opened, &mut files).await?;
        Ok((loader, files))
    }

    /// Reads the headers of all parts, so that the whole model is planned before its weights come, then the parts.
    async fn stream_parts(
        &self,
        device: impl Future<Output = Result<Device, WorkerError>>,
        parts: &[Part],
        options: LoaderOptions,
        mut files: Files,
    ) -> Result<(Loader, Files), WorkerError> {
        let read = async { self.unless_stopped(ModelHeaders::of(parts)).await? };
        let (device, headers) = try_join(device, read).await?;
        let ModelHeaders { ggufs, beginnings, len_bytes } = headers;
        let options = LoaderOptions { spare_bytes: Some(spare_bytes(&device, len_bytes)), ..options };
        let mut loader = Loader::with_headers(device, options, &ggufs).await?;
        files.total_bytes = Some(files.len_bytes.saturating_add(len_bytes));
        for (part, beginning) in parts.iter().zip(beginnings) {
            let mut opened = self.open(part, &files).await?;
            opened.checksum = opened.checksum.map(|checksum| checksum.with_beginning(beginning));
            loader = self.stream_file(loader, opened, &mut files).await?;
            loader.end_file()?;
        }
        Ok((loader, files))
    }

    /// Opens a file that follows others. What has to be fetched reports its own progress.
    pub(crate) async fn open<'f>(&'f self, part: &'f Part, files: &Files) -> Result<Opened<'f>, WorkerError> {
        let (start, before, total_bytes) = (files.start, files.len_bytes, files.total_bytes);
        let last = Cell::new(f64::NEG_INFINITY);
        let report = move |done: u64, len_bytes: u64| {
            let seconds = start.elapsed().as_secs_f64();
            if seconds - last.get() >= PROGRESS_INTERVAL_SECONDS || done == len_bytes {
                last.set(seconds);
                let total = Some(total_bytes.unwrap_or(before.saturating_add(len_bytes)) as f64);
                self.client.report(self.id, Phase::Download, before.saturating_add(done) as f64, total, start);
            }
        };
        self.unless_stopped(part.open(self.store, Box::new(report))).await?
    }

    /// Feeds the loader with a whole file and checks the file's checksum.
    pub(crate) async fn stream_file<R: Receiver>(
        &self,
        mut loader: R,
        file: Opened<'_>,
        files: &mut Files,
    ) -> Result<R, WorkerError> {
        let Opened { mut pieces, len_bytes, checksum } = file;
        let mut hashing = checksum.map(|checksum| Hashing::new(checksum, len_bytes));
        let is_arriving = matches!(pieces, Pieces::Arriving(_));
        let own_end = len_bytes.map(|len| files.len_bytes.saturating_add(len));
        let total = files.total_bytes.or(own_end).map(|len| len as f64);
        let start = files.start;
        let report = |done: u64| self.client.report(self.id, Phase::Upload, done as f64, total, start);
        let mut reported = start.elapsed().as_secs_f64();
        if !is_arriving {
            report(files.len_bytes);
        }
        while let Some(taken) = self.unless_stopped(feed(&mut loader, &mut pieces, &mut hashing)).await?? {
            files.len_bytes += taken;
            let seconds = start.elapsed().as_secs_f64();
            if seconds - reported >= PROGRESS_INTERVAL_SECONDS {
                reported = seconds;
                if !is_arriving {
                    report(files.len_bytes);
                }
                // Reading from this device never waits, but a stop must be heard.
                sleep(Duration::ZERO).await;
            }
        }
        report(files.len_bytes);
        let (kept, unkept) = pieces.finish().await;
        if let Some(hashing) = hashing {
            let checksum = self.unless_stopped(hashing.finish()).await??;
            if let Some(entry) = &kept {
                // Without room for it, it is computed again the next time.
                let _ = entry.set_seal(&checksum).await;
            }
        }
        files.kept.push(kept);
        files.warnings.extend(unkept.map(|error| {
            let reason = WarningReason::NotStored { reason: error.reason() };
            Warning::new(reason, format!("The model was not kept: {error}."))
        }));
        Ok(loader)
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

/// What became of the files of a model.
pub(crate) struct Files {
    /// When the first one began.
    start: Instant,
    /// Bytes of those that were streamed.
    len_bytes: u64,
    /// Bytes of all files, if there are several.
    total_bytes: Option<u64>,
    /// Each file, if it is kept on this device.
    kept: Vec<Option<Entry>>,
    /// What the user should know.
    pub(crate) warnings: Vec<Warning>,
}

impl Default for Files {
    fn default() -> Self {
        Self { start: Instant::now(), len_bytes: 0, total_bytes: None, kept: Vec::new(), warnings: Vec::new() }
    }
}

impl Files {
    /// The first file, if it is kept on this device.
    pub(crate) fn first_kept(&self) -> Option<&Entry> {
        self.kept.first().and_then(Option::as_ref)
    }

    /// No files yet, whose progress continues that of these.
    pub(crate) fn following(&self) -> Self {
        Self { start: self.start, len_bytes: self.len_bytes, ..Self::default() }
    }

    /// Adds those of a projector or a draft model.
    pub(crate) fn add(&mut self, other: Self) {
        self.kept.extend(other.kept);
        self.warnings.extend(other.warnings);
    }
}

/// What takes the bytes of a file in order, straight from where they are.
pub(crate) trait Receiver {
    /// As [`Loader::pull`].
    async fn pull<S: Source<Error = WorkerError>>(
        &mut self,
        source: &mut S,
        left_bytes: u64,
    ) -> Result<u64, WorkerError>;
}

impl Receiver for Loader {
    async fn pull<S: Source<Error = WorkerError>>(
        &mut self,
        source: &mut S,
        left_bytes: u64,
    ) -> Result<u64, WorkerError> {
        Loader::pull(self, source, left_bytes).await
    }
}

impl Receiver for ProjectorLoader {
    async fn pull<S: Source<Error = WorkerError>>(
        &mut self,
        source: &mut S,
        left_bytes: u64,
    ) -> Result<u64, WorkerError> {
        ProjectorLoader::pull(self, source, left_bytes).await
    }
}

/// Takes the bytes of files that are only kept.
struct Discard;

impl Receiver for Discard {
    async fn pull<S: Source<Error = WorkerError>>(
        &mut self,
        source: &mut S,
        left_bytes: u64,
    ) -> Result<u64, WorkerError> {
        let mut bytes = vec![0; left_bytes.min(1 << 20) as usize];
        source.read(&mut bytes)?;
        Ok(bytes.len() as u64)
    }
}

/// Feeds the loader once and returns the number of bytes; `None` at the end. A kept file is read straight to where the GPU takes it, unless its
/// checksum must be computed.
async fn feed(
    loader: &mut impl Receiver,
    pieces: &mut Pieces<'_>,
    hashing: &mut Option<Hashing>,
) -> Result<Option<u64>, WorkerError> {
    if let (Pieces::Stored(reader, _), None) = (&mut *pieces, &*hashing) {
        let left_bytes = reader.left_bytes();
        let taken = loader.pull(reader, left_bytes).await?;
        return Ok((taken > 0).then_some(taken));
    }
    let Some(bytes) = pieces.next().await? else { return Ok(None) };
    let len_bytes = bytes.len_bytes();
    let mut piece = Piece::of(&bytes);
    // What follows the last tensor is not needed, but kept and hashed.
    while piece.left_bytes() > 0 {
        let left_bytes = piece.left_bytes();
        if loader.pull(&mut piece, left_bytes).await? == 0 {
            break;
        }
    }
    if let Some(hashing) = hashing {
        hashing.update(bytes).await?;
    }
    Ok(Some(len_bytes))
}
