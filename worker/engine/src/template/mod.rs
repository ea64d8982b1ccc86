//! Chat templates: the file's own Jinja, rendered by minijinja with the Python methods that templates use.
//!
//! Templates are untrusted input: they run with limits on steps, on the nesting of code and of values, and on the
//! length of the prompt, and can access nothing but the conversation.

mod source;
mod values;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};
use serde_json::{Map, Value as Json, json};

use crate::error::{EngineError, Result};
use crate::json::{python_json, python_json_indented};

/// `ChatML`, for files without a usable template.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] \
                      + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' \
                      }}{% endif %}";

const NAME: &str = "chat";
/// Maximum number of steps that a template may take, or pieces of 64 bytes that it may produce. Published templates
/// take a few thousand for a long conversation.
const FUEL: u64 = 4_000_000;
/// Maximum number of frames of nested macro calls and loops; a call takes at least four.
const MAX_FRAMES: usize = 200;
/// Maximum length of a prompt in bytes: per byte of the conversation, plus a base.
const MAX_GROWTH: usize = 64;
const MAX_BASE_BYTES: usize = 1 << 20;

/// A compiled chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    begin: String,
    end: String,
    warning: Option<TemplateWarning>,
    is_tried: bool,
}

/// Why `ChatML` replaces a file's own template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateWarning {
    /// The file has none.
    Missing,
    /// It cannot be used, for this reason.
    Unusable(String),
    /// It crashed the program when it was tried before.
    Distrusted,
}

impl std::fmt::Display for TemplateWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("the model file has no chat template")?,
            Self::Unusable(reason) => write!(f, "the model's chat template is not usable ({reason})")?,
            Self::Distrusted => f.write_str("the model's chat template ended the engine when it was tried before")?,
        }
        f.write_str("; ChatML is used instead")
    }
}

/// Inputs of a template other than the messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TemplateOptions {
    /// Descriptions of tools, in the format of the `OpenAI` API.
    pub tools: Option<Json>,
    /// Whether the model should reason before it answers; `None` leaves it to the template.
    pub enable_thinking: Option<bool>,
    /// The prompt ends with the assistant's last message, which the answer continues, instead of starting a new one.
    pub continues: bool,
    /// Seconds since 1970 by the user's clock; `None` means the current time in UTC.
    pub now_seconds: Option<i64>,
}

impl ChatTemplate {
    /// Compiles `source` and tries it out; `begin` and `end` are the texts of the tokens that begin and end a sequence.
    ///
    /// Without a source, or if it is unusable, `ChatML` replaces it, with a warning.
    pub fn new(source: Option<&str>, begin: String, end: String) -> Self {
        let mut template = Self::untried(source, begin, end);
        template.try_out();
        template
    }

    /// Like [`ChatTemplate::new`], but without rendering anything; see [`ChatTemplate::try_out`].
    pub fn untried(source: Option<&str>, begin: String, end: String) -> Self {
        let Some(source) = source else {
            return Self::chatml(begin, end, TemplateWarning::Missing);
        };
        match compiled(source) {
            Ok(environment) => {
                Self { environment, source: source.to_owned(), begin, end, warning: None, is_tried: false }
            }
            Err(error) => Self::chatml(begin, end, unusable(&error)),
        }
    }

    fn chatml(begin: String, end: String, warning: TemplateWarning) -> Self {
        let environment = match compiled(CHATML) {
            Ok(environment) => environment,
            Err(error) => unreachable!("the built-in template parses: {error}"),
        };
        Self { environment, source: CHATML.to_owned(), begin, end, warning: Some(warning), is_tried: true }
    }

    /// Renders a short question, unless that was done before; if the template is unusable, `ChatML` replaces it.
    pub fn try_out(&mut self) {
        if std::mem::replace(&mut self.is_tried, true) {
            return;
        }
        let question = json!([{ "role": "user", "content": "Hi" }]);
        match self.try_render(&question, &TemplateOptions::default()) {
            Err(error) if is_unusable(error.kind()) => *self = self.replaced(unusable(&error)),
            // It may have reasons to reject this question; then it is tried again with the user's own.
            _ => {}
        }
    }

