//! Requests to the demo model: every field does what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::cell::RefCell;
use std::rc::Rc;

use crate::common::{Listener, chat, content, language, load_onto, meta, model, stream, try_chat};
use parlance_api::{Job, LogitProcessor, Processors};
use parlance_engine::runtime::{Device, Gpu, GpuOptions};
use pollster::block_on;
use serde_json::{Value, json};

const QUESTION: &str = "What is the capital of France?";

fn body(more: Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": QUESTION }], "temperature": 0, "max_tokens": 12 });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}

#[test]
fn a_response_has_openai_s_form_and_its_usage_adds_up() {
    let mut model = model();
    model.reset();
    let response = chat(&mut model, &body(json!({})));
    assert_eq!(content(&response), "The capital of France is Paris.");
    assert_eq!(response["id"], "chatcmpl-0000000000000007");
    assert_eq!(response["object"], "chat.completion");
    assert_eq!(response["model"], "demo");
    assert_eq!(response["choices"][0]["finish_reason"], "stop");
    assert_eq!(response["choices"][0]["message"]["role"], "assistant");
    let usage = &response["usage"];
    let number = |path: &str| usage.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {usage}"));
    assert!(number("/completion_tokens") > 5.0);
    let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 0);
    assert!(number("/extra/prefill_tokens_per_s") > 0.0 && number("/extra/decode_tokens_per_s") > 0.0);
    let first = number("/extra/time_to_first_token_s");
    assert!(first > 0.0 && first <= number("/extra/e2e_latency_s"));

    // Asked again, the prompt is in the cache but for its last token.
    let usage = chat(&mut model, &body(json!({})))["usage"].clone();
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"].as_u64().unwrap() - 1);
}

#[test]
fn chunks_add_up_to_the_whole_answer() {
    let mut model = model();
    let chunks =
        stream(&mut model, &body(json!({ "stream": true, "stream_options": { "include_usage": true } })), None);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "The capital of France is Paris.");
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == chunks[0]["id"]));
    let [.., end, usage] = chunks.as_slice() else { panic!("{chunks:?}") };
    assert_eq!(end["choices"][0]["finish_reason"], "stop");
    assert_eq!(usage["choices"], json!([]));
    assert!(usage["usage"]["completion_tokens"].as_u64() > Some(5));

    let aborted = stream(&mut model, &body(json!({ "stream": true })), Some(1));
    assert_eq!(aborted.last().unwrap()["choices"][0]["finish_reason"], "abort");
    assert!(aborted.len() < chunks.len());
}

#[test]
fn limits_stop_texts_and_continuation_shape_an_answer() {
    let mut model = model();
    let short = chat(&mut model, &body(json!({ "max_completion_tokens": 3 })));
    assert_eq!(content(&short), "The capital of");
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    assert_eq!(short["usage"]["completion_tokens"], 3);

    // “ce is P” spans four tokens.
    let stopped = chat(&mut model, &body(json!({ "stop": ["zzz", "ce is P"] })));
    assert_eq!(content(&stopped), "The capital of Fran");
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");

    let messages = json!([
        { "role": "user", "content": QUESTION },
        { "role": "assistant", "content": "The capital of France" },
    ]);
    let continued = chat(&mut model, &body(json!({ "messages": messages, "continue_final_message": true })));
    assert_eq!(content(&continued), " is Paris.");

    let parts = json!([{ "role": "user", "content": [{ "type": "text", "text": QUESTION }] }]);
    assert_eq!(content(&chat(&mut model, &body(json!({ "messages": parts })))), "The capital of France is Paris.");
}

