/** From this many chunks on that nobody has read, the words in further ones are joined. */
const MANY_CHUNKS = 32;

/**
 * An async iterable of a streamed answer's chunks. Leaving the loop early stops the answer.
 *
 * The engine serves others, too, so it does not wait for slow readers: what such a reader has yet to read takes the memory of its text,
 * since chunks that only add text become one.
 */
export class ChunkStream {
  #chunks = [];
  #wake = () => {};
  #isDone = false;
  #error = null;
  #markStarted;
  /** Stops the answer. */
  stop = () => {};
  /** Resolves when there is something to read. */
  started = new Promise((resolve) => (this.#markStarted = resolve));

  push(chunk) {
    const joined = this.#chunks.length >= MANY_CHUNKS ? join(this.#chunks.at(-1), chunk) : null;
    if (joined) this.#chunks[this.#chunks.length - 1] = joined;
    else this.#chunks.push(chunk);
    this.#markStarted();
    this.#wake();
  }

  end() {
    this.#isDone = true;
    this.#markStarted();
    this.#wake();
  }

  fail(error) {
    this.#error = error;
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        if (this.#chunks.length > 0) yield this.#chunks.shift();
        else if (this.#error) throw this.#error;
        else if (this.#isDone) return;
        else await new Promise((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#chunks = [];
      if (!this.#isDone && !this.#error) this.stop();
    }
  }
}

const TEXTS = ["content", "reasoning_content"];

/** The one text that a chunk adds to an answer, or `null` if it says anything else: `{ place, text, withText }`. */
function additionOf(chunk) {
  const { choices, delta, type } = chunk;
  if (typeof type === "string") {
    if (!type.endsWith(".delta") || typeof delta !== "string" || chunk.logprobs?.length > 0) return null;
    const { item_id: item, output_index: output, content_index: content, summary_index: summary } = chunk;
    return { place: [type, item, output, content, summary], text: delta, withText: (text) => ({ ...chunk, delta: text }) };
  }
  const [choice, ...others] = choices ?? [];
  if (!choice || others.length > 0 || choice.finish_reason || choice.logprobs || chunk.usage || chunk.dropped_messages) return null;
  const { index } = choice;
  const withChoice = (fields) => ({ ...chunk, choices: [{ ...choice, ...fields }] });
  if (typeof choice.text === "string") return { place: ["text", index], text: choice.text, withText: (text) => withChoice({ text }) };
  const [name, ...more] = Object.keys(choice.delta ?? {});
  if (more.length > 0) return null;
  if (TEXTS.includes(name)) {
    return { place: [name, index], text: choice.delta[name], withText: (text) => withChoice({ delta: { [name]: text } }) };
  }
  if (name !== "tool_calls" || choice.delta.tool_calls.length !== 1) return null;
  const [call] = choice.delta.tool_calls;
  // The first of a call's chunks also names it.
  if (call.id || call.function?.name || typeof call.function?.arguments !== "string") return null;
  const withArguments = (text) => withChoice({ delta: { tool_calls: [{ ...call, function: { arguments: text } }] } });
  return { place: [name, index, call.index], text: call.function.arguments, withText: withArguments };
}

/** Both chunks in one, if they add to the same text. */
function join(first, second) {
  const [a, b] = [additionOf(first), additionOf(second)];
  const isSame = a && b && a.place.every((part, index) => part === b.place[index]);
  return isSame ? b.withText(a.text + b.text) : null;
}
