//! Reads calls whose arguments are literals of a notation other than JSON: Gemma's and Python's.

use serde_json::Value;

use super::format::GEMMA_QUOTE;
use super::reader::{Halt, Read, Reader};

/// Maximum nesting of lists and objects.
const MAX_DEPTH: usize = 32;

/// A notation of values.
#[derive(Debug, Clone, Copy)]
struct Notation {
    quotes: &'static [&'static str],
    /// Whether strings have escapes.
    has_escapes: bool,
}

const GEMMA: Notation = Notation { quotes: &[GEMMA_QUOTE, "\""], has_escapes: false };
const PYTHON: Notation = Notation { quotes: &["\"", "'"], has_escapes: true };

/// Reads `call:name{key:value}`.
pub(super) fn read_gemma(reader: &mut Reader<'_>) -> Read<()> {
    reader.skip_space();
    reader.expect("call:")?;
    let name = reader.name_until("{")?;
    reader.start_call(name);
    arguments(reader, GEMMA, ":", "}")
}

/// Reads `name(key=value), ...]`, after the bracket.
pub(super) fn read_python(reader: &mut Reader<'_>) -> Read<()> {
    loop {
        reader.skip_space();
        let name = reader.name_until("(")?;
        reader.start_call(name);
        arguments(reader, PYTHON, "=", ")")?;
        reader.skip_space();
        if !reader.eat(",")? {
            return reader.expect("]");
        }
    }
}

/// Reads the arguments of a call up to `close`.
fn arguments(reader: &mut Reader<'_>, notation: Notation, separator: &str, close: &str) -> Read<()> {
    loop {
        reader.skip_space();
        if reader.eat(close)? {
            reader.end_call();
            return Ok(());
        }
        let (key, value) = member(reader, notation, separator, 0)?;
        reader.skip_space();
        // The argument counts once it is clear that it is complete.
        let is_last = !reader.eat(",")?;
        if is_last && !reader.rest().starts_with(close) {
            return Err(Halt::Invalid);
        }
        reader.add_argument(&key, &value);
    }
}

/// A key and a value, as JSON.
fn member(reader: &mut Reader<'_>, notation: Notation, separator: &str, depth: usize) -> Read<(String, String)> {
    let key = match string(reader, notation)? {
        Some(key) => key,
        None => word(reader)?.to_owned(),
    };
    reader.skip_space();
    reader.expect(separator)?;
    Ok((Value::from(key).to_string(), value(reader, notation, depth)?))
}

/// A value, as JSON.
fn value(reader: &mut Reader<'_>, notation: Notation, depth: usize) -> Read<String> {
    if depth > MAX_DEPTH {
        return Err(Halt::Invalid);
    }
    reader.skip_space();
    if let Some(text) = string(reader, notation)? {
        return Ok(Value::from(text).to_string());
    }
    let close = match reader.peek()? {
        '[' => "]",
        '{' => "}",
        '(' => ")",
        _ => return Ok(scalar(word(reader)?)),
    };
    reader.at += 1;
    let items = items(reader, notation, close, depth + 1)?.join(", ");
    Ok(if close == "}" { format!("{{{items}}}") } else { format!("[{items}]") })
}

/// The items of a list, or the members of an object, up to `close`.
fn items(reader: &mut Reader<'_>, notation: Notation, close: &str, depth: usize) -> Read<Vec<String>> {
    let mut items = Vec::new();
    loop {
        reader.skip_space();
        if reader.eat(close)? {
            return Ok(items);
        }
        items.push(if close == "}" {
            let (key, value) = member(reader, notation, ":", depth)?;
            format!("{key}: {value}")
        } else {
            value(reader, notation, depth)?
        });
        reader.skip_space();
        if !reader.eat(",")? {
            reader.expect(close)?;
            return Ok(items);
        }
    }
}

