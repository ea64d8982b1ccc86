//! Projects: instructions, files and chats together. A mock engine answers.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_tests::chat::{answer, ask};
use parlance_tests::{Server, Session};
use serde_json::json;

use crate::attachments::DOCUMENTS;
use crate::conversations::{open, wait};

#[test]
fn chats_of_a_project_quote_its_files() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open(&session, &server);
    page.evaluate(DOCUMENTS).unwrap();
    page.click("[data-testid=model-offer] button").unwrap();
    wait(&page, "document.querySelector('.model-button[data-state=ready]')");
    page.follow("projects").unwrap();
    page.fill("#project-name", "Airships").unwrap();
    page.press("Enter").unwrap();
    wait(&page, "document.querySelector('.project-name')?.value === 'Airships'");
    page.fill(".project textarea", "Answer like a captain.").unwrap();
    let add = "(() => {
        const field = document.querySelector('.project input[type=file]');
        const data = new DataTransfer();
        data.items.add(new File([textPdf('Nothing in particular.', 'The zeppelin landed in Lakehurst.')], 'log.pdf'));
        data.items.add(new File(['Bees make honey.'], 'bees.md'));
        data.items.add(new File([zip({ 'a.txt': 'a' }, true)], 'secret.zip'));
        field.files = data.files;
        field.dispatchEvent(new Event('change', { bubbles: true }));
    })()";
    page.evaluate(add).unwrap();
    wait(&page, "document.querySelector('.toast')?.innerText.includes('secret.zip has a password')");
    wait(&page, "document.querySelectorAll('.project-files li').length === 2");
    // By words, at once.
    page.click("[data-testid=new-project-chat]").unwrap();
    wait(&page, "document.querySelector('.project-note')?.innerText.includes('Airships')");
    page.evaluate("window.nextAnswer = 'In Lakehurst [1].'").unwrap();
    ask(&page, "Where did the zeppelin land?").unwrap();
    answer(&page).unwrap();
    let sent = "JSON.stringify(asked.findLast(request => request.type === 'api' && request.endpoint === 'chat_completions').body.messages)";
    let messages = page.evaluate(sent).unwrap();
    for expected in ["Answer like a captain.", "[1] From “log.pdf, page 2”", "The zeppelin landed in Lakehurst."] {
        assert!(messages.as_str().unwrap().contains(expected), "{messages}");
    }
    page.click(".markdown .citation").unwrap();
    wait(&page, "document.querySelector('.dialog[open] mark')?.innerText === 'The zeppelin landed in Lakehurst.'");
    assert_eq!(page.text(".source-place").unwrap(), "log.pdf, page 2");
    page.click(".dialog [aria-label=Close]").unwrap();
    // By meaning, once vectors are there. The chat is listed with its project.
    page.follow("settings").unwrap();
    page.fill("#embedding-model", "models/embedding.gguf").unwrap();
    page.follow("projects").unwrap();
    wait(
        &page,
        "[...document.querySelectorAll('.project-files li')].every(file => /by meaning: [12]$/.test(file.innerText.trim()))",
    );
    wait(&page, "document.querySelector('.project-chats')?.innerText.includes('Where did the zeppelin land?')");
    page.click("[data-testid=new-project-chat]").unwrap();
    wait(&page, "document.querySelector('.project-note')");
    ask(&page, "Which airship came down?").unwrap();
    answer(&page).unwrap();
    let messages = page.evaluate(sent).unwrap();
    assert!(messages.as_str().unwrap().contains("The zeppelin landed in Lakehurst."), "{messages}");
    // A ranker chooses among what was found: here, airships before all else.
    page.follow("settings").unwrap();
    page.fill("#ranker", "models/ranker.gguf").unwrap();
    page.follow("projects").unwrap();
    page.click("[data-testid=new-project-chat]").unwrap();
    wait(&page, "document.querySelector('.project-note')");
    ask(&page, "Who makes honey: bees?").unwrap();
    answer(&page).unwrap();
    let ranked =
        page.evaluate("asked.filter(request => request.endpoint === 'rerank').map(request => request.body)").unwrap();
    assert_eq!((ranked.as_array().unwrap().len(), &ranked[0]["query"]), (1, &json!("Who makes honey: bees?")));
    assert!(ranked[0]["documents"].as_array().unwrap().contains(&json!("Bees make honey.")), "{ranked}");
    let messages = page.evaluate(sent).unwrap();
    for expected in ["[1] From “log.pdf, page 2”", "[2] From “", "Bees make honey."] {
        assert!(messages.as_str().unwrap().contains(expected), "{messages}");
    }
    // A file that is deleted is not found any more, and a project goes with its files.
    page.follow("projects").unwrap();
    wait(&page, "document.querySelectorAll('.project-files li').length === 2");
    page.click(".project-files li [aria-label=Remove]").unwrap();
    wait(&page, "document.querySelectorAll('.project-files li').length === 1");
    page.click(".project .danger").unwrap();
    page.click(".project .danger").unwrap();
    wait(&page, "!document.querySelector('.project')");
}
