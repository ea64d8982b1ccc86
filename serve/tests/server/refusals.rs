//! Requests that are refused: each with an error in `OpenAI`'s form, and without a trace afterwards.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{read_reply, read_until};
use crate::process::Server;

const CHAT: &str = "/v1/chat/completions";

fn hello() -> Value {
    json!({ "messages": [{ "role": "user", "content": "Hello" }], "temperature": 0, "max_tokens": 2 })
}

#[test]
fn bad_requests_have_errors_with_codes() {
    let server =
        Server::start_tiny(&["--max-body", "100000", "--cors", "https://app.example", "--name", "chat.example"]);
    let client = &server.client;
    let hello = hello().to_string();
    let long = " ".repeat(100_001);
    let cases = [
        (client.post(CHAT, "{"), 400, "invalid_json"),
        (client.post(CHAT, ""), 400, "invalid_json"),
        (client.request("POST", CHAT, b"\xff\xfe"), 400, "invalid_json"),
        (client.post(CHAT, &"[".repeat(50_000)), 400, "invalid_json"),
        (client.post(CHAT, &long), 413, "request_too_large"),
        (client.request("POST", CHAT, &vec![b' '; 100_000_000]), 413, "request_too_large"),
        (client.post("/v1/files", &hello), 404, "unknown_url"),
        (client.post("/v1/models", &hello), 405, "method_not_allowed"),
        (client.get(CHAT), 405, "method_not_allowed"),
        (client.get("/"), 404, "unknown_url"),
        (client.with("host", "evil.example").post(CHAT, &hello), 421, "unknown_host"),
        (client.with("origin", "https://evil.example").post(CHAT, &hello), 403, "unknown_origin"),
        (client.with("origin", "null").get("/v1/models"), 403, "unknown_origin"),
    ];
    for (reply, status, code) in cases {
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{reply:?}");
        assert!(reply.json()["error"]["message"].is_string() && reply.json()["error"]["type"].is_string(), "{reply:?}");
    }
    let own = client.with("origin", &client.url()).post(CHAT, &hello);
    assert_eq!((own.status, own.header("access-control-allow-origin")), (200, ""));
    assert_eq!(client.with("host", "chat.example").post(CHAT, &hello).status, 200);

    let other = client.with("origin", "https://app.example");
    assert_eq!(other.post(CHAT, &hello).header("access-control-allow-origin"), "https://app.example");
    let preflight = other.with("access-control-request-headers", "authorization, x-stainless-os");
    let preflight = preflight.request("OPTIONS", CHAT, b"");
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-headers"), "authorization, x-stainless-os");
    assert_eq!(preflight.header("access-control-allow-origin"), "https://app.example");
}

#[test]
fn keys_are_required_where_there_are_any() {
    let file = std::env::temp_dir().join(format!("parlance-keys-{}", std::process::id()));
    std::fs::write(&file, "# of the team\nfirst-key\n\nsecond-key\n").unwrap();
    let server = Server::start_tiny(&["--keys", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    let with = |authorization: &str| server.client.with("authorization", authorization).get("/v1/models");
    assert_eq!(with("Bearer second-key").status, 200);
    for wrong in ["Bearer third-key", "Bearer", "Basic first-key", "Bearer # of the team"] {
        let reply = with(wrong);
        assert_eq!((reply.status, reply.code().as_str()), (401, "invalid_api_key"), "{wrong}");
    }
    let reply = server.post(CHAT, &hello());
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"));
}

#[test]
fn no_more_requests_are_taken_than_may_wait_and_they_end_after_their_time() {
    let server = Server::start(&["--max-requests", "4", "--timeout", "6"]);
    // Its answer would take half a minute or more.
    let story = |stream: bool| {
        let messages = json!([{ "role": "user", "content": "Tell a long story." }]);
        let body = json!({ "messages": messages, "max_tokens": 900, "logit_bias": { "2": -100, "0": -100 }, "stream": stream });
        server.client.send("POST", CHAT, body.to_string().as_bytes())
    };
    // One is answered, three wait.
    let mut answered = story(true);
    read_until(&mut answered, "data: ");
    let waiting: Vec<_> = (0..3).map(|_| story(false)).collect();
    std::thread::sleep(Duration::from_millis(300));
    // A thousand more, twenty at a time.
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let reply = server.post(CHAT, &hello());
                    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limit_exceeded"), "{reply:?}");
                    assert_eq!(reply.header("retry-after"), "1");
                }
            });
        }
    });
    let end = read_until(&mut answered, "{\"error\":");
    assert!(end.contains("\"timeout\""), "{end}");
    for reply in waiting.into_iter().map(read_reply) {
        assert_eq!((reply.status, reply.code().as_str()), (504, "timeout"));
    }
    // All have stopped, so the next answer has its time.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.post(CHAT, &hello()).status, 200, "there is room again");
}
