// The snippets of the docs that name a file in their first line.
import { readFileSync } from "node:fs";

const FENCE = /^```(\w+)\n(?:\/\/ |<!-- )([\w./-]+)(?: -->)?\n(.*?)^```$/gms;

/** Snippets of a page: `{ section, file, text }`. */
export function snippetsOf(page) {
  const text = readFileSync(page, "utf8");
  const snippets = text.split(/^## /m).flatMap((part) => {
    const [section] = part.split("\n");
    return [...part.matchAll(FENCE)].map(([, , file, snippet]) => ({ section, file, text: snippet }));
  });
  const count = text.match(/^```(js|jsx|ts|html)$/gm)?.length ?? 0;
  if (snippets.length !== count) throw new Error(`${page} has ${count} snippets, of which ${snippets.length} name a file to be tested`);
  return snippets;
}

/**
 * A snippet as tests run it: with the models of this machine in place of those of Hugging Face, this package in place of a CDN's, and
 * answers that are always the same.
 */
export function forTests(text, { models, cdn }) {
  return text
    .replaceAll(/"(\.|https:\/\/your\.site)\/parlance\.js"/g, '"@parlance-chat/engine"')
    .replaceAll("owner/repository/file.gguf", models.chat)
    .replaceAll("gpustack/bge-reranker-v2-m3-GGUF/bge-reranker-v2-m3-Q8_0.gguf", models.ranker)
    .replaceAll("bartowski/SmolLM2-360M-Instruct-GGUF/SmolLM2-360M-Instruct-Q8_0.gguf", models.chat)
    .replaceAll("CompendiumLabs/bge-small-en-v1.5-gguf/bge-small-en-v1.5-f16.gguf", models.embedding)
    .replaceAll(/https:\/\/cdn\.jsdelivr\.net\/npm\/@parlance-chat\/engine@[\d.]+\//g, cdn)
    .replaceAll(/temperature: 0\.\d+/g, "temperature: 0")
    .replaceAll(/\b(max_tokens|maxTokens|maxOutputTokens): \d+(?!.*temperature)/g, "$&, temperature: 0");
}
