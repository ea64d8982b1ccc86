//! Loading a model: onto this device, then onto the GPU, chunk by chunk, with progress.

use std::rc::Rc;

use parlance_api::Language;
use parlance_engine::EngineError;
use parlance_engine::models::CacheFormat;
use parlance_engine::runtime::{Device, Loaded, Loader, LoaderOptions, Model};
use parlance_protocol::{DeviceChoice, KvCache, ModelInfo, ModelSource, Phase, RequestId, Settings};
use sha2::{Digest as _, Sha256};
use web_sys::File;
use web_time::Instant;

use crate::client::Client;
use crate::device;
use crate::error::WorkerError;
use crate::interrupts::Guard;
use crate::source::{Chunks, Part, headers};
use crate::storage::{Download, Entry, LOCAL, Store, file_name, hex};

/// Seconds between two progress events.
const PROGRESS_INTERVAL_SECONDS: f64 = 0.1;

/// What is needed to load a model again.
#[derive(Clone)]
pub(crate) struct LoadSpec {
    pub(crate) source: ModelSource,
    pub(crate) files: Vec<File>,
    pub(crate) context_tokens: Option<u32>,
}

/// A model in memory.
pub(crate) struct Resident {
    pub(crate) spec: LoadSpec,
    pub(crate) info: ModelInfo,
    pub(crate) loaded: Loaded,
    /// Of a model that chats.
    pub(crate) language: Option<Rc<Language>>,
    /// Bytes on the GPU.
    pub(crate) len_bytes: u64,
    pub(crate) used: Instant,
    /// How it was to be computed.
    pub(crate) means: Means,
}

/// How models are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Means {
    device: DeviceChoice,
    kv_cache: KvCache,
}

impl From<Settings> for Means {
    fn from(Settings { device, kv_cache, .. }: Settings) -> Self {
        Self { device, kv_cache }
    }
}

/// What the engine calls it.
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
    pub(crate) means: Means,
}

