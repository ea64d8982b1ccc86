//! Stored models: downloads that break, resume or are rejected, damaged files, quota, and offline use.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{MODEL_TIMEOUT, PAGE_TIMEOUT, READY, answer, ask, load_from_link};
use parlance_tests::failures::record_failure;
use parlance_tests::inject::before_engine;
use parlance_tests::tiny::tiny_model;
use parlance_tests::{HostMode, ModelHost, Page, Server, Session, model_path};
use serde_json::json;

const QUESTION: &str = "What is the capital of France?";
const STORAGE: &str = "document.querySelector('[data-testid=storage]')";
const VERIFICATION: &str = "document.querySelector('.verification')";

fn host() -> ModelHost {
    ModelHost::start(std::fs::read(model_path()).unwrap()).unwrap()
}

fn model_len() -> u64 {
    std::fs::metadata(model_path()).unwrap().len()
}

/// The query of a link to a model. The page asks about it once per tab.
fn query(url: &str) -> String {
    format!("?temperature=0&max_tokens=20&model={url}")
}

/// Opens a tab in which the user has allowed a model's host.
fn open_allowing(session: &Session, server: &Server, url: &str) -> Page {
    let page = session.open(&server.blank_page()).unwrap();
    let allow = format!("localStorage.setItem('parlance.sources', JSON.stringify([new URL({url:?}).origin]))");
    page.evaluate(&allow).unwrap();
    page
}

/// Opens the site and loads the model.
fn open(session: &Session, server: &Server, url: &str) -> Page {
    let page = open_allowing(session, server, url);
    page.navigate(&server.page(&query(url))).unwrap();
    load_from_link(&page).unwrap();
    page
}

/// Overwrites bytes of the only stored file, as a failing disk would.
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
    page.wait_for(STORAGE, PAGE_TIMEOUT).unwrap();
}

/// Makes the browser's file picker return a copy of the demo model, as if the user had chosen it.
const PICKER: &str = "window.showOpenFilePicker = async () => {
    const folder = await navigator.storage.getDirectory();
    const handle = await folder.getFileHandle('mine.gguf', { create: true });
    const writable = await handle.createWritable();
    await (await fetch('models/SmolLM2-135M-Instruct.Q4_1.gguf')).body.pipeTo(writable);
    return [handle];
}";

#[test]
fn local_files_are_read_in_place_on_later_visits() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("")).unwrap();
    // Data from version 1 of the database is there in the current version.
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
    page.wait_for("document.querySelector('.conversation')?.innerText === 'From version 1'", PAGE_TIMEOUT).unwrap();

    page.evaluate(PICKER).unwrap();
    page.click(".model-button").unwrap();
    page.click("[data-testid=remember-file]").unwrap();
    page.wait_for(
        "document.querySelector('[data-testid=inspection]')?.innerText.includes('135 million')",
        MODEL_TIMEOUT,
    )
    .unwrap();
    // The next visit offers the file without a picker, and reads it in place.
    page.navigate("about:blank").unwrap();
    page.navigate(&server.page("")).unwrap();
    page.click(".model-button").unwrap();
    let sent = server.sent_bytes();
    page.click(".remembered button").unwrap();
    page.wait_for(
        "document.querySelector('[data-testid=inspection]')?.innerText.includes('135 million')",
        MODEL_TIMEOUT,
    )
    .unwrap();
    page.click("[data-testid=inspection] button.primary").unwrap();
    page.wait_for(
        "document.querySelector('.model-button[data-state=ready]')?.innerText.includes('mine')",
        MODEL_TIMEOUT,
    )
    .unwrap();
    assert_eq!(server.sent_bytes(), sent);
    page.click(".model-button").unwrap();
    page.click(".remembered [aria-label=Remove]").unwrap();
    page.wait_for("!document.querySelector('.remembered li')", PAGE_TIMEOUT).unwrap();
    record_failure("Storage", "the user opens a local file without copying it", "later visits read it in place");
}

