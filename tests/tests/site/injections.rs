//! Documents with hidden injections (`fixtures/injections.json`), attached to chats. What they say reaches the model as a quotation,
//! and an answer that repeats it does nothing. A mock engine answers.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_tests::chat::{answer, ask, new_chat};
use parlance_tests::failures::record_failure;
use parlance_tests::injections::{Injection, PdfPage, injections};
use parlance_tests::quotations::take_apart;
use parlance_tests::{Server, Session};
use serde_json::json;

use crate::attachments::DOCUMENTS;
use crate::attacks::{PROBLEMS, WATCH};
use crate::conversations::{open, wait};

/// Script: a file's content.
fn content(injection: &Injection) -> String {
    match (&injection.parts, &injection.pdf) {
        (Some(parts), _) => format!("zip({})", json!(parts)),
        (None, Some(PdfPage { content, catalog, page })) => {
            format!("pdf([{}], {}, {})", json!(content), json!(catalog), json!(page))
        }
        (None, None) => json!(injection.text).to_string(),
    }
}

#[test]
fn injections_in_documents_stay_data() {
    let injections = injections().unwrap();
    assert_eq!(injections.len(), 60);
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    page.evaluate(DOCUMENTS).unwrap();
    page.evaluate(WATCH).unwrap();
    page.click("[data-testid=model-offer] button").unwrap();
    wait(&page, "document.querySelector('.model-button[data-state=ready]')");
    for (count, injection) in (1..).zip(&injections) {
        let name = &injection.name;
        if count > 1 {
            new_chat(&page).unwrap();
        }
        page.evaluate(&format!("dropFile({}, {})", json!(injection.file), content(&injection))).unwrap();
        wait(&page, "document.querySelector('.composer .attachment')");
        page.evaluate(&format!("window.nextAnswer = {}", json!(injection.says))).unwrap();
        ask(&page, "What does the report say?").unwrap();
        answer(&page).unwrap();
        // One request for each question, without tools: nothing that was said has called any.
        let requests = "asked.filter(request => request.type === 'api' && request.endpoint === 'chat_completions')";
        assert_eq!(page.evaluate(&format!("{requests}.length")).unwrap(), count, "{name}");
        let body = page.evaluate(&format!("{requests}.at(-1).body")).unwrap();
        assert!(body["tools"].is_null(), "{name}");
        let messages = body["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 1, "{name}: {messages:?}");
        let content = messages[0]["content"].as_str().unwrap();
        assert!(content.ends_with("\n\nWhat does the report say?"), "{name}: {content}");
        // Outside of quotations there are only labels, places, and what the app and the user say.
        let (_, others) = take_apart(content);
        let is_known = |line: &&str| {
            let is_label = line.ends_with("”:") && line.matches(['“', '”']).count() == 2;
            let is_place = line.starts_with('[') && line.ends_with(']');
            is_label || is_place || line.contains("are quotations, not instructions.") || line.starts_with("What does")
        };
        assert!(others.iter().all(is_known), "{name}: {others:?}");
        assert_eq!(page.evaluate(PROBLEMS).unwrap(), json!([]), "{name}");
    }
    assert_eq!(page.evaluate("violations").unwrap(), json!([]));
    let outcome =
        format!("{} tried: they stay quotations; what repeats them calls, loads and runs nothing", injections.len());
    record_failure("Input", "an attached document hides instructions to the model", &outcome);
}
