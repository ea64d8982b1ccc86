//! Which models are in memory: which one a request uses, which are freed to make room for another, and which come back afterwards.

use std::time::Duration;

use parlance_protocol::openai::Capability;
use parlance_protocol::{DeviceChoice, KvCache, ModelInfo, ModelSource, Settings, model_name};

/// What is needed to load a model, now or again. `F` is a file of the user's.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadSpec<F> {
    /// Where it comes from.
    pub source: ModelSource,
    /// The files of [`ModelSource::File`].
    pub files: Vec<F>,
    /// The URL of its projector; empty for none. If absent, it is looked for beside the model.
    pub projector: Option<String>,
    /// Its context length in tokens; the engine's choice if absent.
    pub context_tokens: Option<u32>,
    /// What is loaded to draft its answers.
    pub draft: Option<DraftSpec<F>>,
}

/// A model that drafts for another. `F` is a file of the user's.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftSpec<F> {
    /// Where it comes from.
    pub source: ModelSource,
    /// The file of [`ModelSource::File`].
    pub files: Vec<F>,
}

impl<F> LoadSpec<F> {
    /// The same with a draft model. Its file is taken from those of the model, by its name.
    #[must_use]
    pub fn with_draft(mut self, source: Option<ModelSource>, name_of: impl Fn(&F) -> String) -> Self {
        self.draft = source.map(|source| {
            let files = match &source {
                ModelSource::Url { .. } => Vec::new(),
                ModelSource::File { name } => self.files.extract_if(.., |file| name_of(file) == *name).collect(),
            };
            DraftSpec { source, files }
        });
        self
    }

    /// Whether both come from the same address. Files of the user's have none, and may have changed.
    fn has_same_address(&self, other: &Self) -> bool {
        let is_url = |source: &ModelSource| matches!(source, ModelSource::Url { .. });
        let draft = |spec: &Self| spec.draft.as_ref().map(|draft| draft.source.clone());
        is_url(&self.source)
            && self.source == other.source
            && self.projector == other.projector
            && draft(self) == draft(other)
            && draft(self).is_none_or(|source| is_url(&source))
    }
}

/// How models are computed. A model that was loaded with other options has to be loaded again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ComputeOptions {
    /// GPU or CPU.
    pub device: DeviceChoice,
    /// The format of the KV cache.
    pub kv_cache: KvCache,
    /// How many answers it computes together at most.
    pub parallel: Option<u32>,
}

impl From<Settings> for ComputeOptions {
    fn from(Settings { device, kv_cache, parallel, .. }: Settings) -> Self {
        Self { device, kv_cache, parallel }
    }
}

/// A model in memory. `V` is what computes it; dropping it frees the memory.
pub struct Resident<F, V> {
    /// How to load it again.
    pub spec: LoadSpec<F>,
    /// What clients are told.
    pub info: ModelInfo,
    /// What computes it.
    pub model: V,
    /// Bytes on the device.
    pub len_bytes: u64,
    /// When it was used last, by the clock of the caller.
    pub used: Duration,
    /// How it is computed.
    pub options: ComputeOptions,
}

/// Why no model in memory can take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is none.
    NoModel,
    /// None of them can chat.
    NoChat,
    /// None of them has embeddings.
    NoEmbeddings,
    /// None of them ranks.
    NoRanker,
    /// None of them turns speech into text.
    NoTranscriber,
}

/// The models in memory.
pub struct Residency<F, V> {
    /// The one that was loaded last comes last.
    models: Vec<Resident<F, V>>,
    /// A model that was freed without a request, because it was idle or its device failed. The next request brings it back.
    freed: Option<LoadSpec<F>>,
    /// The name of the model that holds the latest conversation.
    conversation: Option<String>,
}

impl<F, V> Default for Residency<F, V> {
    fn default() -> Self {
        Self { models: Vec::new(), freed: None, conversation: None }
    }
}

