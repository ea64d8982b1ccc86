//! Answers are those of the jobs that also run in a browser's tab.

use std::future::pending;
use std::io::Cursor;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, RgbImage};
use parlance_api::{ChatCodec, Control, EmbeddingJob, Job, Meta, Processors, RequestError};
use parlance_engine::runtime::{Cpu, Loaded, Loader, LoaderOptions};
use parlance_tests::hearing::{recording, wav};
use parlance_tests::seeing::{picture, seeing_model, top_log_probs};
use pollster::block_on;
use serde_json::{Value, json};

use crate::process::{LISTENING, SEEING, Server, TINY, TINY_ENCODER, tiny_file};

/// Collects nothing and never stops.
struct Unheard;

impl Control for Unheard {
    fn prefilling(&self, _done: usize, _total: usize) {}

    fn chunk(&self, _chunk: Value) {}

    async fn stopped(&self) {
        pending::<()>().await;
    }
}

fn load(name: &str) -> Loaded {
    let bytes = std::fs::read(tiny_file(name)).unwrap();
    block_on(async {
        let options = LoaderOptions { context_tokens: Some(1024), ..LoaderOptions::default() };
        let mut loader = Loader::new(Cpu::blocking(), options);
        loader.push(&bytes).await.unwrap();
        loader.finish_any().await.unwrap()
    })
}

fn meta(model: &str) -> Meta {
    Meta { random: 7, created: 7, model: model.to_owned() }
}

/// A response without what differs each time, as a client reads it: numbers are rounded on the way.
fn comparable(response: &Value) -> Value {
    let mut response: Value = serde_json::from_str(&response.to_string()).unwrap();
    for field in ["id", "created"] {
        response.as_object_mut().unwrap().remove(field);
    }
    if let Some(usage) = response["usage"].as_object_mut() {
        usage.remove("extra");
    }
    for call in response["choices"][0]["message"]["tool_calls"].as_array_mut().into_iter().flatten() {
        call.as_object_mut().unwrap().remove("id");
    }
    response
}

fn question() -> Value {
    json!([{ "role": "user", "content": "What is the capital of France?" }])
}

fn tools() -> Value {
    let city = json!({ "type": "string", "maxLength": 12 });
    let parameters = json!({ "type": "object", "properties": { "city": city }, "required": ["city"], "additionalProperties": false });
    json!([{ "type": "function", "function": { "name": "look_up", "parameters": parameters } }])
}

fn bodies() -> Vec<(&'static str, Value)> {
    let chat = "/v1/chat/completions";
    let city =
        json!({ "type": "object", "properties": { "city": { "enum": ["Paris", "Rome"] } }, "required": ["city"] });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "city", "schema": city } });
    let image = json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "x" } }] }]);
    let long = json!([{ "role": "user", "content": "word ".repeat(2000) }]);
    vec![
        (chat, json!({ "messages": question(), "temperature": 0, "max_tokens": 20 })),
        (chat, json!({ "messages": question(), "seed": 3, "n": 2, "max_tokens": 12 })),
        (
            chat,
            json!({ "messages": question(), "temperature": 0, "max_tokens": 4, "logprobs": true, "top_logprobs": 2 }),
        ),
        (chat, json!({ "messages": question(), "temperature": 0, "response_format": format })),
        (
            chat,
            json!({ "messages": question(), "seed": 1, "max_tokens": 80, "tools": tools(), "tool_choice": "required" }),
        ),
        ("/v1/completions", json!({ "prompt": "One, two, three,", "temperature": 0, "max_tokens": 4 })),
        // Errors:
        (chat, json!({ "messages": [] })),
        (chat, json!({ "messages": question(), "temperature": 9 })),
        (chat, json!({ "messages": question(), "temperature": "warm" })),
        (chat, json!({ "messages": image })),
        (chat, json!({ "messages": long })),
        (chat, json!({ "messages": question(), "logit_processor": "none" })),
        (chat, json!(["no object"])),
        ("/v1/completions", json!({ "prompt": 5 })),
    ]
}

