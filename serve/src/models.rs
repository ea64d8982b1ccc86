//! The models in memory, and how they get there.

use std::borrow::Cow;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use futures::future::LocalBoxFuture;
use parlance_api::{ChatCodec, RequestError, Senses, capabilities};
use parlance_engine::EngineError;
use parlance_engine::ggml::read_header;
use parlance_engine::gguf::{Gguf, Parsed, part_names};
use parlance_engine::runtime::{
    Cpu, Device, Encoder, Gpu, GpuOptions, Loaded, Loader, LoaderOptions, Model, NativeThreads, ProjectorLoader,
    SelfTest, Source, Transcriber, Verdict,
};
use parlance_protocol::openai::{Capability, ModelEntry};
use parlance_protocol::{Abilities, DeviceChoice, Failure, FailureKind, Reason, is_ggml_name, model_name};
use parlance_worker_core::projector::is_projector;

use crate::error::StartError;
use crate::options::Compute;

/// Matrices with fewer weights are not worth sharing among threads.
const MIN_SHARED_WEIGHTS: usize = 1 << 16;

/// A model that is served.
pub(crate) struct Served {
    /// The file's name without its extension, by which requests name it.
    pub(crate) name: String,
    /// All its files, in order.
    paths: Vec<PathBuf>,
    /// The file with which it sees images or hears recordings.
    projector: Option<PathBuf>,
    /// The smaller model that drafts for it.
    draft: Option<PathBuf>,
    compute: Compute,
    /// What it can do.
    abilities: Abilities,
    /// Nothing after its device has failed: the next request loads it again.
    memory: Option<InMemory>,
}

/// A model in memory.
struct InMemory {
    loaded: Loaded,
    /// Of a chat model.
    codec: Option<Rc<ChatCodec>>,
    /// Of one with a projector.
    senses: Option<Senses>,
}

/// A chat model in memory.
pub(crate) struct ChatModel<'m> {
    pub(crate) model: &'m mut Model,
    /// Converts its conversations.
    pub(crate) codec: Rc<ChatCodec>,
    /// With what it sees images or hears recordings, if it does.
    pub(crate) senses: Option<&'m mut Senses>,
}

/// All models that are served.
pub(crate) struct Models(Vec<Served>);

impl Models {
    /// Loads all of them.
    pub(crate) async fn load(paths: &[PathBuf], compute: &Compute) -> Result<Self, StartError> {
        let mut models = Vec::new();
        let mut paths = paths.iter().peekable();
        while let Some(path) = paths.next() {
            // A projector belongs to the model before it.
            let projector = paths.next_if(|next| is_projector(&file_name(next))).cloned();
            models.push(Served::load(path, projector, compute.clone()).await?);
        }
        Ok(Self(models))
    }

    /// What clients are told about them, in order.
    pub(crate) fn entries(&self) -> Vec<ModelEntry> {
        self.0.iter().map(|model| ModelEntry::new(model.name.clone(), Some(model.abilities.clone()))).collect()
    }

    /// The index of the model for a request: the one that it names, or the last that can do this.
    pub(crate) fn position(&self, name: Option<&str>, wanted: Capability) -> Option<usize> {
        let named = name.and_then(|name| self.0.iter().position(|model| model.name == model_name(name)));
        named.or_else(|| self.0.iter().rposition(|model| model.abilities.capabilities.contains(&wanted)))
    }

    /// The model at an index from [`Models::position`].
    pub(crate) fn get_mut(&mut self, index: usize) -> &mut Served {
        &mut self.0[index]
    }

    /// Which requests for answers this model takes while it computes others.
    pub(crate) fn joining(&self, index: usize) -> Joining {
        let named = |model: &Served| model.name.clone();
        let others = self.0.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, model)| named(model));
        let is_default = self.position(None, Capability::Chat) == Some(index);
        Joining { name: named(&self.0[index]), others: others.collect(), is_default }
    }

    /// The model for a request.
    pub(crate) fn find(&mut self, name: Option<&str>, wanted: Capability) -> Result<&mut Served, Box<Failure>> {
        match (self.position(name, wanted), wanted) {
            (Some(index), _) => Ok(&mut self.0[index]),
            (None, Capability::Embeddings) => Err(only_chats()),
            (None, Capability::Rerank) => Err(no_ranker()),
            (None, Capability::Transcription) => Err(no_transcriber()),
            (None, _) => Err(not_for_chats()),
        }
    }
}

