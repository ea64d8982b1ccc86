//! `/v1/responses` with the demo model. How chunks become events is tested next to the code.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use crate::common::{Listener, chat, codec, content, meta, model, with_fields};
use parlance_api::{KeptResponse, Processors, RequestError, ResponseJob};
use parlance_engine::runtime::Model;
use pollster::block_on;
use serde_json::{Value, json};

const QUESTION: &str = "What is the capital of France?";
const ANSWER: &str = "The capital of France is Paris.";

fn body(fields: Value) -> Value {
    with_fields(json!({ "input": QUESTION, "temperature": 0, "max_output_tokens": 20 }), fields)
}

/// A response, with what is kept of it.
fn try_respond(
    model: &mut Model,
    body: &Value,
    previous: Option<KeptResponse>,
) -> Result<(Value, Option<KeptResponse>), RequestError> {
    let codec = codec(model);
    let mut job = ResponseJob::new(&codec, body, previous.as_slice(), meta(), &Processors::new())?;
    let response = block_on(job.run(model, &Listener::default()))?;
    Ok((response.expect("it is not streamed"), job.kept()))
}

fn respond(model: &mut Model, body: &Value) -> Value {
    try_respond(model, body, None).unwrap().0
}

/// The events of a streamed response, which is stopped after some of them.
fn stream(model: &mut Model, body: &Value, stop_after: Option<usize>) -> Vec<Value> {
    let codec = codec(model);
    let listener = Listener { stop_after, ..Listener::default() };
    let mut job = ResponseJob::new(&codec, body, &[], meta(), &Processors::new()).unwrap();
    assert!(job.is_stream());
    assert_eq!(block_on(job.run(model, &listener)).unwrap(), None);
    listener.chunks.into_inner()
}

fn text(response: &Value) -> &str {
    response["output"][0]["content"][0]["text"].as_str().unwrap_or_default()
}

#[test]
fn a_response_is_the_chat_completion_in_another_form() {
    let mut model = model();
    let response = respond(&mut model, &body(json!({ "instructions": "Be brief.", "metadata": { "a": "b" } })));
    let messages = json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": QUESTION }]);
    let completion = chat(&mut model, &json!({ "messages": messages, "temperature": 0, "max_tokens": 20 }));
    assert_eq!(text(&response), content(&completion));
    assert_eq!((&response["id"], &response["object"]), (&json!("resp_0000000000000007"), &json!("response")));
    assert_eq!((&response["status"], &response["metadata"]), (&json!("completed"), &json!({ "a": "b" })));
    assert_eq!(response["usage"]["output_tokens"], completion["usage"]["completion_tokens"]);
    assert_eq!(response["usage"]["input_tokens"], completion["usage"]["prompt_tokens"]);

    let short = respond(&mut model, &body(json!({ "max_output_tokens": 3 })));
    assert_eq!((text(&short), &short["status"]), ("The capital of", &json!("incomplete")));
    assert_eq!(short["incomplete_details"]["reason"], "max_output_tokens");
}

#[test]
fn a_stream_ends_with_the_whole_response() {
    let mut model = model();
    let events = stream(&mut model, &body(json!({ "stream": true })), None);
    assert_eq!(events[0]["type"], "response.created");
    let deltas: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    let last = &events[events.len() - 1];
    assert_eq!((deltas.as_str(), &last["type"]), (ANSWER, &json!("response.completed")));
    let mut whole = respond(&mut model, &body(json!({})));
    let mut streamed = last["response"].clone();
    for response in [&mut whole, &mut streamed] {
        // Times differ.
        let fields = response.as_object_mut().unwrap();
        assert!(fields.remove("usage").is_some() && fields.remove("completed_at").is_some());
    }
    assert_eq!(streamed, whole);

    let stopped = stream(&mut model, &body(json!({ "stream": true, "max_output_tokens": 500 })), Some(5));
    assert_eq!(stopped[stopped.len() - 1]["response"]["status"], "cancelled");
}

#[test]
fn formats_and_tools_constrain_the_output() {
    let mut model = model();
    let schema = json!({
        "type": "object", "properties": { "city": { "enum": ["Paris", "Rome"] } }, "required": ["city"],
        "additionalProperties": false,
    });
    let format = json!({ "type": "json_schema", "name": "answer", "schema": schema });
    let response = respond(&mut model, &body(json!({ "text": { "format": format } })));
    assert_eq!(serde_json::from_str::<Value>(text(&response)).unwrap(), json!({ "city": "Paris" }));

    let tools = json!([{ "type": "function", "name": "look_up", "parameters": schema, "strict": true }]);
    let request = json!({
        "tools": tools, "tool_choice": { "type": "function", "name": "look_up" }, "parallel_tool_calls": false,
        "max_output_tokens": 80, "stream": true,
    });
    let events = stream(&mut model, &body(request), None);
    let response = &events[events.len() - 1]["response"];
    let call = &response["output"][0];
    assert_eq!((&call["type"], &call["name"]), (&json!("function_call"), &json!("look_up")), "{response}");
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["city"].is_string());
    let deltas: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(call["arguments"], deltas);

    let bad = json!({ "type": "json_schema", "name": "answer", "schema": { "type": "strin" } });
    let error = try_respond(&mut model, &body(json!({ "text": { "format": bad } })), None).unwrap_err();
    assert_eq!(error.param(), Some("text.format.schema"), "{error}");
}

#[test]
fn a_kept_response_is_continued_from_the_kv_cache() {
    let mut model = model();
    let (_, first) = try_respond(&mut model, &body(json!({})), None).unwrap();
    let next =
        body(json!({ "input": "And of Italy?", "previous_response_id": "resp_0000000000000007", "store": false }));
    let (response, kept) = try_respond(&mut model, &next, first).unwrap();
    assert_eq!(kept, None, "it is not to be kept");
    let messages = json!([
        { "role": "user", "content": QUESTION },
        { "role": "assistant", "content": ANSWER },
        { "role": "user", "content": "And of Italy?" },
    ]);
    assert!(response["usage"]["input_tokens_details"]["cached_tokens"].as_u64() > Some(20), "{response}");
    let completion = chat(&mut model, &json!({ "messages": messages, "temperature": 0, "max_tokens": 20 }));
    assert_eq!(text(&response), content(&completion));

    let error = try_respond(&mut model, &next, None).unwrap_err();
    let body = error.body().error;
    assert_eq!((error.status(), body.code.as_deref()), (400, Some("previous_response_not_found")));
    assert_eq!(body.param.as_deref(), Some("previous_response_id"));
    let error = KeptResponse::missing("resp_1");
    assert_eq!((error.status(), error.param()), (404, Some("response_id")));
}

#[test]
fn a_response_that_cannot_begin_has_no_events() {
    let mut model = model();
    let codec = codec(&model);
    let long = body(json!({ "input": "word ".repeat(1100), "stream": true }));
    let mut job = ResponseJob::new(&codec, &long, &[], meta(), &Processors::new()).unwrap();
    let listener = Listener::default();
    let error = block_on(job.run(&mut model, &listener)).unwrap_err();
    assert_eq!(error.body().error.code.as_deref(), Some("context_length_exceeded"));
    assert!(!job.fail("it is too long", &listener) && listener.chunks.borrow().is_empty());
    assert_eq!(job.kept(), None);
}
