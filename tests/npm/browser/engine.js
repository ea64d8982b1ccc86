// What the engine does under load, with bad input, and when it is closed.
import { Parlance } from "@parlance-chat/engine";

import { check, equal, failure, isLetters } from "./check.js";

const messages = [{ role: "user", content: "Hello!" }];
const brief = { messages, temperature: 0, max_tokens: 4 };

export const engineItself = {
  "bad input": async ({ engine }) => {
    const { create } = engine.chat.completions;
    const deep = { ...brief };
    deep.self = deep;
    for (const [body, param] of [
      [{ messages: 7 }, "messages"], [{ messages: [{ role: "king", content: "x" }] }, "messages[0].role"], [null, "body"], ["text", "body"],
      [{ ...brief, max_tokens: -1 }, "max_tokens"], [{ ...brief, stream: "yes" }, "stream"], [deep, "body"],
    ]) {
      const error = await failure(create(body));
      equal([error.name, error.status, error.param], ["ParlanceError", 400, param]);
    }
    const uncopyable = await failure(create({ ...brief, stop: () => {} }));
    equal([uncopyable.status, uncopyable.code], [400, "invalid_value"]);
    const large = await engine.fetch("https://parlance.invalid/v1/chat/completions", { method: "POST", body: "x".repeat(100e6) });
    equal([large.status, (await large.json()).error.code], [413, "request_too_large"]);
  },
  "a thousand requests at once, most of them given up": async ({ engine }) => {
    const stop = new AbortController();
    const kept = engine.chat.completions.create(brief);
    const given = Array.from({ length: 1000 }, () => failure(engine.chat.completions.create({ ...brief, max_tokens: 1000 }, { signal: stop.signal })));
    setTimeout(() => stop.abort(), 30);
    // Either they are given up, or too many were waiting.
    const reasons = (await Promise.all(given)).map(({ name, status }) => status ?? name);
    check(reasons.every((reason) => reason === "AbortError" || reason === 429), ...new Set(reasons));
    equal((await engine.chat.completions.create(brief)).choices[0].message.content, (await kept).choices[0].message.content);
  },
  "a slow reader does not hold up others": async ({ engine }) => {
    const stream = await engine.chat.completions.create({ ...brief, max_tokens: 400, stream: true, stream_options: { include_usage: true } });
    const iterator = stream[Symbol.asyncIterator]();
    const first = await iterator.next();
    isLetters((await engine.chat.completions.create(brief)).choices[0].message.content);
    let [text, chunks, usage] = [first.value.choices[0].delta.content, 1, null];
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      text += next.value.choices[0]?.delta.content ?? "";
      chunks += 1;
      usage = next.value.usage ?? usage;
    }
    // The answer is whole, in fewer chunks than the engine made.
    check(text.length === 400 && usage.completion_tokens === 400 && chunks < 100, text.length, chunks);
  },
  "progress of a single request": async ({ engine }) => {
    const phases = new Set();
    const content = Array.from({ length: 300 }, (_, index) => `word ${index}`).join(" ");
    await engine.chat.completions.create({ ...brief, messages: [{ role: "user", content }] }, { onProgress: ({ phase }) => phases.add(phase) });
    equal([...phases], ["prefill"]);
  },
  "a closed engine": async ({ models }) => {
    const engine = await Parlance.create({ model: models.chat });
    const stream = await engine.chat.completions.create({ ...brief, max_tokens: 4000, stream: true });
    const waiting = failure(engine.chat.completions.create(brief));
    engine.close();
    equal((await waiting).kind, "closed");
    const read = async () => { for await (const chunk of stream) check(chunk); };
    equal((await failure(read())).kind, "closed");
    equal((await failure(engine.countTokens("x"))).kind, "closed");
    equal((await engine.fetch("https://parlance.invalid/v1/models")).status, 503);
  },
  "files that are not there": async ({ models }) => {
    const error = await failure(Parlance.create({ model: models.chat, assetsUrl: "/nowhere/" }));
    equal([error.kind, /could not be loaded/.test(error.message)], ["crashed", true]);
  },
};
