//! Models that see, in the browser: the same as in the native engine, through the page's composer, the module and the
//! `openai` package. The models are tiny.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{MODEL_TIMEOUT, PAGE_TIMEOUT, READY, answer, ask};
use parlance_tests::seeing::{PICTURE, Turn, answers, seeing_model, talking_seeing_model, top_log_probs};
use parlance_tests::{ModelHost, Page, Server, Session, root};
use serde_json::{Value, json};

const TURNS: [Turn<'static>; 5] = [
    ("user", Some([112, 84]), "one"),
    ("assistant", None, "ab"),
    ("user", Some([64, 96]), "two"),
    ("assistant", None, "cd"),
    ("user", Some([150, 90]), "three"),
];

/// Runs the body of an async function, and returns its value.
fn run(page: &Page, body: &str) -> Value {
    page.evaluate(&format!("(async () => {{ {body} }})()")).unwrap()
}

/// The messages of `TURNS` in JavaScript, where `url(width, height, index)` makes what stands for a picture.
fn messages(turns: &[Turn<'_>]) -> String {
    let message = |(index, (role, picture, text)): (usize, &Turn<'_>)| match picture {
        None => format!("{{ role: {role:?}, content: {text:?} }}"),
        Some([width, height]) => format!(
            "{{ role: {role:?}, content: [
                {{ type: 'image_url', image_url: {{ url: await url({width}, {height}, {index}) }} }},
                {{ type: 'text', text: {text:?} }},
            ] }}"
        ),
    };
    let messages: Vec<String> = turns.iter().enumerate().map(message).collect();
    format!("[{}]", messages.join(", "))
}

fn assert_close(actual: &Value, expected: &[f64], what: &str) {
    let actual: Vec<f64> = actual.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() < 1e-3, "{what}: {actual:?} instead of {expected:?}");
    }
}

/// A model with its projector takes more memory than alone, which decides whether it fits.
fn assert_is_larger(both: &Value, alone: &Value) {
    for bytes in ["weight_bytes", "scratch_bytes"] {
        let (both, alone) = (both[bytes].as_f64(), alone[bytes].as_f64());
        assert!(both > alone && alone > Some(0.0), "{bytes}: {both:?} and {alone:?}");
    }
}

/// A PNG file's header that claims 30,000 by 30,000 pixels.
const BOMB: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAdTAAAHUwCAIAAAA=";
const PARAM: &str = "messages[0].content[0].image_url.url";

/// Script: what the tests need of an answer.
const SUMMARY: &str = "(answer) => ({
    top: answer.choices[0].logprobs.content[0].top_logprobs.map(({ logprob }) => logprob),
    usage: answer.usage,
})";

