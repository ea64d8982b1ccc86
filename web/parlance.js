// The JavaScript API: OpenAI's API for a model that runs in this tab.
//
//   import { Parlance } from "https://your.site/parlance.js";
//   const engine = await Parlance.create({
//     model: "owner/repository/file.gguf", allowedHosts: ["huggingface.co"], onProgress: console.log,
//   });
//   const stream = await engine.chat.completions.create({ messages: [...], stream: true });
//   for await (const chunk of stream) console.log(chunk.choices[0]?.delta.content);
//
// The worker does the work; these modules turn messages into promises and iterators. Nothing happens before the first call, so servers
// can import them, too. See `docs/api.md` for documentation and `parlance.d.ts` for types.
export { Parlance } from "./parlance/engine.js";
export { ParlanceError } from "./parlance/errors.js";
