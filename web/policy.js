// What this page and its workers may do, beyond the policy that stands in the page itself. It runs before everything else.
//
// Connections: to the site, and to the hosts of models that the user has allowed on this device (`src/sources.rs`). Browsers apply
// all policies of a page together, so that this one only narrows the other; workers started from the page inherit both.
(() => {
  const ORIGIN = /^https?:\/\/[a-z0-9.-]+(:\d+)?$/i;
  // Hosts that send a file from others of theirs.
  const ALSO = { "https://huggingface.co": ["https://*.huggingface.co", "https://*.hf.co"] };

  let sources = [];
  try {
    sources = JSON.parse(localStorage.getItem("parlance.sources")) ?? [];
  } catch {
    // Nothing is kept, or what is kept makes no sense: nothing is allowed.
  }
  const allowed = (Array.isArray(sources) ? sources : [])
    .filter((source) => ORIGIN.test(source))
    .flatMap((source) => [source, ...(ALSO[source] ?? [])]);
  const meta = document.createElement("meta");
  meta.httpEquiv = "Content-Security-Policy";
  meta.content = ["connect-src 'self'", ...allowed].join(" ");
  document.head.append(meta);
  // For the worker that fetches models (`src/sources.rs`), which obeys the same list.
  Object.defineProperty(window, "parlanceAllowedHosts", { value: Object.freeze(allowed) });

  // Trusted Types: HTML comes sanitised from the library; scripts come from the site, and none from text.
  window.trustedTypes?.createPolicy("default", {
    createHTML: (html) => html,
    createScriptURL: (url) => {
      const { protocol, origin } = new URL(url, document.baseURI);
      return protocol === "blob:" || origin === location.origin ? url : null;
    },
  });
})();
