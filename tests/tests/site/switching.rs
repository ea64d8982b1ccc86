//! Switching between models, models and sampling of a conversation's own, and what fills the context. A mock engine answers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
#![allow(clippy::too_many_lines, reason = "tests check many steps on one page")]

use parlance_tests::chat::{LAST_TEXT, PAGE_TIMEOUT, READY, answer, ask, new_chat};
use parlance_tests::scripted::use_scripted_engine_everywhere;
use parlance_tests::{Page, Server, Session};
use serde_json::{Value, json};

const ALPHA: &str = "https://models.test/a/Alpha-4B-Instruct-Q4_K_M.gguf";
const BETA: &str = "https://models.test/b/beta-7b-it-Q8_0.gguf";
/// Script: the addresses of the models that were loaded.
const LOADED: &str = "asked.filter(({ type }) => type === 'load').map(({ source }) => source.url)";
/// Script: the body of the last question to a model.
const ASKED: &str = "asked.findLast(({ type }) => type === 'api').body";

fn wait(page: &Page, condition: &str) {
    page.wait_for(condition, PAGE_TIMEOUT).unwrap();
}

/// Clicks the last button with this text within an element.
fn press(page: &Page, within: &str, name: &str) {
    let button = format!(
        "[...document.querySelectorAll({within:?} + ' button')].findLast(button => (button.ariaLabel ?? button.innerText.trim()) === {name:?})"
    );
    wait(page, &button);
    page.evaluate(&format!("{button}.click()")).unwrap();
}

/// Opens the site with the mock engine, with two models on the device that can chat, and one that cannot.
fn open(session: &Session, server: &Server) -> Page {
    let stored = |url: &str, capability: &str| {
        json!({
            "name": url.rsplit('/').next(), "url": url, "len_bytes": 2.5e9, "done_bytes": 2.5e9, "used_seconds": 0, "is_verified": true,
            "abilities": { "capabilities": [capability], "context_tokens": 1000 }, "is_projector": false, "can_see": false,
        })
    };
    let models = json!([
        stored(ALPHA, "chat"),
        stored(BETA, "chat"),
        stored("https://models.test/c/embedder-Q8_0.gguf", "embeddings"),
    ]);
    let page = session.open("about:blank").unwrap();
    use_scripted_engine_everywhere(&page).unwrap();
    page.before_every_page(&format!("window.storedModels = {models}")).unwrap();
    page.navigate(&server.page("")).unwrap();
    page
}

/// Chooses a model in the model dialog.
fn switch(page: &Page, name: &str) {
    page.click(".model-button").unwrap();
    let choice = format!(
        "[...document.querySelectorAll('.model-choice')].find(({{ innerText }}) => innerText.startsWith({name:?}))"
    );
    wait(page, &choice);
    page.evaluate(&format!("{choice}.click()")).unwrap();
    wait(page, &format!("!document.querySelector('.dialog') && {READY}"));
}

