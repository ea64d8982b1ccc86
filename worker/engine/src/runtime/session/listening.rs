//! Transcribes one window of sound.

use super::transcript::TranscriptionOptions;
use crate::error::Result;
use crate::kernels::random::Random;
use crate::models::SpeechConfig;
use crate::runtime::backend::Listener;
use crate::speech::{Rules, SpeechTokens, compression_ratio};
use crate::tokenizer::Tokenizer;

/// A recogniser while it transcribes a recording.
pub(super) struct Listening<'t> {
    pub(super) listener: &'t mut dyn Listener,
    pub(super) tokenizer: &'t Tokenizer,
    pub(super) tokens: &'t SpeechTokens,
    pub(super) rules: &'t Rules,
    pub(super) config: &'t SpeechConfig,
    pub(super) options: &'t TranscriptionOptions,
}

/// What a window's text may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attempt {
    /// Its tokens, with times.
    pub(super) ids: Vec<u32>,
    pub(super) temperature: f32,
    /// Mean logarithm of the likelihoods of its tokens and its end.
    pub(super) log_likelihood: f32,
    pub(super) compression_ratio: f32,
    /// How likely the window is silent.
    pub(super) no_speech: f32,
}

impl Attempt {
    fn is_unlikely(&self, options: &TranscriptionOptions) -> bool {
        self.log_likelihood < options.min_log_likelihood
    }

    fn repeats(&self, options: &TranscriptionOptions) -> bool {
        self.compression_ratio > options.max_compression_ratio
    }

    /// Whether the window is silent, and the text was made up.
    pub(super) fn is_silent(&self, options: &TranscriptionOptions) -> bool {
        self.no_speech > options.max_no_speech && self.log_likelihood <= options.min_log_likelihood
    }
}

