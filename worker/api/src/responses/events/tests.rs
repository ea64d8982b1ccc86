use parlance_protocol::openai::ResponseRequest;
use serde_json::{Value, json};

use super::*;
use crate::chunks::to_json;
use crate::meta::Meta;
use crate::responses::request;

/// A translator of the response to this request.
fn translator(body: &Value) -> Translator {
    let meta = Meta { random: 7, created: 100, model: "demo".to_owned() };
    let request: ResponseRequest = crate::parse::read(body).unwrap_or_else(|error| panic!("{error}"));
    Translator::new(request::response(request, &meta), meta.random, meta.created)
}

fn chunk(delta: Value, finish: Option<&str>) -> ChatChunk {
    let choices = json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]);
    read_chunk(&json!({ "id": "", "object": "", "created": 0, "model": "", "choices": choices }))
}

fn read_chunk(chunk: &Value) -> ChatChunk {
    serde_json::from_value(chunk.clone()).unwrap_or_else(|error| panic!("{error}: {chunk}"))
}

/// The events of these chunks.
fn events(mut translator: Translator, chunks: impl IntoIterator<Item = ChatChunk>) -> Vec<Value> {
    chunks.into_iter().for_each(|chunk| translator.push(chunk));
    translator.end(3);
    translator.take_events().iter().map(to_json).collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()?.strip_prefix("response.")).collect()
}

fn output(events: &[Value]) -> &Value {
    events.last().map_or(&Value::Null, |event| &event["response"]["output"])
}

/// Chunks with reasoning, text and two calls, and the events that the published types of `OpenAI`'s client describe.
#[test]
fn events_have_the_published_form() {
    let fixture: Value = serde_json::from_str(include_str!("../../../tests/api/fixtures/response_events.json"))
        .unwrap_or_else(|error| panic!("{error}"));
    let chunks = fixture["chunks"].as_array().into_iter().flatten().map(read_chunk);
    let events = events(translator(&fixture["request"]), chunks);
    let expected: Vec<_> = fixture["events"].as_array().into_iter().flatten().collect();
    for (event, expected) in events.iter().zip(&expected) {
        assert_eq!(event, *expected);
    }
    assert_eq!(events.len(), expected.len());
}

#[test]
fn a_summary_takes_the_place_of_reasoning_where_it_is_requested() {
    let body = json!({ "input": "Hi", "reasoning": { "effort": "low", "summary": "auto" } });
    let chunks = [
        chunk(json!({ "role": "assistant", "content": "", "reasoning_content": "Well, " }), None),
        chunk(json!({ "reasoning_content": "hm." }), None),
        chunk(json!({ "content": "Hello!" }), None),
        chunk(json!({}), Some("stop")),
    ];
    let events = events(translator(&body), chunks);
    let expected = "created in_progress output_item.added reasoning_summary_part.added \
        reasoning_summary_text.delta reasoning_summary_text.delta reasoning_summary_text.done \
        reasoning_summary_part.done output_item.done output_item.added content_part.added output_text.delta \
        output_text.done content_part.done output_item.done completed";
    assert_eq!(kinds(&events).join(" "), expected);
    let item = &output(&events)[0];
    assert_eq!(item["summary"], json!([{ "type": "summary_text", "text": "Well, hm." }]));
    assert_eq!(item.get("content"), None);
}

#[test]
fn the_response_does_not_depend_on_how_its_text_is_split() {
    let parts = [
        ("reasoning_content", "Thinking."),
        ("content", "One text."),
        ("reasoning_content", "More."),
        ("content", "Two"),
    ];
    let whole = parts.map(|(key, text)| chunk(json!({ key: text }), None));
    let letters =
        parts.iter().flat_map(|(key, text)| text.chars().map(move |c| chunk(json!({ *key: c.to_string() }), None)));
    let end = || chunk(json!({}), Some("stop"));
    let whole = events(translator(&json!({ "input": "Hi" })), whole.into_iter().chain([end()]));
    let letters = events(translator(&json!({ "input": "Hi" })), letters.chain([end()]));
    assert_eq!(whole.last().map(|event| &event["response"]), letters.last().map(|event| &event["response"]));
    assert_eq!(output(&whole).as_array().map(Vec::len), Some(4));
    let added: String = letters.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(added, "Thinking.One text.More.Two");
    let numbers: Vec<_> = letters.iter().map(|event| event["sequence_number"].as_u64()).collect();
    assert_eq!(numbers, (0..letters.len() as u64).map(Some).collect::<Vec<_>>());
}

