//! Failures that no other module causes: of the GPU in each phase, of storage, of tabs and of input.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{LAST_ANSWER, LAST_TEXT, MODEL_TIMEOUT, PAGE_TIMEOUT, READY, answer, ask, new_chat};
use parlance_tests::failures::record_failure;
use parlance_tests::inject::{before_engine, before_every_engine};
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::templates::file_with_template;
use parlance_tests::{Page, Server, Session, native};

const QUESTION: &str = "What is the capital of France?";
const ON_CPU: &str = "document.querySelector('[data-testid=on-cpu]')";
const OFFER: &str = "[data-testid=model-offer] button";

/// Lets a test destroy the GPU device, in a phase that it names.
const LOSE_AT: &str = "
    const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...given) {
        return (self.device = await request.apply(this, given));
    };
    let phase = '';
    const lose = () => { phase = ''; self.device.destroy(); };
    const channel = new BroadcastChannel('test');
    channel.onmessage = ({ data }) => data === 'now' ? lose() : phase = data;
    const { writeBuffer, submit } = GPUQueue.prototype;
    GPUQueue.prototype.writeBuffer = function (...given) {
        if (phase === 'upload' && given[0].size > 1e5) lose();
        return writeBuffer.apply(this, given);
    };
    let submissions = 0;
    GPUQueue.prototype.submit = function (...given) {
        if (phase === 'prefill' && ++submissions === 3) lose();
        return submit.apply(this, given);
    };
    phase = 'PHASE';
";

/// Sends a message to the code that was injected into the engine worker.
fn send(page: &Page, message: &str) {
    page.evaluate(&format!("new BroadcastChannel('test').postMessage({message:?})")).unwrap();
}

#[test]
fn losing_the_gpu_in_any_phase_only_costs_time() {
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    let query = "?device=gpu&temperature=0&max_tokens=12";
    let page = session.open(&server.page(query)).unwrap();
    before_engine(&page, &LOSE_AT.replace("PHASE", "upload")).unwrap();
    page.click(OFFER).unwrap();
    let failure = "document.querySelector('[data-testid=load-failure]')";
    page.wait_for(failure, MODEL_TIMEOUT).unwrap();
    // The retry gets a new device.
    page.click("[data-testid=load-failure] button.primary").unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    record_failure(
        "GPU",
        "the device is lost while a model loads",
        "the error says so; a retry loads the model onto a new device",
    );

    send(&page, "prefill");
    let long = format!("{} {QUESTION}", "Please listen. ".repeat(6));
    ask(&page, &long).unwrap();
    page.wait_for(
        "document.querySelector('[data-testid=notice]')?.innerText.includes('the GPU reported')",
        MODEL_TIMEOUT,
    )
    .unwrap();
    let interrupted = answer(&page).unwrap();
    record_failure("GPU", "the device is lost during prefill", "the model is reloaded and answers; the user is told");

    new_chat(&page).unwrap();
    send(&page, "now");
    ask(&page, &long).unwrap();
    let text = answer(&page).unwrap();
    assert!(text.len() >= 12, "{text} {}", page.evaluate("document.body.innerText").unwrap());
    assert_eq!(interrupted, text, "greedy answers are equal with and without a loss");
    record_failure("GPU", "the device is lost while idle", "the next question reloads the model and is answered");
}

/// Hides that the tests' adapter runs on the CPU, because the engine would not choose it automatically.
const DISGUISE: &str = "Object.defineProperty(GPUAdapterInfo.prototype, 'vendor', { get: () => 'test' });
    for (const name of ['architecture', 'device', 'description']) Object.defineProperty(GPUAdapterInfo.prototype, name, { get: () => '' });
    Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });";

/// Script: true if the welcome says where models run.
const WELCOME_ON_CPU: &str = "document.querySelector('.welcome')?.innerText.includes('on your own CPU')";

