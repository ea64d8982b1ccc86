//! Tokenizers, built from a file's metadata, and incremental detokenization.
//!
//! Special tokens are split off here, because it depends on a text's origin whether it may contain any. The text
//! between them is left to the kind of tokenizer that the file specifies.

mod byte_level;
mod detokenizer;
mod normalizer;
mod pre_tokenizer;
mod ranks;
mod sentence_piece;
mod special;
mod words;

use std::collections::HashMap;

use tokenizers::Model as _;
use tokenizers::models::bpe::BPE;
use tokenizers::models::unigram::Unigram;

use self::byte_level::{byte_alphabet, token_bytes};
pub use self::detokenizer::Detokenizer;
use self::normalizer::CharacterMap;
pub(crate) use self::ranks::{byte_level_merges, byte_level_texts};
use self::sentence_piece::{SPACE, SentencePiece};
use self::special::{GUARD, Piece, Special, Specials};
use crate::error::{EngineError, Result};
use crate::gguf::{Gguf, Metadata};

/// Token types, see `llama_token_type` in `llama.h`.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const BYTE: i64 = 6;

/// Vocabularies of one family differ in up to this many unused tokens at their ends, as in llama.cpp's check of draft
/// models: Qwen 2.5 has 151,936 tokens when it is small, and 152,064 when it is large.
const MAX_PADDING: usize = 128;

/// How text without special tokens is tokenized.
enum Words {
    /// Byte-level BPE (`gpt2`) or `WordPiece` (`bert`), from the `tokenizers` crate.
    Crate(Box<tokenizers::Tokenizer>),
    /// `SentencePiece`'s BPE (`llama`).
    SentencePiece(SentencePiece),
    /// BPE of the characters between line breaks (`gemma4`); several line breaks may be one token.
    Lines(Box<BPE>),
    /// `SentencePiece`'s Unigram (`t5`).
    Unigram { model: Box<Unigram>, map: Option<CharacterMap>, joins_spaces: bool },
}

/// A tokenizer with its special tokens.
pub struct Tokenizer {
    words: Words,
    /// Text of each token, as stored in the file.
    texts: Vec<String>,
    /// Bytes of each token; empty for control tokens.
    bytes: Vec<Vec<u8>>,
    special: Specials,
    control: HashMap<String, u32>,
    begin_id: Option<u32>,
    end_id: Option<u32>,
    /// Between two texts, after the token that ends the first.
    separator_id: Option<u32>,
    adds_begin: bool,
    adds_end: bool,
    /// A space is inserted before a text and after special tokens.
    adds_space: bool,
}

/// Defaults of a kind of tokenizer, which the file may override.
struct Defaults {
    begin_id: Option<u32>,
    end_id: Option<u32>,
    adds_begin: bool,
    adds_end: bool,
    adds_space: bool,
}

impl Tokenizer {
    /// Builds the tokenizer of a file whose embedding has `vocab` rows.
    ///
    /// # Errors
    /// If the tokenizer is missing, inconsistent or unsupported.
    pub fn from_gguf(gguf: &Gguf, vocab: u32) -> Result<Self> {
        let metadata = &gguf.metadata;
        let kind = metadata.require_string("tokenizer.ggml.model")?;
        let required = |key: &str| EngineError::MissingMetadata(key.to_owned());
        let texts = metadata.strings("tokenizer.ggml.tokens").ok_or_else(|| required("tokenizer.ggml.tokens"))?;
        if texts.is_empty() || texts.len() > vocab as usize {
            return Err(EngineError::Tokenizer(format!("it has {} tokens for {vocab} embeddings", texts.len())));
        }
        let kinds = metadata.integers("tokenizer.ggml.token_type").unwrap_or_default();
        let kind_of = |id: u32| kinds.get(id as usize).copied().unwrap_or_default();
        let (words, defaults) = build_words(kind, metadata, texts, kind_of)?;
        let id = |key: &str, default: Option<u32>| {
            metadata.u32(&format!("tokenizer.ggml.{key}")).or(default).filter(|id| (*id as usize) < texts.len())
        };
        let flag = |key: &str, default| metadata.bool(&format!("tokenizer.ggml.{key}")).unwrap_or(default);
        let end_key =
            if kind == "bert" { ("seperator_token_id", "add_sep_token") } else { ("eos_token_id", "add_eos_token") };
        let mut tokenizer = Self {
            words,
            texts: texts.to_vec(),
            bytes: Vec::with_capacity(texts.len()),
            special: Specials::new(Vec::new())?,
            control: HashMap::new(),
            begin_id: id("bos_token_id", defaults.begin_id),
            end_id: id(end_key.0, defaults.end_id),
            // BERT's separator is also its end.
            separator_id: id("seperator_token_id", None).filter(|_| kind != "bert" && flag("add_sep_token", false)),
            adds_begin: flag("add_bos_token", defaults.adds_begin),
            adds_end: flag(end_key.1, defaults.adds_end),
            adds_space: flag("add_space_prefix", defaults.adds_space),
        };
        tokenizer.read_tokens(kind, metadata.string("general.name").unwrap_or_default(), kind_of)?;
        Ok(tokenizer)
    }

