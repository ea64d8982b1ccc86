//! Reads calls whose keys and values stand between tags.

use serde_json::Value;

use super::format::Tags;
use super::reader::{Halt, Read, Reader};
use super::schema::Types;

/// Reads a call up to its closer, which the caller reads.
pub(super) fn read(reader: &mut Reader<'_>, tags: &Tags, closer: &str) -> Read<()> {
    reader.skip_space();
    reader.expect(tags.name)?;
    let name = if tags.after_name.is_empty() {
        reader.name(reader.rest().find(['\n', '<']))?
    } else {
        reader.name_until(tags.after_name)?
    };
    reader.start_call(name.clone());
    while !at_end(reader, tags, closer)? {
        reader.expect(tags.key)?;
        let key = reader.until(tags.after_key)?.trim();
        reader.skip_space();
        reader.expect(tags.value)?;
        let value = reader.until(tags.after_value)?;
        let value = if tags.value_has_lines { without_line_breaks(value) } else { value };
        let value = Types::of(reader.tools, &name, key).json(value);
        reader.add_argument(&Value::from(key).to_string(), &value);
    }
    reader.end_call();
    Ok(())
}

/// Whether the parameters are complete; moves behind their end, but not behind the closer.
fn at_end(reader: &mut Reader<'_>, tags: &Tags, closer: &str) -> Read<bool> {
    reader.skip_space();
    let rest = reader.rest();
    let is_cut_off = tags.end.starts_with(rest) || closer.starts_with(rest);
    if reader.is_final && is_cut_off {
        reader.at = reader.text.len();
        return Ok(true);
    }
    // Some models forget the end of the parameters.
    if rest.starts_with(closer) {
        return Ok(true);
    }
    if !tags.end.is_empty() && rest.starts_with(tags.end) {
        reader.at += tags.end.len();
        return Ok(true);
    }
    if rest.starts_with(tags.key) {
        return Ok(false);
    }
    Err(if is_cut_off || tags.key.starts_with(rest) { Halt::Unfinished } else { Halt::Invalid })
}

/// A value without the line breaks around it.
fn without_line_breaks(value: &str) -> &str {
    let value = value.strip_prefix('\n').unwrap_or(value);
    value.strip_suffix('\n').unwrap_or(value)
}
