//! Every action of every menu, by mouse and by keyboard: on a long chat, on one without messages, and on one that is being answered. A
//! stand-in for the engine answers; what the console says counts, too.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{LAST_ANSWER, LAST_TEXT, NEW_CHAT, READY, answer, ask};
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::{Page, Server, Session, root};
use serde_json::{Value, json};

const SHORT: Duration = Duration::from_secs(45);
const LONG_CHAT: &str = "00000000000000aa";
/// What the long chat's last answer says.
const LAST: &str = "Such a program:\n\n```rust\nfn main() {}\n```\n";
const MESSAGES: &str = "document.querySelectorAll('.message').length";
const STOP: &str = "document.querySelector('[data-testid=stop]')";
const IS_IN_COMPOSER: &str = "document.activeElement.id === 'message'";

/// How an action is chosen.
#[derive(Debug, Clone, Copy)]
enum Way {
    Mouse,
    Keys,
}

fn wait(page: &Page, condition: &str) {
    page.wait_for(condition, SHORT).unwrap();
}

/// Presses the first element that a selector finds.
fn press_first(page: &Page, way: Way, selector: &str) {
    let element = format!("document.querySelector({selector:?})");
    wait(page, &element);
    match way {
        Way::Mouse => page.click(selector).unwrap(),
        Way::Keys => {
            let is_focused = format!("(element => (element.focus(), document.activeElement === element))({element})");
            assert_eq!(page.evaluate(&is_focused).unwrap(), true, "{selector} takes no focus");
            page.press("Enter").unwrap();
        }
    }
}

/// Presses the last visible button of a name within the elements that a selector finds.
fn press(page: &Page, way: Way, within: &str, name: &str) {
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
    press_first(page, way, "[data-target]");
}

/// Leaves a field by the key that keeps what it says, or by a click elsewhere.
fn leave_field(page: &Page, way: Way) {
    match way {
        Way::Mouse => page.click(".title").unwrap(),
        Way::Keys => page.press("Enter").unwrap(),
    }
}

/// An export with a chat of a hundred and twenty messages.
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

/// The chat page, with a prompt in the settings and the long chat in the list.
fn open(session: &Session, server: &Server) -> Page {
    let folder = root().join("target/test-data");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("long-chat.json");
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
    // What leaves the page stays in it.
    let catch = "(() => {
        navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); };
        speechSynthesis.speak = ({ text }) => { window.spoken = text; };
        const create = URL.createObjectURL;
        URL.createObjectURL = blob => { window.saved = blob.text(); return create.call(URL, blob); };
    })()";
    page.evaluate(catch).unwrap();
    page
}

/// The item of the chat on screen in the list.
fn current_item(page: &Page) -> String {
    let item = "document.querySelector('.conversation[aria-current=page]')?.closest('.conversation-item')";
    wait(page, item);
    let id = page.evaluate(&format!("{item}.dataset.id")).unwrap();
    format!(".conversation-item[data-id='{}']", id.as_str().unwrap())
}

fn choose(page: &Page, way: Way, item: &str, entry: &str) {
    press(page, way, item, "More");
    press(page, way, &format!("{item} .menu-items"), entry);
}

/// The menu of a conversation in the list.
fn item_menu(page: &Page, way: Way, item: &str) {
    let element = format!("document.querySelector({item:?})");
    let section = format!("{element}?.closest('section').querySelector('h2').innerText");
    // Escape is for the menu alone.
    let was_answering = page.evaluate(STOP).unwrap();
    press(page, way, item, "More");
    wait(page, &format!("{element}.querySelector('details').open"));
    page.press("Escape").unwrap();
    wait(page, &format!("!{element}.querySelector('details').open && document.activeElement.closest('details')"));
    assert_eq!(page.evaluate(STOP).unwrap(), was_answering, "Escape stopped an answer");

    let name = format!("Renamed by {way:?}");
    choose(page, way, item, "Rename");
    wait(page, "document.activeElement.matches('.conversation-item input')");
    page.fill(&format!("{item} input"), &name).unwrap();
    leave_field(page, way);
    wait(page, &format!("{element}?.querySelector('.conversation')?.innerText === {name:?}"));
    wait(page, &format!("document.title === '{name} – Parlance'"));

    choose(page, way, item, "Pin");
    wait(page, &format!("{section} === 'Pinned'"));
    choose(page, way, item, "Unpin");
    wait(page, &format!("{element} && {section} !== 'Pinned'"));
    for folder in ["Zoo", ""] {
        choose(page, way, item, "Move to folder");
        wait(page, "document.activeElement.matches('.conversation-item input')");
        page.fill(&format!("{item} input"), folder).unwrap();
        leave_field(page, way);
        let is_there = format!("{element}?.querySelector('.conversation') && ({section} === 'Zoo')");
        wait(page, &format!("{is_there} === {}", folder == "Zoo"));
    }
    for entry in ["Export as Markdown", "Export as JSON"] {
        page.evaluate("window.saved = undefined").unwrap();
        choose(page, way, item, entry);
        wait(page, &format!("(await window.saved)?.includes({name:?})"));
    }
}

