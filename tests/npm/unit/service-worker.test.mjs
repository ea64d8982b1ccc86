// `v1/` in a service worker: which engine answers, to whom, and what happens when the tab that runs it changes.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { serveApi } from "../../../web/parlance/service-worker.js";

const SCOPE = "/app/@";
const held = new Set();

/** What service workers have and Node has not. */
Object.defineProperty(globalThis, "navigator", {
  value: {
    locks: {
      query: async () => ({ held: [...held].map((name) => ({ name })) }),
      request: (name) => held.add(name),
    },
  },
});
const clients = new Map([["own", { url: "https://page.example/app/index.html" }], ["other", { url: "https://other.example/" }]]);
globalThis.self = { registration: { scope: "https://page.example/app/" }, clients: { get: async (id) => clients.get(id) } };

/** All channels, by name. Messages arrive later, and not at those who sent them. */
const channels = new Set();
globalThis.BroadcastChannel = class {
  onmessage = null;
  constructor(name) {
    this.name = name;
    channels.add(this);
  }
  postMessage(data) {
    const copy = structuredClone(data);
    for (const other of channels) if (other !== this && other.name === this.name) setTimeout(() => other.onmessage?.({ data: copy }));
  }
};

/** A tab that runs the engine: `answer` gets each request and a function that sends events about it. */
function lead(scope, answer) {
  held.add(`parlance.engine:${scope}`);
  const requests = new BroadcastChannel(`parlance.requests:${scope}`);
  requests.onmessage = ({ data: { kind, client, request, sound, allowed_hosts: hosts } }) => {
    if (kind !== "request") return;
    const events = new BroadcastChannel(`parlance.events:${scope}.${client}`);
    answer(request, (event) => events.postMessage({ id: request.id, ...event }), hosts, sound);
  };
  requests.postMessage({ kind: "leader" });
  return () => channels.delete(requests);
}

/** Asks the service worker; `null` if it leaves the request alone. */
async function ask(listener, path, { client = "own", ...init } = {}) {
  let [response, done] = [null, null];
  listener({
    request: new Request(new URL(path, "https://page.example/app/"), init),
    clientId: client,
    respondWith: (given) => (response = given),
    waitUntil: (given) => (done = given),
  });
  return response && { response: await response, done };
}

const post = (body) => ({ method: "POST", body: JSON.stringify(body) });
const chunk = (content) => ({ type: "chunk", body: { choices: [{ index: 0, delta: { content } }] } });
let listener;

beforeEach(() => (listener = serveApi()));
afterEach(() => (held.clear(), channels.clear()));

test("only v1/ below its scope is served, and only to its own pages", async () => {
  for (const path of ["index.html", "v1", "../v1/models", "https://other.example/app/v1/models"]) assert.equal(await ask(listener, path), null, path);
  for (const client of ["other", "gone", ""]) {
    const { response, done } = await ask(listener, "v1/models", { client });
    assert.equal(response.status, 403);
    await done;
  }
  const { response, done } = await ask(listener, "v1/models");
  assert.deepEqual([response.status, (await response.json()).error.code], [503, "engine_unavailable"]);
  await done;
});

test("an engine of the same build answers; the worker may end when the answer has", async () => {
  lead("/elsewhere/@other-build", () => assert.fail("another build"));
  lead(SCOPE, (request, send, hosts) => {
    assert.deepEqual(hosts, ["https://page.example"]);
    send({ type: "progress" });
    if (!request.body.stream) return send({ type: "response", body: { asked: request.endpoint } });
    send(chunk("a"));
    setTimeout(() => send({ type: "response", body: null }), 20);
  });
  const whole = await ask(listener, "v1/embeddings", post({ input: "x" }));
  assert.deepEqual(await whole.response.json(), { asked: "embeddings" });
  await whole.done;
  const streamed = await ask(listener, "v1/chat/completions?x=1", post({ stream: true }));
  let isDone = false;
  streamed.done.then(() => (isDone = true));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(isDone, false);
  assert.match(await streamed.response.text(), /"a"[^]*\[DONE\]/);
  await streamed.done;
});

test("a recording is sent beside its request, and again if another tab takes over", async () => {
  const heard = [];
  const forget = lead(SCOPE, (...[request, , , sound]) => heard.push([request.body, sound]));
  const body = new FormData();
  body.append("file", new File(["RIFF"], "a.wav"));
  body.append("language", "de");
  const asked = ask(listener, "v1/audio/transcriptions", { method: "POST", body });
  await new Promise((resolve) => setTimeout(resolve, 30));
  forget();
  lead(SCOPE, (request, send, _, sound) => {
    heard.push([request.body, sound]);
    send({ type: "response", body: "WEBVTT" });
  });
  const { response, done } = await asked;
  assert.equal(await response.text(), "WEBVTT");
  await done;
  assert.equal(heard.length, 2);
  for (const [fields, sound] of heard) assert.deepEqual([fields, await sound.text()], [{ language: "de" }, "RIFF"]);
});

test("failures have their status", async () => {
  const error = { message: "too long", type: "invalid_request_error", param: "messages", code: "context_length_exceeded" };
  lead(SCOPE, (_, send) => send({ type: "failed", failure: { kind: "context_overflow", status: 400, error } }));
  const { response } = await ask(listener, "v1/chat/completions", post({ stream: true }));
  assert.deepEqual([response.status, await response.json()], [400, { error }]);
});

test("a reader that leaves stops the answer", async () => {
  const types = [];
  lead(SCOPE, (request, send) => {
    types.push(request.type);
    if (request.type === "api") send(chunk("a"));
  });
  const { response, done } = await ask(listener, "v1/chat/completions", post({ stream: true }));
  await response.body.cancel();
  await done;
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(types, ["api", "interrupt"]);
});

test("if another tab takes over, what has not begun is asked again, and the rest fails", async () => {
  const leave = lead(SCOPE, (request, send) => {
    if (request.body.stream) send(chunk("half"));
  });
  const waiting = ask(listener, "v1/completions", post({}));
  const begun = await ask(listener, "v1/chat/completions", post({ stream: true }));
  leave();
  lead(SCOPE, (_, send) => send({ type: "response", body: { from: "the new tab" } }));
  assert.deepEqual(await (await waiting).response.json(), { from: "the new tab" });
  assert.match(await begun.response.text(), /"half"[^]*the tab that ran the engine was closed/);
});
