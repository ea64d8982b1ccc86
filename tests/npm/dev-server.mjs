// While one develops with Vite, it serves dependencies from other places than a build does.
import assert from "node:assert/strict";

import { createServer } from "vite";

/** Checks that the development server of a project has the files of the engine's worker where the package looks for them. */
export async function checkDevServer(root) {
  const server = await createServer({ root, logLevel: "error", server: { host: "127.0.0.1", port: 0, ws: false } });
  try {
    await server.listen();
    const [origin] = server.resolvedUrls.local;
    const get = async (url) => {
      const response = await fetch(url);
      return { type: response.headers.get("content-type"), text: await response.text(), url };
    };
    const main = await get(new URL("src/main.js", origin));
    const dependency = await get(new URL(/from "(.*engine.*?)"/.exec(main.text)[1], main.url));
    for (const [name, type] of [["parlance-worker.js", "text/javascript"], ["parlance-worker_bg.wasm", "application/wasm"]]) {
      const path = new RegExp(`new URL\\("([^"]*${name})", .*import\\.meta\\.url`).exec(dependency.text)?.[1];
      assert.ok(path, `${name} is not named in ${dependency.url}`);
      const file = await get(new URL(path, dependency.url));
      assert.equal(file.type, type, `${file.url}`);
    }
  } finally {
    await server.close();
  }
}
