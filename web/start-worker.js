// Starts the engine's worker, for the page (`src/transport.rs`) and for `parlance.js`.
//
// A worker starts from a `blob:` URL that imports its script. That way it inherits the policy of the page that starts it, including the
// hosts that it may connect to; a script loaded directly from a static host would have no policy. It is also the only way for pages of
// other origins to start it.

import { BUILD } from "./build.js";

/** The worker's files: in the folder `assetsUrl`, or else where this module is. Bundlers look for these very expressions, and copy the files. */
function engineFiles(assetsUrl) {
  if (assetsUrl === undefined) {
    return { script: new URL("./parlance-worker.js", import.meta.url), wasm: new URL("./parlance-worker_bg.wasm", import.meta.url) };
  }
  const folder = new URL(`${assetsUrl}`.replace(/\/?$/, "/"), document.baseURI);
  return { script: new URL("parlance-worker.js", folder), wasm: new URL("parlance-worker_bg.wasm", folder) };
}

/** Identifies a site to the workers of its tabs: an origin may host several sites, and a page may use those of other origins. */
export function siteOf(script) {
  const folder = new URL("./", script);
  return folder.origin === location.origin ? folder.pathname : folder.href;
}

/**
 * Starts the engine worker. It fetches models only from the site, from the origin of the page that starts it, and from `allowedHosts`:
 * origins, in which `*.` matches any subdomain, as in a Content-Security-Policy.
 */
export function startEngine(allowedHosts, assetsUrl) {
  const { script, wasm } = engineFiles(assetsUrl);
  const hosts = [script.origin, location.origin, ...allowedHosts];
  // A worker's name is available before its first message and cannot be changed.
  const name = JSON.stringify({ site: siteOf(script), build: BUILD, allowed_hosts: [...new Set(hosts)] });
  return startWorker("parlance-worker", { script, wasm, name });
}

/** Worker scripts by source. They stay, since a worker may start helpers from its own script at any time. */
const scripts = new Map();

/** Starts a worker of the site; `label` identifies it in the developer tools. */
export function startWorker(label, { script, wasm, name }) {
  const [from, options] = [script.href, { module_or_path: wasm.href }].map((value) => JSON.stringify(value));
  const source = `import init from ${from}; await init(${options});`;
  if (!scripts.has(source)) scripts.set(source, URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  return new Worker(`${scripts.get(source)}#${label}`, { type: "module", name });
}