#[test]
fn seeds_choices_and_bias_do_what_they_say() {
    let mut model = model();
    let warm = |more: Value| {
        let mut body = body(json!({ "temperature": 1.5, "seed": 11 }));
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        body
    };
    let first = chat(&mut model, &warm(json!({})));
    assert_eq!(content(&first), content(&chat(&mut model, &warm(json!({})))), "the same seed");
    let three = chat(&mut model, &warm(json!({ "n": 3 })));
    let texts: Vec<_> = three["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["message"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(texts[0], content(&first), "the first choice is the only one's");
    assert!(texts.len() == 3 && texts[0] != texts[1] && texts[1] != texts[2], "{texts:?}");

    let tokens = model.chat().tokenizer().encode("The").unwrap();
    let banned = chat(&mut model, &body(json!({ "logit_bias": { tokens[0].to_string(): -100 } })));
    assert!(!content(&banned).starts_with("The"), "{banned}");
    let unknown = try_chat(&mut model, &body(json!({ "logit_bias": { "4000000000": 1 } })));
    assert!(unknown.is_err());
}

#[test]
fn what_is_predicted_is_verified_and_told_and_changes_nothing() {
    let mut model = model();
    let guessed = |response: &Value| {
        let details = &response["usage"]["completion_tokens_details"];
        ["accepted_prediction_tokens", "rejected_prediction_tokens"].map(|name| details[name].as_u64().unwrap())
    };
    let counted = "one, two, three, four, five, six, seven, eight, nine, ten, one, two,";
    let messages = json!([
        { "role": "user", "content": "Count to ten, again and again." },
        { "role": "assistant", "content": counted },
    ]);
    let ask = |more: Value| {
        let mut body =
            json!({ "messages": messages, "continue_final_message": true, "max_tokens": 20, "temperature": 0 });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        body
    };
    let plain = chat(&mut model, &ask(json!({})));
    assert_eq!(guessed(&plain), [0, 0]);
    let looked_up = chat(&mut model, &ask(json!({ "prompt_lookup": true })));
    assert_eq!(content(&looked_up), content(&plain));
    assert!(guessed(&looked_up)[0] >= 3, "{looked_up}");
    // An array of parts, whose text goes on otherwise after each number.
    let text = format!("{counted}{}", content(&plain)).replace(',', ", and");
    let prediction = json!({ "type": "content", "content": [{ "type": "text", "text": text }] });
    let predicted = chat(&mut model, &ask(json!({ "prediction": prediction })));
    assert_eq!(content(&predicted), content(&plain));
    assert!(guessed(&predicted)[0] > 0, "{predicted}");

    for (prediction, param) in [
        (json!({ "type": "text", "content": "a" }), "prediction.type"),
        (json!({ "type": "content", "content": 3 }), "prediction.content"),
        (json!({ "type": "content" }), "prediction"),
    ] {
        let error = try_chat(&mut model, &body(json!({ "prediction": prediction }))).unwrap_err();
        assert_eq!(error.param(), Some(param), "{error}");
    }
}

#[test]
fn log_probabilities_tell_the_token_and_its_rivals() {
    let mut model = model();
    let response = chat(&mut model, &body(json!({ "logprobs": true, "top_logprobs": 3 })));
    assert_eq!(content(&response), "The capital of France is Paris.", "steps and the free loop agree");
    let tokens = response["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(tokens.len() as u64, response["usage"]["completion_tokens"].as_u64().unwrap());
    for token in tokens {
        let top = token["top_logprobs"].as_array().unwrap();
        let logprob = |value: &Value| value["logprob"].as_f64().unwrap();
        assert_eq!(top.len(), 3);
        assert_eq!(top[0]["token"], token["token"], "greedy takes the likeliest");
        assert!(
            logprob(&top[0]) >= logprob(&top[1]) && logprob(&top[1]) >= logprob(&top[2]) && logprob(&top[0]) <= 0.0
        );
    }
    let texts: String = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(texts, "The capital of France is Paris.");
}

#[test]
fn text_completions_continue_prompts() {
    let mut model = model();
    let complete = |model: &mut _, body: Value| {
        let language = language(model);
        let mut job = Job::completion(&language, &body, meta(), &Processors::new()).unwrap();
        block_on(job.run(model, &Listener::default())).unwrap().unwrap()
    };
    let prompts = json!(["One, two, three,", "The sun rises in the"]);
    let response = complete(
        &mut *model,
        json!({ "prompt": prompts, "temperature": 0, "max_tokens": 4, "echo": true, "logprobs": 1 }),
    );
    assert_eq!(response["object"], "text_completion");
    let texts: Vec<_> =
        response["choices"].as_array().unwrap().iter().map(|choice| choice["text"].as_str().unwrap()).collect();
    assert!(texts[0].starts_with("One, two, three, four"), "{texts:?}");
    assert!(texts[1].starts_with("The sun rises in the"), "{texts:?}");
    assert_eq!(response["choices"][1]["index"], 1);
    assert_eq!(response["choices"][0]["logprobs"]["tokens"].as_array().unwrap().len(), 4);
    let default = complete(&mut *model, json!({ "prompt": "Once upon a time", "temperature": 0 }));
    assert_eq!(default["usage"]["completion_tokens"], 16);
}

#[test]
fn a_prompt_that_is_too_long_names_the_limit_and_one_that_fills_the_context_ends_by_length() {
    let mut model = model();
    let long = "word ".repeat(1100);
    let error = try_chat(&mut model, &body(json!({ "messages": [{ "role": "user", "content": long }] }))).unwrap_err();
    assert_eq!(error.status(), 400);
    assert_eq!(error.body().error.code.as_deref(), Some("context_length_exceeded"));
    assert!(error.to_string().contains("1024"), "{error}");

    let nearly = "word ".repeat(980);
    let messages = json!([{ "role": "user", "content": nearly }]);
    let response = chat(
        &mut model,
        &body(json!({ "messages": messages, "max_tokens": null, "logit_bias": { "2": -100, "0": -100 } })),
    );
    assert_eq!(response["choices"][0]["finish_reason"], "length");
    assert_eq!(response["usage"]["total_tokens"], 1025, "the last token is not fed any more");
}

/// Allows one token only, and notes what it saw.
struct Only(u32, Rc<RefCell<Vec<usize>>>);

impl LogitProcessor for Only {
    fn process(&mut self, tokens: &[u32], logits: &mut [f32]) {
        self.1.borrow_mut().push(tokens.len());
        logits.iter_mut().enumerate().for_each(|(id, logit)| {
            if id as u32 != self.0 {
                *logit = -1e9;
            }
        });
    }
}

#[test]
fn a_logit_processor_is_found_by_name_and_decides() {
    let mut model = model();
    let token = model.chat().tokenizer().encode(" ha").unwrap()[0];
    let seen = Rc::new(RefCell::new(Vec::new()));
    let own = Rc::clone(&seen);
    let mut processors = Processors::new();
    processors.insert("only".to_owned(), Box::new(move || Box::new(Only(token, Rc::clone(&own)))));
    let language = language(&model);
    let request = body(json!({ "logit_processor": "only", "max_tokens": 3 }));
    let mut job = Job::chat(&language, &request, meta(), &processors).unwrap();
    let response = block_on(job.run(&mut model, &Listener::default())).unwrap().unwrap();
    assert_eq!(content(&response), " ha ha ha");
    assert_eq!(*seen.borrow(), [0, 1, 2]);
    let error = Job::chat(&language, &request, meta(), &Processors::new()).err().unwrap();
    assert_eq!(error.param(), Some("logit_processor"));
}

/// Loses the device after some chunks.
struct Saboteur<'a>(&'a Listener, wgpu::Device);
impl parlance_api::Control for Saboteur<'_> {
    fn prefilling(&self, _: usize, _: usize) {}
    fn chunk(&self, chunk: Value) {
        self.0.chunk(chunk);
        if self.0.chunks.borrow().len() == 2 {
            self.1.destroy();
        }
    }
    async fn stopped(&self) {
        std::future::pending::<()>().await;
    }
}

#[test]
fn an_answer_goes_on_with_another_model_where_the_first_was_lost() {
    let device: Device = block_on(Gpu::new(GpuOptions::default())).unwrap().into();
    let mut first = load_onto(device);
    let language = language(&first);
    let request = body(json!({ "stream": true, "temperature": 1.2, "seed": 5 }));
    let whole: String = stream(&mut first, &request, None)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();

    let listener = Listener::default();
    let mut job = Job::chat(&language, &request, meta(), &Processors::new()).unwrap();
    let device = first.device().gpu().unwrap().device().clone();
    first.reset();
    let lost = block_on(job.run(&mut first, &Saboteur(&listener, device)));
    assert!(matches!(lost, Err(parlance_api::RequestError::Engine(parlance_engine::EngineError::Gpu(_)))), "{lost:?}");
    drop(first);
    let mut second = load_onto(block_on(Gpu::new(GpuOptions::default())).unwrap().into());
    block_on(job.run(&mut second, &listener)).unwrap();
    let chunks = listener.chunks.into_inner();
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, whole);
    assert_eq!(chunks.iter().filter(|chunk| chunk["choices"][0]["delta"]["role"] == "assistant").count(), 1);
}
