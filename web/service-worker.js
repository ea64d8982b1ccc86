// The site's service worker: it keeps the app for offline use, one whole build at a time, and answers OpenAI's API under
// `v1/` on the site's own origin, by asking the tab that holds the engine.
//
// The build step fills in BUILD and FILES (`cargo xtask finish-site`).

const BUILD = "";
/** The files of this build, each with its digest. */
const FILES = {};

const CACHE_PREFIX = "parlance-build-";
const CACHE = CACHE_PREFIX + BUILD;
const BASE = new URL("./", self.location.href);
/** Paths of the app's pages, below the site's: one name, no file. */
const PAGE = /^([^./]+\/?)?$/;

// --- The app, offline ---

self.addEventListener("install", (event) => {
  // All files or none, fresh from the server, and each as this build has it: where a host mixes files of two builds, or changes them, the
  // browser finds another digest, and what was installed before stays.
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
  // What the page sends when the user wants the new version.
  if (event.data === "skipWaiting") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== BASE.origin || !url.pathname.startsWith(BASE.pathname)) return;
  const path = url.pathname.slice(BASE.pathname.length);
  if (path.startsWith("v1/")) {
    const { response, done } = answer(event, path);
    event.respondWith(response);
    event.waitUntil(done);
  } else if (event.request.method === "GET") {
    if (Object.hasOwn(FILES, path)) {
      event.respondWith(fromCache(path, event.request));
    } else if (event.request.mode === "navigate" && Object.hasOwn(FILES, "index.html") && PAGE.test(path)) {
      // The page names its files relative to the site's folder, so that its address must not look like another folder.
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

const ENDPOINTS = {
  "v1/chat/completions": "chat_completions",
  "v1/completions": "completions",
  "v1/embeddings": "embeddings",
  "v1/models": "models",
};

/** Tells this site's channels and locks from those of others on the same origin, and those of this build from those of others. */
const SCOPE = `${BASE.pathname}@${BUILD}`;

/** A connection to the worker that leads, see `worker/src/link.rs`. */
class Engine {
  #id = crypto.randomUUID();
  #requests = new BroadcastChannel(`parlance.requests:${SCOPE}`);
  #events = new BroadcastChannel(`parlance.events:${SCOPE}.${this.#id}`);
  #pending = new Map();
  #lastId = 0;

  constructor() {
    // As long as this is held, the engine knows that somebody listens.
    navigator.locks.request(`parlance.client:${SCOPE}.${this.#id}`, () => new Promise(() => {}));
    this.#events.onmessage = ({ data }) => this.#pending.get(data.id)?.onEvent(data);
    this.#requests.onmessage = ({ data }) => {
      if (data.kind === "leader") this.#askAgain();
    };
  }

  /** Whether some tab holds the engine. */
  static async isThere() {
    const { held } = await navigator.locks.query();
    return held.some((lock) => lock.name === `parlance.engine:${SCOPE}`);
  }

  /** Sends a request; `onEvent` hears what comes of it. Returns a function that stops it. */
  send(request, onEvent) {
    const id = ++this.#lastId;
    const pending = { request: { ...request, id }, hasBegun: false };
    pending.onEvent = (event) => {
      if (event.type === "progress") return;
      pending.hasBegun = true;
      if (event.type !== "chunk") this.#pending.delete(id);
      onEvent(event);
    };
    this.#pending.set(id, pending);
    this.#post(pending.request);
    return () => {
      if (this.#pending.has(id)) this.#post({ type: "interrupt", id });
    };
  }

  #post(request) {
    // Whoever asks over HTTP has models fetched from the site only.
    this.#requests.postMessage({ kind: "request", client: this.#id, allowed_hosts: [BASE.origin], request });
  }

  /** Another tab holds the engine now: what had no answer yet is asked again. */
  #askAgain() {
    for (const [id, pending] of this.#pending) {
      if (pending.hasBegun) {
        const error = { message: "the tab with the engine was closed", type: "server_error", param: null, code: null };
        pending.onEvent({ type: "failed", id, failure: { status: 503, error } });
      } else {
        this.#post(pending.request);
      }
    }
  }
}

let engine;

/** The response to a request of the API, and a promise of its end. */
function answer(event, path) {
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
  if (!client || new URL(client.url).origin !== BASE.origin) return refuse(403, "only pages of this site are served");
  const endpoint = ENDPOINTS[path.replace(/\/$/, "")];
  if (!endpoint) return refuse(404, `there is no ${path}`, "unknown_url");
  const method = endpoint === "models" ? "GET" : "POST";
  if (event.request.method !== method) return refuse(405, `${path} takes ${method}`, "method_not_allowed");
  let body = null;
  if (method === "POST") {
    try {
      body = await event.request.json();
    } catch {
      return refuse(400, "the body is not JSON", "invalid_json");
    }
  }
  if (!(await Engine.isThere())) {
    return refuse(503, "no tab of this site runs the engine: open Parlance in one", "engine_unavailable");
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

/** Server-sent events, as OpenAI streams them. */
class EventStream {
  #controller = null;
  #encoder = new TextEncoder();
  #finish;
  stop = () => {};

  constructor(finish) {
    this.#finish = finish;
  }

  #begin(resolve) {
    if (this.#controller) return;
    const body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      // The reader went away.
      cancel: () => {
        this.#controller = null;
        this.stop();
        this.#finish();
      },
    });
    resolve(new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } }));
  }

  #write(data) {
    this.#controller?.enqueue(this.#encoder.encode(`data: ${data}\n\n`));
  }

  chunk(body, resolve) {
    this.#begin(resolve);
    this.#write(JSON.stringify(body));
  }

  end(resolve) {
    this.#begin(resolve);
    this.#write("[DONE]");
    this.#close();
  }

  /** Tells an error in the stream; false if the stream has not begun. */
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
  // A status that `Response` does not take becomes its class.
  return Response.json({ error }, { status: status >= 200 && status <= 599 ? status : 500 });
}
