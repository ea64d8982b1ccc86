//! Finds special tokens in text, and neutralises text that looks like them. Both take time proportional to the length
//! of the text, however many special tokens there are.

use std::collections::BTreeMap;

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::nfa::contiguous::NFA;

use crate::error::{EngineError, Result};

/// Inserted into anything in a message that looks like a control token, so that it is not recognised. A Unicode
/// noncharacter, which is removed from texts that contain it.
pub(super) const GUARD: char = '\u{FDD0}';

/// Maximum size of all special tokens together; an automaton takes about fifty times as much memory.
const MAX_TOTAL_BYTES: usize = 1 << 20;
/// Maximum number of tokens considered that end at the same place, longest first. Real vocabularies have at most three.
const MAX_ENDING_TOGETHER: usize = 16;

/// A special token and how it is recognised in text.
#[derive(Clone)]
pub(super) struct Special {
    pub(super) text: String,
    pub(super) id: u32,
    /// It is recognised in any text, even a user's.
    pub(super) is_text: bool,
    /// White space after it is dropped.
    pub(super) strips_after: bool,
}

/// A part of a text.
#[derive(Clone, Copy)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    Special(u32),
}

/// The special tokens of a vocabulary.
pub(super) struct Specials {
    /// Sorted by length, longest first.
    tokens: Vec<Special>,
    /// Finds where tokens end.
    ends: Finder,
    /// Runs backwards and finds where control tokens begin.
    beginnings: Finder,
}

impl Specials {
    pub(super) fn new(mut tokens: Vec<Special>) -> Result<Self> {
        if tokens.iter().map(|special| special.text.len()).sum::<usize>() > MAX_TOTAL_BYTES {
            return Err(EngineError::Tokenizer("its special tokens are too long".to_owned()));
        }
        tokens.sort_by_key(|special| std::cmp::Reverse(special.text.len()));
        let ends = Finder::new(tokens.iter().map(|special| special.text.as_bytes().to_vec()))?;
        let control = tokens.iter().filter(|special| !special.is_text);
        let beginnings = Finder::new(control.map(|special| special.text.bytes().rev().collect()))?;
        Ok(Self { tokens, ends, beginnings })
    }

    /// The same, but with these as control tokens.
    pub(super) fn with_control(&self, control: &[(u32, String)]) -> Result<Self> {
        let mut tokens = self.tokens.clone();
        for (id, text) in control {
            match tokens.iter_mut().find(|special| special.id == *id) {
                Some(special) => special.is_text = false,
                None => {
                    tokens.push(Special { text: text.clone(), id: *id, is_text: false, strips_after: false });
                }
            }
        }
        Self::new(tokens)
    }

    /// The token with this text.
    pub(super) fn id(&self, text: &str) -> Option<u32> {
        self.tokens.iter().find(|special| special.text == text).map(|special| special.id)
    }

    /// Splits off the tokens for which `wanted` is true, longer ones first, as llama.cpp does.
    pub(super) fn split<'t>(&self, text: &'t str, wanted: impl Fn(&Special) -> bool) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        let mut done = 0;
        for (start, (end, token)) in self.chosen(text, wanted) {
            if start > done {
                pieces.push(Piece::Text(&text[done..start]));
            }
            pieces.push(Piece::Special(self.tokens[token].id));
            done = end;
        }
        if done < text.len() {
            pieces.push(Piece::Text(&text[done..]));
        }
        pieces
    }

    /// Breaks up anything in `text` that looks like a control token, even if two of them overlap.
    pub(super) fn guard(&self, text: &str) -> String {
        let text = text.replace(GUARD, "");
        let backwards = self.beginnings.states(text.bytes().rev()).zip((0..text.len()).rev());
        let found = backwards.filter(|(state, _)| self.beginnings.automaton.is_match(*state));
        let beginnings: Vec<usize> = found.map(|(_, at)| at).collect();
        let mut guarded = String::with_capacity(text.len());
        let mut done = 0;
        for at in beginnings.into_iter().rev() {
            let after_first = at + text[at..].chars().next().map_or(0, char::len_utf8);
            guarded.push_str(&text[done..after_first]);
            guarded.push(GUARD);
            done = after_first;
        }
        guarded.push_str(&text[done..]);
        guarded
    }

    /// The tokens to split off: (end, index) by start. The end includes white space that is dropped.
    fn chosen(&self, text: &str, wanted: impl Fn(&Special) -> bool) -> BTreeMap<usize, (usize, usize)> {
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (state, end) in self.ends.states(text.bytes()).zip(1..) {
            if !self.ends.automaton.is_match(state) {
                continue;
            }
            for index in 0..self.ends.automaton.match_len(state).min(MAX_ENDING_TOGETHER) {
                let token = self.ends.automaton.match_pattern(state, index).as_usize();
                let special = &self.tokens[token];
                if wanted(special) {
                    places.push((token, end - special.text.len()));
                }
            }
        }
        // Indices are in order of length.
        places.sort_unstable();
        let mut chosen: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for (token, start) in places {
            let special = &self.tokens[token];
            let mut end = start + special.text.len();
            if chosen.range(..end).next_back().is_some_and(|(_, (taken, _))| *taken > start) {
                continue;
            }
            if special.strips_after {
                let next = chosen.range(end..).next().map_or(text.len(), |(next, _)| *next);
                let is_space = |character: char| character.is_ascii_whitespace() || character == '\u{B}';
                end = next - text[end..next].trim_start_matches(is_space).len();
            }
            chosen.insert(start, (end, token));
        }
        chosen
    }
}

