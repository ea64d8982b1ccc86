//! Structured output of the demo model, validated by an independent implementation.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use crate::common::{chat, content, model, stream, streamed_content, try_chat};
use serde_json::{Value, json};

fn request(prompt: &str, format: &Value) -> Value {
    json!({
        "messages": [{ "role": "user", "content": prompt }],
        "response_format": format, "temperature": 0, "max_tokens": 200,
    })
}

/// Why a value does not conform to a schema, according to the `jsonschema` crate.
fn validate(schema: &Value, value: &Value) -> Option<String> {
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options.build(schema).unwrap().validate(value).err().map(|error| error.to_string())
}

#[test]
fn answers_conform_to_every_schema() {
    let schemas: Vec<Value> = serde_json::from_str(include_str!("fixtures/schemas.json")).unwrap();
    assert!(schemas.len() >= 50);
    let mut model = model();
    let mut failures = Vec::new();
    let (mut tokens, mut mask_seconds) = (0.0, 0.0);
    for (index, schema) in schemas.iter().enumerate() {
        let format = json!({ "type": "json_schema", "json_schema": { "name": "s", "schema": schema, "strict": true } });
        // A high temperature makes the model's own choice unlikely to conform.
        let mut body = request("Make up an example and answer in JSON.", &format);
        body["temperature"] = json!(if index % 2 == 0 { 0.0 } else { 1.5 });
        body["seed"] = json!(index);
        let response = match try_chat(&mut model, &body) {
            Ok(response) => response,
            Err(error) => {
                failures.push(format!("{schema}: {error}"));
                continue;
            }
        };
        let text = content(&response);
        let extra = &response["usage"]["extra"];
        let count = response["usage"]["completion_tokens"].as_f64().unwrap();
        tokens += count;
        mask_seconds += extra["grammar_per_token_s"].as_f64().unwrap() * count;
        assert!(extra["grammar_init_s"].as_f64().unwrap() > 0.0);
        let error = match serde_json::from_str::<Value>(text) {
            Err(error) => Some(error.to_string()),
            Ok(value) => validate(schema, &value),
        };
        if let Some(error) = error {
            failures.push(format!("{schema}\n  {text}\n  {error} ({})", response["choices"][0]["finish_reason"]));
        }
    }
    println!("{} schemas, {tokens} tokens, {:.3} ms of masks per token", schemas.len(), 1000.0 * mask_seconds / tokens);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn other_formats_are_enforced_and_can_be_streamed() {
    let mut model = model();
    let object = chat(&mut model, &request("Describe a cat in JSON.", &json!({ "type": "json_object" })));
    let is_complete = object["choices"][0]["finish_reason"] == "stop";
    assert!(!is_complete || serde_json::from_str::<Value>(content(&object)).unwrap().is_object(), "{object}");
    assert!(content(&object).starts_with('{'));

    let regex = json!({ "type": "regex", "regex": "(Paris|Rome): [0-9]{2} °C" });
    let text = content(&chat(&mut model, &request("What is the weather?", &regex))).to_owned();
    assert!(["Paris: ", "Rome: "].iter().any(|city| text.starts_with(city)) && text.ends_with(" °C"), "{text}");

    let lark = "start: \"<\" WORD (\",\" WORD)~2 \">\"\nWORD: /[a-z]{2,5}/";
    let grammar = json!({ "type": "grammar", "grammar": lark });
    let text = content(&chat(&mut model, &request("Three words?", &grammar))).to_owned();
    let words: Vec<_> = text.trim_matches(['<', '>']).split(',').collect();
    assert!(words.len() == 3 && words.iter().all(|word| (2..=5).contains(&word.len())), "{text}");

    let mut body = request(
        "Is water wet?",
        &json!({ "type": "json_schema", "json_schema": { "schema": { "enum": ["yes", "no"] } } }),
    );
    body["stream"] = json!(true);
    let chunks = stream(&mut model, &body, None);
    let text = streamed_content(&chunks);
    assert!(["\"yes\"", "\"no\""].contains(&text.as_str()), "{text}");
}

#[test]
fn invalid_formats_name_their_field() {
    let mut model = model();
    let cases = [
        (json!({ "type": "xml" }), "response_format.type"),
        (json!({ "type": "json_schema" }), "response_format.json_schema"),
        (json!({ "type": "json_schema", "json_schema": { "schema": 7 } }), "response_format.json_schema.schema"),
        (
            json!({ "type": "json_schema", "json_schema": { "schema": { "type": "strin" } } }),
            "response_format.json_schema.schema",
        ),
        (
            json!({ "type": "json_schema", "json_schema": { "schema": { "$ref": "#/$defs/none" } } }),
            "response_format.json_schema.schema",
        ),
        (
            json!({ "type": "json_schema", "json_schema": { "schema": { "type": "string", "pattern": "(" } } }),
            "response_format.json_schema.schema",
        ),
        (
            json!({ "type": "json_schema", "json_schema": { "schema": { "type": "string", "minLength": 5, "maxLength": 2 } } }),
            "response_format.json_schema.schema",
        ),
        (json!({ "type": "regex" }), "response_format.regex"),
        (json!({ "type": "regex", "regex": "(" }), "response_format.regex"),
        (json!({ "type": "grammar", "grammar": "start: nothing" }), "response_format.grammar"),
    ];
    for (format, param) in cases {
        let error = try_chat(&mut model, &request("Hi", &format)).unwrap_err();
        assert_eq!((error.param(), error.status()), (Some(param), 400), "{format}: {error}");
    }
}
