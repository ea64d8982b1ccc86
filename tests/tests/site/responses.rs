//! The Responses API, rankers and embedding models through the site's service worker, with the unmodified `openai` package and tiny models.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{MODEL_TIMEOUT, READY, load_from_link};
use parlance_tests::{Page, Server, Session};
use serde_json::{Value, json};

use crate::openai::{CLIENT, run};

/// Helpers of the scripts below.
const HELPERS: &str = "
    window.create = (body) => client.responses.create({ model: 'any', temperature: 0, max_output_tokens: 8, ...body });
    window.caught = async (work) => {
        try { return await work(); } catch ({ status, param, code }) { return { status, param, code }; }
    };
    window.message = (role, text) => ({ role, content: text });
";

/// A page with a tiny chat model and the client.
fn open(session: &Session, server: &Server) -> Page {
    let page = session.open(&server.page("?model=models/SmolLM2-135M-Instruct.Q4_1.gguf")).unwrap();
    load_from_link(&page).unwrap();
    page.wait_for(READY, MODEL_TIMEOUT).unwrap();
    page.wait_for("navigator.serviceWorker.controller", Duration::from_secs(30)).unwrap();
    run(&page, CLIENT);
    run(&page, HELPERS);
    page
}

#[test]
fn the_openai_package_s_responses_work_with_the_site() {
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    // Errors are HTTP responses, which the browser logs.
    session.expect_in_console("/v1/");
    let page = open(&session, &server);
    check_text(&page);
    check_formats_and_tools(&page);
    check_kept_responses(&page);
    check_stops(&page);
    check_bad_input(&page);
}

fn check_text(page: &Page) {
    let text = run(
        page,
        "const first = await create({ input: 'Hi', instructions: 'Be brief.' });
        const stream = client.responses.stream({ model: 'any', temperature: 0, max_output_tokens: 8, input: 'Hi', instructions: 'Be brief.' });
        let deltas = '';
        const numbers = [];
        stream.on('response.output_text.delta', ({ delta }) => (deltas += delta));
        stream.on('event', ({ sequence_number }) => numbers.push(sequence_number));
        const streamed = await stream.finalResponse();
        return { first, streamed, deltas, inOrder: numbers.every((number, index) => number === index) };",
    );
    let output = &text["first"]["output_text"];
    assert_eq!(output.as_str().map(str::len), Some(8), "{text}");
    assert_eq!([&text["streamed"]["output_text"], &text["deltas"]], [output, output]);
    assert_eq!((&text["streamed"]["status"], &text["inOrder"]), (&json!("incomplete"), &json!(true)), "{text}");
    assert_eq!(text["streamed"]["usage"]["output_tokens"], 8);
}

fn check_formats_and_tools(page: &Page) {
    let constrained = run(
        page,
        "const schema = { type: 'object', properties: { city: { enum: ['Paris', 'Rome'] } }, required: ['city'], additionalProperties: false };
        const parsed = await client.responses.parse({
            model: 'any', temperature: 0, input: 'Where?', text: { format: { type: 'json_schema', name: 'answer', schema, strict: true } },
        });
        const tools = [{ type: 'function', name: 'look_up', parameters: schema, strict: true }];
        const called = await client.responses.parse({
            model: 'any', temperature: 0, input: 'Where?', tools, tool_choice: { type: 'function', name: 'look_up' }, parallel_tool_calls: false,
        });
        const [call] = called.output;
        const answered = await create({
            previous_response_id: called.id, input: [{ type: 'function_call_output', call_id: call.call_id, output: 'It is there.' }],
        });
        return { city: parsed.output_parsed.city, call, answered: answered.output_text.length };",
    );
    let is_city = |city: &Value| ["Paris", "Rome"].iter().any(|expected| city == expected);
    assert!(
        is_city(&constrained["city"]) && is_city(&constrained["call"]["parsed_arguments"]["city"]),
        "{constrained}"
    );
    assert_eq!((&constrained["call"]["name"], &constrained["answered"]), (&json!("look_up"), &json!(8)));
}

