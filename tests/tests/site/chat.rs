//! The built site in Chromium, with the real model.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{self, LAST_ANSWER, LAST_TEXT, MODEL_TIMEOUT, READY, new_chat};
use parlance_tests::failures::record_failure;
use parlance_tests::{Page, Server, Session, model_path, native};

const QUESTION: &str = "What is the capital of France?";
const MAX_TOKENS: usize = 20;
const OFFER: &str = "[data-testid=model-offer] button";
const LOAD_FAILURE: &str = "document.querySelector('[data-testid=load-failure]')";
const INSPECTION: &str = "document.querySelector('[data-testid=inspection]')";

fn ask(page: &Page, question: &str) {
    chat::ask(page, question).unwrap();
}

fn answer(page: &Page) -> String {
    chat::answer(page).unwrap()
}

/// Opens a page with options that make answers reproducible.
fn open(session: &Session, server: &Server) -> Page {
    session
        .open(&server.page(&format!("?device=gpu&temperature=0&repetition_penalty=1&max_tokens={MAX_TOKENS}")))
        .unwrap()
}

#[test]
fn answers_equal_those_of_the_native_engine() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    // The first message loads the model automatically.
    let count_lengths = "new MutationObserver(() => (window.lengths ??= new Set()).add(
        document.querySelector('[data-role=assistant] .markdown')?.innerText.length ?? 0
    )).observe(document.body, { subtree: true, childList: true, characterData: true })";
    page.evaluate(count_lengths).unwrap();
    ask(&page, QUESTION);
    let text = answer(&page);
    assert!(text.contains("Paris"), "{text}");
    assert_eq!(text, native::answer(QUESTION, MAX_TOKENS));
    let lengths = page.evaluate("window.lengths.size").unwrap().as_u64().unwrap();
    assert!(lengths >= 4, "the answer came in {lengths} steps, so it was not streamed");
    let statistics = page.text(".statistics").unwrap();
    assert!(statistics.contains("tok/s"), "{statistics}");
    assert_eq!(page.evaluate("document.querySelector('[data-testid=on-cpu]')").unwrap(), serde_json::Value::Null);

    // A follow-up question sees the conversation and reuses the KV cache.
    let cached_tokens = format!("Number({LAST_ANSWER}.querySelector('.statistics').dataset.cached)");
    ask(&page, "And of Germany?");
    let follow_up = answer(&page);
    assert!(follow_up.contains("Berlin"), "{follow_up}");
    let cached = page.evaluate(&cached_tokens).unwrap().as_u64().unwrap();
    assert!(cached > 30, "{cached}");

    // The model was uploaded in chunks: the worker never held all of it.
    page.click(".model-button").unwrap();
    page.text("[data-testid=current-model] p").unwrap();
    let memory = page.evaluate("Number(document.querySelector('[data-testid=current-model]').dataset.memory)").unwrap();
    assert!(memory.as_f64().unwrap() < 80e6, "{memory}");
    page.click(".dialog [aria-label=Close]").unwrap();

    new_chat(&page).unwrap();
    page.wait_for("document.querySelector('.welcome')", Duration::from_secs(5)).unwrap();
    assert_eq!(page.evaluate("document.querySelectorAll('.message').length").unwrap(), 0);

    // The KV cache of a conversation is saved while another one replaces it.
    ask(&page, "Good morning!");
    answer(&page);
    page.evaluate("document.querySelectorAll('.conversation').item(1).click()").unwrap();
    page.wait_for("document.body.innerText.includes('And of Germany?')", MODEL_TIMEOUT).unwrap();
    ask(&page, "Thank you.");
    answer(&page);
    let cached_again = page.evaluate(&cached_tokens).unwrap().as_u64().unwrap();
    assert!(cached_again > cached + 10, "{cached_again} after {cached}: the second turn should be cached");
}

