//! Converts between conversations and tokens, the way one model does it.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use parlance_engine::chat::Chat;
use parlance_engine::runtime::Loaded;
use parlance_protocol::openai::Capability;

use crate::error::RequestError;
use crate::grammar::GrammarCompiler;
use crate::output_parser::REASONING_MARKERS;
use crate::tools::{ToolFormat, ToolStyle};

/// The text side of a loaded model, shared by all requests to it: tokenizer, chat template, the format of tool calls, and the
/// vocabulary for grammars, which is prepared for the first request that needs it.
pub struct ChatCodec {
    chat: Arc<Chat>,
    tools: ToolStyle,
    /// Control tokens that have a meaning in answers, with their texts.
    markers: HashMap<u32, String>,
    grammars: OnceCell<Rc<GrammarCompiler>>,
    context_tokens: u32,
}

impl ChatCodec {
    /// The codec of a model with this context length.
    pub fn new(chat: Arc<Chat>, context_tokens: u32) -> Self {
        let tools = ToolStyle::of(&chat);
        let texts = REASONING_MARKERS.iter().flat_map(|(open, [end])| [*open, *end]).chain(tools.format.markers());
        let markers = texts.filter_map(|text| Some((chat.tokenizer().control_id(text)?, text.to_owned()))).collect();
        Self { chat, tools, markers, grammars: OnceCell::new(), context_tokens }
    }

    /// Tokenizer and chat template.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// What the model can do.
    fn capabilities(&self) -> Vec<Capability> {
        let source = self.chat.template().source();
        let shows = |text: &str| source.contains(text);
        let reasons =
            shows("enable_thinking") || REASONING_MARKERS.iter().any(|(open, [end])| shows(open) || shows(end));
        let is_harmony = self.tools.format == ToolFormat::Harmony;
        let tools = self.tools.describes_tools.then_some(Capability::Tools);
        let thinking = (reasons || is_harmony).then_some(Capability::Thinking);
        [Some(Capability::Chat), tools, thinking].into_iter().flatten().collect()
    }

    /// The context length in tokens, for prompt and answer together.
    pub(crate) fn context_tokens(&self) -> usize {
        self.context_tokens as usize
    }

    pub(crate) fn tools(&self) -> &ToolStyle {
        &self.tools
    }

    /// The text of a control token that has a meaning in answers; `None` for all other tokens.
    pub(crate) fn marker(&self, id: u32) -> Option<&str> {
        self.markers.get(&id).map(String::as_str)
    }

    /// Compiles grammars for the model's vocabulary. The first call takes a moment.
    ///
    /// # Errors
    /// [`RequestError::Grammar`] if the vocabulary has no end-of-sequence token.
    pub(crate) fn grammars(&self) -> Result<Rc<GrammarCompiler>, RequestError> {
        if let Some(grammars) = self.grammars.get() {
            return Ok(Rc::clone(grammars));
        }
        let grammars = Rc::new(GrammarCompiler::new(&self.chat)?);
        Ok(Rc::clone(self.grammars.get_or_init(|| grammars)))
    }
}

/// What a loaded model can do; a chat model has a codec.
pub fn capabilities(loaded: &Loaded, codec: Option<&ChatCodec>) -> Vec<Capability> {
    match (loaded, codec) {
        (_, Some(codec)) => codec.capabilities(),
        (Loaded::Encoder(encoder), None) if encoder.can_rank() => vec![Capability::Rerank],
        (Loaded::Transcriber(_), None) => vec![Capability::Transcription],
        (_, None) => vec![Capability::Embeddings],
    }
}
