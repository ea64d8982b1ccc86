//! Conversations: kept, found, changed, branched, carried in and out. Most answers come from a stand-in for the engine.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
#![allow(clippy::too_many_lines, reason = "a site that is loaded once is asked one thing after the other")]

use std::time::Duration;

use parlance_tests::chat::{LAST_ANSWER, LAST_TEXT, NEW_CHAT, answer, ask};
use parlance_tests::faults::shown;
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::{Page, Server, Session, root};
use serde_json::{Value, json};

const SHORT: Duration = Duration::from_secs(45);

fn open(session: &Session, server: &Server) -> Page {
    let page = session.open(&server.page("")).unwrap();
    use_scripted_engine(&page).unwrap();
    page
}

/// Opens the address anew; the stand-in is put in place again.
fn reload(page: &Page) {
    // What was written last is on its way to the disk; and without an agreement no real model is loaded.
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

/// Titles in the list.
fn titles(page: &Page) -> Vec<String> {
    serde_json::from_value(
        page.evaluate("[...document.querySelectorAll('.conversation')].map(item => item.innerText)").unwrap(),
    )
    .unwrap()
}

/// Clicks the last button with this name within an element.
fn press(page: &Page, within: &str, name: &str) {
    let button = format!(
        "[...document.querySelectorAll({within:?} + ' button')].findLast(button => (button.ariaLabel ?? button.innerText.trim()) === {name:?})"
    );
    page.wait_for(&button, SHORT).unwrap();
    page.evaluate(&format!("{button}.click()")).unwrap();
}

fn wait(page: &Page, condition: &str) {
    page.wait_for(condition, SHORT).unwrap();
}

/// Opens the menu of the first conversation and chooses an entry.
fn choose(page: &Page, entry: &str) {
    page.evaluate("document.querySelector('.conversation-item .menu summary').click()").unwrap();
    press(page, ".conversation-item", entry);
}

/// The same of the conversation with a title.
fn choose_of(page: &Page, title: &str, entry: &str) {
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
fn conversations_are_kept_found_and_put_in_order() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    ask(&page, "Tell me of otters").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 1: Tell me of otters");
    wait(&page, "location.search.startsWith('?chat=')");
    page.click(NEW_CHAT).unwrap();
    ask(&page, "Tell me of badgers").unwrap();
    answer(&page).unwrap();
    wait(&page, "document.querySelectorAll('.conversation').length === 2");
    assert_eq!(titles(&page), ["Tell me of badgers", "Tell me of otters"]);

    // All of it is there after a reload, under the same address.
    reload(&page);
    wait(&page, "document.querySelector('.markdown[data-complete=true]')");
    assert_eq!(messages(&page), ["Tell me of badgers", "Answer 2: Tell me of badgers"]);

    // The other one by a click; back by the browser's button.
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

    // Search goes through titles and texts.
    for (words, found) in [("striped", 1), ("OTTERS answer", 1), ("answer", 2), ("unicorn", 0), ("", 2)] {
        page.fill("#search", words).unwrap();
        wait(&page, &format!("document.querySelectorAll('.conversation').length === {found}"));
    }

    // A model that is large enough makes a title when it has nothing else to do, and never over one that the user gave.
    page.evaluate("window.modelBytes = 1e9").unwrap();
    page.click(".model-button").unwrap();
    press(&page, ".dialog", "Load");
    wait(&page, "document.querySelector('.model-button[data-state=ready]')");
    page.click(NEW_CHAT).unwrap();
    ask(&page, "Tell me of mice").unwrap();
    wait(&page, "document.querySelector('.title').innerText === 'Small Animals'");
    choose_of(&page, "Small Animals", "Delete");
    wait(&page, "document.querySelectorAll('.conversation').length === 2");

    // Deleted, and brought back.
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

    // An edit is another branch beside the old one.
    press(&page, "[data-role=user]", "Edit");
    page.fill(".edit-box textarea", "Third").unwrap();
    press(&page, ".edit-box", "Send");
    wait(&page, &format!("{LAST_TEXT} === 'Answer 3: Third'"));
    assert_eq!(messages(&page), ["First", "Answer 1: First", "Third", "Answer 3: Third"]);
    assert_eq!(page.text(".branch-position").unwrap(), "2 of 2");
    press(&page, ".branches", "Previous version");
    wait(&page, &format!("{LAST_TEXT} === 'Answer 2: Second'"));
    // So is another answer.
    press(&page, "[data-role=assistant]", "Regenerate");
    wait(&page, &format!("{LAST_TEXT} === 'Answer 4: Second'"));
    // The branch on screen is remembered.
    reload(&page);
    wait(&page, &format!("{LAST_TEXT} === 'Answer 4: Second'"));

    // Deleting goes to the neighbour, and can be undone.
    press(&page, "[data-role=assistant]", "Delete");
    wait(&page, &format!("{LAST_TEXT} === 'Answer 2: Second'"));
    press(&page, ".toast", "Undo");
    wait(&page, &format!("{LAST_TEXT} === 'Answer 4: Second'"));

    // What was stopped goes on where it was.
    ask(&page, "Speak slowly").unwrap();
    wait(&page, &format!("{LAST_TEXT}.includes('word word')"));
    page.press("Escape").unwrap();
    wait(&page, "document.querySelector('[data-ending=stopped-by-user]')");
    press(&page, "[data-role=assistant]", "Continue");
    wait(&page, &format!("{LAST_TEXT}.endsWith('And the rest.')"));
    assert!(answer(&page).unwrap().starts_with("word word"));

    // Thoughts are folded, with their time; a tool's call and result are shown.
    page.click(NEW_CHAT).unwrap();
    ask(&page, "think about it").unwrap();
    answer(&page).unwrap();
    let thoughts = page.evaluate("document.querySelector('.reasoning').textContent").unwrap();
    assert!(thoughts.as_str().unwrap().contains("Thought for") && thoughts.as_str().unwrap().contains("Let me think."));
    page.evaluate("localStorage.setItem('parlance.settings', JSON.stringify({ uses_tools: true }))").unwrap();
    reload(&page);
    page.click(NEW_CHAT).unwrap();
    ask(&page, "call the calculator").unwrap();
    assert_eq!(answer(&page).unwrap(), "It is 84.");
    let tool = page.evaluate("document.querySelector('.tool-use').textContent").unwrap();
    assert_eq!(tool, "calculator{\"expression\":\"12*7\"}84");
    let offered = page.evaluate("asked.findLast(request => request.type === 'api').body.tools?.length").unwrap();
    assert_eq!(offered, 2);
}

#[test]
fn two_tabs_are_in_step_and_a_closed_page_keeps_what_was_written() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let first = open(&session, &server);
    let second = open(&session, &server);
    first.show().unwrap();
    ask(&first, "Speak slowly of rivers").unwrap();
    wait(&first, &format!("{LAST_TEXT}.includes('word word')"));
    // The other tab lists it, and shows the answer as it grows.
    second.show().unwrap();
    wait(&second, "document.querySelector('.conversation')?.innerText === 'Speak slowly of rivers'");
    second.click(".conversation").unwrap();
    wait(&second, &format!("{LAST_TEXT}.includes('word word')"));
    let shown = second.evaluate(&format!("{LAST_TEXT}.length")).unwrap().as_u64().unwrap();
    wait(&second, &format!("{LAST_TEXT}.length > {shown}"));
    wait(&second, "document.body.innerText.includes('generated in another tab')");
    // The tab is closed in the middle: what was written is there, and goes on on demand.
    first.close().unwrap();
    wait(&second, "document.body.innerText.includes('was closed before the response was complete')");
    assert!(second.evaluate(LAST_TEXT).unwrap().as_str().unwrap().starts_with("word word"));
    press(&second, "[data-role=assistant]", "Continue");
    wait(&second, &format!("{LAST_TEXT}.endsWith('And the rest.')"));

    // What was being written is kept, for each conversation and for a new one.
    second.type_into("#message", "half a thought").unwrap();
    wait(&second, "new Promise(done => setTimeout(() => done(true), 800))");
    reload(&second);
    wait(&second, "document.querySelector('#message').value === 'half a thought'");
    second.click(NEW_CHAT).unwrap();
    wait(&second, "document.querySelector('#message').value === ''");
}

