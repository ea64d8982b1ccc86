//! The engine that all tabs share: closed tabs, a lost GPU, little memory, idle models, interruptions, new builds.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::time::{Duration, Instant};

use parlance_tests::chat::{
    LAST_ANSWER, LAST_TEXT, MODEL_TIMEOUT, PAGE_TIMEOUT, READY, answer, ask, load_from_link, new_chat,
};
use parlance_tests::failures::record_failure;
use parlance_tests::inject::before_engine;
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::{Page, Server, Session};
use serde_json::{Value, json};

const QUESTION: &str = "What is the capital of France?";
const QUERY: &str = "?temperature=0&max_tokens=20&model=models/SmolLM2-135M-Instruct.Q4_1.gguf";

fn run(page: &Page, body: &str) -> Value {
    page.evaluate(&format!("(async () => {{ {body} }})()")).unwrap()
}

#[test]
fn tabs_share_one_engine_and_the_next_tab_takes_over() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let first = session.open(&server.page(QUERY)).unwrap();
    load_from_link(&first).unwrap();
    first.wait_for(READY, MODEL_TIMEOUT).unwrap();

    // The second tab has the model at once, without loading it.
    let second = session.open(&server.page(QUERY)).unwrap();
    second.wait_for(READY, Duration::from_secs(10)).unwrap();
    let engines = run(
        &second,
        "return (await navigator.locks.query()).held.filter(lock => lock.name.startsWith('parlance.engine')).length;",
    );
    assert_eq!(engines, 1);
    // Both ask, and the answers are not mixed up.
    first.show().unwrap();
    ask(&first, QUESTION).unwrap();
    second.show().unwrap();
    ask(&second, "What is the capital of Germany?").unwrap();
    assert!(answer(&second).unwrap().contains("Berlin"));
    // Background tabs do not render.
    first.show().unwrap();
    assert!(answer(&first).unwrap().contains("Paris"));

    // A third tab is closed during a long answer: nothing waits for the answer to end.
    let third = session.open(&server.page("?temperature=0&max_tokens=3000")).unwrap();
    third.wait_for(READY, PAGE_TIMEOUT).unwrap();
    ask(&third, "Write a very long story about a dragon.").unwrap();
    third.wait_for(&format!("{LAST_TEXT}.length > 20"), MODEL_TIMEOUT).unwrap();
    third.close().unwrap();
    second.show().unwrap();
    ask(&second, QUESTION).unwrap();
    assert!(answer(&second).unwrap().contains("Paris"));

    // The tab with the engine is closed: the other one's worker takes over, with the model from storage.
    first.close().unwrap();
    second.show().unwrap();
    ask(&second, "And of Italy?").unwrap();
    assert!(answer(&second).unwrap().contains("Rome"));

    // A model and another that was loaded beside it are both reloaded by the worker that takes over.
    let third = session.open(&server.blank_page()).unwrap();
    let (module, model) = (server.page("parlance.js"), server.page("models/SmolLM2-135M-Instruct.Q4_1.gguf"));
    run(
        &third,
        &format!(
            "const {{ Parlance }} = await import({module:?});
            window.engine = await Parlance.create({{ model: {model:?} }});
            await engine.load({:?}, {{ beside: true }});",
            server.embedding_model()
        ),
    );
    second.close().unwrap();
    let both = run(
        &third,
        "const vectors = await engine.embeddings.create({ input: 'x' });
        const answer = await engine.chat.completions.create({ messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 });
        return [vectors.data.length, answer.object];",
    );
    assert_eq!(both, json!([1, "chat.completion"]));
    record_failure("Tab", "a second tab opens", "it is ready without loading anything");
    record_failure("Tab", "two tabs ask at once", "both get answers");
    record_failure("Tab", "a tab is closed during an answer", "its answer stops; the engine is free for others");
    record_failure("Tab", "the tab with the engine is closed", "another tab takes over, with all of its models");
}

/// Begins to stream an answer, and notes when each chunk of it came.
fn begin_answer(page: &Page, question: &str) {
    page.evaluate(&format!(
        "(() => {{
            window.times = [];
            window.text = (async () => {{
                const messages = [{{ role: 'user', content: {question:?} }}];
                const chunks = await engine.chat.completions.create({{
                    messages, stream: true, temperature: 0, max_tokens: 60,
                }});
                let text = '';
                for await (const chunk of chunks) {{
                    const added = chunk.choices[0]?.delta?.content ?? '';
                    if (added) times.push(Date.now());
                    text += added;
                }}
                return text;
            }})();
        }})()"
    ))
    .unwrap();
}

