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

/** The input with each image as a file, as it looks now: a canvas may change while a prompt waits. */
export async function withFiles(input) {
  if (!Array.isArray(input)) return input;
  return Promise.all(
    input.map(async (message) => {
      if (!Array.isArray(message?.content)) return message;
      return { ...message, content: await Promise.all(message.content.map(withFile)) };
    }),
  );
}

async function withFile(part) {
  return part?.type === "image" ? { ...part, value: await fileOf(part.value) } : part;
}

/** The file of an image that is bytes, a file, or anything that can be drawn. */
async function fileOf(value) {
  if (value instanceof Blob) return value;
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return new Blob([value]);
  const bitmap = await createImageBitmap(value);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob();
}

/**
 * Converts an input of the Prompt API, whose images are files, to messages of OpenAI's. A system message may only be the first, and
 * `prefix` only be set for the last.
 */
export function toMessages(input, { mayHaveSystem, mayHavePrefix = false, mayHaveImages = false }) {
  const list = typeof input === "string" ? [{ role: "user", content: input }] : [...input];
  return list.flatMap(({ role = "user", content, prefix = false }, index) => {
    if (!ROLES.includes(role)) throw new TypeError(`there is no role ${role}`);
    if (role === "system" && (index > 0 || !mayHaveSystem)) throw new TypeError("a system prompt must be the first message");
    if (prefix && (role !== "assistant" || index < list.length - 1 || !mayHavePrefix)) {
      throw new DOMException("only the last message may be a prefix, by the assistant", "SyntaxError");
    }
    return ofRole(role, content, mayHaveImages).map((message) => (prefix ? { ...message, prefix } : message));
  });
}

function ofRole(role, content, mayHaveImages) {
  if (typeof content === "string") return [{ role, content }];
  const parts = [];
  const calls = [];
  const results = [];
  for (const { type, value } of content) {
    if (type === "text") {
      if (typeof value !== "string") throw new TypeError("the value of a text is a string");
      parts.push({ type: "text", text: value });
    } else if (type === "image" && role === "user" && mayHaveImages) {
      parts.push({ type: "image_url", image_url: { url: value } });
    } else if (type === "tool-call" && role === "assistant") {
      calls.push({ id: value.callId, type: "function", function: { name: value.name, arguments: JSON.stringify(value.arguments) } });
    } else if (type === "tool-response" && role === "user") {
      results.push({ role: "tool", tool_call_id: value.callId, content: resultText(value) });
    } else {
      throw new DOMException(`${type} content of the role ${role} is not supported`, "NotSupportedError");
    }
  }
  if (calls.length > 0) return [{ role, content: plain(parts) || null, tool_calls: calls }];
  return [...results, ...(parts.length > 0 ? [{ role, content: plain(parts) }] : [])];
}

const isImage = ({ type }) => type === "image_url";

/** Parts without images as a text. */
const plain = (parts) => (parts.some(isImage) ? parts : parts.map(({ text }) => text).join(""));

const partsOf = (content) => (Array.isArray(content) ? content : [{ type: "text", text: content ?? "" }]);

/** Whether there are images in messages. */
export const haveImages = (messages) => messages.some(({ content }) => partsOf(content).some(isImage));

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
    if (last?.role === message.role && isPlain) {
      last.content = plain([...partsOf(last.content), { type: "text", text: "\n\n" }, ...partsOf(message.content)]);
    } else joined.push({ ...message });
  }
  return joined;
}

/** All text of messages, to count its tokens. */
export function textOf(messages) {
  const text = (content) => partsOf(content).map((part) => part.text ?? "").join("");
  return messages.map(({ content, tool_calls: calls }) => `${text(content)}${calls ? JSON.stringify(calls) : ""}`).join("\n");
}
