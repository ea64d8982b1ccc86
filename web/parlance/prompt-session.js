import { alternating, haveImages, LanguageModelToolCall, textOf, toMessages, withFiles } from "./prompt-messages.js";
import { formatOf } from "./prompt-options.js";
import { anyOf, unlessAborted } from "./signals.js";

/** The share of the context that is kept for the answer, when old messages have to go. */
const ANSWER_SHARE = 1 / 4;
/** How many rounds of tools one prompt may take. */
const MAX_ROUNDS = 10;

/** A session of the Prompt API: a conversation, and the prompts that wait for their turn in it. */
export class Session {
  #engine;
  #initial;
  #initialTokens = 0;
  /** Prompts with their answers: `{ messages, tokens }`. */
  #turns = [];
  /** The end of the line of prompts. */
  #line = Promise.resolve();
  #end = new AbortController();
  settings;
  /** Length of the context, in tokens. */
  window;
  /** Called when old turns are dropped. */
  onOverflow = () => {};

  constructor(engine, { settings, initial, window }) {
    this.#engine = engine;
    this.#initial = initial;
    this.settings = settings;
    this.window = window;
  }

  /** Tokens of the conversation. */
  get usage() {
    return this.#turns.reduce((sum, { tokens }) => sum + tokens, this.#initialTokens);
  }