/// Which requests for answers a model takes.
pub(crate) struct Joining {
    /// Its name.
    pub(crate) name: String,
    /// The names of the other models.
    others: Vec<String>,
    /// It takes requests that name none of them.
    is_default: bool,
}

impl Joining {
    /// Whether it takes a request that names this model, if any.
    pub(crate) fn takes(&self, name: Option<&str>) -> bool {
        match name.map(model_name) {
            Some(name) if name == self.name => true,
            Some(name) if self.others.iter().any(|other| other == name) => false,
            _ => self.is_default,
        }
    }
}

impl Served {
    async fn load(path: &Path, projector: Option<PathBuf>, compute: Compute) -> Result<Self, StartError> {
        let (name, paths) = (model_name(&file_name(path)).to_owned(), parts(path));
        let draft = compute.drafts.iter().find(|(model, _)| model == path).map(|(_, draft)| draft.clone());
        let mut model = Self { name, paths, projector, draft, compute, abilities: Abilities::default(), memory: None };
        let memory = model.read().await.map_err(|error| match error {
            LoadError::File(path, error) => StartError::File(path, error),
            LoadError::Engine(error) => StartError::Model(path.to_owned(), error),
        })?;
        model.abilities = memory.abilities();
        model.memory = Some(memory);
        Ok(model)
    }

    /// The chat model.
    pub(crate) async fn chat(&mut self) -> Result<ChatModel<'_>, Box<Failure>> {
        match self.in_memory().await? {
            InMemory { loaded: Loaded::Decoder(model), codec: Some(codec), senses } => {
                Ok(ChatModel { model, codec: Rc::clone(codec), senses: senses.as_mut() })
            }
            _ => Err(not_for_chats()),
        }
    }

    /// The embedding model or ranker.
    pub(crate) async fn encoder(&mut self) -> Result<&mut Encoder, Box<Failure>> {
        match &mut self.in_memory().await?.loaded {
            Loaded::Encoder(encoder) => Ok(encoder),
            Loaded::Decoder(_) | Loaded::Transcriber(_) => Err(only_chats()),
        }
    }

    /// The speech recogniser.
    pub(crate) async fn transcriber(&mut self) -> Result<&mut Transcriber, Box<Failure>> {
        match &mut self.in_memory().await?.loaded {
            Loaded::Transcriber(transcriber) => Ok(transcriber),
            Loaded::Decoder(_) | Loaded::Encoder(_) => Err(no_transcriber()),
        }
    }

    /// Frees the model, whose device cannot be trusted any more.
    pub(crate) fn forget(&mut self) {
        self.memory = None;
    }

    async fn in_memory(&mut self) -> Result<&mut InMemory, Box<Failure>> {
        let memory = match self.memory.take() {
            Some(memory) => memory,
            None => self.read().await.map_err(LoadError::failure)?,
        };
        Ok(self.memory.insert(memory))
    }

    /// Reads the files onto the chosen device. If the choice is ours and the GPU fails, the CPU takes its place.
    async fn read(&self) -> Result<InMemory, LoadError> {
        let choice = self.compute.device;
        let loaded = match self.read_onto(choice).await {
            Err(LoadError::Engine(EngineError::Gpu(_) | EngineError::WrongResults)) if choice == DeviceChoice::Auto => {
                self.read_onto(DeviceChoice::Cpu).await?
            }
            result => result?,
        };
        let codec = match &loaded {
            Loaded::Decoder(model) => Some(Rc::new(ChatCodec::new(model.chat_handle(), model.context_tokens()))),
            Loaded::Encoder(_) | Loaded::Transcriber(_) => None,
        };
        let senses = match (&loaded, &self.projector) {
            (Loaded::Decoder(model), Some(path)) => Some(senses_of(model, path).await?),
            (_, Some(_)) => return Err(EngineError::WrongProjector("its model is no chat model".to_owned()).into()),
            (_, None) => None,
        };
        Ok(InMemory { loaded, codec, senses })
    }

    async fn read_onto(&self, choice: DeviceChoice) -> Result<Loaded, LoadError> {
        let device = open(choice, self.compute.threads).await?;
        let Compute { context_tokens, cache, parallel, .. } = self.compute;
        let further_sequences = parallel.saturating_sub(1);
        let options = LoaderOptions { context_tokens, cache, further_sequences, ..LoaderOptions::default() };
        let mut loaded = load(device, &self.paths, options).await?;
        match (&mut loaded, &self.draft) {
            (Loaded::Decoder(model), Some(path)) => {
                let options =
                    LoaderOptions { context_tokens: Some(model.context_tokens()), cache, ..Default::default() };
                let Loaded::Decoder(draft) = load(model.device().clone(), &parts(path), options).await? else {
                    return Err(EngineError::WrongDraft("it is not for chats".to_owned()).into());
                };
                model.set_draft(*draft)?;
            }
            (_, Some(_)) => return Err(EngineError::WrongDraft("it is for a chat model".to_owned()).into()),
            (_, None) => {}
        }
        Ok(loaded)
    }
}

