//! What happens around the message field: messages that wait, quoted selections, temporary chats, tables that are copied. A mock engine
//! answers.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_tests::chat::{LAST_TEXT, answer, ask};
use parlance_tests::{Page, Server, Session};
use serde_json::json;

use crate::conversations::{open, press, reload, wait};

/// Types a message and presses Enter, without waiting for anything.
fn enter(page: &Page, text: &str) {
    page.type_into("#message", text).unwrap();
    page.press("Enter").unwrap();
}

#[test]
fn messages_wait_for_the_answer_before_them() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    let waiting = "[...document.querySelectorAll('.queue li')].map(message => message.innerText).join()";
    ask(&page, "Speak slowly").unwrap();
    wait(&page, &format!("{LAST_TEXT}.includes('word word')"));
    enter(&page, "And then?");
    enter(&page, "And at last?");
    wait(&page, &format!("{waiting} === 'And then?,And at last?' && document.querySelector('#message').value === ''"));
    // The user takes them back, or stops the answer.
    page.click(".queue [aria-label='Edit before sending']").unwrap();
    wait(
        &page,
        "document.querySelector('#message').value === 'And then?\\n\\nAnd at last?' && !document.querySelector('.queue')",
    );
    page.fill("#message", "And then?").unwrap();
    page.click("[data-testid=queue]").unwrap();
    wait(&page, &format!("{waiting} === 'And then?'"));
    page.click("[data-testid=stop]").unwrap();
    wait(&page, "document.querySelector('#message').value === 'And then?' && !document.querySelector('.queue')");
    assert_eq!(page.evaluate("document.querySelectorAll('[data-role=user]').length").unwrap(), 1);
    // They are sent one after the other, each once the answer before is complete.
    page.fill("#message", "").unwrap();
    ask(&page, "Tell it at length").unwrap();
    wait(&page, "document.querySelector('[data-testid=stop]')");
    enter(&page, "And then?");
    enter(&page, "And at last?");
    wait(&page, &format!("{LAST_TEXT}.trim() === 'Answer 2: And at last?'"));
    let questions =
        page.evaluate("[...document.querySelectorAll('.bubble > .text')].map(text => text.innerText.trim())").unwrap();
    assert_eq!(questions, json!(["Speak slowly", "Tell it at length", "And then?", "And at last?"]));
    wait(&page, "!document.querySelector('.queue')");
}

#[test]
fn selections_are_quoted_and_tables_copied() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    page.evaluate("window.nextAnswer = 'First words.\\n\\n| a | b |\\n| - | - |\\n| 1,5 | say \"hi\" |\\n'").unwrap();
    ask(&page, "Show a table").unwrap();
    answer(&page).unwrap();
    let select = "(() => {
        getSelection().selectAllChildren(document.querySelector('[data-role=assistant] .markdown p'));
        window.dispatchEvent(new MouseEvent('mouseup'));
    })()";
    page.evaluate(select).unwrap();
    // Pressing the button leaves the selection as it is.
    let button = "document.querySelector('[data-testid=quote-selection]')";
    wait(&page, button);
    let pressed = "new MouseEvent('mousedown', { bubbles: true, cancelable: true })";
    assert_eq!(page.evaluate(&format!("{button}.dispatchEvent({pressed})")).unwrap(), false);
    page.click("[data-testid=quote-selection]").unwrap();
    wait(
        &page,
        "document.querySelector('#message').value === '> First words.\\n\\n' && document.activeElement.id === 'message'",
    );
    wait(&page, "!document.querySelector('[data-testid=quote-selection]')");
    // Words outside of messages are not offered.
    page.evaluate("(getSelection().selectAllChildren(document.querySelector('.title')), window.dispatchEvent(new MouseEvent('mouseup')))").unwrap();
    assert_eq!(page.evaluate("document.querySelector('[data-testid=quote-selection]')").unwrap(), json!(null));
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
        .unwrap();
    page.click("[data-code=csv]").unwrap();
    wait(&page, "window.copied === 'a,b\\n\"1,5\",\"say \"\"hi\"\"\"\\n'");
    wait(&page, "document.querySelector('[data-code=csv]').innerText === 'Copied'");
}

