//! The command palette, and the search in settings.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_tests::{Server, Session};

use crate::conversations::wait;

#[test]
fn the_palette_and_the_search_in_settings_find_things() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open(&server.page("")).unwrap();
    wait(&page, "document.querySelector('#message')");
    let open = || {
        let key = "new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true, cancelable: true })";
        page.evaluate(&format!("window.dispatchEvent({key})")).unwrap();
        wait(&page, "document.activeElement.id === 'palette-field'");
    };
    // The palette finds pages and actions, on every page.
    open();
    // If nothing matches, it says so, and Enter does nothing.
    page.type_into("#palette-field", "no such command").unwrap();
    wait(&page, "document.querySelector('.dialog [role=status]').innerText.startsWith('No results.')");
    page.press("Enter").unwrap();
    assert_eq!(page.evaluate("document.activeElement.hasAttribute('aria-activedescendant')").unwrap(), false);
    page.fill("#palette-field", "dark").unwrap();
    wait(
        &page,
        "document.querySelectorAll('.palette li').length === 1 && document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))?.innerText.includes('Dark')",
    );
    page.press("Enter").unwrap();
    wait(&page, "!document.querySelector('.dialog') && document.documentElement.dataset.theme === 'dark'");
    open();
    let down = "new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true, cancelable: true })";
    page.evaluate(&format!("document.activeElement.dispatchEvent({down})")).unwrap();
    wait(&page, "document.querySelectorAll('.palette li')[1].ariaSelected === 'true'");
    page.type_into("#palette-field", "sett").unwrap();
    page.press("Enter").unwrap();
    wait(&page, "document.querySelector('#settings-search')");
    // There, a field shows only what is looked for.
    let shown = "[...document.querySelectorAll('main section')].filter(section => section.checkVisibility()).map(section => section.innerText)";
    page.fill("#settings-search", "repeat penalty").unwrap();
    wait(&page, &format!("{shown}.length === 1 && {shown}[0].includes('Temperature')"));
    page.fill("#settings-search", "no such setting").unwrap();
    wait(&page, &format!("{shown}.length === 0 && document.querySelector('main').innerText.includes('No results')"));
    page.fill("#settings-search", "").unwrap();
    wait(&page, &format!("{shown}.length > 5"));
    open();
    page.type_into("#palette-field", "new chat").unwrap();
    page.press("Enter").unwrap();
    wait(&page, "document.querySelector('.app') && !document.querySelector('.dialog')");
}
