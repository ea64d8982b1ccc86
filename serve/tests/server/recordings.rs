//! Recordings become the text that the engine hears in them.

use std::sync::LazyLock;

use parlance_tests::hearing::{heard, recording, wav};
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::process::{Server, WHISPER, tiny_file};

const PATH: &str = "/v1/audio/transcriptions";

static RECORDING: LazyLock<Vec<i16>> = LazyLock::new(|| recording(2.0));

/// What the engine hears.
fn texts() -> Vec<String> {
    let segments = heard(&std::fs::read(tiny_file(WHISPER)).unwrap(), &RECORDING).unwrap();
    assert!(!segments.is_empty());
    segments.into_iter().map(|segment| segment.text).collect()
}

/// Sends a form with these fields and a recording.
fn transcribe(client: &Client, path: &str, fields: &[(&str, &str)], file: &[u8]) -> Reply {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes());
    }
    body.extend(b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n");
    body.extend(file);
    body.extend(b"\r\n--x--\r\n");
    client.with("content-type", "multipart/form-data; boundary=x").request("POST", path, &body)
}

#[test]
fn transcripts_are_those_of_the_engine() {
    let server = Server::start_hearing();
    let (client, texts, file) = (&server.client, texts(), wav(&RECORDING));
    let text = texts.concat().trim().to_owned();
    let reply = transcribe(client, PATH, &[("model", "whisper-1")], &file);
    assert_eq!((reply.status, reply.json()["text"].as_str()), (200, Some(text.as_str())), "{reply:?}");
    let reply = transcribe(client, PATH, &[("response_format", "text")], &file);
    assert_eq!((reply.body, reply.status), (format!("{text}\n"), 200));
    let reply = transcribe(client, PATH, &[("response_format", "vtt")], &file);
    assert!(reply.header("content-type").starts_with("text/plain") && reply.body.starts_with("WEBVTT\n"), "{reply:?}");
    let fields = [("stream", "true"), ("response_format", "verbose_json"), ("timestamp_granularities[]", "segment")];
    let mut events = transcribe(client, PATH, &fields, &file).events();
    let done = events.pop().unwrap();
    assert_eq!((&done["type"], &done["text"]), (&json!("transcript.text.done"), &json!(text)));
    let streamed: Vec<&str> = events.iter().map(|event| event["segment"]["text"].as_str().unwrap()).collect();
    assert_eq!(streamed, texts);
    let translated = transcribe(client, "/v1/audio/translations", &[("response_format", "verbose_json")], &file);
    assert_eq!(translated.json()["task"], "translate", "{translated:?}");
    let models = client.get("/v1/models").json();
    assert_eq!(models["data"][1]["capabilities"], json!(["transcription"]));
}

#[test]
fn unusable_recordings_are_refused_in_a_sentence() {
    let server = Server::start_hearing();
    let client = &server.client;
    let mut lying = wav(&RECORDING);
    lying.truncate(1000);
    let empty = wav(&[]);
    for (file, expected) in [
        (lying.as_slice(), "cut off"),
        (b"no sound".as_slice(), "not a recording"),
        (empty.as_slice(), "no sound in it"),
        (b"OggS".as_slice(), "not a recording"),
    ] {
        let reply = transcribe(client, PATH, &[], file);
        assert_eq!((reply.status, reply.json()["error"]["param"].as_str()), (400, Some("file")), "{reply:?}");
        assert!(reply.json()["error"]["message"].as_str().unwrap().contains(expected), "{expected}: {reply:?}");
    }
    let file = wav(&RECORDING);
    let code = |reply: &Reply| (reply.status, reply.json()["error"]["param"].clone());
    assert_eq!(code(&transcribe(client, PATH, &[("temperature", "9")], &file)), (400, json!("temperature")));
    assert_eq!(code(&transcribe(client, PATH, &[("language", "tlh")], &file)), (400, json!("language")));
    let fields = client.with("content-type", "multipart/form-data; boundary=x");
    assert_eq!(code(&fields.request("POST", PATH, b"--x--\r\n")), (400, json!("file")), "there is none");
    assert_eq!(client.post(PATH, "{}").code(), "invalid_form");
    // A chat model does not hear, and one that hears does not chat.
    assert_eq!(transcribe(client, PATH, &[("model", "talking")], &file).status, 400);
    let question: Value = json!({ "model": WHISPER, "messages": [{ "role": "user", "content": "Hi" }] });
    assert_eq!(client.post("/v1/chat/completions", &question.to_string()).status, 503);
    // It goes on.
    assert_eq!(transcribe(client, PATH, &[], &file).status, 200);
}
