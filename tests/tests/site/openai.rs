//! The two APIs for other code: the site's service worker, with the unmodified `openai` package as the client, and the
//! ES module on a page of another origin. The native server, which answers like the site's.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
#![allow(clippy::too_many_lines, reason = "tests check many steps on one page")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use parlance_tests::chat::{MODEL_TIMEOUT, READY, load_from_link};
use parlance_tests::{Page, Server, Session, model_path, root, site};
use serde_json::{Value, json};

const DEMO_MODEL: &str = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

/// Creates the client of the `openai` package.
pub(crate) const CLIENT: &str = "
    const { default: OpenAI } = await import('/npm/openai/index.mjs');
    window.client = new OpenAI({
        apiKey: 'none', baseURL: new URL('v1', document.baseURI).href, dangerouslyAllowBrowser: true, maxRetries: 0,
    });
    window.question = [{ role: 'user', content: 'What is the capital of France?' }];
";

/// Runs the body of an async function, and returns its value.
pub(crate) fn run(page: &Page, body: &str) -> Value {
    page.evaluate(&format!("(async () => {{ {body} }})()")).unwrap()
}

#[test]
fn the_openai_package_works_with_the_site() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    // Errors are HTTP responses, which the browser logs.
    session.expect_in_console("/v1/");
    let page = session.open(&server.page(&format!("?model={DEMO_MODEL}"))).unwrap();
    load_from_link(&page).unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    page.wait_for("navigator.serviceWorker.controller", Duration::from_secs(30)).unwrap();
    run(&page, CLIENT);
    let names = run(&page, "return (await client.models.list()).data.map(model => model.id);");
    assert_eq!(names, json!(["SmolLM2-135M-Instruct.Q4_1"]));

    let answer = run(
        &page,
        "return client.chat.completions.create({ model: 'any', messages: question, temperature: 0, max_tokens: 20 });",
    );
    assert_eq!(answer["choices"][0]["message"]["content"], "The capital of France is Paris.", "{answer}");
    assert!(answer["usage"]["total_tokens"].as_u64() > Some(10));

    let streamed = run(
        &page,
        "const stream = await client.chat.completions.create({
            model: 'any', messages: question, temperature: 0, max_tokens: 20, stream: true, stream_options: { include_usage: true },
        });
        let text = '', usage = null, chunks = 0;
        for await (const chunk of stream) {
            text += chunk.choices[0]?.delta.content ?? '';
            usage = chunk.usage ?? usage;
            chunks++;
        }
        return { text, usage, chunks };",
    );
    assert_eq!(streamed["text"], "The capital of France is Paris.");
    assert!(
        streamed["chunks"].as_u64() > Some(4) && streamed["usage"]["completion_tokens"].as_u64() > Some(5),
        "{streamed}"
    );

    // A reader that disconnects frees the engine: the next answer does not wait for the end of the story.
    let aborted = run(
        &page,
        "const stream = await client.chat.completions.create({
            model: 'any', messages: [{ role: 'user', content: 'Write a very long story.' }], max_tokens: 2000, stream: true,
        });
        let chunks = 0;
        for await (const _ of stream) if (++chunks === 3) break;
        const next = await client.chat.completions.create({ model: 'any', messages: question, temperature: 0, max_tokens: 20 });
        return { chunks, next: next.choices[0].message.content };",
    );
    assert_eq!(aborted, json!({ "chunks": 3, "next": "The capital of France is Paris." }));

    let structured = run(
        &page,
        "const schema = { type: 'object', properties: { city: { enum: ['Paris', 'Rome'] } }, required: ['city'], additionalProperties: false };
        const answer = await client.chat.completions.create({
            model: 'any', messages: question, temperature: 0,
            response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } },
        });
        return JSON.parse(answer.choices[0].message.content);",
    );
    assert_eq!(structured, json!({ "city": "Paris" }));

    let call = run(
        &page,
        "const parameters = { type: 'object', properties: { city: { type: 'string', maxLength: 12 } }, required: ['city'], additionalProperties: false };
        const answer = await client.chat.completions.create({
            model: 'any', messages: question, temperature: 0, parallel_tool_calls: false, max_tokens: 80,
            tools: [{ type: 'function', function: { name: 'look_up', parameters } }],
            tool_choice: { type: 'function', function: { name: 'look_up' } },
        });
        const { finish_reason, message } = answer.choices[0];
        return { finish_reason, name: message.tool_calls[0].function.name, arguments: JSON.parse(message.tool_calls[0].function.arguments) };",
    );
    assert_eq!((&call["finish_reason"], &call["name"]), (&json!("tool_calls"), &json!("look_up")));
    assert!(call["arguments"]["city"].is_string(), "{call}");

    let completion = run(
        &page,
        "const answer = await client.completions.create({ model: 'any', prompt: 'One, two, three,', temperature: 0, max_tokens: 3 });
        return answer.choices[0].text;",
    );
    assert!(completion.as_str().unwrap().starts_with(" four"), "{completion}");

    // A predicted output is verified and counted, and does not change the answer.
    let predicted = run(
        &page,
        "const counted = 'one, two, three, four, five, six, one, two, three, four, five, six, one, two,';
        const messages = [{ role: 'user', content: 'Count to six.' }, { role: 'assistant', content: counted }];
        const create = async (more) => {
            const body = { model: 'any', messages, continue_final_message: true, temperature: 0, max_tokens: 16, ...more };
            const answer = await client.chat.completions.create(body);
            return { text: answer.choices[0].message.content, details: answer.usage.completion_tokens_details };
        };
        const plain = await create({});
        return { plain, expected: await create({ prediction: { type: 'content', content: counted + plain.text } }) };",
    );
    let [plain, expected] = ["plain", "expected"].map(|name| &predicted[name]);
    assert_eq!(plain["text"], expected["text"]);
    assert_eq!(plain["details"]["accepted_prediction_tokens"], 0, "{predicted}");
    assert!(expected["details"]["accepted_prediction_tokens"].as_u64() > Some(2), "{predicted}");

    let errors = run(
        &page,
        "const caught = async (work) => {
            try { await work(); return null; } catch (error) {
                return { name: error.constructor.name, status: error.status, param: error.param, code: error.code };
            }
        };
        const create = (body) => () => client.chat.completions.create({ model: 'any', messages: question, ...body });
        return [
            await caught(create({ temperature: 9 })),
            await caught(create({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] })),
            await caught(create({ response_format: { type: 'json_schema', json_schema: { name: 's', schema: { type: 'strin' } } } })),
            await caught(create({ messages: [{ role: 'user', content: 'word '.repeat(9000) }] })),
            await caught(create({ temperature: 'x', stream: true })),
            await caught(() => client.embeddings.create({ model: 'any', input: 'x' })),
            await caught(() => client.files.list()),
            await caught(create({ messages: [{ role: 'user', content: [
                { type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
            ] }] })),
        ];",
    );
    let bad =
        |param: &str, code: &str| json!({ "name": "BadRequestError", "status": 400, "param": param, "code": code });
    assert_eq!(errors[0], bad("temperature", "invalid_value"));
    assert_eq!(errors[1], bad("messages[0].content[0].image_url.url", "invalid_value"));
    assert_eq!(errors[2], bad("response_format.json_schema.schema", "invalid_value"));
    assert_eq!(errors[3], bad("messages", "context_length_exceeded"));
    assert_eq!(errors[4], bad("temperature", "invalid_value"));
    assert_eq!(errors[5]["status"], 400);
    assert_eq!(errors[6]["status"], 404);
    assert_eq!(errors[7], bad("messages", "images_not_supported"));

    // The examples page uses the same engine.
    page.navigate(&server.page("examples.html")).unwrap();
    let examples = run(
        &page,
        "const buttons = [...document.querySelectorAll('button')];
        for (const button of buttons) button.click();
        while (buttons.some(button => button.disabled)) await new Promise(resolve => setTimeout(resolve, 100));
        return [...document.querySelectorAll('output')].map(output => output.textContent);",
    );
    let outputs: Vec<_> = examples.as_array().unwrap().iter().map(|output| output.as_str().unwrap()).collect();
    assert!(
        outputs.len() == 5 && outputs.iter().all(|text| !text.is_empty() && !text.contains("Error")),
        "{outputs:?}"
    );
    page.navigate(&server.page(&format!("?model={DEMO_MODEL}"))).unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    run(&page, CLIENT);

    // An embedding model beside the chat model.
    let url = server.embedding_model();
    let embedded = run(
        &page,
        &format!(
            "const engine = await Parlance.create();
            await engine.load({url:?}, {{ beside: true }});
            const list = await client.embeddings.create({{ model: 'all-MiniLM-L6-v2', input: ['The cat sits on the mat.', 'A feline rests on a rug.'] }});
            const [a, b] = list.data.map(entry => entry.embedding);
            const answer = await client.chat.completions.create({{ model: 'any', messages: question, temperature: 0, max_tokens: 20 }});
            return {{ cosine: a.reduce((sum, value, index) => sum + value * b[index], 0), chat: answer.choices[0].message.content }};"
        ),
    );
    assert!((embedded["cosine"].as_f64().unwrap() - 0.56).abs() < 0.01, "{embedded}");
    assert_eq!(embedded["chat"], "The capital of France is Paris.");
}