    /// Collects the special tokens, and the bytes of each token.
    fn read_tokens(&mut self, kind: &str, model_name: &str, kind_of: impl Fn(u32) -> i64) -> Result<()> {
        let byte_of = byte_alphabet();
        // Phi 3 drops white space after its special tokens. llama.cpp also recognises it by its name.
        let name = model_name.to_lowercase();
        let strips = name.contains("phi-3") || name.contains("phi3");
        let mut special = Vec::new();
        for (id, text) in (0u32..).zip(&self.texts) {
            let token_kind = kind_of(id);
            if matches!(token_kind, UNKNOWN | CONTROL | USER_DEFINED) && !text.is_empty() {
                let strips_after = strips && !["<unk>", "<s>", "<|endoftext|>"].contains(&text.as_str());
                let is_text = token_kind == USER_DEFINED;
                special.push(Special { text: text.clone(), id, is_text, strips_after });
            }
            self.bytes.push(match token_kind {
                CONTROL | UNKNOWN => {
                    self.control.insert(text.clone(), id);
                    Vec::new()
                }
                BYTE => byte_value(text).map_or_else(|| text.as_bytes().to_vec(), |byte| vec![byte]),
                USER_DEFINED if kind == "gpt2" => text.as_bytes().to_vec(),
                _ if kind == "gpt2" => token_bytes(text, &byte_of),
                _ => text.replace(SPACE, " ").into_bytes(),
            });
        }
        self.special = Specials::new(special)?;
        Ok(())
    }

    /// Turns text tokens of the file into control tokens: only a template can produce them, and they have no bytes.
    pub(crate) fn make_control(&mut self, ids: &[u32]) -> Result<()> {
        let control: Vec<(u32, String)> =
            ids.iter().filter_map(|id| Some((*id, self.texts.get(*id as usize)?.clone()))).collect();
        self.special = self.special.with_control(&control)?;
        for (id, text) in control {
            self.bytes[id as usize].clear();
            if let Words::SentencePiece(model) = &mut self.words {
                model.forget(&text);
            }
            self.control.insert(text, id);
        }
        Ok(())
    }

    /// The token with this text, whatever its type.
    pub(crate) fn id(&self, text: &str) -> Option<u32> {
        let any = || (0u32..).zip(&self.texts).find(|(_, other)| *other == text).map(|(id, _)| id);
        self.control_id(text).or_else(|| self.special.id(text)).or_else(any)
    }

