//! Tokenizes text without special tokens, with the `tokenizers` crate.

use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::models::unigram::Unigram;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer};

use super::pre_tokenizer::PreTokenizer;
use super::sentence_piece::SPACE;
use crate::error::{EngineError, Result};

pub(super) fn fault(error: tokenizers::Error) -> EngineError {
    EngineError::Tokenizer(error.to_string())
}

/// A BPE model's vocabulary and merges.
fn vocab_and_merges(texts: &[String], merges: &[String]) -> Result<(Vocab, Merges)> {
    let vocab = texts.iter().cloned().zip(0..).collect::<Vocab>();
    let merges = merges
        .iter()
        .map(|merge| {
            // The left part may begin with the separator.
            let split = merge.char_indices().skip(1).find(|(_, character)| *character == ' ');
            let (at, _) = split.ok_or_else(|| EngineError::Tokenizer(format!("the merge “{merge}” has one part")))?;
            let (left, right) = (&merge[..at], &merge[at + 1..]);
            // The crate panics on a merge that is longer than every token.
            if !vocab.contains_key(&format!("{left}{right}")) {
                return Err(EngineError::Tokenizer(format!("the merge “{merge}” forms no token")));
            }
            Ok((left.to_owned(), right.to_owned()))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok((vocab, merges))
}

/// Byte-level BPE.
pub(super) fn byte_level_bpe(family: &PreTokenizer, texts: &[String], merges: &[String]) -> Result<Tokenizer> {
    let (vocab, merges) = vocab_and_merges(texts, merges)?;
    let model =
        BPE::builder().vocab_and_merges(vocab, merges).ignore_merges(family.ignores_merges).build().map_err(fault)?;
    let mut steps = Vec::new();
    for pattern in family.patterns {
        let pattern = SplitPattern::Regex((*pattern).to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(fault)?;
        steps.push(PreTokenizerWrapper::Split(split));
    }
    steps.push(PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, false)));
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    Ok(tokenizer)
}

/// BPE of characters; those without a token fall back to bytes.
pub(super) fn character_bpe(texts: &[String], merges: &[String]) -> Result<BPE> {
    let (vocab, merges) = vocab_and_merges(texts, merges)?;
    BPE::builder().vocab_and_merges(vocab, merges).byte_fallback(true).build().map_err(fault)
}

/// The runs of line breaks in `text`, and what is between them.
pub(super) fn line_runs(mut text: &str) -> Vec<&str> {
    let mut runs = Vec::new();
    while let Some(first) = text.chars().next() {
        let end = if first == '\n' { text.find(|character| character != '\n') } else { text.find('\n') };
        let (run, rest) = text.split_at(end.unwrap_or(text.len()));
        runs.push(run);
        text = rest;
    }
    runs
}

/// `WordPiece` as in BERT. llama.cpp's conversion marks the start of words instead of their continuation.
pub(super) fn word_piece(texts: &[String], unknown: &str, is_special: impl Fn(u32) -> bool) -> Result<Tokenizer> {
    let vocab = (0u32..).zip(texts).map(|(id, text)| {
        let piece = match text.strip_prefix(SPACE) {
            _ if is_special(id) => text.clone(),
            Some(word) => word.to_owned(),
            None => format!("##{text}"),
        };
        (piece, id)
    });
    let model = WordPiece::builder()
        .vocab(vocab.collect::<Vocab>())
        .unk_token(unknown.to_owned())
        .max_input_chars_per_word(usize::MAX)
        .build()
        .map_err(fault)?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(BertNormalizer::new(true, true, Some(true), true))).map_err(fault)?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    Ok(tokenizer)
}

/// Unigram. Tokens for which `is_special` is true are never produced from text.
pub(super) fn unigram(
    texts: &[String],
    scores: &[f32],
    unknown: u32,
    is_special: impl Fn(u32) -> bool,
) -> Result<Unigram> {
    let pieces = (0u32..).zip(texts.iter().zip(scores)).map(|(id, (text, score))| {
        // A noncharacter, so that no text matches it.
        let piece = if is_special(id) { format!("\u{FDD1}{id}") } else { text.clone() };
        (piece, f64::from(*score))
    });
    Unigram::from(pieces.collect(), Some(unknown as usize), false).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::pre_tokenizer;

    #[test]
    fn runs_of_line_breaks_are_separate() {
        assert_eq!(line_runs("a b\n\nc\n"), ["a b", "\n\n", "c", "\n"]);
        assert_eq!(line_runs("\n"), ["\n"]);
        assert!(line_runs("").is_empty());
    }

    #[test]
    fn every_pattern_compiles() {
        for pattern in pre_tokenizer::patterns() {
            let split = SplitPattern::Regex(pattern.to_owned());
            let result = Split::new(split, SplitDelimiterBehavior::Isolated, false);
            assert!(result.is_ok(), "{pattern}: {result:?}");
        }
    }
}
