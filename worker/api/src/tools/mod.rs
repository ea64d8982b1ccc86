//! Tool calls: the formats of model families, parsing, and grammars that make calls valid.

mod choice;
mod format;
mod grammar;
mod json;
mod literals;
mod reader;
mod schema;
mod sections;
mod tagged;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use choice::{ToolChoice, check, retain_named};
pub(crate) use format::{Layout, ToolFormat};
pub(crate) use grammar::{grammar, in_channels};
pub(crate) use sections::{Ending, Section, read};

use parlance_engine::calls::CallSample;
use parlance_engine::chat::Chat;
use parlance_protocol::openai::FunctionDefinition;

/// Mistral's templates reject ids of any other length.
const SHORT_ID_LEN: usize = 9;

/// How a model calls tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ToolStyle {
    /// The format of its calls.
    pub(crate) format: ToolFormat,
    /// Whether the model's template describes tools. If not, the system message does.
    pub(crate) describes_tools: bool,
    /// How the template expects earlier calls. `None` if it does not show them; then they become text.
    pub(crate) calls: Option<CallForm>,
}

/// How a template expects calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CallForm {
    /// Arguments are JSON text instead of an object.
    pub(crate) arguments_as_text: bool,
    /// Messages with calls have no content.
    pub(crate) without_content: bool,
    /// Ids have nine letters and digits.
    pub(crate) has_short_ids: bool,
}

impl CallForm {
    /// The id of a call.
    pub(crate) fn id(self, id: &str) -> String {
        if !self.has_short_ids {
            return id.to_owned();
        }
        let kept: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        let end = &kept[kept.len().saturating_sub(SHORT_ID_LEN)..];
        format!("{end:0>SHORT_ID_LEN$}")
    }
}

impl ToolStyle {
    /// The style of a model, detected from a call that its template shows, or from the template's source.
    pub(crate) fn of(chat: &Chat) -> Self {
        Self::of_template(chat.template().source(), chat.call_sample())
    }

    fn of_template(source: &str, sample: Option<&CallSample>) -> Self {
        // A template may reject the sample and still support tools.
        let describes_tools = sample.map_or_else(|| source.contains("tools"), |sample| sample.describes_tools);
        let shown = sample.and_then(ToolFormat::of_sample);
        // Models know the format that their template shows, but it cannot be described for all of them.
        let is_known = describes_tools || shown == Some(ToolFormat::DeepSeek);
        let format = shown.or_else(|| ToolFormat::with_marker_in(source)).filter(|_| is_known);
        let format = format.unwrap_or(ToolFormat::Hermes);
        let form = CallForm {
            arguments_as_text: sample.is_some_and(|sample| sample.arguments_as_text),
            without_content: sample.is_some_and(|sample| sample.without_content),
            has_short_ids: matches!(format, ToolFormat::Mistral | ToolFormat::MistralNamed),
        };
        Self { format, describes_tools, calls: is_known.then_some(form) }
    }
}

/// Whether an answer that starts with `text` starts with a call that has no opener; `None` if that is not clear yet.
pub(crate) fn starts_bare(format: ToolFormat, text: &str, tools: &[FunctionDefinition]) -> Option<bool> {
    let text = text.trim_start();
    let is_name = |name: &str| tools.iter().any(|tool| tool.name == name);
    match format {
        ToolFormat::Llama if text.is_empty() => None,
        ToolFormat::Llama => Some(text.starts_with('{')),
        ToolFormat::GlmLine => match text.split_once('\n') {
            Some((name, _)) => Some(is_name(name)),
            None if tools.iter().any(|tool| tool.name.starts_with(text)) => None,
            None => Some(false),
        },
        _ => Some(false),
    }
}
