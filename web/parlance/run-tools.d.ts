import type { ChatCompletion, ChatCompletionChunk, ChatCompletionRequest, ChatMessage, TokenLogProb, ToolCall } from "../parlance.js";

/** A tool: with `parse`, its function gets what that makes of the arguments, otherwise their text. */
export interface RunnableTool<Arguments = any> {
  type: "function";
  function: {
    /** By default, the function's name. */
    name?: string;
    description?: string;
    parameters?: object;
    strict?: boolean;
    parse?: (text: string) => Arguments | Promise<Arguments>;
    function: (args: Arguments, runner: ToolRunner, context: any) => unknown;
  };
}

/** A tool that `zodFunction` of the `openai` package made, with a function. */
export interface ZodTool {
  type: "function";
  function: { name: string; description?: string; parameters?: object };
  $brand: "auto-parseable-tool";
  $callback: ((args: any) => unknown) | undefined;
  $parseRaw(text: string): unknown;
}

export interface RunToolsRequest extends Omit<ChatCompletionRequest, "tools"> {
  tools: (RunnableTool | ZodTool)[];
  /** What each tool's function gets as its third argument. */
  toolContext?: unknown;
}

export interface RunToolsOptions {
  /** How often the model is asked at most; 10 by default. */
  maxChatCompletions?: number;
  signal?: AbortSignal;
  /** Called after each answer and the tools that it called. */
  afterCompletion?: (completion: ChatCompletion, runner: ToolRunner) => void | Promise<void>;
}

export type RunTools = (body: RunToolsRequest, options?: RunToolsOptions) => ToolRunner;

type Call = ToolCall["function"];
type TotalUsage = { prompt_tokens: number; completion_tokens: number; total_tokens: number };

export interface ToolRunnerEvents {
  connect: [];
  /** With `stream`: a chunk, and the answer so far. */
  chunk: [chunk: ChatCompletionChunk, soFar: ChatCompletion];
  /** The content of an answer; with `stream`, what a chunk adds to it, and what it is so far. */
  content: [content: string, soFar?: string];
  /** With `stream`, what a chunk adds, in detail: to the content, to its log probabilities, or to a tool call's arguments. */
  "content.delta": [event: { delta: string; snapshot: string }];
  "logprobs.content.delta": [event: { content: TokenLogProb[]; snapshot: TokenLogProb[] }];
  "tool_calls.function.arguments.delta": [event: { name: string; index: number; arguments: string; arguments_delta: string }];
  /** With `stream`, what is whole now. `parsed` and `parsed_arguments` are values if Zod or `strict` says which. */
  "content.done": [event: { content: string; parsed: unknown }];
  "logprobs.content.done": [event: { content: TokenLogProb[] }];
  "tool_calls.function.arguments.done": [event: { name: string; index: number; arguments: string; parsed_arguments: unknown }];
  chatCompletion: [completion: ChatCompletion];
  message: [message: ChatMessage];
  functionToolCall: [call: Call];
  functionToolCallResult: [content: string];
  finalChatCompletion: [completion: ChatCompletion];
  finalMessage: [message: ChatMessage];
  finalContent: [content: string];
  finalFunctionToolCall: [call: Call];
  finalFunctionToolCallResult: [content: string];
  totalUsage: [usage: TotalUsage];
  error: [error: Error];
  abort: [reason: unknown];
  end: [];
}

/** A run of tools; with `stream`, an async iterable of all chunks. Leaving the loop over them stops the run. */
export interface ToolRunner extends AsyncIterable<ChatCompletionChunk> {
  /** The conversation so far. */
  readonly messages: ChatMessage[];
  /** With `stream`: what the answer that is being generated is so far. */
  readonly currentChatCompletionSnapshot: ChatCompletion | undefined;
  readonly controller: AbortController;
  readonly ended: boolean;
  readonly errored: boolean;
  readonly aborted: boolean;
  on<Name extends keyof ToolRunnerEvents>(event: Name, listener: (...values: ToolRunnerEvents[Name]) => void): this;
  once<Name extends keyof ToolRunnerEvents>(event: Name, listener: (...values: ToolRunnerEvents[Name]) => void): this;
  off<Name extends keyof ToolRunnerEvents>(event: Name, listener: (...values: ToolRunnerEvents[Name]) => void): this;
  /** Resolves with the first value of the next such event; rejects if the run fails before. */
  emitted<Name extends keyof ToolRunnerEvents>(event: Name): Promise<ToolRunnerEvents[Name][0]>;
  /** Resolves when the run has ended; rejects if it failed. */
  done(): Promise<void>;
  abort(): void;
  allChatCompletions(): ChatCompletion[];
  finalChatCompletion(): Promise<ChatCompletion>;
  /** `parsed` is the value of an answer whose `response_format` is one of `zodResponseFormat`. */
  finalMessage(): Promise<ChatMessage & { parsed?: unknown }>;
  finalContent(): Promise<string | null>;
  finalFunctionToolCall(): Promise<Call | undefined>;
  finalFunctionToolCallResult(): Promise<string | undefined>;
  totalUsage(): Promise<TotalUsage>;
}