#[test]
fn responses_end_as_their_answers_do() {
    let cases = [
        ("stop", "completed", "completed", "completed", Value::Null),
        ("length", "incomplete", "incomplete", "incomplete", json!({ "reason": "max_output_tokens" })),
        ("abort", "incomplete", "cancelled", "incomplete", Value::Null),
    ];
    for (finish, event, status, item_status, details) in cases {
        let chunks = [chunk(json!({ "content": "A" }), None), chunk(json!({}), Some(finish))];
        let events = events(translator(&json!({ "input": "Hi" })), chunks);
        assert_eq!(kinds(&events).last(), Some(&event));
        let response = events.last().map_or(&Value::Null, |event| &event["response"]);
        assert_eq!((&response["status"], &response["incomplete_details"]), (&json!(status), &details));
        assert_eq!(response["output"][0]["status"], item_status);
        assert_eq!(response["completed_at"], if finish == "stop" { json!(103) } else { Value::Null });
    }
}

#[test]
fn an_answer_without_text_is_an_empty_message() {
    let events = events(translator(&json!({ "input": "Hi" })), [chunk(json!({ "content": "" }), Some("stop"))]);
    let expected = "created in_progress output_item.added content_part.added output_text.done content_part.done \
        output_item.done completed";
    assert_eq!(kinds(&events).join(" "), expected);
    assert_eq!(output(&events)[0]["content"][0]["text"], "");
}

#[test]
fn a_failure_ends_what_has_begun() {
    let mut translator = translator(&json!({ "input": "Hi" }));
    assert!(!translator.has_begun());
    translator.push(chunk(json!({ "content": "A" }), None));
    translator.fail("the GPU failed");
    let events: Vec<Value> = translator.take_events().iter().map(to_json).collect();
    assert_eq!(kinds(&events)[5..], ["output_text.done", "content_part.done", "output_item.done", "failed"]);
    let response = &events[8]["response"];
    assert_eq!(response["error"], json!({ "code": "server_error", "message": "the GPU failed" }));
    assert_eq!((&response["status"], &response["output"][0]["status"]), (&json!("failed"), &json!("incomplete")));
}

#[test]
fn log_probabilities_wait_for_their_text() {
    let logprobs =
        |token: &str| json!({ "content": [{ "token": token, "logprob": -0.5, "bytes": [65], "top_logprobs": [] }] });
    let with_logprobs = |delta: Value, token: &str| {
        let choices = json!([{ "index": 0, "delta": delta, "logprobs": logprobs(token), "finish_reason": null }]);
        read_chunk(&json!({ "id": "", "object": "", "created": 0, "model": "", "choices": choices }))
    };
    let chunks = [
        with_logprobs(json!({ "reasoning_content": "Hm" }), "Hm"),
        with_logprobs(json!({}), "A"),
        with_logprobs(json!({ "content": "AB" }), "B"),
        with_logprobs(json!({}), "C"),
        chunk(json!({}), Some("stop")),
    ];
    let events = events(translator(&json!({ "input": "Hi" })), chunks);
    let tokens = |value: &Value| {
        let tokens = value["logprobs"].as_array().into_iter().flatten().filter_map(|entry| entry["token"].as_str());
        tokens.collect::<String>()
    };
    let delta = events.iter().find(|event| event["type"] == "response.output_text.delta");
    assert_eq!(delta.map(tokens).as_deref(), Some("AB"));
    assert_eq!(tokens(&output(&events)[1]["content"][0]), "ABC");
}
