// The engine's connection to a worker, of which this plays all parts.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { beforeEach, test } from "node:test";

import { Parlance } from "../../../web/parlance.js";

globalThis.location = new URL("https://page.example/app/");
globalThis.document = { baseURI: location.href };

const workers = [];

/** A worker that does what `answer` says for each request. */
class FakeWorker {
  static answer = () => {};
  isTerminated = false;
  requests = [];

  constructor(url, { name }) {
    Object.assign(this, { url, ...JSON.parse(name) });
    workers.push(this);
    setTimeout(() => this.send({ type: "ready" }));
  }

  postMessage(message) {
    const { request } = structuredClone(message);
    this.requests.push(request);
    setTimeout(() => FakeWorker.answer(request, this));
  }

  send(data) {
    if (!this.isTerminated) this.onmessage({ data });
  }

  terminate() {
    this.isTerminated = true;
  }
}

/** Answers every request with its own kind of event. */
function answerAll({ type, id, source, text }, worker) {
  if (type === "load") worker.send({ type: "loaded", id, model: { name: source.url } });
  else if (type === "count_tokens") worker.send({ type: "counted", id, tokens: text.length });
  else if (type === "api") worker.send({ type: "response", id, body: { object: "list" } });
}

const failed = (id, kind) => ({ type: "failed", id, failure: { kind, status: 500, error: { message: kind, type: "server_error", param: null, code: null } } });

beforeEach(() => {
  workers.length = 0;
  globalThis.Worker = FakeWorker;
  FakeWorker.answer = answerAll;
});

test("one worker starts, with the first request, and knows the hosts and where its files are", async () => {
  const engine = new Parlance({ allowedHosts: ["huggingface.co", "http://localhost:8000"], assetsUrl: "assets" });
  assert.equal(workers.length, 0);
  assert.deepEqual(await Promise.all([engine.countTokens("a"), engine.countTokens("bc")]), [1, 2]);
  assert.equal(workers.length, 1);
  assert.deepEqual(workers[0].allowed_hosts, ["https://page.example", "https://huggingface.co", "http://localhost:8000"]);
  assert.equal(workers[0].site, "/app/assets/");
  const script = await (await fetch(workers[0].url)).text();
  assert.match(script, /import init from "https:\/\/page\.example\/app\/assets\/parlance-worker\.js"/);
  assert.match(script, /"module_or_path":"https:\/\/page\.example\/app\/assets\/parlance-worker_bg\.wasm"/);
});

test("files of another origin name the site in full", async () => {
  const engine = new Parlance({ assetsUrl: new URL("https://cdn.example/parlance/") });
  await engine.countTokens("a");
  assert.equal(workers[0].site, "https://cdn.example/parlance/");
  assert.deepEqual(workers[0].allowed_hosts, ["https://cdn.example", "https://page.example"]);
});

test("after a crash, a new worker loads the models again before it answers", async () => {
  const engine = await Parlance.create({ model: "./a.gguf" });
  await engine.load("./b.gguf", { beside: true });
  FakeWorker.answer = () => {};
  const lost = engine.countTokens("a");
  setTimeout(() => workers[0].send({ type: "panicked", message: "boom" }), 5);
  await assert.rejects(lost, { kind: "crashed", message: "the engine crashed: boom" });
  assert.ok(workers[0].isTerminated);
  FakeWorker.answer = answerAll;
  assert.equal(await engine.countTokens("abc"), 3);
  assert.deepEqual(workers[1].requests.map(({ type, beside }) => [type, beside]), [["load", false], ["load", true], ["count_tokens", undefined]]);
});

test("if a model cannot be loaded again, the next request tries again", async () => {
  const engine = await Parlance.create({ model: "./a.gguf" });
  engine.terminate();
  FakeWorker.answer = ({ id }, worker) => worker.send(failed(id, "network"));
  await assert.rejects(engine.countTokens("a"), { kind: "network" });
  await assert.rejects(engine.countTokens("a"), { kind: "network" });
  FakeWorker.answer = answerAll;
  assert.equal(await engine.countTokens("a"), 1);
  assert.deepEqual(workers.map(({ isTerminated }) => isTerminated), [true, true, true, false]);
});

