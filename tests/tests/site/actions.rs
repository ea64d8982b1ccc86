//! Every action of every menu, by mouse and by keyboard: in a long chat, in one without messages, and during an answer.
//! A mock engine answers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use parlance_tests::chat::{LAST_ANSWER, LAST_TEXT, PAGE_TIMEOUT, READY, answer, ask, new_chat};
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::{Page, Server, Session, root};
use serde_json::{Value, json};

const LONG_CHAT: &str = "00000000000000aa";
/// The last answer of the long chat.
const LAST: &str = "Such a program:\n\n```rust\nfn main() {}\n```\n";
const MESSAGES: &str = "document.querySelectorAll('.message').length";
const STOP: &str = "document.querySelector('[data-testid=stop]')";
const IS_IN_COMPOSER: &str = "document.activeElement.id === 'message'";
/// The entries of a chat's menu, all of which [`item_menu`] and [`delete_and_restore`] choose.
const ENTRIES: [&str; 7] =
    ["Rename", "Pin", "Move to folder", "Tags", "Export as Markdown", "Export as JSON", "Delete"];

/// The buttons of an answer and of a question without other versions, all of which [`long_chat_actions`] presses.
const ANSWER_BUTTONS: [&str; 4] = ["Copy", "Regenerate", "Read aloud", "Delete"];
const QUESTION_BUTTONS: [&str; 3] = ["Copy", "Edit", "Delete"];
const GAUGE: &str = "document.querySelector('[data-testid=context-gauge]')";
const DIGEST: &str = "document.querySelector('[data-testid=digest]')";

/// How an action is performed.
#[derive(Debug, Clone, Copy)]
enum Input {
    Mouse,
    Keyboard,
}

fn wait(page: &Page, condition: &str) {
    page.wait_for(condition, PAGE_TIMEOUT).unwrap();
}

/// Activates the first element that matches a selector.
fn press_first(page: &Page, input: Input, selector: &str) {
    wait(page, &format!("document.querySelector({selector:?})"));
    activate(page, input, selector);
}

/// Activates the element that matches a selector.
fn activate(page: &Page, input: Input, selector: &str) {
    match input {
        Input::Mouse => page.click(selector).unwrap(),
        Input::Keyboard => {
            // The page may be about to move the focus after the previous action.
            let stays_focused = format!(
                "await (async element => {{
                    element?.focus();
                    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
                    return document.activeElement === element;
                }})(document.querySelector({selector:?}))"
            );
            wait(page, &stays_focused);
            page.press("Enter").unwrap();
        }
    }
}

/// Activates the last visible button with this name in the elements that match `within`.
fn press(page: &Page, input: Input, within: &str, name: &str) {
    let mark = format!(
        "(() => {{
            for (const old of document.querySelectorAll('[data-target]')) old.removeAttribute('data-target');
            const buttons = [...document.querySelectorAll({within:?})].flatMap(place => [...place.querySelectorAll('button, summary')]);
            const found = buttons.findLast(
                button => button.checkVisibility() && (button.ariaLabel ?? button.innerText.trim()) === {name:?},
            );
            found?.setAttribute('data-target', '');
            return found;
        }})()"
    );
    wait(page, &mark);
    activate(page, input, "[data-target]");
}

/// Confirms a field with Enter, or with a click elsewhere.
fn leave_field(page: &Page, input: Input) {
    match input {
        Input::Mouse => page.click(".title").unwrap(),
        Input::Keyboard => page.press("Enter").unwrap(),
    }
}