    /// Tokenizes `text`, recognising control tokens unless [`Tokenizer::guard`] has broken them up.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_pieces(self.special.split(text, |_| true))
    }

    /// Tokenizes `text` without recognising control tokens.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`].
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_pieces(self.special.split(text, |special| special.is_text))
    }

    /// Adds the tokens with which the model expects a sequence to begin and to end.
    #[must_use]
    pub fn wrap(&self, ids: Vec<u32>) -> Vec<u32> {
        let mut wrapped = self.with_begin(ids);
        wrapped.extend(self.end_id.filter(|_| self.adds_end));
        wrapped
    }

    /// Two texts in one sequence, with the tokens that the model expects around and between them.
    #[must_use]
    pub fn wrap_pair(&self, first: Vec<u32>, second: &[u32]) -> Vec<u32> {
        let mut wrapped = self.wrap(first);
        wrapped.extend(self.separator_id);
        wrapped.extend_from_slice(second);
        wrapped.extend(self.end_id.filter(|_| self.adds_end));
        wrapped
    }

    /// Whether a sequence ends with a token of its own.
    pub fn adds_end(&self) -> bool {
        self.adds_end && self.end_id.is_some()
    }

    /// Adds the token with which the model expects a sequence to begin, unless it is already there.
    #[must_use]
    pub fn with_begin(&self, mut ids: Vec<u32>) -> Vec<u32> {
        if let Some(begin_id) = self.begin_id.filter(|_| self.adds_begin)
            && ids.first() != Some(&begin_id)
        {
            ids.insert(0, begin_id);
        }
        ids
    }

    /// Breaks up anything in `text` that looks like a control token, so that [`Tokenizer::encode`] treats it as text.
    pub fn guard(&self, text: &str) -> String {
        self.special.guard(text)
    }

    /// The text of a token, as stored in the file.
    pub fn text(&self, id: u32) -> Option<&str> {
        self.texts.get(id as usize).map(String::as_str)
    }

    /// The bytes of a token; empty for control tokens.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id as usize).map(Vec::as_slice).unwrap_or_default()
    }

    /// Number of tokens in the vocabulary.
    pub fn vocab_len(&self) -> usize {
        self.texts.len()
    }

    /// The control token with this text.
    pub fn control_id(&self, text: &str) -> Option<u32> {
        self.control.get(text).copied()
    }

    /// The token that ends a sequence.
    pub fn end_id(&self) -> Option<u32> {
        self.end_id
    }

    /// Checks that tokens mean the same to a draft model with another tokenizer. One of the vocabularies may be padded.
    ///
    /// # Errors
    /// [`EngineError::WrongDraft`] with the difference.
    pub fn check_draft(&self, draft: &Self) -> Result<()> {
        let (own, others) = (self.texts.len(), draft.texts.len());
        if own.abs_diff(others) > MAX_PADDING {
            return Err(EngineError::WrongDraft(format!("it has a vocabulary of {others} tokens, not of {own}")));
        }
        if let Some(id) = self.texts.iter().zip(&draft.texts).position(|(own, other)| own != other) {
            let (own, other) = (&self.texts[id], &draft.texts[id]);
            return Err(EngineError::WrongDraft(format!("in its vocabulary, token {id} is “{other}”, not “{own}”")));
        }
        let ends = |tokenizer: &Self| (tokenizer.begin_id, tokenizer.end_id, tokenizer.adds_begin);
        if ends(self) != ends(draft) {
            return Err(EngineError::WrongDraft("its texts begin or end with other tokens".to_owned()));
        }
        Ok(())
    }

    fn encode_pieces(&self, pieces: Vec<Piece<'_>>) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        let mut after_special = true;
        for piece in pieces {
            match piece {
                Piece::Special(id) => ids.push(id),
                Piece::Text(text) => self.encode_words(&text.replace(GUARD, ""), after_special, &mut ids)?,
            }
            after_special = matches!(piece, Piece::Special(_));
        }
        Ok(ids)
    }

    fn encode_words(&self, text: &str, after_special: bool, ids: &mut Vec<u32>) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        // Adds a space if the model expects one, and replaces spaces with their symbol in the vocabulary.
        let spaced = |text: &str| {
            let prefix = if self.adds_space && after_special { " " } else { "" };
            format!("{prefix}{text}").replace(' ', SPACE.encode_utf8(&mut [0; 4]))
        };
        match &self.words {
            Words::Crate(tokenizer) => {
                ids.extend_from_slice(tokenizer.encode_fast(text, false).map_err(words::fault)?.get_ids());
            }
            Words::SentencePiece(model) => model.encode(&spaced(text), ids),
            Words::Lines(model) => {
                for run in words::line_runs(&spaced(text)) {
                    match model.token_to_id(run).filter(|_| run.starts_with('\n')) {
                        Some(id) => ids.push(id),
                        None => ids.extend(model.tokenize(run).map_err(words::fault)?.iter().map(|token| token.id)),
                    }
                }
            }
            Words::Unigram { model, map, joins_spaces } => {
                let mut text = map.as_ref().map_or_else(|| text.to_owned(), |map| map.normalize(text));
                if *joins_spaces {
                    text = text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
                }
                if text.is_empty() {
                    return Ok(());
                }
                ids.extend(model.tokenize(&spaced(&text)).map_err(words::fault)?.iter().map(|token| token.id));
            }
        }
        Ok(())
    }
}

