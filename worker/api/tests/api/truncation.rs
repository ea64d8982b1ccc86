//! Conversations that exceed the context length. Most requests are only parsed, because that determines what is dropped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::rc::Rc;

use crate::common::{Listener, meta, model, streamed_content, with_fields};
use parlance_api::{ChatCodec, Job, Processors, RequestError};
use parlance_engine::EngineError;
use parlance_engine::runtime::Model;
use pollster::block_on;
use serde_json::{Value, json};

/// A request with this conversation and context length.
fn job(model: &Model, context_tokens: u32, messages: &[Value], fields: Value) -> Result<Job, RequestError> {
    let codec = Rc::new(ChatCodec::new(model.chat_handle(), context_tokens));
    let body = json!({ "messages": messages, "truncation": "auto", "temperature": 0, "max_tokens": 1 });
    Job::chat(&codec, &with_fields(body, fields), meta(), &Processors::new())
}

/// The response to such a request.
fn answer(model: &mut Model, context_tokens: u32, messages: &[Value], fields: Value) -> Value {
    let mut job = job(model, context_tokens, messages, fields).unwrap();
    block_on(job.run(model, &Listener::default())).unwrap().unwrap()
}

fn message(role: &str, content: &str) -> Value {
    json!({ "role": role, "content": content })
}

/// A system prompt, some questions with answers, and a last question.
fn conversation(turns: usize) -> Vec<Value> {
    let mut messages = vec![message("system", "Answer in one word.")];
    for turn in 0..turns {
        messages.push(message("user", &format!("Is {turn} a number that you have heard of?")));
        messages.push(message("assistant", "Yes."));
    }
    messages.push(message("user", "What is the capital of France?"));
    messages
}

#[test]
fn the_oldest_turns_are_dropped_and_the_system_prompt_and_the_last_question_stay() {
    let mut model = model();
    let messages = conversation(20);
    let response = answer(&mut model, 200, &messages, json!({}));
    let dropped = response["dropped_messages"].as_u64().unwrap();
    assert!(dropped >= 2 && dropped.is_multiple_of(2) && dropped < 40, "{dropped}");
    let prompt_tokens = response["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!((100..200).contains(&prompt_tokens), "{prompt_tokens}");

    // The prompt is the same as if only the rest had been sent, so all of it is in the KV cache.
    let rest = [&messages[..1], &messages[1 + dropped as usize..]].concat();
    let usage = answer(&mut model, 1000, &rest, json!({ "truncation": "disabled" }))["usage"].clone();
    assert_eq!(usage["prompt_tokens"], prompt_tokens);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], prompt_tokens - 1);

    // If everything fits, nothing is dropped, and the field is absent.
    let response = answer(&mut model, 1000, &messages[..5], json!({}));
    assert_eq!(response.get("dropped_messages"), None);
}

#[test]
fn the_first_chunk_has_the_number_of_dropped_messages_and_partial_answers_continue() {
    let mut model = model();
    let mut messages = conversation(20);
    messages.push(message("assistant", "The capital of France is"));
    let fields = json!({ "stream": true, "continue_final_message": true, "max_tokens": 2 });
    let mut job = job(&model, 200, &messages, fields).unwrap();
    let listener = Listener::default();
    block_on(job.run(&mut model, &listener)).unwrap();
    let chunks = listener.chunks.into_inner();
    assert_eq!(chunks[0]["dropped_messages"], job.dropped_messages());
    assert!(job.dropped_messages() > 0);
    assert!(chunks[1..].iter().all(|chunk| chunk.get("dropped_messages").is_none()), "{chunks:?}");
    let text = streamed_content(&chunks);
    assert!(text.contains("Paris"), "{text}");
}

#[test]
fn several_turns_in_a_row_drop_the_same_messages() {
    let model = model();
    let dropped: Vec<u32> =
        (1..50).map(|turns| job(&model, 300, &conversation(turns), json!({})).unwrap().dropped_messages()).collect();
    assert_eq!(dropped[0], 0);
    assert!(dropped.is_sorted() && dropped[48] > 40, "{dropped:?}");
    let mut steps = dropped.clone();
    steps.dedup();
    assert!((3..20).contains(&steps.len()), "the KV cache would rarely be reused: {dropped:?}");
}

#[test]
fn room_is_reserved_for_the_token_limit_or_a_quarter_of_the_context() {
    let model = model();
    // There is room for a short answer, but not for a quarter of the context.
    let nearly =
        (1..50).take_while(|turns| job(&model, 400, &conversation(*turns), json!({})).unwrap().dropped_messages() == 0);
    let messages = conversation(nearly.last().unwrap());
    assert!(job(&model, 400, &messages, json!({ "max_tokens": null })).unwrap().dropped_messages() > 0);
}

#[test]
fn calls_and_their_results_stay_together() {
    let model = model();
    let mut messages = Vec::new();
    for turn in 0..12 {
        let id = format!("call_{turn}");
        let function = json!({ "name": "get_weather", "arguments": "{\"city\":\"Paris\"}" });
        let calls = json!([{ "id": id, "type": "function", "function": function }]);
        messages.push(message("user", "What is the weather in Paris?"));
        messages.push(json!({ "role": "assistant", "content": null, "tool_calls": calls }));
        messages.push(json!({ "role": "tool", "tool_call_id": id, "content": "Sunny." }));
        messages.push(message("assistant", "It is sunny."));
    }
    messages.push(message("user", "And now?"));
    for context_tokens in [250, 300, 350, 400] {
        let dropped = job(&model, context_tokens, &messages, json!({})).unwrap().dropped_messages();
        assert!(dropped > 0 && dropped.is_multiple_of(4), "{dropped} in {context_tokens}");
    }
}

#[test]
fn a_last_question_that_is_too_long_is_rejected_with_its_length() {
    let model = model();
    let mut messages = conversation(5);
    messages.push(message("assistant", "Paris."));
    messages.push(message("user", &"word ".repeat(300)));
    let error = job(&model, 200, &messages, json!({})).err().unwrap();
    let RequestError::QuestionTooLong { prompt_tokens, context_tokens: 200 } = error else { panic!("{error}") };
    assert!((300..400).contains(&prompt_tokens), "older turns are not counted: {prompt_tokens}");
    assert_eq!(error.status(), 400);
    let body = error.body().error;
    assert_eq!((body.param.as_deref(), body.code.as_deref()), (Some("messages"), Some("context_length_exceeded")));

    // A partial answer that fills the context cannot be continued.
    let messages = [message("user", "Count."), message("assistant", &"word ".repeat(300))];
    let error = job(&model, 200, &messages, json!({ "continue_final_message": true })).err().unwrap();
    assert!(matches!(error, RequestError::QuestionTooLong { .. }), "{error}");
}

#[test]
fn without_truncation_conversations_that_do_not_fit_are_rejected() {
    let mut model = model();
    for truncation in [json!("disabled"), Value::Null] {
        let mut job = job(&model, 1024, &conversation(120), json!({ "truncation": truncation })).unwrap();
        assert_eq!(job.dropped_messages(), 0);
        let error = block_on(job.run(&mut model, &Listener::default())).unwrap_err();
        assert!(matches!(error, RequestError::Engine(EngineError::ContextOverflow { .. })), "{error}");
    }
}
