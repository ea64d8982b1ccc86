// The site's service worker. It caches the app for offline use, one complete build at a time, and serves the OpenAI API under `v1/`
// to pages of the site, by forwarding requests to the tab that runs the engine.
//
// The build fills in BUILD and FILES (`cargo xtask finish-site`).

const BUILD = "";
/** The files of this build, with their digests. */
const FILES = {};

const CACHE_PREFIX = "parlance-build-";
const CACHE = CACHE_PREFIX + BUILD;
const BASE = new URL("./", self.location.href);
/** Paths of the app's pages, relative to the site: a single segment without an extension. */
const PAGE = /^([^./]+\/?)?$/;

// --- Offline cache ---

self.addEventListener("install", (event) => {
  // Fetch all files from the server and check their digests. If a host serves files of two builds or modified ones, installation fails and
  // the previous build stays installed.
  const requests = Object.entries(FILES).map(
    ([file, integrity]) => new Request(new URL(file, BASE), { cache: "reload", integrity }),
  );
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const names = await caches.keys();
      const old = names.filter((name) => name.startsWith(CACHE_PREFIX) && name !== CACHE);
      await Promise.all(old.map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("message", (event) => {
  // Sent by the page when the user installs the new version.
  if (event.data === "skipWaiting") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== BASE.origin || !url.pathname.startsWith(BASE.pathname)) return;
  const path = url.pathname.slice(BASE.pathname.length);
  if (path.startsWith("v1/")) {
    const { response, done } = serve(event, path);
    event.respondWith(response);
    event.waitUntil(done);
  } else if (event.request.method === "GET") {
    if (Object.hasOwn(FILES, path)) {
      event.respondWith(fromCache(path, event.request));
    } else if (event.request.mode === "navigate" && Object.hasOwn(FILES, "index.html") && PAGE.test(path)) {
      // The page refers to its files by relative URLs, so its own URL must not end with a slash.
      const response = path.endsWith("/")
        ? Response.redirect(new URL(`./${path.slice(0, -1)}${url.search}`, BASE))
        : fromCache("index.html", event.request);
      event.respondWith(response);
    }
  }
});

async function fromCache(file, request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(new URL(file, BASE))) ?? fetch(request);
}

// --- The API ---

/** Method, path and endpoint of each request. Where a path has a parameter, it is sent in place of the body, together with the query. */
const ROUTES = [
  ["POST", /^v1\/chat\/completions$/, "chat_completions"],
  ["POST", /^v1\/completions$/, "completions"],
  ["POST", /^v1\/responses$/, "responses"],
  ["GET", /^v1\/responses\/(?<response_id>[^/]+)$/, "retrieve_response"],
  ["DELETE", /^v1\/responses\/(?<response_id>[^/]+)$/, "delete_response"],
  ["POST", /^v1\/responses\/(?<response_id>[^/]+)\/cancel$/, "cancel_response"],
  ["GET", /^v1\/responses\/(?<response_id>[^/]+)\/input_items$/, "input_items"],
  ["POST", /^v1\/embeddings$/, "embeddings"],
  ["POST", /^v1\/rerank$/, "rerank"],
  ["GET", /^v1\/models$/, "models"],
];

/** The longest body that is read, in bytes. The worker has the same limit. */
const MAX_BODY_BYTES = 32 << 20;
/** How deep a body may be nested: the worker reads it recursively. */
const MAX_DEPTH = 100;

/** Distinguishes the channels and locks of this site and build from others on the same origin. */
const SCOPE = `${BASE.pathname}@${BUILD}`;

/** A connection to the leader, the worker that runs the engine; see `worker/src/election.rs`. */
class Engine {
  #id = crypto.randomUUID();
  #requests = new BroadcastChannel(`parlance.requests:${SCOPE}`);
  #events = new BroadcastChannel(`parlance.events:${SCOPE}.${this.#id}`);
  #pending = new Map();
  #lastId = 0;

  constructor() {
    // While this lock is held, the engine knows that this client is alive.
    navigator.locks.request(`parlance.client:${SCOPE}.${this.#id}`, () => new Promise(() => {}));
    this.#events.onmessage = ({ data }) => this.#pending.get(data.id)?.onEvent(data);
    this.#requests.onmessage = ({ data }) => {
      if (data.kind === "leader") this.#resend();
    };
  }

  /** Whether a tab runs the engine. */
  static async isAvailable() {
    const { held } = await navigator.locks.query();
    return held.some((lock) => lock.name === `parlance.engine:${SCOPE}`);
  }

  /** Sends a request, whose events go to `onEvent`. Returns a function that interrupts it. */
  send(request, onEvent) {
    const id = ++this.#lastId;
    const pending = { request: { ...request, id }, hasStarted: false };
    pending.onEvent = (event) => {
      if (event.type === "progress") return;
      pending.hasStarted = true;
      if (event.type !== "chunk") this.#pending.delete(id);
      onEvent(event);
    };
    this.#post(pending.request);
    this.#pending.set(id, pending);
    return () => {
      if (this.#pending.has(id)) this.#post({ type: "interrupt", id });
    };
  }

  #post(request) {
    // Requests over HTTP may load models from the site only.
    this.#requests.postMessage({ kind: "request", client: this.#id, allowed_hosts: [BASE.origin], request });
  }

  /** Another tab runs the engine now: resends the requests that have not been answered yet. */
  #resend() {
    for (const [id, pending] of this.#pending) {
      if (pending.hasStarted) {
        const error = { message: "the tab that ran the engine was closed", type: "server_error", param: null, code: null };
        pending.onEvent({ type: "failed", id, failure: { status: 503, error } });
      } else {
        this.#post(pending.request);
      }
    }
  }
}