/// An Aho-Corasick automaton that runs through text byte by byte.
struct Finder {
    automaton: NFA,
    start: StateID,
}

impl Finder {
    fn new(patterns: impl Iterator<Item = Vec<u8>>) -> Result<Self> {
        let automaton = NFA::new(patterns).map_err(|error| EngineError::Tokenizer(error.to_string()))?;
        let start = automaton.start_state(Anchored::No).map_err(|error| EngineError::Tokenizer(error.to_string()))?;
        Ok(Self { automaton, start })
    }

    /// The state after each byte.
    fn states(&self, bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = StateID> {
        bytes.scan(self.start, move |state, byte| {
            *state = self.automaton.next_state(Anchored::No, *state, byte);
            Some(*state)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn specials(texts: &[(&str, bool)]) -> Specials {
        let tokens = (0..).zip(texts).map(|(id, (text, is_text))| Special {
            text: (*text).to_owned(),
            id,
            is_text: *is_text,
            strips_after: text.ends_with('$'),
        });
        match Specials::new(tokens.collect()) {
            Ok(specials) => specials,
            Err(error) => panic!("{error}"),
        }
    }

    fn split(specials: &Specials, text: &str) -> Vec<String> {
        let pieces = specials.split(text, |_| true);
        pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Special(id) => format!("#{id}"),
            })
            .collect()
    }

    #[test]
    fn longer_tokens_are_split_off_first() {
        let tokens = specials(&[("abc", false), ("bcde", false), ("<e>", true), ("<e>$", false)]);
        assert_eq!(split(&tokens, "abcde"), ["a", "#1"]);
        assert_eq!(split(&tokens, "abcabc"), ["#0", "#0"]);
        assert_eq!(split(&tokens, "x<e>y<e>$ \n <e>z"), ["x", "#2", "y", "#3", "#2", "z"]);
        assert_eq!(split(&tokens, ""), Vec::<String>::new());
        assert_eq!(split(&specials(&[]), "abc"), ["abc"]);
    }

    #[test]
    fn guarded_texts_contain_no_control_tokens() {
        let tokens = specials(&[("ab>", false), ("b>c", false), ("é|", false), ("<t>", true), ("aa", false)]);
        for text in ["ab>c", "xab>cb>cé|", "aaaa", "a\u{FDD0}b>", "<t>", "aab>c"] {
            let guarded = tokens.guard(text);
            let found = tokens.split(&guarded, |special| !special.is_text);
            assert!(found.iter().all(|piece| matches!(piece, Piece::Text(_))), "{text}: {guarded:?}");
            assert_eq!(guarded.replace(GUARD, ""), text.replace(GUARD, ""), "{text}");
        }
        assert_eq!(tokens.guard("a <t> b"), "a <t> b");
    }

    #[test]
    fn time_does_not_depend_on_the_number_of_tokens() {
        let texts: Vec<String> = (0..10_000).map(|number| format!("<|special_{number}|>")).collect();
        let many = specials(&texts.iter().map(|text| (text.as_str(), false)).collect::<Vec<_>>());
        // All of them, ten times.
        let text = texts.concat().repeat(10);
        let start = Instant::now();
        assert_eq!(many.split(&text, |_| true).len(), 100_000);
        let guarded = many.guard(&text);
        assert_eq!(guarded.len(), text.len() + 100_000 * GUARD.len_utf8());
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        // Tokens that are suffixes of each other, in a text where all of them end everywhere.
        let nested: Vec<String> = (1..1000).map(|len| "a".repeat(len)).collect();
        let nested = specials(&nested.iter().map(|text| (text.as_str(), false)).collect::<Vec<_>>());
        let start = Instant::now();
        let text = "a".repeat(100_000);
        assert!(!nested.split(&text, |_| true).is_empty() && !nested.guard(&text).is_empty());
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}
