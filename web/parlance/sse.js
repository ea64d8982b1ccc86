/** The data of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), with their ids. */
export async function* serverSentEvents(body, maxChars) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  let [data, id, isNewId] = [[], null, false];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      rest += decoder.decode(value, { stream: !done });
      if (rest.length > maxChars) throw new RangeError("an event is too large");
      // A line may end with two characters, of which the second is yet to come.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (field === "data") data.push(text);
        else if (field === "id") [id, isNewId] = [text, true];
        else if (line === "" && (data.length > 0 || isNewId)) {
          yield { id, data: data.join("\n") };
          [data, isNewId] = [[], false];
        }
      }
      if (done) return;
    }
  } finally {
    // Whoever leaves the loop wants no more of it.
    reader.cancel().catch(() => {});
  }
}