#[test]
fn downloads_survive_broken_connections_and_damaged_files_are_repaired() {
    let (server, host) = (Server::start().unwrap(), host());
    host.refuse_next(2);
    host.drop_next(3);
    let session = Session::start(true).unwrap();
    let url = host.url("model.gguf");
    let page = open(&session, &server, &url);
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    let sent = host.sent_bytes();
    assert!(sent >= model_len() && sent < model_len() + 3 * (4 << 20), "{sent} bytes were sent");

    // The second visit requests nothing from the network.
    page.navigate(&server.page(&format!("{}&again", query(&url)))).unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    ask(&page, QUESTION).unwrap();
    assert!(answer(&page).unwrap().contains("Paris"));
    assert_eq!(host.sent_bytes(), sent);

    open_storage(&page);
    let text = page.text("[data-testid=storage]").unwrap();
    assert!(text.contains("model.gguf") && text.contains("98.4 MB") && text.contains("used"), "{text}");
    page.click(".stored-model button:nth-of-type(2)").unwrap();
    page.wait_for(&format!("{VERIFICATION}?.innerText.includes('intact')"), MODEL_TIMEOUT).unwrap();
    damage(&page, 50_000_000);
    page.click(".stored-model button:nth-of-type(2)").unwrap();
    page.wait_for(&format!("{VERIFICATION}?.innerText.includes('damaged')"), MODEL_TIMEOUT).unwrap();

    // Damage that is detected while loading is repaired by another download, without asking.
    damage(&page, 0);
    page.navigate(&server.page(&query(&url))).unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    assert!(host.sent_bytes() >= sent + model_len());

    open_storage(&page);
    page.click(".stored-model button:nth-of-type(3)").unwrap();
    page.click(".stored-model button.danger").unwrap();
    page.wait_for(&format!("{STORAGE}?.innerText.includes('No models downloaded yet')"), PAGE_TIMEOUT).unwrap();
    record_failure("Download", "the server responds with 503 twice", "the download is retried with growing delays");
    record_failure("Download", "three connections break", "the download resumes; less than 12 MB are sent twice");
    record_failure("Storage", "a stored file is damaged", "Verify detects it");
    record_failure("Storage", "a damaged file is loaded", "it is downloaded again automatically, once");
}

#[test]
fn interrupted_downloads_resume_unless_the_file_has_changed() {
    let (server, host) = (Server::start().unwrap(), host());
    host.slow_down(Duration::from_millis(15));
    let session = Session::start(true).unwrap();
    let url = host.url("model.gguf");
    let detail = "document.querySelector('.progress-detail')?.innerText ?? ''";
    let reached = |megabytes: u32| format!("parseFloat({detail}) > {megabytes}");

    // The tab is closed during the download.
    let page = open(&session, &server, &url);
    page.wait_for(&reached(30), MODEL_TIMEOUT).unwrap();
    page.close().unwrap();
    // The download resumes, and is cancelled.
    let page = open(&session, &server, &url);
    page.wait_for(&reached(50), MODEL_TIMEOUT).unwrap();
    page.click("[data-testid=load-progress] button").unwrap();
    page.wait_for("document.querySelector('[data-testid=model-offer]')", PAGE_TIMEOUT).unwrap();
    open_storage(&page);
    let text = page.text("[data-testid=storage]").unwrap();
    assert!(text.contains("of 98.4 MB downloaded"), "{text}");
    // The file at the URL is a different one now: nothing of the old one is used.
    host.set_etag("v2");
    host.slow_down(Duration::ZERO);
    let sent = host.sent_bytes();
    assert!(sent < model_len() + (16 << 20), "{sent} bytes were sent before the file was complete");
    page.navigate(&server.page(&query(&url))).unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    let again = host.sent_bytes() - sent;
    assert!(again >= model_len() && again < model_len() + (16 << 20), "{again} bytes");
    ask(&page, QUESTION).unwrap();
    assert!(answer(&page).unwrap().contains("Paris"));
    record_failure("Download", "the tab is closed during the download", "the next visit resumes it");
    record_failure("Download", "the user cancels the download and comes back", "it resumes");
    record_failure(
        "Download",
        "the file at the URL has changed meanwhile",
        "the download starts over; versions are never mixed",
    );
}

