// Type declarations for `parlance.js`. Requests and responses are those of the OpenAI API, with a few additional fields.
import type { Transcriptions } from "./parlance/audio.js";
import type { ResponseEvent, ResponseItemList, ResponseObject, ResponseRequest } from "./parlance/responses.js";
import type { RunTools } from "./parlance/run-tools.js";

export * from "./parlance/audio.js";
export * from "./parlance/responses.js";
export type { RunnableTool, RunToolsOptions, RunToolsRequest, ToolRunner, ToolRunnerEvents, ZodTool } from "./parlance/run-tools.js";

/** Progress of loading a model or processing a prompt. */
export interface Progress {
  type: "progress";
  id: number;
  phase: "start" | "download" | "upload" | "prepare" | "see" | "prefill" | "decode" | "listen";
  /** Bytes, steps of encoding images, prompt tokens, a part of a recording, or its seconds. */
  done: number;
  total: number | null;
  seconds: number;
}

/** What a model can do. `tools`: its chat template describes them; other chat models are told in the system message. */
export type Capability = "chat" | "embeddings" | "rerank" | "tools" | "thinking" | "vision" | "hearing" | "transcription";

/** A loaded model. */
export interface ModelInfo {
  name: string;
  /** Its URL; `null` if it was loaded from a file. */
  url: string | null;
  can_chat: boolean;
  capabilities: Capability[];
  /** It sees images, with a projector. */
  can_see: boolean;
  context_tokens: number;
  /** The longest context it can be loaded with. */
  max_context_tokens: number;
  adapter: string;
  is_software: boolean;
  /** The model runs on the CPU, without WebGPU. */
  is_cpu: boolean;
  /** Result of the GPU self-test: `plain` means that simpler kernels are used, `failed` that the model runs on the CPU. */
  self_test: "passed" | "plain" | "failed";
  /** Optional GPU features in use, for example `subgroups`. */
  features: string[];
  /** Bytes of weights on the device. */
  weight_bytes: number;
  /** Bytes of the KV cache on the device. */
  kv_bytes: number;
  /** What the user should know, in English. */
  warning: string | null;
  /** The same, one by one. */
  warnings: ModelWarning[];
  len_bytes: number;
  load_seconds: number;
  peak_memory_bytes: number;
}

/** What users should know of a model, although it works. */
export interface ModelWarning {
  /** For translation: a code with its parameters, see `WarningReason` in `worker/protocol/src/warning.rs`. */
  reason: { code: string; [detail: string]: unknown };
  /** An English sentence. */
  message: string;
}

/** A model as its header describes it. */
export interface ModelDescription {
  name: string;
  architecture: string;
  formats: string[];
  parameters: number;
  len_bytes: number;
  parts: number;
  weight_bytes: number;
  kv_bytes: number;
  scratch_bytes: number;
  context_tokens: number;
  max_context_tokens: number;
  can_chat: boolean;
  /** File of the projector with which it sees images or hears recordings. All sizes include it. */
  projector: string | null;
  /** File of the draft model that was asked for. All sizes include it. */
  draft_model: string | null;
  /** What the user should know, in English. */
  warning: string | null;
  /** The same, one by one. */
  warnings: ModelWarning[];
  stored_bytes: number;
  free_bytes: number | null;
}

/** A model stored on this device. */
export interface StoredModel {
  name: string;
  url: string;
  len_bytes: number;
  done_bytes: number;
  used_seconds: number;
  is_verified: boolean;
  /** What it can do; `null` if it has not been loaded yet. */
  abilities: { capabilities: Capability[]; context_tokens: number } | null;
  /** A file with which a model sees images or hears recordings, not a model. */
  is_projector: boolean;
  /** A model whose projector is on this device, too. */
  can_see: boolean;
}

export interface StorageInfo {
  models: StoredModel[];
  used_bytes: number;
  quota_bytes: number;
}

export interface ToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

/** What a chunk adds to a tool call. Its first chunk has id, type and name. */
export interface ToolCallDelta {
  index: number;
  id?: string;
  type?: "function";
  function: { name?: string; arguments: string };
}

/** A URL (`data:`, `blob:`, or of an allowed host), a `Blob` such as a `File`, or an `ImageBitmap`. */
export type ImageSource = string | Blob | ImageBitmap;

export type ContentPart =
  | { type: "text"; text: string }
  | { type: "image_url"; image_url: ImageSource | { url: ImageSource; detail?: "auto" | "high" | "low" } }
  | InputAudio;

/** A recording, in base64. */
export interface InputAudio {
  type: "input_audio";
  input_audio: { data: string; format?: "wav" | "mp3" | "m4a" | "ogg" | "webm" };
}

export interface ChatMessage {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  content?: string | null | ContentPart[];
  name?: string;
  reasoning_content?: string;
  tool_calls?: ToolCall[];
  tool_call_id?: string;
}

export type ResponseFormat =
  | { type: "text" }
  | { type: "json_object"; schema?: object }
  | { type: "json_schema"; json_schema: { name?: string; schema?: object; strict?: boolean } }
  | { type: "regex"; regex: string }
  | { type: "grammar"; grammar: string };