#[test]
fn three_pictures_are_seen_as_by_the_native_engine() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    // Errors are HTTP responses, which the browser logs.
    session.expect_in_console("/v1/");
    for family in ["gemma3", "qwen3vl_merger"] {
        let files = seeing_model(family).unwrap();
        let expected = top_log_probs(&files, &TURNS);
        let mut changed = TURNS;
        changed[0].1 = Some([84, 112]);
        let other = top_log_probs(&files, &changed);
        let differs = expected.iter().zip(&other).any(|(seen, other)| (seen - other).abs() > 1e-2);
        assert!(differs, "{family}: the first picture makes no difference");

        let (host, beside) =
            (ModelHost::start(files.model.clone()).unwrap(), ModelHost::start(files.projector.clone()).unwrap());
        let photograph = std::fs::read(root().join("worker/engine/tests/fixtures/photographs/cat.png")).unwrap();
        let album = ModelHost::start(photograph).unwrap();
        let (model, projector) = (host.url(&format!("{family}.gguf")), beside.url("mmproj.gguf"));
        let photo = album.url("cat.png");
        let page = session.open(&server.page("")).unwrap();
        let origins = "[...arguments].map(url => new URL(url).origin)";
        page.evaluate(&format!(
            "(function () {{ localStorage.setItem('parlance.sources', JSON.stringify({origins})); }})({model:?}, {projector:?}, {photo:?})"
        ))
        .unwrap();
        page.wait_for("navigator.serviceWorker.controller", PAGE_TIMEOUT).unwrap();
        page.navigate(&server.page("examples.html")).unwrap();
        page.wait_for("navigator.serviceWorker.controller", Duration::from_secs(30)).unwrap();
        let seen = run(
            &page,
            &format!(
                "const {{ Parlance }} = await import(new URL('parlance.js', document.baseURI).href);
                const allowedHosts = [{model:?}, {projector:?}, {photo:?}].map(url => new URL(url).origin);
                window.phases = new Set();
                window.engine = await Parlance.create({{ allowedHosts, onProgress: ({{ phase }}) => phases.add(phase) }});
                await engine.configure({{ device: 'cpu' }});
                const described = await engine.inspect({model:?}, {{ projector: {projector:?} }});
                const alone = await engine.inspect({model:?}, {{ projector: false }});
                const info = await engine.load({model:?}, {{ projector: {projector:?} }});
                window.picture = {PICTURE};
                // Without the tokens that end an answer. Log probabilities are the model's own all the same.
                const logit_bias = {{ 257: -100, 258: -100, 259: -100 }};
                window.settings = {{ temperature: 0, max_tokens: 1, logprobs: true, top_logprobs: 5, logit_bias }};
                // In turn a file, a data URL and a bitmap.
                const dataUrl = (file) => new Promise((resolve) => {{
                    const reader = new FileReader();
                    reader.onload = () => resolve(reader.result);
                    reader.readAsDataURL(file);
                }});
                const kinds = [(file) => file, dataUrl, (file) => createImageBitmap(file)];
                const url = async (width, height, index) => kinds[index / 2](await picture(width, height));
                const create = async (messages) =>
                    ({SUMMARY})(await engine.chat.completions.create({{ messages, ...settings }}));
                const all = {all};
                const first = await create(all.slice(0, 1));
                const last = await create(all);
                // From a host that the client has named, and as a file.
                const ask = (url) => create([{{ role: 'user', content: [{{ type: 'image_url', image_url: {{ url }} }}] }}]);
                const photos = [await ask({photo:?}), await ask(await (await fetch({photo:?})).blob())];
                const wide = await picture(640, 480);
                const tokens = async (detail) => {{
                    const part = {{ type: 'image_url', image_url: {{ url: wide, detail }} }};
                    return (await create([{{ role: 'user', content: [part] }}])).usage.prompt_tokens_details.image_tokens;
                }};
                const details = [await tokens('high'), await tokens('low')];
                // Chrome's Prompt API, as a polyfill.
                const {{ languageModel }} = await import(new URL('parlance/language-model.js', document.baseURI).href);
                const LanguageModel = languageModel(engine, {{ model: {model:?}, projector: {projector:?} }});
                const session = await LanguageModel.create({{ expectedInputs: [{{ type: 'image' }}] }});
                const content = [{{ type: 'image', value: await picture(112, 84) }}, {{ type: 'text', value: 'one' }}];
                const prompted = await session.prompt([{{ role: 'user', content }}], {{ responseConstraint: /[a-z]{{3}}/ }});
                return {{ described, alone, info, first, last, phases: [...phases], photos, details, prompted, prompt_usage: session.contextUsage }};",
                all = messages(&TURNS),
            ),
        );
        assert_eq!(seen["described"]["projector"], "mmproj.gguf");
        let sizes = [files.model.len(), files.projector.len()].map(|len| len as f64);
        assert_eq!(seen["described"]["len_bytes"].as_f64(), Some(sizes[0] + sizes[1]));
        assert_is_larger(&seen["described"], &seen["alone"]);
        assert_eq!(seen["info"]["can_see"], true);
        assert_close(&seen["last"]["top"], &expected, family);
        assert_close(&seen["first"]["top"], &top_log_probs(&files, &TURNS[..1]), family);
        assert!(seen["phases"].as_array().unwrap().contains(&json!("see")), "{seen}");
        // The first picture's rows are reused, like text.
        let [first, last] = ["first", "last"].map(|answer| &seen[answer]["usage"]);
        let image_tokens = first["prompt_tokens_details"]["image_tokens"].as_u64().unwrap();
        assert!(last["prompt_tokens_details"]["cached_tokens"].as_u64() > Some(image_tokens), "{family}: {last}");
        assert!(last["prompt_tokens_details"]["image_tokens"].as_u64() > Some(image_tokens), "{family}: {last}");

        let fetched: Vec<f64> = serde_json::from_value(seen["photos"][0]["top"].clone()).unwrap();
        assert_close(&seen["photos"][1]["top"], &fetched, family);
        // In little detail, a picture takes less, where what it takes depends on its size.
        let [high, low] = [0, 1].map(|at| seen["details"][at].as_u64().unwrap());
        assert!(if family == "gemma3" { low == high } else { low < high }, "{family}: {seen}");
        assert_eq!(seen["prompted"].as_str().map(str::len), Some(3), "{seen}");
        assert!(seen["prompt_usage"].as_u64() > Some(image_tokens), "{family}: {seen}");

        check_openai(&page, family, &expected, &host.url("picture.png"));
        page.close().unwrap();
    }
}