#[test]
fn an_answer_can_be_stopped_and_the_next_one_works() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("?temperature=0")).unwrap();
    ask(&page, "Write a long story about a dragon.");
    page.wait_for(&format!("{LAST_TEXT}.length > 20"), MODEL_TIMEOUT).unwrap();
    page.click("[aria-label=Stop]").unwrap();
    page.wait_for(&format!("{LAST_ANSWER}.dataset.active === 'false'"), Duration::from_secs(10)).unwrap();
    assert!(page.text(".statistics").unwrap().contains("stopped"));
    assert!(answer(&page).len() > 20, "the partial answer stays");
    new_chat(&page).unwrap();
    ask(&page, QUESTION);
    assert!(answer(&page).contains("Paris"));
    record_failure("Input", "the user stops an answer", "the partial answer stays; the next one works");
}

#[test]
fn bad_models_are_reported_and_the_app_keeps_working() {
    let cases = [
        ("missing.gguf", "responded with 404"),
        ("page.html", "looks like a web page"),
        ("picture.gguf", "instead of “GGUF”"),
        ("cut-header.gguf", "incomplete"),
        ("cut-weights.gguf", "incomplete"),
        ("architecture.gguf", "architecture “mamba”"),
        ("quantisation.gguf", "Q8_1"),
    ];
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    // A dropped file, then URLs that are inspected, then URLs that are loaded without inspection.
    let drop_page = "(() => {
        const data = new DataTransfer();
        data.items.add(new File(['<html>'], 'dropped.gguf'));
        document.querySelector('.app').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true }));
    })()";
    page.wait_for("document.querySelector('.app')", MODEL_TIMEOUT).unwrap();
    page.evaluate(drop_page).unwrap();
    page.wait_for(&format!("{INSPECTION}?.innerText.includes('looks like a web page')"), MODEL_TIMEOUT).unwrap();
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
    // A valid model still works.
    page.click(".model-button").unwrap();
    page.choose_file("#model-file", &model_path()).unwrap();
    page.wait_for(&format!("{INSPECTION}?.innerText.includes('135 million parameters')"), MODEL_TIMEOUT).unwrap();
    page.click("[data-testid=inspection] button.primary").unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    ask(&page, QUESTION);
    assert!(answer(&page).contains("Paris"));
    record_failure("Download", "the server responds with 404", "the error shows status and URL; the app keeps working");
    record_failure(
        "Download",
        "a sign-in page arrives instead of the model",
        "the error says that it looks like a web page",
    );
    record_failure("Input", "the model file is not a model (a picture)", "the error shows how the file starts");
    record_failure("Input", "the model's header is truncated", "the error says so");
    record_failure("Input", "the model's weights are truncated", "the error says so");
    record_failure("Input", "the model's architecture is unknown", "the error names it");
    record_failure("Input", "the model's quantisation is unknown", "the error names it");
}

#[test]
fn split_models_are_planned_from_their_headers_and_answer() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    page.click(".model-button").unwrap();
    page.type_into("#model-url", &server.split_model()).unwrap();
    page.press("Enter").unwrap();
    page.wait_for(&format!("{INSPECTION}?.innerText.includes('in 3 files')"), MODEL_TIMEOUT).unwrap();
    let inspection = page.text("[data-testid=inspection]").unwrap();
    assert!(inspection.contains("of GPU memory") && inspection.contains("4,096-token context"), "{inspection}");
    let sent = server.sent_bytes();
    assert!(sent < 13_000_000, "{sent} bytes were fetched to read three headers");

    // The model can be loaded with a smaller context, which takes less memory.
    let choose = "(() => {
        const select = document.querySelector('#context-tokens');
        select.value = '1024';
        select.dispatchEvent(new Event('change', { bubbles: true }));
    })()";
    page.evaluate(choose).unwrap();
    page.wait_for(&format!("{INSPECTION}?.innerText.includes('1,024-token context')"), MODEL_TIMEOUT).unwrap();
    page.click("[data-testid=inspection] button.primary").unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    ask(&page, QUESTION);
    assert!(answer(&page).contains("Paris"));
    page.click(".model-button").unwrap();
    let details = page.text("[data-testid=current-model] p").unwrap();
    assert!(details.contains("1,024-token context"), "{details}");
}

