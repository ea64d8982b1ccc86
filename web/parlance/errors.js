/** An error, with the fields of OpenAI's errors. */
export class ParlanceError extends Error {
  constructor({ kind, status, error, suggested_context_tokens: suggestedContextTokens = null, reason = { code: "other" } }) {
    super(error.message);
    this.name = "ParlanceError";
    this.kind = kind;
    this.status = status;
    this.type = error.type;
    this.param = error.param;
    this.code = error.code;
    this.suggestedContextTokens = suggestedContextTokens;
    this.reason = reason;
  }
}

/** An error of the server's side. */
const serverError = (kind, status, message, code = null) =>
  new ParlanceError({ kind, status, error: { message, type: "server_error", param: null, code } });

/** The engine stopped. */
export const crashed = (message) => serverError("crashed", 500, `the engine crashed: ${message}`);

/** The engine was closed. */
export const closed = () => serverError("closed", 503, "the engine was closed");

/** This is not a browser. */
export const unsupported = (message) => serverError("unsupported", 503, message);

/** No engine takes the request. */
export const unavailable = (message) => serverError("unavailable", 503, message, "engine_unavailable");
