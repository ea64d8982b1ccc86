// The polyfill of the Prompt API does what the explainer's examples expect (https://github.com/webmachinelearning/prompt-api).
import assert from "node:assert/strict";
import { test } from "node:test";

import { languageModel, LanguageModelToolCall, LanguageModelToolError, LanguageModelToolSuccess } from "../../../web/parlance/language-model.js";
import { scriptedEngine } from "./scripted.mjs";

// What Node has none of.
globalThis.ProgressEvent ??= class extends Event {
  constructor(type, { loaded, total }) {
    super(type);
    Object.assign(this, { loaded, total });
  }
};
globalThis.Worker ??= class {};

const MODEL = "owner/repository/file.gguf";

/** The class with answers, and what it asks the engine. */
function scripted(answers, options) {
  const engine = scriptedEngine(answers, options);
  return { LanguageModel: languageModel(engine, { model: MODEL }), engine };
}

/** The messages of the last request. */
const lastAsked = (engine) => engine.asked.at(-1).messages;

const system = { role: "system", content: "Pretend to be an eloquent hamster." };
const user = (content) => ({ role: "user", content });
const assistant = (content) => ({ role: "assistant", content });

test("zero-shot prompting, at once and streamed", async () => {
  const { LanguageModel, engine } = scripted(["A poem.", "An extra long poem."]);
  const session = await LanguageModel.create();
  assert.equal(await session.prompt("Write me a poem."), "A poem.");
  const chunks = [];
  for await (const chunk of session.promptStreaming("Write me an extra-long poem.")) chunks.push(chunk);
  assert.deepEqual(chunks, ["An ", "extra ", "long ", "poem."]);
  assert.deepEqual(lastAsked(engine), [user("Write me a poem."), assistant("A poem."), user("Write me an extra-long poem.")]);
});

test("system prompts, given in three ways", async () => {
  const question = "What is your favorite food?";
  const ways = [
    async ({ create }) => (await create({ initialPrompts: [system] })).prompt(question),
    async ({ create }) => {
      const session = await create();
      await session.append([system]);
      return session.prompt(question);
    },
    async ({ create }) => (await create()).prompt([system, user(question)]),
  ];
  for (const way of ways) {
    const { LanguageModel, engine } = scripted(["Seeds."]);
    assert.equal(await way({ create: (options) => LanguageModel.create(options) }), "Seeds.");
    assert.deepEqual(lastAsked(engine), [system, user(question)]);
  }
});

test("system prompts elsewhere are refused", async () => {
  const { LanguageModel } = scripted(["Yes."]);
  await assert.rejects(LanguageModel.create({ initialPrompts: [user("Hi"), system] }), TypeError);
  const session = await LanguageModel.create({ initialPrompts: [system] });
  await assert.rejects(session.prompt([system, user("Hi")]), TypeError);
  await assert.rejects(session.append([system]), TypeError);
  assert.equal(await session.prompt("Still there?"), "Yes.");
});

test("n-shot prompting, and clones that go their own ways", async () => {
  const { LanguageModel, engine } = scripted(["A", "B", "C"]);
  const initialPrompts = [{ role: "system", content: "Predict emojis." }, user("LGTM"), assistant("ok")];
  const session = await LanguageModel.create({ initialPrompts });
  // The model reads them, and is asked nothing.
  assert.deepEqual([engine.asked.length, engine.asked[0].max_completion_tokens], [1, 1]);
  const predict = async (comment) => (await session.clone()).prompt(comment);
  assert.equal(await predict("Back to the drawing board"), "A");
  assert.equal(await predict("Good"), "B");
  assert.deepEqual(lastAsked(engine), [...initialPrompts, user("Good")]);
  const [before, clone] = [session.contextUsage, await session.clone()];
  await clone.prompt("More");
  assert.ok(clone.contextUsage > before && session.contextUsage === before);
});

