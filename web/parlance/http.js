// The API's form over HTTP, for `engine.fetch` and for service workers.

/** The longest body that is read, in bytes. The worker has the same limit. */
const MAX_BODY_BYTES = 32 << 20;

/** Method, path and endpoint of each request. Where a path has a parameter, it is sent in place of the body, together with the query. */
const ROUTES = [
  ["POST", /^chat\/completions$/, "chat_completions"],
  ["POST", /^completions$/, "completions"],
  ["POST", /^responses$/, "responses"],
  ["GET", /^responses\/(?<response_id>[^/]+)$/, "retrieve_response"],
  ["DELETE", /^responses\/(?<response_id>[^/]+)$/, "delete_response"],
  ["POST", /^responses\/(?<response_id>[^/]+)\/cancel$/, "cancel_response"],
  ["GET", /^responses\/(?<response_id>[^/]+)\/input_items$/, "input_items"],
  ["POST", /^embeddings$/, "embeddings"],
  ["POST", /^rerank$/, "rerank"],
  ["GET", /^models$/, "models"],
  ["GET", /^models\/(?<model>.+)$/, "retrieve_model"],
];

/**
 * Answers a request for `v1/` and `path`. `create` is the API: it takes an endpoint, a body and a signal, and resolves to a response or,
 * if it is streamed, to chunks. `onEnd` is called when the response is complete, cancelled or failed.
 */
export async function respond(request, path, create, onEnd = () => {}) {
  try {
    const [endpoint, body] = await callOf(request, path.replace(/\/$/, ""));
    const result = await create(endpoint, body, { signal: request.signal });
    if (!(Symbol.asyncIterator in Object(result))) {
      onEnd();
      return Response.json(result);
    }
    return new Response(serverSentEvents(result, request.signal, onEnd), {
      headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
    });
  } catch (error) {
    onEnd();
    // As `fetch` does when it is aborted.
    if (request.signal.aborted) throw error;
    return failure(error);
  }
}

/** Endpoint and body of a request. */
async function callOf(request, path) {
  const routes = ROUTES.filter(([, pattern]) => pattern.test(path));
  if (routes.length === 0) throw refusal(404, `there is no v1/${path}`, "unknown_url");
  const methods = routes.map(([method]) => method);
  const route = routes[methods.indexOf(request.method)];
  if (!route) throw refusal(405, `v1/${path} takes ${methods.join(" or ")}`, "method_not_allowed");
  const [method, pattern, endpoint] = route;
  const parameters = Object.entries(pattern.exec(path).groups ?? {}).map(([name, text]) => [name, decoded(text)]);
  if (parameters.length > 0) return [endpoint, Object.fromEntries([...new URL(request.url).searchParams, ...parameters])];
  if (method === "GET") return [endpoint, null];
  const content = await request.blob();
  if (content.size > MAX_BODY_BYTES) throw refusal(413, `the body has more than ${MAX_BODY_BYTES} bytes`, "request_too_large");
  try {
    return [endpoint, JSON.parse(await content.text())];
  } catch {
    throw refusal(400, "the body is not JSON", "invalid_json");
  }
}

/** A part of a path as its client meant it. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const refusal = (status, message, code) => ({ status, message, type: "invalid_request_error", param: null, code });

/**
 * A stream of server-sent events in OpenAI's format: chunks, which end with `[DONE]`, or typed events, the last of which is the end. One is
 * read only when there is room for it.
 */
function serverSentEvents(chunks, signal, onEnd) {
  const encoder = new TextEncoder();
  const iterator = chunks[Symbol.asyncIterator]();
  const event = (data, type) => encoder.encode(`${type ? `event: ${type}\n` : ""}data: ${data}\n\n`);
  let isCancelled = false;
  let hasTypes = false;
  const read = async (controller) => {
    try {
      const { value, done } = await iterator.next();
      if (isCancelled) return;
      if (!done) {
        hasTypes = value.type !== undefined;
        return controller.enqueue(event(JSON.stringify(value), value.type));
      }
      if (!hasTypes) controller.enqueue(event("[DONE]"));
    } catch (error) {
      if (signal.aborted) throw error;
      controller.enqueue(event(JSON.stringify({ error: fieldsOf(error) })));
    }
    onEnd();
    controller.close();
  };
  return new ReadableStream({
    pull: (controller) => read(controller).catch((error) => (onEnd(), controller.error(error))),
    // The iterator may be waiting for the next chunk, so it cannot be left.
    cancel() {
      isCancelled = true;
      chunks.stop();
      onEnd();
    },
  });
}

const fieldsOf = ({ message = "", type = "server_error", param = null, code = null }) => ({ message, type, param, code });

function failure(error) {
  // `Response` does not accept other status codes.
  const status = error.status >= 200 && error.status <= 599 ? error.status : 500;
  return Response.json({ error: fieldsOf(error) }, { status });
}
