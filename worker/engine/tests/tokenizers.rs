//! Tokenizers of every kind and pre-tokenizer against llama.cpp (`fixtures/make_tokenizers.py`), token for token on
//! 4,800 strings.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeMap;

use std::sync::Arc;

use parlance_engine::gguf::{Gguf, Parsed, Value, Writer};
use parlance_engine::tokenizer::{Detokenizer, Tokenizer};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    strings: Vec<String>,
    vocabularies: Vec<Vocabulary>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Vocabulary {
    kind: String,
    tokens: Vec<String>,
    types: Vec<i64>,
    #[serde(default)]
    scores: Vec<f32>,
    #[serde(default)]
    merges: Vec<String>,
    ids: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Case {
    vocabulary: usize,
    pre: String,
    flags: BTreeMap<String, bool>,
    /// Hashes of the tokens of each string, special tokens being text; dots for strings left out.
    plain: String,
    /// Those that differ when special tokens are tokens, by place.
    special: BTreeMap<usize, String>,
}

fn tokenizer(vocabulary: &Vocabulary, case: &Case) -> Tokenizer {
    let mut writer = Writer::default();
    let mut add = |key: &str, value: Value| {
        writer.metadata(&format!("tokenizer.ggml.{key}"), &value);
    };
    add("model", Value::String(vocabulary.kind.clone()));
    add("pre", Value::String(case.pre.clone()));
    add("tokens", Value::Strings(vocabulary.tokens.clone()));
    add("token_type", Value::Integers(vocabulary.types.clone()));
    if !vocabulary.scores.is_empty() {
        add("scores", Value::Floats(vocabulary.scores.clone()));
    }
    if !vocabulary.merges.is_empty() {
        add("merges", Value::Strings(vocabulary.merges.clone()));
    }
    for (key, id) in &vocabulary.ids {
        add(&format!("{key}_token_id"), Value::Unsigned(*id));
    }
    for (key, value) in &case.flags {
        add(key, Value::Bool(*value));
    }
    let Parsed::Complete(gguf) = Gguf::parse(&writer.header(), None).unwrap() else { panic!("complete") };
    Tokenizer::from_gguf(&gguf, vocabulary.tokens.len() as u32).unwrap()
}

/// FNV-1a over the ids' little-endian bytes.
fn fnv(ids: &[u32]) -> u32 {
    let bytes = ids.iter().flat_map(|id| id.to_le_bytes());
    bytes.fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn hash(hex: &str) -> Option<u32> {
    u32::from_str_radix(hex, 16).ok()
}

#[test]
fn every_tokenizer_gives_llama_cpps_tokens() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/tokenizers.json")).unwrap();
    assert!(fixture.strings.len() >= 2000);
    let mut failures = Vec::new();
    for case in &fixture.cases {
        let vocabulary = &fixture.vocabularies[case.vocabulary];
        let tokenizer = tokenizer(vocabulary, case);
        let what = format!("{} {} {:?}", vocabulary.kind, case.pre, case.flags);
        let mut compared = 0;
        for (index, text) in fixture.strings.iter().enumerate() {
            let Some(plain) = hash(&case.plain[8 * index..][..8]) else { continue };
            compared += 1;
            let ids = tokenizer.encode_plain(text).unwrap();
            if fnv(&ids) != plain {
                failures.push(format!("{what}: {text:?} gives {:?}", pieces(&tokenizer, &ids)));
            }
            // What a person writes becomes the same tokens, on the way through a template, too.
            assert_eq!(tokenizer.encode(&tokenizer.guard(text)).unwrap(), ids, "{what}: {text:?}");
            let special = case.special.get(&index).map_or(Some(plain), |hex| hash(hex)).unwrap();
            let ids = tokenizer.encode(text).unwrap();
            if fnv(&ids) != special {
                failures.push(format!("{what}, special: {text:?} gives {:?}", pieces(&tokenizer, &ids)));
            }
        }
        assert!(compared >= 2000, "{what}: {compared} strings");
        assert!(!case.special.is_empty(), "{what}: some strings hold special tokens");
        println!("{what}: {compared} strings");
    }
    failures.truncate(40);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn pieces<'t>(tokenizer: &'t Tokenizer, ids: &[u32]) -> Vec<&'t str> {
    ids.iter().map(|id| tokenizer.text(*id).unwrap()).collect()
}

#[test]
fn tokens_give_the_text_again_without_splitting_a_character() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/tokenizers.json")).unwrap();
    for case in fixture.cases.iter().filter(|case| case.vocabulary < 2) {
        let tokenizer = Arc::new(tokenizer(&fixture.vocabularies[case.vocabulary], case));
        // SentencePiece writes a space and its own sign for one alike, and may put a space after special tokens.
        for text in fixture.strings.iter().filter(|text| !text.contains('▁') && !text.contains("\n\n")) {
            let ids = tokenizer.encode_plain(text).unwrap();
            let mut detokenizer = Detokenizer::new(Arc::clone(&tokenizer));
            let mut pushed: String = ids.iter().map(|id| detokenizer.push(*id)).collect();
            assert!(text.starts_with(&pushed), "{text:?} gives {pushed:?} before the end");
            pushed.push_str(&detokenizer.finish());
            assert_eq!(&pushed, text, "{}", case.pre);
        }
    }
}

#[test]
fn unknown_kinds_and_pre_tokenizers_are_named() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/tokenizers.json")).unwrap();
    let mut writer = Writer::default();
    let vocabulary = &fixture.vocabularies[0];
    writer.metadata("tokenizer.ggml.model", &Value::String("gpt2".to_owned()));
    writer.metadata("tokenizer.ggml.pre", &Value::String("from-the-future".to_owned()));
    writer.metadata("tokenizer.ggml.tokens", &Value::Strings(vocabulary.tokens.clone()));
    let Parsed::Complete(gguf) = Gguf::parse(&writer.header(), None).unwrap() else { panic!("complete") };
    let error = Tokenizer::from_gguf(&gguf, 5000).err().unwrap().to_string();
    assert!(error.contains("from-the-future"), "{error}");
}
