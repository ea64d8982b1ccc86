//! Long files: cut into passages, of which those that matter for a question are found by meaning or by words.

use bm25::{Embedder, EmbedderBuilder, Scorer, Tokenizer};
use parlance_protocol::library::Attachment;
use pulldown_cmark::{Event, Options, Parser};
use unicode_segmentation::UnicodeSegmentation as _;

/// Most characters of a passage: a few paragraphs, and no more than small embedding models read.
const PASSAGE_CHARS: usize = 800;

/// Cuts a text between its paragraphs, lists and code blocks; those that are longer than a passage, between sentences. Short ones
/// that follow each other share a passage. (The text-splitter crate would do, but brings two megabytes of dictionaries.)
fn split(text: &str) -> Vec<String> {
    let mut passages: Vec<String> = Vec::new();
    let mut is_after_heading = false;
    for piece in blocks(text).into_iter().flat_map(pieces) {
        let chars = piece.chars().count();
        let is_heading = piece.starts_with('#');
        // A heading belongs to what follows it.
        let joins = is_after_heading || !is_heading;
        is_after_heading = is_heading;
        match passages.last_mut().filter(|last| last.chars().count() + chars < PASSAGE_CHARS) {
            Some(last) if joins => {
                last.push_str("\n\n");
                last.push_str(piece);
            }
            _ => passages.push(piece.to_owned()),
        }
    }
    passages
}

/// The top-level blocks of a Markdown text.
fn blocks(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut blocks = Vec::new();
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
        let is_block = depth == 0 && !matches!(event, Event::Start(_));
        blocks.extend(is_block.then(|| text[range].trim()).filter(|block| !block.is_empty()));
    }
    blocks
}

/// A block in pieces of no more than a passage.
fn pieces(block: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut end, mut chars) = (0, 0, 0);
    for sentence in block.split_sentence_bounds() {
        for part in parts(sentence) {
            let length = part.chars().count();
            if chars + length > PASSAGE_CHARS {
                pieces.push(block[start..end].trim());
                (start, chars) = (end, 0);
            }
            end += part.len();
            chars += length;
        }
    }
    pieces.push(block[start..].trim());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// A sentence in parts of no more than a passage.
