// The MCP client with the server of the published SDK.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { after, test } from "node:test";

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

import { McpClient, McpError } from "../../../web/parlance/mcp.js";
import { runTools } from "../../../web/parlance/run-tools.js";
import { scriptedEngine } from "./scripted.mjs";

const servers = [];
after(() => servers.forEach((server) => (server.close(), server.closeAllConnections())));

/** What the SDK's server does with tools; `seen` has what it noticed. */
function newMcpServer(seen) {
  const server = new McpServer({ name: "weather", version: "1.2.3" }, { capabilities: { logging: {} }, instructions: "Ask for cities." });
  const inputSchema = { city: z.string() };
  server.registerTool("weather", { description: "The weather.", inputSchema }, async ({ city }) => ({
    content: [{ type: "text", text: `${city}: 20 degrees` }],
  }));
  server.registerTool("fails", { description: "Fails." }, async () => {
    throw new Error("no weather today");
  });
  server.registerTool("talks", { description: "Talks before it answers." }, async ({ sendNotification, sendRequest }) => {
    await sendNotification({ method: "notifications/message", params: { level: "info", data: "working" } });
    seen.ping = await sendRequest({ method: "ping" }, z.object({}));
    seen.sampling = await sendRequest({ method: "roots/list" }, z.object({})).catch((error) => error.code);
    return { content: [{ type: "text", text: "done" }] };
  });
  server.registerTool("waits", { description: "Never ends." }, ({ signal }) => {
    return new Promise((resolve) => signal.addEventListener("abort", () => ((seen.isCancelled = true), resolve({ content: [] }))));
  });
  server.registerResource("map", "map://rome", { description: "A map." }, async ({ href }) => ({ contents: [{ uri: href, text: "roads" }] }));
  server.registerPrompt("plan", { description: "A plan.", argsSchema: { city: z.string() } }, ({ city }) => ({
    messages: [{ role: "user", content: { type: "text", text: `Plan a day in ${city}.` } }],
  }));
  return server;
}

