//! Models on this device: downloads that break, resume and are rejected, damage, quota, and no network at all.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{LONG, READY, answer, ask, load_from_link};
use parlance_tests::faults::shown;
use parlance_tests::inject::before_engine;
use parlance_tests::tiny::tiny_model;
use parlance_tests::{Manner, ModelHost, Page, Server, Session, model_path};
use serde_json::json;

const SHORT: Duration = Duration::from_secs(30);
const QUESTION: &str = "What is the capital of France?";
const STORAGE: &str = "document.querySelector('[data-testid=storage]')";
const VERDICT: &str = "document.querySelector('.verification')";

fn host() -> ModelHost {
    ModelHost::start(std::fs::read(model_path()).unwrap()).unwrap()
}

fn model_len() -> u64 {
    std::fs::metadata(model_path()).unwrap().len()
}

/// A link to a model. The page asks about it once in a tab.
fn query(url: &str) -> String {
    format!("?temperature=0&max_tokens=20&model={url}")
}

/// A tab of a browser whose user has allowed a model's host.
fn allowing(session: &Session, server: &Server, url: &str) -> Page {
    let page = session.open(&server.blank_page()).unwrap();
    let allow = format!("localStorage.setItem('parlance.sources', JSON.stringify([new URL({url:?}).origin]))");
    page.evaluate(&allow).unwrap();
    page
}

/// The same, with a page that loads the model.
fn open(session: &Session, server: &Server, url: &str) -> Page {
    let page = allowing(session, server, url);
    page.navigate(&server.page(&query(url))).unwrap();
    load_from_link(&page).unwrap();
    page
}

/// Overwrites bytes of the only kept file, as a failing disk would.
fn damage(page: &Page, offset: u64) {
    let script = format!(
        "(async () => {{
            const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
            for await (const folder of models.values()) {{
                const stream = await (await folder.getFileHandle('data')).createWritable({{ keepExistingData: true }});
                await stream.write({{ type: 'write', position: {offset}, data: new Uint8Array(64).fill(0x5A) }});
                await stream.close();
            }}
        }})()"
    );
    page.evaluate(&script).unwrap();
}

fn open_storage(page: &Page) {
    page.click(".model-button").unwrap();
    page.click("a[href=storage]").unwrap();
    page.wait_for(STORAGE, SHORT).unwrap();
}

/// Puts the demo model where a handle can lead to it, and has the browser's picker give that handle, as a user would.
const PICKER: &str = "window.showOpenFilePicker = async () => {
    const folder = await navigator.storage.getDirectory();
    const handle = await folder.getFileHandle('mine.gguf', { create: true });
    const writable = await handle.createWritable();
    await (await fetch('models/SmolLM2-135M-Instruct.Q4_1.gguf')).body.pipeTo(writable);
    return [handle];
}";

#[test]
fn a_file_is_read_in_place_on_later_visits() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("")).unwrap();
    // What version 1 of the database held is there in the present one.
    let old = "(async () => {
        const name = 'parlance:' + location.pathname;
        await new Promise(done => { const request = indexedDB.deleteDatabase(name); request.onsuccess = request.onblocked = done; });
        const request = indexedDB.open(name, 1);
        request.onupgradeneeded = () => {
            request.result.createObjectStore('conversations', { keyPath: 'id' }).put({ id: '00000000000000bb', title: 'From version 1' });
            request.result.createObjectStore('messages', { keyPath: 'id' }).createIndex('conversation', 'conversation');
        };
        const database = await new Promise(done => { request.onsuccess = () => done(request.result); });
        database.close();
    })()";
    page.navigate(&server.page("examples.css")).unwrap();
    page.evaluate(&old.replace("location.pathname", "location.pathname.replace(/[^/]*$/, '')")).unwrap();
    page.navigate(&server.page("")).unwrap();
    page.wait_for("document.querySelector('.conversation')?.innerText === 'From version 1'", SHORT).unwrap();

    page.evaluate(PICKER).unwrap();
    page.click(".model-button").unwrap();
    page.click("[data-testid=remember-file]").unwrap();
    page.wait_for("document.querySelector('[data-testid=inspection]')?.innerText.includes('135 million')", LONG)
        .unwrap();
    // The next visit offers it without choosing, and reads it where it is.
    page.navigate("about:blank").unwrap();
    page.navigate(&server.page("")).unwrap();
    page.click(".model-button").unwrap();
    let sent = server.sent_bytes();
    page.click(".remembered button").unwrap();
    page.wait_for("document.querySelector('[data-testid=inspection]')?.innerText.includes('135 million')", LONG)
        .unwrap();
    page.click("[data-testid=inspection] button.primary").unwrap();
    page.wait_for("document.querySelector('.model-button[data-state=ready]')?.innerText.includes('mine')", LONG)
        .unwrap();
    assert_eq!(server.sent_bytes(), sent);
    page.click(".model-button").unwrap();
    page.click(".remembered [aria-label=Remove]").unwrap();
    page.wait_for("!document.querySelector('.remembered li')", SHORT).unwrap();
    shown("Storage", "a file of the user's is chosen to stay where it is", "later visits read it in place");
}