test("roles per prompt; neighbours of one role become one message", async () => {
  const { LanguageModel, engine } = scripted(["Compromise."]);
  const session = await LanguageModel.create();
  await session.prompt([user("Marketing: more."), user("Finance: less."), assistant("Let's see.")]);
  assert.deepEqual(lastAsked(engine), [user("Marketing: more.\n\nFinance: less."), assistant("Let's see.")]);
  for (const input of [[{ role: "tool", content: "x" }], [], [{ role: "user", content: [] }], 7, null]) {
    await assert.rejects(session.prompt(input), TypeError);
  }
});

const weather = {
  name: "get_weather",
  description: "Get the weather in a location.",
  inputSchema: { type: "object", properties: { location: { type: "string" } }, required: ["location"] },
};

test("tools in an open loop", async () => {
  const { LanguageModel, engine } = scripted([{ name: "get_weather", arguments: { location: "Seattle" } }, "It is 55F."]);
  const expected = { expectedInputs: [{ type: "tool-response" }], expectedOutputs: [{ type: "tool-call" }] };
  const session = await LanguageModel.create({ ...expected, tools: [weather] });
  const result = await session.prompt("What is the weather in Seattle?");
  assert.deepEqual(result, [{ type: "tool-call", value: new LanguageModelToolCall({ callId: "call_0", name: "get_weather", arguments: { location: "Seattle" } }) }]);
  const { callId, name } = result[0].value;
  const response = new LanguageModelToolSuccess({ callId, name, result: [{ type: "object", value: { temperature: "55F" } }] });
  assert.equal(await session.prompt([{ role: "user", content: [{ type: "tool-response", value: response }] }]), "It is 55F.");
  assert.deepEqual(lastAsked(engine).at(-1), { role: "tool", tool_call_id: "call_0", content: '{"temperature":"55F"}' });
  assert.equal(lastAsked(engine).at(-2).tool_calls[0].id, "call_0");
  assert.equal(engine.asked[0].tools[0].function.name, "get_weather");
});

test("examples of tool use", async () => {
  const { LanguageModel, engine } = scripted(["Fine."]);
  const session = await LanguageModel.create({ tools: [weather] });
  const call = new LanguageModelToolCall({ callId: "1", name: "get_weather", arguments: { location: "Seattle" } });
  const error = new LanguageModelToolError({ callId: "1", name: "get_weather", errorMessage: "no such place" });
  await session.append([
    user("Weather?"),
    { role: "assistant", content: [{ type: "tool-call", value: call }] },
    { role: "user", content: [{ type: "tool-response", value: error }] },
    assistant("I cannot say."),
  ]);
  await session.prompt("And now?");
  assert.deepEqual(lastAsked(engine).map(({ role, content }) => [role, content]), [
    ["user", "Weather?"], ["assistant", null], ["tool", "Error: no such place"], ["assistant", "I cannot say."], ["user", "And now?"],
  ]);
});

test("tools in a closed loop", async () => {
  const places = [];
  const execute = async ({ location }) => {
    places.push(location);
    if (location === "Berlin") throw new Error("no weather");
    return `${location.length} degrees`;
  };
  const calls = ["Seattle", "Tokyo", "Berlin"].map((location) => ({ name: "get_weather", arguments: { location } }));
  const { LanguageModel, engine } = scripted([calls, "Seattle."]);
  const session = await LanguageModel.create({ tools: [{ ...weather, execute }] });
  assert.equal(await session.prompt("Which is the warmest?"), "Seattle.");
  assert.deepEqual(places, ["Seattle", "Tokyo", "Berlin"]);
  assert.deepEqual(lastAsked(engine).slice(-3).map(({ content }) => content), ["7 degrees", "5 degrees", "Error: no weather"]);
});