impl Listening<'_> {
    /// Hears a window, `[frames][mels]`.
    pub(super) async fn hear(&mut self, mel: &[f32]) -> Result<()> {
        self.listener.listen(mel).await
    }

    /// The index of the most likely language of what was heard, and its likelihood.
    pub(super) async fn detect_language(&mut self) -> Result<(u32, f32)> {
        let logits = self.listener.read(0, &[self.tokens.start()]).await?;
        let languages = &logits[self.tokens.language(0) as usize..][..self.tokens.languages as usize];
        // Of equal logits the first.
        let best = (0..languages.len()).rev().max_by(|a, b| languages[*a].total_cmp(&languages[*b]));
        let best = best.unwrap_or_default();
        Ok((best as u32, likelihood(languages, best)))
    }

    /// The tokens of the text that precedes the recording.
    pub(super) fn prompt_ids(&self) -> Result<Vec<u32>> {
        match self.options.prompt.trim() {
            "" => Ok(Vec::new()),
            prompt => self.tokenizer.encode_plain(&format!(" {prompt}")),
        }
    }

    /// The text of what was heard, after `previous` text. `seed` makes random choices reproducible.
    pub(super) async fn transcribe(&mut self, previous: &[u32], language: u32, seed: u64) -> Result<Attempt> {
        let options = self.options;
        let head = self.head(language);
        let prompt = self.prompt(previous, &head);
        // The start is where the model says whether there is speech; what follows it is up to us.
        let (before, rest) = prompt.split_at(prompt.len() - head.len() + 1);
        let logits = self.listener.read(0, before).await?;
        let no_speech = likelihood(&logits, self.tokens.no_speech() as usize);
        let logits = if rest.is_empty() { logits } else { self.listener.read(before.len(), rest).await? };
        let limit = self.limit(prompt.len());
        let mut failed: Vec<Attempt> = Vec::new();
        let temperatures: &[f32] =
            if options.temperatures.is_empty() { &[0.0] } else { options.temperatures.as_slice() };
        for (index, temperature) in (0u64..).zip(temperatures) {
            let written = match index {
                0 if *temperature == 0.0 => self.listener.write(prompt.len(), limit).await?,
                _ => None,
            };
            let written = if let Some(written) = written {
                written
            } else {
                let mut random = Random(seed << 8 | index);
                self.write(prompt.len(), logits.clone(), *temperature, &mut random).await?
            };
            let attempt = Attempt { temperature: *temperature, no_speech, ..self.attempt(written) };
            let is_implausible = attempt.is_unlikely(options) || attempt.repeats(options);
            let is_silent = attempt.is_unlikely(options) && attempt.is_silent(options);
            if !is_implausible || is_silent {
                return Ok(attempt);
            }
            failed.push(attempt);
        }
        Ok(self.best(failed))
    }

    /// The most likely of several implausible texts, if possible one that does not repeat itself. It counts as uncertain as
    /// the last one.
    fn best(&self, mut attempts: Vec<Attempt>) -> Attempt {
        let temperature = attempts.last().map_or(0.0, |last| last.temperature);
        if attempts.iter().any(|attempt| !attempt.repeats(self.options)) {
            attempts.retain(|attempt| !attempt.repeats(self.options));
        }
        // Of equally likely ones the first.
        let best = attempts.into_iter().rev().max_by(|a, b| a.log_likelihood.total_cmp(&b.log_likelihood));
        let silence =
            Attempt { ids: Vec::new(), temperature, log_likelihood: 0.0, compression_ratio: 0.0, no_speech: 1.0 };
        Attempt { temperature, ..best.unwrap_or(silence) }
    }

    /// The tokens that ask for a transcript.
    fn head(&self, language: u32) -> Vec<u32> {
        let tokens = self.tokens;
        if !tokens.is_multilingual() {
            return vec![tokens.start()];
        }
        let task = if self.options.translate { tokens.translate() } else { tokens.transcribe() };
        vec![tokens.start(), tokens.language(language), task]
    }

    /// The head after the end of the previous text, which leaves half of the context to this window's.
    fn prompt(&self, previous: &[u32], head: &[u32]) -> Vec<u32> {
        if previous.is_empty() {
            return head.to_vec();
        }
        let room = self.config.decoder.context as usize / 2 - 1;
        let kept = &previous[previous.len().saturating_sub(room)..];
        [&[self.tokens.previous()][..], kept, head].concat()
    }

    /// Maximum number of tokens of a text after a prompt.
    fn limit(&self, prompt_len: usize) -> usize {
        let context = self.config.decoder.context as usize;
        (context / 2).min(context + 1 - prompt_len)
    }

    /// Writes a text after a prompt of `prompt_len` tokens: tokens with the logarithms of their likelihoods, up to the end
    /// and with it. `logits` are those after the prompt.
    async fn write(
        &mut self,
        prompt_len: usize,
        mut logits: Vec<f32>,
        temperature: f32,
        random: &mut Random,
    ) -> Result<Vec<(u32, f32)>> {
        let (mut ids, mut written) = (Vec::new(), Vec::new());
        loop {
            let choice = self.rules.choose(&mut logits, &ids, temperature, random);
            written.push((choice.id, choice.log_likelihood as f32));
            ids.push(choice.id);
            if choice.id == self.tokens.end || ids.len() >= self.limit(prompt_len) {
                return Ok(written);
            }
            logits = self.listener.read(prompt_len + ids.len() - 1, &[choice.id]).await?;
        }
    }

    /// A text with what its tokens tell about it.
    fn attempt(&self, written: Vec<(u32, f32)>) -> Attempt {
        let total: f64 = written.iter().map(|(_, log_likelihood)| f64::from(*log_likelihood)).sum();
        let ids: Vec<u32> = written.into_iter().map(|(id, _)| id).filter(|id| *id != self.tokens.end).collect();
        Attempt {
            temperature: 0.0,
            log_likelihood: (total / (ids.len() + 1) as f64) as f32,
            compression_ratio: compression_ratio(self.tokens.text(&ids, self.tokenizer).trim()),
            no_speech: 0.0,
            ids,
        }
    }
}

/// The likelihood of one of several outcomes with these logits.
fn likelihood(logits: &[f32], index: usize) -> f32 {
    let own = logits.get(index).copied().unwrap_or(f32::NEG_INFINITY);
    let ratios = logits.iter().map(|logit| (f64::from(*logit) - f64::from(own)).exp());
    ratios.sum::<f64>().recip() as f32
}
