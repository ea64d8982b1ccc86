// Starts the worker that reads documents, for the page (`src/transport.rs`).
import { startWorker } from "./start-worker.js";

export function startReader() {
  const script = new URL("parlance-reader.js", import.meta.url);
  const wasm = new URL("parlance-reader_bg.wasm", import.meta.url);
  return startWorker("parlance-reader", { script, wasm, name: "reader" });
}
