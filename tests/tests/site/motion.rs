//! Motion respects the user's preference. A mock engine answers.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_tests::chat::{READY, ask, load_from_link};
use parlance_tests::scripted::use_scripted_engine_everywhere;
use parlance_tests::{Page, Server, Session};

use crate::conversations::{press, wait};

/// Script: the elements that have an animation, or a transition for the next change, and what runs at the moment. Up to
/// 0.01 s does not count.
const MOVING: &str = "(() => {
    const isLong = (durations) => durations.split(',').some((duration) => Number.parseFloat(duration) > 0.01);
    const moves = (style) => (style.animationName !== 'none' && isLong(style.animationDuration)) || isLong(style.transitionDuration);
    const name = (element) => `${element.localName}.${element.getAttribute('class') ?? ''}`;
    const parts = [null, '::before', '::after', '::backdrop'];
    const styled = [...document.querySelectorAll('*')].filter((element) => parts.some((part) => moves(getComputedStyle(element, part))));
    const running = document.getAnimations().map(({ effect }) => effect).filter((effect) => effect.getComputedTiming().duration > 10);
    return [...new Set([...styled, ...running.map(({ target }) => target)].map(name))];
})()";

/// Takes a page through the welcome screen, a loading model, an answer that waits, the palette and dialogs. Returns what
/// moves in each.
fn moving(session: &Session, server: &Server) -> Vec<(&'static str, Vec<String>)> {
    let page = session.open("about:blank").unwrap();
    use_scripted_engine_everywhere(&page).unwrap();
    page.before_every_page("window.loadsSlowly = true").unwrap();
    page.navigate(&server.page("")).unwrap();
    wait(&page, "document.querySelector('[data-testid=model-offer]')");
    let mut seen = vec![("welcome", look(&page))];
    load_from_link(&page).unwrap();
    wait(&page, "document.querySelector('.model-button[data-state=loading]')");
    wait(&page, "document.querySelector('.bar[data-indeterminate=true]')");
    seen.push(("loading", look(&page)));
    page.evaluate("finishLoad()").unwrap();
    wait(&page, READY);
    ask(&page, "Please stare").unwrap();
    wait(&page, "document.querySelector('.waiting .pulse')");
    seen.push(("waiting", look(&page)));
    let key = "new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true, cancelable: true })";
    page.evaluate(&format!("window.dispatchEvent({key})")).unwrap();
    wait(&page, "document.querySelector('.dialog[open] .palette')");
    seen.push(("palette", look(&page)));
    page.click(".dialog [aria-label=Close]").unwrap();
    page.click(".model-button").unwrap();
    wait(&page, "document.querySelector('.dialog[open] #model-url')");
    seen.push(("model dialog", look(&page)));
    page.click(".dialog [aria-label=Close]").unwrap();
    press(&page, ".header", "System prompt for this chat");
    wait(&page, "document.querySelector('.dialog[open] #chat-system-prompt')");
    seen.push(("system prompt", look(&page)));
    seen
}

fn look(page: &Page) -> Vec<String> {
    serde_json::from_value(page.evaluate(MOVING).unwrap()).unwrap()
}

#[test]
fn nothing_moves_for_users_who_prefer_reduced_motion() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    for (state, moving) in moving(&session, &server) {
        assert!(moving.is_empty(), "{state}: {moving:?}");
    }
}

#[test]
fn buttons_and_what_waits_move_for_others() {
    let server = Server::start().unwrap();
    let session = Session::with_animations().unwrap();
    for (state, moving) in moving(&session, &server) {
        assert!(moving.iter().any(|name| name.starts_with("button.")), "{state}: {moving:?}");
        let waiting: &[&str] = match state {
            "loading" => &["div.bar-fill", "span.dot"],
            "waiting" => &["span.pulse"],
            _ => &[],
        };
        for name in waiting {
            assert!(moving.iter().any(|moving| moving == name), "{state}: {moving:?} lacks {name}");
        }
    }
}
