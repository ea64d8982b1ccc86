//! The text side of a model: messages to tokens, and tokens to text.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::calls::CallSample;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::template::{ChatTemplate, TemplateOptions, TemplateWarning};
use crate::tokenizer::{Detokenizer, Tokenizer};
use crate::turns::TurnMarkers;

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

impl Message {
    /// A message.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// Tokenizer, chat template and the tokens that end an answer.
pub struct Chat {
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    stop_ids: Vec<u32>,
    suppressed_ids: Vec<u32>,
    calls: Option<CallSample>,
    is_tried: bool,
}

/// Tokens that end a turn in some model families, whatever the metadata says.
const END_OF_TURN: &[&str] = &["<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "</s>"];
/// Tokens that end an answer with tool calls, in templates that have them. Some open the results, for which the model
/// has to wait.
const END_OF_CALLS: &[&str] = &["<|call|>", "<|return|>", "<|eom_id|>", "<|observation|>", "<|tool_response>"];
/// Where answers consist of several messages, this ends each of them.
const END_OF_MESSAGE: &str = "<|end|>";
/// Shows that answers consist of several messages.
const CHANNEL: &str = "<|channel|>";

impl Chat {
    /// Creates the tokenizer and the template of a file whose embedding has `vocab` rows.
    ///
    /// # Errors
    /// If the tokenizer is missing, inconsistent or unsupported. A template that does not parse is replaced by
    /// `ChatML`, see [`Chat::template_warning`].
    pub fn from_gguf(gguf: &Gguf, vocab: u32) -> Result<Self> {
        let mut chat = Self::untried(gguf, vocab)?;
        chat.try_template()?;
        Ok(chat)
    }

    /// Like [`Chat::from_gguf`], but without rendering anything; [`Chat::try_template`] has to follow.
    ///
    /// # Errors
    /// As [`Chat::from_gguf`].
    pub fn untried(gguf: &Gguf, vocab: u32) -> Result<Self> {
        let tokenizer = Tokenizer::from_gguf(gguf, vocab)?;
        let metadata = &gguf.metadata;
        let token = |key: &str| metadata.u32(key).and_then(|id| tokenizer.text(id)).unwrap_or_default().to_owned();
        let template = ChatTemplate::untried(
            metadata.string("tokenizer.chat_template"),
            token("tokenizer.ggml.bos_token_id"),
            token("tokenizer.ggml.eos_token_id"),
        );
        let mut stop_ids: Vec<u32> = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"]
            .iter()
            .filter_map(|key| metadata.u32(key))
            .chain(tokenizer.end_id())
            .chain(END_OF_TURN.iter().filter_map(|text| tokenizer.control_id(text)))
            .collect();
        stop_ids.sort_unstable();
        stop_ids.dedup();
        let suppressed = metadata.integers("tokenizer.ggml.suppress_tokens").unwrap_or_default();
        let suppressed = suppressed.iter().filter_map(|id| u32::try_from(*id).ok()).filter(|id| *id < vocab);
        let suppressed_ids = suppressed.collect();
        let tokenizer = Arc::new(tokenizer);
        Ok(Self { tokenizer, template, stop_ids, suppressed_ids, calls: None, is_tried: false })
    }

    /// Tries out the template, unless that was done before. A short question shows whether it is usable, and a
    /// conversation shows which tokens mark turns. These become control tokens, and the one that follows an answer ends
    /// it. Another conversation shows a tool call. Must be called before [`Chat::detokenizer`].
    ///
    /// # Errors
    /// [`crate::EngineError::Tokenizer`] for a vocabulary whose special tokens are absurdly long.
    pub fn try_template(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.is_tried, true) {
            return Ok(());
        }
        self.template.try_out();
        let TurnMarkers { ids, end_id } = TurnMarkers::of(&self.template, &self.tokenizer);
        if let Some(tokenizer) = Arc::get_mut(&mut self.tokenizer) {
            tokenizer.make_control(&ids)?;
        }
        self.stop_ids.extend(end_id);
        self.stop_ids.extend(self.ends_of_calls());
        if let Some(end) = self.end_of_message() {
            self.stop_ids.retain(|id| *id != end);
        }
        self.stop_ids.sort_unstable();
        self.stop_ids.dedup();
        self.calls = CallSample::of(&self.template);
        Ok(())
    }

    fn ends_of_calls(&self) -> Vec<u32> {
        let in_template = END_OF_CALLS.iter().filter(|text| self.template.source().contains(**text));
        in_template.filter_map(|text| self.tokenizer.id(text)).collect()
    }

    /// The token that ends a message but not the answer, if there is one.
    fn end_of_message(&self) -> Option<u32> {
        let has_channels = self.template.source().contains(CHANNEL) && self.tokenizer.id(CHANNEL).is_some();
        self.tokenizer.control_id(END_OF_MESSAGE).filter(|_| has_channels)
    }

    /// The file's own template, if it was not tried out yet.
    pub fn untried_template(&self) -> Option<&str> {
        (!self.template.is_tried()).then(|| self.template.source())
    }

    /// Replaces a template that crashed the program when it was tried before with `ChatML`.
    pub fn distrust_template(&mut self) {
        self.template.distrust();
    }

    /// The tokens of the prompt for an answer to `messages`.
    ///
    /// Only the template can produce control tokens: anything in a message that looks like one stays text.
    ///
    /// # Errors
    /// [`crate::EngineError::Template`] if the template rejects the messages.
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<u32>> {
        let messages = messages.iter().map(|message| json!({ "role": message.role, "content": message.content }));
        self.prompt_with(&messages.collect(), &TemplateOptions::default())
    }

    /// Like [`Chat::prompt`], for messages in the format of the `OpenAI` API, with tools and other options.
    ///
    /// # Errors
    /// As [`Chat::prompt`].
    pub fn prompt_with(&self, messages: &Value, options: &TemplateOptions) -> Result<Vec<u32>> {
        self.encode_prompt(&self.prompt_text(messages, options)?)
    }

    /// The text of that prompt, for [`Chat::encode_prompt`].
    ///
    /// # Errors
    /// As [`Chat::prompt`].
    pub fn prompt_text(&self, messages: &Value, options: &TemplateOptions) -> Result<String> {
        let tools = options.tools.as_ref().map(|tools| self.guarded(tools));
        let options = TemplateOptions { tools, ..options.clone() };
        self.template.render(&self.guarded(messages), &options)
    }

    /// The tokens of a prompt's text, in which control tokens are recognised unless they are guarded.
    ///
    /// # Errors
    /// [`crate::EngineError::Tokenizer`].
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.tokenizer.with_begin(self.tokenizer.encode(text)?))
    }

    /// The value with every string guarded, see [`Tokenizer::guard`].
    fn guarded(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.tokenizer.guard(text).into(),
            Value::Array(values) => values.iter().map(|value| self.guarded(value)).collect(),
            Value::Object(entries) => {
                let entries = entries.iter().map(|(key, value)| (self.tokenizer.guard(key), self.guarded(value)));
                Value::Object(entries.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// The tokens of a text without a template, with the token that begins a sequence if the model expects one.
    ///
    /// # Errors
    /// [`crate::EngineError::Tokenizer`].
    pub fn raw_prompt(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.tokenizer.with_begin(self.tokenizer.encode(text)?))
    }

    /// Whether `id` ends an answer.
    pub fn is_stop(&self, id: u32) -> bool {
        self.stop_ids.binary_search(&id).is_ok()
    }

    /// The tokens that end an answer, in ascending order.
    pub fn stop_ids(&self) -> &[u32] {
        &self.stop_ids
    }

    /// Tokens that the model must not generate, such as Gemma 4's ends of images.
    pub fn suppressed_ids(&self) -> &[u32] {
        &self.suppressed_ids
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The template.
    pub fn template(&self) -> &ChatTemplate {
        &self.template
    }

    /// A detokenizer for one answer.
    pub fn detokenizer(&self) -> Detokenizer {
        Detokenizer::new(Arc::clone(&self.tokenizer))
    }

    /// A tool call as the template shows it, if it does.
    pub fn call_sample(&self) -> Option<&CallSample> {
        self.calls.as_ref()
    }

    /// Why the file's own template is not used, if it is not.
    pub fn template_warning(&self) -> Option<&TemplateWarning> {
        self.template.warning()
    }
}