#[test]
fn a_picture_is_seen_on_the_gpu_in_the_browser() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let files = seeing_model("gemma3").unwrap();
    let expected = top_log_probs(&files, &TURNS[..1]);
    let (host, beside) = (ModelHost::start(files.model).unwrap(), ModelHost::start(files.projector).unwrap());
    let (model, projector) = (host.url("model.gguf"), beside.url("mmproj.gguf"));
    let page = session.open(&server.blank_page()).unwrap();
    let seen = run(
        &page,
        &format!(
            "const {{ Parlance }} = await import({module:?});
            const allowedHosts = [{model:?}, {projector:?}].map(url => new URL(url).origin);
            const engine = await Parlance.create({{ allowedHosts }});
            await engine.configure({{ device: 'gpu' }});
            const info = await engine.load({model:?}, {{ projector: {projector:?} }});
            const url = {PICTURE};
            const settings = {{ temperature: 0, max_tokens: 1, logprobs: true, top_logprobs: 5 }};
            const logit_bias = {{ 257: -100, 258: -100, 259: -100 }};
            const answer = await engine.chat.completions.create({{ messages: {all}, ...settings, logit_bias }});
            return {{ info, answer: ({SUMMARY})(answer) }};",
            module = server.page("parlance.js"),
            all = messages(&TURNS[..1]),
        ),
    );
    assert_eq!((&seen["info"]["is_cpu"], &seen["info"]["can_see"]), (&json!(false), &json!(true)), "{seen}");
    assert_close(&seen["answer"]["top"], &expected, "on the GPU");
}

/// The unmodified `openai` package sees what the module does. Nothing is at `elsewhere`, of a host that the client has not named.
fn check_openai(page: &Page, family: &str, expected: &[f64], elsewhere: &str) {
    let through_http = run(
        page,
        &format!(
            "const {{ default: OpenAI }} = await import('/npm/openai/index.mjs');
            const client = new OpenAI({{
                apiKey: 'none', baseURL: new URL('v1', document.baseURI).href, dangerouslyAllowBrowser: true, maxRetries: 0,
            }});
            const url = async (width, height) => {{
                const bytes = new Uint8Array(await (await picture(width, height)).arrayBuffer());
                return `data:image/png;base64,${{btoa(String.fromCharCode(...bytes))}}`;
            }};
            const create = (messages) =>
                client.chat.completions.create({{ model: 'any', messages, ...settings }});
            const refusal = (data) => create([{{ role: 'user', content: [{{ type: 'image_url', image_url: {{ url: data }} }}] }}])
                .then(() => null, ({{ status, param, message }}) => ({{ status, param, message }}));
            const refused = [];
            for (const data of ['data:image/png;base64,AAAA', {BOMB:?}, 'data:image/svg+xml;base64,PHN2Zy8+', 'blob:null/x', {elsewhere:?}])
                refused.push(await refusal(data));
            return {{ answer: ({SUMMARY})(await create({all})), refused }};",
            all = messages(&TURNS),
        ),
    );
    assert_close(&through_http["answer"]["top"], expected, family);
    let refused = through_http["refused"].as_array().unwrap();
    for (refusal, part) in refused.iter().zip(["not a PNG, JPEG", "30000 × 30000 pixels", "SVG files are not drawn"]) {
        assert_eq!((&refusal["status"], &refusal["param"]), (&json!(400), &json!(PARAM)), "{refusal}");
        assert!(refusal["message"].as_str().unwrap().contains(part), "{refusal}");
    }
    // Nothing is fetched from hosts that the client has not named.
    for refusal in &refused[3..] {
        assert_eq!(refusal["status"], 403, "{refusal}");
    }
}

