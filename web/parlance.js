// Parlance for web developers: OpenAI's API over a model that runs in this tab.
//
//   import { Parlance } from "https://your.site/parlance.js";
//   const engine = await Parlance.create({
//     model: "owner/repository/file.gguf", allowedHosts: ["huggingface.co"], onProgress: console.log,
//   });
//   const stream = await engine.chat.completions.create({ messages: [...], stream: true });
//   for await (const chunk of stream) console.log(chunk.choices[0]?.delta.content);
//
// All of the work is done in the worker; this module turns messages into promises and iterators. `docs/api.md` describes it,
// `parlance.d.ts` types it.

import { startEngine } from "./start-worker.js";

/** What went wrong, with the fields of OpenAI's errors. */
export class ParlanceError extends Error {
  constructor({ kind, status, error, suggested_context_tokens: suggestedContextTokens = null, reason = { code: "other" } }) {
    super(error.message);
    this.name = "ParlanceError";
    this.kind = kind;
    this.status = status;
    this.type = error.type;
    this.param = error.param;
    this.code = error.code;
    this.suggestedContextTokens = suggestedContextTokens;
    this.reason = reason;
  }
}

const crashed = (message) =>
  new ParlanceError({
    kind: "crashed",
    status: 500,
    error: { message: `the engine stopped: ${message}`, type: "server_error", param: null, code: null },
  });

/** A model in this tab, or one that another tab of this site shares. */
export class Parlance {
  /**
   * Starts the worker and loads a model: an address, `owner/repository/file.gguf` on Hugging Face, or `File`s. Models are fetched from
   * the site and from this page's origin; every other host has to be among `allowedHosts`, also that of `model`.
   */
  static async create({ model, contextTokens = null, allowedHosts = [], onProgress = () => {}, onEvent = () => {} } = {}) {
    const engine = new Parlance({ allowedHosts, onProgress, onEvent });
    if (model !== undefined) await engine.load(model, { contextTokens });
    return engine;
  }

  #worker = null;
  #ready = null;
  #pending = new Map();
  #lastId = 0;
  #loads = [];
  #allowedHosts;
  #onProgress;
  #onEvent;

