//! One engine for all tabs, and what befalls it: closed tabs, a lost GPU, idleness, interrupts.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{LAST_ANSWER, LAST_TEXT, LONG, NEW_CHAT, READY, answer, ask, load_from_link};
use parlance_tests::faults::shown;
use parlance_tests::inject::before_engine;
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::{Page, Server, Session};
use serde_json::{Value, json};

const SHORT: Duration = Duration::from_secs(30);
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
    first.wait_for(READY, LONG).unwrap();

    // The second tab has the model at once: there is nothing to load.
    let second = session.open(&server.page(QUERY)).unwrap();
    second.wait_for(READY, Duration::from_secs(10)).unwrap();
    let engines = run(
        &second,
        "return (await navigator.locks.query()).held.filter(lock => lock.name.startsWith('parlance.engine')).length;",
    );
    assert_eq!(engines, 1);
    // Both ask; the answers do not mix.
    first.show().unwrap();
    ask(&first, QUESTION).unwrap();
    second.show().unwrap();
    ask(&second, "What is the capital of Germany?").unwrap();
    assert!(answer(&second).unwrap().contains("Berlin"));
    // Tabs in the background draw nothing.
    first.show().unwrap();
    assert!(answer(&first).unwrap().contains("Paris"));

    // A third tab is closed in the middle of a long answer: nobody waits for its end.
    let third = session.open(&server.page("?temperature=0&max_tokens=3000")).unwrap();
    third.wait_for(READY, SHORT).unwrap();
    ask(&third, "Write a very long story about a dragon.").unwrap();
    third.wait_for(&format!("{LAST_TEXT}.length > 20"), LONG).unwrap();
    third.close().unwrap();
    second.show().unwrap();
    ask(&second, QUESTION).unwrap();
    assert!(answer(&second).unwrap().contains("Paris"));

    // The tab with the engine is closed: the other one's worker takes over, with the model from this device.
    first.close().unwrap();
    second.show().unwrap();
    ask(&second, "And of Italy?").unwrap();
    assert!(answer(&second).unwrap().contains("Rome"));

    // A model and one beside it come back together, in a worker that starts with nothing.
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
    shown("Tab", "a second tab opens", "it is ready without loading anything");
    shown("Tab", "two tabs ask at once", "both are answered");
    shown("Tab", "a tab is closed in mid-answer", "its answer stops; the engine is free for others");
    shown("Tab", "the tab with the engine is closed", "another tab takes over, with all of its models");
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
fn a_question_that_fails_at_once_has_an_end_that_is_kept() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("")).unwrap();
    page.evaluate(NO_ENGINE).unwrap();
    ask(&page, QUESTION).unwrap();
    let failure = format!("{LAST_ANSWER}?.innerText.includes('none is left')");
    page.wait_for(&failure, SHORT).unwrap();
    // Its failure is kept, as that of any answer, rather than a beginning without an end.
    page.wait_for("location.search.includes('chat=')", SHORT).unwrap();
    page.evaluate("new Promise((done) => setTimeout(done, 1000))").unwrap();
    let address = page.evaluate("location.href").unwrap();
    page.navigate("about:blank").unwrap();
    page.navigate(address.as_str().unwrap()).unwrap();
    page.wait_for(&failure, SHORT).unwrap();
    shown("Worker", "the browser refuses to start it", "the answer tells the failure, also on the next visit");
}

/// Makes GPU devices that a test can destroy.
const WATCH_DEVICES: &str = "
    const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...given) {
        return (self.device = await request.apply(this, given));
    };
    new BroadcastChannel('test').onmessage = () => self.device.destroy();
";

#[test]
fn an_answer_goes_on_after_the_gpu_was_lost() {
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    let query = "?device=gpu&temperature=0&repetition_penalty=1&max_tokens=1000";
    let page = session.open(&server.page(query)).unwrap();
    before_engine(&page, WATCH_DEVICES).unwrap();
    let question = "Write a story about a dragon.";
    ask(&page, question).unwrap();
    page.wait_for(&format!("{LAST_TEXT}.length > 20"), LONG).unwrap();
    page.evaluate("new BroadcastChannel('test').postMessage('destroy')").unwrap();
    page.wait_for("document.querySelector('[data-testid=notice]')?.innerText.includes('the GPU reported')", LONG)
        .unwrap();
    let interrupted = answer(&page).unwrap();
    page.click(NEW_CHAT).unwrap();
    ask(&page, question).unwrap();
    assert_eq!(interrupted, answer(&page).unwrap(), "greedy answers are the same with and without a loss");
    shown(
        "GPU",
        "the device is lost in mid-answer",
        "the model loads again; the answer goes on and is the same as without the loss",
    );
}

/// Tells how pipelines were created when it is asked.
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

/// The file that says how the model's kernels are laid out best, after `text` was written to it, if there is any.
fn layout(page: &Page, text: Option<&Value>) -> Value {
    let text = text.map(Value::to_string);
    run(
        page,
        &format!(
            "const text = {};
            const root = await navigator.storage.getDirectory();
            const models = await root.getDirectoryHandle('models');
            for await (const model of models.values()) {{
                const layout = await model.getFileHandle('layout');
                if (text) {{
                    const stream = await layout.createWritable();
                    await stream.write(text);
                    await stream.close();
                }}
                return JSON.parse(await (await layout.getFile()).text());
            }}",
            json!(text)
        ),
    )
}

