// Types of the Prompt API; assignable to those of `@types/dom-chromium-ai`, which the tests check.
import type { Model, Parlance, Projector } from "../parlance.js";

export type Availability = "unavailable" | "downloadable" | "downloading" | "available";

export interface LanguageModelContent {
  /** Audio is not supported; images are, if the model sees and the session expects them. */
  type: "text" | "image" | "audio" | "tool-call" | "tool-response";
  /** Of an image: a `Blob`, its bytes, or anything that `createImageBitmap` takes. */
  value: any;
}

export interface LanguageModelMessage {
  role: "system" | "user" | "assistant";
  content: string | LanguageModelContent[];
  /** The answer continues this message, the last one. */
  prefix?: boolean;
}

export type LanguageModelPrompt = string | LanguageModelMessage[];

export interface LanguageModelTool {
  name: string;
  description: string;
  inputSchema: object;
  /** Without it, `prompt` resolves to the model's calls. */
  execute?: (...args: any[]) => Promise<string>;
}

export interface LanguageModelCreateOptions {
  expectedInputs?: { type: LanguageModelContent["type"]; languages?: string[] }[];
  expectedOutputs?: { type: LanguageModelContent["type"]; languages?: string[] }[];
  tools?: LanguageModelTool[];
  samplingMode?:
    | "most-predictable"
    | "predictable"
    | "slightly-predictable"
    | "balanced"
    | "slightly-creative"
    | "creative"
    | "most-creative";
  temperature?: number;
  topK?: number;
  initialPrompts?: LanguageModelMessage[];
  signal?: AbortSignal;
  monitor?: (monitor: any) => void;
}

export interface LanguageModelPromptOptions {
  responseConstraint?: RegExp | Record<string, unknown>;
  omitResponseConstraintInput?: boolean;
  signal?: AbortSignal;
}

export interface LanguageModelSession extends EventTarget {
  /** Resolves to the answer, or to a list if the model calls tools without `execute`. */
  prompt(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<any>;
  promptStreaming(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): ReadableStream<any>;
  append(input: LanguageModelPrompt, options?: { signal?: AbortSignal }): Promise<undefined>;
  measureContextUsage(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<number>;
  measureInputUsage(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<number>;
  readonly contextUsage: number;
  readonly contextWindow: number;
  readonly inputUsage: number;
  readonly inputQuota: number;
  readonly samplingMode: string | null;
  readonly temperature: number;
  readonly topK: number;
  oncontextoverflow: ((this: any, event: Event) => any) | null;
  onquotaoverflow: ((this: any, event: Event) => any) | null;
  clone(options?: { signal?: AbortSignal }): Promise<LanguageModelSession>;
  destroy(): undefined;
}

export interface LanguageModelClass {
  prototype: LanguageModelSession;
  create(options?: LanguageModelCreateOptions): Promise<LanguageModelSession>;
  availability(options?: LanguageModelCreateOptions): Promise<Availability>;
  params(): Promise<{ defaultTopK: number; maxTopK: number; defaultTemperature: number; maxTemperature: number }>;
}

/** Makes the class `LanguageModel`, whose sessions use an engine and its model. The model is loaded with the first session. */
export function languageModel(
  engine: Parlance,
  options: { model: Model; projector?: Projector; contextTokens?: number | null },
): LanguageModelClass;

export class LanguageModelToolCall {
  constructor(call: { callId: string; name: string; arguments?: object });
  readonly callId: string;
  readonly name: string;
  readonly arguments: any;
}

export class LanguageModelToolSuccess {
  constructor(result: { callId: string; name: string; result: { type: string; value: any }[] });
  readonly callId: string;
  readonly name: string;
  readonly result: { type: string; value: any }[];
}

export class LanguageModelToolError {
  constructor(error: { callId: string; name: string; errorMessage: string });
  readonly callId: string;
  readonly name: string;
  readonly errorMessage: string;
}
