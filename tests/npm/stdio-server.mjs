// An MCP server of the published SDK that speaks through standard input and output, as those that `parlance-serve --mcp` lends.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const server = new McpServer({ name: "weather", version: "1.2.3" });
server.registerTool("weather", { description: "The weather.", inputSchema: { city: z.string() } }, async ({ city }) => ({
  content: [{ type: "text", text: `${city}: 20 degrees` }],
}));
await server.connect(new StdioServerTransport());