/// An export with a chat of 120 messages.
fn long_chat() -> Value {
    let id = |index: usize| format!("{index:016x}");
    let messages: Vec<Value> = (1..=120)
        .map(|index| {
            let is_question = index % 2 == 1;
            let content = if index == 120 { LAST.to_owned() } else { format!("Message {index} of many") };
            json!({
                "id": id(index), "parent": (index > 1).then(|| id(index - 1)), "role": if is_question { "user" } else { "assistant" },
                "content": content, "created_ms": 1.0,
                "ending": (!is_question).then(|| json!({ "type": "done", "reason": "stop", "usage": {} })),
            })
        })
        .collect();
    let summary = json!({ "id": LONG_CHAT, "title": "A long chat", "updated_ms": 5.0, "leaf": id(120) });
    json!({
        "format": "parlance-conversations", "version": 1,
        "conversations": [{ "summary": summary, "messages": messages }],
    })
}

/// Opens the chat page, with a saved prompt and the long chat.
fn open(session: &Session, server: &Server, input: Input) -> Page {
    let folder = root().join("target/test-data");
    std::fs::create_dir_all(&folder).unwrap();
    // The tests run at the same time.
    let file = folder.join(format!("long-chat-{input:?}.json"));
    std::fs::write(&file, long_chat().to_string()).unwrap();
    let page = session.open(&server.blank_page()).unwrap();
    let settings = "JSON.stringify({ prompts: [{ name: 'greet', text: 'Say hello' }] })";
    page.evaluate(&format!("localStorage.setItem('parlance.settings', {settings})")).unwrap();
    // An answer that never ends must not fill the context.
    page.navigate(&server.page("settings?context=1000000")).unwrap();
    use_scripted_engine(&page).unwrap();
    wait(&page, "document.querySelector('#import-conversations')");
    page.choose_file("#import-conversations", &file).unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('1 chat imported')");
    page.follow("./").unwrap();
    wait(&page, "document.querySelector('.conversation')");
    // Captures what would leave the page.
    let catch = "(() => {
        navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); };
        speechSynthesis.speak = ({ text }) => { window.spoken = text; };
        const create = URL.createObjectURL;
        URL.createObjectURL = blob => { window.saved = blob.text(); return create.call(URL, blob); };
    })()";
    page.evaluate(catch).unwrap();
    page
}

/// The selector of the open chat's item in the sidebar.
fn current_item(page: &Page) -> String {
    let item = "document.querySelector('.conversation[aria-current=page]')?.closest('.conversation-item')";
    wait(page, item);
    let id = page.evaluate(&format!("{item}.dataset.id")).unwrap();
    format!(".conversation-item[data-id='{}']", id.as_str().unwrap())
}

fn choose(page: &Page, input: Input, item: &str, entry: &str) {
    press(page, input, item, "More");
    press(page, input, &format!("{item} .menu-items"), entry);
}

/// Tests the menu of a conversation in the sidebar.
fn item_menu(page: &Page, input: Input, item: &str) {
    let element = format!("document.querySelector({item:?})");
    let section = format!("{element}?.closest('section').querySelector('h2').innerText");
    // Escape only closes the menu.
    let was_answering = page.evaluate(STOP).unwrap();
    press(page, input, item, "More");
    wait(page, &format!("{element}.querySelector('details').open"));
    let entries = format!("[...{element}.querySelectorAll('.menu-items button')].map(entry => entry.innerText)");
    assert_eq!(page.evaluate(&entries).unwrap(), json!(ENTRIES));
    page.press("Escape").unwrap();
    wait(page, &format!("!{element}.querySelector('details').open && document.activeElement.closest('details')"));
    assert_eq!(page.evaluate(STOP).unwrap(), was_answering, "Escape stopped an answer");

    let name = format!("Renamed by {input:?}");
    choose(page, input, item, "Rename");
    wait(page, "document.activeElement.matches('.conversation-item input')");
    page.fill(&format!("{item} input"), &name).unwrap();
    leave_field(page, input);
    wait(page, &format!("{element}?.querySelector('.conversation')?.innerText === {name:?}"));
    wait(page, &format!("document.title === '{name} – Parlance'"));

    choose(page, input, item, "Pin");
    wait(page, &format!("{section} === 'Pinned'"));
    choose(page, input, item, "Unpin");
    wait(page, &format!("{element} && {section} !== 'Pinned'"));
    for folder in ["Zoo", ""] {
        choose(page, input, item, "Move to folder");
        wait(page, "document.activeElement.matches('.conversation-item input')");
        page.fill(&format!("{item} input"), folder).unwrap();
        leave_field(page, input);
        let is_there = format!("{element}?.querySelector('.conversation') && ({section} === 'Zoo')");
        wait(page, &format!("{is_there} === {}", folder == "Zoo"));
    }
    for tags in ["zoo, at night", ""] {
        choose(page, input, item, "Tags");
        wait(page, "document.activeElement.matches('.conversation-item input')");
        page.fill(&format!("{item} input"), tags).unwrap();
        leave_field(page, input);
        let shown = format!("[...{element}?.querySelectorAll('.tag') ?? []].map(tag => tag.innerText).join()");
        let is_there = format!("{element}?.querySelector('.conversation') && {shown}");
        wait(page, &format!("{is_there} === {:?}", if tags.is_empty() { "" } else { "#zoo,#at-night" }));
    }
    for entry in ["Export as Markdown", "Export as JSON"] {
        page.evaluate("window.saved = undefined").unwrap();
        choose(page, input, item, entry);
        wait(page, &format!("(await window.saved)?.includes({name:?})"));
    }
}

