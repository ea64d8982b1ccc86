import { startEngine } from "../start-worker.js";
import { badBody } from "./body.js";
import { crashed, ParlanceError, unsupported } from "./errors.js";

/** A connection to the engine's worker, which starts with the first request and, if it has stopped, with a later one. */
export class Connection {
  #start;
  #onEvent;
  #onStart;
  #worker = null;
  #ready = null;
  #closed = null;
  #pending = new Map();
  #lastId = 0;

  /** `onEvent` takes events that belong to no request. `onStart` is awaited whenever the worker starts, before other requests. */
  constructor({ allowedHosts, assetsUrl, onEvent, onStart }) {
    this.#start = () => startEngine(allowedHosts, assetsUrl);
    this.#onEvent = onEvent;
    this.#onStart = onStart;
  }

  /**
   * Sends a request and resolves to its final event. `message` has what is sent beside it. Progress and chunks go to the callbacks, and `onStop` is called with a function that
   * stops the request.
   */
  async send(request, { files = [], message = {}, signal, onProgress = () => {}, onChunk = () => {}, onStop = () => {} } = {}) {
    const worker = await this.#running();
    if (signal?.aborted) throw signal.reason;
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const stop = () => worker.postMessage({ request: { type: "interrupt", id } });
      signal?.addEventListener("abort", stop);
      onStop(stop);
      const end = (settle) => (value) => {
        signal?.removeEventListener("abort", stop);
        this.#pending.delete(id);
        if (signal?.aborted) reject(signal.reason);
        else settle(value);
      };
      this.#pending.set(id, { progress: onProgress, chunk: onChunk, resolve: end(resolve), reject: end(reject) });
      try {
        worker.postMessage({ request: { ...request, id }, files, ...message });
      } catch (error) {
        // It has a value that cannot be copied, such as a function.
        this.#pending.get(id).reject(badBody(error.message));
      }
    });
  }

  /** Posts a request that has no answer. */
  async post(request) {
    (await this.#running()).postMessage({ request });
  }

  /** Resolves to the worker when it takes requests. */
  async #running() {
    await this.#started();
    // It may have stopped before this is heard of.
    return this.#worker ?? this.#running();
  }

  #started() {
    if (this.#closed) return Promise.reject(this.#closed);
    if (typeof Worker === "undefined") return Promise.reject(unsupported("Parlance runs in browsers only"));
    return (this.#ready ??= this.#begin());
  }

  async #begin() {
    const [key, stops] = [Symbol("beginning"), []];
    this.#pending.set(key, { reject: (error) => stops.push(error) });
    // From here on, `#ready` is this promise.
    await null;
    this.#pending.delete(key);
    if (stops.length > 0) throw stops[0];
    let worker = null;
    try {
      worker = await this.#launch();
      // Lets the requests of `onStart` through; others still wait.
      const ready = this.#ready;
      this.#ready = Promise.resolve();
      await this.#onStart();
      this.#ready &&= ready;
    } catch (error) {
      // The next request tries again.
      if (this.#worker === worker) this.stop(error);
      throw error;
    }
  }

  /** Starts the worker and resolves to it when it is ready. */
  #launch() {
    const key = Symbol("launching");
    return new Promise((resolve, reject) => {
      this.#pending.set(key, { reject });
      const worker = this.#start();
      this.#worker = worker;
      worker.onmessage = ({ data }) => (data.type === "ready" ? resolve(worker) : this.#receive(data));
      worker.onerror = (event) => {
        event.preventDefault();
        this.stop(crashed(event.message || "its script could not be loaded"));
      };
    }).finally(() => this.#pending.delete(key));
  }

  #receive(event) {
    const pending = this.#pending.get(event.id);
    switch (event.type) {
      case "progress":
        this.#onEvent(event);
        pending?.progress(event);
        break;
      case "chunk":
        pending?.chunk(event.body);
        break;
      case "failed":
        pending?.reject(new ParlanceError(event.failure));
        break;
      case "panicked":
        this.stop(crashed(event.message));
        break;
      case "recovered":
      case "model_changed":
        this.#onEvent(event);
        break;
      default:
        pending?.resolve(event);
    }
  }

  /** Ends the worker and rejects what it was asked. */
  stop(error) {
    this.#worker?.terminate();
    this.#worker = null;
    this.#ready = null;
    for (const { reject } of [...this.#pending.values()]) reject(error);
  }

  /** Stops for good. */
  close(error) {
    this.#closed = error;
    this.stop(error);
  }
}
