//! Finds values in JSON that is not complete yet.

/// The length of the JSON value at the start of `text`, judging by quotes and brackets; `None` if it does not end.
pub(super) fn value_len(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_string = false,
                _ => continue,
            }
            if in_string || depth > 0 {
                continue;
            }
            return Some(at + 1);
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'}' | b']' | b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// A value within a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    /// `None` if it does not end.
    pub(super) end: Option<usize>,
}

/// The member of the object at the start of `text` whose key is one of `keys`. The object may be incomplete.
pub(super) fn member(text: &str, keys: &[&str]) -> Option<Span> {
    let mut at = text.starts_with('{').then_some(1)?;
    loop {
        at = after(text, at, |c| c.is_whitespace() || c == ',');
        let key_end = at + value_len(&text[at..])?;
        let key: String = serde_json::from_str(&text[at..key_end]).ok()?;
        at = after(text, key_end, char::is_whitespace);
        at = text[at..].starts_with(':').then_some(at + 1)?;
        let start = after(text, at, char::is_whitespace);
        let end = value_len(&text[start..]).map(|len| start + len);
        if keys.contains(&key.as_str()) {
            return (start < text.len()).then_some(Span { start, end });
        }
        at = end?;
    }
}

/// The position after the characters from `at` on that are skipped.
fn after(text: &str, at: usize, is_skipped: impl Fn(char) -> bool) -> usize {
    text.len() - text[at..].trim_start_matches(is_skipped).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_their_brackets_do() {
        for (text, len) in [
            (r#"{"a": "}\"", "b": [1]} x"#, Some(22)),
            (r#"{"a": "}"#, None),
            (r#""x\\" y"#, Some(5)),
            ("12, 3", Some(2)),
            ("12", None),
            ("}", Some(0)),
            ("", None),
        ] {
            assert_eq!(value_len(text), len, "{text}");
        }
    }

    #[test]
    fn members_are_found_in_incomplete_objects() {
        let find = |text: &'static str| {
            member(text, &["b"]).map(|Span { start, end }| (&text[start..], end.map(|end| &text[start..end])))
        };
        assert_eq!(find(r#"{"a": {"b": 1}, "b": [2, 3"#), Some(("[2, 3", None)));
        assert_eq!(find(r#"{"b" :"x", "c": 1}"#), Some((r#""x", "c": 1}"#, Some(r#""x""#))));
        for text in [r#"{"a": {"b": 1}"#, r#"{"b":"#, "{b: 1}", "[1]", "", r#"{"a" "b"}"#, r#"{"a":}"#] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