#[test]
fn a_download_survives_broken_connections_and_damage_is_found_and_mended() {
    let (server, host) = (Server::start().unwrap(), host());
    host.refuse_next(2);
    host.drop_next(3);
    let session = Session::start(true).unwrap();
    let url = host.url("model.gguf");
    let page = open(&session, &server, &url);
    page.wait_for(READY, LONG).unwrap();
    let sent = host.sent_bytes();
    assert!(sent >= model_len() && sent < model_len() + 3 * (4 << 20), "{sent} bytes were sent");

    // The second visit asks the network for nothing.
    page.navigate(&server.page(&format!("{}&again", query(&url)))).unwrap();
    page.wait_for(READY, LONG).unwrap();
    ask(&page, QUESTION).unwrap();
    assert!(answer(&page).unwrap().contains("Paris"));
    assert_eq!(host.sent_bytes(), sent);

    open_storage(&page);
    let text = page.text("[data-testid=storage]").unwrap();
    assert!(text.contains("model.gguf") && text.contains("98.4 MB") && text.contains("used"), "{text}");
    page.click(".stored-model button:nth-of-type(2)").unwrap();
    page.wait_for(&format!("{VERDICT}?.innerText.includes('intact')"), LONG).unwrap();
    damage(&page, 50_000_000);
    page.click(".stored-model button:nth-of-type(2)").unwrap();
    page.wait_for(&format!("{VERDICT}?.innerText.includes('damaged')"), LONG).unwrap();

    // Damage that shows while loading is mended by another download, without a question.
    damage(&page, 0);
    page.navigate(&server.page(&query(&url))).unwrap();
    page.wait_for(READY, LONG).unwrap();
    assert!(host.sent_bytes() >= sent + model_len());

    open_storage(&page);
    page.click(".stored-model button:nth-of-type(3)").unwrap();
    page.click(".stored-model button.danger").unwrap();
    page.wait_for(&format!("{STORAGE}?.innerText.includes('No models downloaded yet')"), SHORT).unwrap();
    shown("Download", "the server answers 503 twice", "it is asked again, more and more slowly");
    shown("Download", "three connections break", "the download goes on where it was; less than 12 MB come twice");
    shown("Storage", "a kept file is damaged", "Verify finds it");
    shown("Storage", "a damaged file is loaded", "it is fetched again by itself, once");
}

#[test]
fn a_download_that_was_cut_off_or_cancelled_goes_on_unless_the_file_changed() {
    let (server, host) = (Server::start().unwrap(), host());
    host.slow_down(Duration::from_millis(15));
    let session = Session::start(true).unwrap();
    let url = host.url("model.gguf");
    let detail = "document.querySelector('.progress-detail')?.innerText ?? ''";
    let reached = |megabytes: u32| format!("parseFloat({detail}) > {megabytes}");

    // The tab is closed in the middle.
    let page = open(&session, &server, &url);
    page.wait_for(&reached(30), LONG).unwrap();
    page.close().unwrap();
    // It goes on, and is cancelled.
    let page = open(&session, &server, &url);
    page.wait_for(&reached(50), LONG).unwrap();
    page.click("[data-testid=load-progress] button").unwrap();
    page.wait_for("document.querySelector('[data-testid=model-offer]')", SHORT).unwrap();
    open_storage(&page);
    let text = page.text("[data-testid=storage]").unwrap();
    assert!(text.contains("of 98.4 MB downloaded"), "{text}");
    // The file behind the address is another one now: nothing of the old one is used.
    host.set_etag("v2");
    host.slow_down(Duration::ZERO);
    let sent = host.sent_bytes();
    assert!(sent < model_len() + (16 << 20), "{sent} bytes were sent before the file was complete");
    page.navigate(&server.page(&query(&url))).unwrap();
    page.wait_for(READY, LONG).unwrap();
    let again = host.sent_bytes() - sent;
    assert!(again >= model_len() && again < model_len() + (16 << 20), "{again} bytes");
    ask(&page, QUESTION).unwrap();
    assert!(answer(&page).unwrap().contains("Paris"));
    shown("Download", "the tab is closed in the middle", "the next visit goes on");
    shown("Download", "the user cancels it and comes back", "it goes on");
    shown("Download", "the file at the address changed meanwhile", "it begins anew; versions never mix");
}