#[test]
fn what_waits_stays_with_its_branch_and_outlives_the_tab() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    ask(&page, "First").unwrap();
    answer(&page).unwrap();
    press(&page, "[data-role=user]", "Edit");
    page.fill(".edit-box textarea", "Speak slowly").unwrap();
    press(&page, ".edit-box", "Send");
    wait(&page, &format!("{LAST_TEXT}.includes('word word')"));
    page.fill("#message", "And then?").unwrap();
    page.click("[data-testid=queue]").unwrap();
    wait(&page, "document.querySelector('.queue') && document.activeElement.id === 'message'");
    // Longer than drafts wait until they are saved. Whoever closes the tab then finds in the draft what waited.
    page.evaluate("new Promise(done => setTimeout(done, 2000))").unwrap();
    assert!(page.evaluate(KEPT).unwrap().as_str().unwrap().contains("And then?"));
    // It was not meant for another answer, even if that is complete.
    press(&page, ".branches", "Previous version");
    wait(&page, "document.querySelector('#message').value === 'And then?' && !document.querySelector('.queue')");
    assert_eq!(page.evaluate("document.querySelectorAll('[data-role=user]').length").unwrap(), 1);
}

/// Script: all that the browser keeps for the site, as text.
const KEPT: &str = "await (async () => {
    const kept = [{ ...localStorage }, { ...sessionStorage }];
    const result = (request) => new Promise((done, fail) => {
        request.onsuccess = () => done(request.result);
        request.onerror = fail;
    });
    for (const { name } of await indexedDB.databases()) {
        const database = await result(indexedDB.open(name));
        for (const store of database.objectStoreNames) kept.push(await result(database.transaction(store).objectStore(store).getAll()));
        database.close();
    }
    return JSON.stringify(kept);
})()";

#[test]
fn temporary_chats_leave_nothing() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    // A draft becomes part of it, too.
    page.type_into("#message", "hidden badger").unwrap();
    wait(&page, &format!("({KEPT}).includes('hidden badger')"));
    page.click(".sidebar [aria-label='Temporary chat']").unwrap();
    wait(&page, "document.querySelector('[data-testid=temporary-note]')");
    page.fill("#message", "").unwrap();
    ask(&page, "Tell me of the secret otter").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 1: Tell me of the secret otter");
    page.type_into("#message", "another secret otter").unwrap();
    // Longer than answers and drafts wait until they are saved.
    page.evaluate("new Promise(done => setTimeout(done, 2000))").unwrap();
    assert_eq!(page.evaluate("location.search + document.querySelectorAll('.conversation').length").unwrap(), "0");
    let kept = page.evaluate(KEPT).unwrap();
    assert!(!kept.as_str().unwrap().contains("otter") && !kept.as_str().unwrap().contains("badger"), "{kept}");
    // Leaving it ends it.
    page.fill("#message", "").unwrap();
    page.click("[data-testid=new-chat]").unwrap();
    wait(&page, "!document.querySelector('[data-testid=temporary-note]') && !document.querySelector('.message')");
    // The next one is saved again, which the same script finds.
    ask(&page, "Tell me of the public otter").unwrap();
    answer(&page).unwrap();
    wait(&page, "document.querySelectorAll('.conversation').length === 1");
    wait(&page, &format!("({KEPT}).includes('public otter')"));
    // One that is open when the page is reloaded is gone.
    page.click(".sidebar [aria-label='Temporary chat']").unwrap();
    wait(&page, "document.querySelector('[data-testid=temporary-note]')");
    ask(&page, "Tell me of the secret otter").unwrap();
    answer(&page).unwrap();
    reload(&page);
    wait(&page, "document.querySelectorAll('.conversation').length === 1 && document.querySelector('.welcome')");
    let kept = page.evaluate(KEPT).unwrap();
    assert!(!kept.as_str().unwrap().contains("secret"), "{kept}");
}