impl<F, V> Residency<F, V> {
    /// What clients are told of the models, in the order in which they were loaded.
    pub fn infos(&self) -> Vec<ModelInfo> {
        self.models.iter().map(|model| model.info.clone()).collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// The first model of which something is true, by what computes it.
    pub fn position(&self, is_it: impl Fn(&V) -> bool) -> Option<usize> {
        self.models.iter().position(|model| is_it(&model.model))
    }

    /// The model at an index that another method gave.
    pub fn model(&self, index: usize) -> &Resident<F, V> {
        &self.models[index]
    }

    /// The same, to compute with.
    pub fn model_mut(&mut self, index: usize) -> &mut Resident<F, V> {
        &mut self.models[index]
    }

    /// The loaded model that a request to load asks for: one from the same address with the same options, or any chat model if `any_chat`. Files of
    /// the user's may have changed, so they are always loaded again.
    pub fn already_loaded(&self, spec: &LoadSpec<F>, options: ComputeOptions, any_chat: bool) -> Option<&ModelInfo> {
        let is_same = |model: &Resident<F, V>| {
            model.spec.has_same_address(spec)
                && model.options == options
                && spec.context_tokens.is_none_or(|tokens| tokens == model.info.context_tokens)
        };
        let latest = self.models.iter().rev().find(|model| is_same(model) || any_chat && model.info.can_chat);
        latest.map(|model| &model.info)
    }

    /// Makes room for a model that a client wants loaded: all others are freed first, unless they are to stay `beside` it. So memory is free before it
    /// is needed.
    pub fn make_room(&mut self, beside: bool) {
        self.freed = None;
        if !beside {
            self.models.clear();
        }
    }

    /// Makes room for a model that a request named, and that is to do this. Chat models, embedding models and rankers do not displace each
    /// other.
    pub fn make_room_for_kind(&mut self, wanted: Capability) {
        self.models.retain(|model| !model.info.capabilities.contains(&wanted));
    }

    /// Adds a model that was loaded, and frees those that were used longest ago until the rest is within the budget in bytes. The new one stays in
    /// any case.
    pub fn add(&mut self, model: Resident<F, V>, budget_bytes: Option<f64>) {
        // A request that named it may have brought it back.
        self.freed.take_if(|freed| freed.has_same_address(&model.spec));
        self.models.push(model);
        let Some(budget_bytes) = budget_bytes else { return };
        let sum = |models: &[Resident<F, V>]| models.iter().map(|model| model.len_bytes as f64).sum::<f64>();
        while self.models.len() > 1 && sum(&self.models) > budget_bytes {
            let others = &self.models[..self.models.len() - 1];
            let oldest = (0..others.len()).min_by_key(|index| others[*index].used);
            self.models.remove(oldest.unwrap_or_default());
        }
    }

    /// Frees the model of this name, or all. Returns the chat model that answers from now on.
    pub fn unload(&mut self, name: Option<&str>) -> Option<&ModelInfo> {
        match name {
            Some(name) => self.models.retain(|model| model.info.name != model_name(name)),
            None => self.models.clear(),
        }
        self.freed = None;
        self.models.iter().rev().find(|model| model.info.can_chat).map(|model| &model.info)
    }

    /// Frees all models if none was used for `limit`. Says whether it did.
    pub fn free_idle(&mut self, now: Duration, limit: Duration) -> bool {
        let is_unused = |model: &Resident<F, V>| now.saturating_sub(model.used) >= limit;
        let is_idle = !self.models.is_empty() && self.models.iter().all(is_unused);
        if is_idle {
            self.forget_all();
        }
        is_idle
    }

    /// Frees all models: nothing on a device that failed can be trusted. The latest one comes back with the next request.
    pub fn forget_all(&mut self) {
        self.freed = self.models.pop().map(|model| model.spec).or(self.freed.take());
        self.models.clear();
    }

    /// The model that was freed without a request. It is remembered until [`Residency::restored`].
    pub fn freed(&self) -> Option<&LoadSpec<F>> {
        self.freed.as_ref()
    }

    /// Notes that this model is loaded again.
    pub fn restored(&mut self) {
        self.freed = None;
    }

    /// The model of this name, or of this file's.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.models.iter().position(|model| model.info.name == model_name(name))
    }

