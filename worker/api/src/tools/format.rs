//! Formats of tool calls, by model family.

use parlance_engine::tokenizer::Tokenizer;
use parlance_protocol::openai::FunctionDefinition;
use serde_json::{Value, json};
use std::fmt::Write as _;

use crate::error::RequestError;
use crate::grammar::with_fixed_spacing;

/// A format of tool calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToolFormat {
    /// `<tool_call>{"name": ..., "arguments": ...}</tool_call>`: Hermes, Qwen and many more.
    Hermes,
    /// `{"name": ..., "parameters": ...}`, with or without `<|python_tag|>` in front: Llama 3.
    Llama,
    /// `[TOOL_CALLS][{"name": ..., "arguments": ...}, ...]`: Mistral.
    Mistral,
    /// `[TOOL_CALLS]name[ARGS]{...}`: Mistral since 2025.
    MistralNamed,
    /// `<|tool_call|>[{"name": ..., "arguments": ...}, ...]`: Granite 3.
    Granite,
}

impl ToolFormat {
    /// Texts that mark calls. Some of them are control tokens.
    pub(crate) fn markers(self) -> &'static [&'static str] {
        match self {
            Self::Hermes => &["<tool_call>", "</tool_call>"],
            Self::Llama => &["<|python_tag|>"],
            Self::Mistral => &["[TOOL_CALLS]"],
            Self::MistralNamed => &["[TOOL_CALLS]", "[ARGS]"],
            Self::Granite => &["<|tool_call|>", "<tool_call>"],
        }
    }

    /// Texts that a call can start with.
    pub(crate) fn openers(self) -> &'static [&'static str] {
        match self {
            Self::Hermes | Self::Llama | Self::Mistral | Self::MistralNamed => &self.markers()[..1],
            Self::Granite => self.markers(),
        }
    }

    /// Whether an answer that starts with `{` is a call without an opener.
    pub(crate) fn allows_bare_calls(self) -> bool {
        self == Self::Llama
    }

    /// The JSON key of a call's arguments.
    fn arguments_key(self) -> &'static str {
        if self == Self::Llama { "parameters" } else { "arguments" }
    }

    /// The grammar of calls of `tools`, in llguidance's Lark syntax, with or without the first opener.
    pub(crate) fn grammar(
        self,
        tools: &[&FunctionDefinition],
        is_parallel: bool,
        with_opener: bool,
        tokenizer: &Tokenizer,
    ) -> Result<String, RequestError> {
        let marker = |text: &str| match tokenizer.control_id(text) {
            Some(id) => format!("<[{id}]>"),
            None => quoted(text),
        };
        let (open, opener) = (marker(self.openers()[0]), if with_opener { "opener " } else { "" });
        let more = |rule: &str| if is_parallel { rule.to_owned() } else { String::new() };
        let mut grammar = match self {
            Self::Hermes => {
                let more = more(" (SPACE? opener call CLOSE)*");
                format!("start: {opener}call CLOSE{more}\nopener: {open}\nCLOSE: /\\n?<\\/tool_call>/\nSPACE: /\\n/\n")
            }
            // Bare calls have no opener.
            Self::Llama => "start: call\n".to_owned(),
            Self::Mistral | Self::Granite => {
                let more = more(" (\", \" call)*");
                format!("start: {opener}LIST call{more} \"]\"\nopener: {open}\nLIST: /[ \\n]?\\[/\n")
            }
            Self::MistralNamed => {
                let more = more(" (opener call)*");
                format!("start: {opener}call{more}\nopener: {open}\narguments: {}\n", marker("[ARGS]"))
            }
        };
        let names: Vec<String> = (0..tools.len()).map(|index| format!("call_{index}")).collect();
        let _ = writeln!(grammar, "call: {}", names.join(" | "));
        for (index, tool) in tools.iter().enumerate() {
            let schema = match &tool.parameters {
                None | Some(Value::Null) => {
                    json!({ "type": "object", "properties": {}, "additionalProperties": false })
                }
                Some(schema) => schema.clone(),
            };
            let schema = with_fixed_spacing(schema, "tools")?;
            let _ = if self == Self::MistralNamed {
                writeln!(grammar, "call_{index}: {} arguments %json {schema}", quoted(&tool.name))
            } else {
                let name = escaped(&tool.name);
                let key = self.arguments_key();
                let head = format!(r#"/\s{{0,2}}\{{\s?"name":\s?"{name}",\s?"{key}":\s?/"#);
                writeln!(grammar, "call_{index}: HEAD_{index} %json {schema} \"}}\"\nHEAD_{index}: {head}")
            };
        }
        Ok(grammar)
    }
}

