//! Grammars that constrain answers: compiles response formats to token masks, with llguidance.

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use parlance_engine::chat::Chat;
use parlance_protocol::openai::ResponseFormat;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::error::RequestError;

/// Compiles grammars for a model's vocabulary.
pub(crate) struct GrammarCompiler {
    factory: ParserFactory,
}

impl GrammarCompiler {
    /// Prepares the vocabulary of a model.
    ///
    /// # Errors
    /// [`RequestError::Grammar`] if it has no end-of-sequence token.
    pub(crate) fn new(chat: &Chat) -> Result<Self, RequestError> {
        let tokenizer = chat.tokenizer();
        let stop_ids = chat.stop_ids();
        let Some(end_id) = stop_ids.first() else {
            return Err(RequestError::Grammar("the model has no end-of-sequence token".to_owned()));
        };
        let words: Vec<Vec<u8>> = (0..tokenizer.vocab_len() as u32)
            .map(|id| match tokenizer.text(id) {
                Some(text) if tokenizer.control_id(text) == Some(id) => {
                    [&[TokTrie::SPECIAL_TOKEN_MARKER], text.as_bytes()].concat()
                }
                _ => tokenizer.token_bytes(id).to_vec(),
            })
            .collect();
        let info = TokRxInfo::new(words.len() as u32, *end_id);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(stop_ids);
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&environment).map_err(|error| grammar_error(&error))?;
        factory.quiet();
        Ok(Self { factory })
    }

    /// A matcher for a new text.
    ///
    /// # Errors
    /// [`RequestError::Field`] with `param` if the grammar does not compile.
    pub(crate) fn matcher(&self, grammar: TopLevelGrammar, param: &str) -> Result<Matcher, RequestError> {
        let parser = self.factory.create_parser(grammar).map_err(|error| invalid(param, &error))?;
        let matcher = Matcher::new(Ok(parser));
        match matcher.get_error() {
            None => Ok(matcher),
            Some(error) => Err(RequestError::field(param, error)),
        }
    }
}

/// The grammar of a response format, and the field that defines it; `None` for plain text.
///
/// # Errors
/// [`RequestError::Field`] if the format is unknown or incomplete.
pub(crate) fn from_format(format: &ResponseFormat) -> Result<Option<(TopLevelGrammar, &'static str)>, RequestError> {
    let missing = |param: &str| RequestError::field(param, "it is required for this type");
    Ok(match format.kind.as_str() {
        "text" => None,
        "json_object" => {
            let param = "response_format.schema";
            let schema = format.schema.clone().unwrap_or_else(|| json!({ "type": "object" }));
            Some((TopLevelGrammar::from_json_schema(with_fixed_spacing(schema, param)?), param))
        }
        "json_schema" => {
            let param = "response_format.json_schema";
            let schema = format.json_schema.as_ref().ok_or_else(|| missing(param))?;
            let param = "response_format.json_schema.schema";
            let schema = schema.schema.clone().unwrap_or_else(|| json!({}));
            Some((TopLevelGrammar::from_json_schema(with_fixed_spacing(schema, param)?), param))
        }
        "regex" => {
            let param = "response_format.regex";
            let regex = format.regex.as_ref().ok_or_else(|| missing(param))?;
            Some((TopLevelGrammar::from_regex(regex), param))
        }
        "grammar" => {
            let param = "response_format.grammar";
            let grammar = format.grammar.clone().ok_or_else(|| missing(param))?;
            Some((TopLevelGrammar::from_lark(grammar), param))
        }
        other => {
            let message = format!("“{other}” is not one of text, json_object, json_schema, regex, grammar");
            return Err(RequestError::field("response_format.type", message));
        }
    })
}

/// The schema with fixed white space, unless it has its own `x-guidance`. Flexible white space costs tokens and leads small models
/// astray.
///
/// # Errors
/// [`RequestError::Field`] with `param` if it is not a schema.
pub(crate) fn with_fixed_spacing(schema: Value, param: &str) -> Result<Value, RequestError> {
    let mut entries = match schema {
        Value::Object(entries) => entries,
        Value::Bool(true) => serde_json::Map::new(),
        _ => return Err(RequestError::field(param, "it must be a JSON schema, which is an object")),
    };
    entries
        .entry("x-guidance")
        .or_insert_with(|| json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " }));
    Ok(Value::Object(entries))
}

fn invalid(param: &str, error: &impl std::fmt::Display) -> RequestError {
    RequestError::field(param, format!("it cannot be used: {error}"))
}

pub(crate) fn grammar_error(error: &impl std::fmt::Display) -> RequestError {
    RequestError::Grammar(error.to_string())
}