fn delete_and_bring_back(page: &Page, way: Way, item: &str) {
    let count = page.evaluate(MESSAGES).unwrap();
    choose(page, way, item, "Delete");
    wait(page, &format!("!document.querySelector({item:?})"));
    press(page, way, ".toast", "Undo");
    wait(page, &format!("document.querySelector({item:?})?.querySelector('[aria-current=page]')"));
    wait(page, &format!("{MESSAGES} === {count} && !{STOP}"));
}

/// The bar at the top and what it opens. The focus goes back to the composer.
fn header(page: &Page, way: Way) {
    for state in ["closed", "open"] {
        press(page, way, ".header", "Chats");
        wait(page, &format!("document.querySelector('.app').dataset.sidebar === {state:?}"));
    }
    press(page, way, ".header", "System prompt for this chat");
    wait(page, "document.querySelector('#chat-system-prompt')");
    press(page, way, ".dialog", "Save");
    wait(page, &format!("!document.querySelector('.dialog') && {IS_IN_COMPOSER}"));
    press_first(page, way, ".model-button");
    wait(page, "document.querySelector('[data-testid=current-model]')");
    press(page, way, ".dialog", "Close");
    wait(page, &format!("!document.querySelector('.dialog') && {IS_IN_COMPOSER}"));
}

/// The prompts that a slash offers.
fn prompt_menu(page: &Page, way: Way) {
    page.fill("#message", "/gr").unwrap();
    wait(page, "document.querySelector('.prompt-menu .prompt')");
    match way {
        Way::Mouse => page.click(".prompt").unwrap(),
        Way::Keys => page.press("Enter").unwrap(),
    }
    wait(page, "document.querySelector('#message').value === 'Say hello'");
    page.fill("#message", "").unwrap();
}

/// The card above the composer and the dialog that frees the model, on a new chat; then one of its suggestions.
fn model_and_suggestions(page: &Page, way: Way) {
    press(page, way, ".sidebar", "New chat");
    wait(page, &format!("document.querySelector('.welcome') && {IS_IN_COMPOSER}"));
    if page.evaluate(READY).unwrap() != Value::Null {
        unload(page, way);
        press(page, way, ".dialog", "Close");
    }
    press(page, way, "[data-testid=model-offer]", "Load model");
    wait(page, READY);
    prompt_menu(page, way);
    header(page, way);
    unload(page, way);
    press(page, way, ".dialog", "Load");
    wait(page, &format!("{READY} && !document.querySelector('.dialog')"));
    press(page, way, ".suggestions", "What is the capital of France?");
    assert!(answer(page).unwrap().ends_with("What is the capital of France?"));
}

/// Frees the model by its dialog, which stays.
fn unload(page: &Page, way: Way) {
    press_first(page, way, ".model-button");
    press(page, way, "[data-testid=current-model]", "Unload");
    wait(page, "document.querySelector('.model-button[data-state=empty]')");
}

/// True once the last answer is complete and ends like this.
fn ended_with(text: &str) -> String {
    format!("{LAST_TEXT}.endsWith({text:?}) && {LAST_ANSWER}.dataset.active === 'false'")
}

/// What stands under the messages of the long chat, and above its code.
fn long_chat_actions(page: &Page, way: Way) {
    const ANSWER: &str = "[data-role=assistant]";
    const QUESTION: &str = "[data-role=user]";
    press(page, way, ".code", "Copy");
    wait(page, "window.copied === 'fn main() {}\\n'");
    page.evaluate("window.saved = undefined").unwrap();
    press(page, way, ".code", "Download");
    wait(page, "await window.saved === 'fn main() {}\\n'");
    press(page, way, &format!("{ANSWER} .message-actions"), "Copy");
    wait(page, &format!("window.copied === {LAST:?}"));
    press(page, way, ANSWER, "Read aloud");
    wait(page, &format!("window.spoken === {LAST:?}"));
    press(page, way, QUESTION, "Copy");
    wait(page, "window.copied === 'Message 119 of many'");

    // Another answer, deleted, brought back, and the way between the two.
    press(page, way, ANSWER, "Regenerate");
    wait(page, &ended_with("Message 119 of many"));
    press(page, way, ANSWER, "Delete");
    wait(page, &format!("{LAST_TEXT}.startsWith('Such a program')"));
    press(page, way, ".toast", "Undo");
    wait(page, &format!("{LAST_TEXT}.startsWith('Answer')"));
    press(page, way, ANSWER, "Previous version");
    wait(page, &format!("{LAST_TEXT}.startsWith('Such a program')"));
    press(page, way, ANSWER, "Next version");
    wait(page, &format!("{LAST_TEXT}.startsWith('Answer')"));
    press(page, way, ANSWER, "Delete");
    wait(page, &format!("{LAST_TEXT}.startsWith('Such a program')"));
    press(page, way, ".toast", "Close");
    wait(page, "!document.querySelector('.toast')");

    press(page, way, QUESTION, "Edit");
    press(page, way, ".edit-box", "Cancel");
    wait(page, &format!("!document.querySelector('.edit-box') && {IS_IN_COMPOSER}"));
    press(page, way, QUESTION, "Edit");
    wait(page, "document.activeElement.matches('.edit-box textarea')");
    page.fill(".edit-box textarea", "In other words").unwrap();
    press(page, way, ".edit-box", "Send");
    wait(page, &ended_with("In other words"));
    // Whoever came this way before has left a version of their own.
    let versions =
        page.evaluate("Number(document.body.innerText.match(/\\d+ of (\\d+)/)[1])").unwrap().as_u64().unwrap();
    for version in (1..versions).rev() {
        press(page, way, QUESTION, "Previous version");
        wait(page, &format!("document.body.innerText.includes('{version} of {versions}')"));
    }
    wait(page, &format!("{LAST_TEXT}.startsWith('Such a program')"));

    page.evaluate("(document.querySelector('.messages').scrollTop = 0)").unwrap();
    press_first(page, way, "[data-testid=jump]");
    let left = "(list => list.scrollHeight - list.clientHeight - list.scrollTop)(document.querySelector('.messages'))";
    wait(page, &format!("!document.querySelector('[data-testid=jump]') && {left} < 2"));
}

