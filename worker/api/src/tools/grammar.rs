//! Grammars of tool calls, in llguidance's Lark syntax: every call names a tool, and its arguments obey its schema.
//!
//! JSON is held to the whole schema. In formats with a notation of their own, names and types of parameters are, and
//! nested values only to the notation.

use std::fmt::Write as _;

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use parlance_engine::tokenizer::Tokenizer;
use parlance_protocol::openai::FunctionDefinition;
use serde_json::{Map, Value, json};

use super::format::{
    DEEPSEEK_CALL, DEEPSEEK_CALL_END, DEEPSEEK_SEPARATOR, GEMMA_QUOTE, MISTRAL_ARGUMENTS, Syntax, Tags, ToolFormat,
};
use super::schema::Types;
use crate::error::RequestError;
use crate::grammar::with_fixed_spacing;

type Result<T> = std::result::Result<T, RequestError>;

/// Python's strings and the words of its literals.
const PYTHON_STRING: &str = r#"STRING: /"([^"\\\n]|\\.)*"|'([^'\\\n]|\\.)*'/"#;
const PYTHON_WORD: &str = "WORD: /True|False|None/";
const GEMMA_WORD: &str = "WORD: /true|false|null/";
const NUMBERS: &str = "INTEGER: /-?[0-9]+/\nNUMBER: /-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?/";

/// The grammar of calls of `tools`, with or without the first opener.
pub(crate) fn grammar(
    format: ToolFormat,
    tools: &[&FunctionDefinition],
    is_parallel: bool,
    with_opener: bool,
    tokenizer: &Tokenizer,
) -> Result<String> {
    let mut lark = Lark { format, tokenizer, rules: String::new() };
    lark.start(is_parallel, with_opener);
    let names: Vec<String> = (0..tools.len()).map(|index| format!("call_{index}")).collect();
    lark.rule("call", &names.join(" | "));
    for (index, tool) in tools.iter().enumerate() {
        lark.call(index, tool, with_opener)?;
    }
    Ok(lark.rules)
}

/// The name of a grammar within another.
const ANSWER: &str = "answer";

/// The grammar of an answer in channels (`harmony`): perhaps reasoning, then a message that obeys `answer`.
pub(crate) fn in_channels(answer: TopLevelGrammar, tokenizer: &Tokenizer) -> TopLevelGrammar {
    let mut lark = Lark { format: ToolFormat::Harmony, tokenizer, rules: String::new() };
    let [channel, constrain, message] = ["<|channel|>", "<|constrain|>", "<|message|>"].map(|text| lark.marker(text));
    let kind = format!("(\" \" {constrain} \"json\")?");
    lark.rule("start", &format!("thought* {channel} \"final\" {kind} {message} @{ANSWER}"));
    lark.thought();
    let named = |grammar| GrammarWithLexer { name: Some(ANSWER.to_owned()), ..grammar };
    let mut grammars = vec![GrammarWithLexer::from_lark(lark.rules)];
    grammars.extend(answer.grammars.into_iter().map(named));
    TopLevelGrammar { grammars, max_tokens: answer.max_tokens }
}

/// The rules of a grammar.
struct Lark<'t> {
    format: ToolFormat,
    tokenizer: &'t Tokenizer,
    rules: String,
}

