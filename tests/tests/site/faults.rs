//! Faults that no other suite brings about: of the GPU at each phase, of storage, of tabs, and of what comes in.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{LAST_ANSWER, LAST_TEXT, LONG, NEW_CHAT, READY, answer, ask};
use parlance_tests::faults::shown;
use parlance_tests::inject::{before_engine, before_every_engine};
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::templates::file_with_template;
use parlance_tests::{Page, Server, Session, native};

const SHORT: Duration = Duration::from_secs(20);
const QUESTION: &str = "What is the capital of France?";
const ON_CPU: &str = "document.querySelector('[data-testid=on-cpu]')";
const OFFER: &str = "[data-testid=model-offer] button";

/// Makes GPU devices that a test can destroy, at a phase that it names.
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

fn tell(page: &Page, message: &str) {
    page.evaluate(&format!("new BroadcastChannel('test').postMessage({message:?})")).unwrap();
}

#[test]
fn a_gpu_lost_at_any_phase_costs_nothing_but_time() {
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    let query = "?device=gpu&temperature=0&max_tokens=12";
    let page = session.open(&server.page(query)).unwrap();
    before_engine(&page, &LOSE_AT.replace("PHASE", "upload")).unwrap();
    page.click(OFFER).unwrap();
    let failure = "document.querySelector('[data-testid=load-failure]')";
    page.wait_for(failure, LONG).unwrap();
    // The retry gets a new device.
    page.click("[data-testid=load-failure] button.primary").unwrap();
    page.wait_for(READY, LONG).unwrap();
    shown("GPU", "the device is lost while a model loads", "the failure says so; a retry loads it onto a new device");

    tell(&page, "prefill");
    let long = format!("{} {QUESTION}", "Please listen. ".repeat(6));
    ask(&page, &long).unwrap();
    page.wait_for("document.querySelector('[data-testid=notice]')?.innerText.includes('the GPU reported')", LONG)
        .unwrap();
    let interrupted = answer(&page).unwrap();
    shown("GPU", "the device is lost while a prompt is read", "the model loads again and answers; the user is told");

    page.click(NEW_CHAT).unwrap();
    tell(&page, "now");
    ask(&page, &long).unwrap();
    let text = answer(&page).unwrap();
    assert!(text.len() >= 12, "{text} {}", page.evaluate("document.body.innerText").unwrap());
    assert_eq!(interrupted, text, "greedy answers are the same with and without a loss");
    shown(
        "GPU",
        "the device is lost while nothing is asked",
        "the next question brings the model back and is answered",
    );
}

/// Gives the adapter another name: that of these tests computes on the CPU, which the automatic choice would not take.
const DISGUISE: &str = "Object.defineProperty(GPUAdapterInfo.prototype, 'vendor', { get: () => 'test' });
    for (const name of ['architecture', 'device', 'description']) Object.defineProperty(GPUAdapterInfo.prototype, name, { get: () => '' });
    Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });";

#[test]
fn where_the_gpu_cannot_be_used_the_model_runs_on_the_cpu() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let cases = [
        ("no adapter is given", "GPU.prototype.requestAdapter = async () => null;"),
        ("no device is given", "GPUAdapter.prototype.requestDevice = async () => { throw new DOMException('refused', 'OperationError'); };"),
        (
            "a shader does not compile",
            "const create = GPUDevice.prototype.createShaderModule;
             GPUDevice.prototype.createShaderModule = function (descriptor) { return create.call(this, { ...descriptor, code: 'fn main( {' }); };",
        ),
    ];
    for (fault, code) in cases {
        let page = session.open(&server.page("?temperature=0&max_tokens=12")).unwrap();
        page.show().unwrap();
        before_engine(&page, &format!("{DISGUISE}{code}")).unwrap();
        ask(&page, QUESTION).unwrap();
        page.wait_for(ON_CPU, LONG).unwrap();
        let text = answer(&page).unwrap();
        assert!(text.contains("Paris"), "{fault}: {text}");
        page.close().unwrap();
        shown("GPU", fault, "the model runs on the CPU; the page says so and what helps");
    }

    // Without WebGPU at all.
    let session = Session::start(false).unwrap();
    let page = session.open(&server.page("?temperature=0&max_tokens=12")).unwrap();
    ask(&page, QUESTION).unwrap();
    page.wait_for(ON_CPU, LONG).unwrap();
    let text = answer(&page).unwrap();
    assert!(text.contains("Paris"), "{text} {}", page.evaluate("document.body.innerText").unwrap());
    page.evaluate(&format!("{ON_CPU}.querySelector('summary').click()")).unwrap();
    let help = page.text(".webgpu-help").unwrap();
    assert!(["Chrome and Edge", "Safari", "Firefox"].iter().all(|browser| help.contains(browser)), "{help}");
    shown("GPU", "the browser has no WebGPU", "the model runs on the CPU; the page says so and what helps");
}

