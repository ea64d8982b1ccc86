//! The tokenizer, built from a file's metadata, and incremental detokenising.
//!
//! The `tokenizers` crate does byte-level BPE; control tokens are split off here first, because whether a
//! text may hold any depends on where it comes from.

use std::collections::HashMap;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior};

use crate::error::{EngineError, Result};
use crate::gguf::Gguf;

/// Put inside what looks like a control token in a message, so that it is none. A Unicode noncharacter; any
/// that a text brings along is dropped.
const GUARD: char = '\u{FDD0}';

/// Token kinds, `llama_token_type` in `llama.h`.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// How a family of byte-level BPE tokenizers cuts text into words.
struct PreTokenizer {
    /// The value of `tokenizer.ggml.pre`.
    names: &'static [&'static str],
    /// Splits applied in order, from `llama-vocab.cpp` and the families' `tokenizer.json`.
    patterns: &'static [&'static str],
    /// Take a word that is a token as it is, without merges.
    ignore_merges: bool,
}

const GPT2_WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

const PRE_TOKENIZERS: &[PreTokenizer] = &[
    PreTokenizer { names: &["gpt-2"], patterns: &[GPT2_WORDS], ignore_merges: false },
    PreTokenizer { names: &["smollm"], patterns: &[r"\p{N}", GPT2_WORDS], ignore_merges: false },
    PreTokenizer {
        names: &["llama-bpe", "llama3", "llama-v3"],
        patterns: &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        ignore_merges: true,
    },
    PreTokenizer {
        names: &["qwen2"],
        patterns: &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        ignore_merges: false,
    },
];

/// A tokenizer with its control tokens.
pub struct Tokenizer {
    bpe: tokenizers::Tokenizer,
    /// Text of each token, as it stands in the file.
    texts: Vec<String>,
    /// Bytes that each token stands for; none for control tokens.
    bytes: Vec<Vec<u8>>,
    /// Control and user-defined tokens, longest first.
    special: Vec<(String, u32)>,
    control: HashMap<String, u32>,
    begin_id: Option<u32>,
}

impl Tokenizer {
    /// Builds the tokenizer of a file whose embedding has `vocab` rows.
    ///
    /// # Errors
    /// A tokenizer that is missing, inconsistent or not supported.
    pub fn from_gguf(gguf: &Gguf, vocab: u32) -> Result<Self> {
        let metadata = &gguf.metadata;
        let model = metadata.require_string("tokenizer.ggml.model")?;
        if model != "gpt2" {
            return Err(EngineError::Tokenizer(format!("its kind “{model}” is not supported yet; “gpt2” is")));
        }
        let required = |key: &str| EngineError::MissingMetadata(key.to_owned());
        let texts = metadata.strings("tokenizer.ggml.tokens").ok_or_else(|| required("tokenizer.ggml.tokens"))?;
        let merges = metadata.strings("tokenizer.ggml.merges").ok_or_else(|| required("tokenizer.ggml.merges"))?;
        if texts.is_empty() || texts.len() > vocab as usize {
            return Err(EngineError::Tokenizer(format!("it has {} tokens for {vocab} embeddings", texts.len())));
        }
        let bpe = build_bpe(metadata.string("tokenizer.ggml.pre").unwrap_or("gpt-2"), texts, merges)?;
        let kinds = metadata.integers("tokenizer.ggml.token_type").unwrap_or_default();
        let byte_of = byte_alphabet();
        let mut special = Vec::new();
        let mut control = HashMap::new();
        let mut bytes = Vec::with_capacity(texts.len());
        for (id, text) in (0u32..).zip(texts) {
            let kind = kinds.get(id as usize).copied().unwrap_or_default();
            if matches!(kind, CONTROL | USER_DEFINED) && !text.is_empty() {
                special.push((text.clone(), id));
            }
            bytes.push(match kind {
                CONTROL => {
                    control.insert(text.clone(), id);
                    Vec::new()
                }
                USER_DEFINED => text.as_bytes().to_vec(),
                _ => token_bytes(text, &byte_of),
            });
        }
        special.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        let adds_begin = metadata.bool("tokenizer.ggml.add_bos_token").unwrap_or(false);
        let begin_id = metadata.u32("tokenizer.ggml.bos_token_id").filter(|id| adds_begin && *id < vocab);
        Ok(Self { bpe, texts: texts.to_vec(), bytes, special, control, begin_id })
    }

    /// Tokens of `text`, in which control tokens count as such unless [`Tokenizer::guard`] touched them.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        let mut rest = text;
        while let Some((at, special, id)) = self.first_special(rest) {
            self.encode_words(&rest[..at], &mut ids)?;
            ids.push(id);
            rest = &rest[at + special.len()..];
        }
        self.encode_words(rest, &mut ids)?;
        Ok(ids)
    }

    /// Breaks up whatever in `text` looks like a control token, so that [`Tokenizer::encode`] takes it as text.
    pub fn guard(&self, text: &str) -> String {
        let mut guarded = text.replace(GUARD, "");
        for (special, id) in &self.special {
            if self.bytes[*id as usize].is_empty() && guarded.contains(special.as_str()) {
                let mut characters = special.chars();
                let first = characters.next().map(String::from).unwrap_or_default();
                guarded = guarded.replace(special.as_str(), &format!("{first}{GUARD}{}", characters.as_str()));
            }
        }
        guarded
    }

    /// The text of a token, as it stands in the file.
    pub fn text(&self, id: u32) -> Option<&str> {
        self.texts.get(id as usize).map(String::as_str)
    }

    /// The control token with this text.
    pub fn control_id(&self, text: &str) -> Option<u32> {
        self.control.get(text).copied()
    }

    /// The token that begins a sequence, if the model wants one.
    pub fn begin_id(&self) -> Option<u32> {
        self.begin_id
    }

    /// The first special token in `text`, the longest where several begin: its place, text and id.
    fn first_special(&self, text: &str) -> Option<(usize, &str, u32)> {
        self.special
            .iter()
            .filter_map(|(special, id)| Some((text.find(special.as_str())?, special.as_str(), *id)))
            .min_by_key(|(at, special, _)| (*at, std::cmp::Reverse(special.len())))
    }

    fn encode_words(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let text = text.replace(GUARD, "");
        if text.is_empty() {
            return Ok(());
        }
        let encoding = self.bpe.encode_fast(text, false).map_err(|error| EngineError::Tokenizer(error.to_string()))?;
        ids.extend_from_slice(encoding.get_ids());
        Ok(())
    }
}

