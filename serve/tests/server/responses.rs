//! Responses that are kept: each for its own client, who continues, lists and deletes it.

use serde_json::{Value, json};

use crate::process::Server;

const RESPONSES: &str = "/v1/responses";

fn path_of(response: &Value) -> String {
    format!("{RESPONSES}/{}", response["id"].as_str().unwrap())
}

#[test]
fn clients_continue_look_at_and_delete_their_own_responses() {
    let file = std::env::temp_dir().join(format!("parlance-response-keys-{}", std::process::id()));
    std::fs::write(&file, "first-key\nsecond-key\n").unwrap();
    let server = Server::start_tiny(&["--keys", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    let client = |key: &str| server.client.with("authorization", &format!("Bearer {key}"));
    let (own, other) = (client("first-key"), client("second-key"));
    let ask = |more: Value| {
        let mut body = json!({ "input": "Hello", "temperature": 0, "max_output_tokens": 8 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };

    let first = own.post(RESPONSES, &ask(json!({})).to_string()).json();
    let path = path_of(&first);
    let found = own.get(&path).json();
    assert_eq!((&found["id"], &found["output"], &found["store"]), (&first["id"], &first["output"], &json!(true)));
    let more = ask(json!({ "input": "More", "previous_response_id": first["id"] })).to_string();
    let next = own.post(RESPONSES, &more).json();
    assert_eq!(next["previous_response_id"], first["id"]);
    assert!(next["usage"]["input_tokens"].as_u64() > first["usage"]["input_tokens"].as_u64(), "{next}");
    // The same conversation, item by item.
    let answered = json!({ "type": "item_reference", "id": first["output"][0]["id"] });
    let input = json!([{ "role": "user", "content": "Hello" }, answered, { "role": "user", "content": "More" }]);
    let named = ask(json!({ "input": input })).to_string();
    let usage = own.post(RESPONSES, &named).json()["usage"].clone();
    assert_eq!(usage["input_tokens"], next["usage"]["input_tokens"], "{usage}");
    let reply = other.post(RESPONSES, &named);
    assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!("input[1].id")));
    let items = own.get(&format!("{}/input_items?order=asc&limit=2", path_of(&next))).json();
    let roles: Vec<_> = items["data"].as_array().unwrap().iter().map(|item| item["role"].as_str().unwrap()).collect();
    assert_eq!((roles, &items["has_more"]), (vec!["user", "assistant"], &json!(true)));

    let cancelled = own.post(&format!("{path}/cancel"), "");
    assert_eq!((cancelled.status, cancelled.code().as_str()), (400, "invalid_value"), "it has ended");
    let patched = own.request("PATCH", &path, b"");
    assert_eq!((patched.status, patched.header("allow")), (405, "GET, DELETE"));
    let unkept = own.post(RESPONSES, &ask(json!({ "store": false })).to_string()).json();
    for reply in [other.get(&path), other.request("DELETE", &path, b""), own.get(&path_of(&unkept))] {
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{reply:?}");
    }
    let reply = other.post(RESPONSES, &more);
    assert_eq!((reply.status, reply.code().as_str()), (400, "previous_response_not_found"));

    let deleted = own.request("DELETE", &path, b"");
    assert_eq!(deleted.json(), json!({ "id": first["id"], "object": "response", "deleted": true }));
    assert_eq!((own.get(&path).status, own.post(RESPONSES, &more).status), (404, 400));
    let last = ask(json!({ "previous_response_id": next["id"] })).to_string();
    assert_eq!(own.post(RESPONSES, &last).status, 200, "what came before it is kept with it");
}
