/** Throws unless it holds. */
export function check(holds, ...details) {
  if (!holds) throw new Error(`not as expected: ${details.map((detail) => JSON.stringify(detail)).join(", ")}`);
}

export function equal(actual, expected) {
  check(JSON.stringify(actual) === JSON.stringify(expected), actual, expected);
}

/** What a promise rejects with. */
export const failure = (promise) =>
  promise.then(
    (value) => check(false, "it did not fail", value),
    (error) => error,
  );

/** The test's model answers with letters while it is greedy, the same ones for the same question. */
export const isLetters = (text) => check(/^[a-z]+$/.test(text), text);

/** Otherwise it answers with anything. */
export const isText = (text) => check(typeof text === "string" && text !== "", text);