#[test]
fn tabs_share_steps_and_their_answers_overlap_in_time() {
    const QUESTIONS: [&str; 2] = ["Describe a forest.", "What is the capital of France? Explain."];
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let tabs = [0, 1].map(|_| session.open(&server.blank_page()).unwrap());
    let (module, model) = (server.page("parlance.js"), server.page("models/SmolLM2-135M-Instruct.Q4_1.gguf"));
    for tab in &tabs {
        // With so short a context, further sequences cost little on any device.
        run(
            tab,
            &format!(
                "const {{ Parlance }} = await import({module:?});
                window.engine = await Parlance.create({{ model: {model:?}, contextTokens: 512 }});"
            ),
        );
    }
    let alone = [0, 1].map(|tab: usize| {
        begin_answer(&tabs[tab], QUESTIONS[tab]);
        run(&tabs[tab], "return await text;")
    });
    begin_answer(&tabs[0], QUESTIONS[0]);
    tabs[0].wait_for("times.length > 2", MODEL_TIMEOUT).unwrap();
    begin_answer(&tabs[1], QUESTIONS[1]);
    let together = [0, 1].map(|tab: usize| run(&tabs[tab], "return await text;"));
    assert_eq!(together, alone);
    let times = [0, 1].map(|tab: usize| {
        let times = run(&tabs[tab], "return times;");
        times.as_array().unwrap().iter().filter_map(Value::as_f64).collect::<Vec<_>>()
    });
    // While the first answer goes on, several pieces of the second come.
    let end = times[0].last().unwrap();
    let meanwhile = times[1].iter().filter(|time| *time < end).count();
    assert!(meanwhile >= 3, "{times:?}");

    // One is stopped, and the other goes on.
    begin_answer(&tabs[0], QUESTIONS[0]);
    tabs[0].wait_for("times.length > 2", MODEL_TIMEOUT).unwrap();
    run(
        &tabs[1],
        &format!(
            "const stop = new AbortController();
            const messages = [{{ role: 'user', content: {:?} }}];
            const request = {{ messages, stream: true, temperature: 0, max_tokens: 300 }};
            const chunks = await engine.chat.completions.create(request, {{ signal: stop.signal }});
            try {{
                for await (const chunk of chunks) if (chunk.choices[0]?.delta?.content) stop.abort();
            }} catch {{}}",
            QUESTIONS[1]
        ),
    );
    assert_eq!(run(&tabs[0], "return await text;"), alone[0]);
}

/// Makes the browser refuse to start the engine's worker.
const NO_ENGINE: &str = "(() => {
    const Real = window.Worker;
    window.Worker = function (url, options) {
        if (String(url).includes('parlance-worker')) throw new Error('none is left');
        return new Real(url, options);
    };
})()";

#[test]
fn questions_that_fail_at_once_are_saved_with_their_error() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("")).unwrap();
    page.evaluate(NO_ENGINE).unwrap();
    ask(&page, QUESTION).unwrap();
    let failure = format!("{LAST_ANSWER}?.innerText.includes('none is left')");
    page.wait_for(&failure, PAGE_TIMEOUT).unwrap();
    // The error is saved like that of any answer, so that the answer does not look incomplete.
    page.wait_for("location.search.includes('chat=')", PAGE_TIMEOUT).unwrap();
    page.evaluate("new Promise((done) => setTimeout(done, 1000))").unwrap();
    let address = page.evaluate("location.href").unwrap();
    page.navigate("about:blank").unwrap();
    page.navigate(address.as_str().unwrap()).unwrap();
    page.wait_for(&failure, PAGE_TIMEOUT).unwrap();
    record_failure("Worker", "the browser refuses to start it", "the answer shows the error, even on the next visit");
}

/// Lets a test destroy the GPU device.
const WATCH_DEVICES: &str = "
    const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...given) {
        return (self.device = await request.apply(this, given));
    };
    new BroadcastChannel('test').onmessage = () => self.device.destroy();
";