  /** Has the initial prompts processed. */
  async begin(signal) {
    if (this.#initial.length === 0) return;
    await this.#inTurn(signal, async (ended) => {
      const usage = await this.#process(this.#initial, ended).catch((error) => Promise.reject(promptError(error)));
      this.#initialTokens = usage.prompt_tokens;
    });
  }

  prompt(input, options = {}) {
    return this.#prompt(input, options, () => {});
  }

  promptStreaming(input, options = {}) {
    const cancelled = new AbortController();
    const signal = anyOf(cancelled.signal, options.signal);
    return new ReadableStream({
      start: (controller) => {
        const answered = this.#prompt(input, { ...options, signal }, (text) => controller.enqueue(text));
        answered.then(
          (answer) => {
            // Its text has been streamed.
            if (Array.isArray(answer)) answer.filter(({ type }) => type !== "text").forEach((part) => controller.enqueue(part));
            controller.close();
          },
          (error) => {
            if (!cancelled.signal.aborted) controller.error(error);
          },
        );
      },
      cancel: () => cancelled.abort(),
    });
  }

  async append(input, { signal } = {}) {
    const files = early(withFiles(input));
    return this.#inTurn(signal, async (ended) => {
      const messages = this.#read(await files);
      await this.#fit(messages, ended, async () => {
        const process = () => this.#process([...this.#messages(), ...messages], ended);
        const { prompt_tokens: tokens } = await this.#withRoom(messages, process);
        this.#keep(messages, tokens);
      });
    });
  }

  /** How many tokens an input would take. */
  async measure(input, { signal } = {}) {
    const { mayHaveImages } = this.settings;
    const messages = toMessages(await withFiles(input), { mayHaveSystem: true, mayHavePrefix: true, mayHaveImages });
    const tokens = await this.#engine.countTokens(textOf(messages), { signal });
    if (!haveImages(messages)) return tokens;
    // The engine keeps what it encodes, so that nothing is computed twice.
    const usage = await this.#process(messages, signal).catch((error) => Promise.reject(promptError(error)));
    return tokens + usage.prompt_tokens_details.image_tokens;
  }

  /** A session that goes on from here. */
  async clone(signal) {
    return this.#inTurn(signal, async () => {
      const { settings, window } = this;
      const clone = new Session(this.#engine, { settings, initial: this.#initial, window });
      clone.#initialTokens = this.#initialTokens;
      clone.#turns = [...this.#turns];
      return clone;
    });
  }

  destroy(reason = new DOMException("the session was destroyed", "AbortError")) {
    this.#end.abort(reason);
    this.#turns = [];
  }

  /** Does something once all that was asked before is done. It is to stop when the signal that it gets says so. */
  #inTurn(signal, work) {
    if (this.#end.signal.aborted) return Promise.reject(new DOMException("the session was destroyed", "InvalidStateError"));
    const ended = anyOf(this.#end.signal, signal);
    const result = this.#line.then(() => {
      ended.throwIfAborted();
      return work(ended);
    });
    this.#line = result.catch(() => {});
    // Those in line need not wait to learn that they are no longer wanted.
    return unlessAborted(result, ended);
  }

  #read(input) {
    const isFirst = this.#initial.length === 0 && this.#turns.length === 0;
    const { mayHaveImages } = this.settings;
    const messages = toMessages(input, { mayHaveSystem: isFirst, mayHavePrefix: true, mayHaveImages });
    if (messages.length === 0) throw new TypeError("the input is empty");
    return messages;
  }

  #messages() {
    return [...this.#initial, ...this.#turns.flatMap(({ messages }) => messages)];
  }

  /** Adds a turn, after which the conversation takes so many tokens. */
  #keep(messages, tokens) {
    // The system message of a session that began without one stays, like those that it began with.
    const [first, ...others] = messages;
    const isSystem = first.role === "system";
    if (isSystem) this.#initial = [first];
    this.#turns.push({ messages: isSystem ? others : messages, tokens: Math.max(0, tokens - this.usage) });
  }

  async #prompt(input, options, onText) {
    const files = early(withFiles(input));
    return this.#inTurn(options.signal, async (ended) => {
      const format = formatOf(options);
      const messages = this.#read(await files);
      return this.#fit(messages, ended, () => this.#answer(messages, format, ended, onText));
    });
  }

  /** Asks the model, and runs tools that run by themselves, until there is an answer. */
  async #answer(messages, format, signal, onText) {
    const said = [...messages];
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const ask = () => this.#ask([...this.#messages(), ...said], format, signal, onText);
      const { message, usage } = await this.#withRoom(said, ask);
      const last = said.at(-1);
      if (last?.prefix) said[said.length - 1] = { role: "assistant", content: last.content + message.content };
      else said.push(message);
      const calls = message.tool_calls ?? [];
      const isOpen = calls.some((call) => !this.#tool(call)?.execute);
      if (calls.length === 0 || isOpen) {
        this.#keep(said, usage.total_tokens);
        return calls.length === 0 ? message.content : partsOf(message);
      }
      said.push(...(await Promise.all(calls.map((call) => this.#execute(call)))));
    }
    throw new DOMException("the model keeps calling tools", "OperationError");
  }

  async #ask(messages, format, signal, onText) {
    const { tools, temperature, topK } = this.settings;
    const describe = ({ name, description, inputSchema: parameters }) => ({ type: "function", function: { name, description, parameters } });
    const body = {
      model: this.settings.model,
      messages: alternating(messages),
      temperature,
      top_k: topK,
      enable_thinking: false,
      stream: true,
      stream_options: { include_usage: true },
      ...(tools.length > 0 && { tools: tools.map(describe) }),
      ...(format && { response_format: format }),
      ...(messages.at(-1).prefix && { continue_final_message: true }),
    };
    const message = { role: "assistant", content: "" };
    let usage;
    for await (const chunk of await this.#engine.chat.completions.create(body, { signal })) {
      usage = chunk.usage ?? usage;
      const delta = chunk.choices[0]?.delta ?? {};
      if (delta.content) {
        message.content += delta.content;
        onText(delta.content);
      }
      for (const { index, id, type, function: part } of delta.tool_calls ?? []) {
        message.tool_calls ??= [];
        message.tool_calls[index] ??= { id, type, function: { name: part.name, arguments: "" } };
        message.tool_calls[index].function.arguments += part.arguments ?? "";
      }
    }
    return { message, usage };
  }

  #tool(call) {
    return this.settings.tools.find(({ name }) => name === call.function.name);
  }

  async #execute(call) {
    const answer = (content) => ({ role: "tool", tool_call_id: call.id, content });
    try {
      const result = await this.#tool(call).execute(JSON.parse(call.function.arguments));
      return answer(typeof result === "string" ? result : JSON.stringify(result));
    } catch (error) {
      return answer(`Error: ${error.message}`);
    }
  }

  /** Has the model read messages, which the next prompt begins with, and resolves to the usage. The one token that it says is dropped. */
  async #process(messages, signal) {
    const { model } = this.settings;
    // Some templates want a question.
    const question = messages.some(({ role }) => role === "user") ? [] : [{ role: "user", content: "" }];
    const read = alternating([...messages, ...question]);
    const body = { model, messages: read, max_completion_tokens: 1, temperature: 0, enable_thinking: false };
    return (await this.#engine.chat.completions.create(body, { signal })).usage;
  }

  /** Does `work`, and drops the oldest turns first where that takes more room than there is. */
  async #fit(messages, signal, work) {
    if (this.#turns.length > 0) {
      const tokens = await this.#engine.countTokens(textOf(messages), { signal });
      this.#makeRoom(tokens, messages[0].role === "tool");
    }
    try {
      return await work();
    } catch (error) {
      throw promptError(error);
    }
  }

  /** Asks the engine. What images take it says only then; if that is too much, the oldest turns go, and it is asked again. */
  async #withRoom(messages, ask) {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (error.kind !== "context_overflow" || !haveImages(messages)) throw error;
        const count = this.#turns.length;
        this.#makeRoom(error.reason.prompt_tokens - this.usage, messages[0].role === "tool");
        if (this.#turns.length === count) throw error;
      }
    }
  }

  /** `isResult` says that a tool's result follows, whose call must not be dropped. */
  #makeRoom(tokens, isResult) {
    const isFull = () => this.usage + tokens > this.window * (1 - ANSWER_SHARE);
    // What does not fit by itself is left for the engine to refuse.
    if (!isFull() || this.#initialTokens + tokens > this.window) return;
    const kept = isResult ? 1 : 0;
    const count = this.#turns.length;
    while (this.#turns.length > kept && (isFull() || this.#turns[0].messages[0]?.role === "tool")) this.#turns.shift();
    if (this.#turns.length < count) this.onOverflow();
  }
}

/** A promise that may be awaited later, or never if its prompt is given up first. */
function early(promise) {
  promise.catch(() => {});
  return promise;
}

/** What the model said, if it called tools. */
function partsOf({ content, tool_calls: calls }) {
  const text = content ? [{ type: "text", value: content }] : [];
  const call = ({ id, function: { name, arguments: args } }) => new LanguageModelToolCall({ callId: id, name, arguments: JSON.parse(args) });
  return [...text, ...calls.map((each) => ({ type: "tool-call", value: call(each) }))];
}

/** The Prompt API's error, where it has one of its own. */
function promptError(error) {
  if (error.kind === "bad_request" && error.param?.startsWith("response_format")) {
    return new DOMException(error.message, "NotSupportedError");
  }
  if (error.kind !== "context_overflow") return error;
  const { prompt_tokens: requested = null, context_tokens: quota = null } = error.reason;
  if (globalThis.QuotaExceededError) return new QuotaExceededError(error.message, { requested, quota });
  return Object.assign(new DOMException(error.message, "QuotaExceededError"), { requested, quota });
}
