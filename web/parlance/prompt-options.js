/** How freely a mode samples. */
const MODES = {
  "most-predictable": { temperature: 0 },
  predictable: { temperature: 0.3 },
  "slightly-predictable": { temperature: 0.5 },
  balanced: { temperature: 0.7 },
  "slightly-creative": { temperature: 0.85 },
  creative: { temperature: 1 },
  "most-creative": { temperature: 1.3 },
};

export const SAMPLING_LIMITS = { defaultTopK: 40, maxTopK: 128, defaultTemperature: MODES.balanced.temperature, maxTemperature: 2 };

const INPUTS = ["text", "image", "tool-response", "tool-call"];
const OUTPUTS = ["text", "tool-call"];

/** Whether sessions are asked to support images. */
export const wantsImages = ({ expectedInputs = [] }) => expectedInputs.some(({ type }) => type === "image");

/** Checks what sessions are asked to support. */
export function checkOptions({ expectedInputs = [], expectedOutputs = [], tools = [], samplingMode, temperature, topK }) {
  for (const { type } of expectedInputs) {
    if (!INPUTS.includes(type)) throw new DOMException(`${type} input is not supported`, "NotSupportedError");
  }
  for (const { type } of expectedOutputs) {
    if (!OUTPUTS.includes(type)) throw new DOMException(`${type} output is not supported`, "NotSupportedError");
  }
  for (const { name, description, inputSchema } of tools) {
    if (typeof name !== "string" || typeof description !== "string" || typeof inputSchema !== "object") {
      throw new TypeError("a tool has a name, a description and an inputSchema");
    }
  }
  if (samplingMode !== undefined && !Object.hasOwn(MODES, samplingMode)) throw new TypeError(`there is no sampling mode ${samplingMode}`);
  if (samplingMode !== undefined && (temperature !== undefined || topK !== undefined)) {
    throw new TypeError("samplingMode cannot be combined with temperature or topK");
  }
  if (!(temperature === undefined || temperature >= 0)) throw new RangeError("temperature must be at least 0");
  if (!(topK === undefined || topK >= 1)) throw new RangeError("topK must be at least 1");
}

/** How a session samples. */
export function samplingOf({ samplingMode, temperature, topK }) {
  const { defaultTopK, maxTopK, defaultTemperature, maxTemperature } = SAMPLING_LIMITS;
  const isRaw = temperature !== undefined || topK !== undefined;
  const mode = isRaw ? null : (samplingMode ?? "balanced");
  return {
    samplingMode: mode,
    temperature: mode ? MODES[mode].temperature : Math.min(temperature ?? defaultTemperature, maxTemperature),
    topK: Math.min(Math.floor(topK ?? defaultTopK), maxTopK),
  };
}

/** The format that a `responseConstraint` demands, as the API has it. */
export function formatOf({ responseConstraint: constraint, omitResponseConstraintInput: isOmitted }) {
  if (constraint === undefined) {
    if (isOmitted) throw new TypeError("omitResponseConstraintInput needs a responseConstraint");
    return undefined;
  }
  if (constraint instanceof RegExp) {
    // The whole answer matches in any case.
    const regex = constraint.source.replace(/^\^/, "").replace(/(^|[^\\])\$$/, "$1");
    return { type: "regex", regex: constraint.ignoreCase ? `(?i:${regex})` : regex };
  }
  if (typeof constraint !== "object" || constraint === null) throw new TypeError("responseConstraint is a JSON schema or a RegExp");
  return { type: "json_schema", json_schema: { name: "response", schema: constraint } };
}
