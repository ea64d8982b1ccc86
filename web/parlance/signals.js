/** A signal that is aborted as soon as one of these is. */
export function anyOf(...signals) {
  const given = signals.filter((signal) => signal !== undefined);
  if (AbortSignal.any) return AbortSignal.any(given);
  // Browsers of before 2024.
  const controller = new AbortController();
  for (const signal of given) {
    if (signal.aborted) controller.abort(signal.reason);
    signal.addEventListener("abort", () => controller.abort(signal.reason), { signal: controller.signal });
  }
  return controller.signal;
}

/** The promise, but it rejects when the signal is aborted. What the promise stands for goes on. */
export function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal?.removeEventListener("abort", abort));
  });
}
