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

await engine.load("owner/repository/model.gguf", { projector: false });
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
const vector: number[] | string = data[0].embedding;
console.log(vector.length);

// @ts-expect-error: messages must have a role.
await engine.chat.completions.create({ messages: [{ content: "Hi" }] });

// @ts-expect-error: hosts are named by texts.
await Parlance.create({ allowedHosts: [new URL("https://huggingface.co")] });