fn build_words(
    kind: &str,
    metadata: &Metadata,
    texts: &[String],
    kind_of: impl Fn(u32) -> i64 + Copy,
) -> Result<(Words, Defaults)> {
    let is_special = move |id| matches!(kind_of(id), UNKNOWN | CONTROL);
    let scores = || {
        let scores = metadata.floats("tokenizer.ggml.scores").unwrap_or_default();
        if scores.len() == texts.len() {
            return Ok(scores);
        }
        Err(EngineError::Tokenizer(format!("it has {} scores for {} tokens", scores.len(), texts.len())))
    };
    let merges = || {
        metadata
            .strings("tokenizer.ggml.merges")
            .ok_or_else(|| EngineError::MissingMetadata("tokenizer.ggml.merges".to_owned()))
    };
    let unknown = |default: u32| {
        let id = metadata.u32("tokenizer.ggml.unknown_token_id").unwrap_or(default);
        let text =
            texts.get(id as usize).ok_or_else(|| EngineError::Tokenizer(format!("its unknown token {id} is missing")));
        text.map(|text| (id, text.as_str()))
    };
    Ok(match kind {
        "gpt2" => {
            let name = metadata.string("tokenizer.ggml.pre").unwrap_or("default");
            let family = pre_tokenizer::find(name)
                .ok_or_else(|| EngineError::Tokenizer(format!("its pre-tokenizer “{name}” is not supported yet")))?;
            let words = Words::Crate(Box::new(words::byte_level_bpe(family, texts, merges()?)?));
            let (adds_begin, adds_end, adds_space) = (family.adds_begin, false, false);
            (words, Defaults { begin_id: None, end_id: None, adds_begin, adds_end, adds_space })
        }
        "gemma4" => {
            let words = Words::Lines(Box::new(words::character_bpe(texts, merges()?)?));
            let (begin_id, end_id) = (Some(2), Some(1));
            (words, Defaults { begin_id, end_id, adds_begin: true, adds_end: false, adds_space: false })
        }
        "llama" => {
            let (unknown_id, _) = unknown(0)?;
            let model = SentencePiece::new(texts, scores()?, unknown_id, is_special);
            let (begin_id, end_id) = (Some(1), Some(2));
            let defaults = Defaults { begin_id, end_id, adds_begin: true, adds_end: false, adds_space: true };
            (Words::SentencePiece(model), defaults)
        }
        "t5" => {
            let (unknown_id, _) = unknown(2)?;
            let map = metadata.bytes("tokenizer.ggml.precompiled_charsmap").filter(|map| !map.is_empty());
            let map = map
                .map(|bytes| {
                    CharacterMap::parse(&bytes)
                        .ok_or_else(|| EngineError::Tokenizer("its character map is damaged".into()))
                })
                .transpose()?;
            let model = Box::new(words::unigram(texts, scores()?, unknown_id, is_special)?);
            let joins_spaces = metadata.bool("tokenizer.ggml.remove_extra_whitespaces").unwrap_or(false);
            let (begin_id, end_id) = (None, Some(1));
            let defaults = Defaults { begin_id, end_id, adds_begin: false, adds_end: true, adds_space: true };
            (Words::Unigram { model, map, joins_spaces }, defaults)
        }
        "bert" => {
            let (unknown_id, text) = unknown(100)?;
            let words =
                Words::Crate(Box::new(words::word_piece(texts, text, |id| is_special(id) || id == unknown_id)?));
            let (begin_id, end_id) = (Some(101), Some(102));
            (words, Defaults { begin_id, end_id, adds_begin: true, adds_end: true, adds_space: false })
        }
        other => {
            return Err(EngineError::Tokenizer(format!(
                "its kind “{other}” is not supported; gpt2 and gemma4 (BPE), llama (SentencePiece), t5 (Unigram) and bert (WordPiece) are"
            )));
        }
    })
}

/// The byte of a token such as `<0x0A>`.
fn byte_value(text: &str) -> Option<u8> {
    let hex = text.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(hex, 16).ok()
}
