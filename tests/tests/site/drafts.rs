//! Draft models in the browser: proposed by the page, where a mock engine answers, and through the module with tiny models.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_tests::chat::READY;
use parlance_tests::scripted::use_scripted_engine_everywhere;
use parlance_tests::tiny::talking_model;
use parlance_tests::{ModelHost, Server, Session};
use serde_json::Value;

use crate::conversations::wait;

#[test]
fn the_page_proposes_a_draft_model_for_a_larger_one() {
    const TEXT: &str = "(document.querySelector('[data-testid=inspection]')?.innerText ?? '')";
    const DRAFTS: &str = "SmolLM2-135M-Instruct.Q4_1.gguf drafts its answers";
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open("about:blank").unwrap();
    use_scripted_engine_everywhere(&page).unwrap();
    // What the browser reports does not depend on the machine that runs the test.
    page.before_every_page("Object.defineProperty(navigator, 'deviceMemory', { get: () => 8 })").unwrap();
    page.before_every_page("window.isThere = true").unwrap();
    page.navigate(&server.page("")).unwrap();
    page.click(".model-button").unwrap();
    wait(&page, "document.querySelector('#model-url')");
    page.fill("#model-url", "bartowski/SmolLM2-1.7B-Instruct-GGUF/SmolLM2-1.7B-Instruct-Q4_K_M.gguf").unwrap();
    page.press("Enter").unwrap();
    // The user decides.
    wait(&page, "document.querySelector('[data-testid=inspection] .advanced')");
    page.click("[data-testid=inspection] .advanced summary").unwrap();
    page.click("#draft-model").unwrap();
    wait(&page, &format!("{TEXT}.includes({DRAFTS:?})"));
    page.click("#draft-model").unwrap();
    wait(&page, &format!("{TEXT}.includes('SmolLM2 1.7B') && !{TEXT}.includes({DRAFTS:?})"));
    page.click("#draft-model").unwrap();
    wait(&page, &format!("{TEXT}.includes({DRAFTS:?})"));
    page.click("[data-testid=inspection] button.primary").unwrap();
    wait(&page, &format!("{READY} && !document.querySelector('.dialog')"));
    let draft = page.evaluate("asked.findLast(({ type }) => type === 'load').draft_model?.url").unwrap();
    assert_eq!(draft, server.page("models/SmolLM2-135M-Instruct.Q4_1.gguf"));
}

#[test]
fn a_draft_model_is_loaded_with_its_model_and_changes_no_answer() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let file = talking_model().unwrap();
    let len = file.len() as f64;
    // It drafts for itself, under another name.
    let [host, other] = [file.clone(), file].map(|file| ModelHost::start(file).unwrap());
    let (large, small) = (host.url("large.gguf"), other.url("small.gguf"));
    let page = session.open(&server.blank_page()).unwrap();
    let tried = page
        .evaluate(&format!(
            "(async () => {{
                const {{ Parlance }} = await import({module:?});
                const allowedHosts = [{large:?}, {small:?}].map(url => new URL(url).origin);
                const engine = await Parlance.create({{ allowedHosts }});
                await engine.configure({{ device: 'cpu' }});
                const messages = [{{ role: 'user', content: 'Hello!' }}];
                const ask = () => engine.chat.completions.create({{ messages, temperature: 0, max_tokens: 24 }});
                const alone = await engine.load({large:?});
                const plain = await ask();
                const described = await engine.inspect({large:?}, {{ draftModel: {small:?} }});
                let done = 0;
                const onProgress = (progress) => {{ done = Math.max(done, progress.done); }};
                const info = await engine.load({large:?}, {{ draftModel: {small:?}, onProgress }});
                const drafted = await ask();
                const wrong = await engine.load({large:?}, {{ draftModel: {encoder:?} }}).then(() => null, ({{ reason }}) => reason);
                const {{ models }} = await engine.storage.list();
                return {{ alone, plain, described, done, info, drafted, wrong, kept: models.map(({{ name }}) => name) }};
            }})()",
            module = server.page("parlance.js"),
            encoder = server.embedding_model(),
        ))
        .unwrap();
    let text = |response: &Value| response["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    assert_eq!(text(&tried["drafted"]), text(&tried["plain"]));
    let accepted = |response: &Value| {
        response["usage"]["completion_tokens_details"]["accepted_prediction_tokens"].as_u64().unwrap()
    };
    assert!(accepted(&tried["plain"]) == 0 && accepted(&tried["drafted"]) > 0, "{tried}");
    assert_eq!(tried["described"]["draft_model"], "small.gguf", "{tried}");
    assert_eq!((tried["described"]["len_bytes"].as_f64(), tried["done"].as_f64()), (Some(2.0 * len), Some(2.0 * len)));
    let weights = |info: &Value| info["weight_bytes"].as_f64().unwrap();
    assert!((weights(&tried["info"]) - 2.0 * weights(&tried["alone"])).abs() < 1.0, "memory counts both: {tried}");
    assert_eq!(tried["info"]["name"], tried["alone"]["name"]);
    assert_eq!(tried["wrong"]["code"], "wrong_draft", "{tried}");
    assert!(tried["kept"].as_array().unwrap().contains(&"small.gguf".into()), "{tried}");
}