  constructor({ allowedHosts = [], onProgress = () => {}, onEvent = () => {} } = {}) {
    this.#allowedHosts = allowedHosts.map(originOf);
    this.#onProgress = onProgress;
    this.#onEvent = onEvent;
    const create = (endpoint) => (body, options) => this.#create(endpoint, body, options);
    this.chat = { completions: { create: create("chat_completions") } };
    this.completions = { create: create("completions") };
    this.embeddings = { create: create("embeddings") };
    this.models = { list: () => this.#create("models", null) };
    this.storage = {
      list: async () => (await this.#send({ type: "storage" })).storage,
      delete: async (url) => (await this.#send({ type: "delete", url })).storage,
      verify: async (url) => (await this.#send({ type: "verify", url })).is_intact,
      import: async (...files) => (await this.#send({ type: "import" }, { files })).storage,
    };
    this.conversations = {
      save: async (name) => (await this.#send({ type: "save_conversation", name })).tokens,
      restore: async (name) => (await this.#send({ type: "restore_conversation", name })).tokens,
    };
  }

  /** How many tokens a text has for the model that chats. */
  async countTokens(text) {
    return (await this.#send({ type: "count_tokens", text })).tokens;
  }

  /** Loads a model, in place of the one loaded or `beside` it, and resolves to what it is. */
  async load(model, { contextTokens = null, beside = false, signal } = {}) {
    const load = { model, contextTokens, beside };
    const info = await this.#load(load, signal);
    this.#loads = beside ? [...this.#loads, load] : [load];
    return info;
  }

  async #load({ model, contextTokens, beside }, signal) {
    const { source, files } = sourceOf(model);
    const request = { type: "load", source, context_tokens: contextTokens, beside };
    return (await this.#send(request, { files, signal })).model;
  }

  /** Reads a model's header: what it is, what it takes, and whether it fits. */
  async inspect(model, { contextTokens = null } = {}) {
    const { source, files } = sourceOf(model);
    return (await this.#send({ type: "inspect", source, context_tokens: contextTokens }, { files })).model;
  }

  /** Frees a model's memory, or all models'. */
  async unload(name = null) {
    this.#loads = [];
    await this.#send({ type: "unload", model: name });
  }

  /**
   * `idleUnloadSeconds` frees models that nobody uses; `budgetBytes` limits what models beside each other take; `device` ("auto",
   * "gpu" or "cpu") is what models are computed on that load from now on; `kvCache` ("f16", or "q8" for half of the memory) how a GPU keeps
   * keys and values.
   */
  async configure({ idleUnloadSeconds = null, budgetBytes = null, device = "auto", kvCache = "f16" }) {
    await this.#start();
    const settings = { idle_unload_seconds: idleUnloadSeconds, budget_bytes: budgetBytes, device, kv_cache: kvCache };
    this.#worker.postMessage({ request: { type: "configure", settings } });
  }

  /** Ends the worker. A later request starts a new one and loads the model again. */
  terminate() {
    this.#end(crashed("it was terminated"));
  }

  async #create(endpoint, body, { signal } = {}) {
    const request = { type: "api", endpoint, body };
    if (!body?.stream) return (await this.#send(request, { signal })).body;
    const stream = new Stream();
    const ended = this.#send(request, { signal, onChunk: (chunk) => stream.push(chunk), onId: (stop) => (stream.stop = stop) });
    ended.then(
      () => stream.end(),
      (error) => stream.fail(error),
    );
    // Errors before the first chunk are the caller's, not the loop's.
    await Promise.race([ended, stream.begun]);
    return stream;
  }

  /** Sends a request and resolves to the event that ends it. */
  async #send(request, { files = [], signal, onChunk = () => {}, onId = () => {} } = {}) {
    await this.#start();
    if (signal?.aborted) throw signal.reason;
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const stop = () => this.#worker?.postMessage({ request: { type: "interrupt", id } });
      signal?.addEventListener("abort", stop);
      onId(stop);
      const settle = (settled) => (value) => {
        signal?.removeEventListener("abort", stop);
        this.#pending.delete(id);
        settled(signal?.aborted ? signal.reason : value);
      };
      this.#pending.set(id, {
        chunk: onChunk,
        resolve: (event) => (signal?.aborted ? settle(reject) : settle(resolve))(event),
        reject: settle(reject),
      });
      this.#worker.postMessage({ request: { ...request, id }, files });
    });
  }

  /** Starts the worker if there is none; after a crash it loads again what was loaded. */
  #start() {
    this.#ready ??= new Promise((resolve, reject) => {
      const worker = startEngine(this.#allowedHosts);
      this.#worker = worker;
      worker.onmessage = ({ data }) => (data.type === "ready" ? resolve() : this.#receive(data));
      worker.onerror = (event) => {
        const error = crashed(event.message || "its script could not be loaded");
        reject(error);
        this.#end(error);
      };
    }).then(async () => {
      const loads = this.#loads;
      if (loads.length === 0) return;
      // The requests that wait for this come after it.
      const ready = this.#ready;
      this.#ready = Promise.resolve();
      try {
        for (const load of loads) await this.#load(load);
      } finally {
        this.#ready &&= ready;
      }
    });
    return this.#ready;
  }

  #receive(event) {
    const pending = this.#pending.get(event.id);
    switch (event.type) {
      case "progress":
        this.#onProgress(event);
        break;
      case "chunk":
        pending?.chunk(event.body);
        break;
      case "failed":
        pending?.reject(new ParlanceError(event.failure));
        break;
      case "panicked":
        this.#end(crashed(event.message));
        break;
      case "recovered":
      case "model_changed":
        this.#onEvent(event);
        break;
      default:
        pending?.resolve(event);
    }
  }

  #end(error) {
    this.#worker?.terminate();
    this.#worker = null;
    this.#ready = null;
    for (const { reject } of [...this.#pending.values()]) reject(error);
  }
}

/** Chunks as they come. Leaving the loop early stops the answer. */
class Stream {
  #chunks = [];
  #wake = () => {};
  #isDone = false;
  #error = null;
  #markBegun;
  stop = () => {};
  begun = new Promise((resolve) => (this.#markBegun = resolve));

  push(chunk) {
    this.#chunks.push(chunk);
    this.#markBegun();
    this.#wake();
  }

  end() {
    this.#isDone = true;
    this.#markBegun();
    this.#wake();
  }

  fail(error) {
    this.#error = error;
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        if (this.#chunks.length > 0) yield this.#chunks.shift();
        else if (this.#error) throw this.#error;
        else if (this.#isDone) return;
        else await new Promise((resolve) => (this.#wake = resolve));
      }
    } finally {
      if (!this.#isDone && !this.#error) this.stop();
    }
  }
}

/** A host's origin; one that is named without a scheme is meant with https. */
function originOf(host) {
  return new URL(host.includes("://") ? host : `https://${host}`).origin;
}

/** A model as the worker takes it. */
function sourceOf(model) {
  if (typeof model === "string") {
    const isAddress = /^(\.{0,2}\/|[a-z][a-z0-9+.-]*:)/i.test(model);
    return { source: { kind: "url", url: isAddress ? new URL(model, document.baseURI).href : model }, files: [] };
  }
  const files = model instanceof File ? [model] : [...model];
  return { source: { kind: "file", name: files[0]?.name ?? "" }, files };
}
