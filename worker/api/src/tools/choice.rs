//! Which tools of a request may be called, and whether one must be.

use parlance_protocol::openai::{FunctionDefinition, Tool};
use serde_json::Value;

use crate::error::RequestError;

/// Maximum tools.
const MAX_TOOLS: usize = 128;

/// Whether the model must call a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    /// The model decides.
    Auto,
    /// It must call a tool.
    Required,
    /// It must call this tool.
    Named(String),
}

/// The tools that may be called, and whether one must be.
///
/// # Errors
/// [`RequestError::Field`] for a tool or a `tool_choice` that is invalid.
pub(crate) fn check(
    tools: Vec<Tool>,
    choice: Option<&Value>,
) -> Result<(Vec<FunctionDefinition>, ToolChoice), RequestError> {
    check_definitions(&tools)?;
    let (tools, choice) = if let Some(allowed) = choice.and_then(|choice| choice.get("allowed_tools")) {
        only_allowed(tools, allowed)?
    } else {
        let choice = read(choice, &tools)?;
        (tools, choice)
    };
    let Some(choice) = choice else { return Ok((Vec::new(), ToolChoice::Auto)) };
    if choice != ToolChoice::Auto && tools.is_empty() {
        return Err(RequestError::field("tool_choice", "it requires tools"));
    }
    Ok((tools.into_iter().map(|tool| tool.function).collect(), choice))
}

fn check_definitions(tools: &[Tool]) -> Result<(), RequestError> {
    if tools.len() > MAX_TOOLS {
        return Err(RequestError::field("tools", format!("there may be at most {MAX_TOOLS}")));
    }
    for (index, Tool { kind, function }) in tools.iter().enumerate() {
        if kind != "function" {
            return Err(RequestError::field(format!("tools[{index}].type"), "only “function” is supported"));
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let name = &function.name;
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_name) {
            let message = "it must be 1 to 64 letters, digits, “_”, “-” or “.”";
            return Err(RequestError::field(format!("tools[{index}].function.name"), message));
        }
        if function.parameters.as_ref().is_some_and(|parameters| !parameters.is_object() && !parameters.is_null()) {
            let message = "it must be a JSON schema, which is an object";
            return Err(RequestError::field(format!("tools[{index}].function.parameters"), message));
        }
    }
    Ok(())
}

/// What a `tool_choice` says; `None` if no tool may be called.
fn read(choice: Option<&Value>, tools: &[Tool]) -> Result<Option<ToolChoice>, RequestError> {
    match choice {
        None | Some(Value::Null) => Ok(Some(ToolChoice::Auto)),
        Some(Value::String(choice)) => match choice.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(None),
            "required" => Ok(Some(ToolChoice::Required)),
            other => {
                let message = format!("“{other}” is not one of none, auto, required");
                Err(RequestError::field("tool_choice", message))
            }
        },
        Some(Value::Object(choice)) => {
            let param = "tool_choice.function.name";
            let name = choice.get("function").and_then(|function| function.get("name")).and_then(Value::as_str);
            let name = name.ok_or_else(|| RequestError::field(param, "it must name a function"))?;
            if !tools.iter().any(|tool| tool.function.name == name) {
                return Err(RequestError::field(param, format!("there is no tool “{name}”")));
            }
            Ok(Some(ToolChoice::Named(name.to_owned())))
        }
        Some(_) => Err(RequestError::field("tool_choice", "it must be a string or an object")),
    }
}

/// The tools that `allowed_tools` names, and its mode.
fn only_allowed(mut tools: Vec<Tool>, allowed: &Value) -> Result<(Vec<Tool>, Option<ToolChoice>), RequestError> {
    let named = allowed["tools"].as_array().into_iter().flatten();
    retain_named(&mut tools, named.filter_map(|tool| tool["function"]["name"].as_str()));
    if tools.is_empty() {
        return Err(RequestError::field("tool_choice.allowed_tools.tools", "it must name one of the tools"));
    }
    let mode = read(Some(&allowed["mode"]), &tools)?;
    Ok((tools, mode))
}

/// Removes tools that have none of these names.
pub(crate) fn retain_named<'a>(tools: &mut Vec<Tool>, names: impl Iterator<Item = &'a str>) {
    let names: Vec<&str> = names.collect();
    tools.retain(|tool| names.contains(&tool.function.name.as_str()));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tools(names: &[&str]) -> Vec<Tool> {
        let tool = |name: &&str| Tool {
            kind: "function".to_owned(),
            function: FunctionDefinition { name: (*name).to_owned(), ..FunctionDefinition::default() },
        };
        names.iter().map(tool).collect()
    }

    #[test]
    fn a_choice_may_allow_some_tools_only() {
        let choose = |mode: &str, names: &[&str]| {
            let named: Vec<_> =
                names.iter().map(|name| json!({ "type": "function", "function": { "name": name } })).collect();
            let choice = json!({ "type": "allowed_tools", "allowed_tools": { "mode": mode, "tools": named } });
            let result = check(tools(&["a", "b", "c"]), Some(&choice));
            result.map(|(tools, choice)| (tools.into_iter().map(|tool| tool.name).collect::<Vec<_>>().concat(), choice))
        };
        assert_eq!(choose("required", &["c", "a"]), Ok(("ac".to_owned(), ToolChoice::Required)));
        assert_eq!(choose("auto", &["b", "x"]), Ok(("b".to_owned(), ToolChoice::Auto)));
        for (mode, names) in [("auto", &["x"][..]), ("auto", &[][..]), ("perhaps", &["a"][..])] {
            assert!(choose(mode, names).is_err(), "{mode}: {names:?}");
        }
    }
}
