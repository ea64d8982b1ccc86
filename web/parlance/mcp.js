// A client of the Model Context Protocol over Streamable HTTP (https://modelcontextprotocol.io/specification/2025-11-25/basic/transports):
// tools of servers that the page may connect to, for `runTools`.
//
//   const server = await McpClient.connect("https://tools.example.org/mcp");
//   const runner = engine.chat.completions.runTools({ messages, tools: await server.tools() });

import { McpTransport } from "./mcp-transport.js";

const PROTOCOL_VERSION = "2025-11-25";
const KNOWN_VERSIONS = [PROTOCOL_VERSION, "2025-06-18", "2025-03-26"];
const CLIENT_INFO = { name: "parlance", version: "0.1.0" };
/** A server that gives more pages than this of anything is at fault. */
const MAX_PAGES = 100;

export class McpClient {
  #transport;

  /** What the server says about itself: `{ serverInfo, capabilities, instructions, protocolVersion }`. */
  server = null;

  /**
   * Connects to a server. `headers` are sent with every request, such as `Authorization`; a function is called for each, so that tokens can
   * be renewed. `onNotification` takes what the server tells, such as progress and logs.
   */
  static async connect(url, { signal, ...options } = {}) {
    const client = new McpClient(url, options);
    await client.#initialize(signal);
    return client;
  }

  constructor(url, { headers = {}, fetch = globalThis.fetch.bind(globalThis), timeoutMs = 60_000, onNotification = () => {} } = {}) {
    this.#transport = new McpTransport(new URL(url, globalThis.document?.baseURI), { headers, fetch, timeoutMs, onNotification });
    // A server may forget its sessions; then it wants a new one.
    this.#transport.onExpired = () => this.#initialize();
  }

  async #initialize(signal) {
    this.#transport.reset();
    const params = { protocolVersion: PROTOCOL_VERSION, capabilities: {}, clientInfo: CLIENT_INFO };
    const result = await this.#transport.request("initialize", params, { signal });
    if (!KNOWN_VERSIONS.includes(result.protocolVersion)) {
      throw new Error(`the MCP server speaks version ${result.protocolVersion}, which this client does not`);
    }
    this.server = result;
    this.#transport.version = result.protocolVersion;
    await this.#transport.notify("notifications/initialized");
  }

  /** Any request of the protocol. Rejects with an `McpError` if the server refuses it. */
  request(method, params, options) {
    return this.#transport.request(method, params, options);
  }

  async #list(method, field, options) {
    const items = [];
    let cursor;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const result = await this.request(method, cursor === undefined ? {} : { cursor }, options);
      items.push(...result[field]);
      cursor = result.nextCursor;
      if (cursor === undefined) return items;
    }
    throw new Error(`the MCP server gives no end of ${field}`);
  }

  listTools(options) {
    return this.#list("tools/list", "tools", options);
  }

  listResources(options) {
    return this.#list("resources/list", "resources", options);
  }

  listPrompts(options) {
    return this.#list("prompts/list", "prompts", options);
  }

  /** Calls a tool. Resolves to `{ content, structuredContent, isError }`. */
  callTool(name, args = {}, options) {
    return this.request("tools/call", { name, arguments: args }, options);
  }

  async readResource(uri, options) {
    return (await this.request("resources/read", { uri }, options)).contents;
  }

  getPrompt(name, args = {}, options) {
    return this.request("prompts/get", { name, arguments: args }, options);
  }

  /** The server's tools, as `runTools` takes them. `accepts` selects some of them. */
  async tools({ accepts = () => true, ...options } = {}) {
    const tools = (await this.listTools(options)).filter(accepts);
    return tools.map(({ name, description, inputSchema }) => ({
      type: "function",
      function: {
        name,
        description,
        parameters: inputSchema,
        parse: JSON.parse,
        function: async (args, runner) => textOf(await this.callTool(name, args, { signal: runner?.controller.signal })),
      },
    }));
  }

  /** Ends the session. */
  close() {
    return this.#transport.close();
  }
}

/** What a model reads of a tool's result. */
function textOf({ content = [], structuredContent, isError }) {
  const texts = content.map((part) => {
    if (part.type === "text") return part.text;
    if (part.type === "resource") return part.resource.text ?? part.resource.uri;
    return part.type === "resource_link" ? part.uri : `(${part.type})`;
  });
  const text = texts.length > 0 ? texts.join("\n") : JSON.stringify(structuredContent ?? null);
  return isError ? `Error: ${text}` : text;
}

export { McpError } from "./mcp-transport.js";