#[test]
fn pages_of_other_origins_can_import_the_module() {
    let (site, third_party) = (Server::start().unwrap(), Server::start().unwrap());
    let session = Session::start(true).unwrap();
    // Other origins may import the module, but not use the HTTP API.
    session.expect_in_console("/v1/models");
    let page = session.open(&third_party.blank_page()).unwrap();
    let (module, model) = (site.page("parlance.js"), site.page(DEMO_MODEL));
    let answer = run(
        &page,
        &format!(
            "const {{ Parlance }} = await import({module:?});
            window.phases = new Set();
            const onProgress = ({{ phase }}) => phases.add(phase);
            window.engine = await Parlance.create({{ model: {model:?}, allowedHosts: ['127.0.0.1:1'], onProgress }});
            window.question = {{ messages: [{{ role: 'user', content: 'What is the capital of France?' }}], temperature: 0, max_tokens: 20 }};
            const answer = await engine.chat.completions.create(question);
            return {{ text: answer.choices[0].message.content, phases: [...phases] }};"
        ),
    );
    assert_eq!(answer["text"], "The capital of France is Paris.");
    for phase in ["start", "download", "upload", "prepare", "prefill"] {
        assert!(answer["phases"].as_array().unwrap().contains(&json!(phase)), "{answer}");
    }

    let more = run(
        &page,
        "let text = '';
        for await (const chunk of await engine.chat.completions.create({ ...question, stream: true })) text += chunk.choices[0]?.delta.content ?? '';
        const caught = async (work) => { try { await work; return null; } catch (error) { return [error.name, error.param ?? error.kind ?? null]; } };
        const errors = [
            await caught(engine.chat.completions.create({ messages: [] })),
            await caught(engine.chat.completions.create({ messages: 'x', stream: true })),
            await caught(engine.load('https://127.0.0.1:1/none.gguf', { signal: AbortSignal.timeout(300) })),
            await caught(engine.embeddings.create({ input: 'x' })),
            await caught(engine.load('https://127.0.0.1:2/none.gguf')),
        ];
        const kept = (await engine.storage.list()).models.map(model => model.done_bytes === model.len_bytes);
        return { text, errors, kept };",
    );
    assert_eq!(more["text"], "The capital of France is Paris.");
    assert_eq!(more["errors"][0], json!(["ParlanceError", "messages"]));
    assert_eq!(more["errors"][1], json!(["ParlanceError", "messages"]));
    assert_eq!(more["errors"][2][0], "TimeoutError");
    assert_eq!(more["errors"][4], json!(["ParlanceError", "not_allowed"]), "a host that the page has not named");
    assert_eq!(more["kept"], json!([true]));

    // A conversation's KV cache is saved, the worker ends, and a new one continues from it.
    let restored = run(
        &page,
        &format!(
            "await engine.load({model:?});
            await engine.chat.completions.create(question);
            const saved = await engine.conversations.save('first');
            engine.terminate();
            const restored = await engine.conversations.restore('first');
            const answer = await engine.chat.completions.create(question);
            return {{ saved, restored, text: answer.choices[0].message.content, usage: answer.usage }};"
        ),
    );
    assert_eq!(restored["saved"], restored["restored"]);
    assert_eq!(restored["text"], "The capital of France is Paris.");
    let usage = &restored["usage"];
    let prompt = usage["prompt_tokens"].as_u64().unwrap();
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], prompt - 1, "{usage}");

    // Only the site's own pages may use its HTTP API.
    let url = site.page("v1/models");
    let status = run(&page, &format!("return fetch({url:?}).then(response => response.status, () => 'refused');"));
    assert!(status == json!(404) || status == json!("refused"), "{status}");
}