/** Drawing, as browsers have it. */
globalThis.createImageBitmap ??= async ({ pixels }) => {
  if (!pixels) throw new DOMException("it cannot be drawn", "InvalidStateError");
  return { width: 2, height: 1, pixels, close() {} };
};
globalThis.OffscreenCanvas ??= class {
  getContext = () => ({ drawImage: ({ pixels }) => (this.pixels = pixels) });
  convertToBlob = async () => new Blob([this.pixels]);
};

const withImages = { expectedInputs: [{ type: "text" }, { type: "image" }] };
const text = (value) => ({ type: "text", value });
const image = (value) => ({ type: "image", value });

test("multimodal prompts: images as files, bytes, and what can be drawn", async () => {
  const { LanguageModel, engine } = scripted(["A nice picture.", "The second.", "Yes."], { canSee: true });
  const session = await LanguageModel.create(withImages);
  const canvas = { pixels: "drawn" };
  const content = [text("Compare"), image(new Blob(["file"])), text("with"), image(new TextEncoder().encode("bytes")), image(canvas)];
  const answer = session.prompt([user("First."), { role: "user", content }]);
  canvas.pixels = "drawn later";
  assert.equal(await answer, "A nice picture.");
  const [message] = lastAsked(engine);
  const shown = message.content.map(({ type, text, image_url: url }) => [type, text ?? url.url]);
  assert.deepEqual(shown.map(([type]) => type), ["text", "text", "text", "image_url", "text", "image_url", "image_url"]);
  assert.deepEqual(shown.filter(([type]) => type === "text").map(([, value]) => value), ["First.", "\n\n", "Compare", "with"]);
  const files = shown.filter(([type]) => type === "image_url").map(([, file]) => file.text());
  assert.deepEqual(await Promise.all(files), ["file", "bytes", "drawn"]);
  // What was shown stays in the conversation, and counts.
  const [before, photo] = [session.contextUsage, image(new Blob(["photo"]))];
  assert.ok(before > 30, before);
  assert.equal(await session.measureContextUsage([{ role: "user", content: [text("What is this?"), photo] }]), 13);
  await session.append([{ role: "user", content: [photo] }]);
  assert.equal(session.contextUsage, before + 10);
  await session.prompt("Which is the best?");
  assert.equal(lastAsked(engine).flatMap(({ content }) => content).filter(({ type }) => type === "image_url").length, 4);
  // One that cannot be drawn ends its prompt only.
  await assert.rejects(session.prompt([{ role: "user", content: [image({})] }]), { name: "InvalidStateError" });
  assert.equal(await session.prompt("Sure?"), "Yes.");
});

test("images that take more room than there is drop the oldest turns", async () => {
  const words = (count) => Array(count).fill("word").join(" ");
  const { LanguageModel, engine } = scripted([words(10), words(10), "Seen.", words(1)], { canSee: true, contextTokens: 64 });
  const session = await LanguageModel.create({ ...withImages, initialPrompts: [system] });
  let overflows = 0;
  session.oncontextoverflow = () => (overflows += 1);
  await session.prompt(words(10));
  await session.prompt([{ role: "user", content: [image(new Blob(["a"]))] }]);
  const three = Array.from({ length: 3 }, () => image(new Blob(["b"])));
  assert.equal(await session.prompt([{ role: "user", content: three }]), "Seen.");
  assert.equal(overflows, 1);
  assert.deepEqual(lastAsked(engine).map(({ role }) => role), ["system", "user"]);
  const nine = [...three, ...three, ...three];
  await assert.rejects(session.prompt([{ role: "user", content: nine }]), { name: "QuotaExceededError" });
  assert.equal(await session.prompt("Still there?"), "word");
});

test("models that see no images", async () => {
  const { LanguageModel, engine } = scripted(["Hi."]);
  // Before it is here, nobody knows.
  assert.equal(await LanguageModel.availability(withImages), "downloadable");
  const url = "https://huggingface.co/owner/repository/resolve/main/file.gguf";
  for (const [canSee, expected] of [[true, "available"], [false, "unavailable"]]) {
    engine.storage.list = async () => ({ models: [{ url, done_bytes: 10, len_bytes: 10, can_see: canSee }] });
    assert.equal(await LanguageModel.availability(withImages), expected);
  }
  await assert.rejects(LanguageModel.create(withImages), { name: "NotSupportedError" });
  assert.equal(await LanguageModel.availability(withImages), "unavailable");
  assert.equal(await (await LanguageModel.create()).prompt("Hi?"), "Hi.");
});

