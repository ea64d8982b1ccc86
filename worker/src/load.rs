//! Loading a model: onto this device, then onto the GPU, chunk by chunk, with progress.

use std::rc::Rc;

use parlance_api::Language;
use parlance_engine::EngineError;
use parlance_engine::models::CacheFormat;
use parlance_engine::runtime::{Device, Loaded, Loader, LoaderOptions, Model, Verdict};
use parlance_protocol::{DeviceChoice, KvCache, ModelInfo, ModelSource, Phase, RequestId, SelfTest, Settings};
use web_sys::File;
use web_time::Instant;

use crate::address::{FileAddress, LOCAL, file_name};
use crate::checksum::Checksum;
use crate::client::Client;
use crate::device;
use crate::error::WorkerError;
use crate::interrupts::Guard;
use crate::source::{Chunks, ModelHeaders, Opened, Part};
use crate::storage::{Download, Entry, Store, Tested, try_template};

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
    /// be damaged is fetched again, once; one that is what it should be, and yet no model, stays. Nothing else that is no model is kept.
    pub(crate) async fn run(&self, spec: LoadSpec) -> Result<Resident, WorkerError> {
        let (Some(store), ModelSource::Url { url }) = (self.store, &spec.source) else {
            return self.try_run(&spec).await;
        };
        let files = FileAddress::all(url)?;
        let mut kept = Vec::new();
        for file in &files {
            kept.extend(store.find_complete(file).await);
        }
        let error = match self.try_run(&spec).await {
            Err(error) if error.is_bad_model() => error,
            result => return result,
        };
        let was_damaged = self.unless_stopped(store.remove_unsound(&kept)).await??;
        let error = match error {
            _ if was_damaged && !url.starts_with(LOCAL) => match self.try_run(&spec).await {
                Err(error) if error.is_bad_model() => error,
                result => return result,
            },
            WorkerError::Engine(error) if !was_damaged && kept.len() == files.len() => {
                return Err(WorkerError::UnusableCopy(error));
            }
            error => error,
        };
        store.remove(url).await?;
        Err(error)
    }

    /// Loads onto the device that was chosen. A GPU that refuses what every other takes is no reason to give up where the choice was ours.
    async fn try_run(&self, spec: &LoadSpec) -> Result<Resident, WorkerError> {
        match self.load_onto(self.means.device, spec).await {
            Err(error) if error.is_gpu() && self.means.device == DeviceChoice::Auto => {
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
        let (parts, warning) = self.fetch(parts).await?;
        let (mut loader, len_bytes) = match parts.as_slice() {
            [part] => {
                let opened = part.open().await?;
                let file_len_bytes = opened.len_bytes;
                let options = LoaderOptions { file_len_bytes, ..self.options(spec.context_tokens) };
                let total = file_len_bytes.map(|len| len as f64);
                self.stream_into(Loader::new(device, options), opened, 0, total).await?
            }
            parts => self.load_parts(device, parts, spec.context_tokens).await?,
        };
        let prepare_start = Instant::now();
        self.client.report(self.id, Phase::Prepare, 0.0, None, prepare_start);
        if let Some(chat) = loader.chat_mut() {
            try_template(self.store, chat).await?;
        }
        let mut finished = loader.finish_any().await?;
        let self_test = self.prepare(&mut finished, parts.first()).await?;
        let mut resident = resident(spec, finished, len_bytes, warning, start);
        resident.info.self_test = self_test;
        Ok(Resident { means: self.means, ..resident })
    }

    /// Compiles what a model's first answer needs, and makes sure that a GPU computes it right.
    async fn prepare(&self, loaded: &mut Loaded, first_part: Option<&Part>) -> Result<SelfTest, WorkerError> {
        let kept = match first_part {
            Some(Part::Stored(entry)) => Some(&**entry),
            _ => None,
        };
        let verdict = match loaded {
            Loaded::Decoder(model) if model.device().is_cpu() => Verdict::Sound,
            Loaded::Decoder(model) => self.prepare_decoder(model, kept).await?,
            Loaded::Encoder(encoder) if encoder.device().is_cpu() => Verdict::Sound,
            Loaded::Encoder(encoder) => {
                let here = || Tested::here(encoder.kernels_id(), encoder.device().adapter_name());
                match known_verdict(kept, &here()).await {
                    Some(verdict) => verdict,
                    None => keep_verdict(kept, here(), encoder.self_test().await).await?,
                }
            }
        };
        match verdict {
            Verdict::Sound => Ok(SelfTest::Passed),
            Verdict::Plain => Ok(SelfTest::Plain),
            Verdict::Wrong => Err(EngineError::WrongResults.into()),
        }
    }

    /// Lays a decoder's kernels out as was measured and tested when it was loaded onto this GPU for the first time.
    async fn prepare_decoder(&self, model: &mut Model, kept: Option<&Entry>) -> Result<Verdict, WorkerError> {
        let adapter = model.device().adapter_name().to_owned();
        let known = match kept {
            Some(entry) => entry.layout(&adapter).await,
            None => Some(Vec::new()),
        };
        model.apply(known.as_deref().unwrap_or_default());
        let verdict = known_verdict(kept, &Tested::here(model.kernels_id()?, &adapter)).await;
        match verdict {
            Some(Verdict::Wrong) => return Ok(Verdict::Wrong),
            Some(Verdict::Plain) => model.make_plain(),
            Some(Verdict::Sound) | None => {}
        }
        model.warm_up().await?;
        let verdict = match verdict {
            Some(verdict) => verdict,
            None => tested(model, kept, &adapter).await?,
        };
        // What computes wrongly is not worth measuring.
        let (None, Some(entry), Verdict::Sound) = (known, kept, verdict) else { return Ok(verdict) };
        let changes = self.unless_stopped(model.autotune()).await??;
        // Where there is no room for it, it is measured again.
        let _ = entry.set_layout(&adapter, &changes).await;
        // Kernels of another layout are other kernels.
        if changes.is_empty() { Ok(verdict) } else { tested(model, kept, &adapter).await }
    }

    fn options(&self, context_tokens: Option<u32>) -> LoaderOptions {
        LoaderOptions { file_len_bytes: None, context_tokens, cache: cache_format(self.means.kv_cache) }
    }

    /// Brings what is missing onto this device. Where there is no room, the model is streamed to the GPU and not kept; the text says so.
    async fn fetch(&self, parts: Vec<Part>) -> Result<(Vec<Part>, Option<String>), WorkerError> {
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
            let last = std::cell::Cell::new(f64::NEG_INFINITY);
            let report = |done: u64, len: u64| {
                let seconds = start.elapsed().as_secs_f64();
                if seconds - last.get() >= PROGRESS_INTERVAL_SECONDS || done == len {
                    last.set(seconds);
                    let (done, total) = (before.saturating_add(done) as f64, before.saturating_add(len) as f64);
                    self.client.report(self.id, Phase::Download, done, Some(total), start);
                }
            };
            let download = Download { store, file, report: &report };
            match self.unless_stopped(download.run()).await? {
                Ok(Some(entry)) => {
                    before = before.saturating_add(entry.record.len_bytes);
                    fetched.push(Part::Stored(Box::new(entry)));
                }
                // A server that does not say how long a file is can be streamed from nevertheless.
                Ok(None) => fetched.push(part),
                Err(error @ (WorkerError::StorageFull { .. } | WorkerError::Storage(_))) => {
                    warning = Some(format!("The model was not kept: {error}."));
                    fetched.push(part);
                }
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
        let ModelHeaders { ggufs, beginnings, len_bytes } = ModelHeaders::of(parts).await?;
        let mut loader = Loader::with_headers(device, self.options(context_tokens), &ggufs).await?;
        let mut done = 0;
        for (part, beginning) in parts.iter().zip(beginnings) {
            let mut opened = part.open().await?;
            opened.checksum = opened.checksum.map(|checksum| checksum.with_beginning(beginning));
            (loader, done) = self.stream_into(loader, opened, done, Some(len_bytes as f64)).await?;
            loader.end_file()?;
        }
        Ok((loader, done))
    }

    /// Feeds the loader with a whole file and compares the file's checksum. Returns the loader with the number of bytes so far, of which `done`
    /// came before.
    async fn stream_into(
        &self,
        mut loader: Loader,
        file: Opened<'_>,
        mut done: u64,
        total: Option<f64>,
    ) -> Result<(Loader, u64), WorkerError> {
        let start = Instant::now();
        let mut reported = 0.0;
        let Opened { mut chunks, mut checksum, .. } = file;
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
        if let Some(checksum) = checksum {
            checksum.finish().await?;
        }
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

/// What the self-test said of the same kernels, if it was kept with the model.
async fn known_verdict(kept: Option<&Entry>, here: &Tested) -> Option<Verdict> {
    kept?.verdict(here).await
}

/// What the self-test says of a decoder as it is laid out now.
async fn tested(model: &mut Model, kept: Option<&Entry>, adapter: &str) -> Result<Verdict, WorkerError> {
    let here = Tested::here(model.kernels_id()?, adapter);
    keep_verdict(kept, here, model.self_test().await).await
}

/// What the self-test says, which is kept with the model.
async fn keep_verdict(
    kept: Option<&Entry>,
    here: Tested,
    tested: Result<parlance_engine::runtime::SelfTest, EngineError>,
) -> Result<Verdict, WorkerError> {
    let verdict = match tested {
        Ok(tested) => tested.verdict,
        // There is no room for it: another time. Most adapters are sound.
        Err(EngineError::OutOfMemory(_)) => return Ok(Verdict::Sound),
        Err(error) => return Err(error.into()),
    };
    if let Some(entry) = kept {
        // Where there is no room for it either, it is tested again.
        let _ = entry.set_verdict(here, verdict).await;
    }
    Ok(verdict)
}

/// Feeds the loader once and says with how many bytes; `None` at the end. What is kept is read straight to where the GPU takes it, unless its
/// checksum must be taken.
async fn feed(
    loader: &mut Loader,
    chunks: &mut Chunks,
    checksum: &mut Option<Checksum<'_>>,
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

fn resident(spec: &LoadSpec, loaded: Loaded, len_bytes: u64, warning: Option<String>, start: Instant) -> Resident {
    let (context_tokens, template_warning, language, device, own_name, weight_bytes, kv_bytes) = match &loaded {
        Loaded::Decoder(model) => {
            let warning = model.chat().template_warning().map(str::to_owned);
            let language = Some(Rc::new(Language::new(model.chat_handle(), model.context_tokens())));
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
        url: match &spec.source {
            ModelSource::Url { url } => Some(url.clone()),
            ModelSource::File { .. } => None,
        },
        can_chat: matches!(loaded, Loaded::Decoder(_)),
        context_tokens,
        max_context_tokens: max_context_tokens(&loaded),
        adapter: device.adapter_name().to_owned(),
        is_software: device.is_software(),
        is_cpu: device.is_cpu(),
        self_test: SelfTest::default(),
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

/// The longest context that may fit: one that the memory did not suffice for does not.
fn max_context_tokens(loaded: &Loaded) -> u32 {
    match loaded {
        Loaded::Decoder(model) if model.wished_context_tokens() > model.context_tokens() => model.context_tokens(),
        Loaded::Decoder(model) => model.config().max_context(model.device().limits()),
        Loaded::Encoder(encoder) => encoder.config().context,
    }
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
