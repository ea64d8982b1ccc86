//! How a template shows tool calls, found out by rendering one. That is also the form in which the model writes them.

use serde_json::{Value, json};

use crate::template::{ChatTemplate, TemplateOptions};

/// The probe's question, described tool, called tool, argument and result: letters and digits, which no template
/// changes. The called tool is another one than the described, so that the call can be told from the description.
const PROBE: [&str; 5] = ["Qx7Za1", "Qx7Zb2", "Qx7Zc3", "Qx7Zd4", "Qx7Ze5"];
/// Mistral's templates reject ids of any other length.
const CALL_ID: &str = "Qx7Zf6Qx7";

/// A tool call as a template shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSample {
    /// The text from the question to the call's result. May include turn markers and an empty reasoning.
    pub text: String,
    /// Whether the template describes tools.
    pub describes_tools: bool,
    /// Whether the template expects arguments as JSON text instead of an object.
    pub arguments_as_text: bool,
    /// Whether the template shows calls only in messages without content.
    pub without_content: bool,
}

impl CallSample {
    /// The name of the called tool in [`CallSample::text`].
    pub const NAME: &str = PROBE[2];

    /// Renders a conversation with a call. Returns `None` if the template rejects it or does not show the call.
    pub fn of(template: &ChatTemplate) -> Option<Self> {
        let variants = [(false, false), (false, true), (true, false), (true, true)];
        variants.into_iter().find_map(|(as_text, without_content)| Self::with(template, as_text, without_content))
    }

    fn with(template: &ChatTemplate, arguments_as_text: bool, without_content: bool) -> Option<Self> {
        let [question, tool, name, argument, result] = PROBE;
        let arguments = json!({ "place": argument });
        let arguments = if arguments_as_text { Value::from(arguments.to_string()) } else { arguments };
        let content = if without_content { Value::Null } else { Value::from("") };
        let call = json!({ "id": CALL_ID, "type": "function", "function": { "name": name, "arguments": arguments } });
        let messages = json!([
            { "role": "user", "content": question },
            { "role": "assistant", "content": content, "tool_calls": [call] },
            { "role": "tool", "name": name, "tool_call_id": CALL_ID, "content": result },
        ]);
        let parameters =
            json!({ "type": "object", "properties": { "place": { "type": "string" } }, "required": ["place"] });
        let function = json!({ "name": tool, "description": tool, "parameters": parameters });
        let tools = Some(json!([{ "type": "function", "function": function }]));
        let text = template.render(&messages, &TemplateOptions { tools, ..TemplateOptions::default() }).ok()?;
        let (_, after_question) = text.rsplit_once(question)?;
        let shown = after_question.split_once(result).map_or(after_question, |(call, _)| call);
        let is_shown = shown.contains(name) && shown.contains(argument);
        is_shown.then(|| Self {
            text: shown.to_owned(),
            describes_tools: text.contains(tool),
            arguments_as_text,
            without_content,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(source: &str) -> Option<CallSample> {
        CallSample::of(&ChatTemplate::new(Some(source), "<s>".to_owned(), "</s>".to_owned()))
    }

    #[test]
    fn a_sample_says_what_the_template_expects() {
        let object = "{{ tools|tojson }}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}\
                      <call>{{ c.function.name }} {{ c.function.arguments|tojson }}{% endfor %}{% endfor %}";
        let expected = CallSample {
            text: r#"<call>Qx7Zc3 {"place": "Qx7Zd4"}"#.to_owned(),
            describes_tools: true,
            arguments_as_text: false,
            without_content: false,
        };
        assert_eq!(sample(object), Some(expected));
        let text = "{% for m in messages %}{% if m.content is none %}{% for c in m.tool_calls %}\
                    {{ c.function.name + ' ' + c.function.arguments }}{% endfor %}{% else %}{{ m.content }}{% endif %}\
                    {% endfor %}";
        let expected = CallSample {
            text: r#"Qx7Zc3 {"place":"Qx7Zd4"}"#.to_owned(),
            describes_tools: false,
            arguments_as_text: true,
            without_content: true,
        };
        assert_eq!(sample(text), Some(expected));
        assert_eq!(sample("{% for m in messages %}{{ m.content }}{% endfor %}"), None);
        assert_eq!(sample("{{ raise_exception('no') }}"), None);
    }
}
