//! Tool calls of the demo model, whose template does not support tools.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use crate::common::{chat, content, model, stream, try_chat, with_fields};
use serde_json::{Value, json};

fn tools() -> Value {
    json!([
        { "type": "function", "function": { "name": "get_weather", "description": "The weather of a city.", "parameters": {
            "type": "object",
            "properties": {
                "city": { "type": "string", "maxLength": 20 },
                "unit": { "$ref": "#/$defs/unit" },
            },
            "required": ["city", "unit"], "additionalProperties": false,
            "$defs": { "unit": { "enum": ["celsius", "fahrenheit"] } },
        } } },
        { "type": "function", "function": { "name": "get-time.now", "description": "The time." } },
    ])
}

fn request(fields: Value) -> Value {
    let body = json!({
        "messages": [{ "role": "user", "content": "What is the weather in Paris?" }],
        "tools": tools(), "temperature": 0, "max_tokens": 120,
    });
    with_fields(body, fields)
}

fn assert_weather(call: &Value) {
    assert_eq!(call["type"], "function");
    assert_eq!(call["function"]["name"], "get_weather");
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["city"].is_string(), "{arguments}");
    assert!(["celsius", "fahrenheit"].contains(&arguments["unit"].as_str().unwrap()), "{arguments}");
}

#[test]
fn required_and_named_calls_are_valid() {
    let mut model = model();
    let named = json!({ "type": "function", "function": { "name": "get_weather" } });
    for temperature in [0.0, 1.5] {
        let body = request(
            json!({ "tool_choice": named, "parallel_tool_calls": false, "temperature": temperature, "seed": 3 }),
        );
        let response = chat(&mut model, &body);
        let choice = &response["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{response}");
        assert_eq!(choice["message"]["content"], Value::Null);
        let calls = choice["message"]["tool_calls"].as_array().unwrap();
        assert_eq!(calls.len(), 1);
        assert_weather(&calls[0]);
    }
    let response = chat(&mut model, &request(json!({ "tool_choice": "required", "parallel_tool_calls": false })));
    assert_eq!(response["choices"][0]["finish_reason"], "tool_calls", "{response}");

    let chunks = stream(
        &mut model,
        &request(json!({ "tool_choice": named, "parallel_tool_calls": false, "stream": true })),
        None,
    );
    // The first chunk has the name, and all of them a part of the arguments.
    let deltas: Vec<_> =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array()).flatten().collect();
    let mut call = deltas[0].clone();
    let arguments: String = deltas.iter().filter_map(|delta| delta["function"]["arguments"].as_str()).collect();
    call["function"]["arguments"] = arguments.into();
    assert_weather(&call);
    for (at, delta) in deltas.iter().enumerate() {
        assert_eq!(delta["index"], 0);
        assert_eq!(delta.get("id").is_some() && delta["function"].get("name").is_some(), at == 0, "{delta}");
    }
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn calls_that_the_model_starts_on_its_own_conform_to_their_schema() {
    let mut model = model();
    // Earlier calls in the conversation make the model start one of its own.
    let turn = |city: &str| {
        let arguments = json!({ "city": city, "unit": "celsius" }).to_string();
        let call =
            json!({ "id": "1", "type": "function", "function": { "name": "get_weather", "arguments": arguments } });
        vec![
            json!({ "role": "user", "content": format!("What is the weather in {city}?") }),
            json!({ "role": "assistant", "content": null, "tool_calls": [call] }),
        ]
    };
    let mut messages = [turn("Rome"), turn("Oslo"), turn("Bern")].concat();
    messages.push(json!({ "role": "user", "content": "What is the weather in Paris?" }));
    let body = request(json!({ "messages": messages, "parallel_tool_calls": false }));
    let response = chat(&mut model, &body);
    let choice = &response["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{response}");
    let call = &choice["message"]["tool_calls"][0]["function"];
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    match call["name"].as_str() {
        Some("get_weather") => assert!(arguments["city"].is_string() && arguments["unit"].is_string()),
        Some("get-time.now") => assert_eq!(arguments, json!({})),
        _ => panic!("{response}"),
    }
}

#[test]
fn results_of_calls_reach_the_model_and_tool_choice_none_prevents_calls() {
    let mut model = model();
    let messages = json!([
        { "role": "user", "content": "What is the weather in Paris?" },
        { "role": "assistant", "content": null, "tool_calls": [
            { "id": "call_1", "type": "function", "function": { "name": "get_weather", "arguments": "{\"city\":\"Paris\"}" } },
        ] },
        { "role": "tool", "tool_call_id": "call_1", "content": "It is 31 degrees and sunny." },
    ]);
    let response = chat(&mut model, &request(json!({ "messages": messages, "tool_choice": "none", "max_tokens": 30 })));
    assert!(content(&response).contains("31"), "{response}");
    assert!(response["choices"][0]["message"].get("tool_calls").is_none());
}

#[test]
fn invalid_schemas_are_reported() {
    let mut model = model();
    let bad = json!([{ "type": "function", "function": { "name": "f", "parameters": { "type": "objec" } } }]);
    let error = try_chat(&mut model, &request(json!({ "tools": bad }))).unwrap_err();
    assert_eq!(error.param(), Some("tools"), "{error}");
}
