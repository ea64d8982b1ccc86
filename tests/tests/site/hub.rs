//! Finding a model: the proposal on the first screen, and the search on a stand-in for Hugging Face.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
#![allow(clippy::too_many_lines, reason = "tests check many steps on one page")]

use parlance_tests::chat::{LAST_TEXT, MODEL_TIMEOUT, PAGE_TIMEOUT, READY, answer, ask, load_from_link};
use parlance_tests::failures::record_failure;
use parlance_tests::hub::{GATED, Hub, OPEN, TOKEN};
use parlance_tests::scripted::use_scripted_engine_everywhere;
use parlance_tests::seeing::seeing_model;
use parlance_tests::{Page, Server, Session};
use serde_json::json;

fn wait(page: &Page, condition: &str) {
    page.wait_for(condition, PAGE_TIMEOUT).unwrap();
}

/// Searches for a repository and opens the first.
fn open_repository(page: &Page, words: &str, repository: &str) {
    page.fill("#hub-words", words).unwrap();
    page.click("[data-testid=hub-submit]").unwrap();
    let item = format!("[data-repository='{repository}']");
    wait(page, &format!("document.querySelector({item:?})"));
    page.click(&format!("{item} summary")).unwrap();
    wait(page, &format!("document.querySelector({:?})", format!("{item} .hub-file")));
}

#[test]
fn the_first_screen_proposes_a_model_and_the_demo_answers_while_it_is_fetched() {
    const PROPOSAL: &str = "document.querySelector('[data-testid=proposal]')";
    const LOADED: &str = "asked.filter(({ type }) => type === 'load').map(({ source }) => source.url)";
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = session.open("about:blank").unwrap();
    use_scripted_engine_everywhere(&page).unwrap();
    // What the browser reports does not depend on the machine that runs the test.
    page.before_every_page("Object.defineProperty(navigator, 'deviceMemory', { get: () => 8 })").unwrap();
    page.navigate(&server.page("")).unwrap();
    wait(&page, PROPOSAL);
    let text = page.text("[data-testid=proposal]").unwrap();
    assert!(text.contains("models of up to 2.6 GB") && text.contains("Qwen3 4B Instruct 2507"), "{text}");
    assert!(text.contains("Allow https://huggingface.co and download 2.5 GB"), "{text}");
    // Another task and another size have other models.
    page.fill("#proposal-task", "images").unwrap();
    wait(&page, &format!("{PROPOSAL}.innerText.includes('SmolVLM 500M')"));
    page.fill("#proposal-task", "code").unwrap();
    page.fill("#proposal-size", "small").unwrap();
    wait(
        &page,
        &format!("{PROPOSAL}.innerText.includes('Qwen2.5 Coder 1.5B') && {PROPOSAL}.innerText.includes('986 MB')"),
    );
    page.fill("#proposal-task", "chat").unwrap();
    wait(&page, &format!("{PROPOSAL}.innerText.includes('Qwen3.5 0.8B')"));

    // Choosing it allows the host, which reloads the page; then it is fetched, and the demo model answers.
    page.click("[data-testid=fetch-proposed]").unwrap();
    wait(&page, "document.querySelector('[data-testid=fetch-progress]')?.innerText.includes('1.0 MB of 4.0 MB')");
    wait(&page, READY);
    assert!(page.evaluate(PROPOSAL).unwrap().is_null(), "a second model is proposed while one is fetched");
    let fetched = page.evaluate("asked.find(({ type }) => type === 'fetch')").unwrap();
    let address = fetched["source"]["url"].as_str().unwrap();
    assert!(address.contains("/Qwen3.5-0.8B-Q8_0.gguf#sha256="), "{address}");
    assert_eq!(fetched["projector"], "", "a projector that was not announced is fetched, too");
    ask(&page, "Tell me of otters").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 1: Tell me of otters");
    assert_eq!(page.evaluate(LOADED).unwrap(), json!([server.page("models/SmolLM2-135M-Instruct.Q4_1.gguf")]));

    // When it is here, a response in progress is not cut off.
    ask(&page, "Speak slowly").unwrap();
    wait(&page, &format!("{LAST_TEXT}.includes('word word')"));
    page.evaluate("finishFetch()").unwrap();
    wait(&page, "document.querySelector('[data-testid=model-fetched]')?.innerText.includes('Qwen3.5 0.8B is ready')");
    assert_eq!(page.evaluate(&format!("{LOADED}.length")).unwrap(), 1);
    page.press("Escape").unwrap();
    page.click("[data-testid=model-fetched] button.primary").unwrap();
    wait(&page, &format!("{LOADED}.at(-1) === {address:?} && !document.querySelector('[data-testid=model-fetched]')"));

    // From now on it is the one that is loaded.
    page.navigate(&server.page("?new")).unwrap();
    wait(&page, READY);
    assert_eq!(page.evaluate(LOADED).unwrap(), json!([address]));
    assert!(page.evaluate(PROPOSAL).unwrap().is_null());
}

