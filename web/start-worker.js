// Starts the site's workers, for the page (`src/transport.rs`) and for `parlance.js`.
//
// A worker starts from a `blob:` URL that imports its script. That way it inherits the policy of the page that starts it, including the
// hosts that it may connect to; a script loaded directly from a static host would have no policy. It is also the only way for pages of
// other origins to start it.

// The build id, because workers of different builds may be incompatible. Filled in by the build (`cargo xtask finish-site`).
const BUILD = "";

/** The site's folder, which contains all of its scripts. */
const SITE = new URL("./", import.meta.url);

/** Identifies the site to the workers of its tabs: an origin may host several sites, and a page may use those of other origins. */
const site = () => (SITE.origin === location.origin ? SITE.pathname : SITE.href);

/**
 * Starts the engine worker. It fetches models only from the site, from the origin of the page that starts it, and from `allowedHosts`:
 * origins, in which `*.` matches any subdomain, as in a Content-Security-Policy.
 */
export function startEngine(allowedHosts) {
  const hosts = [SITE.origin, location.origin, ...allowedHosts];
  // A worker's name is available before its first message and cannot be changed.
  return start("parlance-worker_loader.js", JSON.stringify({ site: site(), build: BUILD, allowed_hosts: [...new Set(hosts)] }));
}

/** Starts the library worker, whose data is shared by all builds. */
export function startLibrary() {
  return start("parlance-library_loader.js", site());
}

function start(script, name) {
  const source = `import ${JSON.stringify(new URL(script, SITE).href)};`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  // The fragment identifies the worker in the developer tools.
  return new Worker(`${url}#${script}`, { type: "module", name });
}
