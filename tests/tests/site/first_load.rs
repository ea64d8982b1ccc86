//! A model's first load: it is fetched, kept and uploaded at once, and what has time comes later.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::MODEL_TIMEOUT;
use parlance_tests::failures::record_failure;
use parlance_tests::inject::before_engine;
use parlance_tests::tiny::talking_model;
use parlance_tests::{ModelHost, Page, Server, Session, model_path};
use serde_json::json;

use crate::storage::{load, start_module};

/// Counts what the engine worker reads from files that are open in place, and writes to them.
const COUNT: &str = "
    const counted = { read: 0, written: 0 };
    const { read, write } = FileSystemSyncAccessHandle.prototype;
    const count = (kind, method) => function (...given) {
        const bytes = method.apply(this, given);
        counted[kind] += bytes;
        return bytes;
    };
    Object.assign(FileSystemSyncAccessHandle.prototype, { read: count('read', read), write: count('written', write) });
    // Helpers do neither.
    if (!['helper-thread', 'hashing'].includes(self.name)) {
        const channel = new BroadcastChannel('count');
        channel.onmessage = () => {
            channel.postMessage(counted);
            Object.assign(counted, { read: 0, written: 0 });
        };
    }
";

/// Bytes read and written since the last call, see [`COUNT`].
fn counted(page: &Page) -> (u64, u64) {
    let script = "new Promise((done) => {
        const channel = new BroadcastChannel('count');
        channel.onmessage = ({ data }) => { channel.close(); done([data.read, data.written]); };
        channel.postMessage(0);
    })";
    let counted = page.evaluate(script).unwrap();
    (counted[0].as_u64().unwrap(), counted[1].as_u64().unwrap())
}

#[test]
fn a_first_load_fetches_once_writes_once_and_reads_nothing_back() {
    const RANGE_BYTES: u64 = 8 << 20;
    let host = ModelHost::start(std::fs::read(model_path()).unwrap()).unwrap();
    let server = Server::start().unwrap();
    let session = Session::start(false).unwrap();
    let page = session.open(&server.blank_page()).unwrap();
    before_engine(&page, COUNT).unwrap();
    start_module(&page, &server, &[&host]);
    // Each load has an address of its own.
    let address = |name: &str| host.url(&format!("model.gguf?{name}"));
    let forget = |url: &str| page.evaluate(&format!("engine.storage.delete({url:?})")).map(drop).unwrap();
    let len = std::fs::metadata(model_path()).unwrap().len();
    let ranges = len.div_ceil(RANGE_BYTES) as u32;
    let url = address("first");
    assert_eq!(load(&page, &url), "model");
    // A range that is slower than all others is requested twice.
    assert!((ranges..ranges + 2).contains(&host.requests()), "{} requests", host.requests());
    assert!((len..len + RANGE_BYTES).contains(&host.sent_bytes()), "{} bytes were sent", host.sent_bytes());
    let (read, written) = counted(&page);
    assert_eq!(read, 0, "what was written is not read back");
    assert!((len..len + 100_000).contains(&written), "{written} bytes were written");
    // The second load requests nothing and reads each byte once.
    page.evaluate("engine.unload()").unwrap();
    let requests = host.requests();
    assert_eq!(load(&page, &url), "model");
    let (read, _) = counted(&page);
    assert!((len - 64..=len).contains(&read), "{read} bytes were read");
    assert_eq!(host.requests(), requests);
    forget(&url);

    // A pinned file is hashed beside its download.
    let pin = host.pins();
    let (url, wrong) = (address("pinned"), "0".repeat(64));
    assert_eq!(load(&page, &format!("{url}#sha256={wrong}")), "wrong_checksum");
    assert_eq!(page.evaluate("stored()").unwrap(), json!([]));
    counted(&page);
    assert_eq!(load(&page, &format!("{url}#sha256={pin}")), "model");
    assert_eq!(counted(&page).0, 0, "what was written is not read back");
    forget(&url);
    record_failure("Download", "a long file has another checksum than the pinned one", "it is rejected and not stored");

    // One connection stops sending, but stays open.
    let url = address("stalled");
    host.stall_next(1);
    assert_eq!(load(&page, &format!("{url}#sha256={pin}")), "model");
    assert_eq!(counted(&page).0, 0);
    forget(&url);
    record_failure("Download", "one of several connections stops sending", "the rest of its range is requested again");

    // Responses are those of two versions.
    let url = address("changed");
    host.change_after(3);
    let sent = host.sent_bytes();
    assert_eq!(load(&page, &format!("{url}#sha256={pin}")), "model");
    assert!(host.sent_bytes() - sent < 2 * len);
    let record = "(async () => {
        const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
        for await (const folder of models.values())
            return JSON.parse(await (await (await folder.getFileHandle('record.json')).getFile()).text()).etag;
    })()";
    assert_eq!(page.evaluate(record).unwrap(), "\"changed\"");
    record_failure("Download", "the file at the URL changes during the download", "the load starts over, once");
}

#[test]
fn kernel_layouts_are_measured_after_the_first_answer_and_leave_the_conversation() {
    const HAS_LAYOUT: &str = "(async () => {
        const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
        for await (const folder of models.values())
            for await (const name of folder.keys()) if (name === 'layout') return true;
        return false;
    })()";
    let (server, host) = (Server::start().unwrap(), ModelHost::start(talking_model().unwrap()).unwrap());
    let session = Session::start(true).unwrap();
    let page = session.open(&server.blank_page()).unwrap();
    start_module(&page, &server, &[&host]);
    page.evaluate("engine.configure({ device: 'gpu' })").unwrap();
    assert_eq!(load(&page, &host.url("model.gguf")), "model");
    // Time enough to begin.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(page.evaluate(HAS_LAYOUT).unwrap(), false, "nobody has asked yet");
    let ask = "window.ask = async (...texts) => {
        const messages = texts.map((content, index) => ({ role: index % 2 ? 'assistant' : 'user', content }));
        const { choices, usage } = await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 8 });
        return [choices[0].message.content, usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens];
    }";
    page.evaluate(ask).unwrap();
    let first = page.evaluate("ask('Hello')").unwrap();
    page.wait_for(HAS_LAYOUT, MODEL_TIMEOUT).unwrap();
    let second = page.evaluate(&format!("ask('Hello', {}, 'And now?')", first[0])).unwrap();
    let [prompt, cached] = [&first[1], &second[2]].map(|tokens| tokens.as_u64().unwrap());
    assert!(2 * cached > prompt, "the conversation is not in memory any more: {first} {second}");
}
