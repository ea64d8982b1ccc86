/** Events of a run, and promises of its end. Modelled on the runners of the `openai` package. */
export class Emitter {
  #listeners = new Map();
  #end = withResolvers();
  #isHandled = false;
  controller = new AbortController();
  ended = false;
  errored = false;
  aborted = false;

  constructor() {
    // Reported by `fail` if nobody else handles it.
    this.#end.promise.catch(() => {});
  }

  on(event, listener) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), { listener }]);
    return this;
  }

  once(event, listener) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), { listener, once: true }]);
    return this;
  }

  off(event, listener) {
    const listeners = [...(this.#listeners.get(event) ?? [])];
    const index = listeners.findIndex((entry) => entry.listener === listener);
    if (index >= 0) listeners.splice(index, 1);
    this.#listeners.set(event, listeners);
    return this;
  }

  /** Resolves with the next such event; rejects if the run fails before. */
  emitted(event) {
    this.#isHandled = true;
    return new Promise((resolve, reject) => {
      if (event !== "error") this.once("error", reject);
      if (event !== "abort") this.once("abort", reject);
      this.once(event, resolve);
    });
  }

  /** Resolves when the run has ended; rejects if it failed. */
  done() {
    this.#isHandled = true;
    return this.#end.promise;
  }

  abort() {
    this.controller.abort();
  }

  emit(event, ...values) {
    if (this.ended) return;
    const listeners = this.#listeners.get(event) ?? [];
    this.#listeners.set(
      event,
      listeners.filter(({ once }) => !once),
    );
    for (const { listener } of listeners) listener(...values);
  }

  /** Ends the run, with an error unless it succeeded. */
  finish(error = null) {
    if (error) {
      this.errored = true;
      this.aborted = this.controller.signal.aborted;
      const event = this.aborted ? "abort" : "error";
      // An error that nobody listens to is not lost: it becomes an unhandled rejection.
      if (!this.#isHandled && !this.#listeners.get(event)?.length) Promise.reject(error);
      this.emit(event, error);
      this.#end.reject(error);
    } else {
      this.#end.resolve();
    }
    this.emit("end");
    this.ended = true;
  }
}

function withResolvers() {
  let settle;
  const promise = new Promise((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...settle };
}
