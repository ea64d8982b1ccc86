//! Conversations: saved, searched, edited, branched, imported and exported. A mock engine answers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
#![allow(clippy::too_many_lines, reason = "tests check many steps on one page")]

use parlance_tests::chat::{LAST_ANSWER, LAST_TEXT, PAGE_TIMEOUT, answer, ask, new_chat};
use parlance_tests::failures::record_failure;
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::{Page, Server, Session, root};
use serde_json::{Value, json};

/// Opens the site with the mock engine.
pub(crate) fn open(session: &Session, server: &Server) -> Page {
    let page = session.open(&server.page("")).unwrap();
    use_scripted_engine(&page).unwrap();
    page
}

/// Reloads the page and installs the mock engine again.
pub(crate) fn reload(page: &Page) {
    // Waits for pending writes, and revokes the consent to load models, so that no real one is loaded.
    page.evaluate("new Promise(done => setTimeout(done, 300))").unwrap();
    page.evaluate("localStorage.removeItem('parlance.agreed')").unwrap();
    let address = page.evaluate("location.href").unwrap();
    page.navigate("about:blank").unwrap();
    page.navigate(address.as_str().unwrap()).unwrap();
    use_scripted_engine(page).unwrap();
}

/// Texts of all messages on screen.
fn messages(page: &Page) -> Vec<String> {
    let texts = page
        .evaluate("[...document.querySelectorAll('.message :is(.bubble > .text, .markdown)')].map(text => text.innerText.trim())")
        .unwrap();
    serde_json::from_value(texts).unwrap()
}

/// Titles in the sidebar.
fn titles(page: &Page) -> Vec<String> {
    serde_json::from_value(
        page.evaluate("[...document.querySelectorAll('.conversation')].map(item => item.innerText)").unwrap(),
    )
    .unwrap()
}

/// Clicks the last button with this name within an element.
pub(crate) fn press(page: &Page, within: &str, name: &str) {
    let button = format!(
        "[...document.querySelectorAll({within:?} + ' button')].findLast(button => (button.ariaLabel ?? button.innerText.trim()) === {name:?})"
    );
    page.wait_for(&button, PAGE_TIMEOUT).unwrap();
    page.evaluate(&format!("{button}.click()")).unwrap();
}

pub(crate) fn wait(page: &Page, condition: &str) {
    page.wait_for(condition, PAGE_TIMEOUT).unwrap();
}

/// Chooses an entry in the menu of the first conversation.
pub(crate) fn choose(page: &Page, entry: &str) {
    page.evaluate("document.querySelector('.conversation-item .menu summary').click()").unwrap();
    press(page, ".conversation-item", entry);
}

/// Chooses an entry in the menu of the conversation with this title.
fn choose_for(page: &Page, title: &str, entry: &str) {
    let item = format!(
        "[...document.querySelectorAll('.conversation-item')].find(item => item.querySelector('.conversation')?.innerText === {title:?})"
    );
    wait(page, &item);
    page.evaluate(&format!("{item}.querySelector('summary').click()")).unwrap();
    page.evaluate(&format!(
        "[...{item}.querySelectorAll('button')].find(button => button.innerText === {entry:?}).click()"
    ))
    .unwrap();
}