impl Lark<'_> {
    fn rule(&mut self, name: &str, body: &str) {
        let _ = writeln!(self.rules, "{name}: {body}");
    }

    fn lines(&mut self, lines: &[&str]) {
        for line in lines {
            let _ = writeln!(self.rules, "{line}");
        }
    }

    /// A marker as a part of a rule.
    fn marker(&self, text: &str) -> String {
        match self.tokenizer.control_id(text) {
            Some(id) => format!("<[{id}]>"),
            None => quoted(text),
        }
    }

    /// The rules around calls, and those that calls of the format share.
    fn start(&mut self, is_parallel: bool, with_opener: bool) {
        let layout = self.format.layout();
        let opener = if with_opener { "opener " } else { "" };
        let more = |rule: &str| if is_parallel { format!(" ({rule})*") } else { String::new() };
        let start = match self.format {
            ToolFormat::Hermes | ToolFormat::Qwen | ToolFormat::Glm => {
                format!("{opener}call closer{}", more("LINE? opener call closer"))
            }
            ToolFormat::Gemma => format!("{opener}call closer{}", more("opener call closer")),
            ToolFormat::Mistral | ToolFormat::Granite => {
                self.lines(&["LIST: /[ \\n]?\\[/"]);
                format!("{opener}LIST call{} \"]\"", more("\", \" call"))
            }
            ToolFormat::MistralNamed => format!("{opener}call{}", more("opener call")),
            ToolFormat::DeepSeek => format!("{opener}call{} closer", more("LINE? call")),
            ToolFormat::Lfm => format!("{opener}\"[\" call{} \"]\" closer", more("\", \" call")),
            ToolFormat::Harmony if with_opener => "thought? call".to_owned(),
            ToolFormat::Llama | ToolFormat::GlmLine | ToolFormat::Harmony => "call".to_owned(),
        };
        self.rule("start", &start);
        self.lines(&["LINE: /\\n/"]);
        if let Some(opener) = layout.openers.first() {
            self.rule("opener", &self.marker(opener));
        }
        if !layout.closer.is_empty() {
            let space = if layout.closer == "</tool_call>" { "LINE? " } else { "" };
            self.rule("closer", &format!("{space}{}", self.marker(layout.closer)));
        }
        match layout.syntax {
            Syntax::Tagged(tags) => self.text_until(&value_end(tags)),
            Syntax::Gemma => {
                self.text_until(GEMMA_QUOTE);
                let quote = self.marker(GEMMA_QUOTE);
                self.lines(&["KEY: /[A-Za-z_][A-Za-z0-9_]*/", GEMMA_WORD, NUMBERS]);
                self.literal(&format!("{quote} text"), &format!("KEY | {quote} text"), ",", ":");
            }
            Syntax::Python => {
                self.lines(&[PYTHON_STRING, PYTHON_WORD, NUMBERS]);
                self.literal("STRING", "STRING", ", ", ": ");
            }
            Syntax::Harmony if with_opener => self.thought(),
            _ => {}
        }
    }

    /// A rule for text and the marker that ends it.
    fn text_until(&mut self, end: &str) {
        if self.tokenizer.control_id(end).is_some() {
            let end = self.marker(end);
            self.lines(&["ANY: /(.|\\n)*/"]);
            self.rule("text", &format!("ANY {end}"));
        } else {
            self.rule("text[lazy]", &format!("/(.|\\n)*{}/", escaped(end)));
        }
    }

    /// The rules for values in a notation of its own.
    fn literal(&mut self, string: &str, key: &str, comma: &str, colon: &str) {
        let (comma, colon) = (quoted(comma), quoted(colon));
        self.rule("literal", &format!("{string} | NUMBER | WORD | list | object"));
        self.rule("list", &format!("\"[\" (literal ({comma} literal)*)? \"]\""));
        self.rule("object", &format!("\"{{\" (pair ({comma} pair)*)? \"}}\""));
        self.rule("pair", &format!("({key}) {colon} literal"));
    }

    /// A message of reasoning before another.
    fn thought(&mut self) {
        let [channel, message, start] = ["<|channel|>", "<|message|>", "<|start|>"].map(|text| self.marker(text));
        self.rule("thought", &format!("{channel} \"analysis\" {message} text {start} \"assistant\""));
        self.text_until("<|end|>");
    }

    /// The rules for calls of one tool.
    fn call(&mut self, index: usize, tool: &FunctionDefinition, with_opener: bool) -> Result<()> {
        let name = &tool.name;
        let with_value = |head: &str| -> Result<String> { Ok(format!("{head} {}", arguments(tool)?)) };
        let body = match self.format {
            ToolFormat::Hermes | ToolFormat::Mistral | ToolFormat::Granite | ToolFormat::Llama => {
                let key = if self.format == ToolFormat::Llama { "parameters" } else { "arguments" };
                let head = format!(r#"/\s{{0,2}}\{{\s?"name":\s?"{}",\s?"{key}":\s?/"#, escaped(name));
                self.rule(&format!("HEAD_{index}"), &head);
                format!("{} \"}}\"", with_value(&format!("HEAD_{index}"))?)
            }
            ToolFormat::MistralNamed => with_value(&format!("{} {}", quoted(name), self.marker(MISTRAL_ARGUMENTS)))?,
            ToolFormat::DeepSeek => {
                self.rule(&format!("json_{index}"), &arguments(tool)?);
                let [begin, separator, end] =
                    [DEEPSEEK_CALL, DEEPSEEK_SEPARATOR, DEEPSEEK_CALL_END].map(|text| self.marker(text));
                let (short, block) = (quoted(name), quoted(&format!("{name}\n```json\n")));
                let block = format!("\"function\" {separator} {block} json_{index} \"\\n```\"");
                format!("{begin} ({short} {separator} json_{index} | {block}) {end}")
            }
            ToolFormat::Harmony if with_opener => {
                let [channel, constrain, message] =
                    ["<|channel|>", "<|constrain|>", "<|message|>"].map(|text| self.marker(text));
                let recipient = quoted(&format!("commentary to=functions.{name} "));
                with_value(&format!("{channel} {recipient} {constrain}? \"json\" {message}"))?
            }
            // The parser has read the message's header, and gives its name as a line.
            ToolFormat::GlmLine | ToolFormat::Harmony => with_value(&quoted(&format!("{name}\n")))?,
            ToolFormat::Qwen => {
                let (head, members) = (quoted(&format!("<function={name}>\n")), self.members(index, tool, "")?);
                format!("LINE? {head} {members} \"</function>\"")
            }
            ToolFormat::Glm => format!("{} LINE? {}", quoted(name), self.members(index, tool, "")?),
            ToolFormat::Gemma => {
                format!("{} {} \"}}\"", quoted(&format!("call:{name}{{")), self.members(index, tool, ",")?)
            }
            ToolFormat::Lfm => format!("{} {} \")\"", quoted(&format!("{name}(")), self.members(index, tool, ", ")?),
        };
        self.rule(&format!("call_{index}"), &body);
        Ok(())
    }

    /// The name of the rule for a tool's parameters, in the order of its schema.
    fn members(&mut self, tool_index: usize, tool: &FunctionDefinition, separator: &str) -> Result<String> {
        let none = Map::new();
        let root = tool.parameters.as_ref().unwrap_or(&Value::Null);
        let properties = root.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let required: Vec<&str> =
            root.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let comma = if separator.is_empty() { String::new() } else { format!("{} ", quoted(separator)) };
        for (index, (key, schema)) in properties.iter().enumerate() {
            let (at, next) = (format!("{tool_index}_{index}"), format!("{tool_index}_{}", index + 1));
            let member = self.member(key, root, schema)?;
            self.rule(&format!("member_{at}"), &member);
            // A separator comes before every member but the first that is there.
            let is_optional = !required.contains(&key.as_str());
            let skips = |rule: &str| if is_optional { format!(" | {rule}_{next}") } else { String::new() };
            self.rule(&format!("first_{at}"), &format!("member_{at} rest_{next}{}", skips("first")));
            self.rule(&format!("rest_{at}"), &format!("{comma}member_{at} rest_{next}{}", skips("rest")));
        }
        let end = format!("{tool_index}_{}", properties.len());
        self.rule(&format!("first_{end}"), "\"\"");
        self.rule(&format!("rest_{end}"), "\"\"");
        Ok(format!("first_{tool_index}_0"))
    }

    /// A parameter with its value.
    fn member(&self, key: &str, root: &Value, schema: &Value) -> Result<String> {
        let types = Types::of_schema(root, schema);
        let is_text = types.text || !types.other;
        let choices = schema.get("enum").and_then(Value::as_array).filter(|values| !values.is_empty());
        let choices: Option<Vec<&str>> = choices.and_then(|values| values.iter().map(Value::as_str).collect());
        if let Syntax::Tagged(tags) = self.format.layout().syntax {
            let value = match choices {
                Some(choices) => format!("{} {}", any_of(&choices), self.marker(&value_end(tags))),
                None if is_text => "text".to_owned(),
                None => format!("{} {}", value_of(root, schema)?, self.marker(&value_end(tags))),
            };
            return Ok(self.tagged(tags, key, &value));
        }
        let is_gemma = self.format == ToolFormat::Gemma;
        let quote = if is_gemma { self.marker(GEMMA_QUOTE) } else { "\"\\\"\"".to_owned() };
        let value = match (choices, schema.get("type").and_then(Value::as_str)) {
            (Some(choices), _) => format!("{quote} {} {quote}", any_of(&choices)),
            (None, Some("integer")) => "INTEGER".to_owned(),
            (None, Some("number")) => "NUMBER".to_owned(),
            (None, Some("string")) if is_gemma => format!("{quote} text"),
            (None, Some("string")) => "STRING".to_owned(),
            (None, _) => "literal".to_owned(),
        };
        let separator = if is_gemma { ":" } else { "=" };
        Ok(format!("{} {value}", quoted(&format!("{key}{separator}"))))
    }

    /// A parameter between tags.
    fn tagged(&self, tags: &Tags, key: &str, value: &str) -> String {
        if tags.value_has_lines {
            return format!("{} {value}", quoted(&format!("{}{key}{}\n", tags.key, tags.after_key)));
        }
        let [before, after, open] = [tags.key, tags.after_key, tags.value].map(|text| self.marker(text));
        format!("{before} {} {after} LINE? {open} {value} LINE?", quoted(key))
    }
}

