import { Emitter } from "./emitter.js";
import { StreamedCompletion } from "./streamed-completion.js";
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
  /** The answer that is being streamed. */
  #streamed = null;

  async run(engine, body, options) {
    const { maxChatCompletions = DEFAULT_MAX_CHAT_COMPLETIONS, signal, afterCompletion } = options;
    const abort = () => this.controller.abort(signal.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    try {
      const { tools, messages, toolContext, ...rest } = body;
      if (rest.n > 1) throw new TypeError("runTools takes one choice: n must be 1");
      this.messages.push(...messages);
      const calls = new ToolCalls(tools, { choice: rest.tool_choice, context: toolContext });
      const request = { tool_choice: "auto", ...rest, tools: calls.descriptions };
      for (let count = 0; count < maxChatCompletions; count += 1) {
        const completion = await this.#ask(engine, { ...request, messages: this.messages }, calls);
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

  async #ask(engine, body, calls) {
    const { signal } = this.controller;
    const answer = await engine.chat.completions.create(body, { signal });
    this.emit("connect");
    const completion = body.stream ? await this.#read(answer, body, calls) : answer;
    const { message } = completion.choices[0];
    const parsed = parsedContent(body, message.content);
    if (parsed !== null) message.parsed = parsed;
    this.#completions.push(completion);
    this.emit("chatCompletion", completion);
    this.#add(message);
    if (!body.stream && message.content) this.emit("content", message.content);
    return completion;
  }

  /** Reads a streamed answer and resolves to what it is as a whole. */
  async #read(chunks, body, calls) {
    const parsers = { content: (text) => parsedContent(body, text), call: (name, text) => calls.parsed(name, text) };
    this.#streamed = new StreamedCompletion((...event) => this.emit(...event), parsers);
    for await (const chunk of chunks) this.#streamed.add(chunk);
    const { snapshot } = this.#streamed;
    this.#streamed = null;
    return snapshot;
  }

  /** What the answer that is being streamed is so far. */
  get currentChatCompletionSnapshot() {
    return this.#streamed?.snapshot;
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
    if (message.role === "tool" && message.content) this.emit("functionToolCallResult", message.content);
    for (const call of message.tool_calls ?? []) this.emit("functionToolCall", call.function);
  }

  #emitFinal() {
    const final = {
      finalChatCompletion: this.#completions.at(-1),
      finalMessage: this.#lastMessage(),
      finalContent: this.#lastMessage()?.content,
      finalFunctionToolCall: this.#lastCall(),
      finalFunctionToolCallResult: this.#lastResult(),
      totalUsage: this.#completions.some(({ usage }) => usage) ? this.#usage() : null,
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

/** The value of an answer whose format `zodResponseFormat` of the `openai` package made; otherwise `null`. */
function parsedContent({ response_format: format }, text) {
  return (text && format?.$parseRaw?.(text)) || null;
}