/** Starts a server over HTTP: `{ url, seen, sessions }`. */
async function start({ hasSessions = true, enableJsonResponse = false, key = null } = {}) {
  const [sessions, seen] = [new Map(), { requests: [] }];
  const http = createServer(async (request, response) => {
    seen.requests.push({ method: request.method, headers: request.headers });
    if (key !== null && request.headers.authorization !== `Bearer ${key()}`) return response.writeHead(401).end("who are you?");
    const known = sessions.get(request.headers["mcp-session-id"]);
    if (request.headers["mcp-session-id"] && !known) return response.writeHead(404).end();
    const transport =
      known ??
      new StreamableHTTPServerTransport({
        enableJsonResponse,
        sessionIdGenerator: hasSessions ? randomUUID : undefined,
        onsessioninitialized: (id) => sessions.set(id, transport),
        onsessionclosed: (id) => sessions.delete(id),
      });
    if (!known) await newMcpServer(seen).connect(transport);
    await transport.handleRequest(request, response);
  });
  servers.push(http);
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${http.address().port}/mcp`, seen, sessions };
}

for (const options of [{}, { hasSessions: false }, { enableJsonResponse: true }]) {
  test(`tools, resources and prompts: ${JSON.stringify(options)}`, async () => {
    const { url, seen, sessions } = await start(options);
    const client = await McpClient.connect(url);
    assert.deepEqual(client.server.serverInfo, { name: "weather", version: "1.2.3" });
    assert.equal(client.server.instructions, "Ask for cities.");
    const tools = await client.listTools();
    assert.deepEqual(tools.map(({ name }) => name), ["weather", "fails", "talks", "waits"]);
    assert.deepEqual((await client.callTool("weather", { city: "Rome" })).content, [{ type: "text", text: "Rome: 20 degrees" }]);
    assert.equal((await client.callTool("fails")).isError, true);
    assert.equal((await client.callTool("weather", { city: 1 })).isError, true);
    assert.deepEqual((await client.listResources()).map(({ uri }) => uri), ["map://rome"]);
    assert.equal((await client.readResource("map://rome"))[0].text, "roads");
    assert.deepEqual((await client.listPrompts()).map(({ name }) => name), ["plan"]);
    assert.equal((await client.getPrompt("plan", { city: "Rome" })).messages[0].content.text, "Plan a day in Rome.");
    await assert.rejects(client.request("nothing/here"), (error) => error instanceof McpError && error.code === -32601);
    const later = seen.requests.at(-1).headers;
    assert.equal(later["mcp-protocol-version"], "2025-11-25");
    assert.equal(sessions.size, options.hasSessions === false ? 0 : 1);
    await client.close();
    assert.equal(sessions.size, 0);
    await assert.rejects(client.listTools(), /closed/);
  });
}

test("what the server says before it answers", async () => {
  const { url, seen } = await start();
  const notifications = [];
  const client = await McpClient.connect(url, { onNotification: (notification) => notifications.push(notification) });
  assert.equal((await client.callTool("talks")).content[0].text, "done");
  assert.deepEqual(notifications, [{ method: "notifications/message", params: { level: "info", data: "working" } }]);
  assert.deepEqual([seen.ping, seen.sampling], [{}, -32601]);
});

test("a call can be aborted, or takes too long, and the server hears of it", async () => {
  const { url, seen } = await start();
  const client = await McpClient.connect(url, { timeoutMs: 5000 });
  for (const options of [{ signal: AbortSignal.timeout(20) }, { timeoutMs: 20 }]) {
    seen.isCancelled = false;
    await assert.rejects(client.callTool("waits", {}, options), { name: "TimeoutError" });
    while (!seen.isCancelled) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal((await client.callTool("weather", { city: "Oslo" })).content[0].text, "Oslo: 20 degrees");
});

test("a session that the server forgot is replaced", async () => {
  const { url, sessions } = await start();
  const client = await McpClient.connect(url);
  const [first] = sessions.keys();
  sessions.clear();
  assert.equal((await client.listTools()).length, 4);
  assert.equal(sessions.size, 1);
  assert.ok(!sessions.has(first));
});

test("headers may change from request to request", async () => {
  let key = "first";
  const { url } = await start({ key: () => key });
  await assert.rejects(McpClient.connect(url), (error) => error.code === 401 && /who are you/.test(error.message));
  const client = await McpClient.connect(url, { headers: async () => ({ authorization: `Bearer ${key}` }) });
  key = "second";
  assert.equal((await client.listTools()).length, 4);
});

test("a model uses the tools", async () => {
  const { url } = await start();
  const client = await McpClient.connect(url);
  const tools = await client.tools({ accepts: ({ name }) => name !== "waits" });
  const engine = scriptedEngine([{ name: "weather", arguments: { city: "Rome" } }, { name: "fails", arguments: {} }, "It is warm."]);
  const runner = runTools(engine, { messages: [{ role: "user", content: "Rome?" }], tools });
  assert.equal(await runner.finalContent(), "It is warm.");
  const results = runner.messages.filter(({ role }) => role === "tool").map(({ content }) => content);
  assert.deepEqual(results, ["Rome: 20 degrees", "Error: no weather today"]);
  assert.deepEqual(engine.asked[0].tools.map(({ function: { name } }) => name), ["weather", "fails", "talks"]);
  assert.equal(engine.asked[0].tools[0].function.parameters.properties.city.type, "string");
});

/** A server of one answer. */
const answering = (body, type = "application/json", status = 200) => async () => new Response(body, { status, headers: { "content-type": type } });

test("servers at fault", async () => {
  const result = (value) => JSON.stringify({ jsonrpc: "2.0", id: 1, result: value });
  const cases = [
    [answering("no", "text/plain", 500), /status 500: no/],
    [answering("{"), SyntaxError],
    [answering(result(undefined)), /did not answer/],
    [answering("null"), /did not answer/],
    [answering(result({ protocolVersion: "1999-01-01" })), /1999-01-01/],
    [answering(`data: ${result({ protocolVersion: "1999-01-01" })}\n\n`, "text/event-stream"), /1999-01-01/],
    [answering("data: {}\n\n", "text/event-stream"), /connection broke/],
    [answering(`data: ${"x".repeat(17e6)}`, "text/event-stream"), /too large/],
    [() => Promise.reject(new TypeError("no network")), /no network/],
  ];
  for (const [fetch, expected] of cases) await assert.rejects(McpClient.connect("http://127.0.0.1:1/", { fetch }), expected);
});

test("a stream that breaks is resumed where it was", async () => {
  const asked = [];
  const fetch = async (_, { method, headers, body }) => {
    asked.push([method, headers["last-event-id"] ?? null]);
    const sse = (text) => new Response(text, { headers: { "content-type": "text/event-stream" } });
    if (method === "GET") return sse(`id: 8\r\ndata: {"jsonrpc":"2.0","id":2,"result":{"content":[]}}\r\n\r\n`);
    const { id } = JSON.parse(body);
    if (id === undefined) return new Response(null, { status: 202 });
    if (id === 1) return Response.json({ jsonrpc: "2.0", id, result: { protocolVersion: "2025-06-18" } });
    return sse(`: hello\nid: 7\ndata:\n\n`);
  };
  const client = await McpClient.connect("http://127.0.0.1:1/", { fetch });
  assert.deepEqual(await client.callTool("anything"), { content: [] });
  assert.deepEqual(asked.slice(-2), [["POST", null], ["GET", "7"]]);
});
