// An engine that says what a test wants it to say.

/** How many tokens an image takes. */
const IMAGE_TOKENS = 10;

/**
 * Answers, in turn: texts, tool calls as `{ name, arguments }` or lists of them, errors. `asked` has the requests. A word is a token; images
 * take ten, if the model sees any.
 */
export function scriptedEngine(answers, { contextTokens = 1000, canSee = false } = {}) {
  const engine = { asked: [], fail: null };
  const words = (text) => `${text}`.split(/\s+/).filter((word) => word !== "").length;
  const ofPart = ({ type, text }) => (type === "image_url" ? IMAGE_TOKENS : words(text));
  const ofContent = (content) => (Array.isArray(content) ? content.reduce((sum, part) => sum + ofPart(part), 0) : words(content ?? ""));
  const count = (messages) => messages.reduce((sum, { content }) => sum + ofContent(content), 0);
  const images = (messages) => messages.flatMap(({ content }) => content).filter((part) => part?.type === "image_url").length;
  const create = async (body, { signal } = {}) => {
    signal?.throwIfAborted();
    engine.asked.push(structuredClone(body));
    const prompt = count(body.messages);
    if (prompt > contextTokens) {
      const reason = { code: "context_full", prompt_tokens: prompt, context_tokens: contextTokens };
      throw Object.assign(new Error("it is too long"), { kind: "context_overflow", param: "messages", reason });
    }
    if (body.max_completion_tokens === 1) return completion("x", prompt, 1, images(body.messages) * IMAGE_TOKENS);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    if (answer === "forever") return forever(signal);
    return body.stream ? chunks(answer, prompt, words, body) : completion(answer, prompt, words(answer));
  };
  return Object.assign(engine, {
    chat: { completions: { create } },
    countTokens: async (text) => words(text),
    load: async (_, { onProgress }) => {
      for (const done of [0, 50, 50, 100]) onProgress({ phase: "download", done, total: 100 });
      await new Promise((resolve) => setTimeout(resolve, 10));
      return { name: "scripted", context_tokens: contextTokens, can_see: canSee };
    },
    storage: { list: async () => ({ models: [] }) },
  });
}

const callsOf = (answer) =>
  [answer].flat().map(({ name, arguments: args }, index) => ({
    id: `call_${index}`, type: "function", function: { name, arguments: JSON.stringify(args) },
  }));

const fields = (object) => ({ id: "x", object, created: 1, model: "scripted" });

const usageOf = (prompt, words) => ({ prompt_tokens: prompt, completion_tokens: words, total_tokens: prompt + words });

export function completion(answer, prompt = 1, words = 1, imageTokens = 0) {
  const isText = typeof answer === "string";
  const message = { role: "assistant", content: isText ? answer : null, refusal: null, ...(!isText && { tool_calls: callsOf(answer) }) };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: isText ? "stop" : "tool_calls" }];
  const usage = { ...usageOf(prompt, words), ...(imageTokens && { prompt_tokens_details: { image_tokens: imageTokens } }) };
  return { ...fields("chat.completion"), choices, usage };
}

async function* chunks(answer, prompt, words, body) {
  const logprobsOf = (token) => (body.logprobs && token ? { content: [{ token, logprob: -1, bytes: null, top_logprobs: [] }] } : null);
  const chunk = (delta, reason = null) => ({
    ...fields("chat.completion.chunk"), choices: [{ index: 0, delta, logprobs: logprobsOf(delta.content), finish_reason: reason }],
  });
  const isText = typeof answer === "string";
  yield chunk({ role: "assistant", content: "" });
  if (isText) for (const piece of answer.match(/\S+\s*/g) ?? []) yield chunk({ content: piece });
  else {
    for (const [index, { function: { arguments: args, name }, ...call }] of callsOf(answer).entries()) {
      yield chunk({ tool_calls: [{ index, ...call, function: { name, arguments: "" } }] });
      for (const piece of args.match(/.{1,5}/gs)) yield chunk({ tool_calls: [{ index, function: { arguments: piece } }] });
    }
  }
  yield chunk({}, isText ? "stop" : "tool_calls");
  if (body.stream_options?.include_usage) {
    yield { ...fields("chat.completion.chunk"), choices: [], usage: usageOf(prompt, isText ? words(answer) : 1) };
  }
}

async function* forever(signal) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    signal.throwIfAborted();
    yield { ...fields("chat.completion.chunk"), choices: [{ index: 0, delta: { content: "word " }, logprobs: null, finish_reason: null }] };
  }
}

/** A `fetch` that gives a scripted engine's answers, for OpenAI's own client. */
export function scriptedFetch(engine) {
  return async (_, { body, signal }) => {
    const request = JSON.parse(body);
    const answer = await engine.chat.completions.create(request, { signal });
    if (!request.stream) return Response.json(answer);
    let text = "";
    for await (const chunk of answer) text += `data: ${JSON.stringify(chunk)}\n\n`;
    return new Response(`${text}data: [DONE]\n\n`, { headers: { "content-type": "text/event-stream" } });
  };
}