#[test]
fn answers_continue_after_the_gpu_was_lost() {
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    let query = "?device=gpu&temperature=0&repetition_penalty=1&max_tokens=150";
    let page = session.open(&server.page(query)).unwrap();
    before_engine(&page, WATCH_DEVICES).unwrap();
    let question = "Write a story about a dragon.";
    ask(&page, question).unwrap();
    page.wait_for(&format!("{LAST_TEXT}.length > 20"), MODEL_TIMEOUT).unwrap();
    page.evaluate("new BroadcastChannel('test').postMessage('destroy')").unwrap();
    page.wait_for(
        "document.querySelector('[data-testid=notice]')?.innerText.includes('the GPU reported')",
        MODEL_TIMEOUT,
    )
    .unwrap();
    let interrupted = answer(&page).unwrap();
    new_chat(&page).unwrap();
    ask(&page, question).unwrap();
    assert_eq!(interrupted, answer(&page).unwrap(), "greedy answers are equal with and without a loss");
    record_failure(
        "GPU",
        "the device is lost during an answer",
        "the model is reloaded; the answer continues and is the same as without the loss",
    );
}

/// Counts how pipelines are created, and reports it on request.
const WATCH_PIPELINES: &str = "
    const created = {};
    for (const name of ['createComputePipeline', 'createComputePipelineAsync']) {
        const create = GPUDevice.prototype[name];
        GPUDevice.prototype[name] = function (descriptor) {
            created[name] = (created[name] ?? 0) + 1;
            return create.call(this, descriptor);
        };
    }
    new BroadcastChannel('pipelines').onmessage = ({ target }) => target.postMessage(created);
";

/// A file that is stored with the only stored model, as JSON. It is replaced by `text` before if that is given.
fn stored(page: &Page, name: &str, text: Option<&Value>) -> Value {
    let text = text.map(Value::to_string);
    let stored = run(
        page,
        &format!(
            "const text = {};
            const root = await navigator.storage.getDirectory();
            const models = await root.getDirectoryHandle('models');
            for await (const model of models.values()) {{
                const file = await model.getFileHandle({name:?});
                if (text) {{
                    const stream = await file.createWritable();
                    await stream.write(text);
                    await stream.close();
                }}
                return await (await file.getFile()).text();
            }}",
            json!(text)
        ),
    );
    // Scripts would round large numbers.
    serde_json::from_str(stored.as_str().unwrap()).unwrap()
}

/// The stored result of autotuning, see [`stored`].
fn layout(page: &Page, text: Option<&Value>) -> Value {
    stored(page, "layout", text)
}

/// Asks, and waits until the layout has been measured on this adapter, which begins when nobody waits for an answer.
fn measured_layout(page: &Page) -> Value {
    ask(page, QUESTION).unwrap();
    assert!(answer(page).unwrap().len() >= 20);
    let is_measured = "(async () => {
        const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
        for await (const folder of models.values())
            for await (const [name, file] of folder.entries())
                if (name === 'layout') return JSON.parse(await (await file.getFile()).text()).adapter !== 'another' || null;
        return null;
    })()";
    let start = Instant::now();
    // While it is written, it cannot be parsed.
    while page.evaluate(is_measured).unwrap_or_default().is_null() && start.elapsed() < MODEL_TIMEOUT {
        std::thread::sleep(Duration::from_millis(200));
    }
    layout(page, None)
}

/// Asserts that results of the self-test do not apply to another adapter, browser or version. The dialog is open.
fn assert_self_test_is_repeated_elsewhere(page: &Page) {
    let own = stored(page, "self-test", None);
    assert_eq!(own["verdict"], "sound");
    for place in ["adapter", "browser", "version"] {
        let mut other = own.clone();
        assert!(other["tested"][place].is_string(), "{other}");
        other["tested"][place] = json!("another");
        // If it applied, the model would not load.
        other["verdict"] = json!("wrong");
        stored(page, "self-test", Some(&other));
        page.click("[data-testid=current-model] button").unwrap();
        page.wait_for("document.querySelector('.model-button[data-state=empty]')", PAGE_TIMEOUT).unwrap();
        page.click(".dialog .actions button").unwrap();
        page.wait_for(READY, MODEL_TIMEOUT).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(stored(page, "self-test", None), own, "{place}");
        page.click(".model-button").unwrap();
    }
}