/// Compiles the kernels wrongly that hold what is to be replaced.
const COMPILE_WRONGLY: &str = "
    const create = GPUDevice.prototype.createShaderModule;
    GPUDevice.prototype.createShaderModule = function (descriptor) {
        const code = REPLACED.reduce((code, [right, wrong]) => code.replaceAll(right, wrong), descriptor.code);
        return create.call(this, { ...descriptor, code });
    };
";

#[test]
fn where_the_gpu_computes_wrongly_the_answer_is_right_and_the_page_says_so() {
    const QUERY: &str = "?temperature=0&max_tokens=40";
    let server = Server::start_with_tiny_model().unwrap();
    let says = |text: &str| format!("document.body.innerText.includes({text:?})");
    let (simpler, on_cpu) = (says("uses simpler ones"), says("so the model runs on the CPU"));
    // The second row of each pair gets what belongs to the first: in `matvec.wgsl`, then in `linear.wgsl`, too.
    let cases = [
        (
            "some of its kernels compute wrongly",
            "[['dot_block(b0', 'dot_block(a0']]",
            &simpler,
            "simpler kernels take their place; the page says so",
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
    for (fault, replaced, notice, outcome) in cases {
        // What was found is kept with the model, so that each case has a browser of its own.
        let session = Session::start(true).unwrap();
        let open = |code: &str| {
            // The second visit starts the engine by itself.
            let page = session.open(&server.blank_page()).unwrap();
            before_every_engine(&page, &format!("{DISGUISE}{code}")).unwrap();
            page.navigate(&server.page(QUERY)).unwrap();
            page.show().unwrap();
            ask(&page, QUESTION).unwrap();
            page.wait_for(notice, LONG).unwrap();
            page
        };
        let page = open(&COMPILE_WRONGLY.replace("REPLACED", replaced));
        assert_eq!(answer(&page).unwrap(), expected, "{fault}");
        page.close().unwrap();
        shown("GPU", fault, outcome);
        if notice == &simpler {
            // Without a second test: nothing is wrong any more, which nobody looks at.
            open("").close().unwrap();
        }
    }
}

/// Lets a test end the threads that help the engine.
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
fn a_page_that_is_isolated_has_threads_and_does_without_them_if_they_end() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.isolated_page("?device=cpu&temperature=0&max_tokens=24")).unwrap();
    before_engine(&page, END_THREADS).unwrap();
    let threads = page.evaluate("navigator.hardwareConcurrency").unwrap().as_u64().unwrap();
    assert!(threads > 1, "a machine with one processor has no threads to test");
    page.click(OFFER).unwrap();
    page.wait_for(READY, LONG).unwrap();
    page.click(".model-button").unwrap();
    let details = page.text("[data-testid=current-model]").unwrap();
    assert!(details.contains("threads"), "{details}");
    page.click(".dialog [aria-label=Close]").unwrap();
    ask(&page, QUESTION).unwrap();
    // Who computes a row makes no difference to its value.
    let expected = native::answer(QUESTION, 24);
    assert_eq!(answer(&page).unwrap(), expected);

    tell(&page, "end");
    // Chromium lets a busy worker go on for two seconds before it ends it by force.
    std::thread::sleep(Duration::from_secs(4));
    page.click(NEW_CHAT).unwrap();
    ask(&page, QUESTION).unwrap();
    page.wait_for("document.querySelector('[data-testid=notice]')?.innerText.includes('thread')", LONG).unwrap();
    assert_eq!(answer(&page).unwrap(), expected);
    shown(
        "Worker",
        "the threads that help it to compute on the CPU end",
        "the model loads again without them; the answer is the same; the user is told",
    );
}