#[test]
fn a_conversation_keeps_its_model_and_its_sampling() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    ask(&page, "First").unwrap();
    answer(&page).unwrap();
    page.click(".model-button").unwrap();
    wait(&page, "document.querySelectorAll('.model-choice').length === 2");
    let names = page.evaluate(
        "[...document.querySelectorAll('.model-choice')].map(({ innerText }) => innerText.replaceAll('\\n', ' '))",
    );
    assert_eq!(names.unwrap(), json!(["Alpha 4B Instruct Q4_K_M · 2.50 GB", "Beta 7B it Q8_0 · 2.50 GB"]));
    assert_eq!(page.evaluate("document.querySelector('.dialog .advanced').open").unwrap(), false);
    page.press("Escape").unwrap();
    wait(&page, "!document.querySelector('.dialog')");

    // The first conversation is answered by one model, the second by the other.
    switch(&page, "Alpha");
    new_chat(&page).unwrap();
    ask(&page, "Second").unwrap();
    answer(&page).unwrap();
    switch(&page, "Beta");
    let demo = server.page("models/SmolLM2-135M-Instruct.Q4_1.gguf");
    assert_eq!(page.evaluate(LOADED).unwrap(), json!([demo, ALPHA, BETA]));
    ask(&page, "Third").unwrap();
    answer(&page).unwrap();
    assert_eq!(page.evaluate(&format!("{LOADED}.length")).unwrap(), 3);
    press(&page, ".conversation-item", "First");
    wait(&page, "document.querySelector('.model-button').innerText.includes('Alpha 4B Instruct')");
    assert_eq!(page.evaluate(&format!("{LOADED}.length")).unwrap(), 3, "looking at a conversation loads its model");
    ask(&page, "Fourth").unwrap();
    wait(&page, &format!("{LAST_TEXT}.endsWith('Fourth')"));
    assert_eq!(page.evaluate(&format!("{LOADED}.at(-1)")).unwrap(), ALPHA);

    // Another model answers the same question; the conversation keeps its own.
    let select = "[...document.querySelectorAll('.regenerate-with')].at(-1)";
    wait(&page, select);
    page.evaluate(&format!(
        "(() => {{ const field = {select}; field.value = {BETA:?}; field.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
    ))
    .unwrap();
    wait(&page, "document.querySelector('.branch-position')?.innerText === '2 of 2'");
    answer(&page).unwrap();
    assert_eq!(page.evaluate(&format!("{LOADED}.at(-1)")).unwrap(), BETA);
    // Both are shown side by side.
    page.evaluate("document.querySelector('.comparison').open = true").unwrap();
    wait(&page, "document.querySelectorAll('.comparison-column .markdown[data-complete=true]').length === 2");
    let texts = "[...document.querySelectorAll('.comparison-column .markdown')].every(({ innerText }) => innerText.includes('Fourth'))";
    assert_eq!(page.evaluate(texts).unwrap(), true);
    press(&page, ".comparison-column", "Show this answer");
    wait(&page, "document.querySelector('.branch-position').innerText === '1 of 2'");
    ask(&page, "Fifth").unwrap();
    wait(&page, &format!("{LAST_TEXT}.endsWith('Fifth')"));
    assert_eq!(page.evaluate(&format!("{LOADED}.at(-1)")).unwrap(), ALPHA);

    // Sampling, too, belongs to the conversation.
    let temperature = |page: &Page| page.evaluate(&format!("{ASKED}.temperature")).unwrap().as_f64().unwrap();
    press(&page, ".header", "System prompt for this chat");
    page.click("#own-sampling").unwrap();
    press(&page, ".dialog", "Precise");
    press(&page, ".dialog", "Save");
    wait(&page, "!document.querySelector('.dialog')");
    ask(&page, "Sixth").unwrap();
    wait(&page, &format!("{LAST_TEXT}.endsWith('Sixth')"));
    assert!((temperature(&page) - 0.2).abs() < 1e-6);
    new_chat(&page).unwrap();
    ask(&page, "Seventh").unwrap();
    wait(&page, &format!("{LAST_TEXT}.endsWith('Seventh')"));
    assert!((temperature(&page) - 0.7).abs() < 1e-6);

    // A model that is not on the device is not fetched because a conversation names it.
    page.before_every_page("window.storedModels = []").unwrap();
    page.evaluate("new Promise(done => setTimeout(done, 300))").unwrap();
    page.navigate(&server.page("?again")).unwrap();
    wait(&page, READY);
    let before = page.evaluate(&format!("{LOADED}.length")).unwrap();
    press(&page, ".conversation-item", "First");
    wait(&page, &format!("{LAST_TEXT}.endsWith('Sixth')"));
    ask(&page, "Eighth").unwrap();
    wait(&page, &format!("{LAST_TEXT}.endsWith('Eighth')"));
    assert_eq!(page.evaluate(&format!("{LOADED}.length")).unwrap(), before);
}

