use parlance_protocol::openai::{Endpoint, OutputItem};

use super::*;
use crate::responses::{KeptResponse, PreparedResponse};

fn meta() -> Meta {
    Meta { random: 7, created: 100, model: "demo".to_owned() }
}

fn read(body: &Value) -> ResponseRequest {
    crate::parse::read(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn translated(body: &Value) -> Translated {
    translate(&read(body), &[], 7).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn messages(input: Value) -> Value {
    json!(translated(&json!({ "input": input })).chat.messages)
}

/// The invalid field of a request.
fn invalid_field(body: &Value) -> String {
    let translated = crate::parse::read(body).and_then(|request: ResponseRequest| translate(&request, &[], 7));
    let checked = translated.and_then(|Translated { chat, origins, .. }| {
        crate::parse::chat(chat, 0).map_err(|error| with_own_names(error, &origins))
    });
    checked.err().and_then(|error| error.param().map(str::to_owned)).unwrap_or_else(|| "none".to_owned())
}

#[test]
fn strings_and_items_become_messages() {
    assert_eq!(messages(json!("Hi")), json!([{ "role": "user", "content": [{ "type": "text", "text": "Hi" }] }]));
    let items = json!([
        { "role": "developer", "content": "Be brief." },
        { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "Weather?" }] },
        { "type": "reasoning", "id": "rs_1", "summary": [], "content": [{ "type": "reasoning_text", "text": "Look it up." }] },
        { "type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{\"city\":\"Rome\"}" },
        { "type": "function_call", "call_id": "c2", "name": "weather", "arguments": "{\"city\":\"Oslo\"}" },
        { "type": "function_call_output", "call_id": "c2", "output": "rain" },
        { "type": "function_call_output", "call_id": "c1", "output": [{ "type": "input_text", "text": "sun" }] },
        { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "Both." }] },
        { "role": "assistant", "content": [{ "type": "output_text", "text": "Sun and rain.", "annotations": [] }] },
        { "role": "assistant", "content": "Really." },
    ]);
    let text = |text: &str| json!([{ "type": "text", "text": text }]);
    let call = |id: &str, city: &str| {
        let arguments = format!("{{\"city\":\"{city}\"}}");
        json!({ "id": id, "type": "function", "function": { "name": "weather", "arguments": arguments } })
    };
    let expected = json!([
        { "role": "developer", "content": text("Be brief.") },
        { "role": "user", "content": text("Weather?") },
        { "role": "assistant", "content": null, "reasoning_content": "Look it up.", "tool_calls": [call("c1", "Rome"), call("c2", "Oslo")] },
        { "role": "tool", "content": "rain", "tool_call_id": "c2" },
        { "role": "tool", "content": text("sun"), "tool_call_id": "c1" },
        { "role": "assistant", "content": text("Sun and rain."), "reasoning_content": "Both." },
        { "role": "assistant", "content": text("Really.") },
    ]);
    assert_eq!(messages(items), expected);
    let image =
        json!([{ "role": "user", "content": [{ "type": "input_image", "image_url": "data:,", "detail": "low" }] }]);
    let url = json!({ "url": "data:,", "detail": "low" });
    assert_eq!(messages(image)[0]["content"], json!([{ "type": "image_url", "image_url": url }]));
}

#[test]
fn options_keep_their_meaning() {
    let schema = json!({ "type": "object" });
    let function = |name: &str| json!({ "type": "function", "name": name, "parameters": schema, "strict": true });
    let Translated { chat, .. } = translated(&json!({
        "input": "Hi", "instructions": "Be brief.", "max_output_tokens": 9, "temperature": 0.7, "stream": true, "seed": 3,
        "text": { "format": { "type": "json_schema", "name": "answer", "schema": schema, "strict": true } },
        "reasoning": { "effort": "none" }, "include": ["message.output_text.logprobs"], "top_logprobs": 2,
        "tools": [function("f"), function("g")], "truncation": "auto", "parallel_tool_calls": false,
        "tool_choice": { "type": "allowed_tools", "mode": "required", "tools": [{ "type": "function", "name": "g" }] },
    }));
    let json = json!(chat);
    assert_eq!(json["messages"][0], json!({ "role": "system", "content": "Be brief." }));
    assert_eq!((&json["max_completion_tokens"], chat.temperature), (&json!(9), Some(0.7)));
    assert_eq!(json["stream_options"], json!({ "include_usage": true }));
    let format =
        json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": schema, "strict": true } });
    assert_eq!(json["response_format"], format);
    assert_eq!((&json["logprobs"], &json["top_logprobs"]), (&json!(true), &json!(2)));
    assert_eq!((&json["reasoning_effort"], &json["truncation"]), (&json!("none"), &json!("auto")));
    assert_eq!(json["tools"], json!([{ "type": "function", "function": { "name": "g", "parameters": schema } }]));
    assert_eq!((&json["tool_choice"], &json["parallel_tool_calls"]), (&json!("required"), &json!(false)));
    let named = translated(
        &json!({ "input": "Hi", "tools": [function("f")], "tool_choice": { "type": "function", "name": "f" } }),
    );
    assert_eq!(named.chat.tool_choice, Some(json!({ "type": "function", "function": { "name": "f" } })));
}