#[test]
fn conversations_are_saved_searched_and_organised() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    ask(&page, "Tell me of otters").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 1: Tell me of otters");
    wait(&page, "location.search.startsWith('?chat=')");
    new_chat(&page).unwrap();
    ask(&page, "Tell me of badgers").unwrap();
    answer(&page).unwrap();
    wait(&page, "document.querySelectorAll('.conversation').length === 2");
    assert_eq!(titles(&page), ["Tell me of badgers", "Tell me of otters"]);

    // A reload of the same URL shows all of it.
    reload(&page);
    wait(&page, "document.querySelector('.markdown[data-complete=true]')");
    assert_eq!(messages(&page), ["Tell me of badgers", "Answer 2: Tell me of badgers"]);

    // A click opens the other one; the browser's back button returns.
    press(&page, ".conversation-item", "Tell me of otters");
    wait(&page, &format!("{LAST_TEXT}.includes('otters')"));
    page.evaluate("history.back()").unwrap();
    wait(&page, &format!("{LAST_TEXT}.includes('badgers')"));

    // Title, pin, folder.
    choose(&page, "Rename");
    wait(&page, "document.querySelector('.conversation-item input')");
    page.fill(".conversation-item input", "Striped animals").unwrap();
    page.press("Enter").unwrap();
    wait(&page, "document.querySelector('.title').innerText === 'Striped animals'");
    wait(&page, "document.querySelector('.conversation').innerText === 'Striped animals'");
    choose(&page, "Move to folder");
    wait(&page, "document.querySelector('.conversation-item input')");
    page.fill(".conversation-item input", "Zoology").unwrap();
    page.press("Enter").unwrap();
    wait(&page, "document.querySelector('.conversation-section h2').innerText === 'Zoology'");
    press(&page, ".conversation-item", "Tell me of otters");
    choose(&page, "Pin");
    wait(&page, "document.querySelector('.conversation-section h2').innerText === 'Pinned'");

    // Search covers titles and messages.
    for (words, found) in [("striped", 1), ("OTTERS answer", 1), ("answer", 2), ("unicorn", 0), ("", 2)] {
        page.fill("#search", words).unwrap();
        wait(&page, &format!("document.querySelectorAll('.conversation').length === {found}"));
    }

    // A model that is large enough generates a title when idle, unless the user has set one.
    page.evaluate("window.modelBytes = 1e9").unwrap();
    page.click(".model-button").unwrap();
    press(&page, ".dialog", "Load");
    wait(&page, "document.querySelector('.model-button[data-state=ready]')");
    new_chat(&page).unwrap();
    ask(&page, "Tell me of mice").unwrap();
    wait(&page, "document.querySelector('.title').innerText === 'Small Animals'");
    choose_for(&page, "Small Animals", "Delete");
    wait(&page, "document.querySelectorAll('.conversation').length === 2");

    // Deleted and restored.
    choose(&page, "Delete");
    wait(&page, "document.querySelectorAll('.conversation').length === 1");
    press(&page, ".toast", "Undo");
    wait(&page, "document.querySelectorAll('.conversation').length === 2");
}

