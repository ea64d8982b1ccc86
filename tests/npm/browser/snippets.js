// The docs' snippets, as they are but for the addresses of models.
import { ask as askWithAiSdk } from "./clients/ai-sdk.js";
import { ask as askWithLangChain } from "./clients/langchain.js";
import { ask as askWithOpenAi } from "./clients/openai.js";
import { ask as askAgent } from "./agents/weather.js";
import { mood } from "./api/hearing.js";
import { read as readPhoto } from "./api/images.js";
import { subtitles } from "./api/recordings.js";
import { summarise } from "./prompt-api/summary.js";
import { chat as chatAsTransformers } from "./transformers/chat.js";
import { embed } from "./transformers/embed.js";
import { chat as chatAsWebLlm } from "./webllm/chat.js";
import { chat as chatAsWllama } from "./wllama/chat.js";

import { check, equal, failure, isText, recording } from "./check.js";

/** An MCP server of one tool, in the page. */
const mcpServer = async (_, { method, body }) => {
  if (method === "DELETE") return new Response(null, { status: 204 });
  const { id, method: asked } = JSON.parse(body);
  if (id === undefined) return new Response(null, { status: 202 });
  const results = {
    initialize: { protocolVersion: "2025-11-25", serverInfo: { name: "weather", version: "1" }, capabilities: {} },
    "tools/list": { tools: [{ name: "weather", description: "The weather.", inputSchema: { type: "object", properties: {} } }] },
  };
  return Response.json({ jsonrpc: "2.0", id, result: results[asked] });
};

/** What a module logs. */
async function printedBy(load) {
  const { log } = console;
  const printed = [];
  console.log = (...values) => printed.push(...values);
  try {
    await load();
    return printed;
  } finally {
    console.log = log;
  }
}

export const snippets = {
  clients: async ({ engine }) => {
    for (const ask of [askWithOpenAi, askWithAiSdk, askWithLangChain]) isText(await ask(engine, "Hello!"));
  },
  "an agent": async ({ engine }) => {
    const { fetch } = globalThis;
    globalThis.fetch = mcpServer;
    try {
      const { answer, calls } = await askAgent(engine, "Hello!", "https://tools.invalid/mcp");
      isText(answer);
      equal(calls, []);
    } finally {
      globalThis.fetch = fetch;
    }
  },
  "the Prompt API": async ({ engine }) => check(typeof (await summarise(engine, "A text.")) === "string"),
  // The model of these tests sees nothing.
  images: async ({ engine }) => {
    const { status, code } = await failure(readPhoto(engine, new File(["x"], "photo.png")));
    equal([status, code], [400, "images_not_supported"]);
  },
  // And hears nothing.
  "recordings in messages": async ({ engine }) => {
    const { status, code } = await failure(mood(engine, btoa("x")));
    equal([status, code], [400, "audio_not_supported"]);
  },
  recordings: async ({ engine, models }) => {
    // The tests before this one have loaded other models.
    await engine.load(models.speech, { beside: true });
    check(/^1\n00:00:00,/.test(await subtitles(engine, recording())));
  },
  modules: async () => {
    await import("./readme/hello.js");
    for (const load of [() => import("./hello.js"), () => import("./api/chat.js"), () => import("./api/rerank.js")]) {
      isText(`${(await printedBy(load))[0]}`);
    }
  },
  migrations: async () => {
    let text = "";
    await chatAsTransformers((piece) => (text += piece));
    isText(text);
    equal((await embed(["the cat", "a dog"])).map((vector) => vector.length), [64, 64]);
    isText(await chatAsWllama());
    const { reply, tokensPerSecond } = await chatAsWebLlm(() => {});
    isText(reply);
    check(tokensPerSecond > 0, tokensPerSecond);
  },
  "your own service worker": async ({ engine }) => {
    check(engine);
    await navigator.serviceWorker.register("./service-worker.js", { type: "module" });
    if (!navigator.serviceWorker.controller) {
      await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
    }
    const body = JSON.stringify({ messages: [{ role: "user", content: "Hello!" }], temperature: 0, max_tokens: 4, stream: true });
    const response = await fetch("./v1/chat/completions", { method: "POST", body });
    const text = await response.text();
    check(response.ok && text.endsWith("data: [DONE]\n\n") && text.includes("delta"), response.status, text.slice(-200));
    isText((await printedBy(() => import("./api/http.js")))[0]);
    equal((await fetch("./v1/nothing")).status, 404);
    check((await fetch("./index.html")).ok);
  },
};