#[test]
fn kernels_are_compiled_in_parallel_and_the_kv_cache_can_be_quantised() {
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("?device=gpu&temperature=0&max_tokens=20&context=512")).unwrap();
    before_engine(&page, WATCH_PIPELINES).unwrap();
    page.click("[data-testid=model-offer] button").unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    let created = run(
        &page,
        "const channel = new BroadcastChannel('pipelines');
        const created = new Promise((told) => (channel.onmessage = ({ data }) => told(data)));
        channel.postMessage('?');
        return await created;",
    );
    println!("{created}");
    assert!(created["createComputePipelineAsync"].as_u64().unwrap() > 8, "{created}");
    assert_eq!(created["createComputePipeline"], Value::Null, "pipelines should not be compiled one by one: {created}");

    let measured = measured_layout(&page);
    assert!(measured["adapter"].as_str().unwrap().contains("swiftshader"), "{measured}");
    // A result for another adapter is replaced, one for this adapter is kept.
    layout(&page, Some(&json!({ "adapter": "another", "version": measured["version"], "changes": [] })));
    page.click(".model-button").unwrap();
    let kv_bytes = "Number(document.querySelector('[data-testid=current-model]')?.dataset.kvBytes)";
    let before = page.evaluate(kv_bytes).unwrap().as_f64().unwrap();
    // The model is reloaded with the chosen format.
    page.evaluate("document.querySelector('.advanced').open = true").unwrap();
    page.click("#kv-cache-quantization").unwrap();
    page.wait_for(&format!("{kv_bytes} === {}", before * 9.0 / 16.0), MODEL_TIMEOUT).unwrap();
    page.click(".dialog [aria-label=Close]").unwrap();
    assert_eq!(measured_layout(&page)["adapter"], measured["adapter"]);
    let chosen =
        json!({ "adapter": measured["adapter"], "version": measured["version"], "changes": ["separate-query"] });
    layout(&page, Some(&chosen));
    page.click(".model-button").unwrap();
    page.evaluate("document.querySelector('.advanced').open = true").unwrap();
    page.click("#kv-cache-quantization").unwrap();
    page.wait_for(&format!("{kv_bytes} === {before}"), MODEL_TIMEOUT).unwrap();
    assert_eq!(layout(&page, None), chosen);
    assert_self_test_is_repeated_elsewhere(&page);
}

#[test]
fn idle_models_are_unloaded_and_reloaded_and_stops_take_effect_at_once() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("")).unwrap();
    let model = server.page("models/SmolLM2-135M-Instruct.Q4_1.gguf");
    // Prefilling a long prompt takes many seconds on this adapter, but a stop takes effect at once.
    let stopped = run(
        &page,
        &format!(
            "window.freed = new Promise(resolve => (window.onFreed = resolve));
            const onEvent = event => {{ if (event.type === 'model_changed' && event.model === null) onFreed(true); }};
            let prefilling;
            const reading = new Promise(resolve => (prefilling = resolve));
            const onProgress = ({{ phase }}) => {{ if (phase === 'prefill') prefilling(); }};
            window.engine = await Parlance.create({{ model: {model:?}, onEvent, onProgress }});
            const controller = new AbortController();
            const messages = [{{ role: 'user', content: 'word '.repeat(1500) }}];
            const answer = engine.chat.completions.create({{ messages }}, {{ signal: controller.signal }}).catch(error => error.name);
            await reading;
            const start = performance.now();
            controller.abort();
            const name = await answer;
            return {{ name, ms: performance.now() - start }};"
        ),
    );
    assert_eq!(stopped["name"], "AbortError");
    let wait_ms = stopped["ms"].as_f64().unwrap();
    println!("stopped after {wait_ms:.0} ms");
    assert!(wait_ms < 1000.0, "a stop must not wait for more than a batch of the prompt");

    let answer = run(
        &page,
        "await engine.configure({ idleUnloadSeconds: 0.5 });
        await freed;
        const answer = await engine.chat.completions.create({
            messages: [{ role: 'user', content: 'What is the capital of France?' }], temperature: 0, max_tokens: 20,
        });
        return answer.choices[0].message.content;",
    );
    assert_eq!(answer, "The capital of France is Paris.");

    // Several models share a memory budget: the least recently used one is unloaded.
    let url = server.embedding_model();
    let names = run(
        &page,
        &format!(
            "await engine.configure({{ idleUnloadSeconds: null }});
            await engine.load({url:?}, {{ beside: true }});
            const both = await engine.chat.completions.create({{ messages: [{{ role: 'user', content: 'Hi' }}], max_tokens: 2 }});
            await engine.embeddings.create({{ input: 'x' }});
            await engine.configure({{ budgetBytes: 1000 }});
            await engine.load({url:?} + '?other', {{ beside: true }});
            const gone = await engine.chat.completions.create({{ messages: [{{ role: 'user', content: 'Hi' }}], max_tokens: 2 }}).catch(error => error.name);
            return [both.object, gone];"
        ),
    );
    assert_eq!(names, json!(["chat.completion", "ParlanceError"]));
    record_failure("Worker", "a model is idle for a long time", "it is unloaded; the next question reloads it");
}