#[test]
fn messages_are_edited_branched_continued_and_deleted() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    ask(&page, "First").unwrap();
    answer(&page).unwrap();
    ask(&page, "Second").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 2: Second");

    // An edit creates a branch.
    press(&page, "[data-role=user]", "Edit");
    page.fill(".edit-box textarea", "Third").unwrap();
    press(&page, ".edit-box", "Send");
    wait(&page, &format!("{LAST_TEXT} === 'Answer 3: Third'"));
    assert_eq!(messages(&page), ["First", "Answer 1: First", "Third", "Answer 3: Third"]);
    assert_eq!(page.text(".branch-position").unwrap(), "2 of 2");
    press(&page, ".branches", "Previous version");
    wait(&page, &format!("{LAST_TEXT} === 'Answer 2: Second'"));
    // So does another answer.
    press(&page, "[data-role=assistant]", "Regenerate");
    wait(&page, &format!("{LAST_TEXT} === 'Answer 4: Second'"));
    // The selected branch is remembered.
    reload(&page);
    wait(&page, &format!("{LAST_TEXT} === 'Answer 4: Second'"));

    // Deleting shows the neighbouring branch, and can be undone.
    press(&page, "[data-role=assistant]", "Delete");
    wait(&page, &format!("{LAST_TEXT} === 'Answer 2: Second'"));
    press(&page, ".toast", "Undo");
    wait(&page, &format!("{LAST_TEXT} === 'Answer 4: Second'"));

    // A stopped answer can be continued.
    ask(&page, "Speak slowly").unwrap();
    wait(&page, &format!("{LAST_TEXT}.includes('word word')"));
    page.press("Escape").unwrap();
    wait(&page, "document.querySelector('[data-ending=stopped-by-user]')");
    press(&page, "[data-role=assistant]", "Continue");
    wait(&page, &format!("{LAST_TEXT}.endsWith('And the rest.')"));
    assert!(answer(&page).unwrap().starts_with("word word"));

    // Reasoning is collapsed and shows its duration; tool calls are shown with their results.
    new_chat(&page).unwrap();
    ask(&page, "think about it").unwrap();
    answer(&page).unwrap();
    let reasoning = page.evaluate("document.querySelector('.reasoning').textContent").unwrap();
    let reasoning = reasoning.as_str().unwrap();
    assert!(reasoning.contains("Thought for") && reasoning.contains("Let me think."), "{reasoning}");
    page.evaluate("localStorage.setItem('parlance.settings', JSON.stringify({ uses_tools: true }))").unwrap();
    reload(&page);
    new_chat(&page).unwrap();
    ask(&page, "call the calculator").unwrap();
    assert_eq!(answer(&page).unwrap(), "It is 84.");
    let tool = page.evaluate("document.querySelector('.tool-use').textContent").unwrap();
    assert_eq!(tool, "calculator{\"expression\":\"12*7\"}84");
    let offered = page.evaluate("asked.findLast(request => request.type === 'api').body.tools?.length").unwrap();
    assert_eq!(offered, 2);
}

#[test]
fn tabs_stay_in_sync_and_partial_answers_of_closed_tabs_are_saved() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let first = open(&session, &server);
    let second = open(&session, &server);
    first.show().unwrap();
    ask(&first, "Speak slowly of rivers").unwrap();
    wait(&first, &format!("{LAST_TEXT}.includes('word word')"));
    // The other tab lists the conversation and shows the answer as it grows.
    second.show().unwrap();
    wait(&second, "document.querySelector('.conversation')?.innerText === 'Speak slowly of rivers'");
    second.click(".conversation").unwrap();
    wait(&second, &format!("{LAST_TEXT}.includes('word word')"));
    let len = second.evaluate(&format!("{LAST_TEXT}.length")).unwrap().as_u64().unwrap();
    wait(&second, &format!("{LAST_TEXT}.length > {len}"));
    wait(&second, "document.body.innerText.includes('generated in another tab')");
    // The tab is closed during the answer: the partial answer is there and can be continued.
    first.close().unwrap();
    wait(&second, "document.body.innerText.includes('was closed before the response was complete')");
    assert!(second.evaluate(LAST_TEXT).unwrap().as_str().unwrap().starts_with("word word"));
    press(&second, "[data-role=assistant]", "Continue");
    wait(&second, &format!("{LAST_TEXT}.endsWith('And the rest.')"));

    // Unsent text is saved for each conversation, and separately for a new one.
    second.type_into("#message", "half a thought").unwrap();
    second.evaluate("new Promise(done => setTimeout(done, 800))").unwrap();
    reload(&second);
    wait(&second, "document.querySelector('#message').value === 'half a thought'");
    new_chat(&second).unwrap();
    wait(&second, "document.querySelector('#message').value === ''");
}