fn check_kept_responses(page: &Page) {
    let kept = run(
        page,
        "const first = await create({ input: 'Hi', instructions: 'Be brief.' });
        const next = await create({ input: 'More', previous_response_id: first.id });
        const same = await create({ input: [message('user', 'Hi'), message('assistant', first.output_text), message('user', 'More')], store: false });
        const items = [];
        for await (const item of client.responses.inputItems.list(next.id, { order: 'asc', limit: 2 })) items.push(item.role);
        const retrieved = await client.responses.retrieve(next.id);
        const deleted = await client.responses.delete(first.id);
        return {
            texts: [next.output_text, same.output_text, retrieved.output_text], items, deleted: deleted.deleted,
            missing: await caught(() => client.responses.retrieve(first.id)),
            notKept: await caught(() => client.responses.retrieve(same.id)),
            previous: await caught(() => create({ input: 'More', previous_response_id: first.id })),
            stays: (await create({ input: 'More', previous_response_id: next.id })).status,
        };",
    );
    let texts = kept["texts"].as_array().unwrap();
    assert!(texts.iter().all(|text| text == &texts[0]), "{kept}");
    assert_eq!(kept["items"], json!(["user", "assistant", "user"]));
    assert_eq!((&kept["deleted"], &kept["stays"]), (&json!(true), &json!("incomplete")));
    let missing = json!({ "status": 404, "param": "response_id", "code": "not_found" });
    assert_eq!([&kept["missing"], &kept["notKept"]], [&missing, &missing]);
    let previous = json!({ "status": 400, "param": "previous_response_id", "code": "previous_response_not_found" });
    assert_eq!(kept["previous"], previous);
}

/// Streams that are cancelled or abandoned free the engine.
fn check_stops(page: &Page) {
    let stops = run(
        page,
        "const long = () => create({ input: 'Hi', max_output_tokens: 7000, stream: true });
        let cancelled, last, id;
        for await (const event of await long()) {
            id ??= event.response?.id;
            if (event.type === 'response.output_text.delta') cancelled ??= await client.responses.cancel(id);
            last = event;
        }
        let events = 0;
        for await (const _ of await long()) if (++events === 6) break;
        const again = await caught(() => client.responses.cancel(id));
        const finished = await create({ input: 'Hi' });
        return {
            statuses: [cancelled.status, last.response.status, again.status], last: last.type,
            late: await caught(() => client.responses.cancel(finished.id)), next: finished.output_text.length,
        };",
    );
    assert_eq!(stops["statuses"], json!(["cancelled", "cancelled", "cancelled"]));
    assert_eq!((&stops["last"], &stops["next"]), (&json!("response.incomplete"), &json!(8)));
    assert_eq!(stops["late"]["status"], 400, "{stops}");
}

fn check_bad_input(page: &Page) {
    let bad = run(
        page,
        "const post = (body, init) => fetch('./v1/responses', { method: 'POST', body, ...init });
        const errors = [
            await caught(() => create({ input: 7 })),
            await caught(() => create({ input: [{ role: 'user', content: [{ type: 'input_text' }] }] })),
            await caught(() => create({ input: 'Hi', background: true })),
            await caught(() => create({ input: 'Hi', text: { format: { type: 'json_schema', name: 'a', schema: { type: 'strin' } } } })),
            await caught(() => create({ input: 'word '.repeat(9000), stream: true })),
        ];
        const long = await post(JSON.stringify({ input: 'x'.repeat(100e6) }));
        // While one request is answered, a thousand others wait or are refused, and leave.
        const controller = new AbortController();
        const { signal } = controller;
        const body = JSON.stringify({ input: 'Hi', max_output_tokens: 7000, stream: true });
        const first = await post(body, { signal });
        let refused = 0, kind = null;
        const others = Array.from({ length: 1000 }, () => post(body, { signal }).then(async (response) => {
            if (response.status !== 429) return;
            refused++;
            kind = (await response.json()).error.code;
        }).catch(() => {}));
        // Until no more are refused.
        for (let before = -1; refused === 0 || refused > before; ) {
            before = refused;
            await new Promise((resolve) => setTimeout(resolve, 1000));
        }
        controller.abort();
        await Promise.all(others);
        // Until the engine has heard that they left, there is no room.
        let next;
        do next = await caught(() => create({ input: 'Hi' })); while (next.status === 429);
        return { errors, long: [long.status, (await long.json()).error.code], started: first.status, refused, kind, next: next.output_text.length };",
    );
    let expected = [
        json!({ "status": 400, "param": "input", "code": "invalid_value" }),
        json!({ "status": 400, "param": "input[0].content[0].text", "code": "invalid_value" }),
        json!({ "status": 400, "param": "background", "code": "invalid_value" }),
        json!({ "status": 400, "param": "text.format.schema", "code": "invalid_value" }),
        json!({ "status": 400, "param": "messages", "code": "context_length_exceeded" }),
    ];
    assert_eq!(bad["errors"], json!(expected));
    assert_eq!(bad["long"], json!([413, "request_too_large"]));
    assert_eq!((&bad["started"], &bad["kind"]), (&json!(200), &json!("rate_limit_exceeded")));
    // Some may have been admitted after the first answer's end.
    let refused = bad["refused"].as_u64().unwrap();
    assert!((600..=1000 - 256).contains(&refused) && bad["next"] == 8, "{bad}");
}