/// Loads an embedding model in a separate worker, with the documented messages, and returns the embeddings of texts.
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
fn embedding_models_embed_texts_and_are_rejected_for_chats() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page(&format!("?model={}", server.embedding_model()))).unwrap();
    chat::load_from_link(&page).unwrap();
    page.wait_for(&format!("{LOAD_FAILURE}?.innerText.includes('cannot chat')"), MODEL_TIMEOUT).unwrap();
    let texts = r#"["The cat sits on the mat.", "A feline rests on a rug.", "Quarterly revenue grew by 12 percent."]"#;
    let vectors = page.evaluate(&format!("{EMBED}({:?}, {texts})", server.embedding_model())).unwrap();
    let vectors: Vec<Vec<f64>> = serde_json::from_value(vectors).unwrap();
    let cosine = |a: usize, b: usize| vectors[a].iter().zip(&vectors[b]).map(|(a, b)| a * b).sum::<f64>();
    assert!((cosine(0, 0) - 1.0).abs() < 1e-4);
    // llama.cpp's values for these texts, see the engine's `embeddings.rs`.
    assert!(
        (cosine(0, 1) - 0.56).abs() < 0.01 && (cosine(0, 2) + 0.02).abs() < 0.01,
        "{} {}",
        cosine(0, 1),
        cosine(0, 2)
    );
    record_failure("Input", "an embedding model is loaded to chat with", "the error says what it is for");
}

#[test]
fn loading_shows_progress_and_can_be_cancelled() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page(&format!("?model={}", server.slow_model()))).unwrap();
    chat::load_from_link(&page).unwrap();
    page.wait_for("document.querySelector('.progress-detail')?.innerText.includes('left')", MODEL_TIMEOUT).unwrap();
    let detail = page.text(".progress-detail").unwrap();
    assert!(detail.contains(" of 98.4 MB") && detail.contains("MB/s"), "{detail}");
    page.click("[data-testid=load-progress] button").unwrap();
    page.wait_for("document.querySelector('[data-testid=model-offer]')", Duration::from_secs(10)).unwrap();
    record_failure("Download", "the user cancels the download", "it stops at once; the model is offered again");
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
    record_failure(
        "GPU",
        "there is no WebGPU, but the user has chosen the GPU",
        "the error says which browsers have WebGPU",
    );
}

/// Gives the test access to the page's next workers, and lets it break their script.
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
fn workers_that_cannot_start_are_reported_and_crashed_ones_are_replaced() {
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    // Long enough to be interrupted.
    let page = session.open(&server.page("?device=gpu&temperature=0&repetition_penalty=1&max_tokens=150")).unwrap();
    page.evaluate(WATCH_WORKERS).unwrap();
    page.evaluate("window.brokenScript = true").unwrap();
    page.click(OFFER).unwrap();
    page.wait_for(&format!("{LOAD_FAILURE}?.innerText.includes('could not be loaded')"), Duration::from_secs(30))
        .unwrap();

    page.evaluate("window.brokenScript = false").unwrap();
    page.click("[data-testid=load-failure] button.primary").unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    // The page's settings apply although it sent them before the worker was the leader.
    assert_eq!(page.evaluate("document.querySelector('[data-testid=on-cpu]')").unwrap(), serde_json::Value::Null);
    ask(&page, "Write a long story about a dragon.");
    page.wait_for(&format!("{LAST_TEXT}.length > 5"), MODEL_TIMEOUT).unwrap();
    let begun = page.evaluate(LAST_TEXT).unwrap();
    // This is what the browser does when the worker's wasm traps. The answer continues in a new worker, and the user is
    // told once.
    page.evaluate("window.worker.dispatchEvent(new ErrorEvent('error', { message: 'unreachable executed' }))").unwrap();
    page.wait_for("document.querySelector('[data-testid=notice]')?.innerText.includes('was restarted')", MODEL_TIMEOUT)
        .unwrap();
    let text = answer(&page);
    let begun = begun.as_str().unwrap();
    assert!(text.starts_with(begun) && text.len() > begun.len() + 20, "{begun:?} became {text:?}");
    assert_eq!(page.evaluate("document.querySelectorAll('.message').length").unwrap(), 2);
    new_chat(&page).unwrap();
    ask(&page, QUESTION);
    assert!(answer(&page).len() > 20);
    record_failure("Worker", "its script is missing", "the error says so; a retry works");
    record_failure(
        "Worker",
        "its wasm traps during an answer",
        "a new worker continues the same answer; the user is told once",
    );
}
