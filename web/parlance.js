// The JavaScript API: OpenAI's API for a model that runs in this tab.
//
//   import { Parlance } from "https://your.site/parlance.js";
//   const engine = await Parlance.create({
//     model: "owner/repository/file.gguf", allowedHosts: ["huggingface.co"], onProgress: console.log,
//   });
//   const stream = await engine.chat.completions.create({ messages: [...], stream: true });
//   for await (const chunk of stream) console.log(chunk.choices[0]?.delta.content);
//
// The worker does the work; this module turns messages into promises and iterators. See `docs/api.md` for documentation and
// `parlance.d.ts` for types.

import { startEngine } from "./start-worker.js";

/** An error, with the fields of OpenAI's errors. */
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
    error: { message: `the engine crashed: ${message}`, type: "server_error", param: null, code: null },
  });

/** The engine: a model in this tab, or one shared by another tab of the site. */
export class Parlance {
  /**
   * Starts the worker and loads a model, given as a URL, as `owner/repository/file.gguf` on Hugging Face, or as `File`s. Models may be
   * fetched from the site and from this page's origin; any other host, including that of `model`, has to be in `allowedHosts`.
   * `projector` is the file with which the model sees images (`mmproj`), if it is not found beside the model; `false` loads none.
   */
  static async create({
    model, projector = null, contextTokens = null, allowedHosts = [], onProgress = () => {}, onEvent = () => {},
  } = {}) {
    const engine = new Parlance({ allowedHosts, onProgress, onEvent });
    if (model !== undefined) await engine.load(model, { projector, contextTokens });
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
    this.rerank = { create: create("rerank") };
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

  /** Counts the tokens of a text with the chat model's tokenizer. */
  async countTokens(text) {
    return (await this.#send({ type: "count_tokens", text })).tokens;
  }

  /** Loads a model, replacing the others unless `beside` is set. Resolves to information about the model. */
  async load(model, { projector = null, contextTokens = null, beside = false, signal } = {}) {
    const load = { model, projector, contextTokens, beside };
    const info = await this.#load(load, signal);
    this.#loads = beside ? [...this.#loads, load] : [load];
    return info;
  }

  async #load({ model, projector, contextTokens, beside }, signal) {
    const { files, ...source } = sourceOf(model, projector);
    const request = { type: "load", ...source, context_tokens: contextTokens, beside };
    return (await this.#send(request, { files, signal })).model;
  }

  /** Reads a model's header to find out what it is, how much memory it takes, and whether it fits. */
  async inspect(model, { projector = null, contextTokens = null } = {}) {
    const { files, ...source } = sourceOf(model, projector);
    return (await this.#send({ type: "inspect", ...source, context_tokens: contextTokens }, { files })).model;
  }

  /** Unloads a model, or all models. */
  async unload(name = null) {
    this.#loads = [];
    await this.#send({ type: "unload", model: name });
  }

  /**
   * `idleUnloadSeconds` unloads models after that time without a request; `budgetBytes` limits the memory of all models together;
   * `device` ("auto", "gpu" or "cpu") is the device that models loaded from now on run on; `kvCache` ("f16", or "q8" for about half the
   * memory) is the format of the KV cache on a GPU.
   */
  async configure({ idleUnloadSeconds = null, budgetBytes = null, device = "auto", kvCache = "f16" }) {
    await this.#start();
    const settings = { idle_unload_seconds: idleUnloadSeconds, budget_bytes: budgetBytes, device, kv_cache: kvCache };
    this.#worker.postMessage({ request: { type: "configure", settings } });
  }

  /** Terminates the worker. A later request starts a new one and reloads the models. */
  terminate() {
    this.#stop(crashed("it was terminated"));
  }

  async #create(endpoint, body, { signal } = {}) {
    const images = new ImageUrls();
    const request = { type: "api", endpoint, body: await images.inBody(body) };
    if (!body?.stream) return (await this.#send(request, { signal }).finally(() => images.revoke())).body;
    const stream = new Stream();
    const ended = this.#send(request, { signal, onChunk: (chunk) => stream.push(chunk), onId: (stop) => (stream.stop = stop) });
    ended.finally(() => images.revoke()).then(
      () => stream.end(),
      (error) => stream.fail(error),
    );
    // Errors before the first chunk reject this promise rather than the iteration.
    await Promise.race([ended, stream.started]);
    return stream;
  }

  /** Sends a request and resolves to its final event. */
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

  /** Starts the worker if there is none, and reloads the models that were loaded before it stopped. */
  #start() {
    this.#ready ??= new Promise((resolve, reject) => {
      const worker = startEngine(this.#allowedHosts);
      this.#worker = worker;
      worker.onmessage = ({ data }) => (data.type === "ready" ? resolve() : this.#receive(data));
      worker.onerror = (event) => {
        const error = crashed(event.message || "its script could not be loaded");
        reject(error);
        this.#stop(error);
      };
    }).then(async () => {
      const loads = this.#loads;
      if (loads.length === 0) return;
      // Let the loads below through; other requests still wait.
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
        this.#stop(crashed(event.message));
        break;
      case "recovered":
      case "model_changed":
        this.#onEvent(event);
        break;
      default:
        pending?.resolve(event);
    }
  }

  #stop(error) {
    this.#worker?.terminate();
    this.#worker = null;
    this.#ready = null;
    for (const { reject } of [...this.#pending.values()]) reject(error);
  }
}

/** An async iterable of chunks. Leaving the loop early stops the answer. */
class Stream {
  #chunks = [];
  #wake = () => {};
  #isDone = false;
  #error = null;
  #markStarted;
  stop = () => {};
  started = new Promise((resolve) => (this.#markStarted = resolve));

  push(chunk) {
    this.#chunks.push(chunk);
    this.#markStarted();
    this.#wake();
  }

  end() {
    this.#isDone = true;
    this.#markStarted();
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

/** `blob:` URLs for the images of a request that are `Blob`s, such as `File`s, or `ImageBitmap`s. */
class ImageUrls {
  #urls = [];

  /** The request with URLs in their place. */
  async inBody(body) {
    if (!Array.isArray(body?.messages)) return body;
    return { ...body, messages: await Promise.all(body.messages.map((message) => this.#inMessage(message))) };
  }

  revoke() {
    this.#urls.forEach((url) => URL.revokeObjectURL(url));
  }

  async #inMessage(message) {
    if (!Array.isArray(message?.content)) return message;
    return { ...message, content: await Promise.all(message.content.map((part) => this.#inPart(part))) };
  }

  async #inPart(part) {
    if (part?.type !== "image_url") return part;
    const image = isImage(part.image_url) ? { url: part.image_url } : part.image_url;
    return { ...part, image_url: isImage(image?.url) ? { ...image, url: await this.#url(image.url) } : image };
  }

  async #url(image) {
    let blob = image;
    if (image instanceof ImageBitmap) {
      const canvas = new OffscreenCanvas(image.width, image.height);
      canvas.getContext("2d").drawImage(image, 0, 0);
      blob = await canvas.convertToBlob();
    }
    const url = URL.createObjectURL(blob);
    this.#urls.push(url);
    return url;
  }
}

const isImage = (value) => value instanceof Blob || value instanceof ImageBitmap;

/** The origin of a host; the default scheme is https. */
function originOf(host) {
  return new URL(host.includes("://") ? host : `https://${host}`).origin;
}

/** Converts a model and its projector to the worker's format. */
function sourceOf(model, projector) {
  const files = [];
  const chosen = projector === false ? "" : projector;
  if (chosen instanceof File) files.push(chosen);
  const named = typeof chosen === "string" ? { projector: chosen && absolute(chosen) } : {};
  if (typeof model === "string") return { source: { kind: "url", url: absolute(model) }, ...named, files };
  files.unshift(...(model instanceof File ? [model] : model));
  const main = files.find(({ name }) => !/mmproj/i.test(name)) ?? files[0];
  return { source: { kind: "file", name: main?.name ?? "" }, ...named, files };
}

/** A URL relative to this page as an absolute one; paths on Hugging Face stay as they are. */
function absolute(url) {
  return /^(\.{0,2}\/|[a-z][a-z0-9+.-]*:)/i.test(url) ? new URL(url, document.baseURI).href : url;
}