#[test]
fn rankers_and_embedding_models_are_told_apart() {
    let server = Server::start_with_tiny_model().unwrap();
    let session = Session::start(true).unwrap();
    session.expect_in_console("/v1/");
    let page = open(&session, &server);
    let [rank_model, embedder] = ["bert-rank", "bert-mean"].map(|name| server.tiny_encoder(name));
    let told = run(
        &page,
        &format!(
            "const post = async (path, body) => {{
                const response = await fetch('./v1/' + path, {{ method: 'POST', body: JSON.stringify(body) }});
                return {{ status: response.status, ...(await response.json()) }};
            }};
            const rank = (more) => post('rerank', {{ query: 'the quick fox', documents: ['a', 'the lazy dog', 'the quick brown fox'], ...more }});
            const engine = await Parlance.create();
            const none = await rank();
            await engine.load({rank_model:?}, {{ beside: true }});
            const noEmbeddings = await caught(() => client.embeddings.create({{ model: 'any', input: 'the fox' }}));
            // The embedding model was loaded last, and is no ranker.
            await engine.load({embedder:?}, {{ beside: true }});
            const ranked = await rank({{ top_n: 2, return_documents: true }});
            const embedded = await client.embeddings.create({{ model: 'any', input: ['the fox', 'the dog'] }});
            const models = (await client.models.list()).data.map(({{ id, capabilities, context_length }}) => ({{ id, capabilities, context_length }}));
            return {{
                none, noEmbeddings, ranked, models, bad: await rank({{ documents: [1] }}), named: await rank({{ model: 'bert-mean' }}),
                lens: embedded.data.map(({{ embedding }}) => embedding.length), by: embedded.model,
            }};"
        ),
    );
    let ranked = &told["ranked"];
    assert_eq!((&ranked["status"], &ranked["model"]), (&json!(200), &json!("bert-rank")), "{told}");
    let results = ranked["results"].as_array().unwrap();
    let score = |index: usize| results[index]["relevance_score"].as_f64().unwrap();
    assert!(results.len() == 2 && score(0) >= score(1) && results[0]["document"]["text"].is_string(), "{ranked}");
    assert_eq!((&told["by"], &told["lens"]), (&json!("bert-mean"), &json!([64, 64])));
    assert_eq!([&told["none"]["status"], &told["noEmbeddings"]["status"]], [400, 400]);
    assert_eq!((&told["bad"]["status"], &told["bad"]["error"]["param"]), (&json!(400), &json!("documents[0]")));
    assert_eq!((&told["named"]["status"], &told["named"]["error"]["param"]), (&json!(400), &json!("model")));
    let models = told["models"].as_array().unwrap();
    let entry = |id: &str| models.iter().find(|model| model["id"] == id).unwrap();
    assert_eq!(entry("bert-rank")["capabilities"], json!(["rerank"]));
    assert_eq!(
        entry("bert-mean"),
        &json!({ "id": "bert-mean", "capabilities": ["embeddings"], "context_length": 256 })
    );
    assert_eq!(models.iter().filter(|model| model["capabilities"][0] == "chat").count(), 1, "{told}");
}
