//! Converts `\(x\)` and `\[x\]`, which most models use for maths, to Markdown's `$x$` and `$$x$$`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// The text with its maths delimiters replaced, except in code. All offsets stay the same.
pub(super) fn to_dollars(text: &str) -> Cow<'_, str> {
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
    // ASCII bytes were replaced by ASCII bytes only, so this is valid UTF-8.
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The ranges of lines, including line breaks.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end;
        range
    })
}

/// Offsets of the last closing delimiter of each kind in a paragraph. Without one ahead, no search is started, so every byte is read
/// at most three times.
#[derive(Default)]
struct LastClosing {
    parenthesis: Option<usize>,
    bracket: Option<usize>,
    /// Runs of backticks, by length.
    backticks: HashMap<usize, usize>,
}

impl LastClosing {
    fn find(bytes: &[u8], range: Range<usize>) -> Self {
        let mut last = Self::default();
        let mut position = range.start;
        while position < range.end {
            let length = backticks(&bytes[position..range.end]).max(1);
            match (bytes[position], bytes[position..range.end].get(1)) {
                (b'`', _) => {
                    last.backticks.insert(length, position);
                }
                (b'\\', Some(b')')) => last.parenthesis = Some(position),
                (b'\\', Some(b']')) => last.bracket = Some(position),
                _ => {}
            }
            position += length;
        }
        count_for_tests(range.len());
        last
    }
}

/// Replaces pairs of delimiters in a paragraph, outside of code spans.
fn replace_in(bytes: &mut [u8], range: Range<usize>) {
    let closers = LastClosing::find(bytes, range.clone());
    let mut position = range.start;
    while position + 1 < range.end {
        match (bytes[position], bytes[position + 1]) {
            (b'`', _) => {
                let run = backticks(&bytes[position..range.end]);
                position += run;
                if closers.backticks.get(&run).is_some_and(|last| *last >= position) {
                    position = code_span_end(&bytes[..range.end], position, run);
                }
            }
            (b'\\', open @ (b'(' | b'[')) => {
                let (close, last) = if open == b'(' { (b')', closers.parenthesis) } else { (b']', closers.bracket) };
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
                    // Single dollar signs must not touch white space inside them, so that is moved outside.
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

/// How many backticks the bytes start with.
fn backticks(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte == b'`').count()
}

/// The first backslash from `start` to `last` that is followed by `close`.
fn closing(bytes: &[u8], start: usize, last: usize, close: u8) -> Option<usize> {
    let found = (start..=last).find(|&at| bytes[at] == b'\\' && bytes[at + 1] == close);
    count_for_tests(found.unwrap_or(last).saturating_sub(start));
    found
}

/// The end of a code span that `run` backticks before `start` opened; `start` if it is not closed.
fn code_span_end(bytes: &[u8], start: usize, run: usize) -> usize {
    let mut position = start;
    while position < bytes.len() {
        let found = backticks(&bytes[position..]);
        if found == run {
            count_for_tests(position - start);
            return position + run;
        }
        position += found.max(1);
    }
    count_for_tests(bytes.len() - start);
    start
}

/// Counts bytes read, for tests only.
fn count_for_tests(len_bytes: usize) {
    #[cfg(test)]
    tests::READ_BYTES.with(|read| read.set(read.get() + len_bytes));
    #[cfg(not(test))]
    let _ = len_bytes;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::to_dollars;

    thread_local! {
        pub(super) static READ_BYTES: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn every_byte_is_read_at_most_three_times() {
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
            assert_eq!(to_dollars(&text).len(), text.len());
            let (read, start) = (READ_BYTES.get(), text.get(..20));
            assert!(read <= 3 * text.len(), "{read} bytes read for {} of {start:?}", text.len());
        }
    }

    #[test]
    fn delimiters_are_converted_outside_of_code() {
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
            let found = to_dollars(text);
            assert_eq!(found.len(), text.len(), "{text}");
            assert_eq!(found.trim_start(), expected.trim_start(), "{text}");
        }
    }
}
