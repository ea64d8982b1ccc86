// Uses the ES module as TypeScript programs do; `cargo xtask test` checks its types.
import { Parlance } from "../web/parlance";

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

const { data } = await engine.embeddings.create({ input: "text" });
const { results } = await engine.rerank.create({ query: "text", documents: ["text", { text: "text" }] });
const vector: number[] | string = data[0].embedding;
console.log(vector.length);

// @ts-expect-error: messages must have a role.
await engine.chat.completions.create({ messages: [{ content: "Hi" }] });

// @ts-expect-error: hosts are named by texts.
await Parlance.create({ allowedHosts: [new URL("https://huggingface.co")] });