    /// The latest model that can do this.
    pub fn latest(&self, wanted: Capability) -> Option<usize> {
        self.models.iter().rposition(|model| model.info.capabilities.contains(&wanted))
    }

    /// Why [`Residency::latest`] has none.
    pub fn missing(&self, wanted: Capability) -> Missing {
        match wanted {
            _ if self.models.is_empty() => Missing::NoModel,
            Capability::Embeddings => Missing::NoEmbeddings,
            Capability::Rerank => Missing::NoRanker,
            Capability::Transcription => Missing::NoTranscriber,
            Capability::Chat | Capability::Tools | Capability::Thinking | Capability::Vision | Capability::Hearing => {
                Missing::NoChat
            }
        }
    }

    /// Notes that a model holds the latest conversation.
    pub fn note_conversation(&mut self, name: &str) {
        self.conversation = Some(name.to_owned());
    }

    /// The model with the latest conversation, or else the latest chat model.
    pub fn with_conversation(&self) -> Option<usize> {
        let holds_it = |model: &Resident<F, V>| Some(&model.info.name) == self.conversation.as_ref();
        self.models.iter().rposition(holds_it).or_else(|| self.latest(Capability::Chat))
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use parlance_protocol::SelfTest;

    use super::*;

    /// Models whose memory is counted by references to a value.
    type Models = Residency<&'static str, Rc<()>>;

    const GIB: f64 = 1_073_741_824.0;

    fn spec(name: &str) -> LoadSpec<&'static str> {
        let source = ModelSource::Url { url: name.to_owned() };
        LoadSpec { source, files: Vec::new(), projector: None, context_tokens: None, draft: None }
    }

    fn info(name: &str) -> ModelInfo {
        let kind = match name {
            _ if name.starts_with("embedding") => Capability::Embeddings,
            _ if name.starts_with("ranker") => Capability::Rerank,
            _ if name.starts_with("whisper") => Capability::Transcription,
            _ => Capability::Chat,
        };
        ModelInfo {
            name: name.to_owned(),
            url: Some(name.to_owned()),
            can_chat: kind == Capability::Chat,
            capabilities: vec![kind],
            can_see: false,
            context_tokens: 4096,
            max_context_tokens: 4096,
            adapter: String::new(),
            is_software: false,
            is_cpu: false,
            self_test: SelfTest::Passed,
            features: Vec::new(),
            weight_bytes: 0.0,
            kv_bytes: 0.0,
            warning: None,
            warnings: Vec::new(),
            len_bytes: 0.0,
            load_seconds: 0.0,
            peak_memory_bytes: 0.0,
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A model of one gibibyte that was used at this second.
    fn resident(name: &str, used: u64, memory: &Rc<()>) -> Resident<&'static str, Rc<()>> {
        Resident {
            spec: spec(name),
            info: info(name),
            model: Rc::clone(memory),
            len_bytes: GIB as u64,
            used: seconds(used),
            options: ComputeOptions::default(),
        }
    }

    /// These models, each used a second after the one before, and what counts those in memory.
    fn loaded(names: &[&str]) -> (Models, Rc<()>) {
        let (mut models, memory) = (Models::default(), Rc::new(()));
        for (used, name) in (0..).zip(names) {
            models.add(resident(name, used, &memory), None);
        }
        (models, memory)
    }

    fn names(models: &Models) -> Vec<String> {
        models.infos().into_iter().map(|info| info.name).collect()
    }

    fn count(memory: &Rc<()>) -> usize {
        Rc::strong_count(memory) - 1
    }

    #[test]
    fn a_loaded_model_is_not_loaded_again() {
        let (models, _memory) = loaded(&["chat", "embedding"]);
        let options = ComputeOptions::default();
        let found = |spec: &LoadSpec<&'static str>, options, any_chat| {
            models.already_loaded(spec, options, any_chat).map(|info| info.name.as_str())
        };
        assert_eq!(found(&spec("chat"), options, false), Some("chat"));
        assert_eq!(found(&spec("other"), options, false), None);
        assert_eq!(found(&spec("other"), options, true), Some("chat"), "any chat model will do");
        let with_context = |tokens| LoadSpec { context_tokens: Some(tokens), ..spec("chat") };
        assert_eq!(found(&with_context(4096), options, false), Some("chat"));
        assert_eq!(found(&with_context(512), options, false), None);
        let on_cpu = ComputeOptions { device: DeviceChoice::Cpu, ..options };
        assert_eq!(found(&spec("chat"), on_cpu, false), None, "it is to run on another device");
        let file = LoadSpec { source: ModelSource::File { name: "chat".to_owned() }, files: vec!["file"], ..spec("") };
        let mut models = Models::default();
        models.add(Resident { spec: file.clone(), ..resident("chat", 0, &Rc::new(())) }, None);
        assert!(models.already_loaded(&file, options, false).is_none(), "the file may have changed");
    }

