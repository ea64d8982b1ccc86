// Puts `v1/` into a service worker of your own: requests of your pages are answered by the tab that runs the engine.
//
//   import { serveApi } from "@parlance-chat/engine/service-worker";
//   self.addEventListener("fetch", serveApi());

import { BUILD } from "../build.js";
import { unavailable } from "./errors.js";
import { respond } from "./http.js";
import { findEngine, Leader } from "./leader.js";

/**
 * A listener for `fetch` events, which answers requests of the worker's own pages to `v1/` below its scope, and leaves others alone.
 * `accepts` tells by their scopes which engines it uses: by default, any of the same build.
 */
export function serveApi({ accepts = (scope) => scope.endsWith(`@${BUILD}`) } = {}) {
  const base = new URL("./", self.registration.scope);
  // By scope; one that is no longer used by any tab may come back.
  const leaders = new Map();
  const create = async (...call) => {
    const scope = await findEngine(accepts);
    if (scope === undefined) throw unavailable("no tab of this site runs the engine; open one that does");
    // Requests over HTTP may load models from the site only.
    if (!leaders.has(scope)) leaders.set(scope, new Leader(scope, [base.origin]));
    return leaders.get(scope).create(...call);
  };
  const isOwn = async (clientId) => {
    const client = clientId ? await self.clients.get(clientId) : undefined;
    return client !== undefined && new URL(client.url).origin === base.origin;
  };
  const answer = async (event, path, onEnd) => {
    if (await isOwn(event.clientId)) {
      // If the page no longer wants the answer, it does not matter what it is.
      return respond(event.request, path, create, onEnd).catch(() => new Response(null, { status: 499 }));
    }
    onEnd();
    const error = { message: "only pages of this site may use this API", type: "invalid_request_error", param: null, code: null };
    return Response.json({ error }, { status: 403 });
  };
  return (event) => {
    const { href } = new URL(event.request.url);
    if (!href.startsWith(`${base.href}v1/`)) return;
    const path = new URL(href).pathname.slice(new URL("v1/", base).pathname.length);
    // The browser ends the worker when nothing is left to wait for.
    event.waitUntil(new Promise((onEnd) => event.respondWith(answer(event, path, onEnd))));
  };
}
