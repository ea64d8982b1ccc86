//! Full-text search in conversations.
//!
//! A query's words are found anywhere within words, in any case. [`SearchIndex`] knows each word once, so a query looks through the
//! vocabulary instead of all texts.

use std::collections::HashMap;
use std::ops::Range;

use parlance_protocol::library::{Id, Piece};

/// Characters that an excerpt has before the first match.
const BEFORE: usize = 30;
/// Characters of an excerpt.
const EXCERPT: usize = 120;

/// The words of a query, in lower case.
pub fn words(query: &str) -> Vec<String> {
    query.split_whitespace().map(str::to_lowercase).collect()
}

/// Conversations by the words in them. A conversation that is set again takes a new entry; its old one stays, and is skipped.
#[derive(Debug, Default)]
pub struct SearchIndex {
    /// All words, each followed by a line break.
    vocabulary: String,
    /// Where each word begins there.
    starts: Vec<usize>,
    by_word: HashMap<Box<str>, usize>,
    /// By word: the entries that have it, ascending.
    postings: Vec<Vec<u32>>,
    /// By entry: its conversation, unless it is an old one.
    entries: Vec<Option<Id>>,
    by_conversation: HashMap<Id, u32>,
}

impl SearchIndex {
    /// Sets the texts of a conversation.
    pub fn set<'t>(&mut self, id: Id, texts: impl IntoIterator<Item = &'t str>) {
        self.remove(id);
        let entry = self.entries.len() as u32;
        self.entries.push(Some(id));
        self.by_conversation.insert(id, entry);
        for text in texts {
            for word in text.to_lowercase().split_whitespace() {
                let word = self.word(word);
                let postings = &mut self.postings[word];
                if postings.last() != Some(&entry) {
                    postings.push(entry);
                }
            }
        }
    }

    /// Removes a conversation.
    pub fn remove(&mut self, id: Id) {
        if let Some(entry) = self.by_conversation.remove(&id) {
            self.entries[entry as usize] = None;
        }
    }

    /// Whether most entries are old ones, so that building the index again is worth it.
    pub fn is_worn(&self) -> bool {
        self.entries.len() > 2 * self.by_conversation.len() + 1000
    }

    /// The conversations that have each of these words, which must be in lower case, at least once.
    pub fn search(&self, words: &[String]) -> Vec<Id> {
        let mut found: Vec<bool> = self.entries.iter().map(Option::is_some).collect();
        for word in words {
            let mut has_word = vec![false; found.len()];
            for known in self.words_with(word) {
                for entry in &self.postings[known] {
                    has_word[*entry as usize] = true;
                }
            }
            for (found, has_word) in found.iter_mut().zip(has_word) {
                *found &= has_word;
            }
        }
        let entries = self.entries.iter().zip(found).filter(|(_, found)| *found);
        entries.filter_map(|(id, _)| *id).collect()
    }

    /// The index of a word, which is added if it is new.
    fn word(&mut self, word: &str) -> usize {
        if let Some(known) = self.by_word.get(word) {
            return *known;
        }
        let index = self.starts.len();
        self.starts.push(self.vocabulary.len());
        self.vocabulary.push_str(word);
        self.vocabulary.push('\n');
        self.by_word.insert(word.into(), index);
        self.postings.push(Vec::new());
        index
    }

    /// The known words that contain this one, which has no white space.
    fn words_with(&self, part: &str) -> Vec<usize> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = self.vocabulary.get(from..).and_then(|rest| rest.find(part)) {
            let index = self.starts.partition_point(|start| *start <= from + at) - 1;
            found.push(index);
            let Some(next) = self.starts.get(index + 1) else { break };
            from = *next;
        }
        found
    }
}

/// A text with the words marked, which must be in lower case.
pub fn pieces(text: &str, words: &[String]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut done = 0;
    let mut add = |range: Range<usize>, is_match: bool| {
        if !range.is_empty() {
            pieces.push(Piece { text: text[range].to_owned(), is_match });
        }
    };
    for range in matches(text, words) {
        add(done..range.start, false);
        done = range.end;
        add(range, true);
    }
    add(done..text.len(), false);
    pieces
}