fn delete_and_restore(page: &Page, input: Input, item: &str) {
    let count = page.evaluate(MESSAGES).unwrap();
    choose(page, input, item, "Delete");
    wait(page, &format!("!document.querySelector({item:?})"));
    press(page, input, ".toast", "Undo");
    wait(page, &format!("document.querySelector({item:?})?.querySelector('[aria-current=page]')"));
    wait(page, &format!("{MESSAGES} === {count} && !{STOP}"));
}

/// Tests the header and what it opens. The focus returns to the composer.
fn header(page: &Page, input: Input) {
    for state in ["closed", "open"] {
        press(page, input, ".header", "Chats");
        wait(page, &format!("document.querySelector('.app').dataset.sidebar === {state:?}"));
    }
    press(page, input, ".header", "System prompt for this chat");
    wait(page, "document.querySelector('#chat-system-prompt')");
    press(page, input, ".dialog", "Save");
    wait(page, &format!("!document.querySelector('.dialog') && {IS_IN_COMPOSER}"));
    press_first(page, input, ".model-button");
    wait(page, "document.querySelector('[data-testid=current-model]')");
    press(page, input, ".dialog", "Close");
    wait(page, &format!("!document.querySelector('.dialog') && {IS_IN_COMPOSER}"));
}

/// Tests the list of what fills the context. Escape only closes it.
fn context_list(page: &Page, input: Input) {
    let was_answering = page.evaluate(STOP).unwrap();
    press_first(page, input, "[data-testid=context-gauge] summary");
    wait(page, &format!("{GAUGE}.open && {GAUGE}.querySelector('.context-panel')"));
    page.press("Escape").unwrap();
    wait(page, &format!("!{GAUGE}.open"));
    assert_eq!(page.evaluate(STOP).unwrap(), was_answering, "Escape stopped an answer");
}

/// Has the long chat's messages up to the latest question summarised, and removes the summary.
fn summarise(page: &Page, input: Input) {
    page.evaluate("window.nextAnswer = 'They counted.'").unwrap();
    press_first(page, input, "[data-testid=context-gauge] summary");
    press_first(page, input, "[data-testid=summarise]");
    wait(page, &format!("{DIGEST}?.nextElementSibling.innerText.startsWith('Message 119')"));
    // The list may cover it.
    page.evaluate(&format!("({GAUGE}.open = false)")).unwrap();
    press(page, input, "[data-testid=digest]", "Remove");
    wait(page, &format!("!{DIGEST}"));
}