interface Sampling {
  model?: string;
  temperature?: number;
  top_p?: number;
  top_k?: number;
  min_p?: number;
  repetition_penalty?: number;
  frequency_penalty?: number;
  presence_penalty?: number;
  seed?: number;
  stop?: string | string[];
  n?: number;
  logit_bias?: Record<string, number>;
  max_tokens?: number;
  response_format?: ResponseFormat;
  logit_processor?: string;
  prompt_lookup?: boolean;
  stream_options?: { include_usage?: boolean };
}

export interface ChatCompletionRequest extends Sampling {
  messages: ChatMessage[];
  stream?: boolean;
  max_completion_tokens?: number;
  logprobs?: boolean;
  top_logprobs?: number;
  tools?: { type: "function"; function: { name: string; description?: string; parameters?: object } }[];
  tool_choice?:
    | "none"
    | "auto"
    | "required"
    | { type: "function"; function: { name: string } }
    | { type: "allowed_tools"; allowed_tools: { mode: "auto" | "required"; tools: { type: "function"; function: { name: string } }[] } };
  parallel_tool_calls?: boolean;
  enable_thinking?: boolean;
  reasoning_effort?: string;
  chat_template_kwargs?: { enable_thinking?: boolean };
  extra_body?: { enable_thinking?: boolean };
  continue_final_message?: boolean;
  /** An extension: `auto` drops the oldest turns of a conversation that does not fit the context; by default the request fails. */
  truncation?: "auto" | "disabled";
  prediction?: { type: "content"; content: string | { type: "text"; text: string }[] };
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number; image_tokens?: number; audio_tokens?: number };
  completion_tokens_details: {
    reasoning_tokens: number;
    accepted_prediction_tokens: number;
    rejected_prediction_tokens: number;
  };
  extra: {
    e2e_latency_s: number;
    time_to_first_token_s: number;
    time_per_output_token_s: number;
    prefill_tokens_per_s: number;
    decode_tokens_per_s: number;
    image_encode_s?: number;
    audio_encode_s?: number;
    grammar_init_s?: number;
    grammar_per_token_s?: number;
  };
}

export type FinishReason = "stop" | "length" | "tool_calls" | "abort";

export interface TokenLogProb {
  token: string;
  logprob: number;
  bytes: number[] | null;
  top_logprobs: { token: string; logprob: number; bytes: number[] | null }[];
}

export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  choices: {
    index: number;
    message: {
      role: "assistant";
      content: string | null;
      reasoning_content?: string;
      refusal: null;
      tool_calls?: ToolCall[];
    };
    logprobs: { content: TokenLogProb[]; refusal: null } | null;
    finish_reason: FinishReason;
  }[];
  usage: Usage;
  /** How many of the oldest messages were dropped because of `truncation`, not counting system messages. */
  dropped_messages?: number;
}

export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  choices: {
    index: number;
    delta: { role?: "assistant"; content?: string; reasoning_content?: string; tool_calls?: ToolCallDelta[] };
    logprobs: { content: TokenLogProb[]; refusal: null } | null;
    finish_reason: FinishReason | null;
  }[];
  usage?: Usage;
  /** In the first chunk; see `ChatCompletion`. */
  dropped_messages?: number;
}

export interface CompletionRequest extends Sampling {
  prompt: string | string[];
  echo?: boolean;
  logprobs?: number;
  stream?: boolean;
}

export interface Completion {
  id: string;
  object: "text_completion";
  created: number;
  model: string;
  choices: { index: number; text: string; logprobs: object | null; finish_reason: FinishReason | null }[];
  usage?: Usage;
}

export interface ModelEntry {
  id: string;
  object: "model";
  created: 0;
  owned_by: "parlance";
  /** Absent if the model has never been loaded on this device, like `context_length`. */
  capabilities?: Capability[];
  context_length?: number;
}

export interface EmbeddingRequest {
  model?: string;
  input: string | string[];
  encoding_format?: "float" | "base64";
  dimensions?: number;
}

export interface EmbeddingList {
  object: "list";
  data: { object: "embedding"; index: number; embedding: number[] | string; is_truncated: boolean }[];
  model: string;
  usage: { prompt_tokens: number; total_tokens: number };
}

export interface RerankRequest {
  model?: string;
  query: string;
  documents: (string | { text: string })[];
  top_n?: number;
  return_documents?: boolean;
}

export interface Reranking {
  object: "list";
  model: string;
  /** The best documents first. */
  results: { index: number; relevance_score: number; document?: { text: string }; is_truncated: boolean }[];
  usage: { prompt_tokens: number; total_tokens: number };
}

export interface RequestOptions {
  signal?: AbortSignal;
  /** Called with the progress of this request, in addition to the engine's `onProgress`. */
  onProgress?: (progress: Progress) => void;
}

/** A URL, `owner/repository/file.gguf` on Hugging Face, a file, or all files of a split model. */
export type Model = string | File | Iterable<File>;

/**
 * The file with which a model sees images or hears recordings (`mmproj`): a URL, a path on Hugging Face, or a `File` whose name contains
 * `mmproj`. By default it is looked for beside the model and among its files; `false` loads none.
 */
