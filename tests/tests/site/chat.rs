//! The built site in a real browser, on the real model.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{self, LAST_ANSWER, LAST_TEXT, LONG, NEW_CHAT, READY};
use parlance_tests::faults::shown;
use parlance_tests::{Page, Server, Session, model_path, native};

const QUESTION: &str = "What is the capital of France?";
const MAX_TOKENS: usize = 40;
const OFFER: &str = "[data-testid=model-offer] button";
const LOAD_FAILURE: &str = "document.querySelector('[data-testid=load-failure]')";
const INSPECTION: &str = "document.querySelector('[data-testid=inspection]')";

fn ask(page: &Page, question: &str) {
    chat::ask(page, question).unwrap();
}

fn answer(page: &Page) -> String {
    chat::answer(page).unwrap()
}

/// A page with the options that make answers repeatable.
fn open(session: &Session, server: &Server) -> Page {
    session
        .open(&server.page(&format!("?device=gpu&temperature=0&repetition_penalty=1&max_tokens={MAX_TOKENS}")))
        .unwrap()
}

#[test]
fn a_question_is_answered_as_by_the_native_program() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    // The first message loads the model by itself.
    let count_lengths = "new MutationObserver(() => (window.lengths ??= new Set()).add(
        document.querySelector('[data-role=assistant] .markdown')?.innerText.length ?? 0
    )).observe(document.body, { subtree: true, childList: true, characterData: true })";
    page.evaluate(count_lengths).unwrap();
    ask(&page, QUESTION);
    let text = answer(&page);
    assert!(text.contains("Paris"), "{text}");
    assert_eq!(text, native::answer_on_gpu(QUESTION, MAX_TOKENS));
    let lengths = page.evaluate("window.lengths.size").unwrap().as_u64().unwrap();
    assert!(lengths >= 4, "the answer came in {lengths} steps, so it was not streamed");
    let statistics = page.text(".statistics").unwrap();
    assert!(statistics.contains("tok/s"), "{statistics}");
    assert_eq!(page.evaluate("document.querySelector('[data-testid=on-cpu]')").unwrap(), serde_json::Value::Null);

    // A follow-up sees the conversation and reuses what is cached.
    let cached_tokens = format!("Number({LAST_ANSWER}.querySelector('.statistics').dataset.cached)");
    ask(&page, "And of Germany?");
    let follow_up = answer(&page);
    assert!(follow_up.contains("Berlin"), "{follow_up}");
    let cached = page.evaluate(&cached_tokens).unwrap().as_u64().unwrap();
    assert!(cached > 30, "{cached}");

    // The model went to the GPU in chunks: the worker never held it.
    page.click(".model-button").unwrap();
    page.text("[data-testid=current-model] p").unwrap();
    let memory = page.evaluate("Number(document.querySelector('[data-testid=current-model]').dataset.memory)").unwrap();
    assert!(memory.as_f64().unwrap() < 80e6, "{memory}");
    page.click(".dialog [aria-label=Close]").unwrap();

    page.click(NEW_CHAT).unwrap();
    page.wait_for("document.querySelector('.welcome')", Duration::from_secs(5)).unwrap();
    assert_eq!(page.evaluate("document.querySelectorAll('.message').length").unwrap(), 0);

    // What is known of a conversation is kept while another one takes its place.
    ask(&page, "Good morning!");
    answer(&page);
    page.evaluate("document.querySelectorAll('.conversation').item(1).click()").unwrap();
    page.wait_for("document.body.innerText.includes('And of Germany?')", LONG).unwrap();
    ask(&page, "Thank you.");
    answer(&page);
    let cached_again = page.evaluate(&cached_tokens).unwrap().as_u64().unwrap();
    assert!(cached_again > cached + 10, "{cached_again} after {cached}: the second question and its answer, too");
}

#[test]
fn an_answer_can_be_stopped_and_the_next_one_works() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("?temperature=0")).unwrap();
    ask(&page, "Write a long story about a dragon.");
    page.wait_for(&format!("{LAST_TEXT}.length > 20"), LONG).unwrap();
    page.click("[aria-label=Stop]").unwrap();
    page.wait_for(&format!("{LAST_ANSWER}.dataset.active === 'false'"), Duration::from_secs(10)).unwrap();
    assert!(page.text(".statistics").unwrap().contains("stopped"));
    assert!(answer(&page).len() > 20, "what was written stays");
    page.click(NEW_CHAT).unwrap();
    ask(&page, QUESTION);
    assert!(answer(&page).contains("Paris"));
    shown("Input", "the user stops an answer", "what was written stays; the next answer works");
}