/// Tests the saved prompts, which a slash offers, and the list of what fills the context.
fn composer_menus(page: &Page, input: Input) {
    context_list(page, input);
    page.fill("#message", "/gr").unwrap();
    wait(page, "document.querySelector('.prompt-menu .prompt')");
    match input {
        Input::Mouse => page.click(".prompt").unwrap(),
        Input::Keyboard => page.press("Enter").unwrap(),
    }
    wait(page, "document.querySelector('#message').value === 'Say hello'");
    page.fill("#message", "").unwrap();
}

/// Tests the model offer, the model dialog and a suggestion, in a new chat.
fn model_and_suggestions(page: &Page, input: Input) {
    press(page, input, ".sidebar", "New chat");
    wait(page, &format!("document.querySelector('.welcome') && {IS_IN_COMPOSER}"));
    press(page, input, "[data-testid=model-offer]", "Load model");
    wait(page, READY);
    composer_menus(page, input);
    header(page, input);
    unload(page, input);
    press(page, input, ".dialog", "Load");
    wait(page, &format!("{READY} && !document.querySelector('.dialog')"));
    press(page, input, ".suggestions", "What is the capital of France?");
    assert!(answer(page).unwrap().ends_with("What is the capital of France?"));
}

/// Sends a question with the button, or with Enter.
fn send(page: &Page, input: Input, question: &str) {
    match input {
        Input::Mouse => {
            page.fill("#message", question).unwrap();
            press(page, input, ".composer", "Send");
        }
        Input::Keyboard => ask(page, question).unwrap(),
    }
}

/// Unloads the model in its dialog, which stays open.
fn unload(page: &Page, input: Input) {
    press_first(page, input, ".model-button");
    press(page, input, "[data-testid=current-model]", "Unload");
    wait(page, "document.querySelector('.model-button[data-state=empty]')");
}

/// Script: true once the last answer is complete and ends with `text`.
fn ended_with(text: &str) -> String {
    format!("{LAST_TEXT}.endsWith({text:?}) && {LAST_ANSWER}.dataset.active === 'false'")
}

/// Tests the buttons of the long chat's messages and code blocks.
fn long_chat_actions(page: &Page, input: Input) {
    const ANSWER: &str = "[data-role=assistant]";
    const QUESTION: &str = "[data-role=user]";
    for (role, names) in [("assistant", &ANSWER_BUTTONS[..]), ("user", &QUESTION_BUTTONS[..])] {
        let buttons = format!(
            "[...[...document.querySelectorAll('[data-role={role}]')].at(-1).querySelectorAll('.message-actions :is(button, select, summary)')].map(button => button.ariaLabel ?? button.innerText.trim())"
        );
        assert_eq!(page.evaluate(&buttons).unwrap(), json!(names), "{role}");
    }
    press(page, input, ".code", "Copy");
    wait(page, "window.copied === 'fn main() {}\\n'");
    page.evaluate("window.saved = undefined").unwrap();
    press(page, input, ".code", "Download");
    wait(page, "await window.saved === 'fn main() {}\\n'");
    press(page, input, &format!("{ANSWER} .message-actions"), "Copy");
    wait(page, &format!("window.copied === {LAST:?}"));
    press(page, input, ANSWER, "Read aloud");
    wait(page, &format!("window.spoken === {LAST:?}"));
    press(page, input, QUESTION, "Copy");
    wait(page, "window.copied === 'Message 119 of many'");

    // Another answer is generated, deleted and restored, and both can be selected.
    press(page, input, ANSWER, "Regenerate");
    wait(page, &ended_with("Message 119 of many"));
    press(page, input, ANSWER, "Delete");
    wait(page, &format!("{LAST_TEXT}.startsWith('Such a program')"));
    press(page, input, ".toast", "Undo");
    wait(page, &format!("{LAST_TEXT}.startsWith('Answer')"));
    press(page, input, ANSWER, "Previous version");
    wait(page, &format!("{LAST_TEXT}.startsWith('Such a program')"));
    press(page, input, ANSWER, "Next version");
    wait(page, &format!("{LAST_TEXT}.startsWith('Answer')"));
    // Both are shown side by side.
    press_first(page, input, ".comparison summary");
    wait(page, "document.querySelectorAll('.comparison-column .markdown[data-complete=true]').length === 2");
    press(page, input, ".comparison-column", "Show this answer");
    wait(page, &format!("!document.querySelector('.comparison-column') && {LAST_TEXT}.startsWith('Such a program')"));
    press(page, input, ANSWER, "Next version");
    wait(page, &format!("{LAST_TEXT}.startsWith('Answer')"));
    press(page, input, ANSWER, "Delete");
    wait(page, &format!("{LAST_TEXT}.startsWith('Such a program')"));
    press(page, input, ".toast", "Close");
    wait(page, "!document.querySelector('.toast')");

    press(page, input, QUESTION, "Edit");
    press(page, input, ".edit-box", "Cancel");
    wait(page, &format!("!document.querySelector('.edit-box') && {IS_IN_COMPOSER}"));
    press(page, input, QUESTION, "Edit");
    wait(page, "document.activeElement.matches('.edit-box textarea')");
    page.fill(".edit-box textarea", "In other words").unwrap();
    press(page, input, ".edit-box", "Send");
    wait(page, &ended_with("In other words"));
    press(page, input, QUESTION, "Previous version");
    wait(page, "document.body.innerText.includes('1 of 2')");
    wait(page, &format!("{LAST_TEXT}.startsWith('Such a program')"));

    page.evaluate("(document.querySelector('.messages').scrollTop = 0)").unwrap();
    press_first(page, input, "[data-testid=jump]");
    let left = "(list => list.scrollHeight - list.clientHeight - list.scrollTop)(document.querySelector('.messages'))";
    wait(page, &format!("!document.querySelector('[data-testid=jump]') && {left} < 2"));
}