impl Load<'_> {
    /// Loads the model and computes one token, so that the first answer does not wait for compilation. A kept file that turns out to
    /// be damaged is fetched again, once.
    pub(crate) async fn run(&self, spec: LoadSpec) -> Result<Resident, WorkerError> {
        let (Some(store), ModelSource::Url { url }) = (self.store, &spec.source) else {
            return self.try_run(&spec).await;
        };
        let was_kept = store.find_complete(url).await.is_some() && !url.starts_with(LOCAL);
        match self.try_run(&spec).await {
            Err(error) if error.is_bad_model() => {
                store.remove(url).await?;
                if was_kept { self.try_run(&spec).await } else { Err(error) }
            }
            result => result,
        }
    }

    /// Loads onto the device that was chosen. A GPU that refuses what every other takes is no reason to give up where the choice was ours.
    async fn try_run(&self, spec: &LoadSpec) -> Result<Resident, WorkerError> {
        match self.load_onto(self.means.device, spec).await {
            Err(error) if error.is_gpu() && self.means.device == DeviceChoice::Auto => {
                self.load_onto(DeviceChoice::Cpu, spec).await
            }
            result => result,
        }
    }

    async fn load_onto(&self, choice: DeviceChoice, spec: &LoadSpec) -> Result<Resident, WorkerError> {
        let start = Instant::now();
        self.client.report(self.id, Phase::Start, 0.0, None, start);
        let device = device::open(choice).await?;
        let parts = Part::of(&spec.source, spec.files.clone(), self.store).await?;
        let (parts, warning) = self.fetch(parts).await?;
        let (loader, len_bytes) = match parts.as_slice() {
            [part] => {
                let (chunks, known_len) = part.open().await?;
                let options = LoaderOptions { file_len_bytes: known_len, ..self.options(spec.context_tokens) };
                let total = known_len.map(|len| len as f64);
                self.stream_into(Loader::new(device, options), part, chunks, 0, total).await?
            }
            parts => self.load_parts(device, parts, spec.context_tokens).await?,
        };
        let prepare_start = Instant::now();
        self.client.report(self.id, Phase::Prepare, 0.0, None, prepare_start);
        let mut finished = loader.finish_any().await?;
        if let Loaded::Decoder(model) = &mut finished {
            self.prepare(model, parts.first()).await?;
        }
        Ok(Resident { means: self.means, ..resident(spec, finished, len_bytes, warning, start) })
    }

    /// Lays a model's kernels out as measured when it was loaded for the first time, and compiles what its first answer needs.
    async fn prepare(&self, model: &mut Model, first_part: Option<&Part>) -> Result<(), WorkerError> {
        let kept = match first_part {
            Some(Part::Stored(entry)) if !model.device().is_cpu() => Some(entry),
            _ => None,
        };
        let adapter = model.device().adapter_name().to_owned();
        let known = match kept {
            Some(entry) => entry.layout(&adapter).await,
            None => Some(Vec::new()),
        };
        model.apply(known.as_deref().unwrap_or_default());
        model.warm_up().await?;
        if let (None, Some(entry)) = (known, kept) {
            let changes = self.unless_stopped(model.autotune()).await??;
            // Where there is no room for it, it is measured again.
            let _ = entry.set_layout(&adapter, &changes).await;
        }
        Ok(())
    }

    fn options(&self, context_tokens: Option<u32>) -> LoaderOptions {
        LoaderOptions { file_len_bytes: None, context_tokens, cache: cache_format(self.means.kv_cache) }
    }

    /// Brings what is missing onto this device. Where there is no room, the model is streamed to the GPU and not kept; the text says so.
    async fn fetch(&self, parts: Vec<Part>) -> Result<(Vec<Part>, Option<String>), WorkerError> {
        let Some(store) = self.store else { return Ok((parts, None)) };
        let start = Instant::now();
        let mut fetched = Vec::new();
        let mut before = 0;
        let mut warning = None;
        for part in parts {
            let Part::Url(url) = &part else {
                fetched.push(part);
                continue;
            };
            if url.starts_with(LOCAL) {
                return Err(WorkerError::BadRequest("this model is not on this device any more"));
            }
            let last = std::cell::Cell::new(f64::NEG_INFINITY);
            let report = |done: u64, len: u64| {
                let seconds = start.elapsed().as_secs_f64();
                if seconds - last.get() >= PROGRESS_INTERVAL_SECONDS || done == len {
                    last.set(seconds);
                    let (done, total) = ((before + done) as f64, (before + len) as f64);
                    self.client.report(self.id, Phase::Download, done, Some(total), start);
                }
            };
            let download = Download { store, url, report: &report };
            match self.unless_stopped(download.run()).await? {
                Ok(entry) => {
                    before += entry.record.len_bytes;
                    fetched.push(Part::Stored(Box::new(entry)));
                }
                Err(error @ (WorkerError::StorageFull { .. } | WorkerError::Storage(_))) => {
                    warning = Some(format!("The model was not kept: {error}."));
                    fetched.push(part);
                }
                // A server that does not say how long a file is can be streamed from nevertheless.
                Err(WorkerError::Network(message)) if message.ends_with("how long it is") => fetched.push(part),
                Err(error) => return Err(error),
            }
        }
        Ok((fetched, warning))
    }

    /// Reads the headers of all parts, so that the whole model is planned before its weights come, then the parts.
    async fn load_parts(
        &self,
        device: Device,
        parts: &[Part],
        context_tokens: Option<u32>,
    ) -> Result<(Loader, u64), WorkerError> {
        let (headers, total) = headers(parts).await?;
        let mut loader = Loader::with_headers(device, self.options(context_tokens), &headers).await?;
        let mut done = 0;
        for part in parts {
            let (chunks, _) = part.open().await?;
            (loader, done) = self.stream_into(loader, part, chunks, done, Some(total as f64)).await?;
            loader.end_file()?;
        }
        Ok((loader, done))
    }

    /// Feeds the loader and returns it with the number of bytes so far, of which `done` came before.
    async fn stream_into(
        &self,
        mut loader: Loader,
        part: &Part,
        mut chunks: Chunks,
        mut done: u64,
        total: Option<f64>,
    ) -> Result<(Loader, u64), WorkerError> {
        let start = Instant::now();
        let mut reported = 0.0;
        let mut checksum = Checksum::of(part).await;
        let report = |done: u64| self.client.report(self.id, Phase::Upload, done as f64, total, start);
        report(done);
        while let Some(taken) = self.unless_stopped(feed(&mut loader, &mut chunks, &mut checksum)).await?? {
            done += taken;
            let seconds = start.elapsed().as_secs_f64();
            if seconds - reported >= PROGRESS_INTERVAL_SECONDS {
                report(done);
                reported = seconds;
                // What is read from this device needs no waiting, but a stop must be heard.
                gloo_timers::future::sleep(std::time::Duration::ZERO).await;
            }
        }
        report(done);
        drop(chunks);
        checksum.finish().await?;
        Ok((loader, done))
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, WorkerError> {
        use futures::future::{Either, select};
        match select(std::pin::pin!(self.guard.stopped()), std::pin::pin!(work)).await {
            Either::Left(_) => Err(EngineError::Interrupted.into()),
            Either::Right((result, _)) => Ok(result),
        }
    }
}