/// The files of a model, of which one is named.
fn parts(path: &Path) -> Vec<PathBuf> {
    part_names(&file_name(path))
        .map_or_else(|| vec![path.to_owned()], |names| names.iter().map(|name| path.with_file_name(name)).collect())
}

/// Reads a model's files onto a device, and prepares it.
async fn load(device: Device, paths: &[PathBuf], options: LoaderOptions) -> Result<Loaded, LoadError> {
    let loader = match paths {
        [path] if is_ggml_name(&file_name(path)) => {
            let mut file = OnDisk::open(path)?;
            let options = LoaderOptions { file_len_bytes: Some(file.left_bytes), ..options };
            let header = read_header(file.left_bytes, |at, bytes| file.read_at(at, bytes))?;
            let mut loader = Loader::with_headers(device, options, &[header]).await?;
            OnDisk::open(path)?.feed(&mut loader).await?;
            loader
        }
        [path] => {
            let mut file = OnDisk::open(path)?;
            let options = LoaderOptions { file_len_bytes: Some(file.left_bytes), ..options };
            let mut loader = Loader::new(device, options);
            file.feed(&mut loader).await?;
            loader
        }
        paths => {
            let headers = paths.iter().map(|path| header(path)).collect::<Result<Vec<_>, _>>()?;
            let mut loader = Loader::with_headers(device, options, &headers).await?;
            for path in paths {
                OnDisk::open(path)?.feed(&mut loader).await?;
                loader.end_file()?;
            }
            loader
        }
    };
    let mut any = loader.finish_any().await?;
    prepare(&mut any).await?;
    Ok(any)
}

impl InMemory {
    fn abilities(&self) -> Abilities {
        let context_tokens = match &self.loaded {
            Loaded::Decoder(model) => model.context_tokens(),
            Loaded::Encoder(encoder) => encoder.context_tokens(),
            Loaded::Transcriber(transcriber) => transcriber.config().decoder.context,
        };
        let mut capabilities = capabilities(&self.loaded, self.codec.as_deref());
        capabilities.extend(self.senses.iter().flat_map(Senses::capabilities));
        Abilities { capabilities, context_tokens }
    }
}

/// Loads the projector of a model.
async fn senses_of(model: &Model, path: &Path) -> Result<Senses, LoadError> {
    let mut file = OnDisk::open(path)?;
    let mut loader = ProjectorLoader::new(model.device().clone(), Some(file.left_bytes));
    loop {
        let left_bytes = file.left_bytes;
        match loader.pull(&mut file, left_bytes).await? {
            0 => break,
            taken => file.left_bytes -= taken,
        }
    }
    let projector = loader.finish()?;
    projector.check(model)?;
    Ok(Senses::new(projector))
}

/// The name of a file.
fn file_name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

pub(crate) fn not_for_chats() -> Box<Failure> {
    Box::new(RequestError::Engine(EngineError::WrongKind("it is an embedding model")).failure())
}

fn only_chats() -> Box<Failure> {
    let message = "this needs an embedding model or a ranker; load one";
    Box::new(Failure::new(FailureKind::BadRequest, message).with_reason(Reason::OnlyChats))
}

fn no_transcriber() -> Box<Failure> {
    let message = "this needs a speech recogniser, such as Whisper; load one";
    Box::new(Failure::new(FailureKind::BadRequest, message).with_reason(Reason::CannotHear))
}

fn no_ranker() -> Box<Failure> {
    Box::new(Failure::new(FailureKind::BadRequest, "no ranker is loaded; load one"))
}