/// An export of a conversation whose answer has all kinds of Markdown, and attacks.
fn document() -> Value {
    let answer = "# Title\n\nA **bold** word, $x^2$ and \\(y\\).\n\n| a | b |\n| - | -: |\n| 1 | 2 |\n\n- [x] done\n- [ ] open\n\n\
        ```rust\nfn main() { println!(\"hi\"); }\n```\n\nA note[^1].\n\n[^1]: The note.\n\n\
        <img src=\"x\" onerror=\"window.hacked = 1\"><script>window.hacked = 1</script>\n\n\
        ![picture](https://example.org/x.png) [link](javascript:window.hacked=1)";
    let message = |id: &str, parent: Value, role: &str, content: &str, ending: Value| json!({ "id": id, "parent": parent, "role": role, "content": content, "created_ms": 1.0, "ending": ending });
    let done = json!({ "type": "done", "reason": "stop", "usage": {} });
    json!({
        "format": "parlance-conversations", "version": 1,
        "conversations": [{
            "summary": { "id": "00000000000000aa", "title": "A document", "updated_ms": 5.0, "leaf": "0000000000000002" },
            "messages": [
                message("0000000000000001", Value::Null, "user", "Show me **Markdown**", Value::Null),
                message("0000000000000002", json!("0000000000000001"), "assistant", answer, done),
            ],
        }],
    })
}

#[test]
fn conversations_are_imported_and_exported_and_markdown_is_safe() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("settings")).unwrap();
    let file = root().join("target/test-data/conversations.json");
    std::fs::write(&file, document().to_string()).unwrap();
    wait(&page, "document.querySelector('#import-conversations')");
    page.choose_file("#import-conversations", &file).unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('1 chat imported')");
    page.choose_file("#import-conversations", &file).unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('1 already present')");
    // With another id it is another conversation, and the messages of the first do not change. Its answer has no
    // ending, so it counts as complete.
    let mut other = document();
    let conversation = &mut other["conversations"][0];
    conversation["summary"] =
        json!({ "id": "00000000000000bb", "title": "Another", "updated_ms": 1.0, "leaf": "0000000000000002" });
    conversation["messages"][0]["content"] = json!("Say something else");
    conversation["messages"][1]["content"] = json!("Something else");
    conversation["messages"][1].as_object_mut().unwrap().remove("ending");
    std::fs::write(&file, other.to_string()).unwrap();
    page.choose_file("#import-conversations", &file).unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('1 chat imported')");
    page.navigate(&server.page("?chat=00000000000000bb")).unwrap();
    wait(&page, "document.querySelector('.markdown[data-complete=true]')");
    assert_eq!(messages(&page), ["Say something else", "Something else"]);
    assert_eq!(page.evaluate("document.body.innerText.includes('was closed before')").unwrap(), false);

    page.navigate(&server.page("?chat=00000000000000aa")).unwrap();
    wait(&page, "document.querySelector('.markdown[data-complete=true]')");
    let found = "(() => {
        const answer = document.querySelector('.markdown');
        const count = selector => answer.querySelectorAll(selector).length;
        return {
            heading: count('h1'), bold: count('strong'), formulas: count('math'), cells: count('td'), code: count('pre .k'),
            note: count('[data-footnote]'), images: count('img'), scripts: count('script'), hacked: window.hacked ?? 0,
            links: [...answer.querySelectorAll('a')].map(link => link.getAttribute('href')),
        };
    })()";
    let expected = json!({
        "heading": 1, "bold": 1, "formulas": 2, "cells": 2, "code": 1, "note": 1, "images": 0, "scripts": 0, "hacked": 0,
        "links": ["#note-1", "https://example.org/x.png", null],
    });
    assert_eq!(page.evaluate(found).unwrap(), expected);
    // The toolbar of the code block.
    page.evaluate("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }")
        .unwrap();
    press(&page, ".code", "Copy");
    assert_eq!(page.evaluate("window.copied").unwrap(), "fn main() { println!(\"hi\"); }\n");
    // Links to footnotes stay on the page.
    page.evaluate("document.querySelector('a[href=\"#note-1\"]').click()").unwrap();
    assert!(page.evaluate("location.search").unwrap().as_str().unwrap().contains("00000000000000aa"));

    // The export contains what was imported.
    page.evaluate("URL.createObjectURL = blob => { window.saved = blob.text(); return 'blob:x'; }").unwrap();
    session.expect_in_console("Not allowed to load local resource: blob:x");
    choose(&page, "Export as JSON");
    wait(&page, "window.saved");
    let saved = page.evaluate("window.saved").unwrap();
    let saved: Value = serde_json::from_str(saved.as_str().unwrap()).unwrap();
    let content = |value: &Value| value["conversations"][0]["messages"][1]["content"].clone();
    assert_eq!(content(&saved), content(&document()));
    page.evaluate("window.saved = undefined").unwrap();
    choose(&page, "Export as Markdown");
    wait(&page, "window.saved");
    let saved = page.evaluate("window.saved").unwrap();
    assert!(saved.as_str().unwrap().starts_with("# A document\n\n## You\n\nShow me **Markdown**"), "{saved}");

    // A file in another format is rejected with a reason. Then everything is deleted.
    page.navigate(&server.page("settings")).unwrap();
    std::fs::write(&file, "{}").unwrap();
    wait(&page, "document.querySelector('#import-conversations')");
    page.choose_file("#import-conversations", &file).unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('no conversations of Parlance')");
    // Deleting chats also deletes KV caches that pages with the embedded module may have saved.
    let folder =
        "navigator.storage.getDirectory().then(root => root.getDirectoryHandle('conversations', { create: true }))";
    page.evaluate(&format!("{folder}.then(folder => folder.getFileHandle('cache', {{ create: true }})).then(() => 1)"))
        .unwrap();
    press(&page, "[data-testid=data]", "Delete all chats");
    wait(&page, "document.querySelector('[data-testid=data]').innerText.includes('This deletes all chats')");
    page.click("[data-testid=delete-all]").unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('All chats')");
    wait(&page, &format!("(await (await {folder}).keys().next()).done"));
    page.navigate(&server.page("")).unwrap();
    wait(&page, "document.querySelector('.sidebar-empty')");
}