#[test]
fn files_that_are_no_models_or_have_a_wrong_checksum_are_not_stored() {
    let (server, host) = (Server::start().unwrap(), host());
    let session = Session::start(true).unwrap();
    let wrong = format!("{}%23sha256={}", host.url("model.gguf"), "0".repeat(64));
    let page = open_allowing(&session, &server, &wrong);
    page.navigate(&server.page(&query(&server.faulty("pointer.gguf")))).unwrap();
    load_from_link(&page).unwrap();
    let failure = "document.querySelector('[data-testid=load-failure]')?.innerText";
    page.wait_for(&format!("{failure}?.includes('Git LFS')"), MODEL_TIMEOUT).unwrap();
    page.navigate(&server.page(&query(&wrong))).unwrap();
    load_from_link(&page).unwrap();
    page.wait_for(&format!("{failure}?.includes('its checksum does not match')"), MODEL_TIMEOUT).unwrap();
    open_storage(&page);
    let text = page.text("[data-testid=storage]").unwrap();
    assert!(text.contains("No models downloaded yet"), "{text}");

    // A file from the disk is imported, and loaded from storage.
    page.choose_file("#import-file", &model_path()).unwrap();
    page.wait_for(&format!("{STORAGE}?.innerText.includes('SmolLM2')"), MODEL_TIMEOUT).unwrap();
    page.click(".stored-model button").unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    assert_eq!(host.sent_bytes() / model_len(), 1);
    record_failure(
        "Download",
        "a Git LFS pointer arrives instead of the model",
        "nothing is stored; the error says so",
    );
    record_failure("Download", "the checksum differs from the one in the link", "nothing is stored; the error says so");
}

#[test]
fn with_a_full_disk_models_are_loaded_without_being_stored() {
    let (server, host) = (Server::start().unwrap(), host());
    let session = Session::start(true).unwrap();
    let url = host.url("model.gguf");
    let page = open_allowing(&session, &server, &url);
    let site = server.page("?temperature=0&max_tokens=20");
    let origin = site.split("/some").next().unwrap();
    page.limit_storage(origin, 60e6).unwrap();
    page.navigate(&site).unwrap();
    page.click(".model-button").unwrap();
    page.type_into("#model-url", &url).unwrap();
    page.press("Enter").unwrap();
    page.click("[data-testid=inspection] button.primary").unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    page.wait_for("document.querySelector('.dock')?.innerText.includes('storage is full')", PAGE_TIMEOUT).unwrap();
    // It says so in the user's language.
    page.follow("settings").unwrap();
    page.wait_for("document.querySelector('#language')", PAGE_TIMEOUT).unwrap();
    page.fill("#language", "de").unwrap();
    page.follow("./").unwrap();
    let german = "document.querySelector('.dock')?.innerText.includes('Der Speicher dieses Geräts ist voll')";
    page.wait_for(german, PAGE_TIMEOUT).unwrap();
    ask(&page, QUESTION).unwrap();
    assert!(answer(&page).unwrap().len() > 10);
    record_failure("Storage", "the disk is full", "the model is loaded without being stored; the user is told");
}

#[test]
fn everything_works_offline_after_the_first_visit() {
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    let address = server.page("?temperature=0&max_tokens=20&model=models/SmolLM2-135M-Instruct.Q4_1.gguf");
    let page = session.open(&address).unwrap();
    load_from_link(&page).unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    ask(&page, QUESTION).unwrap();
    let online = answer(&page).unwrap();
    assert!(online.len() >= 20, "{online}");
    page.wait_for("navigator.serviceWorker.controller", PAGE_TIMEOUT).unwrap();
    drop(server);
    page.navigate(&format!("{address}&offline")).unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    ask(&page, QUESTION).unwrap();
    assert_eq!(answer(&page).unwrap(), online);
    // Loading a model that is not stored fails with an error that says so.
    page.click(".model-button").unwrap();
    page.type_into("#model-url", "models/another.gguf").unwrap();
    page.press("Enter").unwrap();
    page.wait_for(
        "document.querySelector('[data-testid=inspection]')?.innerText.includes('could not be downloaded')",
        PAGE_TIMEOUT,
    )
    .unwrap();
    record_failure("Download", "there is no network", "after the first visit everything works");
}

/// Starts an engine on the CPU through the module. `load` returns the model's name or an error code.
const MODULE: &str = "async (module, hosts) => {
    const { Parlance } = await import(module);
    window.engine = await Parlance.create({ allowedHosts: hosts.map((host) => new URL(host).origin) });
    await engine.configure({ device: 'cpu' });
    window.load = (url) => engine.load(url).then(({ name }) => name, ({ reason, message }) => reason?.code ?? message);
    window.stored = async () => (await engine.storage.list()).models.map(({ name }) => name);
    window.listed = async () => (await engine.models.list()).data.map(({ id }) => id);
}";