/// A string literal of the grammar.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A tool's name, escaped for a regular expression.
fn escaped(name: &str) -> String {
    name.replace('.', "\\.").replace('-', "\\-")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
mod tests {
    use llguidance::api::TopLevelGrammar;
    use parlance_engine::chat::Chat;
    use parlance_engine::gguf::{Gguf, Parsed};

    use super::*;
    use crate::grammar::GrammarCompiler;

    const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/SmolLM2-135M-Instruct.Q4_1.gguf");

    fn chat() -> Chat {
        use std::io::Read as _;
        let mut header = Vec::new();
        let file = std::fs::File::open(MODEL).expect("`cargo xtask setup` fetches the demo model");
        file.take(8 << 20).read_to_end(&mut header).unwrap();
        let Parsed::Complete(gguf) = Gguf::parse(&header, None).unwrap() else { panic!("incomplete header") };
        Chat::from_gguf(&gguf, 49_152).unwrap()
    }

    #[test]
    fn the_grammar_of_each_format_accepts_only_its_calls() {
        let chat = chat();
        let grammars = GrammarCompiler::new(&chat).unwrap();
        let parameters = json!({
            "type": "object", "properties": { "a": { "$ref": "#/$defs/a" } }, "required": ["a"],
            "additionalProperties": false, "$defs": { "a": { "type": "integer" } },
        });
        let named =
            |name: &str, parameters| FunctionDefinition { name: name.to_owned(), description: None, parameters };
        let (f, g) = (named("f", Some(parameters)), named("g-h.i", None));
        let f_call = r#"{"name": "f", "arguments": {"a": 1}}"#;
        let g_call = r#"{"name": "g-h.i", "arguments": {}}"#;
        let llama = f_call.replace("arguments", "parameters");
        let cases = [
            (ToolFormat::Hermes, format!("<tool_call>\n{f_call}\n</tool_call>"), true),
            (ToolFormat::Hermes, format!("<tool_call>{g_call}</tool_call>\n<tool_call>{f_call}</tool_call>"), true),
            (ToolFormat::Hermes, format!("<tool_call>\n{llama}\n</tool_call>"), false),
            (ToolFormat::Hermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>".to_owned(), false),
            (
                ToolFormat::Hermes,
                "<tool_call>\n{\"name\": \"gxhxi\", \"arguments\": {}}\n</tool_call>".to_owned(),
                false,
            ),
            (ToolFormat::Hermes, format!("Sure <tool_call>{f_call}</tool_call>"), false),
            (ToolFormat::Llama, llama.clone(), true),
            (ToolFormat::Llama, f_call.to_owned(), false),
            (ToolFormat::Mistral, format!("[TOOL_CALLS] [{f_call}, {g_call}]"), true),
            (ToolFormat::Mistral, format!("[TOOL_CALLS][{f_call}]"), true),
            (ToolFormat::Mistral, "[TOOL_CALLS][]".to_owned(), false),
            (ToolFormat::MistralNamed, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g-h.i[ARGS]{}".to_owned(), true),
            (ToolFormat::MistralNamed, "[TOOL_CALLS]g-h.i[ARGS]{\"a\": 1}".to_owned(), false),
            (ToolFormat::Granite, format!("<|tool_call|>[{f_call}]"), true),
            (ToolFormat::Granite, format!("<|tool_call|>[{llama}]"), false),
        ];
        for (format, text, is_call) in cases {
            let grammar = format.grammar(&[&f, &g], true, true, chat.tokenizer()).unwrap();
            let grammar = TopLevelGrammar::from_lark(grammar);
            let mut matcher = grammars.matcher(grammar, "tools").unwrap_or_else(|error| panic!("{format:?}: {error}"));
            let ids = chat.tokenizer().encode_plain(&text).unwrap();
            let accepted = matcher.try_consume_tokens(&ids).unwrap();
            let accepts = accepted == ids.len() && matcher.is_accepting().unwrap();
            assert_eq!(accepts, is_call, "{format:?}: {text} ({accepted} of {} tokens)", ids.len());
            if is_call {
                assert!(!crate::tools::calls(format, &text).is_empty(), "{format:?}: {text}");
            }
        }
    }
}
