//! Tool calls: the formats of model families, grammars that make calls valid, and parsing.

mod call;
mod format;

pub(crate) use call::calls;
pub(crate) use format::ToolFormat;

use parlance_engine::chat::Chat;

/// How a model calls tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ToolStyle {
    /// The format of its calls.
    pub(crate) format: ToolFormat,
    /// Whether the model's template supports tools. If not, the system message describes them.
    pub(crate) is_native: bool,
}

impl ToolStyle {
    /// The style of a model, detected from its template.
    pub(crate) fn of(chat: &Chat) -> Self {
        Self::of_template(chat.template().source())
    }

    fn of_template(source: &str) -> Self {
        let is_native = source.contains("tools");
        let format = if !is_native {
            ToolFormat::Hermes
        } else if source.contains("[TOOL_CALLS]") {
            if source.contains("[ARGS]") { ToolFormat::MistralNamed } else { ToolFormat::Mistral }
        } else if source.contains("<|tool_call|>") {
            ToolFormat::Granite
        } else if source.contains("<tool_call>") {
            ToolFormat::Hermes
        } else if source.contains("<|python_tag|>") || source.contains("\"parameters\"") {
            ToolFormat::Llama
        } else {
            ToolFormat::Hermes
        };
        Self { format, is_native }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_detected_from_the_template() {
        let cases = [
            ("{{ messages }}", ToolFormat::Hermes, false),
            ("{% if tools %}<tool_call>{% endif %}", ToolFormat::Hermes, true),
            ("{{ tools }} [TOOL_CALLS] ", ToolFormat::Mistral, true),
            ("{{ tools }} [TOOL_CALLS] [ARGS]", ToolFormat::MistralNamed, true),
            ("{{ tools }} <|tool_call|>", ToolFormat::Granite, true),
            ("{{ tools }} <|python_tag|>", ToolFormat::Llama, true),
            (r#"{{ tools }} {"name": x, "parameters": y}"#, ToolFormat::Llama, true),
        ];
        for (template, format, is_native) in cases {
            assert_eq!(ToolStyle::of_template(template), ToolStyle { format, is_native }, "{template}");
        }
    }
}
