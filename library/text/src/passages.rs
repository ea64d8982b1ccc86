//! Retrieval from long files: splits them into passages and selects those that match a question best, by keywords (BM25) or by
//! embeddings.

use std::borrow::Cow;

use parlance_protocol::library::Attachment;
use pulldown_cmark::{Event, Options, Parser};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::index::{Index, Words};

/// Maximum characters of a passage: a few paragraphs, and short enough for small embedding models.
const PASSAGE_CHARS: usize = 800;

/// The passages of a file, in order, each with its place.
pub fn cut(file: &Attachment) -> Vec<Attachment> {
    let parts = file.parts().into_iter();
    parts.flat_map(|(place, text)| split(text).into_iter().map(move |text| file.passage(place, text))).collect()
}

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
                last.push_str(&piece);
            }
            _ => passages.push(piece.into_owned()),
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

/// Splits a block into pieces of at most a passage, between sentences, or between the rows of a table.
fn pieces(block: &str) -> Vec<Cow<'_, str>> {
    if let Some(pieces) = table_pieces(block) {
        return pieces.into_iter().map(Cow::Owned).collect();
    }
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
    pieces.into_iter().map(Cow::Borrowed).collect()
}

/// The rows of a table that is longer than a passage, in pieces that each begin with its header. `None` if it is no such table, or if its
/// rows are too long themselves.
fn table_pieces(block: &str) -> Option<Vec<String>> {
    let header_end = block.match_indices('\n').nth(1)?.0 + 1;
    let (header, rows) = block.split_at(header_end);
    let is_table = header.lines().nth(1)?.starts_with("| ---");
    let (header_chars, max_chars) = (header.chars().count(), PASSAGE_CHARS / 2);
    if !is_table || block.chars().count() <= PASSAGE_CHARS || header_chars > max_chars {
        return None;
    }
    let mut pieces = Vec::new();
    let (mut piece, mut chars) = (header.to_owned(), header_chars);
    for row in rows.split_inclusive('\n') {
        let row_chars = row.chars().count();
        if row_chars > max_chars {
            return None;
        }
        if chars + row_chars > PASSAGE_CHARS {
            pieces.push(std::mem::replace(&mut piece, header.to_owned()).trim_end().to_owned());
            chars = header_chars;
        }
        piece.push_str(row);
        chars += row_chars;
    }
    pieces.push(piece.trim_end().to_owned());
    Some(pieces)
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
/// with its file's name and its place.
pub fn find(files: &[Attachment], question: &str, max_chars: usize) -> Vec<Attachment> {
    let passages: Vec<Attachment> = files.iter().flat_map(cut).collect();
    let texts: Vec<&str> = passages.iter().map(|passage| passage.text.as_str()).collect();
    let selected = select(&texts, &Words::new(&texts).scores(question), max_chars);
    selected.into_iter().map(|index| passages[index].clone()).collect()
}

/// Indices of the passages whose embeddings are most similar to the question's, up to `max_chars` characters in total, in document
/// order.
pub fn select_by_embedding(
    passages: &[String],
    question: &[f32],
    vectors: &[Vec<f32>],
    max_chars: usize,
) -> Vec<usize> {
    let mut index = Index::new(&vec![""; vectors.len()]);
    for (passage, vector) in vectors.iter().enumerate() {
        index.set_vector(passage, vector);
    }
    select(passages, &index.similarities(question), max_chars)
}

/// Indices of the passages with the highest scores, up to `max_chars` characters in total, in document order.
fn select<T: AsRef<str>>(passages: &[T], scores: &[f32], max_chars: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..passages.len().min(scores.len())).collect();
    // The sort is stable: of passages with equal scores, the first ones are taken.
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut remaining = max_chars;
    let mut selected: Vec<usize> = order
        .into_iter()
        .take_while(|index| {
            let chars = passages[*index].as_ref().chars().count();
            let fits = chars <= remaining;
            remaining = remaining.saturating_sub(chars);
            fits
        })
        .collect();
    selected.sort_unstable();
    selected
}

#[cfg(test)]
mod tests {
    use parlance_protocol::documents::{Document, Place, Section, SectionKind};

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
        let by_keywords = |passages: &[String], question, max_chars| {
            select(passages, &Words::new(passages).scores(question), max_chars)
        };
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
        let files = [Attachment::new("people.csv", text)];
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
        let file = |name: &str, text: String| Attachment::new(name, text);
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

    #[test]
    fn long_tables_are_split_between_rows_with_their_header() {
        let rows = (0..200).map(|row| format!("| {row} | person {row} |\n")).collect::<Vec<_>>().concat();
        let passages = split(&format!("# People\n\n| id | name |\n| --- | --- |\n{rows}"));
        assert!(passages.len() > 4, "{}", passages.len());
        for passage in &passages {
            assert!(passage.contains("| id | name |\n| --- | --- |\n") && passage.ends_with('|'), "{passage}");
            assert!(passage.chars().count() < PASSAGE_CHARS + 20, "{passage}");
        }
        assert_eq!(passages.iter().filter(|passage| passage.contains("| 123 | person 123 |")).count(), 1);
    }

    #[test]
    fn passages_tell_their_pages() {
        let page = |number: u32, text: &str| Section {
            place: Place { kind: SectionKind::Page, number, name: String::new() },
            text: text.to_owned(),
        };
        let sections = vec![page(1, "Foxes hunt at night."), page(2, "Bees make honey."), page(3, "Whales sing.")];
        let file = Attachment::of_document("a.pdf", Document { sections, ..Document::default() });
        let found = find(&[file], "Who makes honey? Bees make it.", 20);
        assert_eq!(found.iter().map(Attachment::label).collect::<Vec<_>>(), ["a.pdf, page 2"]);
    }
}
