//! Whisper's special tokens. They follow the vocabulary of text in a fixed order, the times last.

use super::languages::LANGUAGES;
use crate::error::{EngineError, Result};
use crate::tokenizer::Tokenizer;

/// Tokens between those of the languages and the times.
const TASKS: [&str; 6] =
    ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"];
/// Size of the vocabulary of models that know only English. They have the tokens of languages, but never saw them.
const ENGLISH_VOCAB: u32 = 51_864;

/// The ids of the special tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpeechTokens {
    /// Ends a transcript. Lower ids are text.
    pub end: u32,
    /// Number of languages, whose tokens follow [`SpeechTokens::start`].
    pub languages: u32,
    /// Zero seconds. Each of the following tokens is 20 ms later, up to the end of the vocabulary.
    pub first_time: u32,
    /// Number of tokens.
    pub vocab: u32,
}

impl SpeechTokens {
    /// The tokens of a vocabulary of `vocab` tokens, in which `end` follows those of text, for an encoder of `positions`.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] if they do not fit.
    pub fn new(vocab: u32, end: u32, positions: u32) -> Result<Self> {
        let misfit = || EngineError::Tokenizer(format!("the special tokens do not fit {vocab} tokens from {end} on"));
        let first_time = positions.checked_add(1).and_then(|times| vocab.checked_sub(times)).ok_or_else(misfit)?;
        // After the end and the start.
        let others = end.checked_add(2 + TASKS.len() as u32).ok_or_else(misfit)?;
        let languages = first_time.checked_sub(others).ok_or_else(misfit)?;
        if languages as usize > LANGUAGES.len() {
            return Err(misfit());
        }
        Ok(Self { end, languages, first_time, vocab })
    }

    /// Starts a transcript.
    pub fn start(&self) -> u32 {
        self.end + 1
    }

    /// The token of a language, by its index in [`LANGUAGES`].
    pub fn language(&self, index: u32) -> u32 {
        self.start() + 1 + index
    }

    /// Asks for a translation to English.
    pub fn translate(&self) -> u32 {
        self.first_time - 6
    }

    /// Asks for a transcript.
    pub fn transcribe(&self) -> u32 {
        self.first_time - 5
    }

    /// Starts what was said before.
    pub fn previous(&self) -> u32 {
        self.first_time - 3
    }

    /// There is no speech.
    pub fn no_speech(&self) -> u32 {
        self.first_time - 2
    }

    /// Asks for a transcript without times.
    pub fn no_times(&self) -> u32 {
        self.first_time - 1
    }

    /// Whether a token is a time.
    pub fn is_time(&self, id: u32) -> bool {
        id >= self.first_time
    }

    /// Whether the model knows several languages. Otherwise a prompt has neither language nor task.
    pub fn is_multilingual(&self) -> bool {
        self.languages > 0 && self.vocab != ENGLISH_VOCAB
    }

    /// The text of tokens, without times.
    pub(crate) fn text(&self, ids: &[u32], tokenizer: &Tokenizer) -> String {
        let text = ids.iter().filter(|id| **id < self.end);
        let bytes: Vec<u8> = text.flat_map(|id| tokenizer.token_bytes(*id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Special tokens that are never part of a transcript.
    pub(super) fn never_said(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.start()).chain(self.translate()..self.first_time)
    }

    /// The names of all special tokens, in the order of their ids.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        let languages = LANGUAGES.iter().take(self.languages as usize).map(|code| format!("<|{code}|>"));
        let times = (0..self.vocab - self.first_time).map(|index| format!("<|{:.2}|>", f64::from(index) * 0.02));
        let fixed = ["<|endoftext|>", "<|startoftranscript|>"].map(str::to_owned);
        fixed.into_iter().chain(languages).chain(TASKS.map(str::to_owned)).chain(times)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn published_vocabularies_have_the_ids_of_openai() {
        let base = SpeechTokens::new(51_865, 50_257, 1500).unwrap();
        assert_eq!((base.start(), base.language(0), base.languages), (50_258, 50_259, 99));
        assert_eq!((base.translate(), base.transcribe(), base.previous()), (50_358, 50_359, 50_361));
        assert_eq!((base.no_speech(), base.no_times(), base.first_time), (50_362, 50_363, 50_364));
        assert!(base.is_multilingual());
        let names: Vec<_> = base.names().collect();
        assert_eq!(names.len(), 51_865 - 50_257);
        for (id, name) in [(50_257, "<|endoftext|>"), (50_265, "<|fr|>"), (50_359, "<|transcribe|>")] {
            assert_eq!(names[id - 50_257], name);
        }
        assert_eq!((names[107].as_str(), names.last().unwrap().as_str()), ("<|0.00|>", "<|30.00|>"));

        let english = SpeechTokens::new(51_864, 50_256, 1500).unwrap();
        assert!(!english.is_multilingual());
        assert_eq!((english.start(), english.first_time, english.languages), (50_257, 50_363, 99));
        assert_eq!(SpeechTokens::new(51_866, 50_257, 1500).unwrap().languages, 100);
    }

    #[test]
    fn vocabularies_without_room_are_rejected() {
        for (vocab, end, positions) in [(0, 0, 0), (20, 5, 20), (20, 15, 5), (300, 5, 5), (20, u32::MAX, 5)] {
            assert!(SpeechTokens::new(vocab, end, positions).is_err(), "{vocab} {end} {positions}");
        }
    }
}