/// What is around the first match in a text, as one line; `None` if there is no match.
pub fn excerpt(text: &str, words: &[String]) -> Option<Vec<Piece>> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let first = matches(&line, words).into_iter().next()?;
    let start = line[..first.start].char_indices().rev().nth(BEFORE - 1).map_or(0, |(at, _)| at);
    let end = line[start..].char_indices().nth(EXCERPT).map_or(line.len(), |(at, _)| start + at);
    let (before, after) = (if start > 0 { "…" } else { "" }, if end < line.len() { "…" } else { "" });
    Some(pieces(&format!("{before}{}{after}", &line[start..end]), words))
}

/// Where a text has one of the words, in order, without overlaps.
fn matches(text: &str, words: &[String]) -> Vec<Range<usize>> {
    // Lower case may have more characters, or others of another length.
    let lower: Vec<(char, Range<usize>)> = text
        .char_indices()
        .flat_map(|(at, c)| c.to_lowercase().map(move |lower| (lower, at..at + c.len_utf8())))
        .collect();
    let words: Vec<Vec<char>> =
        words.iter().map(|word| word.chars().collect()).filter(|word: &Vec<char>| !word.is_empty()).collect();
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < lower.len() {
        let starts = |word: &&Vec<char>| {
            word.len() <= lower.len() - at && word.iter().zip(&lower[at..]).all(|(wanted, (c, _))| wanted == c)
        };
        let longest = words.iter().filter(starts).map(Vec::len).max();
        if let Some(len) = longest {
            found.push(lower[at].1.start..lower[at + len - 1].1.end);
            at += len;
        } else {
            at += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(index: &SearchIndex, query: &str) -> Vec<u64> {
        index.search(&words(query)).into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn every_word_must_occur() {
        let mut index = SearchIndex::default();
        index.set(Id(1), ["The capital of France", "Paris, straße, 東京"]);
        index.set(Id(2), ["Berlin is a capital"]);
        for (query, expected) in [
            ("", vec![1, 2]),
            ("PARIS france", vec![1]),
            ("cap", vec![1, 2]),
            ("pit berl", vec![2]),
            ("Straße 京", vec![1]),
            ("paris berlin", vec![]),
            ("capital\u{a0}of", vec![1]),
        ] {
            assert_eq!(found(&index, query), expected, "{query}");
        }
        assert!(found(&SearchIndex::default(), "a").is_empty());
    }

    #[test]
    fn conversations_are_changed_and_removed() {
        let mut index = SearchIndex::default();
        index.set(Id(1), ["otters"]);
        index.set(Id(2), ["otters and badgers"]);
        index.set(Id(1), ["badgers"]);
        assert_eq!((found(&index, "otters"), found(&index, "badgers")), (vec![2], vec![2, 1]));
        index.remove(Id(2));
        index.remove(Id(3));
        assert_eq!((found(&index, "otters"), found(&index, "badgers")), (vec![], vec![1]));
        assert!(!index.is_worn());
        for _ in 0..1500 {
            index.set(Id(1), ["badgers"]);
        }
        assert!(index.is_worn());
    }

    /// As `*a* b`.
    fn shown(pieces: &[Piece]) -> String {
        pieces
            .iter()
            .map(|piece| if piece.is_match { format!("*{}*", piece.text) } else { piece.text.clone() })
            .collect()
    }

    #[test]
    fn matches_are_marked_in_any_case() {
        let marked = |text: &str, query: &str| shown(&pieces(text, &words(query)));
        assert_eq!(marked("Otters, and OTTERS", "otter"), "*Otter*s, and *OTTER*S");
        assert_eq!(marked("straße İstanbul 東京都", "STRASSE İ 京"), "straße *İ*stanbul 東*京*都");
        assert_eq!(marked("aaa", "aa a"), "*aa**a*");
        assert_eq!((marked("", "a"), marked("b", "")), (String::new(), "b".to_owned()));
    }

    #[test]
    fn excerpts_are_around_the_first_match() {
        let text = format!("{}\n\nan **otter** {}", "before ".repeat(20), "after ".repeat(40));
        let excerpt = shown(&excerpt(&text, &words("otter")).unwrap_or_default());
        assert!(
            excerpt.starts_with("…") && excerpt.ends_with("…") && excerpt.contains("an ***otter*** after"),
            "{excerpt}"
        );
        assert!((100..140).contains(&excerpt.chars().count()), "{excerpt}");
        assert_eq!(super::excerpt("no such animal", &words("otter")), None);
        assert_eq!(shown(&super::excerpt("An otter.", &words("otter")).unwrap_or_default()), "An *otter*.");
    }
}
