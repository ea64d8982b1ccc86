//! A mock of the engine worker that answers immediately, for tests of the page. It speaks the documented protocol; its
//! answers depend on the question.

use crate::{Error, Page};

/// Replaces the engine worker until the page is closed. The requests that it received are in `window.asked`.
///
/// - `call the calculator` calls a tool, and then answers with its result;
/// - `think` produces reasoning before the answer;
/// - `slowly` answers word by word until it is stopped;
/// - `stare` looks at images, and gets no further than 30 percent until it is stopped;
/// - `at length` answers with 1,000 pieces of Markdown, 200 per second;
/// - `a title` answers with a title;
/// - `window.nextAnswer`, if set, is the next answer;
/// - any other question is answered with `Answer N: ` and the question;
/// - words count as tokens. The context length is 1,000 unless the page asks for more, and `truncation` says whether
///   conversations that exceed it are truncated or rejected;
/// - embeddings tell whether texts are about airships, paragraphs or person 123456, and rankings put airships first;
/// - inspecting a URL fails, unless `window.isThere` says that a model of 1.7 billion parameters is there;
/// - a model that is fetched is a quarter here, until `window.finishFetch()` is called;
/// - `window.loadsSlowly`, if set, says that a model is still prepared until `window.finishLoad()` is called;
/// - `window.storedModels` are the models on this device;
/// - `window.said` is what every recording says;
/// - `window.canSee` says that the model sees images: it answers with the sizes of those of the question. They are also in
///   `window.seenImages`, as bitmaps;
/// - `window.loadedElsewhere` is the URL of the model that another tab has loaded, and `window.isCpu` says that models
///   run on the CPU.
const SCRIPT: &str = r#"(() => {
    const Real = window.Worker;
    window.asked = [];
    class Engine extends EventTarget {
        onmessage = null;
        onerror = null;
        #stops = new Map();
        #count = 0;
        #contextTokens = 1000;
        constructor() {
            super();
            setTimeout(() => {
                this.#send({ type: "ready" });
                if (window.loadedElsewhere) this.#send({ type: "model_changed", model: this.#model(window.loadedElsewhere) });
            });
        }
        #model(url) {
            return {
                name: "scripted", url, can_chat: true, can_see: window.canSee ?? false, context_tokens: this.#contextTokens, max_context_tokens: 4000, adapter: "none",
                is_software: false, is_cpu: window.isCpu ?? false, features: [], weight_bytes: window.modelBytes ?? 1, kv_bytes: 1,
                warning: null, len_bytes: 1, load_seconds: 0, peak_memory_bytes: 1,
            };
        }
        #send(data) {
            this.onmessage?.(new MessageEvent("message", { data }));
        }
        terminate() {}
        postMessage({ request }) {
            // Workers never respond before `postMessage` returns.
            setTimeout(() => this.#handle(request));
        }
        #handle(request) {
            const { type, id } = request;
            window.asked.push(request);
            if (type === "load") {
                this.#contextTokens = request.context_tokens ?? 1000;
                const finish = () => this.#send({ type: "loaded", id, model: this.#model(request.source.url ?? null) });
                if (!window.loadsSlowly) return finish();
                window.finishLoad = finish;
                this.#send({ type: "progress", id, phase: "prepare", done: 0, total: null, seconds: 0 });
            } else if (type === "fetch") {
                this.#send({ type: "progress", id, phase: "download", done: 1e6, total: 4e6, seconds: 1 });
                window.finishFetch = () => this.#send({ type: "fetched", id });
            } else if (type === "unload") {
                this.#send({ type: "unloaded", id });
            } else if (type === "inspect" && window.isThere) {
                const sizes = { len_bytes: 1.06e9, weight_bytes: 1.06e9, kv_bytes: 4e8, scratch_bytes: 1e8, stored_bytes: 0, free_bytes: 2e10 };
                const context = { context_tokens: 2048, max_context_tokens: 8192 };
                const draft_model = request.draft_model?.url.split("/").at(-1) ?? null;
                const model = {
                    name: "SmolLM2 1.7B Instruct", architecture: "llama", formats: ["Q4_K", "Q6_K"], parameters: 1.7e9, parts: 1,
                    can_chat: true, projector: null, draft_model, warning: null, ...sizes, ...context,
                };
                this.#send({ type: "inspected", id, model });
            } else if (type === "inspect") {
                const reason = { code: "http_status", status: 404, url: request.source.url ?? "" };
                const error = { message: "not there", type: "server_error", param: null, code: null };
                const failure = { kind: "network", reason, message: "not there", suggested_context_tokens: null, status: 502, error };
                this.#send({ type: "failed", id, failure });
            } else if (type === "api" && request.endpoint === "embeddings") {
                const about = (text) => [/zeppelin|airship/.test(text), /Paragraph/.test(text), /123456/.test(text), true].map(Number);
                const data = request.body.input.map((text, index) => ({
                    object: "embedding", index, embedding: about(text), is_truncated: false,
                }));
                const usage = { prompt_tokens: 1, total_tokens: 1 };
                this.#send({ type: "response", id, body: { object: "list", data, model: "scripted", usage } });
            } else if (type === "api" && request.endpoint === "transcriptions") {
                const text = ` ${window.said}`;
                const likelihoods = { temperature: 0, avg_logprob: 0, compression_ratio: 1, no_speech_prob: 0 };
                const segment = { id: 0, seek: 0, start: 0, end: 1, text, tokens: [], ...likelihoods };
                this.#send({ type: "chunk", id, body: { type: "transcript.text.delta", delta: text, segment } });
                this.#send({ type: "response", id, body: null });
            } else if (type === "api" && request.endpoint === "rerank") {
                const results = request.body.documents.map((text, index) => ({
                    index, relevance_score: Number(/zeppelin|airship/.test(text)), is_truncated: false,
                }));
                results.sort((a, b) => b.relevance_score - a.relevance_score);
                const usage = { prompt_tokens: 1, total_tokens: 1 };
                this.#send({ type: "response", id, body: { object: "list", model: "scripted", results, usage } });
            } else if (type === "api") {
                this.#answer(id, request.body);
            } else if (type === "count_tokens") {
                this.#send({ type: "counted", id, tokens: request.text.split(" ").length });
            } else if (type === "interrupt") {
                this.#stops.get(id)?.();
            } else if (type === "storage") {
                this.#send({ type: "storage", id, storage: { models: window.storedModels ?? [], used_bytes: 0, quota_bytes: 1e9 } });
            }
        }
        #chunk(id, delta, finish_reason = null, more = {}) {
            const choices = [{ index: 0, delta, logprobs: null, finish_reason }];
            const body = { id: "x", object: "chat.completion.chunk", created: 0, model: "scripted", choices, ...more };
            this.#send({ type: "chunk", id, body });
        }
        #end(id, finish_reason) {
            this.#chunk(id, {}, finish_reason);
            const extra = { decode_tokens_per_s: 50, time_to_first_token_s: 0.1, prefill_tokens_per_s: 100 };
            const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10, extra };
            this.#send({
                type: "chunk", id,
                body: { id: "x", object: "chat.completion.chunk", created: 0, model: "scripted", choices: [], usage },
            });
            this.#send({ type: "response", id, body: null });
        }
        /** A message's text. */
        #text({ content }) {
            return typeof content === "string" ? content : content.map((part) => part.text ?? "").join("");
        }
        /** A message's images, decoded. */
        #images({ content }) {
            const urls = typeof content === "string" ? [] : content.filter(({ type }) => type === "image_url");
            return Promise.all(urls.map(async ({ image_url }) => createImageBitmap(await (await fetch(image_url.url)).blob())));
        }
        /** How many of the oldest messages are dropped, or why the conversation does not fit. */
        #dropped(messages, truncation) {
            const system = messages.filter(({ role }) => role === "system");
            const all = messages.filter(({ role }) => role !== "system");
            const words = (list) => list.reduce((sum, message) => sum + this.#text(message).split(" ").length, 0);
            let kept = all;
            let code = truncation === "auto" ? null : "context_full";
            while (words(system) + words(kept) > this.#contextTokens) {
                const next = kept.findIndex(({ role }, index) => index > 0 && role === "user");
                code ??= next < 0 ? "question_too_long" : null;
                if (code !== null) {
                    const prompt_tokens = words(system) + words(kept);
                    return { failed: { code, prompt_tokens, context_tokens: this.#contextTokens } };
                }
                kept = kept.slice(next);
            }
            return { dropped_messages: all.length - kept.length };
        }
        async #answer(id, { messages, continue_final_message, truncation }) {
            const { failed: reason, dropped_messages } = this.#dropped(messages, truncation);
            if (reason !== undefined) {
                const error = { message: "too long", type: "invalid_request_error", param: "messages", code: "context_length_exceeded" };
                const failure = { kind: "context_overflow", reason, message: "too long", suggested_context_tokens: null, status: 400, error };
                return this.#send({ type: "failed", id, failure });
            }
            if (this.#text(messages.at(-1)).includes("stare")) {
                this.#stops.set(id, () => this.#end(id, "abort"));
                return this.#send({ type: "progress", id, phase: "see", done: 300, total: 1000, seconds: 0 });
            }
            this.#chunk(id, { role: "assistant", content: "" }, null, dropped_messages > 0 ? { dropped_messages } : {});
            const last = messages.at(-1);
            const asked = messages.findLast((message) => message.role === "user");
            const question = this.#text(asked);
            window.seenImages = await this.#images(asked);
            if (continue_final_message) {
                this.#chunk(id, { content: " And the rest." });
                return this.#end(id, "stop");
            }
            if (question.includes("call the calculator") && last.role !== "tool") {
                const call = { name: "calculator", arguments: '{"expression":"12*7"}' };
                this.#chunk(id, { tool_calls: [{ index: 0, id: "c", type: "function", function: call }] });
                return this.#end(id, "tool_calls");
            }
            if (question.includes("slowly")) {
                const timer = setInterval(() => this.#chunk(id, { content: "word " }), 30);
                this.#stops.set(id, () => {
                    clearInterval(timer);
                    this.#end(id, "abort");
                });
                return;
            }
            if (question.includes("at length")) {
                const pieces = ["\n\n## Part", " and", " **more**", " words", " of", " it", ".\n\n```rust\nlet", " x = 1;", "\n```\n\n", "- item\n"];
                for (let index = 0; index < 1000; index += 1) {
                    this.#chunk(id, { content: pieces[index % pieces.length] });
                    await new Promise((done) => setTimeout(done, 5));
                }
                return this.#end(id, "stop");
            }
            if (question.includes("a title")) {
                this.#chunk(id, { content: "\"Small Animals\"" });
                return this.#end(id, "stop");
            }
            if (question.includes("think")) {
                this.#chunk(id, { reasoning_content: "Let me think." });
                await new Promise((done) => setTimeout(done, 30));
            }
            this.#count += 1;
            if (window.nextAnswer !== undefined) {
                this.#chunk(id, { content: window.nextAnswer });
                delete window.nextAnswer;
                return this.#end(id, "stop");
            }
            const seen = window.seenImages.map(({ width, height }) => ` ${width} by ${height}`).join("");
            const result = last.role === "tool" ? `It is ${last.content}.` : `Answer ${this.#count}: ${question}${seen}`;
            for (const piece of result.match(/.{1,7}/gs)) {
                this.#chunk(id, { content: piece });
                await new Promise((done) => setTimeout(done));
            }
            this.#end(id, "stop");
        }
    }
    window.Worker = function (url, options) {
        return String(url).includes("parlance-worker") ? new Engine() : new Real(url, options);
    };
})()"#;

/// Installs the mock on every page that the tab opens from now on, before the page starts.
///
/// # Errors
/// If the browser refuses.
pub fn use_scripted_engine_everywhere(page: &Page) -> Result<(), Error> {
    page.before_every_page(SCRIPT)
}

/// Installs the mock on the open page. Must be called before the page starts its engine, which it does with the first
/// question or the first list of models.
///
/// # Errors
/// If the browser does not answer.
pub fn use_scripted_engine(page: &Page) -> Result<(), Error> {
    page.evaluate(SCRIPT).map(drop)
}