fn parts(sentence: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = sentence;
    while let Some((at, _)) = rest.char_indices().nth(PASSAGE_CHARS) {
        let (part, after) = rest.split_at(at);
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// The passages of files whose words fit the question best and that have no more than `max_chars` together, in the order of the
/// files, each under its file's name.
pub fn find(files: &[Attachment], question: &str, max_chars: usize) -> Vec<Attachment> {
    let named = |file: &Attachment| {
        let name = file.name.clone();
        split(&file.text).into_iter().map(move |text| (name.clone(), text))
    };
    let (titles, mut passages): (Vec<String>, Vec<String>) = files.iter().flat_map(named).unzip();
    let chosen = best(&passages, &by_words(&passages, question), max_chars);
    let passage = |index: usize| Attachment { name: titles[index].clone(), text: std::mem::take(&mut passages[index]) };
    chosen.into_iter().map(passage).collect()
}

/// The passages whose vectors are nearest to the question's and that have no more than `max_chars` together, as indices in the order
/// of the text.
pub fn best_by_meaning(passages: &[String], question: &[f32], vectors: &[Vec<f32>], max_chars: usize) -> Vec<usize> {
    let scores: Vec<f32> = vectors.iter().map(|vector| cosine(question, vector)).collect();
    best(passages, &scores, max_chars)
}

/// The passages with the highest scores.
fn best(passages: &[String], scores: &[f32], max_chars: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..passages.len().min(scores.len())).collect();
    // The sort is stable: where nothing tells passages apart, the first ones are taken.
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut left = max_chars;
    let mut chosen: Vec<usize> = order
        .into_iter()
        .take_while(|index| {
            let chars = passages[*index].chars().count();
            let fits = chars <= left;
            left = left.saturating_sub(chars);
            fits
        })
        .collect();
    chosen.sort_unstable();
    chosen
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length > 0.0 { dot(a, b) / length } else { 0.0 }
}

/// BM25 scores.
fn by_words(passages: &[String], question: &str) -> Vec<f32> {
    let texts: Vec<&str> = passages.iter().map(String::as_str).collect();
    // Words are compared by hashes: those of 32 bits are alike for many numbers.
    let embedder: Embedder<u64, Words> = EmbedderBuilder::with_tokenizer_and_fit_to_corpus(Words, &texts).build();
    let mut scorer = Scorer::<usize, u64>::new();
    for (index, text) in texts.iter().enumerate() {
        scorer.upsert(&index, embedder.embed(text));
    }
    let question = embedder.embed(question);
    (0..texts.len()).map(|index| scorer.score(&index, &question).unwrap_or_default()).collect()
}

/// Words in small letters; where a script has no spaces, single characters.
struct Words;

impl Tokenizer for Words {
    fn tokenize(&self, text: &str) -> Vec<String> {
        let is_cjk = |c: char| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}');
        let mut words = Vec::new();
        for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            if word.chars().any(is_cjk) {
                words.extend(word.chars().map(String::from));
            } else {
                words.push(word.to_owned());
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANIMALS: &str = "# Animals\n\n## Foxes\n\nFoxes hunt mice at night.\n\n## Bees\n\nBees make honey from nectar.\n\n## Whales\n\nWhales sing under water.\n";

    #[test]
    fn texts_are_cut_between_paragraphs() {
        let text = format!("{}\n\n{}", "One. ".repeat(100), "Two. ".repeat(100));
        let passages = split(&text);
        assert_eq!(passages.len(), 2);
        assert!(passages[0].ends_with("One.") && passages[1].starts_with("Two."));
        assert_eq!(split(ANIMALS)[0], "# Animals\n\n## Foxes\n\nFoxes hunt mice at night.");
        let long = "A sentence of some length. ".repeat(100);
        let passages = split(&long);
        assert!(passages.len() == 4 && passages.iter().all(|passage| passage.ends_with('.')), "{passages:?}");
        assert!(split("").is_empty());
        assert!(split(&"x".repeat(5000)).iter().all(|passage| passage.chars().count() <= PASSAGE_CHARS));
    }

    #[test]
    fn passages_are_found_by_words() {
        let passages: Vec<String> = ANIMALS.split("\n\n").map(str::to_owned).collect();
        let by_words =
            |passages: &[String], question, max_chars| best(passages, &by_words(passages, question), max_chars);
        let chosen = by_words(&passages, "What do bees make?", 40);
        assert_eq!(chosen.iter().map(|index| passages[*index].as_str()).collect::<Vec<_>>()[0], "## Bees");
        let text: String = chosen.iter().map(|index| passages[*index].as_str()).collect();
        assert!(text.contains("honey") && !text.contains("Whales"), "{text}");
        let japanese = ["狐は夜に狩りをする。", "蜂は蜜を作る。"].map(str::to_owned);
        assert_eq!(by_words(&japanese, "蜜は誰が作る？", 10), [1]);
    }

    #[test]
    fn numbers_are_told_apart() {
        let text =
            (123_000..124_000).map(|row| format!("{row};person {row};{}", row * 7)).collect::<Vec<_>>().join("\n");
        let files = [Attachment { name: "people.csv".to_owned(), text }];
        let found = find(&files, "Which number has person 123456?", 1_500);
        assert!(found.iter().any(|passage| passage.text.contains("123456;person 123456;864192")), "{found:?}");
    }

    #[test]
    fn passages_are_found_by_meaning() {
        let passages = ["a", "b", "c"].map(str::to_owned);
        let vectors = [vec![1.0, 0.0], vec![0.6, 0.8], vec![0.0, 1.0]];
        assert_eq!(best_by_meaning(&passages, &[0.1, 1.0], &vectors, 2), [1, 2]);
        assert!(best_by_meaning(&passages, &[0.1, 1.0], &vectors, 0).is_empty());
    }

    #[test]
    fn passages_of_several_files_keep_their_names() {
        let file = |name: &str, text: String| Attachment { name: name.to_owned(), text };
        // Rows of a table have no sentences and no paragraphs.
        let rows = (0..2_000).map(|row| format!("{row};person {row};{}\n", row * 7)).collect::<Vec<_>>().concat();
        let files = [file("animals.md", ANIMALS.to_owned()), file("people.csv", rows)];
        let found = find(&files, "Which number has person 1234?", PASSAGE_CHARS);
        assert_eq!(found.len(), 1);
        assert!(found[0].name == "people.csv" && found[0].text.contains("1234;person 1234;8638"), "{found:?}");
        // What fits is there as a whole, in order.
        let all = find(&files, "", 1_000_000);
        assert_eq!(all[0].name, "animals.md");
        assert!(all.len() > 40 && all.is_sorted_by_key(|passage| passage.name.clone()));
    }
}
