//! Attached files: what can be attached, and how long files are searched. A mock engine answers.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_tests::chat::{answer, ask, new_chat};
use parlance_tests::{Server, Session};

use crate::conversations::{open, wait};

#[test]
fn long_files_are_searched_and_their_passages_cited() {
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
    // Counted by the model's tokenizer, for which words are tokens here.
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
    // A table of several megabytes is searched, too.
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
    new_chat(&page).unwrap();
    attach_file(
        "people.csv",
        "Array.from({ length: 240000 }, (_, row) => `${row};person ${row};${row * 7}`).join('\\n')",
    );
    wait(&page, "document.querySelector('.composer .attachment')?.innerText.includes('people.csv')");
    ask(&page, "Which number has person 123456?").unwrap();
    answer(&page).unwrap();
    let sources = page.evaluate("document.querySelector('.sources').textContent").unwrap();
    assert!(sources.as_str().unwrap().contains("| 123456 | person 123456 | 864192 |"), "{sources}");
    // Files that cannot be attached are rejected with a reason.
    let refusals = [
        ("photo.jpg", "new Uint8Array([0xff, 0xd8, 0xff, 0xe0])", "photo.jpg is damaged or incomplete"),
        ("photo.tiff", "new Uint8Array([0x49, 0x49, 0x2a, 0, 8, 0, 0, 0])", "photo.tiff is an image of a kind that"),
        ("paper.pdf", "'%PDF-1.7 a text'", "paper.pdf is damaged"),
        ("old.csv", "new Uint8Array([0x47, 0x72, 0xf6, 0xdf, 0x65])", "old.csv is not encoded as UTF-8"),
        ("huge.csv", "'x'.repeat(33e6)", "huge.csv is 33.0 MB. Attachments are limited to 32 MB per message"),
    ];
    for (name, content, refusal) in refusals {
        attach_file(name, content);
        wait(&page, &format!("document.querySelector('.toast')?.innerText.includes({refusal:?})"));
    }
    assert_eq!(page.evaluate("document.querySelectorAll('.composer .attachment').length").unwrap(), 0);
    // With an embedding model, meaning counts: the question shares no word with the passage.
    page.follow("settings").unwrap();
    page.fill("#embedding-model", "models/embedding.gguf").unwrap();
    page.follow("./").unwrap();
    wait(&page, "document.querySelector('.app')");
    new_chat(&page).unwrap();
    page.evaluate(attach).unwrap();
    wait(&page, "document.querySelector('.attachment')?.innerText.includes('tokens')");
    ask(&page, "Which airship came down?").unwrap();
    answer(&page).unwrap();
    let sources = page.evaluate("document.querySelector('.sources').textContent").unwrap();
    assert!(sources.as_str().unwrap().contains("landed in Lakehurst"), "{sources}");
    let loaded = page.evaluate("asked.find(request => request.type === 'load' && request.beside)?.source.url").unwrap();
    assert!(loaded.as_str().unwrap().ends_with("/models/embedding.gguf"), "{loaded}");
}
