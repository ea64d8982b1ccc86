//! Models on this device: downloads that break, resume and are rejected, damage, quota, and no network at all.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{LONG, READY, answer, ask};
use parlance_tests::faults::shown;
use parlance_tests::{ModelHost, Page, Server, Session, model_path};

const SHORT: Duration = Duration::from_secs(30);
const QUESTION: &str = "What is the capital of France?";
const STORAGE: &str = "document.querySelector('[data-testid=storage]')";
const VERDICT: &str = "document.querySelector('.verdict')";

fn host() -> ModelHost {
    ModelHost::start(std::fs::read(model_path()).unwrap()).unwrap()
}

fn model_len() -> u64 {
    std::fs::metadata(model_path()).unwrap().len()
}

/// A page that loads `url` by itself.
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

/// The same, with a page that loads the model by itself.
fn open(session: &Session, server: &Server, url: &str) -> Page {
    let page = allowing(session, server, url);
    page.navigate(&server.page(&query(url))).unwrap();
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
    page.wait_for(&format!("{STORAGE}?.innerText.includes('No model is kept here yet')"), SHORT).unwrap();
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
    assert!(text.contains("of 98.4 MB; loading it completes it"), "{text}");
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
    let failure = "document.querySelector('[data-testid=load-failure]')?.innerText";
    page.wait_for(&format!("{failure}?.includes('Git LFS')"), LONG).unwrap();
    page.navigate(&server.page(&query(&wrong))).unwrap();
    page.wait_for(&format!("{failure}?.includes('damaged')"), LONG).unwrap();
    open_storage(&page);
    let text = page.text("[data-testid=storage]").unwrap();
    assert!(text.contains("No model is kept here yet"), "{text}");

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
        "document.querySelector('[data-testid=inspection]')?.innerText.includes('could not be fetched')",
        SHORT,
    )
    .unwrap();
    shown("Download", "there is no network at all", "after the first visit everything works");
}
