// `runTools` does what that of the `openai` package does with the same answers of the model.
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { runTools } from "../../../web/parlance/run-tools.js";
import { scriptedEngine, scriptedFetch } from "./scripted.mjs";

const EVENTS = [
  "connect", "chunk", "content", "chatCompletion", "message", "functionToolCall", "functionToolCallResult", "finalChatCompletion", "finalMessage",
  "finalContent", "finalFunctionToolCall", "finalFunctionToolCallResult", "totalUsage", "error", "abort", "end", "content.delta", "content.done",
  "logprobs.content.delta", "logprobs.content.done", "tool_calls.function.arguments.delta", "tool_calls.function.arguments.done",
];

const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

const City = z.object({ city: z.string() });

function toolsOf(calls) {
  const weather = async ({ city }) => (calls.push(city), { city, degrees: 20 });
  const plain = (text) => (calls.push(text), `plain ${text}`);
  return [
    { type: "function", function: { name: "weather", description: "The weather.", parameters, parse: JSON.parse, function: weather } },
    { type: "function", function: { name: "plain", description: "Plain.", parameters, function: plain } },
    { type: "function", function: { name: "none", description: "None.", parameters, parse: JSON.parse, function: () => undefined } },
    { type: "function", function: { name: "context", description: "Its context.", parameters, function: (_, __, context) => context?.unit ?? "none" } },
    zodFunction({ name: "zod", parameters: City, function: ({ city }) => (calls.push(city), `${city} by Zod`) }),
  ];
}

/** What differs between the two by intention, removed. */
function normalised(value) {
  return JSON.parse(
    JSON.stringify(value, (key, entry) => {
      if (["parsed", "parsed_arguments", "refusal", "logprobs", "strict"].includes(key)) return undefined;
      return entry;
    }),
  );
}

async function outcome(start, answers, body, options) {
  const [events, calls] = [[], []];
  const engine = scriptedEngine([...answers]);
  const runner = start(engine, { messages: [{ role: "user", content: "Hello?" }], model: "m", tools: toolsOf(calls), ...body }, options);
  for (const event of EVENTS) {
    runner.on(event, (...values) => {
      // Chunks differ in nothing but what `openai` makes of the text so far. Values go on changing.
      const told = event === "chunk" ? [values[0]] : values[0] instanceof Error ? [] : values;
      events.push(event.endsWith(".done") ? JSON.stringify([event, ...told]) : normalised([event, ...told]));
    });
  }
  const result = await runner.finalContent().then(
    (content) => ({ content }),
    (error) => ({ error: error.message }),
  );
  const more = result.error ? {} : { usage: await runner.totalUsage(), last: await runner.finalFunctionToolCallResult() };
  return normalised({ ...result, ...more, events, calls, asked: engine.asked, messages: runner.messages });
}

const call = (name, args) => ({ name, arguments: args });

const CASES = {
  "no tool": { answers: ["Hi."] },
  "a tool": { answers: [call("weather", { city: "Rome" }), "It is warm."] },
  "a tool without parse": { answers: [call("plain", { city: "Rome" }), "Yes."] },
  "a tool that gives nothing": { answers: [call("none", {}), "Yes."] },
  "several tools at once": { answers: [[call("weather", { city: "Rome" }), call("weather", { city: "Oslo" })], "Both are warm."] },
  "one at a time": {
    answers: [[call("weather", { city: "Rome" }), call("weather", { city: "Oslo" })], "Both."], body: { parallel_tool_calls: false },
  },
  "an unknown tool": { answers: [call("wether", { city: "Rome" }), call("weather", { city: "Rome" }), "Warm."] },
  "a named tool": {
    answers: [call("weather", { city: "Rome" }), "Never."], body: { tool_choice: { type: "function", function: { name: "weather" } } },
  },
  "a model without end": { answers: Array(20).fill(call("weather", { city: "Rome" })) },
  "a limit": { answers: Array(20).fill(call("weather", { city: "Rome" })), options: { maxChatCompletions: 2 } },
  "a tool of Zod": { answers: [call("zod", { city: "Rome" }), "Yes."] },
  "a tool of Zod that is called wrongly": { answers: [call("zod", { city: 7 }), call("zod", { city: "Rome" }), "Yes."] },
  "a tool with a context": { answers: [call("context", {}), "Yes."], body: { toolContext: { unit: "degrees" } } },
  "log probabilities": { answers: [call("weather", { city: "Rome" }), "It is warm."], body: { logprobs: true } },
  "an answer with a schema": { answers: ['{"city": "Rome"}'], body: { response_format: zodResponseFormat(City, "city") } },
  "an error": { answers: [call("weather", { city: "Rome" }), new Error("the engine is gone")] },
};

