// Opens the microphone, for the page (`src/microphone.rs`).

/**
 * Gives the microphone's samples to `onSamples`, and calls `onEnded` if it is unplugged. Rejects with a `DOMException` whose name says why
 * there are none. Nothing is recorded: samples are in memory only.
 */
export async function openMicrophone(onSamples, onEnded) {
  if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("this page has no access to microphones", "NotFoundError");
  const audio = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const context = new AudioContext();
  const [track] = stream.getAudioTracks();
  const stop = () => {
    track.onended = null;
    track.stop();
    return context.close();
  };
  try {
    await context.audioWorklet.addModule(new URL("microphone-worklet.js", import.meta.url).href);
    // Where a page may play no sound by itself, it may not hear any either.
    await context.resume();
    const options = { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" };
    const node = new AudioWorkletNode(context, "microphone", options);
    node.port.onmessage = ({ data }) => onSamples(data);
    context.createMediaStreamSource(stream).connect(node);
  } catch (error) {
    stop();
    throw error;
  }
  track.onended = () => onEnded();
  return { sampleRate: context.sampleRate, stop };
}
