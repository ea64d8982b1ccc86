// Type declarations for `parlance.js`. Requests and responses are those of the OpenAI API, with a few additional fields.

/** Progress of loading a model or processing a prompt. */
export interface Progress {
  type: "progress";
  id: number;
  phase: "start" | "download" | "upload" | "prepare" | "prefill";
  /** Bytes, or prompt tokens. */
  done: number;
  total: number | null;
  seconds: number;
}

/** What a model can do. `tools`: its chat template describes them; other chat models are told in the system message. */
export type Capability = "chat" | "embeddings" | "rerank" | "tools" | "thinking" | "vision";

/** A loaded model. */
export interface ModelInfo {
  name: string;
  /** Its URL; `null` if it was loaded from a file. */
  url: string | null;
  can_chat: boolean;
  capabilities: Capability[];
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
  warning: string | null;
  len_bytes: number;
  load_seconds: number;
  peak_memory_bytes: number;
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
  warning: string | null;
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

export interface ChatMessage {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  content?: string | null | { type: "text"; text: string }[];
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
  tool_choice?: "none" | "auto" | "required" | { type: "function"; function: { name: string } };
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
  prompt_tokens_details: { cached_tokens: number };
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
    logprobs: { content: TokenLogProb[] } | null;
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
    logprobs: { content: TokenLogProb[] } | null;
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

export type ResponseInputPart =
  | { type: "input_text" | "output_text"; text: string }
  | { type: "input_image"; image_url: string; detail?: string }
  | { type: "refusal"; refusal: string };

export type ResponseInputItem =
  | { type?: "message"; role: "user" | "assistant" | "system" | "developer"; content: string | ResponseInputPart[] }
  | { type: "function_call_output"; call_id: string; output: string | ResponseInputPart[] }
  | ResponseOutputItem;

export type TextFormat =
  | { type: "text" }
  | { type: "json_object"; schema?: object }
  | { type: "json_schema"; name: string; description?: string; schema: object; strict?: boolean | null }
  | { type: "regex"; regex: string }
  | { type: "grammar"; grammar: string };

export interface ResponseTool {
  type: "function";
  name: string;
  description?: string | null;
  parameters?: object | null;
  strict?: boolean | null;
}

export interface ResponseRequest {
  model?: string;
  input?: string | ResponseInputItem[];
  instructions?: string | null;
  previous_response_id?: string | null;
  /** Whether the response is kept on this device; true by default. */
  store?: boolean | null;
  stream?: boolean | null;
  max_output_tokens?: number | null;
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  min_p?: number | null;
  repetition_penalty?: number | null;
  frequency_penalty?: number | null;
  presence_penalty?: number | null;
  seed?: number | null;
  text?: { format?: TextFormat };
  /** With `summary`, the reasoning is returned as a summary, otherwise as content. */
  reasoning?: { effort?: string | null; summary?: string | null } | null;
  tools?: ResponseTool[];
  tool_choice?:
    | "none"
    | "auto"
    | "required"
    | { type: "function"; name: string }
    | { type: "allowed_tools"; mode: "auto" | "required"; tools: { type: "function"; name: string }[] };
  parallel_tool_calls?: boolean | null;
  include?: string[] | null;
  top_logprobs?: number | null;
  truncation?: "auto" | "disabled" | null;
  metadata?: Record<string, string> | null;
}

export type ItemStatus = "in_progress" | "completed" | "incomplete";

export type ResponseOutputItem =
  | {
      type: "message";
      id: string;
      status: ItemStatus;
      role: "assistant";
      content: { type: "output_text"; text: string; annotations: object[]; logprobs: TokenLogProb[] }[];
    }
  | { type: "function_call"; id: string; status: ItemStatus; call_id: string; name: string; arguments: string }
  | {
      type: "reasoning";
      id: string;
      status: ItemStatus;
      summary: { type: "summary_text"; text: string }[];
      content?: { type: "reasoning_text"; text: string }[];
    };

export interface ResponseObject {
  id: string;
  object: "response";
  created_at: number;
  completed_at: number | null;
  status: "in_progress" | "completed" | "incomplete" | "cancelled" | "failed";
  background: false;
  error: { code: string; message: string } | null;
  incomplete_details: { reason: "max_output_tokens" } | null;
  instructions: string | null;
  max_output_tokens: number | null;
  metadata: Record<string, string>;
  model: string;
  output: ResponseOutputItem[];
  parallel_tool_calls: boolean;
  previous_response_id: string | null;
  reasoning: { effort: string | null; summary: string | null };
  store: boolean;
  temperature: number;
  text: { format: TextFormat };
  tool_choice: ResponseRequest["tool_choice"];
  tools: ResponseTool[];
  top_logprobs: number;
  top_p: number;
  truncation: "auto" | "disabled";
  usage?: {
    input_tokens: number;
    input_tokens_details: { cached_tokens: number; cache_write_tokens: number };
    output_tokens: number;
    output_tokens_details: { reasoning_tokens: number };
    total_tokens: number;
    extra: Usage["extra"];
  };
  dropped_messages?: number;
}

/** Where an event's text is. */
interface Place {
  item_id: string;
  output_index: number;
  sequence_number: number;
}

export type ResponseEvent =
  | {
      type: `response.${"created" | "in_progress" | "completed" | "incomplete" | "failed"}`;
      sequence_number: number;
      response: ResponseObject;
    }
  | {
      type: `response.output_item.${"added" | "done"}`;
      sequence_number: number;
      output_index: number;
      item: ResponseOutputItem;
    }
  | (Place & {
      type: `response.content_part.${"added" | "done"}`;
      content_index: number;
      part:
        | { type: "output_text"; text: string; annotations: object[]; logprobs: TokenLogProb[] }
        | { type: "reasoning_text"; text: string };
    })
  | (Place & { type: "response.output_text.delta"; content_index: number; delta: string; logprobs: TokenLogProb[] })
  | (Place & { type: "response.output_text.done"; content_index: number; text: string; logprobs: TokenLogProb[] })
  | (Place & { type: "response.reasoning_text.delta"; content_index: number; delta: string })
  | (Place & { type: "response.reasoning_text.done"; content_index: number; text: string })
  | (Place & {
      type: `response.reasoning_summary_part.${"added" | "done"}`;
      summary_index: number;
      part: { type: "summary_text"; text: string };
    })
  | (Place & { type: "response.reasoning_summary_text.delta"; summary_index: number; delta: string })
  | (Place & { type: "response.reasoning_summary_text.done"; summary_index: number; text: string })
  | (Place & { type: "response.function_call_arguments.delta"; delta: string })
  | (Place & { type: "response.function_call_arguments.done"; name: string; arguments: string });

export interface ResponseItemList {
  object: "list";
  data: ({ id: string } & ResponseInputItem)[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
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
}

/** A URL, `owner/repository/file.gguf` on Hugging Face, a file, or all files of a split model. */
export type Model = string | File | Iterable<File>;

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
  contextTokens?: number | null;
  /**
   * Hosts that models may be fetched from, in addition to the site and this page's origin, such as `huggingface.co`,
   * `https://models.example.org:8443` or `*.example.org`. None by default. Models stored on this device need no host.
   */
  allowedHosts?: string[];
  onProgress?: (progress: Progress) => void;
  /** Called when another tab loads or unloads a model (`model_changed`), and when the engine has recovered from a GPU failure (`recovered`). */
  onEvent?: (event: { type: "model_changed"; model: ModelInfo | null } | { type: "recovered"; message: string }) => void;
}

interface Create<Request, Response, Chunk> {
  (body: Request & { stream: true }, options?: RequestOptions): Promise<AsyncIterable<Chunk>>;
  (body: Request & { stream?: false }, options?: RequestOptions): Promise<Response>;
}

export class Parlance {
  static create(options?: CreateOptions): Promise<Parlance>;
  /** The worker starts with the first request. */
  constructor(options?: Pick<CreateOptions, "allowedHosts" | "onProgress" | "onEvent">);
  readonly chat: { completions: { create: Create<ChatCompletionRequest, ChatCompletion, ChatCompletionChunk> } };
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
  readonly rerank: { create(body: RerankRequest, options?: RequestOptions): Promise<Reranking> };
  readonly models: { list(): Promise<{ object: "list"; data: ModelEntry[] }> };
  readonly storage: {
    list(): Promise<StorageInfo>;
    delete(url: string): Promise<StorageInfo>;
    verify(url: string): Promise<boolean>;
    import(...files: File[]): Promise<StorageInfo>;
  };
  /** Saves and restores the KV cache of the latest conversation. Both resolve to its length in tokens. */
  readonly conversations: { save(name: string): Promise<number>; restore(name: string): Promise<number> };
  load(
    model: Model,
    options?: { contextTokens?: number | null; beside?: boolean; signal?: AbortSignal },
  ): Promise<ModelInfo>;
  countTokens(text: string): Promise<number>;
  inspect(model: Model, options?: { contextTokens?: number | null }): Promise<ModelDescription>;
  unload(name?: string | null): Promise<void>;
  configure(settings: {
    idleUnloadSeconds?: number | null;
    budgetBytes?: number | null;
    device?: "auto" | "gpu" | "cpu";
    kvCache?: "f16" | "q8";
  }): Promise<void>;
  terminate(): void;
}