#[test]
fn bad_models_are_named_and_the_app_goes_on() {
    let cases = [
        ("missing.gguf", "responded with 404"),
        ("page.html", "looks like a web page"),
        ("picture.gguf", "instead of “GGUF”"),
        ("cut-header.gguf", "incomplete"),
        ("cut-weights.gguf", "incomplete"),
        ("architecture.gguf", "architecture “mamba”"),
        ("quantisation.gguf", "IQ2_XXS"),
    ];
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    // Dropped, looked at, then loaded without a look.
    let drop_page = "(() => {
        const data = new DataTransfer();
        data.items.add(new File(['<html>'], 'dropped.gguf'));
        document.querySelector('.app').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true }));
    })()";
    page.evaluate(drop_page).unwrap();
    page.wait_for(&format!("{INSPECTION}?.innerText.includes('looks like a web page')"), LONG).unwrap();
    for (name, expected) in cases {
        page.evaluate("document.querySelector('#model-url').value = ''").unwrap();
        page.type_into("#model-url", &server.faulty(name)).unwrap();
        page.press("Enter").unwrap();
        page.wait_for(&format!("{INSPECTION}?.innerText.includes({expected:?})"), Duration::from_secs(30))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for (name, expected) in cases {
        page.navigate(&server.page(&format!("?temperature=0&max_tokens=20&model={}", server.faulty(name)))).unwrap();
        chat::load_from_link(&page).unwrap();
        page.wait_for(&format!("{LOAD_FAILURE}?.innerText.includes({expected:?})"), Duration::from_secs(30))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    // Then a sound model works.
    page.click(".model-button").unwrap();
    page.choose_file("#model-file", &model_path()).unwrap();
    page.wait_for(&format!("{INSPECTION}?.innerText.includes('135 million parameters')"), LONG).unwrap();
    page.click("[data-testid=inspection] button.primary").unwrap();
    page.wait_for(READY, LONG).unwrap();
    ask(&page, QUESTION);
    assert!(answer(&page).contains("Paris"));
    shown("Download", "the server answers 404", "the failure tells status and address; the app goes on");
    shown("Download", "a page to sign in comes in the model's place", "the failure says that it looks like a web page");
    shown("Input", "the model's file is none (a picture)", "the failure says how it begins");
    shown("Input", "the model's header is cut short", "the failure says so");
    shown("Input", "the model's weights are cut short", "the failure says so");
    shown("Input", "the model's architecture is unknown", "the failure names it");
    shown("Input", "the model's quantisation is unknown", "the failure names it");
}

#[test]
fn a_model_in_several_files_is_planned_from_its_headers_and_answers() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    page.click(".model-button").unwrap();
    page.type_into("#model-url", &server.split_model()).unwrap();
    page.press("Enter").unwrap();
    page.wait_for(&format!("{INSPECTION}?.innerText.includes('in 3 files')"), LONG).unwrap();
    let verdict = page.text("[data-testid=inspection]").unwrap();
    assert!(verdict.contains("of GPU memory") && verdict.contains("4,096-token context"), "{verdict}");
    let sent = server.sent_bytes();
    assert!(sent < 13_000_000, "{sent} bytes were fetched to read three headers");

    // A smaller context takes less memory, and is what the model is loaded with.
    let choose = "(() => {
        const select = document.querySelector('#context-tokens');
        select.value = '1024';
        select.dispatchEvent(new Event('change', { bubbles: true }));
    })()";
    page.evaluate(choose).unwrap();
    page.wait_for(&format!("{INSPECTION}?.innerText.includes('1,024-token context')"), LONG).unwrap();
    page.click("[data-testid=inspection] button.primary").unwrap();
    page.wait_for(READY, LONG).unwrap();
    ask(&page, QUESTION);
    assert!(answer(&page).contains("Paris"));
    page.click(".model-button").unwrap();
    let details = page.text("[data-testid=current-model] p").unwrap();
    assert!(details.contains("1,024-token context"), "{details}");
}

/// Loads an embedding model in a worker of its own, by the documented messages, and returns the vectors of texts.
const EMBED: &str = "(async (model, texts) => {
    const { startEngine } = await import(new URL('start-worker.js', document.baseURI).href);
    const worker = startEngine([]);
    const next = type => new Promise((resolve, reject) => {
        worker.addEventListener('message', ({ data }) => {
            if (data.type === type) resolve(data);
            if (data.type === 'failed' || data.type === 'panicked') reject(JSON.stringify(data));
        });
    });
    await next('ready');
    worker.postMessage({ request: { type: 'load', id: 1, source: { kind: 'url', url: model }, context_tokens: null } });
    await next('loaded');
    const body = { input: texts };
    worker.postMessage({ request: { type: 'api', id: 2, endpoint: 'embeddings', body } });
    const response = await next('response');
    worker.terminate();
    return response.body.data.map(entry => entry.embedding);
})";

