// OpenAI's Responses API.
import type { InputAudio, TokenLogProb, Usage } from "../parlance.js";

export type ResponseInputPart =
  | { type: "input_text" | "output_text"; text: string }
  | { type: "input_image"; image_url: string; detail?: string }
  | InputAudio
  | { type: "refusal"; refusal: string };

export type ResponseInputItem =
  | { type?: "message"; role: "user" | "assistant" | "system" | "developer"; content: string | ResponseInputPart[] }
  | { type: "item_reference"; id: string }
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