export type Projector = string | File | false | null;

/** The exact reason of a failure: a code with details; see `Reason` in `worker/protocol/src/failure.rs`. */
export interface Reason {
  code: string;
  [detail: string]: string | number | null;
}

/** An error, with the fields of OpenAI's errors. */
export class ParlanceError extends Error {
  readonly kind: string;
  readonly status: number;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
  readonly suggestedContextTokens: number | null;
  readonly reason: Reason;
}

export interface CreateOptions {
  model?: Model;
  projector?: Projector;
  /** A smaller model with the same vocabulary, with which answers come faster. They stay the same. */
  draftModel?: string | File | null;
  contextTokens?: number | null;
  /**
   * Hosts that models may be fetched from, in addition to the site and this page's origin, such as `huggingface.co`,
   * `https://models.example.org:8443` or `*.example.org`. None by default. Models stored on this device need no host.
   */
  allowedHosts?: string[];
  /**
   * The folder of `parlance-worker.js` and `parlance-worker_bg.wasm`, where a bundler does not find them by itself. By default, that of
   * the module.
   */
  assetsUrl?: string | URL;
  onProgress?: (progress: Progress) => void;
  /** Called when another tab loads or unloads a model (`model_changed`), and when the engine has recovered from a GPU failure (`recovered`). */
  onEvent?: (event: { type: "model_changed"; model: ModelInfo | null } | { type: "recovered"; message: string }) => void;
}

/** A function of OpenAI's API, streamed if the request says so. */
export interface Create<Request, Response, Chunk> {
  (body: Request & { stream: true }, options?: RequestOptions): Promise<AsyncIterable<Chunk>>;
  (body: Request & { stream?: false }, options?: RequestOptions): Promise<Response>;
}

export class Parlance {
  static create(options?: CreateOptions): Promise<Parlance>;
  /** The worker starts with the first request. */
  constructor(options?: Omit<CreateOptions, "model" | "projector" | "draftModel" | "contextTokens">);
  readonly chat: {
    completions: {
      create: Create<ChatCompletionRequest, ChatCompletion, ChatCompletionChunk>;
      /** Runs the tools that the model calls, until it has an answer; as in the `openai` package. */
      runTools: RunTools;
    };
  };
  readonly completions: { create: Create<CompletionRequest, Completion, Completion> };
  readonly responses: {
    create: Create<ResponseRequest, ResponseObject, ResponseEvent>;
    retrieve(id: string, query?: object, options?: RequestOptions): Promise<ResponseObject>;
    delete(id: string, options?: RequestOptions): Promise<{ id: string; object: "response"; deleted: true }>;
    /** Stops a response in progress. */
    cancel(id: string, options?: RequestOptions): Promise<ResponseObject>;
    inputItems: {
      list(
        id: string,
        query?: { limit?: number; order?: "asc" | "desc"; after?: string },
        options?: RequestOptions,
      ): Promise<ResponseItemList>;
    };
  };
  readonly embeddings: { create(body: EmbeddingRequest, options?: RequestOptions): Promise<EmbeddingList> };
  readonly audio: { readonly transcriptions: Transcriptions; readonly translations: Transcriptions };
  readonly rerank: { create(body: RerankRequest, options?: RequestOptions): Promise<Reranking> };
  readonly models: {
    list(options?: RequestOptions): Promise<{ object: "list"; data: ModelEntry[] }>;
    retrieve(id: string, options?: RequestOptions): Promise<ModelEntry>;
  };
  readonly storage: {
    list(): Promise<StorageInfo>;
    delete(url: string): Promise<StorageInfo>;
    verify(url: string): Promise<boolean>;
    import(...files: File[]): Promise<StorageInfo>;
  };
  /** Saves and restores the KV cache of the latest conversation. Both resolve to its length in tokens. */
  readonly conversations: { save(name: string): Promise<number>; restore(name: string): Promise<number> };
  /** A `fetch` for OpenAI's clients: answers requests to `…/v1/…` of any host from this engine, and makes no others. */
  readonly fetch: (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;
  load(
    model: Model,
    options?: RequestOptions & {
      projector?: Projector;
      draftModel?: string | File | null;
      contextTokens?: number | null;
      beside?: boolean;
    },
  ): Promise<ModelInfo>;
  countTokens(text: string, options?: { signal?: AbortSignal }): Promise<number>;
  inspect(
    model: Model,
    options?: {
      projector?: Projector;
      draftModel?: string | File | null;
      contextTokens?: number | null;
      signal?: AbortSignal;
    },
  ): Promise<ModelDescription>;
  unload(name?: string | null): Promise<void>;
  configure(settings: {
    idleUnloadSeconds?: number | null;
    budgetBytes?: number | null;
    device?: "auto" | "gpu" | "cpu";
    kvCache?: "f16" | "q8";
    parallel?: number | null;
  }): Promise<void>;
  /** Ends the worker. A later call starts a new one and loads the models again. */
  terminate(): void;
  /** Frees everything: the worker with its models, and what has not been answered. Later calls fail. */
  close(): void;
}
