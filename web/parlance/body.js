import { ParlanceError } from "./errors.js";

/** How deep a body may be nested: the worker reads it recursively. */
const MAX_DEPTH = 100;

/** Throws if the worker could not read a body. */
export function checkBody(body) {
  if (isDeep(body)) throw badBody(`it is nested more than ${MAX_DEPTH} times`);
}

/** The error of a body that is at fault as a whole. */
export const badBody = (message) =>
  new ParlanceError({
    kind: "bad_request", status: 400, error: { message: `body: ${message}`, type: "invalid_request_error", param: "body", code: "invalid_value" },
  });

function isDeep(value, left = MAX_DEPTH) {
  if (typeof value !== "object" || value === null) return false;
  return left === 0 || Object.values(value).some((entry) => isDeep(entry, left - 1));
}
