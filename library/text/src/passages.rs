//! Retrieval from long files: splits them into passages and selects those that match a question best, by keywords (BM25) or by
//! embeddings.

use bm25::{Embedder, EmbedderBuilder, Scorer, Tokenizer};
use parlance_protocol::library::Attachment;
use pulldown_cmark::{Event, Options, Parser};
use unicode_segmentation::UnicodeSegmentation as _;

/// Maximum characters of a passage: a few paragraphs, and short enough for small embedding models.
const PASSAGE_CHARS: usize = 800;

/// Splits a text into passages, between its Markdown blocks (paragraphs, lists, code blocks). Blocks that are too long are split
/// between sentences; short neighbours share a passage. (The text-splitter crate could do this, but adds two megabytes of
/// dictionaries.)
fn split(text: &str) -> Vec<String> {
    let mut passages: Vec<String> = Vec::new();
    let mut is_after_heading = false;
    for piece in blocks(text).into_iter().flat_map(pieces) {
        let chars = piece.chars().count();
        let is_heading = piece.starts_with('#');
        // A heading stays with the text below it.
        let may_join = is_after_heading || !is_heading;
        is_after_heading = is_heading;
        match passages.last_mut().filter(|last| last.chars().count() + chars < PASSAGE_CHARS) {
            Some(last) if may_join => {
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

/// Splits a block into pieces of at most a passage, between sentences.
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

/// Splits a sentence into parts of at most a passage.
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

/// The passages of files that match a question best by keywords, up to `max_chars` characters in total: in document order, each
/// with its file's name.
pub fn find(files: &[Attachment], question: &str, max_chars: usize) -> Vec<Attachment> {
    let named_passages = |file: &Attachment| {
        let name = file.name.clone();
        split(&file.text).into_iter().map(move |text| (name.clone(), text))
    };
    let (names, mut passages): (Vec<String>, Vec<String>) = files.iter().flat_map(named_passages).unzip();
    let selected = select(&passages, &bm25_scores(&passages, question), max_chars);
    let passage = |index: usize| Attachment { name: names[index].clone(), text: std::mem::take(&mut passages[index]) };
    selected.into_iter().map(passage).collect()
}

/// Indices of the passages whose embeddings are most similar to the question's, up to `max_chars` characters in total, in document
/// order.
pub fn select_by_embedding(
    passages: &[String],
    question: &[f32],
    vectors: &[Vec<f32>],
    max_chars: usize,
) -> Vec<usize> {
    let scores: Vec<f32> = vectors.iter().map(|vector| cosine(question, vector)).collect();
    select(passages, &scores, max_chars)
}

/// Indices of the passages with the highest scores, up to `max_chars` characters in total, in document order.
fn select(passages: &[String], scores: &[f32], max_chars: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..passages.len().min(scores.len())).collect();
    // The sort is stable: of passages with equal scores, the first ones are taken.
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut remaining = max_chars;
    let mut selected: Vec<usize> = order
        .into_iter()
        .take_while(|index| {
            let chars = passages[*index].chars().count();
            let fits = chars <= remaining;
            remaining = remaining.saturating_sub(chars);
            fits
        })
        .collect();
    selected.sort_unstable();
    selected
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length > 0.0 { dot(a, b) / length } else { 0.0 }
}

/// The BM25 score of each passage.
fn bm25_scores(passages: &[String], question: &str) -> Vec<f32> {
    let texts: Vec<&str> = passages.iter().map(String::as_str).collect();
    // Words are compared by their hashes. 32-bit hashes of numbers often collide.
    let embedder: Embedder<u64, WordTokenizer> =
        EmbedderBuilder::with_tokenizer_and_fit_to_corpus(WordTokenizer, &texts).build();
    let mut scorer = Scorer::<usize, u64>::new();
    for (index, text) in texts.iter().enumerate() {
        scorer.upsert(&index, embedder.embed(text));
    }
    let question = embedder.embed(question);
    (0..texts.len()).map(|index| scorer.score(&index, &question).unwrap_or_default()).collect()
}

/// Splits a text into words in lower case, and into single characters in scripts without spaces.
struct WordTokenizer;

impl Tokenizer for WordTokenizer {
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
    fn texts_are_split_between_blocks_and_sentences() {
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
    fn passages_are_selected_by_keywords() {
        let passages: Vec<String> = ANIMALS.split("\n\n").map(str::to_owned).collect();
        let by_keywords =
            |passages: &[String], question, max_chars| select(passages, &bm25_scores(passages, question), max_chars);
        let selected = by_keywords(&passages, "What do bees make?", 40);
        assert_eq!(selected.iter().map(|index| passages[*index].as_str()).collect::<Vec<_>>()[0], "## Bees");
        let text: String = selected.iter().map(|index| passages[*index].as_str()).collect();
        assert!(text.contains("honey") && !text.contains("Whales"), "{text}");
        let japanese = ["狐は夜に狩りをする。", "蜂は蜜を作る。"].map(str::to_owned);
        assert_eq!(by_keywords(&japanese, "蜜は誰が作る？", 10), [1]);
    }

    #[test]
    fn similar_numbers_are_distinguished() {
        let text =
            (123_000..124_000).map(|row| format!("{row};person {row};{}", row * 7)).collect::<Vec<_>>().join("\n");
        let files = [Attachment { name: "people.csv".to_owned(), text }];
        let found = find(&files, "Which number has person 123456?", 1_500);
        assert!(found.iter().any(|passage| passage.text.contains("123456;person 123456;864192")), "{found:?}");
    }

    #[test]
    fn passages_are_selected_by_embedding() {
        let passages = ["a", "b", "c"].map(str::to_owned);
        let vectors = [vec![1.0, 0.0], vec![0.6, 0.8], vec![0.0, 1.0]];
        assert_eq!(select_by_embedding(&passages, &[0.1, 1.0], &vectors, 2), [1, 2]);
        assert!(select_by_embedding(&passages, &[0.1, 1.0], &vectors, 0).is_empty());
    }

    #[test]
    fn passages_of_several_files_keep_their_names() {
        let file = |name: &str, text: String| Attachment { name: name.to_owned(), text };
        // Table rows have neither sentences nor paragraphs.
        let rows = (0..2_000).map(|row| format!("{row};person {row};{}\n", row * 7)).collect::<Vec<_>>().concat();
        let files = [file("animals.md", ANIMALS.to_owned()), file("people.csv", rows)];
        let found = find(&files, "Which number has person 1234?", PASSAGE_CHARS);
        assert_eq!(found.len(), 1);
        assert!(found[0].name == "people.csv" && found[0].text.contains("1234;person 1234;8638"), "{found:?}");
        // If everything fits, all of it is returned, in order.
        let all = find(&files, "", 1_000_000);
        assert_eq!(all[0].name, "animals.md");
        assert!(all.len() > 40 && all.is_sorted_by_key(|passage| passage.name.clone()));
    }
}