/// What ends a value, with the line breaks around it.
fn value_end(tags: &Tags) -> String {
    if tags.value_has_lines { format!("\n{}\n", tags.after_value) } else { tags.after_value.to_owned() }
}

/// The arguments of a call, as JSON.
fn arguments(tool: &FunctionDefinition) -> Result<String> {
    let none = || json!({ "type": "object", "properties": {}, "additionalProperties": false });
    let schema = tool.parameters.clone().filter(|schema| !schema.is_null()).unwrap_or_else(none);
    Ok(format!("%json {}", with_fixed_spacing(schema, "tools")?))
}

/// A value as JSON. What its schema refers to is defined in `root`.
fn value_of(root: &Value, schema: &Value) -> Result<String> {
    let mut schema = with_fixed_spacing(schema.clone(), "tools")?;
    for key in ["$defs", "definitions"] {
        if let (Some(entries), Some(definitions)) = (schema.as_object_mut(), root.get(key)) {
            entries.entry(key).or_insert_with(|| definitions.clone());
        }
    }
    Ok(format!("%json {schema}"))
}

/// One of these texts.
fn any_of(texts: &[&str]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("({})", texts.join(" | "))
}

/// A string literal of the grammar.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A text within a regular expression.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            // Other characters have a meaning with a backslash.
            c if r"\.+*?()|[]{}^$/-".contains(c) => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}