#[test]
fn a_draft_model_answers_as_the_model_alone() {
    let (alone, drafting) = (Server::start_tiny(&[]), Server::start_drafting());
    let body = json!({ "model": TINY, "messages": question(), "temperature": 0, "max_tokens": 20 });
    let [plain, drafted] = [&alone, &drafting].map(|server| server.post("/v1/chat/completions", &body).json());
    assert_eq!(plain["choices"], drafted["choices"]);
    let accepted = |response: &Value| {
        response["usage"]["completion_tokens_details"]["accepted_prediction_tokens"].as_u64().unwrap()
    };
    assert!(accepted(&plain) == 0 && accepted(&drafted) > 0, "{drafted}");
    let models = drafting.client.get("/v1/models").json();
    assert_eq!(models["data"].as_array().unwrap().len(), 1, "the draft model is none of its own: {models}");
}

#[test]
fn they_are_equal_whole_or_streamed_and_so_are_errors() {
    let server = Server::start_tiny(&[]);
    check_bodies(&server);
    check_streams(&server);
    check_responses(&server);
    check_models(&server);
}

fn check_bodies(server: &Server) {
    let Loaded::Decoder(mut model) = load(TINY) else { panic!("it is a chat model") };
    let codec = Rc::new(ChatCodec::new(model.chat_handle(), model.context_tokens()));
    for (path, body) in bodies() {
        let processors = Processors::new();
        let job = match path {
            "/v1/completions" => Job::completion(&codec, &body, meta(TINY), &processors),
            _ => Job::chat(&codec, &body, meta(TINY), &processors),
        };
        let expected = job.and_then(|mut job| block_on(job.run(&mut model, &Unheard)));
        let reply = server.post(path, &body);
        match expected {
            Ok(expected) => {
                assert_eq!(reply.status, 200, "{body}: {reply:?}");
                assert_eq!(comparable(&reply.json()), comparable(&expected.unwrap()), "{body}");
            }
            Err(error) => {
                let failure = error.failure();
                assert_eq!((reply.status, reply.json()), (failure.status, json!({ "error": failure.error })), "{body}");
                assert_eq!(reply.status, 400, "{body}");
            }
        }
    }
}

/// Streams have the same text.
fn check_streams(server: &Server) {
    let body = json!({ "messages": question(), "temperature": 0, "max_tokens": 20 });
    let whole = server.post("/v1/chat/completions", &body).json();
    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    streamed["stream_options"] = json!({ "include_usage": true });
    let reply = server.post("/v1/chat/completions", &streamed);
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/event-stream"));
    assert!(reply.body.ends_with("data: [DONE]\n\n"), "{}", reply.body);
    let events = reply.events();
    let text: String = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(json!(text), whole["choices"][0]["message"]["content"]);
    assert_eq!(text.len(), 20, "a letter for each token");
    let usage = &events.last().unwrap()["usage"];
    assert_eq!(usage["completion_tokens"], whole["usage"]["completion_tokens"]);
    // An error before the first chunk is a response, as without a stream.
    streamed["temperature"] = json!(9);
    let reply = server.post("/v1/chat/completions", &streamed);
    assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_value"));
}

/// Responses, whole or streamed. `responses.rs` has what is kept of them.
fn check_responses(server: &Server) {
    let body = json!({ "input": "What is the capital of France?", "temperature": 0, "max_output_tokens": 20 });
    let whole = server.post("/v1/responses", &body).json();
    assert_eq!((&whole["status"], &whole["store"]), (&json!("incomplete"), &json!(true)), "{whole}");
    assert_eq!(whole["output"][0]["content"][0]["text"].as_str().map(str::len), Some(20), "{whole}");
    let mut streamed = body;
    streamed["stream"] = json!(true);
    let reply = server.post("/v1/responses", &streamed);
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/event-stream"));
    assert!(reply.body.starts_with("event: response.created\ndata: ") && !reply.body.contains("[DONE]"), "{reply:?}");
    let events = reply.events();
    let end = events.last().unwrap();
    assert_eq!(end["type"], "response.incomplete");
    assert_eq!(end["response"]["output"][0]["content"], whole["output"][0]["content"]);
}

