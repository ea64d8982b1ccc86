// The polyfill of the Prompt API with a real engine.
import { languageModel } from "@parlance-chat/engine/language-model";

import { check, equal, failure, isLetters } from "./check.js";

export const promptApi = {
  "a session": async ({ engine, models }) => {
    const LanguageModel = languageModel(engine, { model: models.chat });
    equal(await LanguageModel.availability(), "available");
    equal(await LanguageModel.availability({ expectedInputs: [{ type: "image" }] }), "unavailable");
    const loaded = [];
    const session = await LanguageModel.create({
      initialPrompts: [{ role: "system", content: "Be brief." }],
      samplingMode: "most-predictable",
      monitor: (monitor) => monitor.addEventListener("downloadprogress", (event) => loaded.push(event.loaded)),
    });
    check(loaded[0] === 0 && loaded.at(-1) === 1, loaded);
    const before = session.contextUsage;
    check(before > 5 && session.contextWindow > 1000, before, session.contextWindow);
    const responseConstraint = { type: "object", properties: { rating: { enum: [1, 2, 3] } }, required: ["rating"], additionalProperties: false };
    const { rating } = JSON.parse(await session.prompt("Rate it.", { responseConstraint }));
    check([1, 2, 3].includes(rating), rating);
    check(session.contextUsage > before, session.contextUsage);
    const word = /^[a-z]{3,9}$/;
    check(word.test(await session.prompt("A word?", { responseConstraint: word })));
    await session.append([{ role: "user", content: "Remember this." }]);
    const clone = await session.clone();
    const limit = { responseConstraint: /[a-z]{20}/ };
    let streamed = "";
    for await (const chunk of session.promptStreaming("And?", limit)) streamed += chunk;
    isLetters(streamed);
    equal(await clone.prompt("And?", limit), streamed);
    check((await session.measureContextUsage("How long is this?")) > 3);
    // An endless answer, stopped.
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 30);
    equal((await failure(session.prompt("Talk.", { signal: stop.signal }))).name, "AbortError");
    equal((await failure(session.prompt("x ".repeat(20_000)))).name, "QuotaExceededError");
    const running = failure(clone.prompt("Talk."));
    setTimeout(() => clone.destroy(), 30);
    equal((await running).name, "AbortError");
    session.destroy();
    equal((await failure(session.prompt("x"))).name, "InvalidStateError");
  },
};