/// What can be done with a chat while its answer is written, and with the answer when it was stopped.
fn answering_actions(page: &Page, way: Way) {
    const QUESTION: &str = "[data-role=user]";
    press(page, way, QUESTION, "Copy");
    wait(page, "window.copied === 'Speak slowly'");
    press(page, way, QUESTION, "Edit");
    wait(page, "document.activeElement.matches('.edit-box textarea')");
    // Escape is for the field alone.
    page.press("Escape").unwrap();
    wait(page, &format!("!document.querySelector('.edit-box') && {STOP}"));
    // What is deleted while it is written, and brought back, is not written any more.
    press(page, way, QUESTION, "Delete");
    wait(page, &format!("{MESSAGES} === 0"));
    press(page, way, ".toast", "Undo");
    wait(page, &format!("{MESSAGES} === 2 && {LAST_ANSWER}.dataset.active === 'false'"));
    press(page, way, "[data-role=assistant]", "Continue");
    wait(page, &format!("{LAST_TEXT}.endsWith('And the rest.')"));

    ask(page, "Speak slowly").unwrap();
    wait(page, &format!("{LAST_TEXT}.includes('word word')"));
    press_first(page, way, "[data-testid=stop]");
    wait(page, &format!("!{STOP} && {IS_IN_COMPOSER}"));
    // An answer that goes on has the tokens of both its parts.
    let tokens = format!("{LAST_ANSWER}.querySelector('.statistics')?.innerText");
    wait(page, &format!("{tokens}?.includes('3 tokens')"));
    press(page, way, "[data-role=assistant]", "Continue");
    wait(page, &format!("{LAST_TEXT}.endsWith('And the rest.') && {tokens}?.includes('6 tokens')"));
}

#[test]
fn every_action_of_every_menu_works_by_mouse_and_by_keyboard_on_every_kind_of_chat() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    for way in [Way::Mouse, Way::Keys] {
        model_and_suggestions(&page, way);

        press_first(&page, way, &format!("[data-id='{LONG_CHAT}'] .conversation"));
        wait(&page, &format!("{MESSAGES} === 120"));
        wait(&page, &format!("{LAST_TEXT}.startsWith('Such a program')"));
        let item = current_item(&page);
        long_chat_actions(&page, way);
        prompt_menu(&page, way);
        header(&page, way);
        item_menu(&page, way, &item);
        delete_and_bring_back(&page, way, &item);

        // A chat whose only question was deleted.
        page.click(NEW_CHAT).unwrap();
        ask(&page, "Hollow").unwrap();
        answer(&page).unwrap();
        press(&page, way, "[data-role=user]", "Delete");
        wait(&page, &format!("{MESSAGES} === 0 && document.querySelector('.welcome')"));
        let item = current_item(&page);
        prompt_menu(&page, way);
        header(&page, way);
        item_menu(&page, way, &item);
        delete_and_bring_back(&page, way, &item);

        page.click(NEW_CHAT).unwrap();
        ask(&page, "Speak slowly").unwrap();
        wait(&page, &format!("{LAST_TEXT}.includes('word word')"));
        let item = current_item(&page);
        item_menu(&page, way, &item);
        prompt_menu(&page, way);
        header(&page, way);
        answering_actions(&page, way);
        ask(&page, "Speak slowly").unwrap();
        wait(&page, &format!("{STOP} && {LAST_TEXT}.includes('word word')"));
        delete_and_bring_back(&page, way, &item);
    }
}