#[test]
fn models_run_on_the_cpu_if_the_gpu_cannot_be_used() {
    const QUERY: &str = "?temperature=0&max_tokens=12";
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    // Of the shader that does not compile.
    for line in ["Error while parsing WGSL", "[Invalid ShaderModule"] {
        session.expect_in_console(line);
    }
    let page = session.open(&server.page(&format!("{QUERY}&device=cpu"))).unwrap();
    ask(&page, QUESTION).unwrap();
    let expected = answer(&page).unwrap();
    assert!(expected.len() >= 12, "{expected}");
    page.close().unwrap();
    let cases = [
        ("there is no adapter", "GPU.prototype.requestAdapter = async () => null;"),
        ("the adapter provides no device", "GPUAdapter.prototype.requestDevice = async () => { throw new DOMException('refused', 'OperationError'); };"),
        (
            "a shader does not compile",
            "const create = GPUDevice.prototype.createShaderModule;
             GPUDevice.prototype.createShaderModule = function (descriptor) { return create.call(this, { ...descriptor, code: 'fn main( {' }); };",
        ),
    ];
    for (failure, code) in cases {
        // On later visits the page starts the engine at once.
        let page = session.open(&server.blank_page()).unwrap();
        before_every_engine(&page, &format!("{DISGUISE}{code}")).unwrap();
        page.navigate(&server.page(QUERY)).unwrap();
        page.show().unwrap();
        ask(&page, QUESTION).unwrap();
        page.wait_for(ON_CPU, MODEL_TIMEOUT).unwrap();
        assert_eq!(answer(&page).unwrap(), expected, "{failure}");
        new_chat(&page).unwrap();
        page.wait_for(WELCOME_ON_CPU, PAGE_TIMEOUT).unwrap_or_else(|error| panic!("{failure}: {error}"));
        page.close().unwrap();
        record_failure("GPU", failure, "the model runs on the CPU; the page says so, and what would help");
    }

    // Without WebGPU at all.
    let session = Session::start(false).unwrap();
    let page = session.open(&server.page(QUERY)).unwrap();
    page.wait_for(WELCOME_ON_CPU, PAGE_TIMEOUT).unwrap();
    ask(&page, QUESTION).unwrap();
    page.wait_for(ON_CPU, MODEL_TIMEOUT).unwrap();
    assert_eq!(answer(&page).unwrap(), expected);
    page.evaluate(&format!("{ON_CPU}.querySelector('summary').click()")).unwrap();
    let help = page.text(".webgpu-help").unwrap();
    assert!(["Chrome and Edge", "Safari", "Firefox"].iter().all(|browser| help.contains(browser)), "{help}");
    record_failure(
        "GPU",
        "the browser has no WebGPU",
        "the model runs on the CPU; the page says so, and what would help",
    );
}

/// Replaces text in kernels, so that they compute wrongly.
const MISCOMPILE: &str = "
    const create = GPUDevice.prototype.createShaderModule;
    GPUDevice.prototype.createShaderModule = function (descriptor) {
        const code = REPLACED.reduce((code, [right, wrong]) => code.replaceAll(right, wrong), descriptor.code);
        return create.call(this, { ...descriptor, code });
    };
";