    #[test]
    fn a_draft_model_is_part_of_what_is_loaded() {
        let options = ComputeOptions::default();
        let url = |name: &str| ModelSource::Url { url: name.to_owned() };
        let file = ModelSource::File { name: "small".to_owned() };
        let with = |draft: Option<&ModelSource>| {
            let files = vec!["large", "small"];
            LoadSpec { files, ..spec("chat") }.with_draft(draft.cloned(), |file| (*file).to_owned())
        };
        let drafted = with(Some(&file));
        assert_eq!((drafted.files, drafted.draft.map(|draft| draft.files)), (vec!["large"], Some(vec!["small"])));
        let mut models = Models::default();
        models.add(Resident { spec: with(Some(&url("small"))), ..resident("chat", 0, &Rc::new(())) }, None);
        let is_loaded = |draft: Option<&ModelSource>| models.already_loaded(&with(draft), options, false).is_some();
        assert!(is_loaded(Some(&url("small"))));
        assert!(!is_loaded(None) && !is_loaded(Some(&url("other"))) && !is_loaded(Some(&file)));
    }

    #[test]
    fn memory_is_free_before_the_next_model_needs_it() {
        let (mut models, memory) = loaded(&["chat", "embedding"]);
        models.make_room(true);
        assert_eq!(count(&memory), 2, "it is loaded beside the others");
        models.make_room(false);
        assert_eq!(count(&memory), 0);
    }

    #[test]
    fn a_cancelled_load_keeps_models_that_did_not_have_to_make_room() {
        let (mut models, memory) = loaded(&["chat"]);
        models.make_room(true);
        // Nothing is added: the load was cancelled, or failed.
        assert_eq!((names(&models), count(&memory)), (vec!["chat".to_owned()], 1));
        models.make_room(false);
        assert_eq!((models.latest(Capability::Chat), models.missing(Capability::Chat)), (None, Missing::NoModel));
        assert_eq!(models.freed(), None, "the user wanted another model instead");
    }

    #[test]
    fn over_budget_the_model_used_longest_ago_goes() {
        let (mut models, memory) = loaded(&["a", "b", "c"]);
        models.model_mut(0).used = seconds(9);
        models.add(resident("d", 10, &memory), Some(3.0 * GIB));
        assert_eq!(names(&models), ["a", "c", "d"]);
        models.add(resident("e", 11, &memory), Some(2.0 * GIB));
        assert_eq!(names(&models), ["d", "e"]);
        // One that exceeds the budget alone stays, even if others were used later.
        models.model_mut(0).used = seconds(99);
        models.add(resident("f", 12, &memory), Some(1.0));
        assert_eq!((names(&models), count(&memory)), (vec!["f".to_owned()], 1));
    }

