/** A tool that the model wants to be called. */
export class LanguageModelToolCall {
  constructor({ callId, name, arguments: args = {} }) {
    Object.assign(this, { callId, name, arguments: args });
  }
}

/** What a tool gave. */
export class LanguageModelToolSuccess {
  constructor({ callId, name, result }) {
    Object.assign(this, { callId, name, result });
  }
}

/** Why a tool failed. */
export class LanguageModelToolError {
  constructor({ callId, name, errorMessage }) {
    Object.assign(this, { callId, name, errorMessage });
  }
}

const ROLES = ["system", "user", "assistant"];

/**
 * Converts an input of the Prompt API to messages of OpenAI's. A system message may only be the first, and `prefix` only be set for the
 * last.
 */
export function toMessages(input, { mayHaveSystem, mayHavePrefix = false }) {
  const list = typeof input === "string" ? [{ role: "user", content: input }] : [...input];
  return list.flatMap(({ role = "user", content, prefix = false }, index) => {
    if (!ROLES.includes(role)) throw new TypeError(`there is no role ${role}`);
    if (role === "system" && (index > 0 || !mayHaveSystem)) throw new TypeError("a system prompt must be the first message");
    if (prefix && (role !== "assistant" || index < list.length - 1 || !mayHavePrefix)) {
      throw new DOMException("only the last message may be a prefix, by the assistant", "SyntaxError");
    }
    return toParts(role, content).map((message) => (prefix ? { ...message, prefix } : message));
  });
}

function toParts(role, content) {
  if (typeof content === "string") return [{ role, content }];
  const texts = [];
  const calls = [];
  const results = [];
  for (const { type, value } of content) {
    if (type === "text") {
      if (typeof value !== "string") throw new TypeError("the value of a text is a string");
      texts.push(value);
    } else if (type === "tool-call" && role === "assistant") {
      calls.push({ id: value.callId, type: "function", function: { name: value.name, arguments: JSON.stringify(value.arguments) } });
    } else if (type === "tool-response" && role === "user") {
      results.push({ role: "tool", tool_call_id: value.callId, content: resultText(value) });
    } else {
      throw new DOMException(`${type} content of the role ${role} is not supported`, "NotSupportedError");
    }
  }
  const text = texts.length > 0 ? [{ role, content: texts.join("") }] : [];
  if (calls.length > 0) return [{ role, content: texts.join("") || null, tool_calls: calls }];
  return [...results, ...text];
}

function resultText({ result, errorMessage }) {
  if (errorMessage !== undefined) return `Error: ${errorMessage}`;
  return result.map(({ type, value }) => (type === "text" ? value : JSON.stringify(value))).join("\n");
}

/** The messages with neighbours of one role joined, since the templates of some models want roles to alternate. */
export function alternating(messages) {
  const joined = [];
  for (const { prefix: _, ...message } of messages) {
    const last = joined.at(-1);
    const isPlain = ["user", "assistant"].includes(message.role) && !message.tool_calls && !last?.tool_calls;
    if (last?.role === message.role && isPlain) last.content = `${last.content}\n\n${message.content}`;
    else joined.push({ ...message });
  }
  return joined;
}

/** All text of messages, to count its tokens. */
export function textOf(messages) {
  return messages.map(({ content, tool_calls: calls }) => `${content ?? ""}${calls ? JSON.stringify(calls) : ""}`).join("\n");
}
