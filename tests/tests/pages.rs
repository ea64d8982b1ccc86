//! Every page: models, settings, performance, playground; languages, keyboard, and what axe finds.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
#![allow(clippy::too_many_lines, reason = "a site that is loaded once is asked one thing after the other")]

use std::time::Duration;

use parlance_tests::chat::{LONG, READY, answer, ask};
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::{Page, Server, Session};
use serde_json::{Value, json};

const SHORT: Duration = Duration::from_secs(45);
/// A conversation of the scripted engine, for pages that need one.
const ASKED: &str = "Tell me of **otters**, and of everything else that swims from morning to evening";

fn wait(page: &Page, condition: &str) {
    page.wait_for(condition, SHORT).unwrap();
}

/// What axe finds wrong: rules with the elements that break them.
fn violations(page: &Page) -> Value {
    page.evaluate(
        "(async () => {
            if (!window.axe) {
                await new Promise((resolve, reject) => {
                    const script = document.createElement('script');
                    Object.assign(script, { src: '/npm/axe-core/axe.min.js', onload: resolve, onerror: reject });
                    document.head.append(script);
                });
            }
            const { violations } = await axe.run();
            return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, any }) => target + ' ' + (any[0]?.message ?? '')).join('; ')}`);
        })()",
    )
    .unwrap()
}

/// axe finds nothing, in both themes.
fn assert_accessible(page: &Page, name: &str) {
    for theme in ["light", "dark"] {
        page.evaluate(&format!("document.documentElement.dataset.theme = {theme:?}")).unwrap();
        // Colours may take a moment to change.
        page.evaluate("new Promise(done => setTimeout(done, 300))").unwrap();
        assert_eq!(violations(page), json!([]), "{name}, {theme}");
    }
}

#[test]
fn axe_finds_nothing_on_any_page_in_both_themes() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("")).unwrap();
    use_scripted_engine(&page).unwrap();
    wait(&page, "document.querySelector('[data-testid=model-offer]')");
    assert_accessible(&page, "welcome");
    ask(&page, ASKED).unwrap();
    answer(&page).unwrap();
    assert_accessible(&page, "conversation");
    page.evaluate("document.querySelector('.conversation-item .menu summary').click()").unwrap();
    assert_accessible(&page, "menu of a conversation");
    page.click(".model-button").unwrap();
    wait(&page, "document.querySelector('.dialog[open]')");
    assert_accessible(&page, "model dialog");
    page.click(".dialog [aria-label=Close]").unwrap();
    page.resize(390, 844).unwrap();
    wait(&page, "document.querySelector('.app').dataset.list === 'closed'");
    let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(page.evaluate(overflow).unwrap(), 0, "a long title is wider than the page");
    assert_accessible(&page, "phone");
    page.navigate(&server.page("?new")).unwrap();
    wait(&page, "document.querySelector('.app')");
    page.evaluate("new Promise(done => setTimeout(done, 300))").unwrap();
    assert_eq!(
        page.evaluate("document.querySelector('.app').dataset.list").unwrap(),
        "closed",
        "the drawer is in the way"
    );
    for name in ["catalogue", "settings", "storage", "performance", "playground", "nowhere"] {
        // In a tab of its own: Chromium crashes now and then when a tab goes from page to page.
        let page = session.open(&server.page(name)).unwrap();
        page.resize(390, 844).unwrap();
        wait(&page, "document.querySelector('h1')");
        if name == "catalogue" {
            wait(&page, "document.querySelector('.model-card')");
        }
        assert_accessible(&page, name);
    }
}

#[test]
fn the_interface_speaks_seven_languages_in_both_directions() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("settings")).unwrap();
    let titles = [
        ("de", "Einstellungen", "ltr"),
        ("es", "Ajustes", "ltr"),
        ("fr", "Réglages", "ltr"),
        ("ja", "設定", "ltr"),
        ("zh-Hans", "设置", "ltr"),
        ("ar", "الإعدادات", "rtl"),
        ("en", "Settings", "ltr"),
    ];
    for (tag, title, direction) in titles {
        wait(&page, "document.querySelector('#language')");
        page.fill("#language", tag).unwrap();
        wait(&page, &format!("document.querySelector('h1').innerText === {title:?}"));
        let root = page.evaluate("[document.documentElement.lang, document.documentElement.dir]").unwrap();
        assert_eq!(root, json!([tag, direction]));
        let overflow =
            page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth").unwrap();
        assert_eq!(overflow, 0, "{tag} is wider than the page");
    }
    // The choice is there on the next visit, before anything else.
    page.fill("#language", "ar").unwrap();
    wait(&page, "document.documentElement.dir === 'rtl'");
    page.navigate(&server.page("")).unwrap();
    wait(&page, "document.querySelector('.welcome h2')?.innerText === 'اسأل ما شئت. يبقى هنا.'");
}

#[test]
fn settings_reach_the_model_and_other_tabs() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("settings")).unwrap();
    wait(&page, "document.querySelector('#temperature')");
    page.fill("#temperature", "0.35").unwrap();
    page.fill("#max-tokens", "77").unwrap();
    page.fill("#system-prompt", "Answer in rhymes.").unwrap();
    page.click("[data-testid=prompts] button").unwrap();
    wait(&page, "document.querySelector('[data-testid=prompts] .snippet')");
    page.fill("[data-testid=prompts] .snippet input", "shorten").unwrap();
    page.fill("[data-testid=prompts] .snippet textarea", "Shorten {{text}} to {{words}} words").unwrap();
    page.evaluate("document.querySelectorAll('[name=theme]')[2].click()").unwrap();
    wait(&page, "document.documentElement.dataset.theme === 'dark'");

    let chat = session.open(&server.page("")).unwrap();
    assert_eq!(chat.evaluate("document.documentElement.dataset.theme").unwrap(), "dark");
    use_scripted_engine(&chat).unwrap();
    chat.type_into("#message", "/sho").unwrap();
    wait(&chat, "document.querySelector('.prompt-menu .prompt')");
    chat.press("Enter").unwrap();
    // What is typed takes the place of one variable after the other.
    let selected =
        "(field => field.value.slice(field.selectionStart, field.selectionEnd))(document.querySelector('#message'))";
    wait(&chat, &format!("{selected} === '{{{{text}}}}'"));
    chat.press("A").unwrap();
    chat.press("Tab").unwrap();
    wait(&chat, &format!("{selected} === '{{{{words}}}}'"));
    chat.press("9").unwrap();
    wait(&chat, "document.querySelector('#message').value === 'Shorten A to 9 words'");
    chat.press("Enter").unwrap();
    answer(&chat).unwrap();
    let body = chat.evaluate("asked.findLast(request => request.type === 'api').body").unwrap();
    assert_eq!(body["messages"][0], json!({ "role": "system", "content": "Answer in rhymes." }));
    assert_eq!((&body["max_tokens"], &body["stream"]), (&json!(77), &json!(true)));
    assert!((body["temperature"].as_f64().unwrap() - 0.35).abs() < 1e-6, "{body}");

    // This conversation gets instructions of its own.
    chat.click(".header [aria-label='Instructions for this conversation']").unwrap();
    wait(&chat, "document.querySelector('#instructions')");
    chat.fill("#instructions", "Answer in numbers.").unwrap();
    chat.click(".dialog button[type=submit]").unwrap();
    ask(&chat, "And now?").unwrap();
    wait(&chat, "asked.filter(request => request.type === 'api').length === 2");
    let system = chat.evaluate("asked.findLast(request => request.type === 'api').body.messages[0].content").unwrap();
    assert_eq!(system, "Answer in numbers.");

    // Enter makes a new line once the user wants that, in a tab that is open already.
    page.show().unwrap();
    page.evaluate("document.querySelectorAll('[type=checkbox]')[1].click()").unwrap();
    chat.show().unwrap();
    answer(&chat).unwrap();
    chat.type_into("#message", "one").unwrap();
    chat.press("Enter").unwrap();
    chat.evaluate("new Promise(done => setTimeout(done, 300))").unwrap();
    assert_eq!(chat.evaluate("asked.filter(request => request.type === 'api').length").unwrap(), 2);
}

#[test]
fn the_keyboard_does_everything() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("")).unwrap();
    wait(&page, "document.querySelector('#message')");
    let key = |key: &str, more: &str| {
        let script = format!(
            "window.dispatchEvent(new KeyboardEvent('keydown', {{ key: {key:?}, bubbles: true, cancelable: true, {more} }}))"
        );
        page.evaluate(&script).unwrap();
    };
    key("k", "ctrlKey: true");
    wait(&page, "document.activeElement.id === 'search'");
    page.evaluate("document.activeElement.blur()").unwrap();
    key("?", "");
    wait(&page, "document.querySelector('.dialog .shortcuts')");
    page.press("Escape").unwrap();
    wait(&page, "!document.querySelector('.dialog')");
    key("S", "ctrlKey: true, shiftKey: true");
    wait(&page, "document.querySelector('.app').dataset.list === 'closed'");
}

#[test]
fn the_catalogue_offers_models_and_the_playground_keeps_to_a_schema() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("catalogue")).unwrap();
    wait(&page, "document.querySelectorAll('.model-card').length >= 20");
    page.fill("#filter", "qwen3 apache").unwrap();
    wait(&page, "document.querySelectorAll('.model-card').length === 4");
    page.fill("#filter", "no such model").unwrap();
    wait(&page, "document.querySelector('[data-testid=catalogue] .empty')");
    page.fill("#filter", "").unwrap();
    // The bundled model: looked at, then loaded, with its progress in the chat.
    page.click("[data-model='SmolLM2 135M Instruct'] button").unwrap();
    page.wait_for("document.querySelector('[data-testid=inspection]')?.innerText.includes('135 million')", LONG)
        .unwrap();
    page.click("[data-testid=inspection] button.primary").unwrap();
    page.wait_for(READY, LONG).unwrap();
    assert!(!page.evaluate("location.pathname").unwrap().as_str().unwrap().ends_with("catalogue"));

    // In the same visit: links do not load the page anew.
    page.click(".sidebar-foot a[href=settings]").unwrap();
    page.click(".page-header a[href=playground]").unwrap();
    wait(&page, "document.querySelector('#schema')");
    let schema = json!({
        "type": "object", "properties": { "capital": { "enum": ["Paris", "Berlin"] } },
        "required": ["capital"], "additionalProperties": false,
    });
    page.fill("#schema", "{").unwrap();
    page.click("[data-testid=run-schema]").unwrap();
    wait(&page, "document.querySelector('.failure-message')");
    page.fill("#schema", &schema.to_string()).unwrap();
    page.click("[data-testid=run-schema]").unwrap();
    let done = "document.querySelector('[data-testid=schema-answer][data-running=false]')?.innerText.includes('}')";
    page.wait_for(done, LONG).unwrap();
    let answer = page.text("[data-testid=schema-answer]").unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(["Paris", "Berlin"].contains(&answer["capital"].as_str().unwrap()), "{answer}");

    page.click(".page-header a[href=performance]").unwrap();
    wait(&page, "document.querySelectorAll('.plot circle').length === 1");
    let facts = page.text(".facts-table").unwrap();
    assert!(facts.contains("SmolLM2-135M-Instruct.Q4_1") && facts.contains("KV cache"), "{facts}");
}