#[test]
fn answers_are_right_even_if_the_gpu_computes_wrongly() {
    const QUERY: &str = "?temperature=0&max_tokens=24";
    let server = Server::start_with_tiny_model().unwrap();
    let says = |text: &str| format!("document.body.innerText.includes({text:?})");
    let (simpler, on_cpu) = (says("uses simpler ones"), says("so the model runs on the CPU"));
    // The second row of each pair gets the result of the first: in `matvec.wgsl`, then also in `linear.wgsl`.
    let cases = [
        (
            "some kernels compute wrongly",
            "[['dot_block(b0', 'dot_block(a0']]",
            &simpler,
            "simpler kernels replace them all; the page says so",
        ),
        (
            "simpler kernels compute wrongly, too",
            "[['dot_block(b0', 'dot_block(a0'], ['dot(b0.v', 'dot(a0.v']]",
            &on_cpu,
            "the model runs on the CPU; the page says so",
        ),
    ];
    let expected = {
        let session = Session::start(true).unwrap();
        let page = session.open(&server.page(&format!("{QUERY}&device=cpu"))).unwrap();
        ask(&page, QUESTION).unwrap();
        answer(&page).unwrap()
    };
    for (failure, replaced, notice, outcome) in cases {
        // The result is stored with the model, so each case needs its own browser.
        let session = Session::start(true).unwrap();
        let open = |code: &str| {
            // On the second visit the page starts the engine automatically.
            let page = session.open(&server.blank_page()).unwrap();
            before_every_engine(&page, &format!("{DISGUISE}{code}")).unwrap();
            page.navigate(&server.page(QUERY)).unwrap();
            page.show().unwrap();
            ask(&page, QUESTION).unwrap();
            page.wait_for(notice, MODEL_TIMEOUT).unwrap();
            page
        };
        let page = open(&MISCOMPILE.replace("REPLACED", replaced));
        assert_eq!(answer(&page).unwrap(), expected, "{failure}");
        page.close().unwrap();
        record_failure("GPU", failure, outcome);
        if notice == &simpler {
            // The stored result is used: the kernels are right now, but they are not tested again.
            open("").close().unwrap();
        }
    }
}

/// Lets a test end the engine's helper threads.
const END_THREADS: &str = "
    const members = [];
    const Real = self.Worker;
    self.Worker = function (...given) {
        const member = new Real(...given);
        members.push(member);
        return member;
    };
    new BroadcastChannel('test').onmessage = () => members.forEach((member) => member.terminate());
";

#[test]
fn isolated_pages_use_threads_and_continue_without_them_if_they_end() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.isolated_page("?device=cpu&temperature=0&max_tokens=24")).unwrap();
    before_engine(&page, END_THREADS).unwrap();
    let threads = page.evaluate("navigator.hardwareConcurrency").unwrap().as_u64().unwrap();
    assert!(threads > 1, "this test needs more than one processor");
    page.click(OFFER).unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    page.click(".model-button").unwrap();
    let details = page.text("[data-testid=current-model]").unwrap();
    assert!(details.contains("threads"), "{details}");
    page.click(".dialog [aria-label=Close]").unwrap();
    ask(&page, QUESTION).unwrap();
    // Results do not depend on the number of threads.
    let expected = native::answer(QUESTION, 24);
    assert_eq!(answer(&page).unwrap(), expected);

    send(&page, "end");
    // Chromium lets a busy worker run for two seconds before it kills it.
    std::thread::sleep(Duration::from_secs(4));
    new_chat(&page).unwrap();
    ask(&page, QUESTION).unwrap();
    page.wait_for("document.querySelector('[data-testid=notice]')?.innerText.includes('thread')", MODEL_TIMEOUT)
        .unwrap();
    assert_eq!(answer(&page).unwrap(), expected);
    record_failure(
        "Worker",
        "its helper threads end",
        "the model is reloaded without them; the answer is the same; the user is told",
    );
}

#[test]
fn chats_work_in_browsers_without_storage() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("?temperature=0&max_tokens=12")).unwrap();
    before_engine(
        &page,
        "StorageManager.prototype.getDirectory = async () => { throw new DOMException('no', 'SecurityError'); };",
    )
    .unwrap();
    ask(&page, QUESTION).unwrap();
    let text = answer(&page).unwrap();
    assert!(text.contains("Paris"), "{text} {}", page.evaluate("document.body.innerText").unwrap());
    record_failure("Storage", "the browser has no file storage", "the model is streamed and answers; it is not stored");

    // Conversations and settings cannot be saved either.
    let page = session.open(&server.blank_page()).unwrap();
    page.show().unwrap();
    page.before_every_page("Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } }); Object.defineProperty(window, 'indexedDB', { get() { throw new DOMException('no', 'SecurityError'); } });").unwrap();
    page.navigate(&server.page("?temperature=0&max_tokens=12")).unwrap();
    use_scripted_engine(&page).unwrap();
    ask(&page, "Hello").unwrap();
    assert!(answer(&page).unwrap().contains("Hello"));
    record_failure("Storage", "the browser has no local storage", "the page works; settings last until it is closed");
}