/// A conversation whose answer holds everything that Markdown has, and attacks.
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
fn conversations_go_in_and_out_and_markdown_is_shown_safely() {
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
    // Under another name it is another conversation: the messages of the first stay what they are. Its answer has no ending, so it
    // is complete.
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
    // The bar of the code block.
    page.evaluate("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }")
        .unwrap();
    press(&page, ".code", "Copy");
    assert_eq!(page.evaluate("window.copied").unwrap(), "fn main() { println!(\"hi\"); }\n");
    // A footnote's number does not leave the page.
    page.evaluate("document.querySelector('a[href=\"#note-1\"]').click()").unwrap();
    assert!(page.evaluate("location.search").unwrap().as_str().unwrap().contains("00000000000000aa"));

    // Out again, as it came in.
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

    // A file of another kind is refused with a reason; then everything goes.
    page.navigate(&server.page("settings")).unwrap();
    std::fs::write(&file, "{}").unwrap();
    wait(&page, "document.querySelector('#import-conversations')");
    page.choose_file("#import-conversations", &file).unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('no conversations of Parlance')");
    // With conversations go their KV caches, which pages that embed the module may have kept.
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

/// Sends a question without typing it, and waits for the end of the answer. The engine is given the answer to say, if one is meant.
fn say(page: &Page, question: &str, answer_words: Option<usize>) {
    if let Some(words) = answer_words {
        page.evaluate(&format!("window.nextAnswer = Array({words}).fill('word').join(' ')")).unwrap();
    }
    page.fill("#message", question).unwrap();
    page.press("Enter").unwrap();
    let shown = "[...document.querySelectorAll('[data-role=user]')].at(-1)?.innerText";
    wait(page, &format!("{shown}.startsWith({:?})", &question[..4]));
    wait(page, &format!("{LAST_ANSWER}.dataset.active === 'false'"));
}

#[test]
fn a_conversation_that_outgrows_the_context_goes_on_below_a_line() {
    const MARK: &str = "document.querySelector('[data-testid=context-cutoff]')";
    const NO_CONTINUE: &str = "[...document.querySelectorAll('.message-actions button')].every(button => !['Continue', 'Fortsetzen'].includes(button.innerText.trim()))";
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    say(&page, "First", Some(600));
    say(&page, "Second", Some(400));
    assert_eq!(page.evaluate(MARK).unwrap(), Value::Null);
    // 1,003 words: the first question goes, with its answer.
    say(&page, "Third", None);
    assert_eq!(answer(&page).unwrap(), "Answer 3: Third");
    let below = format!("{MARK}?.nextElementSibling.innerText.startsWith('Second')");
    wait(&page, &below);
    assert!(page.text("[data-testid=context-cutoff]").unwrap().contains("are not sent to the model"));
    let asked = "asked.findLast(request => request.type === 'api').body";
    assert_eq!(page.evaluate(&format!("{asked}.truncation")).unwrap(), "auto");
    // The line is kept with the answer.
    reload(&page);
    wait(&page, &below);
    say(&page, "Fourth", None);
    wait(&page, &below);
    // A larger context has room for all again.
    press(&page, "[data-testid=context-cutoff]", "Load with a 2,000-token context");
    wait(&page, "document.querySelector('.model-button[data-state=ready]')");
    say(&page, "Fifth", None);
    wait(&page, &format!("{MARK} === null"));

    // A question that is too long alone says so; nothing is offered that cannot work, and with a larger context the answer comes by itself.
    page.click(NEW_CHAT).unwrap();
    say(&page, "word ".repeat(2500).trim_end(), None);
    wait(&page, "document.querySelector('.failure')?.innerText.includes('2,500 tokens')");
    assert_eq!(page.evaluate(NO_CONTINUE).unwrap(), true);
    page.evaluate("window.nextAnswer = 'There is room now.'").unwrap();
    press(&page, "[data-role=assistant]", "Load with a 4,000-token context");
    wait(&page, &format!("{LAST_TEXT} === 'There is room now.'"));

    // Whoever wants nothing left out is told of a full context, in their own language.
    let settings = "JSON.stringify({ drops_oldest: false, language: 'de' })";
    page.evaluate(&format!("localStorage.setItem('parlance.settings', {settings})")).unwrap();
    reload(&page);
    page.click(NEW_CHAT).unwrap();
    say(&page, "First", Some(1200));
    say(&page, "Second", None);
    wait(&page, "document.querySelector('.failure')?.innerText.includes('Dieser Chat hat 1.202 Tokens')");
    assert_eq!(page.evaluate(NO_CONTINUE).unwrap(), true);
    assert_eq!(page.evaluate(&format!("{asked}.truncation ?? null")).unwrap(), Value::Null);
}

#[test]
fn conversations_are_kept_whatever_happens_to_their_database() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    let site = server.page("");
    let origin = site.split("/some").next().unwrap();
    ask(&page, "First words").unwrap();
    answer(&page).unwrap();
    wait(&page, "location.search.startsWith('?chat=')");

    // Another tab deletes the database, then the browser itself. It is opened anew, and nobody hears of it.
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
    let outcome = "it is opened anew, and what is said from then on is kept";
    shown("Storage", "the database of conversations is deleted, or closed by the browser", outcome);

    // What is not kept is said, with the reason that it has.
    // The browser asks for the room that there is when it opens a database.
    page.delete_databases(origin).unwrap();
    page.limit_storage(origin, 1.0).unwrap();
    ask(&page, "Fourth words").unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('storage is full')");
    answer(&page).unwrap();
    shown("Storage", "the disk is full while a conversation goes on", "the page says that it is not kept, and goes on");
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
    shown(
        "Storage",
        "a newer version of the app has changed the database in another tab",
        "the page asks to be reloaded",
    );
}

