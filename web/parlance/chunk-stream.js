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

/** The one text that a chunk of a chat adds, or `null` if it says anything else. */
function textOf(chunk) {
  const [choice, ...others] = chunk.choices ?? [];
  if (!choice?.delta || others.length > 0 || choice.finish_reason || choice.logprobs || chunk.usage || chunk.dropped_messages) return null;
  const [name, ...more] = Object.keys(choice.delta);
  return TEXTS.includes(name) && more.length === 0 ? { index: choice.index, name, text: choice.delta[name] } : null;
}

/** Both chunks in one, if they add to the same text. */
function join(first, second) {
  const [a, b] = [textOf(first), textOf(second)];
  if (!a || !b || a.index !== b.index || a.name !== b.name) return null;
  return { ...second, choices: [{ ...second.choices[0], delta: { [a.name]: a.text + b.text } }] };
}
