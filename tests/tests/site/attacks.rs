//! What a model might write to harm whoever reads it (`fixtures/attacks.json`): scripts, requests to other hosts, hidden text. And
//! where the browser connects to during a whole session.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::time::Duration;

use parlance_tests::chat::{LAST_ANSWER, NEW_CHAT, answer, ask};
use parlance_tests::faults::shown;
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::{ModelHost, Server, Session, model_path};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Attack {
    name: String,
    text: String,
}

/// Notes whatever an attack would bring about.
const WATCH: &str = "(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
    for (const name of ['alert', 'confirm', 'prompt', 'open']) window[name] = () => { window.pwned = name; };
})()";

/// What is wrong with the last answer, as it stands on the page.
const FAULTS: &str = "(() => {
    const answer = [...document.querySelectorAll('[data-role=assistant] .markdown')].at(-1);
    const faults = [];
    if (window.pwned !== undefined) faults.push(`a script ran: ${window.pwned}`);
    const forbidden = 'script, iframe, object, embed, img, picture, video, audio, source, svg, form, input, select, textarea, style, link, meta, base, template, area, map, marquee, font';
    for (const element of answer.querySelectorAll(forbidden)) faults.push(`an element: ${element.outerHTML}`);
    for (const element of answer.querySelectorAll('*')) {
        // The page's own buttons on blocks of code.
        if (element.closest('.code-toolbar, button')) continue;
        for (const { name, value } of element.attributes) {
            if (name.startsWith('on') || ['style', 'id', 'name', 'src', 'srcset', 'background', 'ping', 'formaction', 'hidden', 'download'].includes(name)) {
                faults.push(`an attribute: ${name}=${value}`);
            }
        }
        if (element.matches('a[href]') && !/^(https?:|mailto:|#note-)/.test(element.getAttribute('href'))) faults.push(`a link: ${element.outerHTML}`);
        if (element.matches('a') && (element.target !== '_blank' || !element.rel.includes('noopener'))) faults.push(`a link's target: ${element.outerHTML}`);
        const { display, visibility, opacity, fontSize, position } = getComputedStyle(element);
        if (visibility !== 'visible' || opacity === '0' || fontSize === '0px' || (display === 'none' && !element.closest('details'))) {
            if (element.textContent.trim()) faults.push(`hidden text: ${element.outerHTML}`);
        }
        if (position === 'fixed') faults.push(`over the page: ${element.outerHTML}`);
    }
    if (/[\\u{202a}-\\u{202e}\\u{2066}-\\u{206f}\\u{fe00}-\\u{fe0d}\\u{e0000}-\\u{e0fff}]/u.test(answer.textContent)) faults.push('characters that nobody sees');
    const foreign = performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !name.startsWith(location.origin) && !name.startsWith('blob:'));
    if (foreign.length > 0) faults.push(`requests: ${foreign}`);
    return faults;
})()";

/// Asks for an answer that is given, presses whatever in it can be pressed (but for links, which lead away, and the page's own
/// buttons), and says what is wrong. All in one call: the driver takes a tenth of a second for each.
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
    return FAULTS;
}";

#[test]
fn no_answer_runs_scripts_asks_other_hosts_or_hides_text() {
    let attacks: Vec<Attack> = serde_json::from_str(include_str!("../../fixtures/attacks.json")).unwrap();
    assert!(attacks.len() >= 60);
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    // What the policy refuses is what the test looks for.
    session.expect_in_console("Content Security Policy");
    let page = session.open(&server.page("")).unwrap();
    use_scripted_engine(&page).unwrap();
    page.evaluate(WATCH).unwrap();
    // The watch sees what it is to see.
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<b id=w onclick=\"window.pwned=1\"></b>'), document.querySelector('#w').click()").unwrap();
    page.wait_for("violations.length > 0 && window.pwned === undefined", Duration::from_secs(5)).unwrap();
    page.evaluate("(document.querySelector('#w').remove(), violations.length = 0)").unwrap();
    // Nor does the browser look up the names of hosts that links lead to.
    let prefetch = "document.querySelector('meta[http-equiv=x-dns-prefetch-control]')?.content";
    assert_eq!(page.evaluate(prefetch).unwrap(), "off");

    let attempt = format!("({})", TRY.replace("FAULTS", FAULTS));
    let mut failures = Vec::new();
    for (index, attack) in attacks.iter().enumerate() {
        if index % 12 == 0 {
            page.click(NEW_CHAT).unwrap();
        }
        let faults = page.evaluate(&format!("{attempt}({})", json!(attack.text))).unwrap();
        if faults != json!([]) {
            failures.push(format!("{}: {faults}", attack.name));
        }
    }
    // What the sanitiser lets through, the policy would have stopped: there was nothing to stop.
    assert_eq!(page.evaluate("violations").unwrap(), json!([]));
    assert!(failures.is_empty(), "{failures:#?}");
    // The check sees what it is to see.
    for bad in
        ["<b onclick=a>a</b>", "<img>", "<a href=settings target=_blank rel=noopener>a</a>", "<b class=unseen>a</b>"]
    {
        let put = format!("{LAST_ANSWER}.querySelector('.markdown').innerHTML = {bad:?}");
        let hide = "document.querySelector('.unseen') && (document.querySelector('.unseen').style.opacity = 0)";
        page.evaluate(&format!("({put}, {hide})")).unwrap();
        assert_ne!(page.evaluate(FAULTS).unwrap(), json!([]), "{bad}");
    }
    assert_eq!(page.evaluate("document.title").unwrap(), "Go on – Parlance");
    let outcome = format!("{} tried: nothing runs, is fetched, or is hidden", attacks.len());
    shown("Input", "an answer holds scripts, foreign images, tricks with links or hidden text", &outcome);
}

