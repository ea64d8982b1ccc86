// Starts the library worker, for the page (`src/transport.rs`). Its data is shared by all builds of the site.
import { siteOf, startWorker } from "./start-worker.js";

export function startLibrary() {
  const script = new URL("parlance-library.js", import.meta.url);
  const wasm = new URL("parlance-library_bg.wasm", import.meta.url);
  return startWorker("parlance-library", { script, wasm, name: siteOf(script) });
}