test("a worker that cannot start is an error, and may start later", async () => {
  globalThis.Worker = class {
    constructor() {
      throw new DOMException("the policy forbids it", "SecurityError");
    }
  };
  const engine = new Parlance();
  await assert.rejects(engine.countTokens("a"), { name: "SecurityError" });
  globalThis.Worker = class extends FakeWorker {
    send() {}
    constructor(...options) {
      super(...options);
      setTimeout(() => this.onerror({ preventDefault() {} }));
    }
  };
  await assert.rejects(engine.countTokens("a"), { kind: "crashed", message: /could not be loaded/ });
  globalThis.Worker = FakeWorker;
  assert.equal(await engine.countTokens("a"), 1);
});

test("a create that fails leaves nothing behind", async () => {
  FakeWorker.answer = ({ id }, worker) => worker.send(failed(id, "bad_model"));
  await assert.rejects(Parlance.create({ model: "./a.gguf" }), { kind: "bad_model" });
  assert.ok(workers[0].isTerminated);
});

test("requests that are aborted stop, and those that never began are not sent", async () => {
  FakeWorker.answer = ({ type, id }, worker) => type === "interrupt" && worker.send(failed(id, "interrupted"));
  const engine = new Parlance();
  await assert.rejects(engine.countTokens("a", { signal: AbortSignal.abort() }), { name: "AbortError" });
  const controller = new AbortController();
  const running = engine.chat.completions.create({ messages: [] }, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error("enough")), 10);
  await assert.rejects(running, /enough/);
  assert.deepEqual(workers[0].requests.map(({ type }) => type), ["api", "interrupt"]);
});

test("leaving a stream stops it", async () => {
  const chunk = { id: "x", choices: [{ index: 0, delta: { content: "a" } }] };
  FakeWorker.answer = ({ type, id }, worker) => {
    if (type === "api") for (let count = 0; count < 3; count += 1) worker.send({ type: "chunk", id, body: chunk });
  };
  const engine = new Parlance();
  for await (const _ of await engine.chat.completions.create({ messages: [], stream: true })) break;
  assert.equal(workers[0].requests.at(-1).type, "interrupt");
});

test("a closed engine answers nothing more, not even what was under way", async () => {
  FakeWorker.answer = () => {};
  const engine = new Parlance();
  const early = engine.countTokens("a");
  engine.close();
  await assert.rejects(early, { kind: "closed" });
  assert.ok(workers.every(({ isTerminated }) => isTerminated));
  const count = workers.length;
  await assert.rejects(engine.countTokens("a"), { kind: "closed" });
  await assert.rejects(engine.load("./a.gguf"), { kind: "closed" });
  assert.equal(workers.length, count);
});

test("images that are files are sent as URLs, which end with the answer", async () => {
  const engine = new Parlance();
  const file = new File(["pixels"], "photo.png", { type: "image/png" });
  const text = { type: "text", text: "What is this?" };
  const parts = [{ type: "image_url", image_url: { url: file, detail: "low" } }, { type: "image_url", image_url: file }, text];
  await engine.chat.completions.create({ messages: [{ role: "user", content: parts }, { role: "assistant", content: "A" }] });
  const [{ content }, answer] = workers[0].requests[0].body.messages;
  assert.deepEqual([content[0].image_url.detail, content[2], answer.content], ["low", text, "A"]);
  for (const { image_url: { url } } of content.slice(0, 2)) {
    assert.match(url, /^blob:/);
    await assert.rejects(fetch(url));
  }
});