/// Script: engine workers that start from now on get what `hub` has for a URL. Workers start from scripts that the page makes.
const WITH_HUB: &str = "const create = URL.createObjectURL;
    URL.createObjectURL = (blob) => {
        if (blob.type !== 'text/javascript') return create.call(URL, blob);
        const first = `const hub = ${JSON.stringify(hub)}; const real = self.fetch;
            self.fetch = (url, init) => real.call(self, hub[url] ?? url, init);`;
        return create.call(URL, new Blob([first, blob], { type: blob.type }));
    };";

#[test]
fn projectors_are_found_by_name_or_file_and_refused_where_they_do_not_belong() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let (own, other) = (seeing_model("gemma3").unwrap(), seeing_model("qwen3vl_merger").unwrap());
    let len = own.model.len() + own.projector.len();
    let [host, own, other] = [own.model, own.projector, other.projector].map(|file| ModelHost::start(file).unwrap());
    let (model, own, other) = (host.url("model.gguf"), own.url("mmproj.gguf"), other.url("mmproj.gguf"));
    let page = session.open(&server.blank_page()).unwrap();
    let tried = run(
        &page,
        &format!(
            "const hub = {{}};
            const files = ['README.md', 'm.gguf', 'mmproj-F16.gguf'].map((path) => ({{ path }}));
            for (const [repository, projector] of [['owner/seeing', {own:?}], ['owner/wrong', {other:?}]]) {{
                const url = (path) => `https://huggingface.co/${{repository}}/resolve/main/${{path}}`;
                hub[`https://huggingface.co/api/models/${{repository}}/tree/main?recursive=true`] =
                    `data:application/json,${{encodeURIComponent(JSON.stringify(files))}}`;
                Object.assign(hub, {{ [url('m.gguf')]: {model:?}, [url('mmproj-F16.gguf')]: projector }});
            }}
            {WITH_HUB}
            const {{ Parlance }} = await import({module:?});
            const origins = [{model:?}, {own:?}, {other:?}].map(url => new URL(url).origin);
            const engine = await Parlance.create({{ allowedHosts: ['huggingface.co', ...origins] }});
            await engine.configure({{ device: 'cpu' }});
            const caught = (work) => work.then(() => null, ({{ kind, reason, message }}) => ({{ kind, reason: reason.code, message }}));
            // Named, with a model that it does not belong to, and alone.
            const wrong = await caught(engine.load({model:?}, {{ projector: {other:?} }}));
            const alone = await caught(engine.load({other:?}));
            const info = await engine.load({model:?});
            const image = {{ type: 'image_url', image_url: {{ url: new Blob(['x']) }} }};
            const blind = await caught(engine.chat.completions.create({{ messages: [{{ role: 'user', content: [image] }}] }}));
            // Found in the model's repository.
            const inspected = await engine.inspect('owner/seeing/m.gguf');
            const found = await engine.load('owner/seeing/m.gguf');
            const {{ models }} = await engine.storage.list();
            const without = await engine.load('owner/seeing/m.gguf', {{ projector: false }});
            const beside = await engine.load('owner/wrong/m.gguf');
            // Among the user's files.
            const file = async (url, name) => new File([await (await fetch(url)).blob()], name);
            const chosen = await engine.load([await file({own:?}, 'mmproj.gguf'), await file({model:?}, 'mine.gguf')]);
            const sees = [info, found, without, beside, chosen].map(({{ can_see }}) => can_see);
            const kept = models.filter(({{ is_projector }}) => is_projector).map(({{ url }}) => url);
            return {{ wrong, alone, blind, inspected, sees, warning: beside.warning, kept }};",
            module = server.page("parlance.js"),
        ),
    );
    for refused in ["wrong", "alone"] {
        assert_eq!(tried[refused]["reason"], "wrong_projector", "{tried}");
        assert!(tried[refused]["message"].as_str().unwrap().contains("mmproj.gguf"), "{tried}");
    }
    assert_eq!(tried["blind"]["reason"], "cannot_see", "{tried}");
    assert_eq!(tried["inspected"]["projector"], "mmproj-F16.gguf", "{tried}");
    assert_eq!(tried["inspected"]["len_bytes"].as_f64(), Some(len as f64), "{tried}");
    assert_eq!(tried["sees"], json!([false, true, false, false, true]), "{tried}");
    assert!(tried["warning"].as_str().unwrap().contains("mmproj-F16.gguf"), "{tried}");
    let kept = json!("https://huggingface.co/owner/seeing/resolve/main/mmproj-F16.gguf");
    assert!(tried["kept"].as_array().unwrap().contains(&kept), "{tried}");
}

