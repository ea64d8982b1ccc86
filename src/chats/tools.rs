//! The two built-in tools. Neither accesses anything but its arguments.

use parlance_protocol::library::ToolUse;
use parlance_protocol::openai::{FunctionCall, FunctionDefinition, Tool, ToolCall, ToolCallDelta};
use serde_json::{Value, json};

use crate::library::Library;

const CALCULATOR: &str = "calculator";
const CLOCK: &str = "clock";

/// Maximum rounds of tool calls per answer, because a model may keep calling forever.
pub(crate) const MAX_ROUNDS: usize = 6;

/// The tool definitions sent to the model.
pub(crate) fn definitions() -> Vec<Tool> {
    let tool = |name: &str, description: &str, parameters: Value| Tool {
        kind: "function".to_owned(),
        function: FunctionDefinition {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            parameters: Some(parameters),
        },
    };
    let expression = json!({ "type": "string", "description": "for example 12 * (3 + 4)^2 / sqrt(2)" });
    let parameters =
        json!({ "type": "object", "properties": { "expression": expression }, "required": ["expression"] });
    vec![
        tool(CALCULATOR, "Calculates the value of an arithmetic expression.", parameters),
        tool(CLOCK, "Tells the current date, time and time zone.", json!({ "type": "object", "properties": {} })),
    ]
}

/// Adds a piece of an answer to its calls. Pieces of different calls do not mix.
pub(crate) fn add(calls: &mut Vec<ToolCall>, deltas: Vec<ToolCallDelta>) {
    for ToolCallDelta { id, kind, function, .. } in deltas {
        if let Some(name) = function.name {
            let function = FunctionCall { name, arguments: function.arguments };
            calls.push(ToolCall { id: id.unwrap_or_default(), kind: kind.unwrap_or_default(), function });
        } else if let Some(call) = calls.last_mut() {
            call.function.arguments.push_str(&function.arguments);
        }
    }
}

/// Runs a tool call.
pub(crate) async fn run(library: Library, call: ToolCall) -> ToolUse {
    let arguments: Value = serde_json::from_str(&call.function.arguments).unwrap_or_default();
    let result = match call.function.name.as_str() {
        CALCULATOR => match arguments["expression"].as_str() {
            Some(expression) => library.calculate(expression.to_owned()).await.unwrap_or_else(|error| error),
            None => "error: the expression is missing".to_owned(),
        },
        CLOCK => String::from(js_sys::Date::new_0().to_string()),
        other => format!("error: there is no tool {other}"),
    };
    ToolUse { name: call.function.name, arguments: call.function.arguments, result }
}