/// The content of a string, if one comes next.
fn string(reader: &mut Reader<'_>, notation: Notation) -> Read<Option<String>> {
    for quote in notation.quotes {
        if reader.eat(quote)? {
            let text = if notation.has_escapes { escaped(reader, quote)? } else { reader.until(quote)?.to_owned() };
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// The content of a string with Python's escapes, after its quotation mark.
fn escaped(reader: &mut Reader<'_>, quote: &str) -> Read<String> {
    let mut text = String::new();
    loop {
        let next = reader.peek()?;
        if next == '\\' {
            reader.at += 1;
            escape(reader, &mut text)?;
        } else if reader.rest().starts_with(quote) && ends_value(&reader.rest()[quote.len()..])? {
            reader.at += quote.len();
            return Ok(text);
        } else {
            reader.at += next.len_utf8();
            text.push(next);
        }
    }
}

/// Whether a string ends before `rest`. Templates show models strings with apostrophes that are not escaped.
fn ends_value(rest: &str) -> Read<bool> {
    let next = rest.trim_start().chars().next().ok_or(Halt::Unfinished)?;
    Ok(matches!(next, ',' | ')' | ']' | '}' | ':' | '='))
}

/// The character of an escape, after its backslash. Python keeps the backslash of unknown ones.
fn escape(reader: &mut Reader<'_>, text: &mut String) -> Read<()> {
    let kind = reader.peek()?;
    reader.at += kind.len_utf8();
    match kind {
        'n' => text.push('\n'),
        't' => text.push('\t'),
        'r' => text.push('\r'),
        '\\' | '\'' | '"' => text.push(kind),
        '\n' => {}
        'x' | 'u' => {
            let len = if kind == 'x' { 2 } else { 4 };
            if reader.rest().len() < len {
                return Err(Halt::Unfinished);
            }
            let code = reader.rest().get(..len).and_then(|digits| u32::from_str_radix(digits, 16).ok());
            let code = code.ok_or(Halt::Invalid)?;
            reader.at += len;
            text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        _ => text.extend(['\\', kind]),
    }
    Ok(())
}

/// A word or a number.
fn word<'t>(reader: &mut Reader<'t>) -> Read<&'t str> {
    let is_end = |c: char| c.is_whitespace() || "=:,()[]{}<>'\"".contains(c);
    let len = reader.rest().find(is_end).ok_or(Halt::Unfinished)?;
    let word = &reader.rest()[..len];
    reader.at += len;
    if word.is_empty() { Err(Halt::Invalid) } else { Ok(word) }
}

/// A word as JSON: a constant, a number, or text.
fn scalar(word: &str) -> String {
    match word {
        "True" => "true".to_owned(),
        "False" => "false".to_owned(),
        "None" => "null".to_owned(),
        _ if serde_json::from_str::<Value>(word).is_ok() => word.to_owned(),
        _ => Value::from(word).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_json() {
        for (notation, text, expected) in [
            (PYTHON, "'it\\'s',", Some(r#""it's""#)),
            (PYTHON, "'it's so',", Some(r#""it's so""#)),
            (PYTHON, r#""a\n\u00e9\d",)"#, Some(r#""a\né\\d""#)),
            (PYTHON, "[1, -2.5, True, None])", Some("[1, -2.5, true, null]")),
            (PYTHON, "{'a': {\"b\": (1,)}},", Some(r#"{"a": {"b": [1]}}"#)),
            (PYTHON, "red,", Some(r#""red""#)),
            (PYTHON, "'open", None),
            (GEMMA, "<|\"|>it's \"x\"<|\"|>}", Some(r#""it's \"x\"""#)),
            (GEMMA, "{a:[1,true],<|\"|>b c<|\"|>:null}}", Some(r#"{"a": [1, true], "b c": null}"#)),
            (GEMMA, "[[]]}", Some("[[]]")),
        ] {
            let mut reader = Reader::new(text, &[], false);
            assert_eq!(value(&mut reader, notation, 0).ok().as_deref(), expected, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(value(&mut Reader::new(&deep, &[], false), PYTHON, 0), Err(Halt::Invalid));
    }
}