/// A request's model is the one that it names, or the last of its kind.
fn check_models(server: &Server) {
    let list = server.client.get("/v1/models").json();
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(names, [TINY, TINY_ENCODER]);
    assert_eq!(list["data"][0]["context_length"], 1024);
    assert_eq!(list["data"][1]["capabilities"], json!(["embeddings"]));
    assert_eq!(server.client.get(&format!("/v1/models/{TINY_ENCODER}")).json(), list["data"][1]);
    let missing = server.client.get("/v1/models/gpt%20x");
    assert_eq!((missing.status, missing.code().as_str()), (404, "model_not_found"));
    assert!(missing.json()["error"]["message"].as_str().unwrap().contains("“gpt x”"), "{missing:?}");

    let Loaded::Encoder(mut encoder) = load(TINY_ENCODER) else { panic!("it is an embedding model") };
    let body = json!({ "input": ["the quick brown fox", "the lazy dog"], "encoding_format": "base64" });
    let mut job = EmbeddingJob::new(&body, meta(TINY_ENCODER)).unwrap();
    while block_on(job.step(&mut encoder)).unwrap() {}
    let expected = job.response();
    for name in [TINY_ENCODER, "text-embedding-3-small"] {
        let mut request = body.clone();
        request["model"] = json!(name);
        let reply = server.post("/v1/embeddings", &request);
        assert_eq!((reply.status, reply.json()), (200, expected.clone()), "{name}");
    }

    // Requests that name a model of another kind.
    let chat = server.post("/v1/chat/completions", &json!({ "model": TINY_ENCODER, "messages": question() }));
    let expected = RequestError::Engine(parlance_engine::EngineError::WrongKind("it is an embedding model")).failure();
    assert_eq!((chat.status, chat.json()), (expected.status, json!({ "error": expected.error })));
    let embedding = server.post("/v1/embeddings", &json!({ "model": TINY, "input": "x" }));
    assert_eq!(embedding.status, 400);
    let rerank = server.post("/v1/rerank", &json!({ "query": "x", "documents": ["y"] }));
    assert_eq!((rerank.status, &rerank.json()["error"]["message"]), (400, &json!("no ranker is loaded; load one")));
}

/// A picture as a PNG file in a data URL.
fn data_url([width, height]: [u32; 2]) -> String {
    let pixels = RgbImage::from_raw(width, height, picture([width, height]).rgb().to_vec()).unwrap();
    let mut file = Cursor::new(Vec::new());
    pixels.write_to(&mut file, ImageFormat::Png).unwrap();
    format!("data:image/png;base64,{}", STANDARD.encode(file.into_inner()))
}

#[test]
fn images_are_seen_as_by_the_engine() {
    let server = Server::start_seeing();
    let models = server.client.get("/v1/models").json();
    assert_eq!(models["data"].as_array().unwrap().len(), 1, "{models}");
    assert_eq!(models["data"][0]["id"], SEEING[0]);
    assert!(models["data"][0]["capabilities"].as_array().unwrap().contains(&json!("vision")), "{models}");

    let question = |url: &str| {
        let image = json!({ "type": "image_url", "image_url": { "url": url } });
        json!([{ "role": "user", "content": [image, { "type": "text", "text": "one" }] }])
    };
    // Without the tokens that end an answer. Log probabilities are the model's own all the same.
    let bias = json!({ "257": -100, "258": -100, "259": -100 });
    let chat = |url: &str| {
        let body = json!({
            "messages": question(url), "temperature": 0, "max_tokens": 1, "logprobs": true, "top_logprobs": 5, "logit_bias": bias,
        });
        server.post("/v1/chat/completions", &body)
    };
    let size = [112, 84];
    let answer = chat(&data_url(size)).json();
    let found = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"].as_array().unwrap();
    let expected = top_log_probs(&seeing_model("gemma3").unwrap(), &[("user", Some(size), "one")]);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found["logprob"].as_f64().unwrap() - expected).abs() < 1e-3, "{found}, not {expected}");
    }
    assert!(answer["usage"]["prompt_tokens_details"]["image_tokens"].as_u64() > Some(4), "{answer}");
    let content =
        json!([{ "type": "input_image", "image_url": data_url(size) }, { "type": "input_text", "text": "one" }]);
    let body = json!({ "input": [{ "role": "user", "content": content }], "temperature": 0, "max_output_tokens": 1 });
    let response = server.post("/v1/responses", &body).json();
    assert_eq!(response["usage"]["input_tokens"], answer["usage"]["prompt_tokens"], "{response}");

    for url in ["https://example.org/picture.png", "data:image/png;base64,AAAA", "data:image/svg+xml;base64,PHN2Zy8+"] {
        let reply = chat(url);
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_value"), "{reply:?}");
        assert_eq!(reply.json()["error"]["param"], "messages[0].content[0].image_url.url");
    }
}

