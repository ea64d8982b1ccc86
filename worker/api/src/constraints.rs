//! The grammars that constrain an answer: for its format, and for its calls.

use llguidance::Matcher;
use llguidance::api::TopLevelGrammar;

use crate::codec::ChatCodec;
use crate::error::RequestError;
use crate::grammar;
use crate::parse::{Conversation, Options};
use crate::tools::{self, ToolChoice, ToolFormat};

/// The grammars that constrain an answer.
#[derive(Default)]
pub(crate) struct Constraints {
    /// For the whole answer after its reasoning.
    pub(crate) whole: Option<Matcher>,
    /// For tool calls, after their opener.
    pub(crate) call: Option<Matcher>,
}

impl Constraints {
    /// For an answer to a conversation.
    ///
    /// # Errors
    /// [`RequestError`] if a grammar does not compile.
    pub(crate) fn of_chat(
        codec: &ChatCodec,
        conversation: &Conversation,
        options: &Options,
    ) -> Result<Self, RequestError> {
        let in_channels = has_channels(codec, conversation);
        if conversation.tools.is_empty() {
            return Ok(Self { whole: format_matcher(codec, options, in_channels)?, call: None });
        }
        let has_format = options.format.as_ref().is_some_and(|format| format.kind != "text");
        let all = conversation.tools.iter();
        let tools: Vec<_> = match &conversation.tool_choice {
            ToolChoice::Named(name) => all.filter(|tool| tool.name == *name).collect(),
            ToolChoice::Auto | ToolChoice::Required => all.collect(),
        };
        let grammars = codec.grammars()?;
        let matcher = |with_opener| {
            let format = codec.tools().format;
            let tokenizer = codec.chat().tokenizer();
            let grammar = tools::grammar(format, &tools, conversation.parallel_calls, with_opener, tokenizer)?;
            grammars.matcher(TopLevelGrammar::from_lark(grammar), "tools")
        };
        let call = Some(matcher(false)?);
        let whole = match &conversation.tool_choice {
            ToolChoice::Auto if has_format => format_matcher(codec, options, in_channels)?,
            ToolChoice::Auto => None,
            ToolChoice::Required | ToolChoice::Named(_) => Some(matcher(true)?),
        };
        // An answer in a response format cannot have calls.
        let call = call.filter(|_| !(has_format && conversation.tool_choice == ToolChoice::Auto));
        Ok(Self { whole, call })
    }

    /// For a text that continues a prompt.
    ///
    /// # Errors
    /// [`RequestError`] if the grammar does not compile.
    pub(crate) fn of_text(codec: &ChatCodec, options: &Options) -> Result<Self, RequestError> {
        Ok(Self { whole: format_matcher(codec, options, false)?, call: None })
    }

    /// The same grammars for another answer.
    pub(crate) fn deep_clone(&self) -> Self {
        let clone = |matcher: &Option<Matcher>| matcher.as_ref().map(Matcher::deep_clone);
        Self { whole: clone(&self.whole), call: clone(&self.call) }
    }
}

/// Whether the answer consists of messages in channels, the first of which the model begins itself.
pub(crate) fn has_channels(codec: &ChatCodec, conversation: &Conversation) -> bool {
    codec.tools().format == ToolFormat::Harmony && !conversation.continues
}

/// A matcher for the response format; if the answer is in channels, for its last message, after reasoning.
fn format_matcher(codec: &ChatCodec, options: &Options, in_channels: bool) -> Result<Option<Matcher>, RequestError> {
    let Some(format) = &options.format else { return Ok(None) };
    let Some((grammar, param)) = grammar::from_format(format)? else { return Ok(None) };
    let grammar = if in_channels { tools::in_channels(grammar, codec.chat().tokenizer()) } else { grammar };
    codec.grammars()?.matcher(grammar, param).map(Some)
}