/// Writes the folder of a stored file, as another version would. `record` is JSON, `data` the URL of its bytes.
const WRITE_STORED: &str = "async (url, record, data) => {
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

/// Starts an engine on the CPU, which may fetch from these hosts. See [`MODULE`].
pub(crate) fn start_module(page: &Page, server: &Server, hosts: &[&ModelHost]) {
    let hosts: Vec<String> = hosts.iter().map(|host| host.url("")).collect();
    page.evaluate(&format!("({MODULE})({:?}, {hosts:?})", server.page("parlance.js"))).unwrap();
}

/// Opens an empty page whose engine workers run `code` first.
fn open_injected(session: &Session, server: &Server, code: &str) -> Page {
    let page = session.open(&server.blank_page()).unwrap();
    let site = server.page("");
    let base = format!("document.head.append(Object.assign(document.createElement('base'), {{ href: {site:?} }}))");
    page.evaluate(&base).unwrap();
    before_engine(&page, code).unwrap();
    page
}

/// Loads a model through the module, see [`MODULE`].
pub(crate) fn load(page: &Page, url: &str) -> String {
    page.evaluate(&format!("load({url:?})")).unwrap().as_str().unwrap_or_default().to_owned()
}

/// Makes the browser refuse files of more than a kilobyte.
const ONLY_SMALL_FILES: &str = "
    const { truncate } = FileSystemSyncAccessHandle.prototype;
    FileSystemSyncAccessHandle.prototype.truncate = function (len) {
        if (len > 1000) throw new DOMException('no', 'QuotaExceededError');
        return truncate.call(this, len);
    };
";

/// The number of folders for models, usable or not.
const FOLDERS: &str = "(async () => {
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
    return (await Array.fromAsync(models.keys())).length;
})()";

/// Asserts that a model is rejected, and that nothing of it is stored or loaded afterwards.
fn assert_rejected(page: &Page, url: &str, code: &str) {
    assert_eq!(load(page, url), code, "{url}");
    assert_eq!(page.evaluate("Promise.all([stored(), listed()])").unwrap(), json!([[], []]), "{url}");
}

#[test]
fn pinned_checksums_are_verified_before_use_however_a_file_arrives() {
    let (server, host) = (Server::start().unwrap(), ModelHost::start(tiny_model().unwrap()).unwrap());
    let session = Session::start(false).unwrap();
    let page = session.open(&server.blank_page()).unwrap();
    start_module(&page, &server, &[&host]);
    let url = host.url("model.gguf");
    let (right, wrong) = (format!("{url}#sha256={}", host.pins()), format!("{url}#sha256={}", "0".repeat(64)));

    // From a host that does not send the file's length, so that it is not stored.
    host.set_mode(HostMode::Chunked);
    assert_eq!(load(&page, &right), "model");
    assert_rejected(&page, &wrong, "wrong_checksum");
    // Downloaded to the disk, and from there.
    host.set_mode(HostMode::Normal);
    assert_rejected(&page, &wrong, "wrong_checksum");
    assert_eq!(load(&page, &url), "model");
    let sent_bytes = host.sent_bytes();
    assert_eq!(load(&page, &right), "model");
    assert_eq!(load(&page, &format!("{url}#sha256=abc")), "bad_pin");
    assert_eq!(page.evaluate("listed()").unwrap(), json!(["model"]), "the model that is loaded stays");
    assert_eq!(host.sent_bytes(), sent_bytes, "the stored file is compared with its new pin");
    assert_rejected(&page, &wrong, "wrong_checksum");
    // From the disk, when its checksum is not known yet.
    let len_bytes = tiny_model().unwrap().len();
    let record = json!({ "url": url, "len_bytes": len_bytes, "etag": null, "sha256": null }).to_string();
    for (address, expected) in [(&wrong, "wrong_checksum"), (&right, "model")] {
        page.evaluate(&format!("({WRITE_STORED})({url:?}, {record:?}, {url:?})")).unwrap();
        assert_eq!(load(&page, address), expected);
    }
    assert_rejected(&page, &wrong, "wrong_checksum");
    // With a full disk.
    let site = server.page("");
    page.limit_storage(site.split("/some").next().unwrap(), 500e3).unwrap();
    assert_eq!(load(&page, &right), "model");
    assert_rejected(&page, &wrong, "wrong_checksum");
    page.close().unwrap();
    // Without storage.
    let page = open_injected(&session, &server, "delete StorageManager.prototype.getDirectory;");
    start_module(&page, &server, &[&host]);
    assert_eq!(load(&page, &right), "model");
    assert_rejected(&page, &wrong, "wrong_checksum");
    let outcome =
        "it is rejected and nothing is stored: streamed, downloaded or stored before, with a full disk or no storage";
    record_failure("Download", "the checksum differs from a pinned one", outcome);
    record_failure(
        "Download",
        "the pinned checksum is malformed",
        "it is rejected before anything is requested from the host",
    );
}

