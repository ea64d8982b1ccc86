//! The npm package, installed in projects made of the docs' snippets (`tests/npm/projects.mjs`): with each bundler, and
//! with the published clients of the API.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::process::Command;

use parlance_tests::chat::{MODEL_TIMEOUT, PAGE_TIMEOUT};
use parlance_tests::{Server, Session, root};
use serde_json::json;

/// Quick starts of docs/package.md. Each shows an answer.
const PROJECTS: [&str; 5] = ["html", "vite", "react", "webpack", "esbuild"];

#[test]
fn the_package_works_with_bundlers_and_clients() {
    let folder = root().join("tests/npm");
    // The package's own files, for pages of other origins.
    let files = Server::start_with_folder(root().join("target")).unwrap();
    let mut build = Command::new("node");
    build.arg("projects.mjs").arg(root().join("target/package")).arg(files.origin()).current_dir(&folder);
    assert!(build.status().unwrap().success());

    let session = Session::start(true).unwrap();
    let serve = |project: &str| Server::start_with_folder(folder.join("projects").join(project).join("dist")).unwrap();
    let open = |server: &Server| session.open(&format!("{}/index.html", server.origin())).unwrap();
    // All at once, because each waits for its worker most of the time.
    let opened = PROJECTS.map(|project| {
        let server = serve(project);
        (open(&server), server)
    });
    for (page, _server) in opened {
        page.wait_for("document.querySelector('output')?.textContent.length > 20", MODEL_TIMEOUT).unwrap();
        page.close().unwrap();
    }

    // What tests ask for and is not there, which the browser logs.
    session.expect_in_console("/nowhere/");
    session.expect_in_console("/v1/nothing");
    let server = serve("snippets");
    let page = open(&server);
    page.wait_for("globalThis.run", PAGE_TIMEOUT).unwrap();
    page.evaluate("void run().then((result) => (globalThis.result = result))").unwrap();
    page.wait_for("globalThis.result", MODEL_TIMEOUT).unwrap();
    let result = page.evaluate("result").unwrap();
    println!("{}", result["times"]);
    assert_eq!(result["failed"], json!({}), "{}", result["failed"]);
}
