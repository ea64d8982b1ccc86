// Published clients with `engine.fetch`, as they are: chat, stream, tools, structured output, embeddings.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { HumanMessage } from "@langchain/core/messages";
import { tool as langChainTool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { embedMany, generateText, Output, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { check, equal, failure, isLetters } from "./check.js";

const baseURL = "https://parlance.invalid/v1";
const QUESTION = "What is the capital of France?";
const messages = [{ role: "user", content: QUESTION }];
const brief = { model: "any", messages, temperature: 0, max_tokens: 12 };
const City = z.object({ city: z.enum(["Paris", "Rome"]) });

const openai = ({ engine }) => new OpenAI({ apiKey: "none", baseURL, fetch: engine.fetch, maxRetries: 0, dangerouslyAllowBrowser: true });

export const openAiPackage = {
  "chat and stream": async (context) => {
    const client = openai(context);
    const answer = await client.chat.completions.create(brief);
    isLetters(answer.choices[0].message.content);
    check(answer.usage.extra.decode_tokens_per_s > 0, answer.usage);
    let [text, usage] = ["", null];
    for await (const chunk of await client.chat.completions.create({ ...brief, stream: true, stream_options: { include_usage: true } })) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    equal([text, usage.completion_tokens], [answer.choices[0].message.content, answer.usage.completion_tokens]);
    const { data } = await client.models.list();
    check(data.length > 0 && data[0].object === "model", data);
    equal(await client.models.retrieve(data[0].id), data[0]);
    const missing = await failure(client.models.retrieve("no such/model"));
    equal([missing.status, missing.param, missing.code], [404, "model", "model_not_found"]);
  },
  "structured output": async (context) => {
    const answer = await openai(context).chat.completions.parse({ ...brief, max_tokens: 50, response_format: zodResponseFormat(City, "city") });
    City.parse(answer.choices[0].message.parsed);
  },
  "tools, called by runTools": async (context) => {
    const cities = [];
    const parameters = { type: "object", properties: { city: { enum: ["Paris", "Rome"] } }, required: ["city"], additionalProperties: false };
    const weather = { name: "weather", parameters, parse: JSON.parse, function: ({ city }) => (cities.push(city), `${city} is warm`) };
    const body = {
      ...brief, max_tokens: 80, parallel_tool_calls: false, tools: [{ type: "function", function: weather }], tool_choice: { type: "function", function: { name: "weather" } },
    };
    const [theirs, ours] = [openai(context).chat.completions.runTools(body), context.engine.chat.completions.runTools(body)];
    equal(await theirs.finalFunctionToolCallResult(), `${cities[0]} is warm`);
    equal(await ours.finalFunctionToolCallResult(), await theirs.finalFunctionToolCallResult());
  },
  embeddings: async (context) => {
    const { data } = await openai(context).embeddings.create({ model: "bert-mean", input: ["the cat", "the cat", "a dog"] });
    equal(data[0].embedding, data[1].embedding);
    check(data[0].embedding.length === 64 && data[2].embedding[0] !== data[0].embedding[0], data);
  },
  responses: async (context) => {
    const client = openai(context);
    const body = { model: "any", input: QUESTION, temperature: 0, max_output_tokens: 12 };
    const { id, output_text: whole } = await client.responses.create(body);
    isLetters(whole);
    let text = "";
    for await (const event of await client.responses.create({ ...body, stream: true })) {
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    equal(text, whole);
    equal((await client.responses.retrieve(id)).id, id);
    await client.responses.delete(id);
    equal((await failure(client.responses.retrieve(id))).status, 404);
  },
  errors: async (context) => {
    const client = openai(context);
    const fields = ({ constructor: { name }, status, param, code }) => [name, status, param, code];
    equal(fields(await failure(client.chat.completions.create({ ...brief, temperature: 9 }))), ["BadRequestError", 400, "temperature", "invalid_value"]);
    equal(fields(await failure(client.chat.completions.create({ ...brief, stream: true, messages: "x" }))).slice(0, 3), ["BadRequestError", 400, "messages"]);
    equal(fields(await failure(client.files.list())), ["NotFoundError", 404, null, "unknown_url"]);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 20);
    const long = client.chat.completions.create({ ...brief, max_tokens: 4000 }, { signal: stop.signal });
    equal((await failure(long)).constructor.name, "APIUserAbortError");
  },
};

export const aiSdk = {
  "chat and stream": async (context) => {
    const model = aiModel(context);
    const options = { model, prompt: QUESTION, temperature: 0, maxOutputTokens: 12 };
    const { text, usage } = await generateText(options);
    isLetters(text);
    check(usage.inputTokens > 5 && usage.outputTokens === 12, usage);
    let streamed = "";
    for await (const delta of streamText(options).textStream) streamed += delta;
    equal(streamed, text);
  },
  "structured output": async (context) => {
    const { output } = await generateText({ model: aiModel(context), prompt: QUESTION, temperature: 0, output: Output.object({ schema: City }) });
    City.parse(output);
  },
  tools: async (context) => {
    const weather = tool({ description: "The weather.", inputSchema: City, execute: async ({ city }) => `${city} is warm` });
    const { toolResults } = await generateText({
      model: aiModel(context), prompt: QUESTION, tools: { weather }, toolChoice: "required", temperature: 0,
      providerOptions: { parlance: { parallel_tool_calls: false } },
    });
    equal(toolResults[0].output, `${toolResults[0].input.city} is warm`);
  },
  embeddings: async (context) => {
    const { embeddings } = await embedMany({ model: aiProvider(context).embeddingModel("bert-mean"), values: ["the cat", "a dog"] });
    equal(embeddings.map((vector) => vector.length), [64, 64]);
  },
};

const aiProvider = ({ engine }) => createOpenAICompatible({ name: "parlance", baseURL, fetch: engine.fetch, supportsStructuredOutputs: true });
const aiModel = (context) => aiProvider(context)("any");

export const langChain = {
  "chat and stream": async (context) => {
    const model = langChainModel(context, { maxTokens: 12 });
    const { text, usage_metadata: usage } = await model.invoke(QUESTION);
    isLetters(text);
    check(usage.output_tokens === 12, usage);
    let streamed = "";
    for await (const chunk of await model.stream([new HumanMessage(QUESTION)])) streamed += chunk.text;
    equal(streamed, text);
  },
  "structured output": async (context) => {
    City.parse(await langChainModel(context).withStructuredOutput(City, { method: "jsonSchema" }).invoke(QUESTION));
  },
  tools: async (context) => {
    const weather = langChainTool(({ city }) => `${city} is warm`, { name: "weather", description: "The weather.", schema: City });
    const { tool_calls: calls } = await langChainModel(context).bindTools([weather], { tool_choice: "required", parallel_tool_calls: false }).invoke(QUESTION);
    equal((await weather.invoke(calls[0])).content, `${calls[0].args.city} is warm`);
  },
  embeddings: async ({ engine }) => {
    const model = new OpenAIEmbeddings({ model: "bert-mean", apiKey: "none", configuration: configuration(engine) });
    equal((await model.embedDocuments(["the cat", "a dog"])).map((vector) => vector.length), [64, 64]);
  },
};

const configuration = (engine) => ({ baseURL, fetch: engine.fetch, dangerouslyAllowBrowser: true });
const langChainModel = ({ engine }, options) =>
  new ChatOpenAI({ model: "any", apiKey: "none", temperature: 0, maxRetries: 0, configuration: configuration(engine), ...options });
