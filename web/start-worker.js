// Starts the site's workers: the one way to do so, for the page (`src/transport.rs`) and for `parlance.js`.
//
// A worker starts from a `blob:` address that imports its script, so that it inherits the policy of the page that starts it, and with it
// the hosts that it may connect to: one whose script a static host sends would have no policy at all. Pages of other origins can start
// it in no other way.

// Names the build: workers of two builds may not understand each other. The build step fills it in (`cargo xtask finish-site`).
const BUILD = "";

/** The site's folder, where all of its scripts lie. */
const SITE = new URL("./", import.meta.url);

/** Under this name the workers of all tabs of a site find each other; several sites may share an origin, or a page of another. */
const site = () => (SITE.origin === location.origin ? SITE.pathname : SITE.href);

/**
 * Starts the engine's worker. Beside the site and the page that starts it, it fetches models from `allowedHosts` only: origins, in which
 * `*.` stands for any name below a domain, as in a Content-Security-Policy.
 */
export function startEngine(allowedHosts) {
  const hosts = [SITE.origin, location.origin, ...allowedHosts];
  // A worker's name is there before its first message, and nobody can change it.
  return start("parlance-worker_loader.js", JSON.stringify({ site: site(), build: BUILD, allowed_hosts: [...new Set(hosts)] }));
}

/** Starts the library's worker. What it keeps is the same for all builds. */
export function startLibrary() {
  return start("parlance-library_loader.js", site());
}

function start(script, name) {
  const source = `import ${JSON.stringify(new URL(script, SITE).href)};`;
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  // The fragment is for whoever looks at the page's workers.
  return new Worker(`${address}#${script}`, { type: "module", name });
}
