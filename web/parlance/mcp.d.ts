import type { RunnableTool } from "./run-tools.js";

export interface McpOptions {
  /** Sent with every request, such as `Authorization`; a function is called for each. */
  headers?: Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);
  fetch?: (input: URL, init: RequestInit) => Promise<Response>;
  /** How long a request may take; a minute by default. */
  timeoutMs?: number;
  /** Takes what the server tells, such as progress and logs. */
  onNotification?: (notification: { method: string; params?: any }) => void;
}

export interface McpRequestOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
}

export interface McpTool {
  name: string;
  title?: string;
  description?: string;
  inputSchema: object;
  outputSchema?: object;
  annotations?: Record<string, unknown>;
}

export type McpContent =
  | { type: "text"; text: string }
  | { type: "image" | "audio"; data: string; mimeType: string }
  | { type: "resource"; resource: McpResourceContents }
  | { type: "resource_link"; uri: string; name: string };

export interface McpResourceContents {
  uri: string;
  mimeType?: string;
  text?: string;
  blob?: string;
}

export interface McpToolResult {
  content: McpContent[];
  structuredContent?: unknown;
  isError?: boolean;
}

/** A client of the Model Context Protocol over Streamable HTTP. */
export class McpClient {
  static connect(url: string | URL, options?: McpOptions & { signal?: AbortSignal }): Promise<McpClient>;
  private constructor();
  /** What the server says about itself. */
  readonly server: {
    protocolVersion: string;
    serverInfo: { name: string; version: string; title?: string };
    capabilities: Record<string, unknown>;
    instructions?: string;
  };
  /** Any request of the protocol. Rejects with an `McpError` if the server refuses it. */
  request(method: string, params?: object, options?: McpRequestOptions): Promise<any>;
  listTools(options?: McpRequestOptions): Promise<McpTool[]>;
  callTool(name: string, args?: object, options?: McpRequestOptions): Promise<McpToolResult>;
  listResources(options?: McpRequestOptions): Promise<{ uri: string; name: string; description?: string; mimeType?: string }[]>;
  readResource(uri: string, options?: McpRequestOptions): Promise<McpResourceContents[]>;
  listPrompts(options?: McpRequestOptions): Promise<{ name: string; description?: string; arguments?: object[] }[]>;
  getPrompt(
    name: string,
    args?: Record<string, string>,
    options?: McpRequestOptions,
  ): Promise<{ description?: string; messages: { role: "user" | "assistant"; content: McpContent }[] }>;
  /** The server's tools, as `runTools` takes them. `accepts` selects some of them. */
  tools(options?: McpRequestOptions & { accepts?: (tool: McpTool) => boolean }): Promise<RunnableTool[]>;
  /** Ends the session. */
  close(): Promise<void>;
}

/** A request that the server refused: `code` is that of JSON-RPC, or an HTTP status. */
export class McpError extends Error {
  readonly code: number;
  readonly data?: unknown;
}
