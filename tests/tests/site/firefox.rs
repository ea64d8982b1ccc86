//! The built site in Firefox, where the model runs on the CPU.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{LAST_ANSWER, READY};
use parlance_tests::firefox::Firefox;
use parlance_tests::{Server, native};

const TIMEOUT: Duration = Duration::from_secs(120);
const QUESTION: &str = "What is the capital of France?";
const MAX_TOKENS: usize = 40;

fn ask(firefox: &Firefox, question: &str) {
    firefox.wait_for("document.querySelector('#message')", TIMEOUT).unwrap();
    let send = format!(
        "(() => {{
            const field = document.querySelector('#message');
            field.focus();
            field.value = {question:?};
            field.dispatchEvent(new Event('input', {{ bubbles: true }}));
            field.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'Enter', bubbles: true, cancelable: true }}));
        }})()"
    );
    firefox.evaluate(&send).unwrap();
}

fn answer(firefox: &Firefox) -> String {
    firefox.wait_for(&format!("{LAST_ANSWER}?.dataset.active === 'false'"), TIMEOUT).unwrap();
    firefox.wait_for(&format!("{LAST_ANSWER}.querySelector('.markdown[data-complete=true]')"), TIMEOUT).unwrap();
    let text = firefox.evaluate(&format!("{LAST_ANSWER}.querySelector('.markdown').innerText.trim()")).unwrap();
    text.as_str().unwrap_or_default().to_owned()
}

#[test]
fn firefox_answers_on_the_cpu_and_saves_conversations() {
    let server = Server::start().unwrap();
    let firefox = Firefox::start().unwrap();
    let query = format!("?temperature=0&repetition_penalty=1&max_tokens={MAX_TOKENS}");
    firefox.navigate(&server.page(&query)).unwrap();
    // The page's policy applies here, too.
    firefox.evaluate("(window.violations = [], document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective + event.blockedURI)))").unwrap();
    ask(&firefox, QUESTION);
    firefox.wait_for(READY, TIMEOUT).unwrap();
    firefox.wait_for("document.querySelector('[data-testid=on-cpu]')", TIMEOUT).unwrap();
    assert_eq!(answer(&firefox), native::answer(QUESTION, MAX_TOKENS).trim());
    assert_eq!(firefox.evaluate("window.violations").unwrap(), serde_json::json!([]));

    // On the next visit the conversation is there, and the model is loaded from storage.
    firefox.evaluate("new Promise((done) => setTimeout(done, 1500))").unwrap();
    firefox.navigate("about:blank").unwrap();
    firefox.navigate(&server.page(&query)).unwrap();
    firefox.wait_for("document.querySelector('.conversation')", TIMEOUT).unwrap();
    firefox.evaluate("document.querySelector('.conversation').click()").unwrap();
    firefox.wait_for("document.querySelectorAll('.message').length === 2", TIMEOUT).unwrap();
    ask(&firefox, "And of Italy?");
    firefox.wait_for("document.querySelectorAll('.message').length === 4", TIMEOUT).unwrap();
    assert!(!answer(&firefox).is_empty());
    // What a worker throws is not in this browser's output, but ends it, and then the page says so.
    let notice = firefox.evaluate("document.querySelector('[data-testid=notice], #crash')?.innerText").unwrap();
    assert_eq!(notice, serde_json::Value::Null);
}