fn build_bpe(pre: &str, texts: &[String], merges: &[String]) -> Result<tokenizers::Tokenizer> {
    let fault = |error: tokenizers::Error| EngineError::Tokenizer(error.to_string());
    let family = PRE_TOKENIZERS
        .iter()
        .find(|family| family.names.contains(&pre))
        .ok_or_else(|| EngineError::Tokenizer(format!("its pre-tokenizer “{pre}” is not supported yet")))?;
    let vocab: HashMap<String, u32> = texts.iter().cloned().zip(0..).collect();
    let merges = merges
        .iter()
        .map(|merge| {
            // A space inside a token is written as another character, so the first one separates.
            let (left, right) = merge
                .split_once(' ')
                .ok_or_else(|| EngineError::Tokenizer(format!("the merge “{merge}” has one part")))?;
            Ok((left.to_owned(), right.to_owned()))
        })
        .collect::<Result<Vec<_>>>()?;
    let model = BPE::builder()
        .vocab_and_merges(vocab.into_iter().collect::<tokenizers::models::bpe::Vocab>(), merges)
        .ignore_merges(family.ignore_merges)
        .build()
        .map_err(fault)?;
    let mut steps = Vec::new();
    for pattern in family.patterns {
        let pattern = SplitPattern::Regex((*pattern).to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(fault)?;
        steps.push(PreTokenizerWrapper::Split(split));
    }
    steps.push(PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, false)));
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    Ok(tokenizer)
}

/// The byte that each character of a byte-level vocabulary stands for (`bytes_to_unicode` of GPT-2): printable
/// characters of Latin-1 stand for themselves, the others for the characters from U+0100 on.
fn byte_alphabet() -> HashMap<char, u8> {
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..=u8::MAX).filter(|byte| !is_printable(*byte)).zip('\u{100}'..);
    (0..=u8::MAX)
        .filter(|byte| is_printable(*byte))
        .map(|byte| (char::from(byte), byte))
        .chain(others.map(|(byte, character)| (character, byte)))
        .collect()
}

fn token_bytes(text: &str, byte_of: &HashMap<char, u8>) -> Vec<u8> {
    text.chars()
        .flat_map(|character| match byte_of.get(&character) {
            Some(byte) => vec![*byte],
            None => character.to_string().into_bytes(),
        })
        .collect()
}

/// Turns a stream of tokens into text without ever splitting a character.
pub struct Detokenizer<'t> {
    tokenizer: &'t Tokenizer,
    /// The beginning of a character whose other bytes are still to come.
    pending: Vec<u8>,
}

impl<'t> Detokenizer<'t> {
    pub(crate) fn new(tokenizer: &'t Tokenizer) -> Self {
        Self { tokenizer, pending: Vec::new() }
    }

    /// The text that `id` completes; empty for control tokens and inside a character.
    pub fn push(&mut self, id: u32) -> String {
        if let Some(bytes) = self.tokenizer.bytes.get(id as usize) {
            self.pending.extend_from_slice(bytes);
        }
        take_complete(&mut self.pending)
    }

    /// What is left at the end: a replacement character for a character that never became complete.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

/// Takes the complete characters from the front of `pending`; bytes that cannot become one are replaced.
fn take_complete(pending: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut rest = pending.as_slice();
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                rest = &[];
                break;
            }
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                rest = after;
                // No length means that more bytes may still complete the character.
                let Some(len) = error.error_len() else { break };
                text.push(char::REPLACEMENT_CHARACTER);
                rest = &rest[len..];
            }
        }
    }
    let left = rest.to_vec();
    *pending = left;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_given_only_when_it_is_complete() {
        let mut pending = Vec::new();
        let mut pieces = Vec::new();
        for byte in "a€😀".bytes() {
            pending.push(byte);
            pieces.push(take_complete(&mut pending));
        }
        assert_eq!(pieces, ["a", "", "", "€", "", "", "", "😀"]);
        assert!(pending.is_empty());
    }

    #[test]
    fn impossible_bytes_are_replaced_and_the_stream_goes_on() {
        let mut pending = vec![b'a', 0xFF, b'b', 0xE2, 0x82];
        assert_eq!(take_complete(&mut pending), "a\u{FFFD}b");
        assert_eq!(pending, [0xE2, 0x82]);
    }

    #[test]
    fn the_byte_alphabet_covers_every_byte_once() {
        let alphabet = byte_alphabet();
        let mut bytes: Vec<u8> = alphabet.values().copied().collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
        assert_eq!((alphabet[&'Ġ'], alphabet[&'Ċ'], alphabet[&'a']), (b' ', b'\n', b'a'));
    }
}
