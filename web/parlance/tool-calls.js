/** The tools of a run, and how the model's calls of them are answered. */
export class ToolCalls {
  #functions = new Map();
  #context;
  /** The name of the only tool that may be called, if `tool_choice` names one. */
  only;
  /** The tools as the API takes them. */
  descriptions;

  /** `choice` is the request's `tool_choice`, and `context` what each function gets in addition. */
  constructor(tools, { choice, context }) {
    this.only = choice?.function?.name ?? null;
    this.#context = context;
    this.descriptions = tools.map(runnable).map(({ type, function: { function: call, parse, name = call?.name, ...fields } }) => {
      if (typeof call !== "function") throw new TypeError(`the tool ${name} of runTools has no function`);
      this.#functions.set(name, { call, parse, isStrict: fields.strict === true });
      return { type, function: { name, ...fields } };
    });
  }

  /** The arguments of a call as a value, if its tool says that they always have one. */
  parsed(name, text) {
    const { parse, isStrict } = this.#functions.get(name) ?? {};
    return isStrict ? (parse ?? JSON.parse)(text) : null;
  }

  /**
   * Answers a call. Resolves to the tool's message and whether the tool was called: a call that cannot be understood is explained to the
   * model. If the tool throws, so does this.
   */
  async run({ id, function: { name, arguments: text } }, runner) {
    const answer = (content, isCalled = false) => ({ message: { role: "tool", tool_call_id: id, content }, isCalled });
    const tool = this.#functions.get(name);
    if (!tool) {
      const names = [...this.#functions.keys()].map((known) => JSON.stringify(known)).join(", ");
      return answer(`Invalid tool_call: ${JSON.stringify(name)}. Available options are: ${names}. Please try again`);
    }
    if (this.only !== null && this.only !== name) {
      return answer(`Invalid tool_call: ${JSON.stringify(name)}. ${JSON.stringify(this.only)} requested. Please try again`);
    }
    let value = text;
    if (tool.parse) {
      try {
        value = await tool.parse(text);
      } catch (error) {
        return answer(error instanceof Error ? error.message : String(error));
      }
    }
    const result = await tool.call(value, runner, this.#context);
    return answer(typeof result === "string" ? result : (JSON.stringify(result) ?? "undefined"), true);
  }
}

/** A tool as `runTools` takes it, also one that `zodFunction` of the `openai` package made. */
function runnable(tool) {
  if (tool.$brand !== "auto-parseable-tool") return tool;
  const { name, description = "", parameters } = tool.function;
  return { type: "function", function: { name, description, parameters, strict: true, parse: tool.$parseRaw, function: tool.$callback } };
}
