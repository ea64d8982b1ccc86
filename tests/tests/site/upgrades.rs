//! Data of older versions opens in this one. `fixtures/schemas` contains what each version of the database left on a
//! device. A release that changes the database adds a file; existing files never change.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_tests::chat::{MODEL_TIMEOUT, PAGE_TIMEOUT, READY, load_from_link};
use parlance_tests::failures::record_failure;
use parlance_tests::{ModelHost, Page, Server, Session, model_path, root};
use serde_json::{Value, json};

/// The fixtures, sorted by version.
fn fixtures() -> Vec<(u64, Value)> {
    let folder = std::fs::read_dir(root().join("tests/fixtures/schemas")).unwrap();
    let mut fixtures: Vec<(u64, Value)> = folder
        .map(|entry| {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let fixture: Value = serde_json::from_str(&text).unwrap();
            (fixture["database"]["version"].as_u64().unwrap(), fixture)
        })
        .collect();
    fixtures.sort_by_key(|(version, _)| *version);
    fixtures
}

/// Writes the data that an older version left, with the demo model stored under `url`. `site` is the path of the site.
fn write_old_data(page: &Page, fixture: &Value, site: &str, model: &str, url: &str) {
    let script = format!(
        "(async ({{ database, local_storage, models }}, site, model, url) => {{
            for (const [key, value] of Object.entries(local_storage)) localStorage.setItem(key, value);
            localStorage.setItem('parlance.sources', JSON.stringify([new URL(url).origin]));
            await new Promise((done, failed) => {{
                const request = indexedDB.open(`parlance:${{site}}`, database.version);
                request.onerror = failed;
                request.onupgradeneeded = () => {{
                    for (const {{ name, keyPath, indexes, records }} of database.stores) {{
                        const store = request.result.createObjectStore(name, {{ keyPath }});
                        for (const index of indexes) store.createIndex(index, index);
                        for (const record of records) store.put(record);
                    }}
                }};
                request.onsuccess = () => {{ request.result.close(); done(); }};
            }});
            const bytes = await (await fetch(model)).arrayBuffer();
            const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(url));
            const key = [...new Uint8Array(hash).slice(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
            const root = await navigator.storage.getDirectory();
            const folder = await (await root.getDirectoryHandle('models', {{ create: true }})).getDirectoryHandle(key, {{ create: true }});
            const contents = {{
                'record.json': JSON.stringify({{ url, len_bytes: bytes.byteLength, etag: '\"v1\"', sha256: null }}),
                data: bytes,
                journal: new Uint8Array(Math.ceil(bytes.byteLength / (4 << 20))).fill(1),
                used: '1700000000',
            }};
            for (const name of models) {{
                const stream = await (await folder.getFileHandle(name, {{ create: true }})).createWritable();
                await stream.write(contents[name]);
                await stream.close();
            }}
        }})({fixture}, {site:?}, {model:?}, {url:?})"
    );
    page.evaluate(&script).unwrap();
}

#[test]
fn data_of_every_older_version_opens() {
    let fixtures = fixtures();
    for (version, fixture) in &fixtures {
        let server = Server::start().unwrap();
        let host = ModelHost::start(std::fs::read(model_path()).unwrap()).unwrap();
        let session = Session::start(true).unwrap();
        let url = host.url("model.gguf");
        let page = session.open(&server.blank_page()).unwrap();
        let site = server.page("");
        let path = site.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap();
        write_old_data(&page, fixture, &path, &server.offer(&model_path()), &url);

        page.navigate(&server.page(&format!("?model={url}"))).unwrap();
        load_from_link(&page).unwrap();
        page.wait_for("document.querySelectorAll('.conversation').length === 2", PAGE_TIMEOUT).unwrap();
        let list = page.text(".sidebar").unwrap();
        assert!(
            ["The capital of France", "A haiku", "Verse"].iter().all(|text| list.contains(text)),
            "{version}: {list}"
        );
        let open = "[...document.querySelectorAll('.conversation')].find((item) => item.innerText.includes('capital')).click()";
        page.evaluate(open).unwrap();
        page.wait_for("document.querySelectorAll('.message').length === 4", PAGE_TIMEOUT).unwrap();
        page.wait_for("document.querySelector('[data-role=assistant] strong')?.innerText === 'Paris'", PAGE_TIMEOUT)
            .unwrap();
        assert_eq!(page.evaluate("document.documentElement.dataset.theme").unwrap(), "dark");
        // The stored model is loaded; nothing of it is downloaded again.
        page.wait_for(READY, MODEL_TIMEOUT).unwrap();
        assert_eq!(host.sent_bytes(), 0);
        page.follow("settings").unwrap();
        page.wait_for("document.querySelector('#system-prompt')?.value === 'Answer like a sailor.'", PAGE_TIMEOUT)
            .unwrap();
        if *version >= 3 {
            page.follow("projects").unwrap();
            page.wait_for("document.querySelector('.project-files')?.innerText.includes('rivers.pdf')", PAGE_TIMEOUT)
                .unwrap();
            assert_eq!(page.evaluate("document.querySelector('.project-name').value").unwrap(), "Atlas");
        }
        // The database has the newest version now, for which there is a fixture.
        let databases = page.evaluate("indexedDB.databases()").unwrap();
        let newest = fixtures.last().map(|(version, _)| *version);
        assert_eq!(databases[0]["version"], json!(newest), "a new version of the database needs a fixture");
        record_failure(
            "Storage",
            &format!("the data on the device is from version {version} of the database"),
            "conversations, settings and models open in this version",
        );
    }
}

/// Starts an engine through the module, and returns how many leaders there are.
const LEADERS: &str = "async (module) => {
    const { Parlance } = await import(module);
    window.engine = await Parlance.create();
    await engine.storage.list();
    return (await navigator.locks.query()).held.filter(({ name }) => name.startsWith('parlance.engine:')).length;
}";

#[test]
fn tabs_of_two_builds_have_separate_engines() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let count = format!("({LEADERS})({:?})", server.page("parlance.js"));
    let [first, second] = [(); 2].map(|()| session.open(&server.blank_page()).unwrap());
    assert_eq!(first.evaluate(&count).unwrap(), json!(1));
    assert_eq!(second.evaluate(&count).unwrap(), json!(1), "tabs of one build share their engine");
    server.publish_newer_build();
    let newer = session.open(&server.blank_page()).unwrap();
    assert_eq!(newer.evaluate(&count).unwrap(), json!(2));
    record_failure("Tab", "tabs of two builds are open", "each build has its own engine; their messages do not mix");
}