/// The native server with the demo model, which the native tests have built. It serves the site, too, and lends an MCP server
/// of the published SDK. It ends when this is dropped.
struct NativeServer {
    process: Child,
    /// Where its API is.
    api: String,
    /// What opens `lend/`.
    token: String,
}

impl NativeServer {
    /// Starts it for pages of an origin.
    fn start(origin: &str) -> Self {
        // Beside the folder of the tests' programs.
        let tests = std::env::current_exe().unwrap();
        let program = tests.parent().unwrap().with_file_name("parlance-serve");
        let script = root().join("tests/npm/stdio-server.mjs");
        let servers = json!({ "mcpServers": { "weather": { "command": "node", "args": [script] } } });
        let config = std::env::temp_dir().join(format!("parlance-lent-{}.json", std::process::id()));
        std::fs::write(&config, servers.to_string()).unwrap();
        let mut command = Command::new(&program);
        command.args(["--port", "0", "--device", "cpu", "--threads", "1", "--cors", origin]);
        command.arg("--site").arg(site()).args(["--lend", "--mcp"]).arg(&config).arg(model_path());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("native tests build it");
        let lines: Vec<String> =
            BufReader::new(process.stdout.take().unwrap()).lines().take(2).map(Result::unwrap).collect();
        std::fs::remove_file(&config).unwrap();
        let (_, api) = lines[0].split_once(" at ").expect("it says where it serves");
        let (_, token) = lines[1].rsplit_once(' ').expect("it says what opens lend/");
        Self { process, api: api.to_owned(), token: token.to_owned() }
    }
}