#[test]
fn hugging_face_is_searched_and_its_token_is_sent_to_it_alone() {
    let files = seeing_model("gemma3").unwrap();
    let sizes = [files.model.len(), files.projector.len()];
    let hub = Hub::start(files).unwrap();
    let [hub_origin, file_origin] = hub.origins();
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(false).unwrap();
    // Failed requests are logged by the browser.
    for status in ["401", "500"] {
        session.expect_in_console(status);
    }
    let page = session.open(&server.page("catalogue")).unwrap();
    wait(&page, "document.querySelector('[data-testid=hub]')?.innerText.includes('Allow https://huggingface.co')");
    page.evaluate("document.querySelector('.hub-access').open = true").unwrap();
    page.fill("#hub-server", "no address").unwrap();
    page.click(".hub-access form:has(#hub-server) button").unwrap();
    wait(&page, "document.querySelector('.hub-access [role=alert]')?.innerText === 'This is not a valid URL.'");
    page.fill("#hub-server", &hub_origin).unwrap();
    page.click(".hub-access form:has(#hub-server) button").unwrap();
    wait(&page, &format!("document.querySelector('[data-testid=allow-host]')?.innerText.includes({hub_origin:?})"));
    assert!(hub.seen().is_empty(), "the page connected to a host that is not allowed: {:?}", hub.seen());
    // The host to which files are redirected, too; for Hugging Face itself that comes with it.
    page.evaluate(&format!("localStorage.setItem('parlance.sources', JSON.stringify([{file_origin:?}]))")).unwrap();
    page.click("[data-testid=allow-host]").unwrap();
    wait(&page, "document.querySelector('#hub-words')");

    // The demo model is here, so that it is clear which model takes its place.
    page.click(".page-header .back").unwrap();
    load_from_link(&page).unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    page.click(".sidebar-footer a[href=catalogue]").unwrap();
    wait(&page, "document.querySelector('#hub-words')");

    for (words, outcome) in [("broken", "HTTP 500"), ("garbage", "JSON")] {
        page.fill("#hub-words", words).unwrap();
        page.click("[data-testid=hub-submit]").unwrap();
        wait(&page, &format!("document.querySelector('.hub [role=alert]')?.innerText.includes({outcome:?})"));
    }
    page.fill("#hub-words", "nothing of the kind").unwrap();
    page.click("[data-testid=hub-submit]").unwrap();
    wait(&page, "document.querySelector('.hub').innerText.includes('No results. Only repositories with GGUF files')");

    open_repository(&page, "GGUF", OPEN);
    let names = "[...document.querySelectorAll('[data-repository]')].map(({ dataset }) => dataset.repository)";
    assert_eq!(page.evaluate(names).unwrap(), json!([OPEN, GATED]), "an id that is none is listed");
    let facts = page.text(&format!("[data-repository='{OPEN}'] summary")).unwrap();
    for fact in ["4.0 billion parameters", "gemma3", "mit", "1,234 downloads"] {
        assert!(facts.contains(fact), "{facts} lacks {fact}");
    }
    let listed = "[...document.querySelectorAll('.hub-file')].map(({ dataset }) => dataset.file)";
    assert_eq!(page.evaluate(listed).unwrap(), json!(["model-Q8_0", "huge-Q4_K_M"]));
    let file = page.text("[data-file=model-Q8_0]").unwrap();
    let total = (sizes[0] + sizes[1]) as f64;
    let total = if total < 1e6 { format!("{:.0} kB", total / 1e3) } else { format!("{:.1} MB", total / 1e6) };
    for fact in ["Q8_0", "mmproj-model-F16.gguf", &total] {
        assert!(file.contains(fact), "{file} lacks {fact}");
    }
    assert!(page.text(".hub").unwrap().contains("1 model"), "a model that lacks a part is not mentioned");
    page.click("[data-file=model-Q8_0] button").unwrap();
    page.wait_for(
        "document.querySelector('[data-testid=inspection]')?.innerText.includes('Sees images with mmproj-model-F16.gguf')",
        MODEL_TIMEOUT,
    )
    .unwrap();
    page.press("Escape").unwrap();
    wait(&page, "!document.querySelector('.dialog')");
    page.click("[data-file=model-Q8_0] [data-testid=hub-download]").unwrap();
    page.click(".page-header .back").unwrap();
    page.wait_for(&format!("{READY} && !document.querySelector('[data-testid=fetch-progress]')"), MODEL_TIMEOUT)
        .unwrap();
    page.click(".model-button").unwrap();
    wait(&page, "document.querySelector('.model-choice[aria-current=true]')?.innerText.includes('Q8_0')");
    page.press("Escape").unwrap();

    // A gated repository: refused without a token, and open with it.
    page.click(".sidebar-footer a[href=catalogue]").unwrap();
    open_repository(&page, "gated", GATED);
    let text = page.text(&format!("[data-repository='{GATED}']")).unwrap();
    assert!(text.contains("gated") && text.contains("access token"), "{text}");
    page.click("[data-testid=hub-download]").unwrap();
    page.wait_for("document.querySelector('[data-testid=fetch-failure]')?.innerText.includes('401')", MODEL_TIMEOUT)
        .unwrap();
    assert!(hub.seen().iter().all(|seen| seen.authorization.is_none()), "{:?}", hub.seen());
    page.evaluate("document.querySelector('.hub-access').open = true").unwrap();
    page.fill("#hub-token", "two words").unwrap();
    page.click(".hub-access form:has(#hub-token) button[type=submit]").unwrap();
    wait(&page, "document.querySelector('.hub-access [role=alert]')");
    page.fill("#hub-token", TOKEN).unwrap();
    page.click(".hub-access form:has(#hub-token) button[type=submit]").unwrap();
    wait(&page, "document.querySelector('[data-testid=forget-token]')");
    let shown = page.evaluate("document.documentElement.outerHTML").unwrap();
    assert!(!shown.as_str().unwrap().contains(TOKEN), "the token is shown");
    page.click("[data-testid=fetch-failure] button.primary").unwrap();
    page.wait_for(
        "!document.querySelector('[data-testid=fetch-failure], [data-testid=fetch-progress]')",
        MODEL_TIMEOUT,
    )
    .unwrap();
    let seen = hub.seen();
    let bearer = Some(format!("Bearer {TOKEN}"));
    assert!(seen.iter().any(|seen| !seen.is_files && seen.path.contains(GATED) && seen.authorization == bearer));
    assert!(seen.iter().any(|seen| seen.is_files && seen.path.contains(GATED)));
    let leaked: Vec<_> = seen.iter().filter(|seen| seen.is_files && seen.authorization.is_some()).collect();
    assert!(leaked.is_empty(), "the host of the files got the token: {leaked:?}");

    // Removed, it is not sent any more.
    page.click("[data-testid=forget-token]").unwrap();
    wait(&page, "!document.querySelector('[data-testid=forget-token]')");
    let before = hub.seen().len();
    page.fill("#hub-words", "tiny").unwrap();
    page.click("[data-testid=hub-submit]").unwrap();
    wait(
        &page,
        &format!(
            "document.querySelectorAll('[data-repository]').length === 1 && document.querySelector('[data-repository={OPEN:?}]')"
        ),
    );
    assert!(hub.seen().iter().skip(before).all(|seen| seen.authorization.is_none()));
    record_failure(
        "Download",
        "a gated repository refuses without a token",
        "the error says so; with a token the download works",
    );
    record_failure("Download", "the hub's answer is an error or no list", "the search says so");
}
