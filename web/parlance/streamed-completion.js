/**
 * A streamed answer as it grows. `emit` gets what happens to it, with the names and values of the `openai` package's streams; `parsers` has
 * what makes values of an answer and of a call's arguments, see `ToolCalls` and `zodResponseFormat`.
 */
export class StreamedCompletion {
  #emit;
  #parsers;
  #choice = { index: 0, message: { role: "assistant", content: null, refusal: null }, logprobs: null, finish_reason: null };
  /** What the answer is so far, in the form of one that is not streamed. */
  snapshot;
  #isContentDone = false;
  #currentCall = null;

  constructor(emit, parsers) {
    this.#emit = emit;
    this.#parsers = parsers;
  }

  /** Takes the next chunk. */
  add(chunk) {
    const { choices, usage, ...fields } = chunk;
    this.snapshot = { ...this.snapshot, ...fields, object: "chat.completion", choices: [this.#choice], ...(usage && { usage }) };
    if (choices[0]) this.#append(choices[0]);
    this.#emit("chunk", chunk, this.snapshot);
    if (choices[0]) this.#tell(choices[0]);
  }

  #append({ delta, finish_reason: reason, logprobs }) {
    const { message } = this.#choice;
    for (const name of ["content", "reasoning_content"]) {
      if (delta[name]) message[name] = (message[name] ?? "") + delta[name];
    }
    for (const { index, function: part, ...fields } of delta.tool_calls ?? []) {
      message.tool_calls ??= [];
      message.tool_calls[index] ??= { ...fields, function: { name: part.name, arguments: "" } };
      message.tool_calls[index].function.arguments += part.arguments ?? "";
    }
    if (logprobs) this.#choice.logprobs = { ...logprobs, content: [...(this.#choice.logprobs?.content ?? []), ...logprobs.content] };
    this.#choice.finish_reason = reason ?? this.#choice.finish_reason;
  }

  #tell({ delta, finish_reason: reason, logprobs }) {
    const { content } = this.#choice.message;
    if (delta.content != null && content) {
      this.#emit("content", delta.content, content);
      this.#emit("content.delta", { delta: delta.content, snapshot: content });
    }
    if (logprobs) this.#emit("logprobs.content.delta", { content: logprobs.content, snapshot: this.#choice.logprobs.content });
    if (reason) {
      this.#endContent();
      this.#endCall();
    }
    const calls = delta.tool_calls ?? [];
    for (const { index } of calls) {
      if (index === this.#currentCall) continue;
      // A call ends what was before it.
      this.#endContent();
      this.#endCall();
      this.#currentCall = index;
    }
    for (const { index, function: part } of calls) {
      const { name, arguments: text } = this.#choice.message.tool_calls[index].function;
      this.#emit("tool_calls.function.arguments.delta", { name, index, arguments: text, arguments_delta: part.arguments ?? "" });
    }
  }

  #endContent() {
    const { message, logprobs } = this.#choice;
    if (!message.content || this.#isContentDone) return;
    this.#isContentDone = true;
    this.#emit("content.done", { content: message.content, parsed: this.#parsers.content(message.content) });
    if (logprobs) this.#emit("logprobs.content.done", { content: logprobs.content });
  }

  #endCall() {
    if (this.#currentCall === null) return;
    const index = this.#currentCall;
    this.#currentCall = null;
    const { name, arguments: text } = this.#choice.message.tool_calls[index].function;
    this.#emit("tool_calls.function.arguments.done", { name, index, arguments: text, parsed_arguments: this.#parsers.call(name, text) });
  }
}
