//! `\(x\)` and `\[x\]`, as most models write maths, become `$x$` and `$$x$$`, as Markdown has it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// The text with its delimiters replaced; every byte stays where it is. Code is left alone.
pub(super) fn normalise(text: &str) -> Cow<'_, str> {
    if !text.contains("\\(") && !text.contains("\\[") {
        return Cow::Borrowed(text);
    }
    let mut bytes = text.as_bytes().to_vec();
    let mut fence: Option<(u8, usize)> = None;
    let mut paragraph = 0..0;
    for line in lines(text) {
        let content = text[line.clone()].trim();
        let marker = content.bytes().next().filter(|byte| matches!(byte, b'`' | b'~'));
        let run = marker.map_or(0, |marker| content.bytes().take_while(|byte| *byte == marker).count());
        match (fence, marker) {
            (Some((open, length)), Some(marker)) if marker == open && run >= length && content.len() == run => {
                fence = None;
            }
            (None, Some(marker)) if run >= 3 => {
                replace_in(&mut bytes, paragraph.clone());
                paragraph = line.end..line.end;
                fence = Some((marker, run));
                continue;
            }
            _ => {}
        }
        if fence.is_some() || content.is_empty() || run >= 3 {
            replace_in(&mut bytes, paragraph.clone());
            paragraph = line.end..line.end;
        } else {
            paragraph.end = line.end;
        }
    }
    replace_in(&mut bytes, paragraph);
    // Only ASCII bytes were exchanged for ASCII bytes.
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The ranges of lines, with their ends.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end;
        range
    })
}

/// Where the last closing delimiter of each kind begins in a paragraph. What has none ahead of it is not looked for, so that every
/// byte is read three times at most.
#[derive(Default)]
struct LastEnds {
    round: Option<usize>,
    square: Option<usize>,
    /// Of runs of backticks, by their length.
    backticks: HashMap<usize, usize>,
}

impl LastEnds {
    fn of(bytes: &[u8], range: Range<usize>) -> Self {
        let mut ends = Self::default();
        let mut position = range.start;
        while position < range.end {
            let length = backticks(&bytes[position..range.end]).max(1);
            match (bytes[position], bytes[position..range.end].get(1)) {
                (b'`', _) => {
                    ends.backticks.insert(length, position);
                }
                (b'\\', Some(b')')) => ends.round = Some(position),
                (b'\\', Some(b']')) => ends.square = Some(position),
                _ => {}
            }
            position += length;
        }
        tests_count(range.len());
        ends
    }
}

/// Replaces pairs within a paragraph, outside code spans.
fn replace_in(bytes: &mut [u8], range: Range<usize>) {
    let ends = LastEnds::of(bytes, range.clone());
    let mut position = range.start;
    while position + 1 < range.end {
        match (bytes[position], bytes[position + 1]) {
            (b'`', _) => {
                let run = backticks(&bytes[position..range.end]);
                position += run;
                if ends.backticks.get(&run).is_some_and(|last| *last >= position) {
                    position = code_span_end(&bytes[..range.end], position, run);
                }
            }
            (b'\\', open @ (b'(' | b'[')) => {
                let (close, last) = if open == b'(' { (b')', ends.round) } else { (b']', ends.square) };
                let start = position + 2;
                let end = last.and_then(|last| closing(bytes, start, last, close)).filter(|end| *end > start);
                let Some(end) = end else {
                    position = start;
                    continue;
                };
                if open == b'[' {
                    bytes[position..start].fill(b'$');
                    bytes[end..end + 2].fill(b'$');
                } else {
                    // White space must not touch a single dollar sign, so it changes places with it.
                    let is_space = |at: &usize| bytes[*at].is_ascii_whitespace();
                    let first = (start..end).find(|at| !is_space(at)).unwrap_or(end);
                    let last = (first..end).rev().find(|at| !is_space(at)).unwrap_or(first);
                    bytes[position..first].fill(b' ');
                    bytes[last + 1..end + 2].fill(b' ');
                    bytes[first - 1] = b'$';
                    bytes[last + 1] = b'$';
                }
                position = end + 2;
            }
            (b'\\', _) => position += 2,
            _ => position += 1,
        }
    }
}

/// How many backticks the bytes begin with.
fn backticks(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte == b'`').count()
}

/// The first backslash from `start` to `last` that has this byte behind it.
fn closing(bytes: &[u8], start: usize, last: usize, close: u8) -> Option<usize> {
    let found = (start..=last).find(|&at| bytes[at] == b'\\' && bytes[at + 1] == close);
    tests_count(found.unwrap_or(last).saturating_sub(start));
    found
}

/// Where a code span that was opened by `run` backticks before `start` ends; `start` if it does not.
fn code_span_end(bytes: &[u8], start: usize, run: usize) -> usize {
    let mut position = start;
    while position < bytes.len() {
        let found = backticks(&bytes[position..]);
        if found == run {
            tests_count(position - start);
            return position + run;
        }
        position += found.max(1);
    }
    tests_count(bytes.len() - start);
    start
}

/// Notes for the tests how many bytes were read on the way to an end.
fn tests_count(len_bytes: usize) {
    #[cfg(test)]
    tests::READ_BYTES.with(|read| read.set(read.get() + len_bytes));
    #[cfg(not(test))]
    let _ = len_bytes;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::normalise;

    thread_local! {
        pub(super) static READ_BYTES: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn every_byte_is_read_a_few_times_at_most() {
        let len_bytes = 256 * 1024;
        let runs = (1..700).map(|run| format!("{} ", "`".repeat(run))).collect::<Vec<_>>().concat();
        let texts = [
            "\\(".repeat(len_bytes / 2),
            "\\[".repeat(len_bytes / 2),
            "\\(a\\)".repeat(len_bytes / 5),
            "\\(\\)".repeat(len_bytes / 4),
            "`\\(".repeat(len_bytes / 3),
            format!("{runs}\\("),
            format!("{}\\)", "\\[".repeat(len_bytes / 2)),
        ];
        for text in texts {
            READ_BYTES.set(0);
            assert_eq!(normalise(&text).len(), text.len());
            let (read, start) = (READ_BYTES.get(), text.get(..20));
            assert!(read <= 3 * text.len(), "{read} bytes read for {} of {start:?}", text.len());
        }
    }

    #[test]
    fn delimiters_become_dollars_outside_code() {
        let cases = [
            (r"a \(x\) b", " a  $x$  b"),
            (r"\( x + y \)", "  $x + y$  "),
            (r"\[x\]", "$$x$$"),
            ("\\[\nx\n\\]", "$$\nx\n$$"),
            (r"`\(x\)` \(y\)", r"`\(x\)`  $y$ "),
            ("```\n\\(x\\)\n```\n\\(y\\)", "```\n\\(x\\)\n```\n $y$ "),
            ("~~~~\n```\n\\(x\\)\n~~~~\n\\(y\\)", "~~~~\n```\n\\(x\\)\n~~~~\n $y$ "),
            (r"\\(x\\)", r"\\(x\\)"),
            ("\\(x\n\ny\\)", "\\(x\n\ny\\)"),
            (r"open \(x", r"open \(x"),
            ("an `open \\(x\\)", "an `open  $x$ "),
        ];
        for (text, expected) in cases {
            let found = normalise(text);
            assert_eq!(found.len(), text.len(), "{text}");
            assert_eq!(found.trim_start(), expected.trim_start(), "{text}");
        }
    }
}
