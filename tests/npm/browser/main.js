// The tests that run in one page, with one engine and the smallest models.
import { Parlance } from "@parlance-chat/engine";

import { aiSdk, langChain, openAiPackage } from "./clients.js";
import { engineItself } from "./engine.js";
import models from "./models.json";
import { promptApi } from "./prompt-api.js";
import { snippets } from "./snippets.js";

const SUITES = { "openai": openAiPackage, "ai": aiSdk, "@langchain/openai": langChain, engine: engineItself, "prompt API": promptApi, snippets };

/** Runs all tests. Resolves to those that failed, by name, and to how long each took, in milliseconds. */
globalThis.run = async () => {
  const engine = await Parlance.create({ model: models.chat });
  for (const model of [models.embedding, models.speech]) await engine.load(model, { beside: true });
  const [failed, times] = [{}, {}];
  for (const [suite, tests] of Object.entries(SUITES)) {
    for (const [name, test] of Object.entries(tests)) {
      const start = performance.now();
      try {
        await test({ engine, models });
      } catch (error) {
        failed[`${suite}: ${name}`] = `${error.stack ?? error}`;
      }
      times[`${suite}: ${name}`] = Math.round(performance.now() - start);
    }
  }
  return { failed, times };
};
