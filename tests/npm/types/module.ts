// Uses the package as TypeScript programs do; `cargo xtask test` checks its types.
import { Parlance, type RunnableTool } from "@parlance-chat/engine";
import { languageModel, type LanguageModelClass } from "@parlance-chat/engine/language-model";
import { McpClient } from "@parlance-chat/engine/mcp";
import { zodFunction } from "openai/helpers/zod";
import { z } from "zod";

const engine = await Parlance.create({
    model: "owner/repository/model.gguf",
    allowedHosts: ["huggingface.co"],
    onProgress: ({ phase, seconds }) => console.log(phase, seconds),
});

const answer = await engine.chat.completions.create({ messages: [{ role: "user", content: "Hi" }] });
const text: string | null = answer.choices[0].message.content;

for await (const chunk of await engine.chat.completions.create({ messages: [], stream: true })) {
    console.log(text, chunk.choices[0]?.delta.content);
}

const response = await engine.responses.create({ input: [{ role: "user", content: "Hi" }] });
for await (const event of await engine.responses.create({
    input: "More", previous_response_id: response.id, stream: true,
})) {
    if (event.type === "response.output_text.delta") console.log(event.delta);
    if (event.type === "response.completed") console.log(event.response.usage?.output_tokens);
}
const { deleted } = await engine.responses.delete(response.id);
const { data: models } = await engine.models.list();
console.log(deleted, models[0].capabilities?.includes("chat"));

await engine.load("owner/repository/model.gguf", { projector: false });
await engine.load("owner/repository/model.gguf", { draftModel: "owner/repository/small.gguf" });
const photo = new File([], "photo.jpg");
await engine.chat.completions.create({
    messages: [{ role: "user", content: [
        { type: "image_url", image_url: { url: photo, detail: "low" } },
        { type: "image_url", image_url: "data:image/png;base64,AAAA" },
        { type: "text", text: "What is this?" },
    ] }],
});

const { data } = await engine.embeddings.create({ input: "text" });
const { results } = await engine.rerank.create({ query: "text", documents: ["text", { text: "text" }] });
const subtitles: string = await engine.audio.transcriptions.create({ file: photo, response_format: "srt" });
const { language, segments } = await engine.audio.translations.create({ file: new Int16Array(16000), response_format: "verbose_json" });
for await (const event of await engine.audio.transcriptions.create({ file: photo, stream: true })) {
    if (event.type === "transcript.text.delta") console.log(event.delta, subtitles, language, segments);
}
const vector: number[] | string = data[0].embedding;
console.log(vector.length);

// @ts-expect-error: messages must have a role.
await engine.chat.completions.create({ messages: [{ content: "Hi" }] });

// @ts-expect-error: hosts are named by texts.
await Parlance.create({ allowedHosts: [new URL("https://huggingface.co")] });

// Clients take `fetch` as it is.
const clientFetch: typeof fetch = engine.fetch;
console.log(clientFetch);

interface Place {
    city: string;
}
const weather: RunnableTool<Place> = {
    type: "function",
    function: { name: "weather", parse: (text) => JSON.parse(text), function: ({ city }) => `${city} is warm` },
};
const server = await McpClient.connect("https://tools.example.org/mcp", { headers: () => ({ authorization: "Bearer key" }) });
const tools = [weather, ...(await server.tools({ accepts: ({ name }) => name !== "delete" }))];
const runner = engine.chat.completions.runTools({ messages: [{ role: "user", content: "Hi" }], tools, stream: true });
runner.on("functionToolCall", ({ name }) => console.log(name)).on("content", (delta, soFar) => console.log(delta, soFar));
runner.on("tool_calls.function.arguments.done", ({ name, parsed_arguments: parsed }) => console.log(name, parsed));
const City = z.object({ city: z.string() });
const byZod = zodFunction({ name: "weather", parameters: City, function: ({ city }) => `${city} is warm` });
engine.chat.completions.runTools({ messages: [], tools: [byZod], toolContext: { unit: "degrees" } });
console.log((await engine.models.retrieve("model")).context_length);
const content: string | null = await runner.finalContent();
console.log(content);

// The polyfill has the types of the API.
const polyfill: LanguageModelClass = languageModel(engine, { model: "owner/repository/model.gguf" });
const api: Pick<typeof LanguageModel, "create" | "availability" | "params"> = polyfill;
const session: LanguageModel = await polyfill.create({ initialPrompts: [{ role: "system", content: "Be brief." }] });
const answered: string = await session.prompt("Hi", { responseConstraint: { type: "string" } });
console.log(api, answered);
const seeing: LanguageModel = await languageModel(engine, { model: "owner/repository/model.gguf", projector: "./mmproj.gguf" })
    .create({ expectedInputs: [{ type: "text" }, { type: "image" }] });
await seeing.prompt([{ role: "user", content: [{ type: "text", value: "Who is this?" }, { type: "image", value: photo }] }]);

// @ts-expect-error: there is no such event.
runner.on("nothing", () => {});

engine.close();
