import { Emitter } from "./emitter.js";
import { ToolCalls } from "./tool-calls.js";

const DEFAULT_MAX_CHAT_COMPLETIONS = 10;

/**
 * Asks the model, runs the tools that it calls, and asks again with their results, until it calls none. As `runTools` of the `openai`
 * package: tools are functions (`function`) with an optional `parse` for their arguments, and events tell of all that happens.
 */
export function runTools(engine, body, options = {}) {
  const runner = new ToolRunner();
  // Later, so that listeners can be added first.
  setTimeout(() => runner.run(engine, body, options).then(() => runner.finish(), (error) => runner.finish(error)));
  return runner;
}

/** A run of the loop. With `stream`, it is also an async iterable of all chunks. */
class ToolRunner extends Emitter {
  /** The conversation: the request's messages, and those of the model and the tools. */
  messages = [];
  #completions = [];

  async run(engine, body, options) {
    const { maxChatCompletions = DEFAULT_MAX_CHAT_COMPLETIONS, signal, afterCompletion } = options;
    const abort = () => this.controller.abort(signal.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    try {
      const { tools, messages, ...rest } = body;
      if (rest.n > 1) throw new TypeError("runTools takes one choice: n must be 1");
      this.messages.push(...messages);
      const calls = new ToolCalls(tools, rest.tool_choice);
      const request = { tool_choice: "auto", ...rest, tools: calls.descriptions };
      for (let count = 0; count < maxChatCompletions; count += 1) {
        const completion = await this.#ask(engine, { ...request, messages: this.messages });
        const message = completion.choices[0].message;
        const isDone = !message.tool_calls?.length || (await this.#call(calls, message.tool_calls, rest.parallel_tool_calls));
        await afterCompletion?.(completion, this);
        if (isDone) break;
      }
      this.#emitFinal();
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async #ask(engine, body) {
    const { signal } = this.controller;
    let completion;
    if (body.stream) {
      const chunks = await engine.chat.completions.create(body, { signal });
      this.emit("connect");
      completion = await collect(chunks, (chunk, soFar) => {
        this.emit("chunk", chunk, soFar);
        const text = chunk.choices[0]?.delta.content;
        if (text) this.emit("content", text, soFar.choices[0].message.content);
      });
    } else {
      completion = await engine.chat.completions.create(body, { signal });
      this.emit("connect");
    }
    this.#completions.push(completion);
    this.emit("chatCompletion", completion);
    const { message } = completion.choices[0];
    this.#add(message);
    if (!body.stream && message.content) this.emit("content", message.content);
    return completion;
  }

  /** Runs the tools that the model called. Resolves to whether that ends the loop. */
  async #call(calls, toolCalls, inParallel = true) {
    if (inParallel && !calls.only) {
      // All of them end before an error is reported, so that none goes on behind it.
      const results = await Promise.allSettled(toolCalls.map((call) => calls.run(call, this)));
      for (const { reason, status } of results) if (status === "rejected") throw reason;
      for (const { value } of results) this.#add(value.message);
      return false;
    }
    for (const call of toolCalls) {
      const { message, isCalled } = await calls.run(call, this);
      this.#add(message);
      // A tool that had to be called would have to be called forever.
      if (calls.only && isCalled) return true;
    }
    return false;
  }

  #add(message) {
    this.messages.push(message);
    this.emit("message", message);
    if (message.role === "tool") this.emit("functionToolCallResult", message.content);
    for (const call of message.tool_calls ?? []) this.emit("functionToolCall", call.function);
  }

  #emitFinal() {
    const final = {
      finalChatCompletion: this.#completions.at(-1),
      finalMessage: this.#lastMessage(),
      finalContent: this.#lastMessage()?.content,
      finalFunctionToolCall: this.#lastCall(),
      finalFunctionToolCallResult: this.#lastResult(),
      totalUsage: this.#usage(),
    };
    for (const [event, value] of Object.entries(final)) if (value != null) this.emit(event, value);
  }

  #lastMessage() {
    return this.messages.findLast(({ role }) => role === "assistant");
  }

  #lastCall() {
    return this.messages.findLast(({ tool_calls: calls }) => calls?.length)?.tool_calls.at(-1).function;
  }

  #lastResult() {
    return this.messages.findLast(({ role }) => role === "tool")?.content;
  }

  #usage() {
    const total = { completion_tokens: 0, prompt_tokens: 0, total_tokens: 0 };
    for (const { usage } of this.#completions) {
      for (const name of Object.keys(total)) total[name] += usage?.[name] ?? 0;
    }
    return total;
  }

  allChatCompletions() {
    return [...this.#completions];
  }

  async finalChatCompletion() {
    await this.done();
    return this.#completions.at(-1);
  }

  async finalMessage() {
    await this.done();
    return this.#lastMessage();
  }

  async finalContent() {
    return (await this.finalMessage())?.content ?? null;
  }

  async finalFunctionToolCall() {
    await this.done();
    return this.#lastCall();
  }

  async finalFunctionToolCallResult() {
    await this.done();
    return this.#lastResult();
  }

  async totalUsage() {
    await this.done();
    return this.#usage();
  }

  async *[Symbol.asyncIterator]() {
    const chunks = [];
    let wake = () => {};
    this.on("chunk", (chunk) => (chunks.push(chunk), wake()));
    const end = this.done().finally(() => wake());
    end.catch(() => {});
    try {
      for (;;) {
        if (chunks.length > 0) yield chunks.shift();
        else if (this.ended) return await end;
        else await new Promise((resolve) => (wake = resolve));
      }
    } finally {
      if (!this.ended) this.abort();
    }
  }
}

/** Reads a streamed answer and resolves to what it would be as a whole. */
async function collect(chunks, onChunk) {
  const message = { role: "assistant", content: null, refusal: null };
  const choice = { index: 0, message, logprobs: null, finish_reason: null };
  let completion = {};
  for await (const chunk of chunks) {
    const { choices, usage, ...fields } = chunk;
    completion = { ...completion, ...fields, object: "chat.completion", choices: [choice], ...(usage && { usage }) };
    if (choices[0]) addDelta(choice, choices[0]);
    onChunk(chunk, completion);
  }
  return completion;
}

function addDelta(choice, { delta, finish_reason: reason, logprobs }) {
  const { message } = choice;
  for (const name of ["content", "reasoning_content"]) {
    if (delta[name]) message[name] = (message[name] ?? "") + delta[name];
  }
  for (const { index, function: part, ...fields } of delta.tool_calls ?? []) {
    message.tool_calls ??= [];
    message.tool_calls[index] ??= { ...fields, function: { name: part.name, arguments: "" } };
    message.tool_calls[index].function.arguments += part.arguments ?? "";
  }
  if (logprobs) choice.logprobs = { content: [...(choice.logprobs?.content ?? []), ...logprobs.content] };
  choice.finish_reason = reason ?? choice.finish_reason;
}