#[test]
fn invalid_fields_have_the_names_of_this_api() {
    let tool = json!([{ "type": "function", "name": "f" }]);
    let output = json!({ "type": "function_call_output", "call_id": "c", "output": "x" });
    let image = |url: Value, detail: &str| {
        let part = json!({ "type": "input_image", "image_url": url, "detail": detail });
        json!({ "input": [{ "role": "user", "content": [part] }] })
    };
    let cases = [
        (json!({ "input": "Hi", "user": "x", "service_tier": "auto" }), "none"),
        (json!({ "input": "Hi", "store": "yes" }), "store"),
        (json!({ "input": "Hi", "stream": 1 }), "stream"),
        (json!({}), "input"),
        (json!({ "input": 7 }), "input"),
        (json!({ "input": [] }), "input"),
        (json!({ "input": ["a"] }), "input[0]"),
        (json!({ "input": [{}] }), "input[0]"),
        (json!({ "input": [{ "type": "item_reference", "id": "msg_1_0" }] }), "input[0].id"),
        (json!({ "input": [{ "type": "computer_call", "id": "x" }] }), "input[0].type"),
        (json!({ "input": [{ "role": "tool", "content": "x" }] }), "input[0].role"),
        (json!({ "input": [{ "role": "user" }] }), "input[0].content"),
        (image(json!("file:///etc/passwd"), "auto"), "input[0].content[0].image_url"),
        (image(json!(7), "auto"), "input[0].content[0].image_url"),
        (image(json!("data:,"), "fine"), "input[0].content[0].detail"),
        (json!({ "input": [{ "role": "user", "content": 5 }] }), "input[0].content"),
        (json!({ "input": [{ "role": "user", "content": [{ "type": "input_file" }] }] }), "input[0].content[0]"),
        (json!({ "input": [{ "role": "user", "content": [{ "type": "input_text" }] }] }), "input[0].content[0].text"),
        (json!({ "input": [{ "role": "user", "content": "a" }, output] }), "input[1].call_id"),
        (json!({ "input": [{ "type": "function_call", "call_id": "c", "name": "f" }] }), "input[0].arguments"),
        (json!({ "input": "Hi", "background": true }), "background"),
        (json!({ "input": "Hi", "conversation": "conv_1" }), "conversation"),
        (json!({ "input": "Hi", "max_output_tokens": 0 }), "max_output_tokens"),
        (json!({ "input": "Hi", "temperature": 3 }), "temperature"),
        (json!({ "input": "Hi", "tools": [{ "type": "web_search" }] }), "tools[0].type"),
        (json!({ "input": "Hi", "tools": [{ "type": "function", "name": "f g" }] }), "tools[0].name"),
        (
            json!({ "input": "Hi", "tools": tool, "tool_choice": { "type": "function", "name": "g" } }),
            "tool_choice.name",
        ),
        (json!({ "input": "Hi", "tools": tool, "tool_choice": { "type": "web_search" } }), "tool_choice.type"),
        (
            json!({ "input": "Hi", "tools": tool, "tool_choice": { "type": "allowed_tools", "tools": [] } }),
            "tool_choice.tools",
        ),
        (json!({ "input": "Hi", "tool_choice": "required" }), "tool_choice"),
        (json!({ "input": "Hi", "text": { "format": "json" } }), "text.format"),
        (json!({ "input": "Hi", "top_logprobs": 21 }), "top_logprobs"),
    ];
    for (body, expected) in cases {
        assert_eq!(invalid_field(&body), expected, "{body}");
    }
    let origins = ["instructions", "input[4]", "input"].map(str::to_owned);
    for (param, expected) in [
        ("messages[0].content", "instructions"),
        ("messages[1].content[2]", "input[4].content[2]"),
        ("messages[2].content", "input"),
        ("messages", "input"),
        ("response_format.json_schema.schema", "text.format.schema"),
        ("response_format.type", "text.format.type"),
        ("tools[1].function.parameters", "tools[1].parameters"),
    ] {
        assert_eq!(own_name(param, &origins), expected);
    }
}