/// Feeds the loader once and says with how many bytes; `None` at the end. What is kept is read straight to where the GPU takes it, unless its
/// checksum must be taken.
async fn feed(
    loader: &mut Loader,
    chunks: &mut Chunks,
    checksum: &mut Checksum<'_>,
) -> Result<Option<u64>, WorkerError> {
    if let (Chunks::Stored(reader), Checksum(None)) = (&mut *chunks, &*checksum) {
        let left_bytes = reader.left_bytes();
        let taken = loader.pull(reader, left_bytes).await?;
        return Ok((taken > 0).then_some(taken));
    }
    let Some(chunk) = chunks.next().await? else { return Ok(None) };
    checksum.update(&chunk);
    loader.push(&chunk).await?;
    Ok(Some(chunk.len() as u64))
}

/// The checksum of a file that came without one being taken (by an older version, or a kill at the end) and is read for the first time: compared with
/// the source's, and kept for later.
struct Checksum<'a>(Option<(&'a Entry, Sha256)>);

impl<'a> Checksum<'a> {
    async fn of(part: &'a Part) -> Self {
        match part {
            Part::Stored(entry) if entry.seal().await.is_none() => Self(Some((entry, Sha256::new()))),
            _ => Self(None),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        if let Some((_, checksum)) = &mut self.0 {
            checksum.update(bytes);
        }
    }

    async fn finish(self) -> Result<(), WorkerError> {
        match self.0 {
            Some((entry, checksum)) => entry.set_seal(&hex(&checksum.finalize())).await,
            None => Ok(()),
        }
    }
}

fn resident(spec: &LoadSpec, loaded: Loaded, len_bytes: u64, warning: Option<String>, start: Instant) -> Resident {
    let (context_tokens, template_warning, language, device, own_name, weight_bytes, kv_bytes) = match &loaded {
        Loaded::Decoder(model) => {
            let warning = model.chat().template_warning().map(str::to_owned);
            let language = Some(Rc::new(Language::new(model.chat_handle())));
            let kv_bytes = model.config().kv_bytes_per_token() * u64::from(model.context_tokens());
            let name = model.config().name.as_str();
            (model.context_tokens(), warning, language, model.device(), name, model.weight_bytes(), kv_bytes)
        }
        Loaded::Encoder(encoder) => {
            let config = encoder.config();
            (config.context, None, None, encoder.device(), config.name.as_str(), len_bytes, config.kv_bytes())
        }
    };
    let fewer = match &loaded {
        Loaded::Decoder(model) if model.wished_context_tokens() > context_tokens => Some(format!(
            "The memory did not suffice for a context of {} tokens; it has {context_tokens}. A smaller model would leave more.",
            model.wished_context_tokens()
        )),
        _ => None,
    };
    let warnings: Vec<String> = [template_warning, warning, fewer].into_iter().flatten().collect();
    let info = ModelInfo {
        name: display_name(&spec.source, own_name),
        can_chat: matches!(loaded, Loaded::Decoder(_)),
        context_tokens,
        adapter: device.adapter_name().to_owned(),
        is_software: device.is_software(),
        is_cpu: device.is_cpu(),
        features: device.feature_names().into_iter().map(str::to_owned).collect(),
        weight_bytes: weight_bytes as f64,
        kv_bytes: kv_bytes as f64,
        warning: (!warnings.is_empty()).then(|| warnings.join(" ")),
        len_bytes: len_bytes as f64,
        load_seconds: start.elapsed().as_secs_f64(),
        peak_memory_bytes: memory_bytes(),
    };
    let (len_bytes, used) = (weight_bytes + kv_bytes, Instant::now());
    Resident { spec: spec.clone(), info, loaded, language, len_bytes, used, means: Means::default() }
}

/// The file's name without its ending, which tells size and quantisation; the metadata's name without one.
fn display_name(source: &ModelSource, own_name: &str) -> String {
    let file = match source {
        ModelSource::Url { url } => file_name(url),
        ModelSource::File { name } => name,
    };
    match file.strip_suffix(".gguf").unwrap_or(file) {
        "" => own_name.to_owned(),
        stem => stem.to_owned(),
    }
}

/// The size of the wasm memory, which never shrinks.
#[cfg(target_family = "wasm")]
fn memory_bytes() -> f64 {
    const PAGE_BYTES: f64 = 65_536.0;
    core::arch::wasm32::memory_size::<0>() as f64 * PAGE_BYTES
}

/// Unknown: the worker runs on wasm only, but its code is checked natively, too.
#[cfg(not(target_family = "wasm"))]
fn memory_bytes() -> f64 {
    0.0
}
