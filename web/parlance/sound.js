/** The recording of a request (`file`) apart from its other fields: it is sent beside them, without a copy in JSON. */
export function withoutSound(body) {
  if (!(body?.file instanceof Blob || body?.file instanceof Int16Array)) return { body, message: {} };
  const { file: sound, ...rest } = body;
  return { body: rest, message: { sound } };
}
