//! Errors in the consoles of a page, its workers and its service worker fail a test that does not expect them.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use parlance_tests::chat::PAGE_TIMEOUT;
use parlance_tests::{Server, Session, root};

/// A page that starts a worker, which starts another one, and a service worker. Everything goes wrong in each.
const FILES: [(&str, &str); 6] = [
    ("index.html", "<!doctype html><script type=\"module\" src=\"page.js\"></script>"),
    (
        "wrong.js",
        "export function goWrong(where) {
            console.error(`${where} complains`);
            Promise.reject(new Error(`${where} rejects`));
            setTimeout(() => { throw new Error(`${where} throws`); });
        }",
    ),
    (
        "page.js",
        "import { goWrong } from './wrong.js';
        goWrong('page');
        new Worker('outer.js', { type: 'module' }).onmessage = () => { window.isOver = true; };
        navigator.serviceWorker.register('service.js', { type: 'module' });
        const { active } = await navigator.serviceWorker.ready;
        navigator.serviceWorker.onmessage = () => { window.isServiceOver = true; };
        active.postMessage('?');",
    ),
    (
        "outer.js",
        "import { goWrong } from './wrong.js';
        goWrong('outer worker');
        new Worker('inner.js', { type: 'module' }).onmessage = ({ data }) => postMessage(data);",
    ),
    (
        "inner.js",
        "import { goWrong } from './wrong.js';
        goWrong('inner worker');
        setTimeout(() => postMessage('over'), 300);",
    ),
    (
        "service.js",
        "import { goWrong } from './wrong.js';
        goWrong('service');
        onmessage = ({ source }) => setTimeout(() => source.postMessage('over'), 300);",
    ),
];

#[test]
fn errors_anywhere_in_the_browser_fail_tests_that_do_not_expect_them() {
    let folder = root().join("target/test-data/console");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let server = Server::start_with_folder(folder).unwrap();
    let session = Session::start(false).unwrap();
    session.expect_in_console("outer worker complains");
    let page = session.open(&format!("{}/index.html", server.origin())).unwrap();
    page.wait_for("window.isOver && window.isServiceOver", PAGE_TIMEOUT).unwrap();

    let failure = catch_unwind(AssertUnwindSafe(|| drop(session))).unwrap_err();
    let text = failure.downcast_ref::<String>().unwrap();
    for place in ["page", "outer worker", "inner worker", "service"] {
        for what in ["complains", "rejects", "throws"] {
            let is_expected = (place, what) == ("outer worker", "complains");
            assert_eq!(text.contains(&format!("{place} {what}")), !is_expected, "{place} {what}: {text}");
        }
    }
}