let engine;

/** The response to an API request, and a promise that resolves when it is complete. */
function serve(event, path) {
  let finish;
  const done = new Promise((resolve) => (finish = resolve));
  const response = respond(event, path, finish).catch((error) => {
    finish();
    return failure(500, { message: String(error), type: "server_error", param: null, code: null });
  });
  return { response, done };
}

async function respond(event, path, finish) {
  const refuse = (status, message, code = null, param = null) => {
    finish();
    return failure(status, { message, type: "invalid_request_error", param, code });
  };
  const client = event.clientId ? await self.clients.get(event.clientId) : undefined;
  if (!client || new URL(client.url).origin !== BASE.origin) return refuse(403, "only pages of this site may use this API");
  const name = path.replace(/\/$/, "");
  const routes = ROUTES.filter(([, pattern]) => pattern.test(name));
  if (routes.length === 0) return refuse(404, `there is no ${path}`, "unknown_url");
  const methods = routes.map(([method]) => method);
  const route = routes[methods.indexOf(event.request.method)];
  if (!route) return refuse(405, `${path} takes ${methods.join(" or ")}`, "method_not_allowed");
  const [method, pattern, endpoint] = route;
  const parameters = pattern.exec(name).groups;
  let body = null;
  if (parameters) {
    body = { ...Object.fromEntries(new URL(event.request.url).searchParams), ...parameters };
  } else if (method === "POST") {
    const content = await event.request.blob();
    if (content.size > MAX_BODY_BYTES) return refuse(413, `the body has more than ${MAX_BODY_BYTES} bytes`, "request_too_large");
    try {
      body = JSON.parse(await content.text());
    } catch {
      return refuse(400, "the body is not JSON", "invalid_json");
    }
    if (isDeep(body)) return refuse(400, `the body is nested more than ${MAX_DEPTH} times`, "invalid_json");
  }
  if (!(await Engine.isAvailable())) {
    return refuse(503, "no tab of this site runs the engine; open Parlance in a tab", "engine_unavailable");
  }
  engine ??= new Engine();
  return new Promise((resolve) => {
    const stream = new EventStream(finish);
    const stop = engine.send({ type: "api", endpoint, body }, (message) => {
      if (message.type === "chunk") {
        stream.chunk(message.body, resolve);
      } else if (message.type === "response") {
        if (message.body) {
          resolve(Response.json(message.body));
          finish();
        } else {
          stream.end(resolve);
        }
      } else if (message.type === "failed") {
        const { status, error } = message.failure;
        if (!stream.fail(error)) {
          resolve(failure(status, error));
          finish();
        }
      }
    });
    stream.stop = stop;
    event.request.signal.addEventListener("abort", stop);
  });
}

/** Whether a value is nested too deep. */
function isDeep(value, left = MAX_DEPTH) {
  if (typeof value !== "object" || value === null) return false;
  return left === 0 || Object.values(value).some((entry) => isDeep(entry, left - 1));
}

/** Server-sent events in OpenAI's format: chunks, which end with `[DONE]`, or typed events, the last of which is the end. */
class EventStream {
  #controller = null;
  #hasTypes = false;
  #encoder = new TextEncoder();
  #finish;
  stop = () => {};

  constructor(finish) {
    this.#finish = finish;
  }

  #start(resolve) {
    if (this.#controller) return;
    const body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      // The client cancelled the response.
      cancel: () => {
        this.#controller = null;
        this.stop();
        this.#finish();
      },
    });
    resolve(new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } }));
  }

  #write(data, type) {
    const event = type ? `event: ${type}\n` : "";
    this.#controller?.enqueue(this.#encoder.encode(`${event}data: ${data}\n\n`));
  }

  chunk(body, resolve) {
    this.#start(resolve);
    this.#hasTypes = body.type !== undefined;
    this.#write(JSON.stringify(body), body.type);
  }

  end(resolve) {
    this.#start(resolve);
    if (!this.#hasTypes) this.#write("[DONE]");
    this.#close();
  }

  /** Sends an error in the stream. Returns false if the stream has not started. */
  fail(error) {
    if (!this.#controller) return false;
    this.#write(JSON.stringify({ error }));
    this.#close();
    return true;
  }

  #close() {
    this.#controller?.close();
    this.#controller = null;
    this.#finish();
  }
}

function failure(status, error) {
  // `Response` does not accept other status codes.
  return Response.json({ error }, { status: status >= 200 && status <= 599 ? status : 500 });
}
