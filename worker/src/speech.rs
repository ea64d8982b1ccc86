//! Files of whisper.cpp. What is in them can only be found out by hopping through them, so they are fetched before they
//! are loaded.

use parlance_engine::EngineError;
use parlance_engine::ggml::{is_ggml, read_header};
use parlance_engine::gguf::Gguf;
use parlance_engine::runtime::{Loader, LoaderOptions};
use parlance_protocol::{DeviceChoice, ModelSource};
use parlance_sound::Source as _;
use parlance_worker_core::hosts::AllowedHosts;
use wasm_bindgen::JsCast as _;
use web_sys::Blob;

use crate::device;
use crate::error::WorkerError;
use crate::load::{Files, Load};
use crate::sound::BlobSource;
use crate::source::Part;
use crate::stream::{ByteStream, Fetched};

impl Part {
    /// What is in a file of whisper.cpp, and its length; nothing but the latter is known of one that is yet to be fetched.
    pub(crate) async fn ggml_header(&self) -> Result<(Option<Gguf>, u64), WorkerError> {
        let (header, len_bytes) = match self {
            Self::Stored(entry) => {
                let reader = entry.reader().await?;
                let len_bytes = reader.len_bytes();
                (read_header::<WorkerError>(len_bytes, |at, bytes| Ok(reader.read_at(at, bytes)?)), len_bytes)
            }
            Self::File(file) => {
                let mut source = BlobSource(file.clone().unchecked_into::<Blob>());
                let len_bytes = source.len_bytes();
                (read_header(len_bytes, |at, bytes| source.read_at(at, bytes)), len_bytes)
            }
            Self::Url(file) => {
                let Fetched { mut stream, answer } = ByteStream::fetch(&file.url, Some((0, 4))).await?;
                let first = stream.next().await?.unwrap_or_default();
                if !is_ggml(&first) {
                    return Err(EngineError::Malformed("it is no file of whisper.cpp".to_owned()).into());
                }
                return Ok((None, answer.len_bytes.unwrap_or_default()));
            }
        };
        header.map(|header| (Some(header), len_bytes))
    }
}

impl Load<'_> {
    /// Fetches a file of whisper.cpp onto this device, if it is not here, and streams it into a loader.
    pub(crate) async fn stream_ggml(
        &self,
        choice: DeviceChoice,
        part: &Part,
        options: LoaderOptions,
    ) -> Result<(Loader, Files), WorkerError> {
        let fetched = self.fetched(part).await?;
        let part = fetched.as_ref().unwrap_or(part);
        let (header, len_bytes) = part.ggml_header().await?;
        let header = header.ok_or(WorkerError::NoStorage)?;
        let device = device::open(choice).await?;
        let options = LoaderOptions { file_len_bytes: Some(len_bytes), ..options };
        let loader = Loader::with_headers(device, options, &[header]).await?;
        let mut files = Files::default();
        let opened = self.open(part, &files).await?;
        let loader = self.stream_file(loader, opened, &mut files).await?;
        Ok((loader, files))
    }

    /// The kept copy of a file that was not here.
    async fn fetched(&self, part: &Part) -> Result<Option<Part>, WorkerError> {
        let Part::Url(file) = part else { return Ok(None) };
        let store = self.store.ok_or(WorkerError::NoStorage)?;
        self.keep_file(part, &mut Files::default()).await?;
        let source = ModelSource::Url { url: file.url.clone() };
        // It is kept: nothing is fetched.
        let parts = Part::of(&source, Vec::new(), Some(store), &AllowedHosts::default()).await?;
        Ok(parts.into_iter().next())
    }
}