#[test]
fn a_kept_response_is_continued() {
    let body = json!({ "input": "Hi", "instructions": "Not kept.", "metadata": { "a": "b" } });
    let mut response = response(read(&body), &meta());
    let call = json!({ "type": "function_call", "id": "fc_1", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}" });
    let call: OutputItem = serde_json::from_value(call).unwrap_or_else(|error| panic!("{error}"));
    response.output.push(call);
    let kept = KeptResponse { response, input: translated(&body).input };
    let kept = KeptResponse::from_bytes(&kept.to_bytes()).unwrap_or_else(|| panic!("it can be read"));
    assert_eq!(KeptResponse::from_bytes(b"{}"), None);
    let page = |parameters: Value| {
        let page = kept.answer(Endpoint::InputItems, &parameters);
        page.map(|page| (page["data"].as_array().map(Vec::len), page["has_more"].clone(), page["first_id"].clone()))
    };
    let id = json!("item_0000000000000007_0");
    assert_eq!(page(json!({})), Ok((Some(1), json!(false), id.clone())));
    assert_eq!(page(json!({ "after": id, "limit": "5", "order": "asc" })), Ok((Some(0), json!(false), Value::Null)));
    for (parameters, param) in
        [(json!({ "limit": 0 }), "limit"), (json!({ "order": "up" }), "order"), (json!({ "after": "x" }), "after")]
    {
        assert_eq!(page(parameters).err().and_then(|error| error.param().map(str::to_owned)).as_deref(), Some(param));
    }
    let retrieved = |parameters: Value| kept.answer(Endpoint::RetrieveResponse, &parameters);
    assert!(retrieved(json!({})).is_ok() && retrieved(json!({ "stream": "true" })).is_err());
    assert!(kept.answer(Endpoint::CancelResponse, &json!({})).is_err(), "it has ended");
    let deleted = kept.answer(Endpoint::DeleteResponse, &json!({}));
    assert_eq!(deleted, Ok(json!({ "id": "resp_0000000000000007", "object": "response", "deleted": true })));

    let output = json!({ "type": "function_call_output", "call_id": "c", "output": "1" });
    let named = |id: &str| json!({ "type": "item_reference", "id": id });
    let previous = "resp_0000000000000007";
    for next in [
        json!({ "input": [output], "previous_response_id": previous }),
        json!({ "input": [named("item_0000000000000007_0"), named("fc_1"), output] }),
    ] {
        let translated = translate(&read(&next), std::slice::from_ref(&kept), 8);
        let Translated { chat, input, .. } = translated.unwrap_or_else(|error| panic!("{error}"));
        let roles: Vec<_> = chat.messages.iter().map(|message| message.role.as_str()).collect();
        assert_eq!(roles, ["user", "assistant", "tool"], "instructions are not carried over");
        assert_eq!(input.len(), 3);
        assert_eq!((&input[0]["type"], &input[1]["id"]), (&json!("message"), &json!("fc_1")), "as they were");
    }
    let error = translate(&read(&json!({ "input": [named("msg_1_0")] })), &[kept], 8).err();
    assert_eq!(error.and_then(|error| error.param().map(str::to_owned)).as_deref(), Some("input[0].id"));
    let input = json!([named("msg_2_0"), named("fc_2_1"), named("no"), { "role": "user", "content": "Hi" }]);
    let body = json!({ "previous_response_id": "resp_1", "input": input });
    assert_eq!(PreparedResponse::references(&body), ["resp_1", "resp_2"]);
    assert_eq!(PreparedResponse::references(&json!({ "input": "Hi" })), [""; 0]);
}
