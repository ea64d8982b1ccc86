//! Every page (models, settings, performance, playground), languages, keyboard shortcuts, and accessibility by axe.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
#![allow(clippy::too_many_lines, reason = "tests check many steps on one page")]

use std::time::Duration;

use parlance_tests::chat::{LAST_ANSWER, MODEL_TIMEOUT, PAGE_TIMEOUT, READY, answer, ask, load_from_link, new_chat};
use parlance_tests::scripted::{use_scripted_engine, use_scripted_engine_everywhere};
use parlance_tests::{Error, Page, Server, Session};
use serde_json::{Value, json};

/// A question with Markdown, and long enough for a wide title.
const LONG_QUESTION: &str = "Tell me of **otters**, and of everything else that swims from morning to evening";

fn wait(page: &Page, condition: &str) {
    page.wait_for(condition, PAGE_TIMEOUT).unwrap();
}

/// The rules that axe finds broken, with the elements that break them.
fn violations(page: &Page) -> Value {
    page.evaluate(
        "(async () => {
            if (!window.axe) {
                await new Promise((resolve, reject) => {
                    const script = document.createElement('script');
                    Object.assign(script, { src: '/npm/axe-core/axe.min.js', onload: resolve, onerror: reject });
                    document.head.append(script);
                });
            }
            const { violations } = await axe.run();
            return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, any }) => target + ' ' + (any[0]?.message ?? '')).join('; ')}`);
        })()",
    )
    .unwrap()
}

/// Asserts that axe finds nothing, in both themes.
fn assert_accessible(page: &Page, name: &str) {
    for theme in ["light", "dark"] {
        page.evaluate(&format!("document.documentElement.dataset.theme = {theme:?}")).unwrap();
        // Colours may take a moment to change.
        page.evaluate("new Promise(done => setTimeout(done, 300))").unwrap();
        assert_eq!(violations(page), json!([]), "{name}, {theme}");
    }
}

#[test]
fn every_page_is_accessible_in_both_themes() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("")).unwrap();
    use_scripted_engine(&page).unwrap();
    wait(&page, "document.querySelector('[data-testid=model-offer]')");
    assert_accessible(&page, "welcome");
    ask(&page, LONG_QUESTION).unwrap();
    answer(&page).unwrap();
    assert_accessible(&page, "conversation");
    page.evaluate("document.querySelector('.conversation-item .menu summary').click()").unwrap();
    assert_accessible(&page, "menu of a conversation");
    page.click(".model-button").unwrap();
    wait(&page, "document.querySelector('.dialog[open]')");
    assert_accessible(&page, "model dialog");
    page.click(".dialog [aria-label=Close]").unwrap();
    page.evaluate("window.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true }))")
        .unwrap();
    wait(&page, "document.querySelector('.dialog[open] .palette')");
    assert_accessible(&page, "command palette");
    page.click(".dialog [aria-label=Close]").unwrap();
    page.click(".sidebar [aria-label='Select chats']").unwrap();
    wait(&page, "document.querySelector('.conversation-item input')");
    assert_accessible(&page, "choice of chats");
    page.click(".sidebar [aria-label='Select chats']").unwrap();
    page.resize(390, 844).unwrap();
    wait(&page, "document.querySelector('.app').dataset.sidebar === 'closed'");
    let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(page.evaluate(overflow).unwrap(), 0, "a long title is wider than the page");
    assert_accessible(&page, "phone");
    page.navigate(&server.page("?new")).unwrap();
    wait(&page, "document.querySelector('.app')");
    page.evaluate("new Promise(done => setTimeout(done, 300))").unwrap();
    assert_eq!(
        page.evaluate("document.querySelector('.app').dataset.sidebar").unwrap(),
        "closed",
        "the drawer covers the page"
    );
    for name in ["catalogue", "projects", "settings", "storage", "performance", "playground", "nowhere"] {
        // In a new tab, because Chromium sometimes crashes when a tab goes from page to page.
        let page = session.open(&server.page(name)).unwrap();
        page.resize(390, 844).unwrap();
        wait(&page, "document.querySelector('h1')");
        if name == "catalogue" {
            wait(&page, "document.querySelector('.model-card')");
        }
        assert_accessible(&page, name);
    }
}

#[test]
fn the_interface_has_seven_languages_and_both_text_directions() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("settings")).unwrap();
    let titles = [
        ("de", "Einstellungen", "ltr"),
        ("es", "Ajustes", "ltr"),
        ("fr", "Paramètres", "ltr"),
        ("ja", "設定", "ltr"),
        ("zh-Hans", "设置", "ltr"),
        ("ar", "الإعدادات", "rtl"),
        ("en", "Settings", "ltr"),
    ];
    for (tag, title, direction) in titles {
        wait(&page, "document.querySelector('#language')");
        page.fill("#language", tag).unwrap();
        wait(&page, &format!("document.querySelector('h1').innerText === {title:?}"));
        let root = page.evaluate("[document.documentElement.lang, document.documentElement.dir]").unwrap();
        assert_eq!(root, json!([tag, direction]));
        let overflow =
            page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth").unwrap();
        assert_eq!(overflow, 0, "{tag} is wider than the page");
    }
    // The choice applies from the start of the next visit.
    page.fill("#language", "ar").unwrap();
    wait(&page, "document.documentElement.dir === 'rtl'");
    page.navigate(&server.page("")).unwrap();
    wait(&page, "document.querySelector('.welcome h2')?.innerText === 'اسأل ما شئت. يبقى كل شيء على جهازك.'");
}

#[test]
fn settings_reach_the_model_and_other_tabs() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("settings")).unwrap();
    wait(&page, "document.querySelector('#temperature')");
    page.fill("#temperature", "0.35").unwrap();
    page.fill("#max-tokens", "77").unwrap();
    page.fill("#system-prompt", "Answer in rhymes.").unwrap();
    page.click("[data-testid=prompts] button").unwrap();
    wait(&page, "document.querySelector('[data-testid=prompts] .snippet')");
    page.fill("[data-testid=prompts] .snippet input", "shorten").unwrap();
    page.fill("[data-testid=prompts] .snippet textarea", "Shorten {{text}} to {{words}} words").unwrap();
    page.evaluate("document.querySelectorAll('[name=theme]')[2].click()").unwrap();
    wait(&page, "document.documentElement.dataset.theme === 'dark'");

    let chat = session.open(&server.page("")).unwrap();
    wait(&chat, "document.documentElement.dataset.theme === 'dark'");
    use_scripted_engine(&chat).unwrap();
    chat.type_into("#message", "/sho").unwrap();
    wait(&chat, "document.querySelector('.prompt-menu .prompt')");
    chat.press("Enter").unwrap();
    // Typing replaces one variable after the other.
    let selected =
        "(field => field.value.slice(field.selectionStart, field.selectionEnd))(document.querySelector('#message'))";
    wait(&chat, &format!("{selected} === '{{{{text}}}}'"));
    chat.press("A").unwrap();
    chat.press("Tab").unwrap();
    wait(&chat, &format!("{selected} === '{{{{words}}}}'"));
    chat.press("9").unwrap();
    wait(&chat, "document.querySelector('#message').value === 'Shorten A to 9 words'");
    chat.press("Enter").unwrap();
    answer(&chat).unwrap();
    let body = chat.evaluate("asked.findLast(request => request.type === 'api').body").unwrap();
    assert_eq!(body["messages"][0], json!({ "role": "system", "content": "Answer in rhymes." }));
    assert_eq!((&body["max_tokens"], &body["stream"]), (&json!(77), &json!(true)));
    assert!((body["temperature"].as_f64().unwrap() - 0.35).abs() < 1e-6, "{body}");

    // This conversation gets its own system prompt.
    chat.click(".header [aria-label='System prompt for this chat']").unwrap();
    wait(&chat, "document.querySelector('#chat-system-prompt')");
    chat.fill("#chat-system-prompt", "Answer in numbers.").unwrap();
    chat.click(".dialog button[type=submit]").unwrap();
    ask(&chat, "And now?").unwrap();
    wait(&chat, "asked.filter(request => request.type === 'api').length === 2");
    let system = chat.evaluate("asked.findLast(request => request.type === 'api').body.messages[0].content").unwrap();
    assert_eq!(system, "Answer in numbers.");

    // In an open tab, too, Enter makes a new line once the user sets that.
    page.show().unwrap();
    page.evaluate("document.querySelectorAll('[type=checkbox]')[1].click()").unwrap();
    chat.show().unwrap();
    answer(&chat).unwrap();
    chat.type_into("#message", "one").unwrap();
    chat.press("Enter").unwrap();
    chat.evaluate("new Promise(done => setTimeout(done, 300))").unwrap();
    assert_eq!(chat.evaluate("asked.filter(request => request.type === 'api').length").unwrap(), 2);
}

#[test]
fn keyboard_shortcuts_work() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("")).unwrap();
    wait(&page, "document.querySelector('#message')");
    let key = |key: &str, more: &str| {
        let script = format!(
            "window.dispatchEvent(new KeyboardEvent('keydown', {{ key: {key:?}, bubbles: true, cancelable: true, {more} }}))"
        );
        page.evaluate(&script).unwrap();
    };
    key("F", "ctrlKey: true, shiftKey: true");
    wait(&page, "document.activeElement.id === 'search'");
    page.evaluate("document.activeElement.blur()").unwrap();
    key("?", "");
    wait(&page, "document.querySelector('.dialog .shortcuts')");
    page.press("Escape").unwrap();
    wait(&page, "!document.querySelector('.dialog')");
    key("S", "ctrlKey: true, shiftKey: true");
    wait(&page, "document.querySelector('.app').dataset.sidebar === 'closed'");
}

#[test]
fn the_catalogue_offers_models_and_the_playground_follows_a_schema() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("catalogue")).unwrap();
    wait(&page, "document.querySelectorAll('.model-card').length >= 20");
    page.fill("#filter", "qwen3.5 apache").unwrap();
    wait(&page, "document.querySelectorAll('.model-card').length === 4");
    let source = page.text("[data-model='Qwen3.5 4B'] .model-source").unwrap();
    assert!(source.contains("huggingface.co") && source.contains("checksum agree"), "{source}");
    page.fill("#filter", "no such model").unwrap();
    wait(&page, "document.querySelector('[data-testid=catalogue] .empty')");
    page.fill("#filter", "").unwrap();
    // The bundled model is inspected, then loaded. The chat shows the progress.
    page.click("[data-model='SmolLM2 135M Instruct'] button").unwrap();
    page.wait_for(
        "document.querySelector('[data-testid=inspection]')?.innerText.includes('135 million')",
        MODEL_TIMEOUT,
    )
    .unwrap();
    page.click("[data-testid=inspection] button.primary").unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    assert!(!page.evaluate("location.pathname").unwrap().as_str().unwrap().ends_with("catalogue"));

    // Links do not reload the page.
    page.click(".sidebar-footer a[href=settings]").unwrap();
    page.click(".page-header a[href=playground]").unwrap();
    wait(&page, "document.querySelector('#schema')");
    let schema = json!({
        "type": "object", "properties": { "capital": { "enum": ["Paris", "Berlin"] } },
        "required": ["capital"], "additionalProperties": false,
    });
    page.fill("#schema", "{").unwrap();
    page.click("[data-testid=run-schema]").unwrap();
    wait(&page, "document.querySelector('.failure-message')");
    page.fill("#schema", &schema.to_string()).unwrap();
    page.click("[data-testid=run-schema]").unwrap();
    let done = "document.querySelector('[data-testid=schema-answer][data-running=false]')?.innerText.includes('}')";
    page.wait_for(done, MODEL_TIMEOUT).unwrap();
    let answer = page.text("[data-testid=schema-answer]").unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(["Paris", "Berlin"].contains(&answer["capital"].as_str().unwrap()), "{answer}");

    page.click(".page-header a[href=performance]").unwrap();
    wait(&page, "document.querySelectorAll('.plot circle').length === 1");
    let facts = page.text(".facts-table").unwrap();
    assert!(facts.contains("SmolLM2-135M-Instruct.Q4_1") && facts.contains("KV cache"), "{facts}");
}

/// Navigates like a user, and returns whether `condition` becomes true on the new page. Scripts may fail while the old
/// page is left.
fn opens(page: &Page, address: &str, condition: &str) -> bool {
    let leave = format!("(window.isLeft = true, location.assign({address:?}))");
    let _ = page.evaluate(&leave);
    let is_there = format!("!window.isLeft && document.readyState === 'complete' && !!({condition})");
    (0..300).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let answer = page.evaluate(&is_there);
        if let Err(Error::Crashed) = answer {
            // Chromium 156 sometimes crashes when a test goes from page to page.
            page.navigate("about:blank").unwrap();
            let _ = page.evaluate(&leave);
        }
        answer.is_ok_and(|answer| answer == json!(true))
    })
}

#[test]
fn every_page_opens_by_its_url_with_and_without_a_trailing_slash() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    session.expect_in_console(&server.page("nowhere"));
    let site = server.page("");
    // First without a service worker, as on a first visit, then with one, which answers instead of the host.
    for has_service_worker in [false, true] {
        let page = session.open(&server.blank_page()).unwrap();
        if has_service_worker {
            assert!(opens(&page, &site, "navigator.serviceWorker.controller"));
        } else {
            let none = "Object.defineProperty(Navigator.prototype, 'serviceWorker', { get: () => undefined });";
            page.before_every_page(none).unwrap();
        }
        for name in ["catalogue", "models", "performance", "playground", "projects", "settings", "storage"] {
            let is_right = format!(
                "document.querySelector('h1') && !document.querySelector('main.notice')
                && location.href === {site:?} + '{name}?seed=1' && document.querySelector('a[href=settings]').href === {site:?} + 'settings'
                && document.querySelector('.sidebar').checkVisibility()"
            );
            for slash in ["", "/"] {
                let address = server.page(&format!("{name}{slash}?seed=1"));
                assert!(opens(&page, &address, &is_right), "{address}, service worker: {has_service_worker}");
            }
        }
        assert!(opens(&page, &server.page("nowhere"), "document.querySelector('main.notice h1')"));
        assert!(opens(&page, &site, "document.querySelector('#message')"));
    }
}

/// A tab whose pages have the mock engine from the start.
fn scripted_tab(session: &Session, server: &Server) -> Page {
    let page = session.open(&server.blank_page()).unwrap();
    use_scripted_engine_everywhere(&page).unwrap();
    page
}

/// Gives the page time for something that must not happen.
fn pause(page: &Page) {
    page.evaluate("new Promise(done => setTimeout(done, 800))").unwrap();
}

#[test]
fn links_fill_the_composer_and_ask_before_loading_a_model() {
    const LOADED: &str =
        "asked.filter(({ type }) => type === 'load').map(({ source }) => source.url.split('/').at(-1))";
    const OFFER: &str = "document.querySelector('[data-testid=model-offer]')";
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = scripted_tab(&session, &server);
    // The consent to load models does not cover what links ask for.
    page.evaluate("localStorage.setItem('parlance.agreed', '1')").unwrap();
    page.navigate(&server.page("?q=Hello")).unwrap();
    wait(&page, &format!("{READY} && document.querySelector('#message')?.value === 'Hello'"));
    pause(&page);
    assert_eq!(page.evaluate("asked.filter(({ type }) => type === 'api').length").unwrap(), 0, "the link sent it");
    assert_eq!(page.evaluate(LOADED).unwrap(), json!(["SmolLM2-135M-Instruct.Q4_1.gguf"]));

    // Text in the composer stays.
    page.navigate(&server.page("?q=World&model=models/other.gguf")).unwrap();
    wait(&page, "document.querySelector('#message')?.value === 'Hello\\n\\nWorld'");
    wait(&page, &format!("{OFFER}?.innerText.includes('other.gguf from ' + location.host)"));
    pause(&page);
    assert_eq!(page.evaluate(LOADED).unwrap(), json!([]), "the link loaded a model");
    page.click("[data-testid=model-offer] button:not(.primary)").unwrap();
    wait(&page, &format!("{READY} && !{OFFER}"));
    assert_eq!(page.evaluate(LOADED).unwrap(), json!(["SmolLM2-135M-Instruct.Q4_1.gguf"]));

    // A model that the user accepts is loaded, also when the URL is opened again in this tab.
    let address = server.page("?model=models/another.gguf");
    page.navigate(&address).unwrap();
    load_from_link(&page).unwrap();
    wait(&page, READY);
    page.navigate("about:blank").unwrap();
    page.navigate(&address).unwrap();
    wait(&page, &format!("{READY} && !{OFFER}"));
    assert_eq!(page.evaluate(LOADED).unwrap(), json!(["another.gguf"]));

    // Another tab has loaded a model: the one in the link, or one that it would replace.
    let page = scripted_tab(&session, &server);
    page.before_every_page(&format!("window.loadedElsewhere = {:?}", server.page("models/third.gguf"))).unwrap();
    page.navigate(&server.page("?model=models/third.gguf")).unwrap();
    wait(&page, &format!("{READY} && !{OFFER}"));
    page.navigate(&server.page("?model=models/fourth.gguf")).unwrap();
    wait(&page, &format!("{READY} && {OFFER}?.innerText.includes('would replace scripted')"));
    assert_eq!(page.evaluate(LOADED).unwrap(), json!([]), "the link replaced the model of other tabs");
    load_from_link(&page).unwrap();
    wait(&page, &format!("!{OFFER}"));
    assert_eq!(page.evaluate(LOADED).unwrap(), json!(["fourth.gguf"]));
}

#[test]
fn the_composer_has_the_focus_and_the_tab_title_says_what_is_open() {
    const IS_IN_COMPOSER: &str = "document.activeElement.id === 'message'";
    // The description of the URL field, if its content is invalid.
    const URL_ERROR: &str = "(field => field?.getAttribute('aria-invalid') === 'true'
        && field.getAttribute('aria-describedby').split(' ').map((id) => document.getElementById(id).innerText).join(' '))(document.querySelector('#model-url'))";
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = scripted_tab(&session, &server);
    page.navigate(&server.page("")).unwrap();
    wait(&page, IS_IN_COMPOSER);
    assert!(page.text(".welcome").unwrap().contains("on your own GPU"));
    assert_eq!(page.evaluate("document.title").unwrap(), "Parlance");
    ask(&page, "Tell me of otters").unwrap();
    answer(&page).unwrap();
    wait(&page, "document.title === 'Tell me of otters – Parlance' && location.search.startsWith('?chat=')");
    page.follow("settings").unwrap();
    wait(&page, "document.title === 'Settings – Parlance'");
    // Going back from the first chat leads to the page before it, not to another site.
    page.evaluate("history.back()").unwrap();
    wait(&page, &format!("document.querySelector('.message') && {IS_IN_COMPOSER}"));
    page.evaluate("history.back()").unwrap();
    wait(&page, "document.querySelector('.welcome') && location.search === '' && document.title === 'Parlance'");
    page.evaluate("history.forward()").unwrap();
    wait(&page, "document.querySelectorAll('.message').length === 2");
    new_chat(&page).unwrap();
    wait(&page, IS_IN_COMPOSER);

    // A drop zone appears while a file is dragged over the page.
    let drag = |kind: &str| {
        let script = format!(
            "(() => {{
                const dataTransfer = new DataTransfer();
                dataTransfer.items.add(new File(['text'], 'notes.txt'));
                document.querySelector('.welcome').dispatchEvent(new DragEvent({kind:?}, {{ dataTransfer, bubbles: true, cancelable: true }}));
            }})()"
        );
        page.evaluate(&script).unwrap();
    };
    drag("dragover");
    wait(&page, "document.querySelector('[data-testid=drop-zone]')");
    drag("dragleave");
    wait(&page, "!document.querySelector('[data-testid=drop-zone]')");

    // The error for an invalid URL appears at its field.
    page.click(".model-button").unwrap();
    for (address, error) in [("http://[", "not a valid URL"), ("models/nothing.gguf", "404")] {
        wait(&page, "document.querySelector('#model-url')");
        page.fill("#model-url", address).unwrap();
        page.press("Enter").unwrap();
        wait(&page, &format!("({URL_ERROR} || '').includes({error:?})"));
    }
    page.click(".dialog [aria-label=Close]").unwrap();
    wait(&page, IS_IN_COMPOSER);

    // The CPU is not called a GPU. On touch screens the composer gets no focus, which would open the keyboard.
    page.touch().unwrap();
    page.before_every_page("window.isCpu = true").unwrap();
    page.navigate(&server.page("?device=cpu")).unwrap();
    assert!(page.text(".welcome").unwrap().contains("on your own CPU"));
    pause(&page);
    assert_eq!(page.evaluate(IS_IN_COMPOSER).unwrap(), false);
}

#[test]
fn long_chats_open_at_their_end_and_wide_tables_scroll_in_their_own_box() {
    const LIST: &str = "document.querySelector('.messages')";
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = scripted_tab(&session, &server);
    page.navigate(&server.page("?context=1000000")).unwrap();
    wait(&page, "document.querySelector('#message')");
    let paragraphs = "Array.from({ length: 60 }, (_, index) => `## Part ${index}\\n\\nSome words of it.\\n\\n- an item`).join('\\n\\n')";
    let row = |cell: &str| format!("|{}", format!(" {cell} |").repeat(12));
    let table = [row("Internationalisation"), row("-"), row("Verständigungsschwierigkeiten")].join("\n");
    let table = format!("{table:?}");
    for (question, text) in [("One", paragraphs), ("Two", paragraphs), ("Three", table.as_str())] {
        page.evaluate(&format!("(window.nextAnswer = {text}, 1)")).unwrap();
        ask(&page, question).unwrap();
        let asked = "[...document.querySelectorAll('[data-role=user]')].at(-1)?.innerText";
        wait(&page, &format!("{asked}?.startsWith({question:?})"));
        answer(&page).unwrap();
    }
    // Words are not broken, and only the box scrolls sideways.
    let widths = format!(
        "(box => [box.scrollWidth > box.clientWidth, {LIST}.scrollWidth - {LIST}.clientWidth,
            [...box.querySelectorAll('th, td')].every((cell) => {{
                const range = document.createRange();
                range.selectNodeContents(cell);
                return range.getClientRects().length === 1;
            }})])({LAST_ANSWER}.querySelector('.table'))"
    );
    assert_eq!(page.evaluate(&widths).unwrap(), json!([true, 0, true]));

    // After a reload the chat is at its end once all of it is rendered; likewise when it is opened from the sidebar.
    let left_px = format!("{LIST}.scrollHeight - {LIST}.clientHeight - {LIST}.scrollTop");
    let is_at_end = format!(
        "document.querySelectorAll('.markdown[data-complete=true]').length === 3 && {LIST}.scrollHeight > 5000 && {left_px} < 2"
    );
    let address = page.evaluate("location.href").unwrap();
    page.navigate("about:blank").unwrap();
    page.navigate(address.as_str().unwrap()).unwrap();
    wait(&page, &is_at_end);
    pause(&page);
    assert_eq!(page.evaluate(&is_at_end).unwrap(), true);
    page.evaluate(&format!("({LIST}.scrollTop = 0)")).unwrap();
    wait(&page, "document.querySelector('[data-testid=jump]')");
    new_chat(&page).unwrap();
    page.click(".conversation").unwrap();
    wait(&page, &is_at_end);
}

#[test]
fn crashes_are_explained_and_leave_the_composer_usable() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    session.expect_in_console("no dialog today");
    session.expect_in_console("unreachable");
    let page = scripted_tab(&session, &server);
    page.navigate(&server.page("")).unwrap();
    page.type_into("#message", "half a thought").unwrap();
    // Unsent text is saved half a second later.
    page.evaluate("new Promise(done => setTimeout(done, 800))").unwrap();
    let fail = "(() => {
        const create = document.createElement.bind(document);
        document.createElement = (tag) => {
            if (tag === 'dialog') throw new Error('no dialog today');
            return create(tag);
        };
    })()";
    page.evaluate(fail).unwrap();
    page.click(".model-button").unwrap();
    assert!(page.text("#crash").unwrap().contains("no dialog today"));
    let gap_px = "document.querySelector('.composer').getBoundingClientRect().top - document.querySelector('#crash').getBoundingClientRect().bottom";
    assert!(page.evaluate(gap_px).unwrap().as_f64().unwrap() > 0.0, "the notice covers the composer");
    page.click("#crash a").unwrap();
    wait(&page, "!document.querySelector('#crash') && document.querySelector('#message')?.value === 'half a thought'");
}