/// Tests the actions on the second of three exchanges during the answer of the third, which goes on unless it is deleted.
fn earlier_messages(page: &Page, input: Input) {
    const QUESTION: &str = ".message:nth-of-type(3)";
    const ANSWER: &str = ".message:nth-of-type(4)";
    let grows = format!(
        "await (len => new Promise(done => setTimeout(() => done({LAST_TEXT}.length > len), 200)))({LAST_TEXT}.length)"
    );
    let goes_on = format!("{MESSAGES} === 6 && {STOP} && {grows}");
    wait(page, &goes_on);
    press(page, input, ANSWER, "Copy");
    wait(page, "window.copied.endsWith('And the rest.')");
    press(page, input, ANSWER, "Read aloud");
    wait(page, "window.spoken.endsWith('And the rest.')");
    press(page, input, QUESTION, "Copy");
    wait(page, "window.copied === 'Speak slowly'");

    // Stopping another answer to the same question leaves the third one alone.
    press(page, input, ANSWER, "Regenerate");
    wait(page, &format!("{MESSAGES} === 4 && {STOP} && {LAST_TEXT}.includes('word word')"));
    press_first(page, input, "[data-testid=stop]");
    wait(page, &format!("!{STOP} && {IS_IN_COMPOSER}"));
    press(page, input, ANSWER, "Previous version");
    wait(page, &goes_on);
    press(page, input, ANSWER, "Next version");
    wait(page, &format!("{MESSAGES} === 4 && !{STOP}"));
    press(page, input, QUESTION, "Edit");
    wait(page, "document.activeElement.matches('.edit-box textarea')");
    page.fill(".edit-box textarea", "In other words").unwrap();
    press(page, input, ".edit-box", "Send");
    wait(page, &format!("{MESSAGES} === 4 && {}", ended_with("In other words")));
    press(page, input, QUESTION, "Previous version");
    wait(page, &format!("{MESSAGES} === 4 && {LAST_TEXT}.includes('word word')"));
    press(page, input, QUESTION, "Next version");
    wait(page, &ended_with("In other words"));
    press(page, input, QUESTION, "Previous version");
    wait(page, &format!("{LAST_TEXT}.includes('word word')"));
    press(page, input, ANSWER, "Previous version");
    wait(page, &goes_on);

    press(page, input, ANSWER, "Delete");
    wait(page, &format!("{MESSAGES} === 4 && !{STOP}"));
    press(page, input, ".toast", "Undo");
    wait(page, &format!("{MESSAGES} === 6 && {LAST_ANSWER}.dataset.active === 'false'"));
}

