// Tightens the page's Content-Security-Policy and sets up Trusted Types. Runs before everything else.
//
// The page may connect to the site and to the model hosts that the user has allowed (`src/allowed_hosts.rs`); `blob:` is what it
// holds itself, such as images for a model. Browsers enforce all policies of a page, so this one can only narrow the one in the
// page; workers started from the page inherit both.
(() => {
  const ORIGIN = /^https?:\/\/[a-z0-9.-]+(:\d+)?$/i;
  // Hosts that redirect downloads to other hosts.
  const REDIRECTS = { "https://huggingface.co": ["https://*.huggingface.co", "https://*.hf.co"] };

  let origins = [];
  try {
    origins = JSON.parse(localStorage.getItem("parlance.sources")) ?? [];
  } catch {
    // No storage, or an invalid value: nothing is allowed.
  }
  const allowed = (Array.isArray(origins) ? origins : [])
    .filter((origin) => ORIGIN.test(origin))
    .flatMap((origin) => [origin, ...(REDIRECTS[origin] ?? [])]);
  const meta = document.createElement("meta");
  meta.httpEquiv = "Content-Security-Policy";
  meta.content = ["connect-src 'self' blob:", ...allowed].join(" ");
  document.head.append(meta);
  // The engine worker gets the same list (`src/allowed_hosts.rs`).
  Object.defineProperty(window, "parlanceAllowedHosts", { value: Object.freeze(allowed) });

  // HTML is sanitised by the library; scripts are loaded from the site only, and never created from text.
  window.trustedTypes?.createPolicy("default", {
    createHTML: (html) => html,
    createScriptURL: (url) => {
      const { protocol, origin } = new URL(url, document.baseURI);
      return protocol === "blob:" || origin === location.origin ? url : null;
    },
  });
})();