#[test]
fn long_files_are_searched_and_their_passages_shown() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    // 1,000 tokens of context have room for 1,500 characters of files.
    page.click("[data-testid=model-offer] button").unwrap();
    wait(&page, "document.querySelector('.model-button[data-state=ready]')");
    let attach = "(() => {
        const data = new DataTransfer();
        const filler = Array.from({ length: 40 }, (_, index) => `Paragraph ${index} is about nothing in particular. `.repeat(10));
        filler.splice(20, 0, 'The zeppelin landed in Lakehurst in the evening.');
        data.items.add(new File([filler.join('\\n\\n')], 'history.md'));
        data.items.add(new File([new Uint8Array([0, 1, 2, 255])], 'picture.png'));
        document.querySelector('.app').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true }));
    })()";
    page.evaluate(attach).unwrap();
    // By the model's tokenizer, which takes words for tokens here.
    let words = "Paragraph 0 is about nothing in particular. ".repeat(10).matches(' ').count() * 40 + 8;
    let counted = format!("{},{:03} tokens", words / 1000, words % 1000);
    wait(&page, &format!("document.querySelector('.attachment')?.innerText.includes({counted:?})"));
    wait(&page, "document.querySelector('.toast')?.innerText.includes('picture.png is not a text file')");
    ask(&page, "Where did the zeppelin land?").unwrap();
    answer(&page).unwrap();
    let sources = page.evaluate("document.querySelector('.sources').textContent").unwrap();
    assert!(sources.as_str().unwrap().contains("landed in Lakehurst"), "{sources}");
    let asked = page.evaluate("asked.findLast(request => request.type === 'api').body.messages[0].content").unwrap();
    let asked = asked.as_str().unwrap();
    assert!(asked.contains("Lakehurst") && asked.contains("history.md") && asked.len() < 3000, "{}", asked.len());
    // A table of some megabytes is searched as well.
    let attach_file = |name: &str, content: &str| {
        let script = format!(
            "(() => {{
                const data = new DataTransfer();
                data.items.add(new File([{content}], {name:?}));
                document.querySelector('.app').dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true }}));
            }})()"
        );
        page.evaluate(&script).unwrap();
    };
    page.click(NEW_CHAT).unwrap();
    attach_file(
        "people.csv",
        "Array.from({ length: 240000 }, (_, row) => `${row};person ${row};${row * 7}`).join('\\n')",
    );
    wait(&page, "document.querySelector('.composer .attachment')?.innerText.includes('people.csv')");
    ask(&page, "Which number has person 123456?").unwrap();
    answer(&page).unwrap();
    let sources = page.evaluate("document.querySelector('.sources').textContent").unwrap();
    assert!(sources.as_str().unwrap().contains("123456;person 123456;864192"), "{sources}");
    // What cannot be attached is refused with the reason.
    let refusals = [
        ("photo.jpg", "new Uint8Array([0xff, 0xd8, 0xff, 0xe0])", "photo.jpg is an image"),
        ("paper.pdf", "'%PDF-1.7 a text'", "paper.pdf is a PDF"),
        ("old.csv", "new Uint8Array([0x47, 0x72, 0xf6, 0xdf, 0x65])", "old.csv is not encoded as UTF-8"),
        ("huge.csv", "'x'.repeat(33e6)", "huge.csv is 33.0 MB. Attachments are limited to 32 MB per message"),
    ];
    for (name, content, refusal) in refusals {
        attach_file(name, content);
        wait(&page, &format!("document.querySelector('.toast')?.innerText.includes({refusal:?})"));
    }
    assert_eq!(page.evaluate("document.querySelectorAll('.composer .attachment').length").unwrap(), 0);
    // With an embedding model the meaning counts: the question shares no word with the passage.
    page.follow("settings").unwrap();
    page.fill("#embedding-model", "models/embedding.gguf").unwrap();
    page.follow("./").unwrap();
    wait(&page, "document.querySelector('.app')");
    page.click(NEW_CHAT).unwrap();
    page.evaluate(attach).unwrap();
    wait(&page, "document.querySelector('.attachment')?.innerText.includes('tokens')");
    ask(&page, "Which airship came down?").unwrap();
    answer(&page).unwrap();
    let sources = page.evaluate("document.querySelector('.sources').textContent").unwrap();
    assert!(sources.as_str().unwrap().contains("landed in Lakehurst"), "{sources}");
    let loaded = page.evaluate("asked.find(request => request.type === 'load' && request.beside)?.source.url").unwrap();
    assert!(loaded.as_str().unwrap().ends_with("/models/embedding.gguf"), "{loaded}");
}
