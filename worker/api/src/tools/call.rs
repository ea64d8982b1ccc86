//! Parses tool calls.

use serde_json::Value;

use super::format::ToolFormat;

/// The calls in `text`, which starts with an opener: names, with their arguments as JSON. Empty if there is no valid call.
pub(crate) fn calls(format: ToolFormat, text: &str) -> Vec<(String, String)> {
    match format {
        ToolFormat::Hermes => {
            text.split("<tool_call>").filter_map(first_value).filter_map(|value| call(&value)).collect()
        }
        ToolFormat::Llama => {
            let text = text.trim_start().trim_start_matches("<|python_tag|>");
            first_value(text).iter().filter_map(call).collect()
        }
        ToolFormat::Mistral | ToolFormat::Granite => {
            let after =
                format.openers().iter().find_map(|opener| text.split_once(opener)).map_or(text, |(_, rest)| rest);
            match first_value(after) {
                Some(Value::Array(values)) => values.iter().filter_map(call).collect(),
                Some(value) => call(&value).into_iter().collect(),
                None => Vec::new(),
            }
        }
        ToolFormat::MistralNamed => text.split("[TOOL_CALLS]").filter_map(named_call).collect(),
    }
}

/// Parses `name[ARGS]{...}`. Some models put a call id in between.
fn named_call(text: &str) -> Option<(String, String)> {
    let (name, arguments) = text.split_once("[ARGS]")?;
    let name = name.split("[CALL_ID]").next().unwrap_or_default().trim();
    let arguments = first_value(arguments)?;
    (!name.is_empty()).then(|| (name.to_owned(), arguments.to_string()))
}

/// The JSON value at the start of a text.
fn first_value(text: &str) -> Option<Value> {
    serde_json::Deserializer::from_str(text).into_iter().next()?.ok()
}

fn call(value: &Value) -> Option<(String, String)> {
    // Some models wrap calls like the API does.
    let value = value.get("function").filter(|function| function.is_object()).unwrap_or(value);
    let name = value.get("name")?.as_str()?;
    let arguments = match value.get("arguments").or_else(|| value.get("parameters")) {
        None | Some(Value::Null) => "{}".to_owned(),
        // Some models encode them as a string.
        Some(Value::String(text)) => text.clone(),
        Some(arguments) => arguments.to_string(),
    };
    Some((name.to_owned(), arguments))
}

#[cfg(test)]
#[path = "../../../../tests/src/notes.rs"]
#[allow(unreachable_pub, reason = "this file belongs to another package")]
mod notes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_every_format_are_parsed() {
        type Calls<'c> = &'c [(&'c str, &'c str)];
        let one = [("f", r#"{"a":1}"#)].as_slice();
        let two = [("f", r#"{"a":1}"#), ("g", "{}")].as_slice();
        let cases: [(ToolFormat, &str, Calls<'_>); 15] = [
            (ToolFormat::Hermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>", one),
            (
                ToolFormat::Hermes,
                "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>\n<tool_call>{\"name\": \"g\"}</tool_call>",
                two,
            ),
            (ToolFormat::Hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}", one),
            (ToolFormat::Hermes, "<tool_call>\n{\"name\": ", &[]),
            (ToolFormat::Llama, "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", one),
            (ToolFormat::Llama, "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"a\": 1}}", one),
            (
                ToolFormat::Llama,
                "{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"a\": 1}}}",
                one,
            ),
            (ToolFormat::Llama, "{\"city\": \"Rome\"}", &[]),
            (
                ToolFormat::Mistral,
                "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\"}]",
                two,
            ),
            (ToolFormat::Mistral, "[TOOL_CALLS]{\"name\": \"f\", \"arguments\": \"{\\\"a\\\":1}\"}", one),
            (ToolFormat::MistralNamed, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[ARGS]{}", two),
            (ToolFormat::MistralNamed, "[TOOL_CALLS]f[CALL_ID]123[ARGS]{\"a\": 1}", one),
            (ToolFormat::Granite, "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", one),
            (ToolFormat::Granite, "<tool_call>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", one),
            (ToolFormat::Granite, "<|tool_call|>nothing", &[]),
        ];
        for (format, text, expected) in cases {
            let found = calls(format, text);
            let found: Vec<_> = found.iter().map(|(name, arguments)| (name.as_str(), arguments.as_str())).collect();
            assert_eq!(found, expected, "{format:?}: {text}");
        }
        let formats = [
            (ToolFormat::Hermes, "Hermes, Qwen 2.5 and 3, and many more"),
            (ToolFormat::Llama, "Llama 3"),
            (ToolFormat::Mistral, "Mistral"),
            (ToolFormat::MistralNamed, "Mistral since 2025"),
            (ToolFormat::Granite, "Granite 3"),
        ];
        for (format, models) in formats {
            let count = cases.iter().filter(|(other, ..)| *other == format).count();
            super::notes::note("tools", &[&format!("{format:?}"), models, &count.to_string()]);
        }
    }
}
