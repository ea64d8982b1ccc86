//! A loaded speech recogniser: turns recordings into text, window by window.

use super::listening::{Attempt, Listening};
use super::transcript::{TranscriptEvent, TranscriptSegment, TranscriptionOptions};
use crate::error::{EngineError, Result};
use crate::models::SpeechConfig;
use crate::runtime::backend::Listener;
use crate::runtime::device::Device;
use crate::runtime::measuring::{SelfTest, Verdict};
use crate::speech::{
    Ending, FRAMES_PER_SECOND, LANGUAGES, MEASURED_FRAMES, MelFilters, Rules, Sound, Spectrogram, SpeechTokens,
    language_index, split,
};
use crate::tokenizer::Tokenizer;

/// Above this temperature a text is too uncertain for the next window to continue it.
const MAX_CONTINUED_TEMPERATURE: f32 = 0.5;

/// A speech recogniser in memory.
pub struct Transcriber {
    pub(in crate::runtime) device: Device,
    pub(in crate::runtime) config: SpeechConfig,
    pub(in crate::runtime) weight_bytes: u64,
    pub(in crate::runtime) tokenizer: Tokenizer,
    pub(in crate::runtime) tokens: SpeechTokens,
    pub(in crate::runtime) rules: Rules,
    pub(in crate::runtime) filters: MelFilters,
    pub(in crate::runtime) listener: Box<dyn Listener>,
}

impl Transcriber {
    /// Its name, from `general.name`.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The hyperparameters.
    pub fn config(&self) -> &SpeechConfig {
        &self.config
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Size of the weights in bytes.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Codes of the languages that the model knows.
    pub fn languages(&self) -> &'static [&'static str] {
        if self.tokens.is_multilingual() { &LANGUAGES[..self.tokens.languages as usize] } else { &LANGUAGES[..1] }
    }

    /// Transcribes a recording.
    ///
    /// `on_event` is called as soon as something is known, and returns whether to continue. Dropping the future stops at
    /// once.
    ///
    /// # Errors
    /// [`EngineError::Prompt`] for an unknown language, [`EngineError::Interrupted`] if `on_event` returned `false`,
    /// [`EngineError::Tokenizer`], or whatever the device reported.
    pub async fn transcribe<S: Sound + ?Sized>(
        &mut self,
        sound: &S,
        options: &TranscriptionOptions,
        mut on_event: impl FnMut(TranscriptEvent) -> bool,
    ) -> Result<()> {
        let mut report = |event| if on_event(event) { Ok(()) } else { Err(EngineError::Interrupted) };
        let window = self.config.window_frames() as usize;
        let Self { tokenizer, tokens, rules, filters, listener, config, .. } = self;
        let mut spectrogram = Spectrogram::new(sound, filters, Ending::Reflected);
        while spectrogram.measure(MEASURED_FRAMES) {
            listener.pause().await?;
        }
        let mut listening = Listening { listener: &mut **listener, tokenizer, tokens, rules, config, options };
        let known = options.language.as_deref().filter(|_| tokens.is_multilingual());
        let (language, likelihood) = match known {
            _ if !tokens.is_multilingual() => (0, 1.0),
            Some(code) => (known_language(code, tokens)?, 1.0),
            None => {
                listening.hear(&spectrogram.window(0, window)).await?;
                listening.detect_language().await?
            }
        };
        report(TranscriptEvent::Language { code: LANGUAGES[language as usize], likelihood })?;
        let mut has_heard = known.is_none() && tokens.is_multilingual();
        let mut text = Text::new(listening.prompt_ids()?);
        let mut start = 0;
        while start < spectrogram.frames() {
            let frames = window.min(spectrogram.frames() - start);
            if !std::mem::take(&mut has_heard) {
                listening.hear(&spectrogram.window(start, window)).await?;
            }
            let attempt = listening.transcribe(text.previous(), language, start as u64).await?;
            let is_silent = attempt.is_silent(options);
            let (segments, used) = if is_silent {
                (Vec::new(), frames)
            } else {
                segments(&attempt, listening.tokens, listening.tokenizer, (start, frames))
            };
            for segment in segments {
                text.ids.extend_from_slice(&segment.tokens);
                report(TranscriptEvent::Segment(segment))?;
            }
            // After silence the text goes on, however uncertain what was made up in it.
            if !is_silent && (!options.continues || attempt.temperature > MAX_CONTINUED_TEMPERATURE) {
                text.forget();
            }
            // The rules make every segment take time, so this only matters for damaged models.
            start += used.max(1);
            let seconds = |frames: usize| frames as f64 / FRAMES_PER_SECOND as f64;
            let total = spectrogram.frames();
            report(TranscriptEvent::Progress { seconds: seconds(start.min(total)), total: seconds(total) })?;
        }
        Ok(())
    }

