import { anyOf } from "./signals.js";
import { serverSentEvents } from "./sse.js";

/** Longer messages are refused. */
const MAX_MESSAGE_CHARS = 16e6;
/** How often a response is asked for again after its connection broke. */
const MAX_RESUMES = 3;
const METHOD_NOT_FOUND = -32601;

/** A request that the server refused: `code` is that of JSON-RPC, or an HTTP status. */
export class McpError extends Error {
  constructor(message, code, data) {
    super(message);
    this.name = "McpError";
    this.code = code;
    this.data = data;
  }
}

/** JSON-RPC over Streamable HTTP: a request is a POST, and its response JSON or a stream of events that ends with it. */
export class McpTransport {
  #url;
  #options;
  #session = null;
  #lastId = 0;
  #open = new AbortController();
  /** The protocol's version, once it is agreed upon. */
  version = null;
  /** Begins a new session in place of one that the server has forgotten. */
  onExpired = async () => {};

  constructor(url, options) {
    this.#url = url;
    this.#options = options;
  }

  reset() {
    this.#session = null;
    this.version = null;
  }

  /** Resolves to a request's result. */
  async request(method, params, { signal, timeoutMs = this.#options.timeoutMs } = {}) {
    const id = ++this.#lastId;
    const ended = anyOf(this.#open.signal, AbortSignal.timeout(timeoutMs), signal);
    try {
      return await this.#ask({ jsonrpc: "2.0", id, method, params }, ended);
    } catch (error) {
      if (!ended.aborted) throw error;
      // The server may still be at work. What it says to this does not matter.
      if (method !== "initialize") this.notify("notifications/cancelled", { requestId: id }).catch(() => {});
      throw ended.reason;
    }
  }

  async notify(method, params) {
    await this.#tell({ jsonrpc: "2.0", method, params });
  }

  async close() {
    const session = this.#session;
    this.#open.abort(new McpError("the connection was closed", 0));
    // A server need not support this.
    if (session) await this.#fetch({ method: "DELETE", keepalive: true }).catch(() => {});
  }

  async #ask(message, signal) {
    let response = await this.#post(message, signal);
    if (response.status === 404 && this.#session && message.method !== "initialize") {
      await this.onExpired();
      response = await this.#post(message, signal);
    }
    if (!response.ok) throw await failure(response);
    if (message.method === "initialize") this.#session = response.headers.get("mcp-session-id");
    const answer = isStream(response) ? await this.#readUntil(message.id, response, signal) : await response.json();
    if (answer?.error) throw new McpError(answer.error.message, answer.error.code, answer.error.data);
    if (answer?.id !== message.id || typeof answer.result !== "object") throw new McpError("the server did not answer", 0);
    return answer.result;
  }

  /** Reads a stream up to the response to a request. If it breaks, it is resumed where it was, if the server can. */
  async #readUntil(id, response, signal) {
    let last = null;
    for (let attempt = 0; ; attempt += 1) {
      try {
        for await (const event of serverSentEvents(response.body, MAX_MESSAGE_CHARS)) {
          last = event.id ?? last;
          const message = event.data === "" ? {} : JSON.parse(event.data);
          if (message.id === id && message.method === undefined) return message;
          this.#receive(message);
        }
      } catch (error) {
        if (signal.aborted || error instanceof SyntaxError || error instanceof RangeError) throw error;
      }
      if (last === null || attempt === MAX_RESUMES) throw new McpError("the connection broke", 0);
      response = await this.#fetch({ method: "GET", signal }, { accept: "text/event-stream", "last-event-id": last });
      if (!response.ok) throw await failure(response);
    }
  }

  /** Takes what the server asks or tells. */
  #receive({ id, method, params }) {
    if (method === undefined) return;
    if (id === undefined) return this.#options.onNotification({ method, params });
    const isPing = method === "ping";
    const error = { code: METHOD_NOT_FOUND, message: `this client has no ${method}` };
    const answer = { jsonrpc: "2.0", id, ...(isPing ? { result: {} } : { error }) };
    this.#tell(answer).catch(() => {});
  }

  /** Sends a message that has no answer. */
  async #tell(message) {
    const response = await this.#post(message, this.#open.signal);
    await response.body?.cancel();
  }

  #post(message, signal) {
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    return this.#fetch({ method: "POST", body: JSON.stringify(message), signal }, headers);
  }

  async #fetch(request, headers = {}) {
    const { headers: given, fetch } = this.#options;
    const own = typeof given === "function" ? await given() : given;
    const session = {
      ...(this.#session && { "mcp-session-id": this.#session }),
      ...(this.version && { "mcp-protocol-version": this.version }),
    };
    return fetch(this.#url, { ...request, headers: { ...own, ...headers, ...session } });
  }
}

const isStream = (response) => (response.headers.get("content-type") ?? "").startsWith("text/event-stream");

async function failure(response) {
  const text = (await response.text()).slice(0, 500);
  return new McpError(`the server answered with status ${response.status}${text && `: ${text}`}`, response.status);
}