    #[test]
    fn a_named_model_displaces_only_its_kind() {
        for (wanted, expected) in [
            (Capability::Embeddings, ["chat", "ranker"]),
            (Capability::Rerank, ["chat", "embedding"]),
            (Capability::Chat, ["embedding", "ranker"]),
        ] {
            let (mut models, memory) = loaded(&["chat", "embedding", "ranker"]);
            models.make_room_for_kind(wanted);
            assert_eq!(names(&models), expected);
            assert_eq!(count(&memory), 2);
        }
        let (mut models, memory) = loaded(&["chat", "chat-2"]);
        models.make_room_for_kind(Capability::Chat);
        assert_eq!((names(&models).len(), count(&memory)), (0, 0));
    }

    #[test]
    fn idle_models_are_freed_together_and_the_latest_comes_back() {
        let (mut models, memory) = loaded(&["embedding", "chat"]);
        assert!(!models.free_idle(seconds(10), seconds(10)), "the second one was used a second later");
        assert!(models.free_idle(seconds(11), seconds(10)));
        assert!(!models.free_idle(seconds(99), seconds(10)), "there is nothing left to free");
        assert_eq!((count(&memory), models.freed()), (0, Some(&spec("chat"))));
        // Loading it again is cancelled; the next request tries once more.
        assert_eq!(models.freed(), Some(&spec("chat")));
        models.add(resident("chat", 12, &memory), None);
        models.restored();
        assert_eq!((models.latest(Capability::Chat), models.freed()), (Some(0), None));
    }

    #[test]
    fn a_freed_model_that_a_request_named_is_not_loaded_twice() {
        let (mut models, memory) = loaded(&["chat"]);
        models.forget_all();
        models.add(resident("embedding", 20, &memory), None);
        assert_eq!(models.freed(), Some(&spec("chat")), "another model does not replace it");
        models.add(resident("chat", 21, &memory), None);
        assert_eq!(models.freed(), None);
    }

    #[test]
    fn a_device_that_fails_takes_all_models_with_it() {
        let (mut models, memory) = loaded(&["chat", "embedding"]);
        models.forget_all();
        assert_eq!((count(&memory), models.freed()), (0, Some(&spec("embedding"))));
        // It fails again while the model loads.
        models.forget_all();
        assert_eq!(models.freed(), Some(&spec("embedding")));
        // A model that was freed on request stays away.
        models.unload(None);
        assert_eq!(models.freed(), None);
    }

    #[test]
    fn freeing_a_model_tells_which_one_answers_now() {
        let (mut models, _memory) = loaded(&["a", "b", "embedding"]);
        assert_eq!(models.unload(Some("b")).map(|info| info.name.as_str()), Some("a"));
        assert_eq!(models.unload(Some("unknown")).map(|info| info.name.as_str()), Some("a"));
        assert_eq!(models.unload(Some("a")), None);
        assert_eq!(models.missing(Capability::Chat), Missing::NoChat);
        assert_eq!(models.missing(Capability::Rerank), Missing::NoRanker);
        assert_eq!(models.unload(None), None);
        assert!(models.is_empty());
    }

    #[test]
    fn requests_find_a_model_by_name_or_the_latest_of_its_kind() {
        let (mut models, memory) = loaded(&["a", "embedding", "b"]);
        assert_eq!((models.named("a"), models.named("a.gguf"), models.named("c")), (Some(0), Some(0), None));
        let kinds = [Capability::Chat, Capability::Embeddings, Capability::Rerank, Capability::Transcription];
        assert_eq!(kinds.map(|wanted| models.latest(wanted)), [Some(2), Some(1), None, None]);
        assert_eq!(models.missing(Capability::Transcription), Missing::NoTranscriber);
        assert_eq!(models.with_conversation(), Some(2));
        models.note_conversation("a");
        assert_eq!(models.with_conversation(), Some(0));
        assert_eq!(models.model(0).info.name, "a");
        // Its model is displaced while others wait: they get the latest chat model.
        models.unload(Some("a"));
        assert_eq!(models.with_conversation(), Some(1));
        models.add(resident("a", 9, &memory), None);
        assert_eq!(models.with_conversation(), Some(2));
    }
}
