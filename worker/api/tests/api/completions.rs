//! Chat and text completions: the effect of each request field.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::cell::RefCell;
use std::rc::Rc;

use crate::common::{
    Listener, chat, codec, content, load_onto, meta, model, stream, streamed_content, try_chat, with_fields,
};
use parlance_api::{Job, LogitProcessor, Processors};
use parlance_engine::runtime::{Cpu, Device, Gpu, GpuOptions};
use pollster::block_on;
use serde_json::{Value, json};

const QUESTION: &str = "What is the capital of France?";

fn body(fields: Value) -> Value {
    let messages = json!([{ "role": "user", "content": QUESTION }]);
    with_fields(json!({ "messages": messages, "temperature": 0, "max_tokens": 12 }), fields)
}

#[test]
fn responses_have_openai_s_format_and_usage_adds_up() {
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

    // The second time, all of the prompt but its last token is in the KV cache.
    let usage = chat(&mut model, &body(json!({})))["usage"].clone();
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"].as_u64().unwrap() - 1);
}

#[test]
fn chunks_add_up_to_the_whole_answer() {
    let mut model = model();
    let chunks =
        stream(&mut model, &body(json!({ "stream": true, "stream_options": { "include_usage": true } })), None);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(streamed_content(&chunks), "The capital of France is Paris.");
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
fn token_limits_stop_sequences_and_continuation_work() {
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
fn seeds_choices_and_logit_bias_work() {
    let mut model = model();
    let seeded = |fields: Value| with_fields(body(json!({ "temperature": 1.5, "seed": 11 })), fields);
    let first = chat(&mut model, &seeded(json!({})));
    assert_eq!(content(&first), content(&chat(&mut model, &seeded(json!({})))), "the same seed");
    let three = chat(&mut model, &seeded(json!({ "n": 3 })));
    let texts: Vec<_> = three["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["message"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(texts[0], content(&first), "the first of several answers is the same as a single one");
    assert!(texts.len() == 3 && texts[0] != texts[1] && texts[1] != texts[2], "{texts:?}");

    let tokens = model.chat().tokenizer().encode("The").unwrap();
    let banned = chat(&mut model, &body(json!({ "logit_bias": { tokens[0].to_string(): -100 } })));
    assert!(!content(&banned).starts_with("The"), "{banned}");
    let unknown = try_chat(&mut model, &body(json!({ "logit_bias": { "4000000000": 1 } })));
    assert!(unknown.is_err());
}

#[test]
fn drafts_are_verified_and_counted_and_do_not_change_the_answer() {
    let mut model = model();
    let drafts = |response: &Value| {
        let details = &response["usage"]["completion_tokens_details"];
        ["accepted_prediction_tokens", "rejected_prediction_tokens"].map(|name| details[name].as_u64().unwrap())
    };
    let counted = "one, two, three, four, five, six, seven, eight, nine, ten, one, two,";
    let messages = json!([
        { "role": "user", "content": "Count to ten, again and again." },
        { "role": "assistant", "content": counted },
    ]);
    let request = |fields: Value| {
        let body = json!({ "messages": messages, "continue_final_message": true, "max_tokens": 20, "temperature": 0 });
        with_fields(body, fields)
    };
    let plain = chat(&mut model, &request(json!({})));
    assert_eq!(drafts(&plain), [0, 0]);
    let looked_up = chat(&mut model, &request(json!({ "prompt_lookup": true })));
    assert_eq!(content(&looked_up), content(&plain));
    assert!(drafts(&looked_up)[0] >= 3, "{looked_up}");
    // An array of parts, whose text differs from the answer after each number.
    let text = format!("{counted}{}", content(&plain)).replace(',', ", and");
    let prediction = json!({ "type": "content", "content": [{ "type": "text", "text": text }] });
    let predicted = chat(&mut model, &request(json!({ "prediction": prediction })));
    assert_eq!(content(&predicted), content(&plain));
    assert!(drafts(&predicted)[0] > 0, "{predicted}");

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
fn a_draft_model_changes_nothing_but_the_usage() {
    let load = || load_onto(Cpu::blocking().into());
    let mut model = load();
    let drafts = |response: &Value| {
        let details = &response["usage"]["completion_tokens_details"];
        ["accepted_prediction_tokens", "rejected_prediction_tokens"].map(|name| details[name].as_u64().unwrap())
    };
    let requests = [json!({}), json!({ "temperature": 0.8, "seed": 3, "max_tokens": 24 })];
    let plain = requests.clone().map(|fields| chat(&mut model, &body(fields)));
    model.reset();
    // It is always right.
    model.set_draft(load()).unwrap();
    for (fields, plain) in requests.into_iter().zip(&plain) {
        let drafted = chat(&mut model, &body(fields));
        assert_eq!(content(&drafted), content(plain));
        assert_eq!(drafts(plain), [0, 0]);
        assert!(drafts(&drafted)[0] > 0, "{drafted}");
    }
    // The host takes part in each token.
    let stepwise = chat(&mut model, &body(json!({ "logprobs": true })));
    assert_eq!((content(&stepwise), drafts(&stepwise)), (content(&plain[0]), [0, 0]));
}

#[test]
fn log_probabilities_of_tokens_and_alternatives_are_returned() {
    let mut model = model();
    let response = chat(&mut model, &body(json!({ "logprobs": true, "top_logprobs": 3 })));
    assert_eq!(content(&response), "The capital of France is Paris.", "stepwise generation and the decode loop agree");
    assert_eq!(response["choices"][0]["logprobs"].get("refusal"), Some(&Value::Null), "clients expect the field");
    let tokens = response["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(tokens.len() as u64, response["usage"]["completion_tokens"].as_u64().unwrap());
    for token in tokens {
        let top = token["top_logprobs"].as_array().unwrap();
        let logprob = |value: &Value| value["logprob"].as_f64().unwrap();
        assert_eq!(top.len(), 3);
        assert_eq!(top[0]["token"], token["token"], "greedy sampling selects the most likely token");
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
        let codec = codec(model);
        let mut job = Job::completion(&codec, &body, meta(), &Processors::new()).unwrap();
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
fn prompts_that_are_too_long_are_rejected_and_a_full_context_ends_the_answer() {
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
    assert_eq!(response["usage"]["total_tokens"], 1025, "the last token is never put into the context");
}

/// Allows only one token, and records the length of the answer at each call.
struct OnlyToken(u32, Rc<RefCell<Vec<usize>>>);

impl LogitProcessor for OnlyToken {
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
fn logit_processors_are_found_by_name_and_applied() {
    let mut model = model();
    let token = model.chat().tokenizer().encode(" ha").unwrap()[0];
    let lengths = Rc::new(RefCell::new(Vec::new()));
    let recorded = Rc::clone(&lengths);
    let mut processors = Processors::new();
    processors.insert("only".to_owned(), Box::new(move || Box::new(OnlyToken(token, Rc::clone(&recorded)))));
    let codec = codec(&model);
    let request = body(json!({ "logit_processor": "only", "max_tokens": 3 }));
    let mut job = Job::chat(&codec, &request, meta(), &processors).unwrap();
    let response = block_on(job.run(&mut model, &Listener::default())).unwrap().unwrap();
    assert_eq!(content(&response), " ha ha ha");
    assert_eq!(*lengths.borrow(), [0, 1, 2]);
    let error = Job::chat(&codec, &request, meta(), &Processors::new()).err().unwrap();
    assert_eq!(error.param(), Some("logit_processor"));
}

/// Destroys the device after two chunks.
struct LoseDevice<'a>(&'a Listener, wgpu::Device);

impl parlance_api::Control for LoseDevice<'_> {
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
fn an_answer_continues_with_a_new_model_after_the_device_was_lost() {
    let device: Device = block_on(Gpu::new(GpuOptions::default())).unwrap().into();
    let mut first = load_onto(device);
    let codec = codec(&first);
    let request = body(json!({ "stream": true, "temperature": 1.2, "seed": 5 }));
    let whole = streamed_content(&stream(&mut first, &request, None));

    let listener = Listener::default();
    let mut job = Job::chat(&codec, &request, meta(), &Processors::new()).unwrap();
    let device = first.device().gpu().unwrap().device().clone();
    first.reset();
    let lost = block_on(job.run(&mut first, &LoseDevice(&listener, device)));
    assert!(matches!(lost, Err(parlance_api::RequestError::Engine(parlance_engine::EngineError::Gpu(_)))), "{lost:?}");
    drop(first);
    let mut second = load_onto(block_on(Gpu::new(GpuOptions::default())).unwrap().into());
    block_on(job.run(&mut second, &listener)).unwrap();
    let chunks = listener.chunks.into_inner();
    assert_eq!(streamed_content(&chunks), whole);
    assert_eq!(chunks.iter().filter(|chunk| chunk["choices"][0]["delta"]["role"] == "assistant").count(), 1);
}

#[test]
fn a_model_that_sees_nothing_refuses_images_and_says_so() {
    let mut model = model();
    let image = json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } });
    let messages = json!([{ "role": "user", "content": [image, { "type": "text", "text": "What is this?" }] }]);
    let error = try_chat(&mut model, &body(json!({ "messages": messages }))).unwrap_err();
    assert_eq!((error.status(), error.param()), (400, Some("messages")));
    assert_eq!(error.body().error.code.as_deref(), Some("images_not_supported"));
    assert!(error.to_string().starts_with("demo cannot see images"), "{error}");
}
