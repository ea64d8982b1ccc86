//! Many chats: found, tagged, and changed several at once. A mock engine answers.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_tests::chat::{answer, ask, new_chat};
use parlance_tests::{Server, Session};

use crate::conversations::{choose, open, press, wait};

#[test]
fn several_chats_are_pinned_tagged_and_deleted_at_once() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    for (count, question) in [(1, "Tell me of otters"), (2, "Tell me of badgers")] {
        ask(&page, question).unwrap();
        answer(&page).unwrap();
        wait(&page, &format!("document.querySelectorAll('.conversation').length === {count}"));
        new_chat(&page).unwrap();
    }
    // A tag is shown, and searched for with a click.
    choose(&page, "Tags");
    wait(&page, "document.querySelector('.conversation-item input')");
    page.fill(".conversation-item input", "striped, #to read").unwrap();
    page.press("Enter").unwrap();
    wait(&page, "[...document.querySelectorAll('.tag')].map(tag => tag.innerText).join() === '#striped,#to-read'");
    page.click(".tag").unwrap();
    wait(
        &page,
        "document.querySelector('#search').value === '#striped' && document.querySelectorAll('.conversation').length === 1",
    );
    // The palette finds the others all the same.
    page.evaluate("window.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true }))")
        .unwrap();
    wait(&page, "document.activeElement.id === 'palette-field'");
    page.type_into("#palette-field", "otters").unwrap();
    wait(&page, "document.querySelector('.palette').innerText.trim() === 'Tell me of otters'");
    page.click(".dialog [aria-label=Close]").unwrap();
    page.fill("#search", "").unwrap();
    wait(&page, "document.querySelectorAll('.conversation').length === 2");

    let choose_all = || {
        page.click(".sidebar [aria-label='Select chats']").unwrap();
        wait(&page, "document.querySelector('[data-testid=selection-bar] button').disabled");
        page.evaluate("[...document.querySelectorAll('.conversation-item input')].forEach(box => box.click())")
            .unwrap();
        wait(&page, "document.querySelector('.selection-bar p').innerText.startsWith('2')");
    };
    choose_all();
    // Also those that a search hides.
    page.fill("#search", "otters").unwrap();
    wait(&page, "document.querySelectorAll('.conversation').length === 1");
    press(&page, ".selection-bar", "Pin");
    wait(&page, "!document.querySelector('.selection-bar') && document.activeElement.id === 'message'");
    page.fill("#search", "").unwrap();
    wait(&page, "document.querySelectorAll('.conversation').length === 2");
    let pinned = "document.querySelector('.conversation-section h2').innerText === 'Pinned' && document.querySelectorAll('.conversation-section').length";
    wait(&page, &format!("{pinned} === 1"));
    choose_all();
    press(&page, ".selection-bar", "Delete");
    wait(&page, "document.querySelectorAll('.conversation').length === 0");
    press(&page, ".toast", "Undo");
    wait(&page, &format!("document.querySelectorAll('.conversation').length === 2 && {pinned} === 1"));
    // The list is beside other pages, too.
    page.follow("storage").unwrap();
    wait(&page, "document.querySelector('main.page')");
    page.click(".sidebar .conversation").unwrap();
    wait(&page, "document.querySelectorAll('.message').length === 2");
    // One that is deleted is no longer chosen, and in the end nothing is.
    choose_all();
    choose(&page, "Delete");
    wait(&page, "document.querySelector('.selection-bar p').innerText.startsWith('1')");
    press(&page, ".selection-bar", "Cancel");
    wait(&page, "!document.querySelector('.conversation-item input')");
}

/// Adds 10,000 chats to the database, one of which is about quokkas.
const ADD_MANY: &str = "(async () => {
    const { name } = (await indexedDB.databases()).find(({ name }) => name.startsWith('parlance:'));
    const database = await new Promise((done, fail) => {
        const request = indexedDB.open(name);
        request.onsuccess = () => done(request.result);
        request.onerror = fail;
    });
    const transaction = database.transaction(['conversations', 'messages'], 'readwrite');
    const id = (number) => number.toString(16).padStart(16, '0');
    for (let number = 1; number <= 10000; number += 1) {
        const leaf = id(100000 + number);
        const content = number === 777 ? 'All about the\\n\\nquokka of Rottnest' : `Message ${number} about nothing in particular`;
        transaction.objectStore('conversations').put({ id: id(number), title: `Chat ${number}`, created_ms: number, updated_ms: number, leaf });
        transaction.objectStore('messages').put({ id: leaf, conversation: id(number), role: 'user', content, created_ms: number });
    }
    await new Promise((done, fail) => {
        transaction.oncomplete = done;
        transaction.onabort = fail;
    });
    database.close();
})()";

#[test]
fn ten_thousand_chats_are_searched_and_matches_marked() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    ask(&page, "Tell me of otters").unwrap();
    answer(&page).unwrap();
    wait(&page, "document.querySelectorAll('.conversation').length === 1");
    page.evaluate(ADD_MANY).unwrap();
    page.fill("#search", "QUOKKA rottn").unwrap();
    wait(&page, "document.querySelectorAll('.conversation').length === 1");
    let marks = "[...document.querySelectorAll('.excerpt mark')].map(mark => mark.innerText).join()";
    wait(&page, &format!("{marks} === 'quokka,Rottn'"));
    assert_eq!(page.text(".excerpt").unwrap(), "All about the quokka of Rottnest");
    // Titles are marked, too. Not all of the thousands that match are shown.
    page.fill("#search", "chat 77").unwrap();
    wait(&page, "[...document.querySelectorAll('.conversation mark')].some(mark => mark.innerText === '77')");
    page.fill("#search", "chat").unwrap();
    wait(&page, "document.querySelectorAll('.conversation').length === 200");
    // What is written later is found, too, and what is deleted is not.
    ask(&page, "And of the quokka?").unwrap();
    answer(&page).unwrap();
    page.fill("#search", "quokka").unwrap();
    wait(&page, "document.querySelectorAll('.conversation').length === 2");
    choose(&page, "Delete");
    wait(&page, "document.querySelectorAll('.conversation').length === 1");
    // Once all has been read, a search takes a fraction of a second even here; `cargo xtask bench-search` measures it.
    let duration_ms = page
        .evaluate(
            "(async () => {
                const field = document.querySelector('#search');
                const start = performance.now();
                field.value = 'particular 4321';
                field.dispatchEvent(new Event('input', { bubbles: true }));
                while (document.querySelector('.conversation')?.innerText !== 'Chat 4321') await new Promise(requestAnimationFrame);
                return performance.now() - start;
            })()",
        )
        .unwrap();
    assert!(duration_ms.as_f64().unwrap() < 1000.0, "{duration_ms}");
}