#[test]
fn every_file_of_a_split_model_has_its_own_pinned_checksum() {
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
    for mode in [HostMode::Chunked, HostMode::Normal] {
        host.set_mode(mode);
        assert_rejected(&page, &wrong, "wrong_checksum");
        assert_eq!(load(&page, &right), "model-00002-of-00003");
    }
    let sent_bytes = host.sent_bytes();
    assert_eq!(load(&page, &url), "model-00002-of-00003");
    assert_eq!(load(&page, &right), "model-00002-of-00003");
    assert_eq!(load(&page, &format!("{url}#sha256={first}")), "bad_pin");
    assert_eq!(host.sent_bytes(), sent_bytes, "all files are stored");
    assert_rejected(&page, &wrong, "wrong_checksum");
    record_failure(
        "Download",
        "one file of a split model has a wrong checksum",
        "the model is rejected and nothing of it is stored",
    );
}

#[test]
fn false_lengths_from_hosts_and_records_leave_the_storage_usable() {
    let (server, host) = (Server::start().unwrap(), ModelHost::start(tiny_model().unwrap()).unwrap());
    // A file with the right checksum that is not a model.
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
        host.set_mode(HostMode::Head(head));
        assert_rejected(&page, &url, "bad_answer");
    }
    for len_bytes in ["18446744073709551615", "2199023255552", "0", "-1"] {
        let record = format!(r#"{{"url":"{url}","len_bytes":{len_bytes},"etag":null,"sha256":null}}"#);
        page.evaluate(&format!("({WRITE_STORED})({url:?}, {record:?}, null)")).unwrap();
        assert_eq!(page.evaluate("stored()").unwrap(), json!([]), "{len_bytes}");
    }
    host.set_mode(HostMode::Normal);
    assert_eq!(load(&page, &url), "model");
    assert_eq!(page.evaluate("stored()").unwrap(), json!(["model.gguf"]));
    page.evaluate(&format!("engine.storage.delete({url:?})")).unwrap();

    let url = broken_host.url("broken.gguf");
    assert_rejected(&page, &url, "missing_entry");
    let sha256 = broken_host.pins();
    let record = json!({ "url": url, "len_bytes": broken_len, "etag": null, "sha256": sha256 }).to_string();
    page.evaluate(&format!("({WRITE_STORED})({url:?}, {record:?}, {url:?})")).unwrap();
    let sent_bytes = broken_host.sent_bytes();
    assert_eq!(load(&page, &url), "unusable_copy");
    assert_eq!(load(&page, &format!("{url}#sha256={sha256}")), "unusable_copy");
    assert_eq!(broken_host.sent_bytes(), sent_bytes, "another download would not help");
    assert_eq!(page.evaluate("stored()").unwrap(), json!(["broken.gguf"]));
    page.close().unwrap();

    // The record of a file that cannot be created goes.
    let page = open_injected(&session, &server, ONLY_SMALL_FILES);
    start_module(&page, &server, &[&host]);
    let before = page.evaluate(FOLDERS).unwrap();
    assert_eq!(load(&page, &host.url("model.gguf")), "model");
    assert_eq!(page.evaluate(FOLDERS).unwrap(), before);
    record_failure("Download", "the host sends an impossible length", "the file is rejected; the storage stays usable");
    record_failure("Storage", "the record of a stored file is invalid", "it is removed");
    record_failure("Storage", "a stored file has the right checksum but is not a model", "it stays; the error says so");
}
