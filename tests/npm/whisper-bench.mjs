// Measures whisper.cpp by the package @fugood/whisper.node, for `cargo xtask bench --speech all --peer whisper.cpp`:
//
//     node whisper-bench.mjs FOLDER MODEL RECORDING THREADS RUNS
//
// FOLDER has the package in its `node_modules`. Prints the seconds of each run and the package's version as JSON.
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [folder, filePath, recording, threads, runs] = process.argv.slice(2);
const require = createRequire(resolve(folder, "index.js"));
const { version } = require("@fugood/whisper.node/package.json");
const context = await require("@fugood/whisper.node").initWhisper({ filePath, useGpu: false });
// Greedy and at one temperature, as the engine's runs are.
const options = { language: "en", temperature: 0, temperatureInc: 0, bestOf: 1, maxThreads: Number(threads) };
const seconds = [];
// Once to warm up.
for (let run = 0; run <= Number(runs); run += 1) {
  const start = performance.now();
  const { result } = await context.transcribeFile(recording, options).promise;
  if (result.trim() === "") throw new Error("whisper.cpp has heard nothing");
  if (run > 0) seconds.push((performance.now() - start) / 1000);
}
await context.release();
console.log(JSON.stringify({ seconds, version }));
