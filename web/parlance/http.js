// The API's form over HTTP, for `engine.fetch` and for service workers.

/** Requests above this size are refused; the longest contexts take a few megabytes. */
const MAX_BODY_CHARS = 64e6;

/** Endpoints by method and path. */
const ENDPOINTS = {
  "chat/completions": { POST: "chat_completions" },
  completions: { POST: "completions" },
  embeddings: { POST: "embeddings" },
  rerank: { POST: "rerank" },
  models: { GET: "models" },
};

/**
 * Answers a request for `v1/` and `path`. `create` is the API: it takes an endpoint, a body and a signal, and resolves to a response or,
 * if it is streamed, to chunks. `onEnd` is called when the response is complete, cancelled or failed.
 */
export async function respond(request, path, create, onEnd = () => {}) {
  const refuse = (status, message, code) => {
    onEnd();
    return failure({ status, message, type: "invalid_request_error", param: null, code });
  };
  const name = path.replace(/\/$/, "");
  if (!Object.hasOwn(ENDPOINTS, name)) return refuse(404, `there is no v1/${name}`, "unknown_url");
  const endpoint = ENDPOINTS[name][request.method];
  if (!endpoint) return refuse(405, `v1/${name} takes ${Object.keys(ENDPOINTS[name]).join(", ")}`, "method_not_allowed");
  try {
    let body = null;
    if (request.method === "POST") {
      const text = await request.text();
      if (text.length > MAX_BODY_CHARS) return refuse(413, "the body is too large", "request_too_large");
      try {
        body = JSON.parse(text);
      } catch {
        return refuse(400, "the body is not JSON", "invalid_json");
      }
    }
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

/** A stream of server-sent events in OpenAI's format. A chunk is read only when there is room for it. */
function serverSentEvents(chunks, signal, onEnd) {
  const encoder = new TextEncoder();
  const iterator = chunks[Symbol.asyncIterator]();
  const event = (data) => encoder.encode(`data: ${data}\n\n`);
  let isCancelled = false;
  const read = async (controller) => {
    try {
      const { value, done } = await iterator.next();
      if (isCancelled) return;
      if (!done) return controller.enqueue(event(JSON.stringify(value)));
      controller.enqueue(event("[DONE]"));
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