for (const [name, { answers, body, options }] of Object.entries(CASES)) {
  for (const stream of [false, true]) {
    test(`${name}${stream ? ", streamed" : ""}`, async () => {
      const theirs = (engine, request, settings) =>
        new OpenAI({ apiKey: "none", maxRetries: 0, fetch: scriptedFetch(engine) }).chat.completions.runTools(request, settings);
      const request = { ...body, ...(stream && { stream, stream_options: { include_usage: true } }) };
      const expected = await outcome(theirs, answers, request, options);
      const actual = await outcome(runTools, answers, request, options);
      if (expected.error) {
        // Their client wraps errors.
        assert.ok(actual.error);
        for (const one of [expected, actual]) delete one.error;
      }
      if (!stream) for (const one of [expected, actual]) one.asked.forEach((asked) => delete asked.stream);
      assert.deepEqual(actual, expected);
    });
  }
}

test("a tool without a function is refused before the model is asked", async () => {
  const engine = scriptedEngine(["Never."]);
  for (const tool of [{ type: "function", function: { name: "empty", parameters } }, zodFunction({ name: "empty", parameters: City })]) {
    await assert.rejects(runTools(engine, { messages: [], tools: [tool] }).done(), /the tool empty of runTools has no function/);
  }
  assert.equal(engine.asked.length, 0);
});

test("an answer with a schema of Zod is parsed", async () => {
  for (const stream of [false, true]) {
    const body = { messages: [], tools: [], stream, response_format: zodResponseFormat(City, "city") };
    const runner = runTools(scriptedEngine(['{"city": "Rome"}']), body);
    assert.deepEqual((await runner.finalMessage()).parsed, { city: "Rome" });
  }
});

test("the answer so far can be seen while it is streamed", async () => {
  const runner = runTools(scriptedEngine(["It is warm."]), { messages: [], tools: [], stream: true });
  const seen = [];
  runner.on("content", () => seen.push(runner.currentChatCompletionSnapshot.choices[0].message.content));
  await runner.done();
  assert.deepEqual(seen, ["It ", "It is ", "It is warm."]);
  assert.equal(runner.currentChatCompletionSnapshot, undefined);
});

test("a tool's error ends the run", async () => {
  const fails = { type: "function", function: { name: "weather", parameters, parse: JSON.parse, function: () => Promise.reject(new Error("no weather")) } };
  const engine = scriptedEngine([call("weather", { city: "Rome" }), "Never."]);
  const runner = runTools(engine, { messages: [], tools: [fails] });
  await assert.rejects(runner.done(), /no weather/);
  assert.equal(engine.asked.length, 1);
});

test("arguments that cannot be parsed are explained to the model", async () => {
  const tool = { type: "function", function: { name: "weather", parameters, parse: () => { throw new Error("bad city"); }, function: () => "never" } };
  const runner = runTools(scriptedEngine([call("weather", {}), "Sorry."]), { messages: [], tools: [tool] });
  assert.equal(await runner.finalContent(), "Sorry.");
  assert.equal(runner.messages[1].content, "bad city");
});

test("abort stops the run, by method and by signal", async () => {
  const methods = [(runner) => runner.abort(), (_, controller) => controller.abort()];
  for (const stop of methods) {
    const controller = new AbortController();
    const runner = runTools(scriptedEngine(["forever"]), { messages: [], tools: [], stream: true }, { signal: controller.signal });
    const events = [];
    for (const event of ["abort", "error", "end"]) runner.on(event, () => events.push(event));
    runner.once("chunk", () => stop(runner, controller));
    await assert.rejects(runner.done(), { name: "AbortError" });
    assert.deepEqual([events, runner.aborted], [["abort", "end"], true]);
  }
});

test("leaving the loop over chunks stops the run", async () => {
  const runner = runTools(scriptedEngine(["forever"]), { messages: [], tools: [], stream: true });
  let count = 0;
  for await (const _ of runner) if (++count === 3) break;
  await assert.rejects(runner.done(), { name: "AbortError" });
});