#[test]
fn kernels_are_compiled_side_by_side_and_conversations_can_take_half_of_the_gpus_memory() {
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("?device=gpu&temperature=0&max_tokens=20&context=512")).unwrap();
    before_engine(&page, WATCH_PIPELINES).unwrap();
    page.click("[data-testid=model-offer] button").unwrap();
    page.wait_for(READY, LONG).unwrap();
    let created = run(
        &page,
        "const channel = new BroadcastChannel('pipelines');
        const created = new Promise((told) => (channel.onmessage = ({ data }) => told(data)));
        channel.postMessage('?');
        return await created;",
    );
    println!("{created}");
    assert!(created["createComputePipelineAsync"].as_u64().unwrap() > 8, "{created}");
    assert_eq!(created["createComputePipeline"], Value::Null, "none one after the other: {created}");

    let measured = layout(&page, None);
    assert!(measured["adapter"].as_str().unwrap().contains("swiftshader"), "{measured}");
    // Measured again on another adapter, and kept for the one that it was measured on.
    layout(&page, Some(&json!({ "adapter": "another", "version": measured["version"], "changes": [] })));
    page.click(".model-button").unwrap();
    let kv_bytes = "Number(document.querySelector('[data-testid=current-model]')?.dataset.kvBytes)";
    let before = page.evaluate(kv_bytes).unwrap().as_f64().unwrap();
    // The model loads again with what was chosen.
    page.click("#kv-cache-quantization").unwrap();
    page.wait_for(&format!("{kv_bytes} === {}", before * 9.0 / 16.0), LONG).unwrap();
    assert_eq!(layout(&page, None)["adapter"], measured["adapter"]);
    page.click(".dialog [aria-label=Close]").unwrap();
    ask(&page, QUESTION).unwrap();
    assert!(answer(&page).unwrap().len() >= 20);
    let chosen =
        json!({ "adapter": measured["adapter"], "version": measured["version"], "changes": ["separate-query"] });
    layout(&page, Some(&chosen));
    page.click(".model-button").unwrap();
    page.click("#kv-cache-quantization").unwrap();
    page.wait_for(&format!("{kv_bytes} === {before}"), LONG).unwrap();
    assert_eq!(layout(&page, None), chosen);
}

#[test]
fn idle_models_are_freed_and_come_back_and_interrupts_do_not_wait() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("")).unwrap();
    let model = server.page("models/SmolLM2-135M-Instruct.Q4_1.gguf");
    // Reading a long prompt takes this adapter many seconds; a stop takes effect within a moment.
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
    assert!(wait_ms < 1000.0, "a batch of the prompt takes longer than that, and nothing else does");

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

    // Models beside each other, within a budget: the one used longest ago goes.
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
    shown("Worker", "a model is idle for long", "its memory is freed; the next question brings it back");
}

/// Looks for a newer build, and tells what has become of its service worker.
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
fn a_newer_build_waits_until_the_user_takes_it() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    // Where files of two builds are mixed.
    session.expect_in_console("SRI's integrity checks failed");
    session.expect_in_console("Failed to find a valid digest in the 'integrity' attribute");
    let page = session.open(&server.page("")).unwrap();
    page.wait_for("navigator.serviceWorker.controller", SHORT).unwrap();
    use_scripted_engine(&page).unwrap();
    ask(&page, QUESTION).unwrap();
    answer(&page).unwrap();
    // Files of two builds are no build: the browser finds another digest, and the old build stays.
    server.publish_mixed_builds();
    assert_eq!(run(&page, UPDATE), "redundant");
    assert_eq!(page.evaluate("document.querySelector('[data-testid=update]')").unwrap(), Value::Null);
    let other = session.open(&server.page("settings")).unwrap();
    assert_eq!(other.evaluate("document.querySelector('meta[name=build]')").unwrap(), Value::Null);
    other.close().unwrap();
    page.show().unwrap();
    server.publish_newer_build();
    page.evaluate("navigator.serviceWorker.getRegistration().then(registration => registration.update())").unwrap();
    // Something would be lost, so the newer build is offered; until then the old one stays whole, also after a reload.
    page.wait_for("document.querySelector('[data-testid=update]')", SHORT).unwrap();
    let other = session.open(&server.page("settings")).unwrap();
    assert_eq!(other.evaluate("document.querySelector('meta[name=build]')").unwrap(), Value::Null);
    other.close().unwrap();
    page.show().unwrap();
    page.click("[data-testid=update] button").unwrap();
    page.wait_for("document.querySelector('meta[name=build]')?.content === 'newer'", SHORT).unwrap();
    // The conversation is there in the newer build.
    page.wait_for("document.querySelector('.conversation')?.innerText.includes('capital of France')", SHORT).unwrap();
    let caches = page.evaluate("caches.keys()").unwrap();
    assert_eq!(caches.as_array().unwrap().len(), 1, "the old build is gone: {caches}");
    shown("Tab", "a host has files of two builds", "the service worker refuses them; the old build stays");
    shown("Tab", "a newer build is published", "the page never mixes builds; the user takes it when they want");
}

/// A GPU that has no memory for large KV caches.
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
fn too_little_memory_takes_a_smaller_context_and_then_a_smaller_model() {
    let server = Server::start_with_tiny_model().unwrap();
    // A layer's cache takes 256 bytes a token: enough for 1,024 tokens, then for none.
    for (most_bytes, expected) in [(300_000, "it has 1024"), (1000, "try a smaller model")] {
        let session = Session::start(true).unwrap();
        let page = session.open(&server.page("?device=gpu")).unwrap();
        before_engine(&page, &LITTLE_MEMORY.replace("MOST_BYTES", &most_bytes.to_string())).unwrap();
        page.click("[data-testid=model-offer] button").unwrap();
        page.wait_for(&format!("document.querySelector('.dock')?.innerText.includes({expected:?})"), LONG).unwrap();
    }
    shown("GPU", "no memory for the KV cache", "a smaller context is taken; the user is told");
    shown("GPU", "no memory for the smallest context either", "the failure says to try a smaller model");
}