#[test]
fn a_browser_that_gives_no_storage_still_chats() {
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
    shown("Storage", "the browser gives no files", "the model streams in and answers; it is not kept");

    // Conversations cannot be kept either, nor settings.
    let page = session.open(&server.blank_page()).unwrap();
    page.show().unwrap();
    page.before_every_page("Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } }); Object.defineProperty(window, 'indexedDB', { get() { throw new DOMException('no', 'SecurityError'); } });").unwrap();
    page.navigate(&server.page("?temperature=0&max_tokens=12")).unwrap();
    use_scripted_engine(&page).unwrap();
    ask(&page, "Hello").unwrap();
    assert!(answer(&page).unwrap().contains("Hello"));
    shown("Storage", "the browser gives no local storage", "the page works; choices last as long as it is open");
}

#[test]
fn a_tab_that_is_hidden_frozen_or_reloaded_loses_nothing() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("?temperature=0&repetition_penalty=1&max_tokens=60")).unwrap();
    ask(&page, "Write a story about a dragon.").unwrap();
    page.wait_for(&format!("{LAST_TEXT}.length > 10"), LONG).unwrap();
    let other = session.open(&server.blank_page()).unwrap();
    other.show().unwrap();
    page.wait_for(&format!("{LAST_ANSWER}?.dataset.active === 'false'"), LONG).unwrap();
    page.show().unwrap();
    let whole = answer(&page).unwrap();
    assert!(whole.len() > 100, "{whole}");
    shown("Tab", "it goes to the background in mid-answer", "the answer goes on to its end");

    page.click(NEW_CHAT).unwrap();
    ask(&page, "Write a story about a dragon.").unwrap();
    page.wait_for(&format!("{LAST_TEXT}.length > 10"), LONG).unwrap();
    page.freeze(true).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    page.freeze(false).unwrap();
    // The driver wakes the tab without showing it: somebody looks at another one and comes back.
    other.show().unwrap();
    page.show().unwrap();
    assert_eq!(answer(&page).unwrap(), whole);
    shown("Tab", "the browser freezes it in mid-answer", "the answer goes on when it wakes, and is the same");

    page.click(NEW_CHAT).unwrap();
    ask(&page, "Write a story about a dragon.").unwrap();
    // Answers are kept once a second.
    page.wait_for(&format!("{LAST_TEXT}.length > 30"), LONG).unwrap();
    std::thread::sleep(Duration::from_millis(1300));
    let address = server.page("?max_tokens=60&again");
    page.navigate("about:blank").unwrap();
    page.navigate(&address).unwrap();
    page.wait_for("document.querySelector('.conversation')", SHORT).unwrap();
    page.click(".conversation").unwrap();
    page.wait_for(&format!("{LAST_TEXT}.length > 20"), SHORT).unwrap();
    let kept = page.evaluate(LAST_TEXT).unwrap();
    let kept = kept.as_str().unwrap().trim().to_owned();
    assert!(whole.starts_with(&kept), "{kept:?} of {whole:?}");
    shown("Tab", "it is reloaded in mid-answer", "what was written is there, and can be continued");
}

/// What the page says about a model before it is loaded.
const INSPECTED: &str = "document.querySelector('[data-testid=inspection]')?.innerText";

/// Notes that a template ended the worker, as the worker does.
const NOTE: &str = "(async (template, version) => {
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(template)));
    const name = [...digest.slice(0, 16)].map(byte => byte.toString(16).padStart(2, '0')).join('');
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('suspects', { create: true });
    const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
    await writable.write(version);
    await writable.close();
})";

