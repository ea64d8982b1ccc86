/** The tools of a run, and how the model's calls of them are answered. */
export class ToolCalls {
  #functions = new Map();
  /** The name of the only tool that may be called, if `tool_choice` names one. */
  only;
  /** The tools as the API takes them. */
  descriptions;

  constructor(tools, choice) {
    this.only = choice?.function?.name ?? null;
    this.descriptions = tools.map(({ type, function: { function: call, parse, name = call.name, ...fields } }) => {
      this.#functions.set(name, { call, parse });
      return { type, function: { name, ...fields } };
    });
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
    const result = await tool.call(value, runner);
    return answer(typeof result === "string" ? result : (JSON.stringify(result) ?? "undefined"), true);
  }
}
