//! Lists without entries and searches without results say what to do. A mock engine answers.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_tests::{Page, Server, Session};

use crate::conversations::{open, wait};

/// Waits until the first element that matches has these words.
fn says(page: &Page, selector: &str, words: &str) {
    wait(page, &format!("document.querySelector({selector:?})?.innerText.includes({words:?})"));
}

#[test]
fn empty_lists_and_searches_without_results_say_what_to_do() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    says(&page, ".sidebar-empty", "Ask something to start one");
    page.fill("#search", "unicorn").unwrap();
    says(&page, ".sidebar-empty", "Try fewer words, or # and a tag.");
    page.evaluate("window.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true }))")
        .unwrap();
    wait(&page, "document.querySelector('.dialog[open] .palette li')");
    assert!(!page.text(".dialog").unwrap().contains("No results"));
    page.type_into("#palette-field", "no such command").unwrap();
    says(&page, ".dialog [role=status]", "Try the name of a page");
    page.click(".dialog [aria-label=Close]").unwrap();
    page.follow("projects").unwrap();
    says(&page, "[data-testid=no-projects]", "Name a project above");
    page.follow("catalogue").unwrap();
    wait(&page, "document.querySelector('.model-card')");
    page.fill("#filter", "no such model").unwrap();
    says(&page, "[data-testid=catalogue] .empty", "add a model by URL or from a file");
    page.follow("storage").unwrap();
    says(&page, "[data-testid=storage] .empty", "Choose one from the list of models");
    page.follow("performance").unwrap();
    says(&page, "main .empty", "Load one to see its speed");
    page.follow("settings").unwrap();
    wait(&page, "document.querySelector('#settings-search')");
    page.fill("#settings-search", "no such setting").unwrap();
    says(&page, "main.page > [role=status]", "such as “Theme” or “Temperature”");
    // What it proposes is found.
    page.fill("#settings-search", "Theme").unwrap();
    wait(&page, "[...document.querySelectorAll('main section')].some((section) => section.checkVisibility())");
}
