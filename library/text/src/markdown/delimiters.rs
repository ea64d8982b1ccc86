//! `\(x\)` and `\[x\]`, as most models write maths, become `$x$` and `$$x$$`, as Markdown has it.

use std::borrow::Cow;

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
fn lines(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end;
        range
    })
}

/// Replaces pairs within a paragraph, outside code spans.
fn replace_in(bytes: &mut [u8], range: std::ops::Range<usize>) {
    let mut position = range.start;
    while position + 1 < range.end {
        match (bytes[position], bytes[position + 1]) {
            (b'`', _) => {
                let run = bytes[position..range.end].iter().take_while(|byte| **byte == b'`').count();
                position = code_span_end(&bytes[..range.end], position + run, run);
            }
            (b'\\', open @ (b'(' | b'[')) => {
                let close = if open == b'(' { b')' } else { b']' };
                let inner = position + 2..range.end;
                let end = inner.clone().find(|&at| bytes[at] == b'\\' && bytes.get(at + 1) == Some(&close));
                let Some(end) = end.filter(|end| *end > position + 2 && end + 1 < range.end) else {
                    position += 2;
                    continue;
                };
                if open == b'[' {
                    bytes[position..position + 2].fill(b'$');
                    bytes[end..end + 2].fill(b'$');
                } else {
                    // White space must not touch a single dollar sign, so it changes places with it.
                    let is_space = |at: &usize| bytes[*at].is_ascii_whitespace();
                    let first = (position + 2..end).find(|at| !is_space(at)).unwrap_or(end);
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

/// Where a code span that was opened by `run` backticks before `start` ends; `start` if it does not.
fn code_span_end(bytes: &[u8], start: usize, run: usize) -> usize {
    let mut position = start;
    while position < bytes.len() {
        let found = bytes[position..].iter().take_while(|byte| **byte == b'`').count();
        if found == run {
            return position + run;
        }
        position += found.max(1);
    }
    start
}

#[cfg(test)]
mod tests {
    use super::normalise;

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