#[test]
fn what_is_no_model_is_not_kept_and_a_wrong_checksum_is_found() {
    let (server, host) = (Server::start().unwrap(), host());
    let session = Session::start(true).unwrap();
    let wrong = format!("{}%23sha256={}", host.url("model.gguf"), "0".repeat(64));
    let page = allowing(&session, &server, &wrong);
    page.navigate(&server.page(&query(&server.faulty("pointer.gguf")))).unwrap();
    load_from_link(&page).unwrap();
    let failure = "document.querySelector('[data-testid=load-failure]')?.innerText";
    page.wait_for(&format!("{failure}?.includes('Git LFS')"), LONG).unwrap();
    page.navigate(&server.page(&query(&wrong))).unwrap();
    load_from_link(&page).unwrap();
    page.wait_for(&format!("{failure}?.includes('its checksum does not match')"), LONG).unwrap();
    open_storage(&page);
    let text = page.text("[data-testid=storage]").unwrap();
    assert!(text.contains("No models downloaded yet"), "{text}");

    // A copy of a file from the disk, loaded from here.
    page.choose_file("#import-file", &model_path()).unwrap();
    page.wait_for(&format!("{STORAGE}?.innerText.includes('SmolLM2')"), LONG).unwrap();
    page.click(".stored-model button").unwrap();
    page.wait_for(READY, LONG).unwrap();
    assert_eq!(host.sent_bytes() / model_len(), 1);
    shown("Download", "a pointer to a file comes in the model's place", "nothing is kept; the failure says so");
    shown("Download", "the checksum is not the one the address tells", "nothing is kept; the failure says so");
}

#[test]
fn with_a_full_disk_the_model_loads_and_is_not_kept() {
    let (server, host) = (Server::start().unwrap(), host());
    let session = Session::start(true).unwrap();
    let url = host.url("model.gguf");
    let page = allowing(&session, &server, &url);
    let site = server.page("");
    let origin = site.split("/some").next().unwrap();
    page.limit_storage(origin, 60e6).unwrap();
    page.navigate(&site).unwrap();
    page.click(".model-button").unwrap();
    page.type_into("#model-url", &url).unwrap();
    page.press("Enter").unwrap();
    page.click("[data-testid=inspection] button.primary").unwrap();
    page.wait_for(READY, LONG).unwrap();
    page.wait_for("document.querySelector('.dock')?.innerText.includes('storage is full: 99 MB are needed')", SHORT)
        .unwrap();
    ask(&page, QUESTION).unwrap();
    assert!(answer(&page).unwrap().len() > 10);
    shown("Storage", "the disk is full", "the model loads and is not kept; the user is told");
}

#[test]
fn after_the_first_visit_everything_works_without_a_network() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let address = server.page("?temperature=0&max_tokens=20&model=models/SmolLM2-135M-Instruct.Q4_1.gguf");
    let page = session.open(&address).unwrap();
    load_from_link(&page).unwrap();
    page.wait_for(READY, LONG).unwrap();
    page.wait_for("navigator.serviceWorker.controller", SHORT).unwrap();
    drop(server);
    page.navigate(&format!("{address}&offline")).unwrap();
    page.wait_for(READY, LONG).unwrap();
    ask(&page, QUESTION).unwrap();
    assert!(answer(&page).unwrap().contains("Paris"));
    // What is not here says so.
    page.click(".model-button").unwrap();
    page.type_into("#model-url", "models/another.gguf").unwrap();
    page.press("Enter").unwrap();
    page.wait_for(
        "document.querySelector('[data-testid=inspection]')?.innerText.includes('could not be downloaded')",
        SHORT,
    )
    .unwrap();
    shown("Download", "there is no network at all", "after the first visit everything works");
}

/// Starts an engine by the module, on the CPU, and says what becomes of a load: the model's name, or the code of the failure.
const MODULE: &str = "async (module, hosts) => {
    const { Parlance } = await import(module);
    window.engine = await Parlance.create({ allowedHosts: hosts.map((host) => new URL(host).origin) });
    await engine.configure({ device: 'cpu' });
    window.load = (url) => engine.load(url).then(({ name }) => name, ({ reason, message }) => reason?.code ?? message);
    window.kept = async () => (await engine.storage.list()).models.map(({ name }) => name);
    window.listed = async () => (await engine.models.list()).data.map(({ id }) => id);
}";

