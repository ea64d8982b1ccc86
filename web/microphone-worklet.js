// Runs where the browser processes sound: gathers the microphone's samples and passes them on.

/** Samples that are sent together, about 40 ms. */
const PIECE = 2048;

class Microphone extends AudioWorkletProcessor {
  #piece = new Float32Array(PIECE);
  #filled = 0;

  process([[samples]]) {
    for (let taken = 0; samples && taken < samples.length; ) {
      const part = samples.subarray(taken, taken + PIECE - this.#filled);
      this.#piece.set(part, this.#filled);
      this.#filled += part.length;
      taken += part.length;
      if (this.#filled === PIECE) {
        this.port.postMessage(this.#piece, [this.#piece.buffer]);
        this.#piece = new Float32Array(PIECE);
        this.#filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
