//! Attacks in answers (`fixtures/attacks.json`): scripts, requests to other hosts, hidden text. Also which hosts the
//! browser connects to.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::time::Duration;

use parlance_tests::chat::{LAST_ANSWER, answer, ask, new_chat};
use parlance_tests::failures::record_failure;
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::tiny::talking_model;
use parlance_tests::{ModelHost, Server, Session};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Attack {
    name: String,
    text: String,
}

/// Records what attacks would cause.
pub(crate) const WATCH: &str = "(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
    for (const name of ['alert', 'confirm', 'prompt', 'open']) window[name] = () => { window.pwned = name; };
})()";

/// Finds problems in the last answer as it is rendered.
pub(crate) const PROBLEMS: &str = "(() => {
    const answer = [...document.querySelectorAll('[data-role=assistant] .markdown')].at(-1);
    const problems = [];
    if (window.pwned !== undefined) problems.push(`a script ran: ${window.pwned}`);
    const forbidden = 'script, iframe, object, embed, img, picture, video, audio, source, svg, form, input, select, textarea, style, link, meta, base, template, area, map, marquee, font';
    for (const element of answer.querySelectorAll(forbidden)) problems.push(`an element: ${element.outerHTML}`);
    for (const element of answer.querySelectorAll('*')) {
        // The page's own buttons on blocks of code.
        if (element.closest('.code-toolbar, button')) continue;
        for (const { name, value } of element.attributes) {
            if (name.startsWith('on') || ['style', 'id', 'name', 'src', 'srcset', 'background', 'ping', 'formaction', 'hidden', 'download'].includes(name)) {
                problems.push(`an attribute: ${name}=${value}`);
            }
        }
        if (element.matches('a[href]') && !/^(https?:|mailto:|#note-)/.test(element.getAttribute('href'))) problems.push(`a link: ${element.outerHTML}`);
        if (element.matches('a') && (element.target !== '_blank' || !element.rel.includes('noopener'))) problems.push(`a link's target: ${element.outerHTML}`);
        const { display, visibility, opacity, fontSize, position } = getComputedStyle(element);
        if (visibility !== 'visible' || opacity === '0' || fontSize === '0px' || (display === 'none' && !element.closest('details'))) {
            if (element.textContent.trim()) problems.push(`hidden text: ${element.outerHTML}`);
        }
        if (position === 'fixed') problems.push(`covers the page: ${element.outerHTML}`);
    }
    if (/[\\u{202a}-\\u{202e}\\u{2066}-\\u{206f}\\u{fe00}-\\u{fe0d}\\u{e0000}-\\u{e0fff}]/u.test(answer.textContent)) problems.push('invisible characters');
    const foreign = performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !name.startsWith(location.origin) && !name.startsWith('blob:'));
    if (foreign.length > 0) problems.push(`requests: ${foreign}`);
    return problems;
})()";

/// Requests an answer with the given text, clicks everything in it (except links, which lead away, and the page's own
/// buttons), and returns the problems.
const TRY: &str = "async (text) => {
    const until = async (condition) => {
        const start = performance.now();
        while (!condition()) {
            if (performance.now() - start > 20000) throw new Error(`never: ${condition}`);
            await new Promise((done) => setTimeout(done, 5));
        }
    };
    const answers = () => [...document.querySelectorAll('[data-role=assistant]')];
    const before = answers().length;
    window.nextAnswer = text;
    const field = document.querySelector('#message');
    field.focus();
    field.value = 'Go on';
    field.dispatchEvent(new Event('input', { bubbles: true }));
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await until(() => answers().length > before && answers().at(-1).dataset.active === 'false');
    await until(() => answers().at(-1).querySelector('.markdown[data-complete=true]'));
    for (const element of answers().at(-1).querySelectorAll('.markdown *')) element.closest('a, button') ?? element.click?.();
    return PROBLEMS;
}";