test("the engine gets the projector", async () => {
  const engine = scriptedEngine(["Hi."], { canSee: true });
  const { load } = engine;
  engine.load = (model, options) => ((engine.loaded = options), load(model, options));
  const LanguageModel = languageModel(engine, { model: MODEL, projector: "./mmproj.gguf", contextTokens: 512 });
  await LanguageModel.create(withImages);
  assert.deepEqual([engine.loaded.projector, engine.loaded.contextTokens], ["./mmproj.gguf", 512]);
});

test("input that is not supported", async () => {
  const { LanguageModel } = scripted([], { canSee: true });
  for (const options of [{ expectedInputs: [{ type: "audio" }, { type: "image" }] }, { expectedOutputs: [{ type: "image" }] }]) {
    assert.equal(await LanguageModel.availability(options), "unavailable");
    await assert.rejects(LanguageModel.create(options), { name: "NotSupportedError" });
  }
  const seeing = await LanguageModel.create(withImages);
  await assert.rejects(seeing.prompt([{ role: "assistant", content: [image(new Blob())] }]), { name: "NotSupportedError" });
  const session = await LanguageModel.create();
  await assert.rejects(session.prompt([{ role: "user", content: [{ type: "image", value: new Uint8Array() }] }]), { name: "NotSupportedError" });
  await assert.rejects(session.prompt([{ role: "user", content: [{ type: "text", value: new Uint8Array() }] }]), TypeError);
});

test("a JSON schema or a regular expression as constraint", async () => {
  const { LanguageModel, engine } = scripted(['{"rating": 5}', "me@example.org", "x", '{"a": 1}']);
  const schema = { type: "object", required: ["rating"], properties: { rating: { type: "number" } } };
  const session = await LanguageModel.create();
  assert.equal(JSON.parse(await session.prompt("Rate it.", { responseConstraint: schema })).rating, 5);
  assert.deepEqual(engine.asked[0].response_format, { type: "json_schema", json_schema: { name: "response", schema } });
  await session.prompt("An address.", { responseConstraint: /^[a-z]+@[a-z]+(?:\.[a-z]+)*$/ });
  assert.deepEqual(engine.asked[1].response_format, { type: "regex", regex: "[a-z]+@[a-z]+(?:\\.[a-z]+)*" });
  await session.prompt("Money.", { responseConstraint: /x\$/i, omitResponseConstraintInput: true });
  assert.equal(engine.asked[2].response_format.regex, "(?i:x\\$)");
  await assert.rejects(session.prompt("x", { responseConstraint: "text" }), TypeError);
  await assert.rejects(session.prompt("x", { omitResponseConstraintInput: true }), TypeError);
  const unsupported = Object.assign(new Error("no"), { kind: "bad_request", param: "response_format.json_schema.schema" });
  const refusing = scripted([unsupported]);
  await assert.rejects((await refusing.LanguageModel.create()).prompt("x", { responseConstraint: {} }), { name: "NotSupportedError" });
});

test("a prefix begins the answer", async () => {
  const { LanguageModel, engine } = scripted(["name = 1", "Next."]);
  const session = await LanguageModel.create();
  const prefix = { ...assistant("```toml\n"), prefix: true };
  assert.equal(await session.prompt([user("Create a TOML sheet"), prefix]), "name = 1");
  assert.equal(engine.asked[0].continue_final_message, true);
  assert.deepEqual(lastAsked(engine), [user("Create a TOML sheet"), assistant("```toml\n")]);
  await session.prompt("Next?");
  assert.deepEqual(lastAsked(engine)[1], assistant("```toml\nname = 1"));
  await assert.rejects(session.prompt([prefix, user("x")]), { name: "SyntaxError" });
  await assert.rejects(session.prompt([{ ...user("x"), prefix: true }]), { name: "SyntaxError" });
});

