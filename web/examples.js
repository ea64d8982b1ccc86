// Runnable examples of the API, whose source is shown on the page. `print` appends to an example's output; `engine()` returns the page's shared engine.
import { Parlance } from "./parlance.js";

const DEMO_MODEL = "./models/SmolLM2-135M-Instruct.Q4_1.gguf";

const EXAMPLES = {
  "Chat completion": async (print) => {
    const { chat } = await engine();
    const answer = await chat.completions.create({
      messages: [{ role: "user", content: "What is the capital of France?" }],
      temperature: 0,
    });
    print(answer.choices[0].message.content);
  },
  "Streaming": async (print) => {
    const { chat } = await engine();
    const stream = await chat.completions.create({
      messages: [{ role: "user", content: "Name three colours." }],
      stream: true, max_tokens: 60, temperature: 0,
    });
    for await (const chunk of stream) print(chunk.choices[0]?.delta.content ?? "");
  },
  "Structured output": async (print) => {
    const { chat } = await engine();
    const schema = {
      type: "object",
      properties: { name: { type: "string", minLength: 1, maxLength: 20 }, age: { type: "integer", minimum: 0, maximum: 120 } },
      required: ["name", "age"], additionalProperties: false,
    };
    const answer = await chat.completions.create({
      messages: [{ role: "user", content: "Invent a person." }],
      response_format: { type: "json_schema", json_schema: { name: "person", schema } },
    });
    print(JSON.parse(answer.choices[0].message.content).name);
  },
  "Function calling": async (print) => {
    const { chat } = await engine();
    const tools = [{ type: "function", function: {
      name: "get_weather", description: "The weather of a city.",
      parameters: { type: "object", properties: { city: { type: "string", maxLength: 20 } }, required: ["city"], additionalProperties: false },
    } }];
    const answer = await chat.completions.create({
      messages: [{ role: "user", content: "How is the weather in Rome?" }],
      tools, tool_choice: "required", parallel_tool_calls: false, temperature: 0,
    });
    print(JSON.stringify(answer.choices[0].message.tool_calls[0].function));
  },
  "The same API over HTTP, served by this site's service worker": async (print) => {
    await engine();
    const response = await fetch("./v1/chat/completions", {
      method: "POST",
      body: JSON.stringify({ messages: [{ role: "user", content: "Say hello." }], max_tokens: 20, temperature: 0 }),
    });
    print((await response.json()).choices[0].message.content);
  },
};

let shared;

/** The shared engine, created on first use. */
function engine() {
  shared ??= Parlance.create({ model: DEMO_MODEL });
  return shared;
}

/** The source of a function's body. */
const sourceOf = (example) =>
  example
    .toString()
    .split("\n")
    .slice(1, -1)
    .map((line) => line.slice(4))
    .join("\n");

for (const [title, example] of Object.entries(EXAMPLES)) {
  const section = document.createElement("section");
  const heading = Object.assign(document.createElement("h2"), { textContent: title });
  const source = Object.assign(document.createElement("pre"), { textContent: sourceOf(example), tabIndex: 0 });
  const button = Object.assign(document.createElement("button"), { textContent: "Run" });
  const output = document.createElement("output");
  const print = (text) => output.append(text);
  button.onclick = async () => {
    output.replaceChildren();
    button.disabled = true;
    try {
      await example(print);
    } catch (error) {
      print(`${error.name}: ${error.message}`);
    }
    button.disabled = false;
  };
  section.append(heading, source, button, output);
  document.querySelector("main").append(section);
}
