//! JSON in the format of Python's `json.dumps`, which models were trained with.

use std::io::{Result, Write};

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// Puts a space after commas and colons.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> Result<()> {
        writer.write_all(b": ")
    }
}

/// `json.dumps(value, ensure_ascii=False)`
///
/// # Errors
/// If the value cannot be serialised; values that came from JSON can.
pub fn python_json(value: &Value) -> serde_json::Result<String> {
    write(value, Spaced)
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)`
///
/// # Errors
/// If the value cannot be serialised; values that came from JSON can.
pub fn python_json_indented(value: &Value, indent: usize) -> serde_json::Result<String> {
    write(value, PrettyFormatter::with_indent(" ".repeat(indent).as_bytes()))
}

fn write(value: &Value, formatter: impl Formatter) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
    // serde_json writes UTF-8.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_matches_python() -> serde_json::Result<()> {
        let value = serde_json::json!({ "b": [1, 2.5, "é\n"], "a": {}, "c": null });
        assert_eq!(python_json(&value)?, r#"{"b": [1, 2.5, "é\n"], "a": {}, "c": null}"#);
        let indented = "{\n  \"b\": [\n    1,\n    2.5,\n    \"é\\n\"\n  ],\n  \"a\": {},\n  \"c\": null\n}";
        assert_eq!(python_json_indented(&value, 2)?, indented);
        Ok(())
    }
}