#[test]
fn the_context_gauge_shows_what_fills_it_and_makes_room() {
    const GAUGE: &str = "document.querySelector('[data-testid=context-gauge]')";
    const STATISTICS: &str = "[...document.querySelectorAll('[data-testid=chat-statistics] li')].map(({ innerText }) => innerText.replaceAll(/\\s+/g, ' ')).join('; ')";
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    ask(&page, "One").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 1: One");
    // The usage says ten tokens.
    wait(&page, &format!("{GAUGE}?.innerText.includes('10 of 1,000 tokens') && {GAUGE}.dataset.level === 'free'"));
    page.fill("#message", &"word ".repeat(400)).unwrap();
    wait(&page, &format!("{GAUGE}.dataset.level === 'full'"));
    page.click("[data-testid=context-gauge] summary").unwrap();
    for part in ["Messages", "The message being written"] {
        wait(&page, &format!("{GAUGE}.innerText.includes({part:?})"));
    }
    // The answer had three tokens, after a prompt of seven.
    let tokens = "Messages 2; Tokens read 7; Tokens written 3";
    let times = "Time for responses less than a second; Average speed 50.0 tok/s";
    wait(&page, &format!("{STATISTICS} === '{tokens}; {times}'"));
    assert_eq!(page.evaluate("document.querySelector('[data-testid=summarise]')").unwrap(), Value::Null);
    page.press("Escape").unwrap();
    wait(&page, &format!("!{GAUGE}.open"));
    page.fill("#message", "").unwrap();
    wait(&page, &format!("{GAUGE}.dataset.level === 'free'"));

    // A summary takes the place of all but the latest question and answer.
    ask(&page, "Two").unwrap();
    wait(&page, &format!("{LAST_TEXT} === 'Answer 2: Two'"));
    page.evaluate("window.nextAnswer = 'They counted.'").unwrap();
    page.click("[data-testid=context-gauge] summary").unwrap();
    page.click("[data-testid=summarise]").unwrap();
    let note = "document.querySelector('[data-testid=digest]')";
    wait(&page, &format!("{note}?.nextElementSibling.innerText.startsWith('Two')"));
    let sent = page.evaluate(&format!("{ASKED}.messages.map(({{ content }}) => content)")).unwrap();
    assert_eq!(sent.as_array().unwrap().len(), 3, "{sent}");
    assert!(sent[2].as_str().unwrap().starts_with("Summarise our conversation"), "{sent}");
    page.evaluate(&format!("{GAUGE}.open = true")).unwrap();
    wait(
        &page,
        &format!(
            "{GAUGE}.innerText.includes('2 messages are no longer sent') && {GAUGE}.innerText.includes('Summary')"
        ),
    );
    assert_eq!(page.evaluate("document.querySelectorAll('.message:has(~ .context-cutoff)').length").unwrap(), 2);
    page.evaluate(&format!("{GAUGE}.open = false")).unwrap();
    ask(&page, "Three").unwrap();
    wait(&page, &format!("{LAST_TEXT}.endsWith('Three')"));
    let sent = page.evaluate(&format!("{ASKED}.messages.map(({{ content }}) => content)")).unwrap();
    let first = "Summary of our conversation so far:\n\nThey counted.\n\n---\n\nTwo";
    assert_eq!(sent, json!([first, "Answer 2: Two", "Three"]));
    // It is kept with the conversation, and can be removed.
    page.evaluate("new Promise(done => setTimeout(done, 300))").unwrap();
    let address = page.evaluate("location.href").unwrap();
    page.navigate("about:blank").unwrap();
    page.navigate(address.as_str().unwrap()).unwrap();
    wait(&page, &format!("{note}?.textContent.includes('They counted.') && {READY}"));
    // So are the statistics.
    page.evaluate(&format!("{GAUGE}.open = true")).unwrap();
    wait(&page, &format!("{STATISTICS}.startsWith('Messages 6; Tokens read 21; Tokens written 9; ')"));
    page.evaluate(&format!("{GAUGE}.open = false")).unwrap();
    press(&page, "[data-testid=digest]", "Remove");
    wait(&page, &format!("!{note}"));
    ask(&page, "Four").unwrap();
    wait(&page, &format!("{LAST_TEXT}.endsWith('Four')"));
    assert_eq!(page.evaluate(&format!("{ASKED}.messages.length")).unwrap(), 7);

    // A larger context in one click.
    page.click("[data-testid=context-gauge] summary").unwrap();
    press(&page, "[data-testid=context-gauge]", "Load with a 2,000-token context");
    wait(&page, &format!("{GAUGE}?.innerText.includes('of 2,000 tokens')"));
}