    /// Replaces a template that crashed the program when it was tried before with `ChatML`.
    pub fn distrust(&mut self) {
        *self = self.replaced(TemplateWarning::Distrusted);
    }

    /// Whether the template was tried out, or replaced.
    pub fn is_tried(&self) -> bool {
        self.is_tried
    }

    fn replaced(&mut self, warning: TemplateWarning) -> Self {
        Self::chatml(std::mem::take(&mut self.begin), std::mem::take(&mut self.end), warning)
    }

    /// The prompt for an answer to `messages`, an array of objects in the format of the `OpenAI` API.
    ///
    /// # Errors
    /// [`EngineError::Template`] with the error of the template, or of a limit.
    pub fn render(&self, messages: &Json, options: &TemplateOptions) -> Result<String> {
        self.try_render(messages, options)
            .or_else(|error| match without_system(messages) {
                // Some templates do not support system messages.
                Some(merged) => self.try_render(&merged, options).map_err(|_| error),
                None => Err(error),
            })
            .map_err(|error| EngineError::Template(error.to_string()))
    }

    /// The Jinja source in use.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Why `ChatML` replaces the file's own template, if it does.
    pub fn warning(&self) -> Option<&TemplateWarning> {
        self.warning.as_ref()
    }

    fn try_render(&self, messages: &Json, options: &TemplateOptions) -> Result<String, Error> {
        let now_seconds = options.now_seconds.unwrap_or_else(unix_seconds);
        let strftime_now = Value::from_function(move |format: String| strftime(&format, now_seconds));
        let mut context = vec![
            ("messages", Serde(messages).into()),
            ("add_generation_prompt", (!options.continues).into()),
            ("bos_token", self.begin.as_str().into()),
            ("eos_token", self.end.as_str().into()),
            ("strftime_now", strftime_now),
        ];
        if let Some(tools) = &options.tools {
            context.push(("tools", Serde(tools).into()));
        }
        if let Some(enable_thinking) = options.enable_thinking {
            context.push(("enable_thinking", enable_thinking.into()));
        }
        let mut text = Limited::new(messages, options);
        let template = self.environment.get_template(NAME)?;
        template.render_captured_to(Value::from_pairs(context), &mut text)?;
        String::from_utf8(text.bytes).map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))
    }
}

/// A text that fails when it becomes absurdly long.
struct Limited {
    bytes: Vec<u8>,
    max_bytes: usize,
}

