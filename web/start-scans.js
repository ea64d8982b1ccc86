// Starts the worker that draws pages of PDF files, for the page (`src/transport.rs`).
import { startWorker } from "./start-worker.js";

export function startScans() {
  const script = new URL("parlance-scans.js", import.meta.url);
  const wasm = new URL("parlance-scans_bg.wasm", import.meta.url);
  return startWorker("parlance-scans", { script, wasm, name: "scans" });
}
