// Chrome's Prompt API (https://github.com/webmachinelearning/prompt-api) on this engine, for browsers that do not have it:
//
//   const engine = new Parlance({ allowedHosts: ["huggingface.co"] });
//   globalThis.LanguageModel ??= languageModel(engine, { model: "owner/repository/file.gguf" });

import { LanguageModelToolCall, LanguageModelToolError, LanguageModelToolSuccess, toMessages, withFiles } from "./prompt-messages.js";
import { checkOptions, SAMPLING_LIMITS, samplingOf, wantsImages } from "./prompt-options.js";
import { Session } from "./prompt-session.js";
import { unlessAborted } from "./signals.js";

export { LanguageModelToolCall, LanguageModelToolError, LanguageModelToolSuccess };

/**
 * Makes the class `LanguageModel`, whose sessions use an engine and its model. The model is loaded with the first session; `projector` and
 * `contextTokens` are those of `load`.
 */
export function languageModel(engine, { model, projector, contextTokens = null } = {}) {
  const shared = new SharedModel(engine, model, { projector, contextTokens });

  return class LanguageModel extends EventTarget {
    #session;
    oncontextoverflow = null;
    onquotaoverflow = null;

    static async availability(options = {}) {
      try {
        checkOptions(options);
      } catch (error) {
        if (error.name === "NotSupportedError") return "unavailable";
        throw error;
      }
      return shared.availability(wantsImages(options));
    }

    static async params() {
      return { ...SAMPLING_LIMITS };
    }

    static async create(options = {}) {
      options.signal?.throwIfAborted();
      checkOptions(options);
      const mayHaveImages = wantsImages(options);
      const given = options.initialPrompts ?? [];
      const initial = toMessages(mayHaveImages ? await withFiles(given) : given, { mayHaveSystem: true, mayHaveImages });
      const { name, context_tokens: window, can_see: canSee } = await shared.load(options);
      if (mayHaveImages && !canSee) throw new DOMException(`${name} sees no images`, "NotSupportedError");
      const settings = { ...samplingOf(options), tools: options.tools ?? [], model: name, mayHaveImages };
      const created = new LanguageModel(new Session(engine, { settings, initial, window }));
      options.signal?.addEventListener("abort", () => created.#session.destroy(options.signal.reason), { once: true });
      await created.#session.begin(options.signal);
      return created;
    }

    /** Not for callers, who use `create`. */
    constructor(session) {
      super();
      if (!(session instanceof Session)) throw new TypeError("Illegal constructor");
      this.#session = session;
      session.onOverflow = () => {
        // The second is its former name.
        for (const type of ["contextoverflow", "quotaoverflow"]) {
          const event = new Event(type);
          this.dispatchEvent(event);
          this[`on${type}`]?.(event);
        }
      };
    }

    prompt(input, options) {
      return this.#session.prompt(input, options);
    }

    promptStreaming(input, options) {
      return this.#session.promptStreaming(input, options);
    }

    append(input, options) {
      return this.#session.append(input, options);
    }

    measureContextUsage(input, options) {
      return this.#session.measure(input, options);
    }

    measureInputUsage(input, options) {
      return this.#session.measure(input, options);
    }

    get contextUsage() {
      return this.#session.usage;
    }

    get inputUsage() {
      return this.#session.usage;
    }

    get contextWindow() {
      return this.#session.window;
    }

    get inputQuota() {
      return this.#session.window;
    }

    get samplingMode() {
      return this.#session.settings.samplingMode;
    }

    get topK() {
      return this.#session.settings.topK;
    }

    get temperature() {
      return this.#session.settings.temperature;
    }

    async clone({ signal } = {}) {
      return new LanguageModel(await this.#session.clone(signal));
    }

    destroy() {
      this.#session.destroy();
    }
  };
}

/** The model of all sessions. */
class SharedModel {
  #engine;
  #model;
  #options;
  #loading = null;
  #info = null;
  #monitors = new Set();

  constructor(engine, model, options) {
    this.#engine = engine;
    this.#model = model;
    this.#options = options;
  }

  /** Whether the model of an URL sees is known once it has been loaded, on this device. */
  async availability(mustSee) {
    if (typeof Worker === "undefined") return "unavailable";
    if (this.#info) return mustSee && !this.#info.can_see ? "unavailable" : "available";
    if (typeof this.#model !== "string") return "available";
    const address = addressOf(this.#model);
    const { models } = await this.#engine.storage.list();
    const stored = models.find(({ url }) => url === address);
    if (stored && stored.done_bytes >= stored.len_bytes) return mustSee && !stored.can_see ? "unavailable" : "available";
    return this.#loading ? "downloading" : "downloadable";
  }

  /** Resolves to the loaded model. Other sessions may wait for it, too, so `signal` does not stop the download. */
  async load({ signal, monitor }) {
    const progress = monitor && new DownloadProgress(monitor);
    progress?.report(0);
    this.#monitors.add(progress);
    try {
      if (!this.#info) {
        this.#loading ??= this.#start();
        await unlessAborted(this.#loading, signal);
      }
      progress?.report(1);
      return this.#info;
    } catch (error) {
      throw error.kind === "network" ? new DOMException(error.message, "NetworkError") : error;
    } finally {
      this.#monitors.delete(progress);
    }
  }

  async #start() {
    try {
      this.#info = await this.#engine.load(this.#model, {
        ...this.#options,
        onProgress: ({ phase, done, total }) => {
          if (phase === "download" && total) for (const progress of this.#monitors) progress?.report(done / total);
        },
      });
    } finally {
      this.#loading = null;
    }
  }
}

/** Tells a monitor of a download. */
class DownloadProgress {
  #target = new EventTarget();
  #loaded = -1;

  constructor(monitor) {
    this.#target.ondownloadprogress = null;
    monitor(this.#target);
  }

  report(loaded) {
    if (loaded <= this.#loaded) return;
    this.#loaded = loaded;
    const event = new ProgressEvent("downloadprogress", { loaded, total: 1, lengthComputable: true });
    this.#target.dispatchEvent(event);
    this.#target.ondownloadprogress?.(event);
  }
}

/** Under which URL a model is stored. */
function addressOf(model) {
  const [path] = model.split("#");
  const isUrl = /^(\.{0,2}\/|[a-z][a-z0-9+.-]*:)/i.test(path);
  if (isUrl) return new URL(path, document.baseURI).href;
  const [owner, repository, ...file] = path.split("/");
  return `https://huggingface.co/${owner}/${repository}/resolve/main/${file.join("/")}`;
}