impl Limited {
    fn new(messages: &Json, options: &TemplateOptions) -> Self {
        let input = messages.to_string().len() + options.tools.as_ref().map_or(0, |tools| tools.to_string().len());
        Self { bytes: Vec::new(), max_bytes: input.saturating_mul(MAX_GROWTH).saturating_add(MAX_BASE_BYTES) }
    }
}

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.max_bytes {
            return Err(std::io::Error::other("the prompt becomes too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An environment with one template.
fn compiled(source: &str) -> Result<Environment<'static>, Error> {
    let mut environment = environment();
    let source = source::with_settled_values(&without_generation_tags(source), environment.syntax())?;
    environment.add_template_owned(NAME, source)?;
    Ok(environment)
}

/// Jinja with the settings of Hugging Face's renderer.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_FRAMES);
    environment.set_unknown_method_callback(python_method);
    environment.set_formatter(format_as_python);
    environment.add_filter("tojson", tojson);
    environment.add_filter("map", values::map);
    environment.add_filter("format", values::format);
    environment.add_filter(source::SETTLED, values::settle);
    environment.add_filter(source::SETTLED_WITHIN, values::settle_within);
    environment.add_function("namespace", values::namespace);
    environment.add_function("range", values::range);
    environment.remove_global("debug");
    environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment
}

/// Methods of Python's types.
fn python_method(state: &mut State<'_, '_>, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    if method == "format" {
        values::check_format_keys(value, "[")?;
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments)
}

/// Prints constants as Python does: `None`, `True`, `False`.
fn format_as_python(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return output.write_str("None").map_err(Error::from);
    }
    match bool::try_from(value.clone()) {
        Ok(truth) if value.kind() == minijinja::value::ValueKind::Bool => {
            output.write_str(if truth { "True" } else { "False" }).map_err(Error::from)
        }
        // Printing consumes no fuel, and `[0] * 100000000` is a short expression.
        _ => minijinja::escape_formatter(output, state, &values::settle(state, value.clone())?),
    }
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)`, with which Hugging Face replaces Jinja's own filter.
fn tojson(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // The other options change nothing that templates rely on.
    let _: (Option<Value>, Option<Value>, Option<Value>) =
        (options.get("ensure_ascii")?, options.get("separators")?, options.get("sort_keys")?);
    options.assert_all_used()?;
    let to_error = |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    let json = serde_json::to_value(value).map_err(to_error)?;
    let text = match indent {
        Some(indent) => python_json_indented(&json, indent.min(16)),
        None => python_json(&json),
    };
    Ok(Value::from_safe_string(text.map_err(to_error)?))
}

/// Removes the tags that mark an assistant's text for training; their contents stay.
fn without_generation_tags(source: &str) -> String {
    let mut text = source.to_owned();
    for (tag, replacement) in [("generation", "if true"), ("endgeneration", "endif")] {
        for (open, close) in [("{%", "%}"), ("{%-", "%}"), ("{%", "-%}"), ("{%-", "-%}")] {
            text = text.replace(&format!("{open} {tag} {close}"), &format!("{open} {replacement} {close}"));
        }
    }
    text
}

/// Merges the system message into the first user message; `None` if there is nothing to merge.
fn without_system(messages: &Json) -> Option<Json> {
    let (system, rest) = messages.as_array()?.split_first()?;
    let text = |message: &Json| message.get("content").and_then(Json::as_str).map(str::to_owned);
    if system.get("role")?.as_str()? != "system" {
        return None;
    }
    let (first, later) = rest.split_first()?;
    let mut first: Map<String, Json> = first.as_object()?.clone();
    let merged = format!("{}\n\n{}", text(system)?, text(&Json::Object(first.clone()))?);
    first.insert("content".to_owned(), merged.into());
    Some(std::iter::once(Json::Object(first)).chain(later.iter().cloned()).collect())
}

fn unusable(error: &Error) -> TemplateWarning {
    TemplateWarning::Unusable(error.to_string())
}

/// Whether an error means that the template needs something that does not exist, or exceeds a limit even for a short
/// question, rather than that it rejects the messages.
fn is_unusable(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownMethod
            | ErrorKind::TemplateNotFound
            | ErrorKind::SyntaxError
            | ErrorKind::OutOfFuel
            | ErrorKind::WriteFailure
    )
}

fn unix_seconds() -> i64 {
    let since = web_time::SystemTime::now().duration_since(web_time::SystemTime::UNIX_EPOCH);
    since.map_or(0, |duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

fn strftime(format: &str, seconds: i64) -> Result<String, Error> {
    use chrono::format::{Item, StrftimeItems};
    use std::fmt::Write as _;

    let error = || Error::new(ErrorKind::InvalidOperation, format!("the date format “{format}” is not supported"));
    let items: Vec<Item<'_>> = StrftimeItems::new(format).collect();
    let time = chrono::DateTime::from_timestamp(seconds, 0).ok_or_else(error)?;
    let mut text = String::new();
    match write!(text, "{}", time.format_with_items(items.iter())) {
        Ok(()) if !items.contains(&Item::Error) => Ok(text),
        _ => Err(error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(source: Option<&str>) -> ChatTemplate {
        ChatTemplate::new(source, "<s>".to_owned(), "</s>".to_owned())
    }

    fn render(source: Option<&str>) -> Result<String> {
        let messages = json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hi" }]);
        let options = TemplateOptions { now_seconds: Some(1_700_000_000), ..TemplateOptions::default() };
        template(source).render(&messages, &options)
    }

    #[test]
    fn chatml_is_the_fallback() {
        let expected =
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        for source in [None, Some("{% for %}"), Some("{{ no_such_function() }}"), Some("{{ messages|no_such_filter }}")]
        {
            assert_eq!(render(source), Ok(expected.to_owned()));
            assert!(template(source).warning().is_some());
        }
    }

    #[test]
    fn templates_see_tokens_and_python_methods() {
        let source = "{{ bos_token }}{% for m in messages %}{{ m.content.strip().upper() }}{% endfor %}{{ eos_token }}";
        assert_eq!(render(Some(source)), Ok("<s>BE BRIEF.HI</s>".to_owned()));
        assert_eq!(render(Some("{{ none }} {{ true }} {{ 1 == 2 }}")), Ok("None True False".to_owned()));
        assert_eq!(render(Some("{{ strftime_now('%d %b %Y') }}")), Ok("14 Nov 2023".to_owned()));
        let json = r#"{"role": "system", "content": "Be brief."}"#;
        assert_eq!(render(Some("{{ messages[0] | tojson }}")), Ok(json.to_owned()));
        assert_eq!(render(Some("{{ 'a' in nothing }}{{ nothing and 1 }}")), Ok("False".to_owned()));
        let marked = "{%- generation -%}\n a {%- endgeneration -%} b";
        assert_eq!(render(Some(marked)), Ok("ab".to_owned()));
    }

    #[test]
    fn system_messages_are_merged_if_the_template_rejects_them() {
        let source = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}\
                      {{ m.role }}: {{ m.content }}{% endfor %}";
        assert_eq!(render(Some(source)), Ok("user: Be brief.\n\nHi".to_owned()));
    }

    const ENDLESS: &str = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}";
    const BURSTING: &str = "{% set a = 'x' * 100000 %}{% for b in range(99999) %}{{ a }}{% endfor %}";

    #[test]
    fn templates_without_end_or_bound_are_replaced_by_chatml() {
        for source in [ENDLESS, BURSTING] {
            assert!(render(Some(source)).is_ok_and(|text| text.starts_with("<|im_start|>")), "{source}");
            assert!(matches!(template(Some(source)).warning(), Some(TemplateWarning::Unusable(_))), "{source}");
        }
    }

    #[test]
    fn limits_and_rejections_in_a_conversation_are_errors() {
        for source in [ENDLESS, BURSTING] {
            let source = format!("{{% if 'brief' in messages[0].content %}}{source}{{% endif %}}");
            assert!(matches!(render(Some(&source)), Err(EngineError::Template(_))), "{source}");
        }
        assert!(matches!(render(Some("{{ strftime_now('%Q%!') }}")), Err(EngineError::Template(_))));
        let refusing = "{{ raise_exception('only user messages') }}";
        assert!(matches!(render(Some(refusing)), Err(EngineError::Template(text)) if text.contains("only user")));
    }

    #[test]
    fn settled_values_are_unchanged() {
        let cases = [
            ("{% set a = {'y': (1,), 'x': [2, none]} %}{{ a.x[0] }}{{ a.y|length }}{{ a.x[1] }}", "21None"),
            ("{% set a = range(3) %}{{ a }}{{ a is sequence }}", "[0, 1, 2]"),
            ("{% set a = [1] + [2] %}{{ a }}{{ a|length }}", "[1, 2]2"),
            ("{% set a = [1, 2, 3][1:] %}{{ a|join('-') }}", "2-3"),
            (
                "{% set n = namespace(a=[]) %}{% for i in range(3) %}{% set n.a = n.a + [i] %}{% endfor %}{{ n.a }}",
                "[0, 1, 2]",
            ),
            (
                "{% macro add(n, i=1) %}{% set n.a = n.a + i %}{% endmacro %}{% set n = namespace(a=0) %}{{ add(n) }}{{ add(n, 2) }}{{ n.a }}",
                "3",
            ),
            ("{% set a = undefined_name %}{{ a is defined }}{{ a }}", "False"),
            ("{% set a, b = 1, 'x' %}{{ a }}{{ b }}", "1x"),
            ("{% for g in [{'k': 1}, {'k': 2}]|groupby('k') %}{% set h = g %}{{ h.grouper }}{% endfor %}", "12"),
            ("{% set f = strftime_now %}{{ f('%Y') }}", "2023"),
        ];
        for (source, expected) in cases {
            let text = render(Some(source));
            assert!(text.as_ref().is_ok_and(|text| text.starts_with(expected)), "{source}: {text:?}");
        }
    }
}