test("append has the model read what the next prompt builds on", async () => {
  const { LanguageModel, engine } = scripted(["A summary."]);
  const session = await LanguageModel.create({ initialPrompts: [{ role: "system", content: "Summarise." }] });
  assert.equal(await session.append([user("First note.")]), undefined);
  assert.deepEqual(lastAsked(engine), [{ role: "system", content: "Summarise." }, user("First note.")]);
  await session.prompt("Now.");
  assert.deepEqual(lastAsked(engine).at(-1), user("First note.\n\nNow."));
});

test("sampling: modes, and the older parameters", async () => {
  const { LanguageModel, engine } = scripted(["A", "B"]);
  const creative = await LanguageModel.create({ samplingMode: "creative" });
  assert.equal(creative.samplingMode, "creative");
  await creative.prompt("x");
  assert.equal(engine.asked[0].temperature, 1);
  const { maxTemperature, maxTopK } = await LanguageModel.params();
  const raw = await LanguageModel.create({ temperature: Infinity, topK: 1e12 });
  assert.deepEqual([raw.samplingMode, raw.temperature, raw.topK], [null, maxTemperature, maxTopK]);
  assert.equal((await LanguageModel.create({ topK: 3.7 })).topK, 3);
  await assert.rejects(LanguageModel.create({ temperature: -1 }), RangeError);
  await assert.rejects(LanguageModel.create({ topK: 0 }), RangeError);
  await assert.rejects(LanguageModel.create({ samplingMode: "creative", topK: 3 }), TypeError);
  await assert.rejects(LanguageModel.create({ samplingMode: "wild" }), TypeError);
});

test("destroying a session ends its prompts", async () => {
  const { LanguageModel } = scripted(["forever", "Other."]);
  const session = await LanguageModel.create();
  const [running, waiting] = [session.prompt("Long."), session.prompt("Later.")];
  const stream = session.promptStreaming("Even later.");
  setTimeout(() => session.destroy(), 10);
  await assert.rejects(running, { name: "AbortError" });
  await assert.rejects(waiting, { name: "AbortError" });
  await assert.rejects(stream.getReader().read(), { name: "AbortError" });
  await assert.rejects(session.prompt("x"), { name: "InvalidStateError" });
  const other = await LanguageModel.create();
  assert.equal(await other.prompt("x"), "Other.");
});

test("the signal of create destroys the session", async () => {
  const { LanguageModel } = scripted(["forever"]);
  const controller = new AbortController();
  const session = await LanguageModel.create({ signal: controller.signal });
  const running = session.prompt("Long.");
  setTimeout(() => controller.abort(), 10);
  await assert.rejects(running, { name: "AbortError" });
  await assert.rejects(LanguageModel.create({ signal: AbortSignal.abort() }), { name: "AbortError" });
});

test("aborting a prompt removes it and its answer", async () => {
  const { LanguageModel, engine } = scripted(["forever", "Second."]);
  const session = await LanguageModel.create();
  const [first, second, queued] = [new AbortController(), new AbortController(), new AbortController()];
  const running = session.prompt("Long.", { signal: first.signal });
  const next = session.prompt("Short.", { signal: second.signal });
  const last = session.prompt("Never.", { signal: queued.signal });
  queued.abort();
  await assert.rejects(last, { name: "AbortError" });
  setTimeout(() => first.abort(new Error("my reason")), 10);
  await assert.rejects(running, /my reason/);
  assert.equal(await next, "Second.");
  second.abort();
  assert.deepEqual(lastAsked(engine), [user("Short.")]);
  assert.equal(engine.asked.length, 2);
});