#[test]
fn an_embedding_model_gives_vectors_in_the_worker_and_is_refused_for_chats() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page(&format!("?model={}", server.embedding_model()))).unwrap();
    chat::load_from_link(&page).unwrap();
    page.wait_for(&format!("{LOAD_FAILURE}?.innerText.includes('cannot chat')"), LONG).unwrap();
    let texts = r#"["The cat sits on the mat.", "A feline rests on a rug.", "Quarterly revenue grew by 12 percent."]"#;
    let vectors = page.evaluate(&format!("{EMBED}({:?}, {texts})", server.embedding_model())).unwrap();
    let vectors: Vec<Vec<f64>> = serde_json::from_value(vectors).unwrap();
    let cosine = |a: usize, b: usize| vectors[a].iter().zip(&vectors[b]).map(|(a, b)| a * b).sum::<f64>();
    assert!((cosine(0, 0) - 1.0).abs() < 1e-4);
    // As llama.cpp has them for these texts, see the engine's `embeddings.rs`.
    assert!(
        (cosine(0, 1) - 0.56).abs() < 0.01 && (cosine(0, 2) + 0.02).abs() < 0.01,
        "{} {}",
        cosine(0, 1),
        cosine(0, 2)
    );
    shown("Input", "an embedding model is to chat", "the failure says what it is for");
}

#[test]
fn loading_shows_its_progress_and_can_be_cancelled() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page(&format!("?model={}", server.slow_model()))).unwrap();
    chat::load_from_link(&page).unwrap();
    page.wait_for("document.querySelector('.progress-detail')?.innerText.includes('left')", LONG).unwrap();
    let detail = page.text(".progress-detail").unwrap();
    assert!(detail.contains(" of 98.4 MB") && detail.contains("MB/s"), "{detail}");
    page.click("[data-testid=load-progress] button").unwrap();
    page.wait_for("document.querySelector('[data-testid=model-offer]')", Duration::from_secs(10)).unwrap();
    shown("Download", "the user cancels it", "it stops at once; the offer comes back");
}

#[test]
fn without_webgpu_the_page_says_which_browsers_have_it() {
    let server = Server::start().unwrap();
    let session = Session::start(false).unwrap();
    let page = open(&session, &server);
    page.click(OFFER).unwrap();
    let help = page.text(".webgpu-help").unwrap();
    for browser in ["Chrome and Edge", "Safari", "Firefox"] {
        assert!(help.contains(browser), "{help}");
    }
    assert!(page.text(".failure-message").unwrap().contains("WebGPU"));
    shown("GPU", "there is none, and the user wants no other", "the failure says which browsers have WebGPU");
}

/// Makes the page's next worker one that a test can hurt.
const WATCH_WORKERS: &str = "(() => {
    const Real = window.Worker;
    window.Worker = function (url, options) {
        const missing = `import ${JSON.stringify(new URL('missing.js', location.href).href)}`;
        const broken = URL.createObjectURL(new Blob([missing], { type: 'text/javascript' }));
        const worker = new Real(window.brokenScript ? broken : url, options);
        window.worker = worker;
        return worker;
    };
})()";

#[test]
fn a_worker_that_cannot_start_is_reported_and_one_that_dies_is_replaced() {
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    // Long enough to be interrupted.
    let page = session.open(&server.page("?device=gpu&temperature=0&repetition_penalty=1&max_tokens=1000")).unwrap();
    page.evaluate(WATCH_WORKERS).unwrap();
    page.evaluate("window.brokenScript = true").unwrap();
    page.click(OFFER).unwrap();
    page.wait_for(&format!("{LOAD_FAILURE}?.innerText.includes('could not be loaded')"), Duration::from_secs(30))
        .unwrap();

    page.evaluate("window.brokenScript = false").unwrap();
    page.click("[data-testid=load-failure] button.primary").unwrap();
    page.wait_for(READY, LONG).unwrap();
    // What the page wants of a worker holds although it was said before the worker led.
    assert_eq!(page.evaluate("document.querySelector('[data-testid=on-cpu]')").unwrap(), serde_json::Value::Null);
    ask(&page, "Write a long story about a dragon.");
    page.wait_for(&format!("{LAST_TEXT}.length > 5"), LONG).unwrap();
    let begun = page.evaluate(LAST_TEXT).unwrap();
    // What the browser does when the worker's wasm traps: the answer goes on in a new worker, and the user hears of it once.
    page.evaluate("window.worker.dispatchEvent(new ErrorEvent('error', { message: 'unreachable executed' }))").unwrap();
    page.wait_for("document.querySelector('[data-testid=notice]')?.innerText.includes('was restarted')", LONG).unwrap();
    let text = answer(&page);
    let begun = begun.as_str().unwrap();
    assert!(text.starts_with(begun) && text.len() > begun.len() + 20, "{begun:?} became {text:?}");
    assert_eq!(page.evaluate("document.querySelectorAll('.message').length").unwrap(), 2);
    page.click(NEW_CHAT).unwrap();
    ask(&page, QUESTION);
    assert!(answer(&page).len() > 20);
    shown("Worker", "its script is missing", "the failure says so; a retry works");
    shown("Worker", "its wasm traps in mid-answer", "a new worker goes on with the same answer; the user is told once");
}
