// The API over HTTP, without an engine: what is refused, how streams end, and what slow readers cost.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Parlance, ParlanceError } from "../../../web/parlance.js";
import { ChunkStream } from "../../../web/parlance/chunk-stream.js";
import { respond } from "../../../web/parlance/http.js";

const post = (body, options) => new Request("http://host/v1/x", { method: "POST", body, ...options });

/** Status and body of a response to a request that never reaches an engine. */
async function refused(request, path) {
  let ends = 0;
  const response = await respond(request, path, () => assert.fail("it reached the engine"), () => (ends += 1));
  assert.equal(ends, 1);
  return [response.status, (await response.json()).error.code];
}

test("what no engine needs to see", async () => {
  assert.deepEqual(await refused(post("{}"), "files"), [404, "unknown_url"]);
  assert.deepEqual(await refused(post("{}"), "constructor"), [404, "unknown_url"]);
  assert.deepEqual(await refused(post("{}"), "models"), [405, "method_not_allowed"]);
  assert.deepEqual(await refused(new Request("http://host/v1/x"), "chat/completions"), [405, "method_not_allowed"]);
  assert.deepEqual(await refused(post("{"), "chat/completions"), [400, "invalid_json"]);
  assert.deepEqual(await refused(post(""), "embeddings"), [400, "invalid_json"]);
  assert.deepEqual(await refused(post("x".repeat(100e6)), "chat/completions"), [413, "request_too_large"]);
});

test("paths with parameters", async () => {
  const asked = async (method, path, query = "") => {
    const calls = [];
    const request = new Request(`http://host/v1/${path}${query}`, { method });
    await respond(request, path, async (...call) => (calls.push(call.slice(0, 2)), {}));
    return calls[0];
  };
  assert.deepEqual(await asked("GET", "models"), ["models", null]);
  assert.deepEqual(await asked("GET", "models/a%20b%2Fc.gguf"), ["retrieve_model", { model: "a b/c.gguf" }]);
  assert.deepEqual(await asked("GET", "models/100%"), ["retrieve_model", { model: "100%" }]);
  assert.deepEqual(await asked("GET", "responses/r1"), ["retrieve_response", { response_id: "r1" }]);
  assert.deepEqual(await asked("DELETE", "responses/r1"), ["delete_response", { response_id: "r1" }]);
  assert.deepEqual(await asked("POST", "responses/r1/cancel"), ["cancel_response", { response_id: "r1" }]);
  assert.deepEqual(await asked("GET", "responses/r1/input_items", "?limit=2&response_id=x"), ["input_items", { limit: "2", response_id: "r1" }]);
});

test("responses and errors", async () => {
  const seen = [];
  const create = async (...call) => (seen.push(call), { object: "list" });
  const response = await respond(post('{"input":"x"}'), "embeddings/", create);
  assert.deepEqual(await response.json(), { object: "list" });
  assert.deepEqual(seen[0].slice(0, 2), ["embeddings", { input: "x" }]);
  const error = { message: "m", type: "invalid_request_error", param: "messages", code: "context_length_exceeded" };
  for (const [status, expected] of [[400, 400], [499, 499], [0, 500], [undefined, 500]]) {
    const failed = await respond(post("{}"), "completions", () => Promise.reject(new ParlanceError({ kind: "x", status, error })));
    assert.equal(failed.status, expected);
    assert.deepEqual(await failed.json(), { error });
  }
  const unknown = await respond(post("{}"), "completions", () => Promise.reject(new TypeError("bug")));
  assert.deepEqual([unknown.status, (await unknown.json()).error.message], [500, "bug"]);
});

const chunk = (content, more = {}) => ({ id: "x", choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null }], ...more });

test("streams end with [DONE], an error, or whoever stops them", async () => {
  for (const [finish, expected] of [
    [(stream) => stream.end(), "[DONE]"],
    [(stream) => stream.fail(Object.assign(new Error("gone"), { code: "c" })), '{"error":{"message":"gone","type":"server_error","param":null,"code":"c"}}'],
  ]) {
    const stream = new ChunkStream();
    let ends = 0;
    const response = await respond(post('{"stream":true}'), "chat/completions", async () => stream, () => (ends += 1));
    stream.push(chunk("a"));
    finish(stream);
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    assert.equal(await response.text(), `data: ${JSON.stringify(chunk("a"))}\n\ndata: ${expected}\n\n`);
    assert.equal(ends, 1);
  }
  for (const hasChunk of [false, true]) {
    const stream = new ChunkStream();
    let [ends, stops] = [0, 0];
    stream.stop = () => (stops += 1);
    const response = await respond(post('{"stream":true}'), "chat/completions", async () => stream, () => (ends += 1));
    if (hasChunk) stream.push(chunk("a"));
    await response.body.cancel();
    // What comes from then on disturbs nobody.
    stream.push(chunk("b"));
    stream.end();
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual([ends, stops], [1, 1]);
  }
});

