//! How a recording is transcribed, and what is known of it.

/// How to transcribe a recording. The defaults are those of `faster-whisper`.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscriptionOptions {
    /// The language spoken, one of [`LANGUAGES`](crate::speech::LANGUAGES); `None` lets the model find out. Models that know only English ignore it.
    pub language: Option<String>,
    /// Translate to English.
    pub translate: bool,
    /// What was said before, or how names and terms are written.
    pub prompt: String,
    /// Each window continues the text of the one before. Otherwise texts are less consistent, but an error does not
    /// affect later windows.
    pub continues: bool,
    /// Temperatures, of which the next is used when a window's text is implausible; none is like 0.
    pub temperatures: Vec<f32>,
    /// A text that can be compressed more than this repeats itself, and is implausible.
    pub max_compression_ratio: f32,
    /// A text whose tokens have a lower mean logarithm of their likelihoods is implausible.
    pub min_log_likelihood: f32,
    /// A window is silent if the likelihood of that is higher, and its text is implausible.
    pub max_no_speech: f32,
}

impl Default for TranscriptionOptions {
    fn default() -> Self {
        Self {
            language: None,
            translate: false,
            prompt: String::new(),
            continues: true,
            temperatures: vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
            max_compression_ratio: 2.4,
            min_log_likelihood: -1.0,
            max_no_speech: 0.6,
        }
    }
}

/// A part of a transcript, about a sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscriptSegment {
    /// Its start in seconds.
    pub start: f64,
    /// Its end in seconds.
    pub end: f64,
    /// What is said, usually after a space.
    pub text: String,
    /// Its tokens, with its times.
    pub tokens: Vec<u32>,
    /// The temperature of its window.
    pub temperature: f32,
    /// Mean logarithm of the likelihoods of its window's tokens.
    pub log_likelihood: f32,
    /// How many times shorter its window's text becomes when it is compressed.
    pub compression_ratio: f32,
    /// How likely its window is silent.
    pub no_speech: f32,
}

/// What is known of a recording.
#[derive(Debug, Clone, PartialEq)]
pub enum TranscriptEvent {
    /// The language, before any segment.
    Language {
        /// Its code, one of [`LANGUAGES`](crate::speech::LANGUAGES).
        code: &'static str,
        /// How likely it is; 1 if it was given.
        likelihood: f32,
    },
    /// The next segment.
    Segment(TranscriptSegment),
    /// How much of the recording is done, after each window.
    Progress {
        /// Seconds done.
        seconds: f64,
        /// Seconds in total.
        total: f64,
    },
}
