import { checkBody } from "./body.js";
import { ChunkStream } from "./chunk-stream.js";
import { ParlanceError, unavailable } from "./errors.js";
import { withoutSound } from "./sound.js";

const ENGINE_LOCK = "parlance.engine:";

/** The scope of an engine that a tab of this origin runs and `accepts` takes, if there is one. */
export async function findEngine(accepts) {
  const { held } = await navigator.locks.query();
  const scopes = held.filter(({ name }) => name.startsWith(ENGINE_LOCK)).map(({ name }) => name.slice(ENGINE_LOCK.length));
  return scopes.find(accepts);
}

/** A connection to the worker that runs the engine of a scope, from where there is no worker; see `worker/src/election.rs`. */
export class Leader {
  #allowedHosts;
  #id = crypto.randomUUID();
  #requests;
  #events;
  #pending = new Map();
  #lastId = 0;

  constructor(scope, allowedHosts) {
    this.#allowedHosts = allowedHosts;
    this.#requests = new BroadcastChannel(`parlance.requests:${scope}`);
    this.#events = new BroadcastChannel(`parlance.events:${scope}.${this.#id}`);
    // While this lock is held, the engine knows that this client is alive.
    navigator.locks.request(`parlance.client:${scope}.${this.#id}`, () => new Promise(() => {}));
    this.#events.onmessage = ({ data }) => this.#receive(data);
    this.#requests.onmessage = ({ data }) => {
      if (data.kind === "leader") this.#resend();
    };
  }

  /** Asks the API. Resolves to a response or, if it is streamed, to chunks. */
  async create(endpoint, whole, { signal } = {}) {
    const { body, message } = withoutSound(whole);
    checkBody(body);
    signal?.throwIfAborted();
    const id = ++this.#lastId;
    const request = { type: "api", endpoint, body, id };
    const stream = new ChunkStream();
    stream.stop = () => {
      if (this.#pending.has(id)) this.#post({ type: "interrupt", id });
    };
    signal?.addEventListener("abort", stream.stop);
    return new Promise((resolve, reject) => {
      const end = (settle) => (value) => {
        this.#pending.delete(id);
        signal?.removeEventListener("abort", stream.stop);
        settle(value);
      };
      this.#post(request, message);
      this.#pending.set(id, {
        request,
        message,
        hasStarted: false,
        chunk: (chunk) => (stream.push(chunk), resolve(stream)),
        end: end((response) => (stream.end(), resolve(response ?? stream))),
        fail: end((error) => (stream.fail(error), reject(error))),
      });
    });
  }

  #receive(event) {
    const pending = this.#pending.get(event.id);
    if (!pending || event.type === "progress") return;
    pending.hasStarted = true;
    if (event.type === "chunk") pending.chunk(event.body);
    else if (event.type === "failed") pending.fail(new ParlanceError(event.failure));
    else pending.end(event.body);
  }

  #post(request, message = {}) {
    this.#requests.postMessage({ kind: "request", client: this.#id, allowed_hosts: this.#allowedHosts, request, ...message });
  }

  /** Another tab runs the engine now: resends the requests that have not been answered yet. */
  #resend() {
    for (const pending of [...this.#pending.values()]) {
      if (pending.hasStarted) pending.fail(unavailable("the tab that ran the engine was closed"));
      else this.#post(pending.request, pending.message);
    }
  }
}