#[test]
fn a_template_that_would_end_the_worker_makes_room_for_chatml() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("?temperature=0")).unwrap();
    page.wait_for("document.querySelector('.model-button')", SHORT).unwrap();
    page.click(".model-button").unwrap();
    let looked_at = |name: &str, template: &str, expected: &str| {
        let file = file_with_template(name, template).unwrap();
        page.choose_file("#model-file", &file).unwrap();
        let result = page.wait_for(&format!("{INSPECTED}?.includes({expected:?})"), LONG);
        result.unwrap_or_else(|error| panic!("{name}: {error}: {:?}", page.evaluate(INSPECTED)));
    };
    let nesting = "{% set ns=namespace(a=[]) %}{% for j in range(500) %}{% for i in range(1000) %}\
                   {% set ns.a=[ns.a] %}{% endfor %}{% endfor %}";
    looked_at("template-nesting", nesting, "nested more than 64 levels deep");
    shown("Input", "a chat template nests values without end", "ChatML takes its place; the page says so");

    let sound = "{% for m in messages %}{{ m.content }}{% endfor %}";
    page.evaluate(&format!("{NOTE}({sound:?}, {:?})", env!("CARGO_PKG_VERSION"))).unwrap();
    looked_at("template-noted", sound, "ended the engine when it was tried before");
    page.choose_file("#model-file", &file_with_template("template-other", &format!("{sound}!")).unwrap()).unwrap();
    page.wait_for(&format!("{INSPECTED}?.includes('135 million') && !{INSPECTED}.includes('ChatML')"), LONG).unwrap();
    shown(
        "Input",
        "a chat template ended the engine before",
        "it is not tried again; ChatML takes its place, the page says so",
    );
}

#[test]
fn what_makes_no_sense_is_refused_in_words_or_ignored() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page =
        session
            .open(&server.page(
                "?temperature=hot&top_p=7&context=-3&max_tokens=&seed=x&device=toaster&model=javascript:alert(1)",
            ))
            .unwrap();
    ask(&page, QUESTION).unwrap();
    page.wait_for(&format!("{LAST_ANSWER}?.dataset.active === 'false'"), LONG).unwrap();
    page.wait_for("document.body.innerText.includes('“top_p”')", SHORT).unwrap();
    shown(
        "Input",
        "the address holds options that make no sense",
        "unknown ones are ignored; one out of range is named",
    );

    page.navigate(&server.page("?temperature=0&max_tokens=5&context=512")).unwrap();
    let megabyte = "All work and no play makes Jack a dull boy. ".repeat(24_000);
    let start = std::time::Instant::now();
    page.fill("#message", &megabyte).unwrap();
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))").unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    page.press("Enter").unwrap();
    page.wait_for("document.querySelector('.failure')?.innerText.includes('tokens')", LONG).unwrap();
    shown(
        "Input",
        "a megabyte is pasted and sent",
        "the page stays alive; the failure says how many tokens there are and fit",
    );

    page.click(NEW_CHAT).unwrap();
    ask(&page, QUESTION).unwrap();
    assert!(answer(&page).unwrap().len() > 3);
    shown("Input", "a question follows one that was too long", "it is answered");

    // A question that a larger context has room for is answered by itself once the model has it.
    page.click(NEW_CHAT).unwrap();
    let line = "All work and no play makes Jack a dull boy. ";
    page.fill("#message", &line.repeat(55)).unwrap();
    page.press("Enter").unwrap();
    let offer = "[...document.querySelectorAll('.message button')].find(button => button.innerText.includes('1,024-token context'))";
    page.wait_for(offer, LONG).unwrap();
    page.evaluate(&format!("{offer}.click()")).unwrap();
    page.wait_for(&format!("{LAST_TEXT}.length > 3"), LONG).unwrap();
    assert!(answer(&page).unwrap().len() > 3);
    shown("Input", "a question is longer than the context", "a larger one is offered; then it is answered by itself");
    // The next one does not fit beside it.
    page.fill("#message", &line.repeat(40)).unwrap();
    page.press("Enter").unwrap();
    page.wait_for("document.querySelectorAll('.message').length === 4", SHORT).unwrap();
    assert!(answer(&page).unwrap().len() > 3);
    page.wait_for("document.querySelector('[data-testid=context-cutoff]')", SHORT).unwrap();
    shown("Input", "a conversation is longer than the context", "the oldest messages are left out; a line shows which");
}