#[test]
fn tabs_that_are_hidden_frozen_or_reloaded_lose_nothing() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("?temperature=0&repetition_penalty=1&max_tokens=60")).unwrap();
    ask(&page, "Write a story about a dragon.").unwrap();
    page.wait_for(&format!("{LAST_TEXT}.length > 10"), MODEL_TIMEOUT).unwrap();
    let other = session.open(&server.blank_page()).unwrap();
    other.show().unwrap();
    page.wait_for(&format!("{LAST_ANSWER}?.dataset.active === 'false'"), MODEL_TIMEOUT).unwrap();
    page.show().unwrap();
    let whole = answer(&page).unwrap();
    assert!(whole.len() > 100, "{whole}");
    record_failure("Tab", "it goes to the background during an answer", "the answer is completed");

    new_chat(&page).unwrap();
    ask(&page, "Write a story about a dragon.").unwrap();
    page.wait_for(&format!("{LAST_TEXT}.length > 10"), MODEL_TIMEOUT).unwrap();
    page.freeze(true).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    page.freeze(false).unwrap();
    // The driver wakes the tab without showing it, so show another one and come back.
    other.show().unwrap();
    page.show().unwrap();
    assert_eq!(answer(&page).unwrap(), whole);
    record_failure(
        "Tab",
        "the browser freezes it during an answer",
        "the answer continues when it wakes, and is the same",
    );

    new_chat(&page).unwrap();
    ask(&page, "Write a story about a dragon.").unwrap();
    // Answers are saved once per second.
    page.wait_for(&format!("{LAST_TEXT}.length > 30"), MODEL_TIMEOUT).unwrap();
    std::thread::sleep(Duration::from_millis(1300));
    let address = server.page("?max_tokens=60&again");
    page.navigate("about:blank").unwrap();
    page.navigate(&address).unwrap();
    page.wait_for("document.querySelector('.conversation')", PAGE_TIMEOUT).unwrap();
    page.click(".conversation").unwrap();
    page.wait_for(&format!("{LAST_TEXT}.length > 20"), PAGE_TIMEOUT).unwrap();
    let kept = page.evaluate(LAST_TEXT).unwrap();
    let kept = kept.as_str().unwrap().trim().to_owned();
    assert!(whole.starts_with(&kept), "{kept:?} of {whole:?}");
    record_failure("Tab", "it is reloaded during an answer", "the partial answer is there and can be continued");
}

/// What the page says about a model before it is loaded.
const INSPECTED: &str = "document.querySelector('[data-testid=inspection]')?.innerText";

/// Stops the clock, which every rendering of a template reads, so that the worker dies in the first one.
const DIE_IN_FIRST_TEMPLATE: &str = "
    const root = await navigator.storage.getDirectory();
    const notes = await root.getDirectoryHandle('suspects', { create: true });
    if ((await notes.keys().next()).done) Date.now = () => { throw new Error('the clock is broken'); };
";