#[test]
fn answers_cannot_run_scripts_contact_other_hosts_or_hide_text() {
    let attacks: Vec<Attack> = serde_json::from_str(include_str!("../../fixtures/attacks.json")).unwrap();
    assert!(attacks.len() >= 60);
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    // The test looks for what the policy blocks.
    session.expect_in_console("Content Security Policy");
    let page = session.open(&server.page("")).unwrap();
    use_scripted_engine(&page).unwrap();
    page.evaluate(WATCH).unwrap();
    // Proves that violations are recorded.
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<b id=w onclick=\"window.pwned=1\"></b>'), document.querySelector('#w').click()").unwrap();
    page.wait_for("violations.length > 0 && window.pwned === undefined", Duration::from_secs(5)).unwrap();
    page.evaluate("(document.querySelector('#w').remove(), violations.length = 0)").unwrap();
    // The browser does not resolve the hosts of links in advance either.
    let prefetch = "document.querySelector('meta[http-equiv=x-dns-prefetch-control]')?.content";
    assert_eq!(page.evaluate(prefetch).unwrap(), "off");

    let attempt = format!("({})", TRY.replace("PROBLEMS", PROBLEMS));
    let mut failures = Vec::new();
    for (index, attack) in attacks.iter().enumerate() {
        if index % 12 == 0 {
            new_chat(&page).unwrap();
        }
        let problems = page.evaluate(&format!("{attempt}({})", json!(attack.text))).unwrap();
        if problems != json!([]) {
            failures.push(format!("{}: {problems}", attack.name));
        }
    }
    // The policy would have blocked what the sanitiser missed, but there was nothing to block.
    assert_eq!(page.evaluate("violations").unwrap(), json!([]));
    assert!(failures.is_empty(), "{failures:#?}");
    // Proves that problems are found.
    for bad in
        ["<b onclick=a>a</b>", "<img>", "<a href=settings target=_blank rel=noopener>a</a>", "<b class=unseen>a</b>"]
    {
        let put = format!("{LAST_ANSWER}.querySelector('.markdown').innerHTML = {bad:?}");
        let hide = "document.querySelector('.unseen') && (document.querySelector('.unseen').style.opacity = 0)";
        page.evaluate(&format!("({put}, {hide})")).unwrap();
        assert_ne!(page.evaluate(PROBLEMS).unwrap(), json!([]), "{bad}");
    }
    assert_eq!(page.evaluate("document.title").unwrap(), "Go on – Parlance");
    let outcome = format!("{} attacks tried: nothing runs, is fetched or is hidden", attacks.len());
    record_failure("Input", "an answer contains scripts, external images, deceptive links or hidden text", &outcome);
}

#[test]
fn the_browser_only_connects_to_the_site_and_to_allowed_hosts() {
    let server = Server::start().unwrap();
    let host = ModelHost::start(talking_model().unwrap()).unwrap();
    let log = std::env::temp_dir().join(format!("parlance-net-log-{}.json", std::process::id()));
    let session = Session::with_network_log(&log).unwrap();
    let model = host.url("model.gguf");
    session.expect_in_console("Content Security Policy");
    let page = session.open(&server.page("?max_tokens=5")).unwrap();
    // The policy only allows requests to the site, from the page and from its workers.
    let fetched = page.evaluate(&format!("fetch({model:?}).then(() => 'fetched', (error) => error.name)")).unwrap();
    assert_eq!(fetched, "TypeError", "blocked by the policy");
    page.evaluate("localStorage.setItem('parlance.agreed', 'yes')").unwrap();
    page.navigate(&server.page(&format!("?temperature=0&max_tokens=5&model={model}"))).unwrap();
    page.click("[data-testid=allow-host]").unwrap();
    ask(&page, "Hello").unwrap();
    assert!(!answer(&page).unwrap().is_empty());
    for path in ["settings", "catalogue", "projects", "storage", "performance", "playground"] {
        page.follow(path).unwrap();
        page.wait_for("document.querySelector('h1')", Duration::from_secs(20)).unwrap();
    }
    page.follow("settings").unwrap();
    let forget = "document.querySelector('[data-testid=allowed-hosts] button')";
    page.wait_for(forget, Duration::from_secs(20)).unwrap();
    page.evaluate(&format!("{forget}.click()")).unwrap();
    page.wait_for(&format!("!{forget}"), Duration::from_secs(5)).unwrap();
    // The embedding model for searching files is set in the settings.
    page.fill("#embedding-model", &model).unwrap();
    page.click("[data-testid=allow-host]").unwrap();
    page.wait_for(forget, Duration::from_secs(20)).unwrap();
    assert_eq!(page.evaluate("document.querySelector('#embedding-model').value").unwrap(), json!(model));
    page.wait_for("!document.querySelector('[data-testid=allow-host]')", Duration::from_secs(5)).unwrap();
    drop(page);
    drop(session);

    let origins = origins(&log);
    let expected: BTreeSet<String> = [server.page(""), model].iter().map(|url| origin(url)).collect();
    assert_eq!(origins, expected);
    record_failure(
        "Download",
        "the user has not allowed the model's host yet",
        "nothing is requested from it until the user allows it",
    );
}