/// Sends a question without typing it, and waits for the answer, which has `answer_words` words if that is given.
fn say(page: &Page, question: &str, answer_words: Option<usize>) {
    if let Some(words) = answer_words {
        page.evaluate(&format!("window.nextAnswer = Array({words}).fill('word').join(' ')")).unwrap();
    }
    page.fill("#message", question).unwrap();
    page.press("Enter").unwrap();
    let last_question = "[...document.querySelectorAll('[data-role=user]')].at(-1)?.innerText";
    wait(page, &format!("{last_question}.startsWith({:?})", &question[..4]));
    wait(page, &format!("{LAST_ANSWER}.dataset.active === 'false'"));
}

#[test]
fn conversations_that_exceed_the_context_drop_their_oldest_messages() {
    const MARK: &str = "document.querySelector('[data-testid=context-cutoff]')";
    const NO_CONTINUE: &str = "[...document.querySelectorAll('.message-actions button')].every(button => !['Continue', 'Fortsetzen'].includes(button.innerText.trim()))";
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    say(&page, "First", Some(600));
    say(&page, "Second", Some(400));
    assert_eq!(page.evaluate(MARK).unwrap(), Value::Null);
    // 1,003 words: the first question is dropped, with its answer.
    say(&page, "Third", None);
    assert_eq!(answer(&page).unwrap(), "Answer 3: Third");
    let below = format!("{MARK}?.nextElementSibling.innerText.startsWith('Second')");
    wait(&page, &below);
    assert!(page.text("[data-testid=context-cutoff]").unwrap().contains("are not sent to the model"));
    let asked = "asked.findLast(request => request.type === 'api').body";
    assert_eq!(page.evaluate(&format!("{asked}.truncation")).unwrap(), "auto");
    // The line is saved with the answer.
    reload(&page);
    wait(&page, &below);
    say(&page, "Fourth", None);
    wait(&page, &below);
    // Everything fits a larger context again.
    press(&page, "[data-testid=context-cutoff]", "Load with a 2,000-token context");
    wait(&page, "document.querySelector('.model-button[data-state=ready]')");
    say(&page, "Fifth", None);
    wait(&page, &format!("{MARK} === null"));

    // A question that is too long on its own fails with an error that only offers what can work. With a larger context
    // it is answered automatically.
    new_chat(&page).unwrap();
    say(&page, "word ".repeat(2500).trim_end(), None);
    wait(&page, "document.querySelector('.failure')?.innerText.includes('2,500 tokens')");
    assert_eq!(page.evaluate(NO_CONTINUE).unwrap(), true);
    page.evaluate("window.nextAnswer = 'There is room now.'").unwrap();
    press(&page, "[data-role=assistant]", "Load with a 4,000-token context");
    wait(&page, &format!("{LAST_TEXT} === 'There is room now.'"));

    // If messages must not be dropped, the error says that the context is full, in the user's language.
    let settings = "JSON.stringify({ drops_oldest: false, language: 'de' })";
    page.evaluate(&format!("localStorage.setItem('parlance.settings', {settings})")).unwrap();
    reload(&page);
    new_chat(&page).unwrap();
    say(&page, "First", Some(1200));
    say(&page, "Second", None);
    wait(&page, "document.querySelector('.failure')?.innerText.includes('Dieser Chat hat 1.202 Tokens')");
    assert_eq!(page.evaluate(NO_CONTINUE).unwrap(), true);
    assert_eq!(page.evaluate(&format!("{asked}.truncation ?? null")).unwrap(), Value::Null);
}

