import { checkBody } from "./body.js";
import { ChunkStream } from "./chunk-stream.js";
import { Connection } from "./connection.js";
import { closed, crashed } from "./errors.js";
import { respond } from "./http.js";
import { ImageUrls } from "./images.js";
import { runTools } from "./run-tools.js";
import { withoutSound } from "./sound.js";

/** The engine: a model in this tab, or one shared by another tab of the site. */
export class Parlance {
  /**
   * Starts the worker and loads a model, given as a URL, as `owner/repository/file.gguf` on Hugging Face, or as `File`s. Models may be
   * fetched from the site and from this page's origin; any other host, including that of `model`, has to be in `allowedHosts`.
   * `projector` is the file with which the model sees images (`mmproj`), if it is not found beside the model; `false` loads none.
   * `draftModel` is a smaller model with the same vocabulary, with which answers come faster.
   */
  static async create({ model, projector = null, draftModel = null, contextTokens = null, ...options } = {}) {
    const engine = new Parlance(options);
    if (model === undefined) return engine;
    try {
      await engine.load(model, { projector, draftModel, contextTokens });
    } catch (error) {
      engine.close();
      throw error;
    }
    return engine;
  }

  #connection;
  #loads = [];

  constructor({ allowedHosts = [], assetsUrl, onProgress = () => {}, onEvent = () => {} } = {}) {
    this.#connection = new Connection({
      allowedHosts: allowedHosts.map(originOf),
      assetsUrl,
      onEvent: (event) => (event.type === "progress" ? onProgress(event) : onEvent(event)),
      onStart: async () => {
        for (const load of this.#loads) await this.#load(load);
      },
    });
    const create = (endpoint) => (body, options) => this.#create(endpoint, body, options);
    this.chat = {
      completions: { create: create("chat_completions"), runTools: (body, options) => runTools(this, body, options) },
    };
    this.completions = { create: create("completions") };
    const about = (endpoint) => (id, options) => this.#create(endpoint, { response_id: id }, options);
    const query = (endpoint) => (id, query, options) => this.#create(endpoint, { ...query, response_id: id }, options);
    this.responses = {
      create: create("responses"),
      retrieve: query("retrieve_response"),
      delete: about("delete_response"),
      cancel: about("cancel_response"),
      inputItems: { list: query("input_items") },
    };
    this.embeddings = { create: create("embeddings") };
    this.rerank = { create: create("rerank") };
    this.audio = {
      transcriptions: { create: create("transcriptions") },
      translations: { create: create("translations") },
    };
    this.models = {
      list: (options) => this.#create("models", null, options),
      retrieve: (id, options) => this.#create("retrieve_model", { model: id }, options),
    };
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
    // Clients call it without the engine.
    this.fetch = this.fetch.bind(this);
  }

  /** A `fetch` for OpenAI's clients: answers requests to `…/v1/…` of any host from this engine, and makes no others. */
  async fetch(input, init) {
    const request = new Request(input, init);
    const { pathname } = new URL(request.url);
    const path = pathname.slice(pathname.lastIndexOf("/v1/") + 1).replace(/^v1\//, "");
    return respond(request, path, (...call) => this.#create(...call));
  }

  /** Counts the tokens of a text with the chat model's tokenizer. */
  async countTokens(text, { signal } = {}) {
    return (await this.#send({ type: "count_tokens", text }, { signal })).tokens;
  }

  /** Loads a model, replacing the others unless `beside` is set. Resolves to information about the model. */
  async load(
    model,
    { projector = null, draftModel = null, contextTokens = null, beside = false, signal, onProgress } = {},
  ) {
    const load = { model, projector, draftModel, contextTokens, beside };
    const info = await this.#load(load, { signal, onProgress });
    this.#loads = beside ? [...this.#loads, load] : [load];
    return info;
  }

  async #load({ model, projector, draftModel, contextTokens, beside }, options) {
    const { files, ...source } = sourceOf(model, projector, draftModel);
    const request = { type: "load", ...source, context_tokens: contextTokens, beside };
    return (await this.#send(request, { files, ...options })).model;
  }

  /** Reads a model's header to find out what it is, how much memory it takes, and whether it fits. */
  async inspect(model, { projector = null, draftModel = null, contextTokens = null, signal } = {}) {
    const { files, ...source } = sourceOf(model, projector, draftModel);
    return (await this.#send({ type: "inspect", ...source, context_tokens: contextTokens }, { files, signal })).model;
  }

  /** Unloads a model, or all models. */
  async unload(name = null) {
    this.#loads = [];
    await this.#send({ type: "unload", model: name });
  }

  /**
   * `idleUnloadSeconds` unloads models after that time without a request; `budgetBytes` limits the memory of all models together;
   * `device` ("auto", "gpu" or "cpu") is the device that models loaded from now on run on; `kvCache` ("f16", or "q8" for about half the
   * memory) is the format of the KV cache on a GPU; `parallel` (4, at most 16) is how many answers a model computes together.
   */
  async configure({ idleUnloadSeconds = null, budgetBytes = null, device = "auto", kvCache = "f16", parallel = null }) {
    const settings = { idle_unload_seconds: idleUnloadSeconds, budget_bytes: budgetBytes, device, kv_cache: kvCache, parallel };
    await this.#connection.post({ type: "configure", settings });
  }

  /** Terminates the worker. A later request starts a new one and reloads the models. */
  terminate() {
    this.#connection.stop(crashed("it was terminated"));
  }

  /** Frees everything: the worker with its models, and what has not been answered. Later requests fail. */
  close() {
    this.#loads = [];
    this.#connection.close(closed());
  }

  #send(request, options) {
    return this.#connection.send(request, options);
  }

  async #create(endpoint, whole, { signal, onProgress } = {}) {
    const { body, message } = withoutSound(whole);
    checkBody(body);
    const images = new ImageUrls();
    const stream = body?.stream ? new ChunkStream() : null;
    const sent = this.#ask(endpoint, body, images, {
      message,
      signal,
      onProgress,
      onChunk: (chunk) => stream?.push(chunk),
      onStop: (stop) => stream && (stream.stop = stop),
    });
    const ended = sent.finally(() => images.revoke());
    if (!stream) return (await ended).body;
    ended.then(
      () => stream.end(),
      (error) => stream.fail(error),
    );
    // Errors before the first chunk reject this promise rather than the iteration.
    await Promise.race([ended, stream.started]);
    return stream;
  }

  async #ask(endpoint, body, images, options) {
    return this.#send({ type: "api", endpoint, body: await images.inBody(body) }, options);
  }
}

/** The origin of a host; the default scheme is https. */
function originOf(host) {
  return new URL(host.includes("://") ? host : `https://${host}`).origin;
}

/** Converts a model, its projector and its draft model to the worker's format. */
function sourceOf(model, projector, draftModel) {
  const { files, ...source } = seeingSourceOf(model, projector);
  if (draftModel === null || draftModel === undefined) return { ...source, files };
  const draft = seeingSourceOf(draftModel, null);
  return { ...source, draft_model: draft.source, files: [...files, ...draft.files] };
}

/** The same, without a draft model. */
function seeingSourceOf(model, projector) {
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