/// Opens the chosen device. The automatic choice takes the CPU where there is no GPU but one in software.
async fn open(choice: DeviceChoice, threads: usize) -> Result<Device, EngineError> {
    if choice == DeviceChoice::Cpu {
        return Ok(cpu(threads));
    }
    match Gpu::new(GpuOptions::default()).await {
        Ok(gpu) if choice == DeviceChoice::Gpu || !gpu.is_software() => Ok(gpu.into()),
        Err(error) if choice == DeviceChoice::Gpu => Err(error),
        Ok(_) | Err(_) => Ok(cpu(threads)),
    }
}

fn cpu(threads: usize) -> Device {
    let cpu = Cpu::new(pause);
    match threads.saturating_sub(1) {
        0 => cpu.into(),
        helpers => cpu.with_threads(Arc::new(NativeThreads::start(helpers, MIN_SHARED_WEIGHTS))).into(),
    }
}

/// Returns to the executor once, so that whoever waits for a stop beside a computation is asked.
fn pause() -> LocalBoxFuture<'static, ()> {
    let mut has_paused = false;
    Box::pin(poll_fn(move |context| {
        if std::mem::replace(&mut has_paused, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }))
}

/// Compiles what a model's first answer needs, and makes sure that a GPU computes it correctly.
async fn prepare(loaded: &mut Loaded) -> Result<(), EngineError> {
    let result = match loaded {
        Loaded::Decoder(model) if model.device().is_cpu() => return Ok(()),
        Loaded::Encoder(encoder) if encoder.device().is_cpu() => return Ok(()),
        Loaded::Transcriber(transcriber) if transcriber.device().is_cpu() => return Ok(()),
        Loaded::Decoder(model) => {
            model.warm_up().await?;
            model.self_test().await
        }
        Loaded::Encoder(encoder) => encoder.self_test().await,
        Loaded::Transcriber(transcriber) => transcriber.self_test().await,
    };
    match result {
        Ok(SelfTest { verdict: Verdict::Wrong, .. }) => Err(EngineError::WrongResults),
        // There is no memory for the test; most adapters compute correctly.
        Ok(_) | Err(EngineError::OutOfMemory(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    File(PathBuf, io::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl LoadError {
    fn failure(self) -> Box<Failure> {
        Box::new(match self {
            Self::Engine(error) => RequestError::Engine(error).failure(),
            file @ Self::File(..) => Failure::new(FailureKind::Storage, file.to_string()),
        })
    }
}

/// A file that is read from its start to its end.
struct OnDisk {
    path: PathBuf,
    file: File,
    left_bytes: u64,
}

impl OnDisk {
    fn open(path: &Path) -> Result<Self, LoadError> {
        let with_path = |error| LoadError::File(path.to_owned(), error);
        let file = File::open(path).map_err(with_path)?;
        let left_bytes = file.metadata().map_err(with_path)?.len();
        Ok(Self { path: path.to_owned(), file, left_bytes })
    }

    /// Fills `bytes` from an offset on.
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), LoadError> {
        let read = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.read_exact(bytes));
        read.map_err(|error| LoadError::File(self.path.clone(), error))
    }

    async fn feed(&mut self, loader: &mut Loader) -> Result<(), LoadError> {
        loop {
            let left_bytes = self.left_bytes;
            match loader.pull(self, left_bytes).await? {
                0 => return Ok(()),
                taken => self.left_bytes -= taken,
            }
        }
    }
}

impl Source for OnDisk {
    type Error = LoadError;

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), LoadError> {
        self.file.read_exact(bytes).map_err(|error| LoadError::File(self.path.clone(), error))
    }
}

/// The header of one of several files.
fn header(path: &Path) -> Result<Gguf, LoadError> {
    let OnDisk { mut file, left_bytes: len_bytes, .. } = OnDisk::open(path)?;
    let mut bytes = Vec::new();
    let mut needed = len_bytes.min(1 << 20);
    loop {
        let missing = needed - bytes.len() as u64;
        file.by_ref().take(missing).read_to_end(&mut bytes).map_err(|error| LoadError::File(path.to_owned(), error))?;
        match Gguf::parse(&bytes, Some(len_bytes))? {
            Parsed::Complete(gguf) => return Ok(*gguf),
            Parsed::NeedMore(more) => needed = more.max(2 * needed).min(len_bytes),
        }
    }
}