#[test]
fn conversations_survive_failures_of_their_database() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    let site = server.page("");
    let origin = site.split("/some").next().unwrap();
    ask(&page, "First words").unwrap();
    answer(&page).unwrap();
    wait(&page, "location.search.startsWith('?chat=')");

    // Another tab deletes the database, then the browser does. It is opened again without a message.
    let database = page.evaluate("(await indexedDB.databases())[0].name").unwrap();
    let delete = format!(
        "(async name => new Promise((done, failed) => {{
            const request = indexedDB.deleteDatabase(name);
            request.onsuccess = () => done(true);
            request.onerror = request.onblocked = failed;
        }}))({database})"
    );
    page.evaluate(&delete).unwrap();
    ask(&page, "Second words").unwrap();
    answer(&page).unwrap();
    reload(&page);
    wait(&page, &format!("{LAST_TEXT} === 'Answer 2: Second words'"));
    page.delete_databases(origin).unwrap();
    ask(&page, "Third words").unwrap();
    answer(&page).unwrap();
    assert_eq!(page.evaluate("document.querySelector('.toast')?.innerText ?? ''").unwrap(), "");
    reload(&page);
    wait(&page, &format!("{LAST_TEXT}.endsWith('Third words')"));
    record_failure(
        "Storage",
        "the database of conversations is deleted, or closed by the browser",
        "it is opened again, and later messages are saved",
    );

    // The page says what it could not save, and why. The browser checks the quota when it opens a database.
    page.delete_databases(origin).unwrap();
    page.limit_storage(origin, 1.0).unwrap();
    ask(&page, "Fourth words").unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('storage is full')");
    answer(&page).unwrap();
    record_failure(
        "Storage",
        "the disk is full during a conversation",
        "the page says that it is not saved, and keeps working",
    );
    page.limit_storage(origin, 1e9).unwrap();
    let upgrade = format!(
        "(async name => new Promise((done, failed) => {{
            const request = indexedDB.open(name, 99);
            request.onsuccess = () => (request.result.close(), done(true));
            request.onerror = request.onblocked = failed;
        }}))({database})"
    );
    page.evaluate(&upgrade).unwrap();
    ask(&page, "Fifth words").unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('Reload this page')");
    answer(&page).unwrap();
    record_failure(
        "Storage",
        "a newer version of the app has upgraded the database in another tab",
        "the page asks to be reloaded",
    );
}