/// Script: the ways in which a picture of some width and height comes to the composer.
const WAYS: &str = "{
    async transfer(width, height) {
        const data = new DataTransfer();
        data.items.add(await picture(width, height));
        return data;
    },
    async paste(width, height) {
        const clipboardData = await transfer(width, height);
        const event = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true });
        document.querySelector('#message').dispatchEvent(event);
    },
    async drop(width, height) {
        const dataTransfer = await transfer(width, height);
        document.querySelector('.app').dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true }));
    },
    async choose(width, height) {
        const field = document.querySelector('#attach-file');
        field.files = (await transfer(width, height)).files;
        field.dispatchEvent(new Event('change', { bubbles: true }));
    },
}";

#[test]
fn a_chat_with_three_pictures_is_answered_as_by_the_native_engine() {
    const QUESTIONS: [([u32; 2], &str); 3] = [([112, 84], "one"), ([64, 96], "two"), ([150, 90], "three")];
    const TOKENS: usize = 12;
    let files = talking_seeing_model("qwen3vl_merger").unwrap();
    let expected = answers(&files, &QUESTIONS, TOKENS);
    for index in 0..QUESTIONS.len() {
        let mut turned = QUESTIONS;
        turned[index].0.reverse();
        assert_ne!(answers(&files, &turned, TOKENS)[index], expected[index], "picture {index} makes no difference");
    }

    let server = Server::start().unwrap();
    // Without WebGPU, the browser computes on the CPU, too.
    let session = Session::start(false).unwrap();
    let greedy = format!("?temperature=0&repetition_penalty=1&max_tokens={TOKENS}");
    let page = session.open(&server.page(&greedy)).unwrap();
    page.click(".model-button").unwrap();
    page.wait_for("document.querySelector('#model-file')", PAGE_TIMEOUT).unwrap();
    let folder = std::env::temp_dir().join(format!("parlance-sight-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let [model, projector] = ["seeing.gguf", "mmproj-seeing.gguf"].map(|name| folder.join(name));
    std::fs::write(&model, &files.model).unwrap();
    std::fs::write(&projector, &files.projector).unwrap();
    page.choose_files("#model-file", &[&model, &projector]).unwrap();
    let inspected =
        "document.querySelector('[data-testid=inspection]')?.innerText.includes('Sees images with mmproj-seeing.gguf')";
    page.wait_for(inspected, MODEL_TIMEOUT).unwrap();
    page.click("[data-testid=inspection] button.primary").unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();

    page.evaluate(&format!("void Object.assign(window, {{ picture: {PICTURE} }}, {WAYS})")).unwrap();
    let ways = ["paste", "drop", "choose"];
    for ((way, ([width, height], question)), answered) in ways.into_iter().zip(QUESTIONS).zip(&expected) {
        page.evaluate(&format!("{way}({width}, {height})")).unwrap();
        let attached = "document.querySelectorAll('.composer .thumbnail img').length === 1";
        page.wait_for(attached, PAGE_TIMEOUT).unwrap();
        ask(&page, question).unwrap();
        assert_eq!(answer(&page).unwrap(), *answered, "{way}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