test("an image that cannot be read ends the URLs of the others", async () => {
  const { createObjectURL } = URL;
  const made = [];
  URL.createObjectURL = (blob) => (made.push(createObjectURL.call(URL, blob)), made.at(-1));
  globalThis.ImageBitmap = class {};
  globalThis.OffscreenCanvas = class {
    constructor() {
      throw new DOMException("it is closed", "InvalidStateError");
    }
  };
  const parts = [new File(["pixels"], "photo.png"), new ImageBitmap()].map((url) => ({ type: "image_url", image_url: { url } }));
  for (const stream of [false, true]) {
    const asked = new Parlance().chat.completions.create({ messages: [{ role: "user", content: parts }], stream });
    await assert.rejects(asked, { name: "InvalidStateError" });
  }
  for (const name of ["ImageBitmap", "OffscreenCanvas"]) delete globalThis[name];
  URL.createObjectURL = createObjectURL;
  assert.equal(made.length, 2);
  for (const url of made) await assert.rejects(fetch(url));
});

test("a thousand requests leave nothing behind, however they end", async () => {
  const engine = new Parlance();
  const controller = new AbortController();
  const { signal } = controller;
  const ask = (stream) => engine.chat.completions.create({ messages: [], stream }, { signal });
  FakeWorker.answer = (request, worker) => {
    if (request.id % 4 === 0) return worker.send(failed(request.id, "rate_limit"));
    if (request.id % 4 === 1) return answerAll(request, worker);
    // The others wait for their end.
    if (request.type === "interrupt") worker.send(failed(request.id, "interrupted"));
  };
  let settled = 0;
  const note = () => ++settled === 500 && controller.abort();
  const asked = Array.from({ length: 1000 }, (_, index) => ask(index % 2 === 0));
  asked.forEach((one) => one.then(note, note));
  const outcomes = Promise.allSettled(asked);
  const reasons = (await outcomes).map(({ reason }) => reason?.kind ?? reason?.name ?? "answered");
  const count = (name) => reasons.filter((reason) => reason === name).length;
  assert.deepEqual([count("answered"), count("rate_limit"), count("AbortError")], [250, 250, 500]);
  assert.equal(getEventListeners(signal, "abort").length, 0);
  // What is late is for nobody.
  for (let id = 1; id <= 1000; id += 1) workers[0].send({ type: "response", id, body: null });
  FakeWorker.answer = answerAll;
  assert.equal(await engine.countTokens("abc"), 3);
});

test("a projector is a URL, a file, or none", async () => {
  const projector = new File(["p"], "mmproj-F16.gguf");
  const engine = await Parlance.create({ model: "./a.gguf", projector: "./mmproj.gguf" });
  await engine.load("owner/repository/a.gguf", { projector: false });
  await engine.load([projector, new File(["m"], "m.gguf")]);
  await engine.load("./a.gguf", { projector });
  const loads = workers[0].requests.map(({ source, projector }) => [source.url ?? source.name, projector]);
  assert.deepEqual(loads, [
    ["https://page.example/app/a.gguf", "https://page.example/app/mmproj.gguf"],
    ["owner/repository/a.gguf", ""],
    ["m.gguf", undefined],
    ["https://page.example/app/a.gguf", undefined],
  ]);
});

test("values that cannot be sent are refused", async () => {
  const engine = new Parlance();
  const deep = {};
  deep.self = deep;
  for (const body of [{ messages: [], stop: () => {} }, deep]) {
    await assert.rejects(engine.chat.completions.create(body), { kind: "bad_request", status: 400, param: "body" });
  }
  assert.equal(await engine.countTokens("a"), 1);
});

test("progress goes to the engine's listener and to the request's own", async () => {
  const all = [];
  const engine = new Parlance({ onProgress: ({ phase }) => all.push(phase) });
  FakeWorker.answer = (request, worker) => {
    worker.send({ type: "progress", id: request.id, phase: request.type, done: 1, total: 2, seconds: 0 });
    answerAll(request, worker);
  };
  const own = [];
  await Promise.all([engine.load("./a.gguf", { onProgress: ({ phase }) => own.push(phase) }), engine.countTokens("a")]);
  assert.deepEqual([all.sort(), own], [["count_tokens", "load"], ["load"]]);
});
