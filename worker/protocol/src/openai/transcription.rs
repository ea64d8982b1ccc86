//! Recordings and their transcripts.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST /v1/audio/transcriptions` and `/v1/audio/translations`, without the recording, see [`SOUND_KEY`](crate::SOUND_KEY).
/// Over HTTP it is a form, so numbers and switches may be strings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TranscriptionRequest {
    /// The name of a loaded or stored model; the speech recogniser loaded last if absent or unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The language spoken, as in ISO 639-1; the model finds out if absent. Ignored for translations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What was said before, or how names and terms are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The form of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<TranscriptionFormat>,
    /// From 0 to 1. At 0, it is raised where a text is implausible.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub temperature: Value,
    /// Whether the text is streamed.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub stream: Value,
    /// What `verbose_json` has times of: only `segment`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timestamp_granularities: Vec<String>,
}

/// The form of a transcript.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TranscriptionFormat {
    /// An object with the text.
    #[default]
    Json,
    /// The text.
    Text,
    /// Subtitles in `SubRip`'s format.
    Srt,
    /// Segments with their times.
    VerboseJson,
    /// Subtitles in `WebVTT`.
    Vtt,
}

/// A transcript in the form `json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The text.
    pub text: String,
    /// How long the recording is.
    pub usage: TranscriptionUsage,
}

/// A transcript in the form `verbose_json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerboseTranscript {
    /// `transcribe` or `translate`.
    pub task: String,
    /// The language spoken, as in ISO 639-1.
    pub language: String,
    /// Length of the recording in seconds.
    pub duration: f64,
    /// The text.
    pub text: String,
    /// Its segments, in order.
    pub segments: Vec<TranscriptPart>,
    /// How long the recording is.
    pub usage: TranscriptionUsage,
}

/// A segment of a transcript, about a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscriptPart {
    /// Its index.
    pub id: u32,
    /// Its start in hundredths of a second.
    pub seek: u32,
    /// Its start in seconds.
    pub start: f64,
    /// Its end in seconds.
    pub end: f64,
    /// What is said.
    pub text: String,
    /// Its tokens, with its times.
    pub tokens: Vec<u32>,
    /// The temperature of its window.
    pub temperature: f32,
    /// Mean logarithm of the likelihoods of its window's tokens.
    pub avg_logprob: f32,
    /// How many times shorter its window's text becomes when it is compressed.
    pub compression_ratio: f32,
    /// How likely its window is silent.
    pub no_speech_prob: f32,
}

/// What a transcription took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscriptionUsage {
    /// Always `duration`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Length of the recording in seconds.
    pub seconds: f64,
}

/// An event of a streamed transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum TranscriptionEvent {
    /// More text: a segment's.
    #[serde(rename = "transcript.text.delta")]
    Delta {
        /// The text to append.
        delta: String,
        /// The segment, with the form `verbose_json`. An extension.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        segment: Option<TranscriptPart>,
    },
    /// The end.
    #[serde(rename = "transcript.text.done")]
    Done {
        /// The whole text.
        text: String,
        /// The language spoken, as in ISO 639-1, with the form `verbose_json`. An extension.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
        /// How long the recording is.
        usage: TranscriptionUsage,
    },
}