/// Tests the actions on a chat during an answer, and on the answer once it was stopped.
fn answering_actions(page: &Page, input: Input) {
    const QUESTION: &str = "[data-role=user]";
    press(page, input, QUESTION, "Copy");
    wait(page, "window.copied === 'Speak slowly'");
    press(page, input, QUESTION, "Edit");
    wait(page, "document.activeElement.matches('.edit-box textarea')");
    // Escape only closes the field.
    page.press("Escape").unwrap();
    wait(page, &format!("!document.querySelector('.edit-box') && {STOP}"));
    // An answer that is deleted while it is written, and restored, does not continue.
    press(page, input, QUESTION, "Delete");
    wait(page, &format!("{MESSAGES} === 0"));
    press(page, input, ".toast", "Undo");
    wait(page, &format!("{MESSAGES} === 2 && {LAST_ANSWER}.dataset.active === 'false'"));
    press(page, input, "[data-role=assistant]", "Continue");
    wait(page, &format!("{LAST_TEXT}.endsWith('And the rest.')"));

    ask(page, "Speak slowly").unwrap();
    wait(page, &format!("{LAST_TEXT}.includes('word word')"));
    press_first(page, input, "[data-testid=stop]");
    wait(page, &format!("!{STOP} && {IS_IN_COMPOSER}"));
    // A continued answer has the tokens of both parts.
    let tokens = format!("{LAST_ANSWER}.querySelector('.statistics')?.innerText");
    wait(page, &format!("{tokens}?.includes('3 tokens')"));
    press(page, input, "[data-role=assistant]", "Continue");
    wait(page, &format!("{LAST_TEXT}.endsWith('And the rest.') && {tokens}?.includes('6 tokens')"));
}

#[test]
fn every_menu_action_works_by_mouse_in_every_kind_of_chat() {
    every_action(Input::Mouse);
}

#[test]
fn every_menu_action_works_by_keyboard_in_every_kind_of_chat() {
    every_action(Input::Keyboard);
}

fn every_action(input: Input) {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server, input);
    model_and_suggestions(&page, input);

    press_first(&page, input, &format!("[data-id='{LONG_CHAT}'] .conversation"));
    wait(&page, &format!("{MESSAGES} === 120"));
    wait(&page, &format!("{LAST_TEXT}.startsWith('Such a program')"));
    let item = current_item(&page);
    long_chat_actions(&page, input);
    summarise(&page, input);
    composer_menus(&page, input);
    header(&page, input);
    item_menu(&page, input, &item);
    delete_and_restore(&page, input, &item);

    // A chat whose only question was deleted.
    new_chat(&page).unwrap();
    ask(&page, "Hollow").unwrap();
    answer(&page).unwrap();
    press(&page, input, "[data-role=user]", "Delete");
    wait(&page, &format!("{MESSAGES} === 0 && document.querySelector('.welcome')"));
    let item = current_item(&page);
    composer_menus(&page, input);
    header(&page, input);
    item_menu(&page, input, &item);
    delete_and_restore(&page, input, &item);

    new_chat(&page).unwrap();
    ask(&page, "Speak slowly").unwrap();
    wait(&page, &format!("{LAST_TEXT}.includes('word word')"));
    let item = current_item(&page);
    item_menu(&page, input, &item);
    composer_menus(&page, input);
    header(&page, input);
    answering_actions(&page, input);
    send(&page, input, "Speak slowly");
    earlier_messages(&page, input);
    send(&page, input, "Speak slowly");
    wait(&page, &format!("{STOP} && {LAST_TEXT}.includes('word word')"));
    delete_and_restore(&page, input, &item);
}