    /// Like [`Model::self_test`](super::Model::self_test), but these kernels have no plain layout.
    ///
    /// # Errors
    /// As [`Model::self_test`](super::Model::self_test).
    pub async fn self_test(&self) -> Result<SelfTest> {
        let wrong = self.listener.wrong_kernels().await?;
        Ok(SelfTest { verdict: if wrong.is_empty() { Verdict::Sound } else { Verdict::Wrong }, wrong })
    }

    /// Like [`Model::kernels_id`](super::Model::kernels_id).
    ///
    /// # Errors
    /// As [`Model::kernels_id`](super::Model::kernels_id).
    pub fn kernels_id(&self) -> Result<u64> {
        self.listener.kernels_id()
    }

    /// The logits after `ids` for a window of sound, `[frames][mels]`; for tests: `[vocab]`.
    ///
    /// # Errors
    /// [`EngineError::Prompt`] for a window or text of the wrong length, or whatever the device reported.
    pub async fn logits(&mut self, mel: &[f32], ids: &[u32]) -> Result<Vec<f32>> {
        let expected = self.config.window_frames() as usize * self.config.mels as usize;
        let is_text = !ids.is_empty() && ids.len() <= self.config.decoder.context as usize;
        if mel.len() != expected || !is_text || ids.iter().any(|id| *id >= self.config.vocab) {
            return Err(EngineError::Prompt("the window or the text has the wrong length".to_owned()));
        }
        self.listener.listen(mel).await?;
        // In two parts, as windows are.
        let (first, rest) = ids.split_at(ids.len().div_ceil(2));
        let logits = self.listener.read(0, first).await?;
        if rest.is_empty() { Ok(logits) } else { self.listener.read(first.len(), rest).await }
    }

    /// The spectrogram of a recording: `[frames][mels]`.
    pub fn spectrogram(&self, samples: &[f32]) -> Vec<f32> {
        let mut spectrogram = Spectrogram::new(samples, &self.filters, Ending::Reflected);
        spectrogram.measure(usize::MAX);
        spectrogram.window(0, spectrogram.frames())
    }
}

/// The index of a language that the model knows.
fn known_language(code: &str, tokens: &SpeechTokens) -> Result<u32> {
    let index = language_index(code).filter(|index| *index < tokens.languages);
    index.ok_or_else(|| EngineError::Prompt(format!("this model does not know the language “{code}”")))
}

/// The segments of a window that begins at frame `start`, and how many of its frames they cover.
fn segments(
    attempt: &Attempt,
    tokens: &SpeechTokens,
    tokenizer: &Tokenizer,
    (start, frames): (usize, usize),
) -> (Vec<TranscriptSegment>, usize) {
    let seconds = |frame: usize| (start + frame) as f64 / FRAMES_PER_SECOND as f64;
    let (spans, used) = split(&attempt.ids, tokens, frames);
    let segments = spans.into_iter().filter(|span| !span.frames.is_empty()).map(|span| {
        let own = &attempt.ids[span.tokens];
        TranscriptSegment {
            start: seconds(span.frames.start),
            end: seconds(span.frames.end),
            text: tokens.text(own, tokenizer),
            tokens: own.to_vec(),
            temperature: attempt.temperature,
            log_likelihood: attempt.log_likelihood,
            compression_ratio: attempt.compression_ratio,
            no_speech: attempt.no_speech,
        }
    });
    (segments.filter(|segment| !segment.text.trim().is_empty()).collect(), used)
}

/// The text so far.
struct Text {
    ids: Vec<u32>,
    /// The next window continues the text from here on.
    from: usize,
}

impl Text {
    fn new(prompt: Vec<u32>) -> Self {
        Self { ids: prompt, from: 0 }
    }

    fn previous(&self) -> &[u32] {
        &self.ids[self.from..]
    }

    fn forget(&mut self) {
        self.from = self.ids.len();
    }
}
