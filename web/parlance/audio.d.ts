// OpenAI's audio API: recordings to text.
import type { RequestOptions } from "../parlance.js";

export interface TranscriptionRequest {
  /** A WAV, MP3, M4A, Ogg or WebM file, or 16,000 samples per second, one channel. It stays on this device. */
  file: Blob | Int16Array;
  model?: string;
  /** The language spoken, as in ISO 639-1; the model finds out if absent. Ignored for translations. */
  language?: string;
  /** What was said before, or how names and terms are written. */
  prompt?: string;
  response_format?: "json" | "text" | "srt" | "verbose_json" | "vtt";
  /** From 0 to 1. */
  temperature?: number;
  timestamp_granularities?: "segment"[];
  stream?: boolean;
}

export interface TranscriptionUsage {
  type: "duration";
  seconds: number;
}

export interface Transcript {
  text: string;
  usage: TranscriptionUsage;
}

export interface TranscriptPart {
  id: number;
  seek: number;
  /** In seconds. */
  start: number;
  end: number;
  text: string;
  tokens: number[];
  temperature: number;
  avg_logprob: number;
  compression_ratio: number;
  no_speech_prob: number;
}

export interface VerboseTranscript extends Transcript {
  task: "transcribe" | "translate";
  language: string;
  duration: number;
  segments: TranscriptPart[];
}

export type TranscriptionEvent =
  /** `segment` comes with the form `verbose_json`, and so does `language`. */
  | { type: "transcript.text.delta"; delta: string; segment?: TranscriptPart }
  | { type: "transcript.text.done"; text: string; language?: string; usage: TranscriptionUsage };

/** Transcribes a recording, or translates it to English. */
export interface Transcriptions {
  create(body: TranscriptionRequest & { stream: true }, options?: RequestOptions): Promise<AsyncIterable<TranscriptionEvent>>;
  create(body: TranscriptionRequest & { response_format: "text" | "srt" | "vtt"; stream?: false }, options?: RequestOptions): Promise<string>;
  create(body: TranscriptionRequest & { response_format: "verbose_json"; stream?: false }, options?: RequestOptions): Promise<VerboseTranscript>;
  create(body: TranscriptionRequest & { response_format?: "json"; stream?: false }, options?: RequestOptions): Promise<Transcript>;
}
