//! What answers need of a model beside its weights, shared by all requests to it.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use parlance_engine::chat::Chat;

use crate::error::RequestError;
use crate::grammar::Grammars;
use crate::text::THINK_MARKERS;
use crate::tools::ToolStyle;

/// A model's language: tokenizer, template, how it calls tools, and, once a request needs it, the vocabulary as grammars see it.
pub struct Language {
    chat: Arc<Chat>,
    tools: ToolStyle,
    /// Control tokens that mean something in an answer, with their texts.
    markers: HashMap<u32, String>,
    grammars: OnceCell<Rc<Grammars>>,
    context_tokens: u32,
}

impl Language {
    /// The language of a model whose context holds so many tokens.
    pub fn new(chat: Arc<Chat>, context_tokens: u32) -> Self {
        let tools = ToolStyle::of(&chat);
        let texts = THINK_MARKERS
            .iter()
            .flat_map(|(open, close)| [*open, *close])
            .chain(tools.format.markers().iter().copied());
        let markers = texts.filter_map(|text| Some((chat.tokenizer().control_id(text)?, text.to_owned()))).collect();
        Self { chat, tools, markers, grammars: OnceCell::new(), context_tokens }
    }

    /// Tokenizer and template.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// Tokens that prompt and answer may have together.
    pub(crate) fn context_tokens(&self) -> usize {
        self.context_tokens as usize
    }

    pub(crate) fn tools(&self) -> &ToolStyle {
        &self.tools
    }

    /// The text of a control token that means something in an answer.
    pub(crate) fn marker(&self, id: u32) -> Option<&str> {
        self.markers.get(&id).map(String::as_str)
    }

    /// The vocabulary as grammars see it; building it takes a moment, once.
    ///
    /// # Errors
    /// [`RequestError::Grammar`] if the vocabulary has no token that ends an answer.
    pub(crate) fn grammars(&self) -> Result<Rc<Grammars>, RequestError> {
        if let Some(grammars) = self.grammars.get() {
            return Ok(Rc::clone(grammars));
        }
        let grammars = Rc::new(Grammars::new(&self.chat)?);
        Ok(Rc::clone(self.grammars.get_or_init(|| grammars)))
    }
}