test("cancelling a stream aborts its prompt", async () => {
  const { LanguageModel } = scripted(["forever", "Next."]);
  const session = await LanguageModel.create();
  for await (const _ of session.promptStreaming("Long.")) break;
  assert.equal(await session.prompt("Next?"), "Next.");
});

test("context usage, and what happens when the context is full", async () => {
  const words = (count) => Array(count).fill("word").join(" ");
  const { LanguageModel, engine } = scripted([words(20), words(20), words(20), words(20)], { contextTokens: 100 });
  const session = await LanguageModel.create({ initialPrompts: [{ role: "system", content: words(5) }] });
  assert.deepEqual([session.contextUsage, session.contextWindow], [5, 100]);
  assert.deepEqual([session.inputUsage, session.inputQuota], [5, 100]);
  assert.equal(await session.measureContextUsage(words(7)), 7);
  assert.equal(await session.measureContextUsage([user(words(3)), user(words(4))]), 7);
  const events = [];
  session.addEventListener("contextoverflow", ({ type }) => events.push(type));
  session.oncontextoverflow = ({ type }) => events.push(`on${type}`);
  session.onquotaoverflow = ({ type }) => events.push(`on${type}`);
  await session.prompt(words(10));
  assert.equal(session.contextUsage, 35);
  await session.prompt(words(10));
  assert.deepEqual([session.contextUsage, events], [65, []]);
  // The oldest prompt goes with its answer, the initial one stays.
  await session.prompt(words(20));
  assert.deepEqual(events, ["contextoverflow", "oncontextoverflow", "onquotaoverflow"]);
  assert.deepEqual(lastAsked(engine).map(({ content }) => content.split(" ").length), [5, 10, 20, 20]);
  assert.equal(session.contextUsage, 75);
  // What can never fit is refused, and removes nothing.
  await assert.rejects(session.prompt(words(200)), ({ name, requested, quota }) => name === "QuotaExceededError" && requested > 200 && quota === 100);
  assert.equal(session.contextUsage, 75);
  await assert.rejects(LanguageModel.create({ initialPrompts: [user(words(200))] }), { name: "QuotaExceededError" });
});

test("availability and download progress", async () => {
  const { LanguageModel, engine } = scripted(["Hi."]);
  assert.equal(await LanguageModel.availability(), "downloadable");
  const url = "https://huggingface.co/owner/repository/resolve/main/file.gguf";
  engine.storage.list = async () => ({ models: [{ url, done_bytes: 10, len_bytes: 10 }] });
  assert.equal(await LanguageModel.availability({ expectedInputs: [{ type: "text", languages: ["en", "ja"] }] }), "available");
  engine.storage.list = async () => ({ models: [{ url, done_bytes: 5, len_bytes: 10 }] });
  const loaded = [];
  const creating = LanguageModel.create({ monitor: (monitor) => monitor.addEventListener("downloadprogress", (event) => loaded.push(event.loaded)) });
  assert.equal(await LanguageModel.availability(), "downloading");
  await creating;
  assert.deepEqual(loaded, [0, 0.5, 1]);
  assert.equal(await LanguageModel.availability(), "available");
  const again = [];
  await LanguageModel.create({ monitor: (monitor) => (monitor.ondownloadprogress = ({ loaded }) => again.push(loaded)) });
  assert.deepEqual(again, [0, 1]);
});

test("a download that fails can be tried again", async () => {
  const { LanguageModel, engine } = scripted(["Hi."]);
  const { load } = engine;
  engine.load = () => Promise.reject(Object.assign(new Error("no network"), { kind: "network" }));
  await assert.rejects(LanguageModel.create(), { name: "NetworkError", message: "no network" });
  engine.load = load;
  assert.equal(await (await LanguageModel.create()).prompt("Hi?"), "Hi.");
});

test("sessions come from create only", () => {
  const { LanguageModel } = scripted([]);
  assert.throws(() => new LanguageModel(), TypeError);
});