/// Returns the architecture of a model, or the kind of the failure.
const INSPECT: &str = "async (engine, model) => {
    try {
        return (await engine.inspect(model)).architecture;
    } catch (error) {
        return error.kind ?? String(error);
    }
}";

#[test]
fn models_are_only_fetched_from_hosts_that_the_page_has_named() {
    let (server, third_party) = (Server::start().unwrap(), Server::start().unwrap());
    let host = ModelHost::start(talking_model().unwrap()).unwrap();
    let model = host.url("model.gguf");
    let session = Session::start(true).unwrap();

    // On a page of the site, the worker that the module starts leads. Its own list and the page's policy apply to all
    // clients.
    session.expect_in_console("Content Security Policy");
    let page = session.open(&server.page("examples.html")).unwrap();
    let script = format!(
        "(async () => {{
            const {{ Parlance }} = await import(new URL('parlance.js', document.baseURI).href);
            const inspect = {INSPECT};
            const leading = await Parlance.create();
            const first = await inspect(leading, {model:?});
            const naming = await Parlance.create({{ allowedHosts: [new URL({model:?}).origin] }});
            return [first, await inspect(naming, {model:?})];
        }})()"
    );
    assert_eq!(page.evaluate(&script).unwrap(), json!(["not_allowed", "not_allowed"]));
    assert_eq!(host.sent_bytes(), 0);
    page.close().unwrap();

    // Without a policy, each client's own list applies, not the leader's.
    let page = session.open(&third_party.blank_page()).unwrap();
    let (module, own) = (server.page("parlance.js"), server.page("models/SmolLM2-135M-Instruct.Q4_1.gguf"));
    let script = format!(
        "(async () => {{
            const {{ Parlance }} = await import({module:?});
            const inspect = {INSPECT};
            window.strict = await Parlance.create();
            await strict.storage.list();
            window.naming = await Parlance.create({{ allowedHosts: [new URL({model:?}).origin] }});
            await naming.storage.list();
            return [await inspect(strict, {model:?}), await inspect(strict, {own:?})];
        }})()"
    );
    assert_eq!(page.evaluate(&script).unwrap(), json!(["not_allowed", "llama"]));
    assert_eq!(host.sent_bytes(), 0);
    let script = format!("({INSPECT})(naming, {model:?})");
    assert_eq!(page.evaluate(&script).unwrap(), "llama");
    let sent_bytes = host.sent_bytes();
    assert!(sent_bytes > 0);
    // Now the other client's worker leads.
    let script = format!(
        "(async () => {{
            strict.terminate();
            await naming.storage.list();
            return [await ({INSPECT})(strict, {model:?}), await ({INSPECT})(naming, {model:?})];
        }})()"
    );
    assert_eq!(page.evaluate(&script).unwrap(), json!(["not_allowed", "llama"]));
    record_failure(
        "Download",
        "a page that embeds the module has not named the model's host",
        "nothing is requested from that host",
    );
}

fn origin(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

/// The origins that pages and their workers requested, according to the browser's network log. The browser's own
/// requests have no initiator.
fn origins(log: &std::path::Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(log).unwrap();
    std::fs::remove_file(log).unwrap();
    // A killed browser leaves the list of events unterminated, and sometimes also the last event, which is a line.
    let whole_events = text.trim_end().trim_end_matches(',');
    let without_last = text.rfind(",\n").map_or("", |end| &text[..end]);
    let log: Value = [&text, &format!("{whole_events}]}}"), &format!("{without_last}]}}")]
        .into_iter()
        .find_map(|log| serde_json::from_str(log).ok())
        .unwrap();
    let events = log["events"].as_array().unwrap();
    let is_of_a_page = |params: &&Value| params["initiator"].as_str().is_some_and(|origin| origin.starts_with("http"));
    let requests = events.iter().map(|event| &event["params"]).filter(is_of_a_page);
    requests.filter_map(|params| params["url"].as_str()).filter(|url| url.starts_with("http")).map(origin).collect()
}