#[test]
fn the_browser_connects_to_the_site_and_to_the_host_that_was_allowed_and_to_no_other() {
    let server = Server::start().unwrap();
    let host = ModelHost::start(std::fs::read(model_path()).unwrap()).unwrap();
    let log = std::env::temp_dir().join(format!("parlance-net-log-{}.json", std::process::id()));
    let session = Session::with_network_log(&log).unwrap();
    let model = host.url("model.gguf");
    session.expect_in_console("Content Security Policy");
    let page = session.open(&server.page("?max_tokens=5")).unwrap();
    // Nothing but the site may be asked, from the page and from its workers.
    let fetched = page.evaluate(&format!("fetch({model:?}).then(() => 'fetched', (error) => error.name)")).unwrap();
    assert_eq!(fetched, "TypeError", "the policy forbids it");
    page.evaluate("localStorage.setItem('parlance.agreed', 'yes')").unwrap();
    page.navigate(&server.page(&format!("?max_tokens=5&model={model}"))).unwrap();
    page.click("[data-testid=allow-host]").unwrap();
    ask(&page, "Hello").unwrap();
    assert!(!answer(&page).unwrap().is_empty());
    for path in ["settings", "catalogue", "storage", "performance", "playground"] {
        page.follow(path).unwrap();
        page.wait_for("document.querySelector('h1')", Duration::from_secs(20)).unwrap();
    }
    page.follow("settings").unwrap();
    let forget = "document.querySelector('[data-testid=allowed-hosts] button')";
    page.wait_for(forget, Duration::from_secs(20)).unwrap();
    page.evaluate(&format!("{forget}.click()")).unwrap();
    page.wait_for(&format!("!{forget}"), Duration::from_secs(5)).unwrap();
    // A model that searches files is asked for in the settings.
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
    shown("Download", "the model's host was not allowed yet", "nothing is asked of it before the user allows it");
}

/// Tells what a model is, or the kind of the failure.
const TELL: &str = "async (engine, model) => {
    try {
        return (await engine.inspect(model)).architecture;
    } catch (error) {
        return error.kind ?? String(error);
    }
}";

#[test]
fn no_way_in_fetches_models_from_hosts_that_were_not_named() {
    let (server, stranger) = (Server::start().unwrap(), Server::start().unwrap());
    let host = ModelHost::start(std::fs::read(model_path()).unwrap()).unwrap();
    let model = host.url("model.gguf");
    let session = Session::start(true).unwrap();

    // On a page of the site the worker that the module starts leads. It obeys its own list, and the page's policy, whoever asks.
    session.expect_in_console("Content Security Policy");
    let page = session.open(&server.page("examples.html")).unwrap();
    let asked = format!(
        "(async () => {{
            const {{ Parlance }} = await import(new URL('parlance.js', document.baseURI).href);
            const tell = {TELL};
            const leading = await Parlance.create();
            const first = await tell(leading, {model:?});
            const naming = await Parlance.create({{ allowedHosts: [new URL({model:?}).origin] }});
            return [first, await tell(naming, {model:?})];
        }})()"
    );
    assert_eq!(page.evaluate(&asked).unwrap(), json!(["not_allowed", "not_allowed"]));
    assert_eq!(host.sent_bytes(), 0);
    page.close().unwrap();

    // Where there is no policy, everybody's own list counts, not that of whoever leads.
    let page = session.open(&stranger.blank_page()).unwrap();
    let (module, own) = (server.page("parlance.js"), server.page("models/SmolLM2-135M-Instruct.Q4_1.gguf"));
    let asked = format!(
        "(async () => {{
            const {{ Parlance }} = await import({module:?});
            const tell = {TELL};
            window.strict = await Parlance.create();
            await strict.storage.list();
            window.naming = await Parlance.create({{ allowedHosts: [new URL({model:?}).origin] }});
            await naming.storage.list();
            return [await tell(strict, {model:?}), await tell(strict, {own:?})];
        }})()"
    );
    assert_eq!(page.evaluate(&asked).unwrap(), json!(["not_allowed", "llama"]));
    assert_eq!(host.sent_bytes(), 0);
    let asked = format!("({TELL})(naming, {model:?})");
    assert_eq!(page.evaluate(&asked).unwrap(), "llama");
    let sent_bytes = host.sent_bytes();
    assert!(sent_bytes > 0);
    // The other one leads now.
    let asked = format!(
        "(async () => {{
            strict.terminate();
            await naming.storage.list();
            return [await ({TELL})(strict, {model:?}), await ({TELL})(naming, {model:?})];
        }})()"
    );
    assert_eq!(page.evaluate(&asked).unwrap(), json!(["not_allowed", "llama"]));
    shown("Download", "a page that embeds the module has not named the model's host", "nothing is asked of that host");
}

fn origin(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

/// The origins that pages and their workers asked, in a browser's log of its network. What a browser asks of its maker by itself
/// has no initiator.
fn origins(log: &std::path::Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(log).unwrap();
    std::fs::remove_file(log).unwrap();
    // A browser that was ended leaves the list of events open, and sometimes its last event, which has a line of its own.
    let whole_events = text.trim_end().trim_end_matches(',');
    let without_last = text.rfind(",\n").map_or("", |end| &text[..end]);
    let log: Value = [&text, &format!("{whole_events}]}}"), &format!("{without_last}]}}")]
        .into_iter()
        .find_map(|log| serde_json::from_str(log).ok())
        .unwrap();
    let events = log["events"].as_array().unwrap();
    let asked = events.iter().map(|event| &event["params"]);
    let asked = asked.filter(|params| params["initiator"].as_str().is_some_and(|origin| origin.starts_with("http")));
    asked.filter_map(|params| params["url"].as_str()).filter(|url| url.starts_with("http")).map(origin).collect()
}