#[test]
fn chatml_replaces_templates_that_would_crash_the_worker() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    session.expect_in_console("the clock is broken");
    let open = |code: &str| {
        let page = session.open(&server.page("?temperature=0")).unwrap();
        before_engine(&page, code).unwrap();
        page.click(".model-button").unwrap();
        page
    };
    let inspect = |page: &Page, name: &str, template: &str, expected: &str| {
        page.choose_file("#model-file", &file_with_template(name, template).unwrap()).unwrap();
        let result = page.wait_for(&format!("{INSPECTED}?.match({expected:?})"), MODEL_TIMEOUT);
        result.unwrap_or_else(|error| panic!("{name}: {error}: {:?}", page.evaluate(INSPECTED)));
    };
    let nesting = "{% set ns=namespace(a=[]) %}{% for j in range(500) %}{% for i in range(1000) %}\
                   {% set ns.a=[ns.a] %}{% endfor %}{% endfor %}";
    let page = open("");
    inspect(&page, "template-nesting", nesting, "nested more than 64 levels deep");
    // Its worker would lead that of the next page.
    page.close().unwrap();
    record_failure("Input", "a chat template nests values without end", "ChatML replaces it; the page says so");

    // The worker dies while it renders a template. The next one repeats the inspection, but does not try the template.
    let page = open(DIE_IN_FIRST_TEMPLATE);
    let harmless = "{% for m in messages %}{{ m.content }}{% endfor %}";
    inspect(&page, "template-deadly", harmless, "ended the engine when it was tried before");
    let notice = page.text("[data-testid=notice]").unwrap();
    assert!(notice.contains("the clock is broken") && notice.contains("was restarted"), "{notice}");
    // A pattern: without “ChatML”.
    inspect(&page, "template-other", &format!("{harmless}!"), "^(?=[^]*135 million)(?![^]*ChatML)");
    record_failure(
        "Input",
        "a chat template has crashed the engine before",
        "it is not tried again; ChatML replaces it; the page says so",
    );
}

#[test]
fn invalid_and_oversized_input_is_explained_or_ignored() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page =
        session
            .open(&server.page(
                "?temperature=hot&top_p=7&context=-3&max_tokens=&seed=x&device=toaster&model=javascript:alert(1)",
            ))
            .unwrap();
    ask(&page, QUESTION).unwrap();
    page.wait_for(&format!("{LAST_ANSWER}?.dataset.active === 'false'"), MODEL_TIMEOUT).unwrap();
    page.wait_for("document.body.innerText.includes('“top_p”')", PAGE_TIMEOUT).unwrap();
    record_failure(
        "Input",
        "the URL has invalid options",
        "unparsable ones are ignored; the page names one that is out of range",
    );

    page.navigate(&server.page("?temperature=0&max_tokens=5&context=512")).unwrap();
    let megabyte = "All work and no play makes Jack a dull boy. ".repeat(24_000);
    let start = std::time::Instant::now();
    page.fill("#message", &megabyte).unwrap();
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))").unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    page.press("Enter").unwrap();
    page.wait_for("document.querySelector('.failure')?.innerText.includes('tokens')", MODEL_TIMEOUT).unwrap();
    record_failure(
        "Input",
        "a megabyte of text is pasted and sent",
        "the page stays responsive; the error says how many tokens there are and how many fit",
    );

    new_chat(&page).unwrap();
    ask(&page, QUESTION).unwrap();
    assert!(answer(&page).unwrap().len() > 3);
    record_failure("Input", "a question follows one that was too long", "it is answered");

    // A question that only fits a larger context is answered automatically once the model has that context.
    new_chat(&page).unwrap();
    let line = "All work and no play makes Jack a dull boy. ";
    page.fill("#message", &line.repeat(55)).unwrap();
    page.press("Enter").unwrap();
    let offer = "[...document.querySelectorAll('.message button')].find(button => button.innerText.includes('1,024-token context'))";
    page.wait_for(offer, MODEL_TIMEOUT).unwrap();
    page.evaluate(&format!("{offer}.click()")).unwrap();
    page.wait_for(&format!("{LAST_TEXT}.length > 3"), MODEL_TIMEOUT).unwrap();
    assert!(answer(&page).unwrap().len() > 3);
    record_failure(
        "Input",
        "a question is longer than the context",
        "a larger context is offered, with which it is answered automatically",
    );
    // The next question does not fit together with it.
    page.fill("#message", &line.repeat(40)).unwrap();
    page.press("Enter").unwrap();
    page.wait_for("document.querySelectorAll('.message').length === 4", PAGE_TIMEOUT).unwrap();
    assert!(answer(&page).unwrap().len() > 3);
    page.wait_for("document.querySelector('[data-testid=context-cutoff]')", PAGE_TIMEOUT).unwrap();
    record_failure(
        "Input",
        "a conversation is longer than the context",
        "the oldest messages are dropped; a line shows which",
    );
}