/// Leaves the folder of a kept file as another version would: `record` is JSON, and `data` an address that has its bytes.
const LEAVE: &str = "async (url, record, data) => {
    const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(url));
    const key = [...new Uint8Array(hash).slice(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models', { create: true });
    const folder = await models.getDirectoryHandle(key, { create: true });
    const bytes = data ? await (await fetch(data)).arrayBuffer() : new Uint8Array();
    const files = { 'record.json': record, data: bytes, journal: new Uint8Array([1]) };
    for (const [name, content] of Object.entries(files)) {
        const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
        await stream.write(content);
        await stream.close();
    }
}";

fn start_module(page: &Page, server: &Server, hosts: &[&ModelHost]) {
    let hosts: Vec<String> = hosts.iter().map(|host| host.url("")).collect();
    page.evaluate(&format!("({MODULE})({:?}, {hosts:?})", server.page("parlance.js"))).unwrap();
}

/// Loads a model by the module, see [`MODULE`].
fn load(page: &Page, url: &str) -> String {
    page.evaluate(&format!("load({url:?})")).unwrap().as_str().unwrap_or_default().to_owned()
}

/// Loads one that must be refused, after which nothing of it may be kept or loaded.
fn assert_refused(page: &Page, url: &str, code: &str) {
    assert_eq!(load(page, url), code, "{url}");
    assert_eq!(page.evaluate("Promise.all([kept(), listed()])").unwrap(), json!([[], []]), "{url}");
}

#[test]
fn a_pinned_file_is_compared_before_it_is_used_whichever_way_it_comes() {
    let (server, host) = (Server::start().unwrap(), ModelHost::start(tiny_model().unwrap()).unwrap());
    let session = Session::start(false).unwrap();
    let page = session.open(&server.blank_page()).unwrap();
    start_module(&page, &server, &[&host]);
    let url = host.url("model.gguf");
    let (right, wrong) = (format!("{url}#sha256={}", host.pins()), format!("{url}#sha256={}", "0".repeat(64)));

    // From a host that does not say how long the file is, so that it is not kept.
    host.set_manner(Manner::Chunked);
    assert_eq!(load(&page, &right), "model");
    assert_refused(&page, &wrong, "wrong_checksum");
    // Onto the disk, and from there.
    host.set_manner(Manner::Sound);
    assert_refused(&page, &wrong, "wrong_checksum");
    assert_eq!(load(&page, &url), "model");
    let sent_bytes = host.sent_bytes();
    assert_eq!(load(&page, &right), "model");
    assert_eq!(load(&page, &format!("{url}#sha256=abc")), "bad_pin");
    assert_eq!(page.evaluate("listed()").unwrap(), json!(["model"]), "it costs nobody the model that is loaded");
    assert_eq!(host.sent_bytes(), sent_bytes, "what is kept is compared with its new pin here");
    assert_refused(&page, &wrong, "wrong_checksum");
    // From the disk, where nobody has taken its checksum yet.
    let len_bytes = tiny_model().unwrap().len();
    let record = json!({ "url": url, "len_bytes": len_bytes, "etag": null, "sha256": null }).to_string();
    for (address, expected) in [(&wrong, "wrong_checksum"), (&right, "model")] {
        page.evaluate(&format!("({LEAVE})({url:?}, {record:?}, {url:?})")).unwrap();
        assert_eq!(load(&page, address), expected);
    }
    assert_refused(&page, &wrong, "wrong_checksum");
    // Past a full disk.
    let site = server.page("");
    page.limit_storage(site.split("/some").next().unwrap(), 500e3).unwrap();
    assert_eq!(load(&page, &right), "model");
    assert_refused(&page, &wrong, "wrong_checksum");
    page.close().unwrap();
    // Where the browser keeps nothing.
    let page = session.open(&server.blank_page()).unwrap();
    let base = format!("document.head.append(Object.assign(document.createElement('base'), {{ href: {site:?} }}))");
    page.evaluate(&base).unwrap();
    before_engine(&page, "delete StorageManager.prototype.getDirectory;").unwrap();
    start_module(&page, &server, &[&host]);
    assert_eq!(load(&page, &right), "model");
    assert_refused(&page, &wrong, "wrong_checksum");
    let outcome =
        "it is refused and nothing is kept: streamed or downloaded, kept before, with a full disk or no storage";
    shown("Download", "a file has another checksum than the link says", outcome);
    shown("Download", "what stands in the link is no checksum", "it is refused before anything is asked of the host");
}

#[test]
fn every_file_of_a_pinned_model_is_compared_with_its_own_checksum() {
    let server = Server::start().unwrap();
    let host = ModelHost::start_split(&tiny_model().unwrap(), 3).unwrap();
    let session = Session::start(false).unwrap();
    let page = session.open(&server.blank_page()).unwrap();
    start_module(&page, &server, &[&host]);
    let url = host.url("model-00002-of-00003.gguf");
    let pins = host.pins();
    let swapped: Vec<&str> = pins.split(',').rev().collect();
    let (right, wrong) = (format!("{url}#sha256={pins}"), format!("{url}#sha256={}", swapped.join(",")));
    let first = &pins[..64];
    for manner in [Manner::Chunked, Manner::Sound] {
        host.set_manner(manner);
        assert_refused(&page, &wrong, "wrong_checksum");
        assert_eq!(load(&page, &right), "model-00002-of-00003");
    }
    let sent_bytes = host.sent_bytes();
    assert_eq!(load(&page, &url), "model-00002-of-00003");
    assert_eq!(load(&page, &right), "model-00002-of-00003");
    assert_eq!(load(&page, &format!("{url}#sha256={first}")), "bad_pin");
    assert_eq!(host.sent_bytes(), sent_bytes, "all files are kept");
    assert_refused(&page, &wrong, "wrong_checksum");
    shown(
        "Download",
        "one file of a split model has another checksum",
        "the model is refused and nothing of it is kept",
    );
}

#[test]
fn hosts_and_records_that_lie_about_lengths_leave_the_storage_usable() {
    let (server, host) = (Server::start().unwrap(), ModelHost::start(tiny_model().unwrap()).unwrap());
    // A file whose checksum is right and that is no model.
    let broken = tiny_model().unwrap();
    let name = b"llama.block_count";
    let place = broken.windows(name.len()).position(|window| window == name).unwrap();
    let broken = [&broken[..place], &b"llama.block_tnuoc"[..], &broken[place + name.len()..]].concat();
    let (broken_len, broken_host) = (broken.len(), ModelHost::start(broken).unwrap());
    let session = Session::start(false).unwrap();
    // A body that is shorter than its header says.
    session.expect_in_console("ERR_CONTENT_LENGTH_MISMATCH");
    let page = session.open(&server.blank_page()).unwrap();
    start_module(&page, &server, &[&host, &broken_host]);
    let url = host.url("model.gguf");
    for head in [
        "206 Partial Content\r\nContent-Length: 0\r\nContent-Range: bytes 0-4194303/18446744073709551615",
        "206 Partial Content\r\nContent-Length: 0\r\nContent-Range: bytes 0-0/0",
        "206 Partial Content\r\nContent-Length: 0\r\nContent-Range: bytes 4194304-8388607/9000000",
        "200 OK\r\nContent-Length: 2199023255552",
        "200 OK\r\nContent-Length: 0",
    ] {
        host.set_manner(Manner::Head(head));
        assert_refused(&page, &url, "bad_answer");
    }
    for len_bytes in ["18446744073709551615", "2199023255552", "0", "-1"] {
        let record = format!(r#"{{"url":"{url}","len_bytes":{len_bytes},"etag":null,"sha256":null}}"#);
        page.evaluate(&format!("({LEAVE})({url:?}, {record:?}, null)")).unwrap();
        assert_eq!(page.evaluate("kept()").unwrap(), json!([]), "{len_bytes}");
    }
    host.set_manner(Manner::Sound);
    assert_eq!(load(&page, &url), "model");
    assert_eq!(page.evaluate("kept()").unwrap(), json!(["model.gguf"]));
    page.evaluate(&format!("engine.storage.delete({url:?})")).unwrap();

    let url = broken_host.url("broken.gguf");
    assert_refused(&page, &url, "missing_entry");
    let sha256 = broken_host.pins();
    let record = json!({ "url": url, "len_bytes": broken_len, "etag": null, "sha256": sha256 }).to_string();
    page.evaluate(&format!("({LEAVE})({url:?}, {record:?}, {url:?})")).unwrap();
    let sent_bytes = broken_host.sent_bytes();
    assert_eq!(load(&page, &url), "unusable_copy");
    assert_eq!(load(&page, &format!("{url}#sha256={sha256}")), "unusable_copy");
    assert_eq!(broken_host.sent_bytes(), sent_bytes, "another download would not help");
    assert_eq!(page.evaluate("kept()").unwrap(), json!(["broken.gguf"]));
    shown("Download", "the host tells a length that no model has", "the file is refused; the storage stays usable");
    shown("Storage", "a record of a kept file makes no sense", "it is removed");
    shown("Storage", "a kept file has the right checksum and is no model", "it stays; the failure says so");
}
