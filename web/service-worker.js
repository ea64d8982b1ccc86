// The site's service worker. It caches the app for offline use, one complete build at a time, and serves the OpenAI API under `v1/`
// to pages of the site, by forwarding requests to the tab that runs the engine.
//
// The build fills in FILES, and replaces imports by what they import, because some browsers have no modules in service workers
// (`cargo xtask finish-site`).

import { BUILD } from "./build.js";
import { serveApi } from "./parlance/service-worker.js";

/** The files of this build, with their digests. */
const FILES = {};

const CACHE_PREFIX = "parlance-build-";
const CACHE = CACHE_PREFIX + BUILD;
const BASE = new URL("./", self.location.href);
/** Paths of the app's pages, relative to the site: a single segment without an extension. */
const PAGE = /^([^./]+\/?)?$/;

/** Serves the API, with the engine of this site and build. */
const answerApi = serveApi({ accepts: (scope) => scope === `${BASE.pathname}@${BUILD}` });

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
    answerApi(event);
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
