//! Published chat templates against Hugging Face's renderer (`fixtures/make_templates.py`).
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::HashMap;
use std::path::PathBuf;

use parlance_engine::template::{ChatTemplate, TemplateOptions};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Fixture {
    now_seconds: i64,
    conversations: HashMap<String, Conversation>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Conversation {
    messages: Value,
    tools: Option<Value>,
    enable_thinking: Option<bool>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    conversation: String,
    /// FNV-1a of the text, 64 bits.
    hash: String,
    /// Characters of the text.
    len: usize,
}

fn fnv(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    format!("{hash:016x}")
}

#[test]
fn published_templates_give_hugging_faces_text() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/test-data/templates");
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/templates.json")).unwrap();
    let mut failures = Vec::new();
    for case in &fixture.cases {
        let path = folder.join(&case.template);
        let source = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask setup` fetches it", path.display()));
        let template = ChatTemplate::new(Some(&source), "<s>".to_owned(), "</s>".to_owned());
        let conversation = &fixture.conversations[&case.conversation];
        let options = TemplateOptions {
            tools: conversation.tools.clone(),
            enable_thinking: conversation.enable_thinking,
            now_seconds: Some(fixture.now_seconds),
            ..TemplateOptions::default()
        };
        let what = format!("{}, {}", case.template, case.conversation);
        match template.render(&conversation.messages, &options) {
            Ok(text) if fnv(&text) == case.hash => {}
            Ok(text) => failures.push(format!(
                "{what}: {} characters instead of {} ({:?}):\n{text}",
                text.chars().count(),
                case.len,
                template.warning()
            )),
            Err(error) => failures.push(format!("{what}: {error} ({:?})", template.warning())),
        }
    }
    println!("{} of {} texts are equal", fixture.cases.len() - failures.len(), fixture.cases.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