#[test]
fn recordings_in_messages_are_heard() {
    let server = Server::start_listening();
    let models = server.client.get("/v1/models").json();
    assert_eq!(models["data"][0]["id"], LISTENING[0]);
    let capabilities = models["data"][0]["capabilities"].as_array().unwrap();
    assert!(capabilities.contains(&json!("hearing")) && !capabilities.contains(&json!("vision")), "{models}");

    // Without the tokens that end an answer.
    let bias = json!({ "257": -100, "258": -100, "259": -100 });
    let sound = |file: &[u8]| json!({ "data": STANDARD.encode(file), "format": "wav" });
    let chat_with = |server: &Server, part: &Value| {
        let messages = json!([{ "role": "user", "content": [part, { "type": "text", "text": "one" }] }]);
        let body = json!({
            "messages": messages, "temperature": 0, "max_tokens": 1, "logprobs": true, "top_logprobs": 5, "logit_bias": bias,
        });
        server.post("/v1/chat/completions", &body)
    };
    let part = |file: &[u8]| json!({ "type": "input_audio", "input_audio": sound(file) });
    let chat = |file: &[u8]| chat_with(&server, &part(file));
    let log_probs = |answer: &Value| answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"].clone();
    let files = [1.0, 2.0].map(|seconds| wav(&recording(seconds)));
    let [short, long] = [&files[0], &files[1]].map(|file| chat(file).json());
    assert_eq!(short["usage"]["prompt_tokens_details"]["audio_tokens"], 187, "{short}");
    assert_eq!(short["usage"]["prompt_tokens"], long["usage"]["prompt_tokens"], "windows are as long as 30 seconds");
    assert_ne!(log_probs(&short), log_probs(&long), "the answer depends on what is heard");
    let content =
        json!([{ "type": "input_audio", "input_audio": sound(&files[0]) }, { "type": "input_text", "text": "one" }]);
    let body = json!({ "input": [{ "role": "user", "content": content }], "temperature": 0, "max_output_tokens": 1 });
    let response = server.post("/v1/responses", &body).json();
    assert_eq!(response["usage"]["input_tokens"], short["usage"]["prompt_tokens"], "{response}");

    for file in [b"no sound".as_slice(), &files[0][..100], b"ID3"] {
        let reply = chat(file);
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_value"), "{reply:?}");
        assert_eq!(reply.json()["error"]["param"], "messages[0].content[0].input_audio.data");
    }
    let image = json!({ "type": "image_url", "image_url": { "url": data_url([30, 30]) } });
    assert_eq!(chat_with(&server, &image).code(), "images_not_supported");
    let sees = Server::start_seeing();
    let reply = chat_with(&sees, &part(&files[0]));
    assert_eq!((reply.status, reply.code().as_str()), (400, "audio_not_supported"), "{reply:?}");
    assert!(reply.json()["error"]["message"].as_str().unwrap().contains(SEEING[0]), "{reply:?}");
}
