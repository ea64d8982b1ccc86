//! Loading a model: from its source to the GPU, chunk by chunk, with progress.

use js_sys::Reflect;
use parlance_engine::EngineError;
use parlance_engine::runtime::{Gpu, GpuOptions, Loaded, Loader, LoaderOptions};
use parlance_protocol::{Event, ModelInfo, ModelSource, Phase, RequestId};
use web_sys::File;
use web_time::Instant;

use crate::error::WorkerError;
use crate::interrupts::Interrupts;
use crate::port::Port;
use crate::source::{ByteStream, Part, headers};

/// Seconds between two progress events of a download.
const PROGRESS_INTERVAL_SECONDS: f64 = 0.1;

/// A [`parlance_protocol::Request::Load`] under way.
pub(crate) struct Load<'a> {
    pub(crate) id: RequestId,
    pub(crate) port: &'a Port,
    pub(crate) interrupts: &'a Interrupts,
}

impl Load<'_> {
    /// Loads the model and computes one token, so that the first answer does not wait for compilation.
    pub(crate) async fn run(
        &self,
        source: ModelSource,
        files: Vec<File>,
        context_tokens: Option<u32>,
    ) -> Result<(Loaded, ModelInfo), WorkerError> {
        let start = Instant::now();
        self.report(Phase::Start, 0.0, None, start);
        if !has_webgpu() {
            return Err(WorkerError::NoWebGpu);
        }
        let gpu = Gpu::new(GpuOptions::default()).await?;
        let parts = Part::of(&source, files)?;
        let (loader, len_bytes) = match parts.as_slice() {
            [part] => {
                let stream = part.open().await?;
                let options = LoaderOptions { file_len_bytes: stream.len_bytes, context_tokens };
                let total = stream.len_bytes.map(|len| len as f64);
                self.stream_into(Loader::new(gpu, options), stream, 0, total).await?
            }
            parts => self.load_parts(gpu, parts, context_tokens).await?,
        };

        let prepare_start = Instant::now();
        self.report(Phase::Prepare, 0.0, None, prepare_start);
        let mut model = loader.finish_any().await?;
        let (context_tokens, warning) = match &mut model {
            Loaded::Decoder(decoder) => {
                decoder.warm_up().await?;
                (decoder.context_tokens(), decoder.chat().template_warning().map(str::to_owned))
            }
            Loaded::Encoder(encoder) => (encoder.config().context, None),
        };
        let (gpu, own_name) = match &model {
            Loaded::Decoder(decoder) => (decoder.gpu(), decoder.config().name.as_str()),
            Loaded::Encoder(encoder) => (encoder.gpu(), encoder.config().name.as_str()),
        };
        let info = ModelInfo {
            name: display_name(&source, own_name),
            can_chat: matches!(model, Loaded::Decoder(_)),
            context_tokens,
            adapter: gpu.adapter_name().to_owned(),
            is_software: gpu.is_software(),
            warning,
            len_bytes: len_bytes as f64,
            load_seconds: start.elapsed().as_secs_f64(),
            peak_memory_bytes: memory_bytes(),
        };
        Ok((model, info))
    }

    /// Reads the headers of all parts, so that the whole model is planned before its weights come, then the parts.
    async fn load_parts(
        &self,
        gpu: Gpu,
        parts: &[Part],
        context_tokens: Option<u32>,
    ) -> Result<(Loader, u64), WorkerError> {
        let (headers, total) = headers(parts).await?;
        let options = LoaderOptions { file_len_bytes: None, context_tokens };
        let mut loader = Loader::with_headers(gpu, options, &headers).await?;
        let mut done = 0;
        for part in parts {
            (loader, done) = self.stream_into(loader, part.open().await?, done, Some(total as f64)).await?;
            loader.end_file()?;
        }
        Ok((loader, done))
    }

    /// Feeds the loader and returns it with the number of bytes so far, of which `done` came before.
    async fn stream_into(
        &self,
        mut loader: Loader,
        mut stream: ByteStream,
        mut done: u64,
        total: Option<f64>,
    ) -> Result<(Loader, u64), WorkerError> {
        let start = Instant::now();
        let mut reported = 0.0;
        self.report(Phase::Download, done as f64, total, start);
        while let Some(chunk) = stream.next().await? {
            if self.interrupts.contains(self.id) {
                return Err(EngineError::Interrupted.into());
            }
            loader.push(&chunk).await?;
            done += chunk.len() as u64;
            let seconds = start.elapsed().as_secs_f64();
            if seconds - reported >= PROGRESS_INTERVAL_SECONDS {
                self.report(Phase::Download, done as f64, total, start);
                reported = seconds;
            }
        }
        self.report(Phase::Download, done as f64, total, start);
        Ok((loader, done))
    }

    fn report(&self, phase: Phase, done: f64, total: Option<f64>, since: Instant) {
        let seconds = since.elapsed().as_secs_f64();
        self.port.post(&Event::Progress { id: self.id, phase, done, total, seconds });
    }
}

/// The file's name without its ending, which tells size and quantisation; the metadata's name without one.
fn display_name(source: &ModelSource, own_name: &str) -> String {
    let path = match source {
        ModelSource::Url { url } => url.split(['?', '#']).next().unwrap_or_default(),
        ModelSource::File { name } => name,
    };
    let file = path.rsplit('/').next().unwrap_or_default();
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

/// Whether the browser has WebGPU in workers at all.
fn has_webgpu() -> bool {
    Reflect::get(&js_sys::global(), &"navigator".into())
        .and_then(|navigator| Reflect::get(&navigator, &"gpu".into()))
        .is_ok_and(|gpu| gpu.is_truthy())
}