test("typed events have their types, and end with the last", async () => {
  const stream = new ChunkStream();
  stream.push({ type: "response.created" });
  stream.push({ type: "response.completed" });
  stream.end();
  const response = await respond(post('{"stream":true}'), "responses", async () => stream);
  const event = (type) => `event: ${type}\ndata: {"type":"${type}"}\n\n`;
  assert.equal(await response.text(), event("response.created") + event("response.completed"));
});

test("an aborted request fails as fetch does, before and within the answer", async () => {
  const controller = new AbortController();
  const request = post('{"stream":true}', { signal: controller.signal });
  const stream = new ChunkStream();
  const response = await respond(request, "chat/completions", async () => stream);
  const text = response.text();
  controller.abort();
  stream.fail(request.signal.reason);
  await assert.rejects(text, { name: "AbortError" });
  const later = new AbortController();
  const late = respond(post("{}", { signal: later.signal }), "completions", async () => Promise.reject((later.abort(), later.signal.reason)));
  await assert.rejects(late, { name: "AbortError" });
});

const event = (delta, more = {}) => ({
  type: "response.output_text.delta", item_id: "m", output_index: 0, content_index: 0, delta, logprobs: [], sequence_number: 7, ...more,
});
const callChunk = (args, more = {}) => ({ id: "x", choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: args }, ...more }] } }] });
const completionChunk = (text) => ({ id: "x", choices: [{ index: 0, text, logprobs: null, finish_reason: null }] });

for (const [name, made, textOf] of [
  ["a chat", chunk, ({ choices: [{ delta }] }) => delta.content],
  ["a completion", completionChunk, ({ choices: [{ text }] }) => text],
  ["a response", event, ({ delta }) => delta],
  ["a tool call", callChunk, ({ choices: [{ delta }] }) => delta.tool_calls[0].function.arguments],
]) {
  test(`a slow reader of ${name} costs the memory of its text`, async () => {
    const stream = new ChunkStream();
    for (let index = 0; index < 100_000; index += 1) stream.push(made(`${index} `));
    const end = { id: "x", choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: "stop" }] };
    stream.push(end);
    stream.end();
    const chunks = [];
    for await (const one of stream) chunks.push(one);
    assert.ok(chunks.length < 50, `${chunks.length}`);
    assert.deepEqual(chunks.pop(), end);
    assert.equal(chunks.map(textOf).join(""), Array.from({ length: 100_000 }, (_, i) => `${i} `).join(""));
    // They still say where they belong.
    assert.deepEqual(Object.keys(chunks.at(-1)), Object.keys(made("")));
  });
}

test("chunks that say more than text stay as they are", async () => {
  const stream = new ChunkStream();
  const others = [
    chunk("a", { usage: {} }), chunk("a", { dropped_messages: 1 }), { id: "x", choices: [] }, event("a"), event("b", { item_id: "n" }),
    event("c", { logprobs: [{}] }), event("d"), { type: "response.output_text.done", text: "d" }, callChunk("{", { id: "1", type: "function" }), callChunk("{"), callChunk("}", { index: 1 }),
    { id: "x", choices: [{ ...chunk("a").choices[0], logprobs: { content: [] } }] }, { id: "x", choices: [{ ...chunk("a").choices[0], index: 1 }] },
    completionChunk("a"), chunk("a"),
  ];
  for (let index = 0; index < 40; index += 1) stream.push({ index });
  others.forEach((one) => stream.push(one));
  stream.end();
  const chunks = [];
  for await (const one of stream) chunks.push(one);
  assert.deepEqual(chunks.slice(40), others);
});

test("on a server, the module can be imported, and calls say that they need a browser", async () => {
  const engine = new Parlance({ allowedHosts: ["huggingface.co"] });
  const isUnsupported = (error) => error instanceof ParlanceError && error.kind === "unsupported" && /browsers only/.test(error.message);
  await assert.rejects(engine.countTokens("x"), isUnsupported);
  const response = await engine.fetch("http://any.host/v1/models");
  assert.deepEqual([response.status, (await response.json()).error.type], [503, "server_error"]);
  engine.close();
  for (const name of ["mcp", "language-model", "service-worker"]) await import(`../../../web/parlance/${name}.js`);
});