/// Checks for a newer build, and returns the state of its service worker.
const UPDATE: &str = "
    const registration = await navigator.serviceWorker.getRegistration();
    const found = new Promise((done) => {
        registration.addEventListener('updatefound', () => done(registration.installing), { once: true });
    });
    await registration.update();
    const worker = await found;
    while (worker.state === 'installing') await new Promise((done) => setTimeout(done, 20));
    return worker.state;
";

#[test]
fn newer_builds_wait_until_the_user_accepts_them() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    // Mixed builds cause these.
    session.expect_in_console("SRI's integrity checks failed");
    session.expect_in_console("Failed to find a valid digest in the 'integrity' attribute");
    let page = session.open(&server.page("")).unwrap();
    page.wait_for("navigator.serviceWorker.controller", PAGE_TIMEOUT).unwrap();
    use_scripted_engine(&page).unwrap();
    ask(&page, QUESTION).unwrap();
    answer(&page).unwrap();
    // The browser rejects files of mixed builds, whose digests differ, and the old build stays.
    server.publish_mixed_builds();
    assert_eq!(run(&page, UPDATE), "redundant");
    assert_eq!(page.evaluate("document.querySelector('[data-testid=update]')").unwrap(), Value::Null);
    let other = session.open(&server.page("settings")).unwrap();
    assert_eq!(other.evaluate("document.querySelector('meta[name=build]')").unwrap(), Value::Null);
    other.close().unwrap();
    page.show().unwrap();
    server.publish_newer_build();
    page.evaluate("navigator.serviceWorker.getRegistration().then(registration => registration.update())").unwrap();
    // An update would interrupt the user, so it is only offered. Until then the old build stays complete, even after a
    // reload.
    page.wait_for("document.querySelector('[data-testid=update]')", PAGE_TIMEOUT).unwrap();
    let other = session.open(&server.page("settings")).unwrap();
    assert_eq!(other.evaluate("document.querySelector('meta[name=build]')").unwrap(), Value::Null);
    other.close().unwrap();
    page.show().unwrap();
    page.click("[data-testid=update] button").unwrap();
    page.wait_for("document.querySelector('meta[name=build]')?.content === 'newer'", PAGE_TIMEOUT).unwrap();
    // The newer build has the conversation.
    page.wait_for("document.querySelector('.conversation')?.innerText.includes('capital of France')", PAGE_TIMEOUT)
        .unwrap();
    let caches = page.evaluate("caches.keys()").unwrap();
    assert_eq!(caches.as_array().unwrap().len(), 1, "the old build should be gone: {caches}");
    record_failure("Tab", "a host has files of two builds", "the service worker rejects them; the old build stays");
    record_failure("Tab", "a newer build is published", "the page never mixes builds; the user decides when to update");
}

/// Simulates a GPU without memory for large KV caches.
const LITTLE_MEMORY: &str = "
    let isFull = false;
    const { createBuffer, popErrorScope } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function (descriptor) {
        isFull ||= descriptor.label === 'kv cache' && descriptor.size > MOST_BYTES;
        return createBuffer.call(this, descriptor);
    };
    GPUDevice.prototype.popErrorScope = async function () {
        const error = await popErrorScope.call(this);
        const result = isFull ? new GPUOutOfMemoryError('there is none') : error;
        isFull = false;
        return result;
    };
";

#[test]
fn too_little_gpu_memory_shrinks_the_context_or_suggests_a_smaller_model() {
    let server = Server::start_with_tiny_model().unwrap();
    // A layer's cache takes 256 bytes per token. There is memory for 1,024 tokens, then for none.
    for (most_bytes, expected) in [(300_000, "it has 1,024"), (1000, "try a smaller model")] {
        let session = Session::start(true).unwrap();
        let page = session.open(&server.page("?device=gpu")).unwrap();
        before_engine(&page, &LITTLE_MEMORY.replace("MOST_BYTES", &most_bytes.to_string())).unwrap();
        page.click("[data-testid=model-offer] button").unwrap();
        page.wait_for(&format!("document.querySelector('.dock')?.innerText.includes({expected:?})"), MODEL_TIMEOUT)
            .unwrap();
    }
    record_failure("GPU", "there is no memory for the KV cache", "a smaller context is used; the user is told");
    record_failure("GPU", "there is no memory for the smallest context either", "the error suggests a smaller model");
}