impl Drop for NativeServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks an API for answers and errors, and returns what must be the same everywhere.
fn ask_all(page: &Page, api: &str) -> Value {
    let body = "
        const ask = async (path, body) => {
            const headers = { 'content-type': 'application/json' };
            const response = await fetch(`${api}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
            const { choices = null, output = null, error = null, usage = null } = await response.json();
            for (const item of output ?? []) delete item.id;
            for (const choice of choices ?? []) for (const call of choice.message?.tool_calls ?? []) delete call.id;
            return { status: response.status, choices, output, error, tokens: usage?.total_tokens ?? null };
        };
        const get = async (path, method = 'GET') => (await fetch(`${api}/${path}`, { method })).json();
        const messages = [{ role: 'user', content: 'What is the capital of France?' }];
        const respond = async (body) => {
            const request = { method: 'POST', body: JSON.stringify({ temperature: 0, max_output_tokens: 20, ...body }) };
            return (await fetch(`${api}/responses`, request)).json();
        };
        const continued = async () => {
            const first = await respond({ input: messages });
            const next = await respond({ input: 'And of Italy?', previous_response_id: first.id });
            const { data } = await get(`responses/${next.id}/input_items?order=asc`);
            const { deleted } = await get(`responses/${first.id}`, 'DELETE');
            const { error } = await get(`responses/${first.id}`);
            return [next.usage.input_tokens, data.map(({ role }) => role), deleted, error.code];
        };
        const chat = (body) => ask('chat/completions', { messages, temperature: 0, max_tokens: 20, ...body });
        const parameters = { type: 'object', properties: { city: { enum: ['Paris', 'Rome'] } }, required: ['city'] };
        return [
            await chat({}),
            await chat({ stop: ['France'] }),
            await chat({ response_format: { type: 'json_schema', json_schema: { name: 'city', schema: parameters } } }),
            await chat({ tools: [{ type: 'function', function: { name: 'look_up', parameters } }], tool_choice: 'required' }),
            await ask('completions', { prompt: 'One, two, three,', temperature: 0, max_tokens: 4 }),
            await ask('responses', { input: messages, temperature: 0, max_output_tokens: 20 }),
            await ask('responses', { input: messages, previous_response_id: 'resp_none' }),
            await continued(),
            (await get('models/SmolLM2-135M-Instruct.Q4_1')).id,
            await get('models/another%20one'),
            await chat({ temperature: 9 }),
            await chat({ messages: [] }),
            await chat({ messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] }),
            await chat({ response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'strin' } } } }),
            await ask('embeddings', { input: 'x' }),
            await ask('rerank', { query: 'x', documents: ['y'] }),
            await ask('files', {}),
            await ask('models', {}),
        ];";
    run(page, &format!("const api = {api};\n{body}"))
}

#[test]
fn the_native_server_answers_as_the_tab_does() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    // Errors are HTTP responses, which the browser logs.
    session.expect_in_console("/v1/");
    let page = session.open(&server.page(&format!("?model={DEMO_MODEL}"))).unwrap();
    load_from_link(&page).unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    page.wait_for("navigator.serviceWorker.controller", Duration::from_secs(30)).unwrap();
    let in_tab = ask_all(&page, "new URL('v1', document.baseURI).href");
    assert_eq!(in_tab[0]["choices"][0]["message"]["content"], "The capital of France is Paris.", "{in_tab}");

    // A page without a policy, which the server allows.
    let blank = server.blank_page();
    let native = NativeServer::start(blank.trim_end_matches("/blank.html"));
    page.navigate(&blank).unwrap();
    let natively = ask_all(&page, &format!("{:?}", native.api));
    assert_eq!(in_tab[7][1], json!(["user", "assistant", "user"]), "{in_tab}");
    for (index, (native, tab)) in natively.as_array().unwrap().iter().zip(in_tab.as_array().unwrap()).enumerate() {
        assert_eq!(native, tab, "request {index}");
    }

    // A page of the site that it serves uses a server that speaks through standard input and output.
    session.expect_in_console("/lend/fetch");
    session.expect_in_console("/favicon.ico");
    page.navigate(&format!("{}/examples.html", native.api.trim_end_matches("/v1"))).unwrap();
    let lent = run(
        &page,
        &format!(
            "const {{ McpClient }} = await import(new URL('parlance/mcp.js', document.baseURI).href);
            const headers = {{ authorization: 'Bearer {token}' }};
            const {{ servers }} = await (await fetch('/lend/mcp', {{ headers }})).json();
            const client = await McpClient.connect('/lend/mcp/weather', {{ headers }});
            const tools = (await client.listTools()).map(({{ name }}) => name);
            const {{ content }} = await client.callTool('weather', {{ city: 'Rome' }});
            await client.close();
            // Pages of this device are not lent.
            const body = JSON.stringify({{ url: location.href }});
            const own = await fetch('/lend/fetch', {{ method: 'POST', headers, body }});
            return {{ servers, tools, content, own: own.status }};",
            token = native.token,
        ),
    );
    let content = json!([{ "type": "text", "text": "Rome: 20 degrees" }]);
    assert_eq!(lent, json!({ "servers": ["weather"], "tools": ["weather"], "content": content, "own": 403 }));
}
