//! Clients that leave, and servers that are asked to stop.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use parlance_tests::model_path;
use serde_json::{Value, json};

use crate::client::{read_reply, read_until};
use crate::process::Server;

const CHAT: &str = "/v1/chat/completions";

/// A request whose answer takes half a minute or more.
fn story(stream: bool) -> Value {
    let messages = json!([{ "role": "user", "content": "Tell a very long story." }]);
    json!({ "messages": messages, "max_tokens": 900, "logit_bias": { "2": -100, "0": -100 }, "stream": stream })
}

fn question() -> Value {
    let messages = json!([{ "role": "user", "content": "What is the capital of France?" }]);
    json!({ "messages": messages, "temperature": 0, "max_tokens": 12 })
}

/// Asks, and returns how long the answer took.
fn answer_time(server: &Server) -> Duration {
    let start = Instant::now();
    let reply = server.post(CHAT, &question());
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "The capital of France is Paris.");
    start.elapsed()
}

#[test]
fn clients_that_leave_free_the_engine_and_a_server_that_is_asked_to_stop_finishes_what_it_has_begun() {
    let mut server = Server::start(&[]);
    check_leaving(&server);
    check_cancelling(&server);
    check_stopping(&mut server);
}

fn check_leaving(server: &Server) {
    let alone = answer_time(server);
    let limit = 3 * alone + Duration::from_secs(8);

    let mut stream = server.client.send("POST", CHAT, story(true).to_string().as_bytes());
    read_until(&mut stream, "data: ");
    drop(stream);
    let after_stream = answer_time(server);
    assert!(after_stream < limit, "{after_stream:?} after a stream, {alone:?} alone");

    // Those that wait, too, and those whose answers are not streamed.
    let waiting: Vec<_> =
        (0..20).map(|_| server.client.send("POST", CHAT, story(false).to_string().as_bytes())).collect();
    std::thread::sleep(Duration::from_millis(500));
    drop(waiting);
    let after_waiting = answer_time(server);
    assert!(after_waiting < limit, "{after_waiting:?} after requests that waited, {alone:?} alone");
}

/// A response that its client cancels stops, and is kept as far as it came.
fn check_cancelling(server: &Server) {
    let body = json!({ "input": "Tell a very long story.", "max_output_tokens": 900, "stream": true });
    let mut stream = server.client.send("POST", "/v1/responses", body.to_string().as_bytes());
    let event = |line: String| -> Value { serde_json::from_str(line.trim_start_matches("data: ")).unwrap() };
    let created = event(read_until(&mut stream, "data: "));
    let path = format!("/v1/responses/{}", created["response"]["id"].as_str().unwrap());
    let status = || server.client.get(&path).json()["status"].clone();
    assert_eq!(status(), "in_progress");
    read_until(&mut stream, "response.output_text.delta");
    assert_eq!(server.client.post(&format!("{path}/cancel"), "").json()["status"], "cancelled");
    let end = event(read_until(&mut stream, "\"response.incomplete\""));
    assert_eq!((&end["response"]["status"], status()), (&json!("cancelled"), json!("cancelled")));
    answer_time(server);
    assert_eq!(status(), "cancelled", "it is kept");
}

fn check_stopping(server: &mut Server) {
    let mut body = question();
    body["stream"] = json!(true);
    let mut stream = server.client.send("POST", CHAT, body.to_string().as_bytes());
    read_until(&mut stream, "HTTP/1.1 200");
    server.terminate();
    read_until(&mut stream, "[DONE]");
    assert!(server.wait().success());
    assert!(TcpStream::connect(server.client.url().trim_start_matches("http://")).is_err());
}

#[test]
fn requests_share_steps_as_far_as_there_are_sequences() {
    let server = Server::start(&["--parallel", "2"]);
    answer_time(&server);
    let mut body = story(true);
    body["max_tokens"] = json!(250);
    let mut long = server.client.send("POST", CHAT, body.to_string().as_bytes());
    read_until(&mut long, "data: ");
    answer_time(&server);
    // The long answer, which began before, goes on after the other.
    let answered = Instant::now();
    read_until(&mut long, "[DONE]");
    let rest = answered.elapsed();
    assert!(rest > Duration::from_millis(300), "{rest:?}");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let start = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_parlance-serve")).args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let model = model_path();
    let model = model.to_str().unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (arguments, message) in [
        (vec![], "name a model file"),
        (vec!["--port", "0", "--device", "cpu", "missing.gguf"], "missing.gguf: "),
        (vec!["--port", "0", "--device", "cpu", manifest], "this is not a GGUF model file"),
        (vec!["--host", "0.0.0.0", model], "needs --keys"),
        (vec!["--port", "0", "--keys", "missing-keys", model], "missing-keys: "),
        (vec!["--lend", "--mcp", manifest, model], "Cargo.toml: "),
    ] {
        let error = start(&arguments);
        assert!(error.starts_with("error: ") && error.contains(message), "{arguments:?}: {error}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_parlance-serve")).arg("--help").output().unwrap();
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("--max-requests"));
}

#[test]
fn slow_readers_get_the_whole_answer() {
    let server = Server::start_tiny(&[]);
    let mut body = question();
    body["max_tokens"] = json!(900);
    body["stream"] = json!(true);
    let stream = server.client.send("POST", CHAT, body.to_string().as_bytes());
    std::thread::sleep(Duration::from_secs(1));
    let reply = read_reply(stream);
    let events = reply.events();
    let text: String = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text.len(), 900, "a letter for each token");
}
