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

/** A recording of two seconds: noise that is always the same. */
export function recording() {
  const samples = new Int16Array(32000);
  let state = 1;
  for (const index of samples.keys()) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    samples[index] = ((state >>> 16) - 32768) * (Math.floor(index / 1600) % 4) * 0.3;
  }
  const header = new DataView(new ArrayBuffer(44));
  const text = (at, word) => [...word].forEach((letter, index) => header.setUint8(at + index, letter.charCodeAt(0)));
  [[0, "RIFF"], [8, "WAVEfmt "], [36, "data"]].forEach(([at, word]) => text(at, word));
  for (const [at, number] of [[4, 64036], [16, 16], [24, 16000], [28, 32000], [40, 64000]]) header.setUint32(at, number, true);
  for (const [at, number] of [[20, 1], [22, 1], [32, 2], [34, 16]]) header.setUint16(at, number, true);
  return new File([header, samples], "recording.wav", { type: "audio/wav" });
}
