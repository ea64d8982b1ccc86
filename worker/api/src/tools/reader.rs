//! A position in a text with tool calls, and what was found before it.
//!
//! The text may end anywhere: what is found in its beginning stays the same when more follows, so that calls can be
//! streamed.

use parlance_protocol::openai::FunctionDefinition;

/// Maximum length of a name, with what surrounds it.
const MAX_NAME_BYTES: usize = 256;
/// No marker is longer.
const MAX_MARKER_BYTES: usize = 64;

/// A tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Call {
    /// The function's name.
    pub(crate) name: String,
    /// Its arguments: JSON, or the beginning of it.
    pub(crate) arguments: String,
}

/// Why reading stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    /// The text ends.
    Unfinished,
    /// The text is not a call.
    Invalid,
}

pub(super) type Read<T> = Result<T, Halt>;

/// A position in a text, and what was found before it.
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) tools: &'t [FunctionDefinition],
    /// Whether no more text follows.
    pub(super) is_final: bool,
    pub(super) at: usize,
    pub(super) calls: Vec<Call>,
    /// The bytes that the calls account for.
    pub(super) len: usize,
}

impl<'t> Reader<'t> {
    /// At the beginning of a text. `is_final`: no more follows.
    pub(super) fn new(text: &'t str, tools: &'t [FunctionDefinition], is_final: bool) -> Self {
        Self { text, tools, is_final, at: 0, calls: Vec::new(), len: 0 }
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The next character.
    pub(super) fn peek(&self) -> Read<char> {
        self.rest().chars().next().ok_or(Halt::Unfinished)
    }

    pub(super) fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Moves behind `marker` if it comes next; fails if only a part of it is there.
    pub(super) fn eat(&mut self, marker: &str) -> Read<bool> {
        if self.rest().starts_with(marker) {
            self.at += marker.len();
            return Ok(true);
        }
        if marker.starts_with(self.rest()) { Err(Halt::Unfinished) } else { Ok(false) }
    }

    /// Moves behind `marker`, which has to come next.
    pub(super) fn expect(&mut self, marker: &str) -> Read<()> {
        if self.eat(marker)? { Ok(()) } else { Err(Halt::Invalid) }
    }

    /// The text up to `marker`; moves behind it.
    pub(super) fn until(&mut self, marker: &str) -> Read<&'t str> {
        let (text, _) = self.rest().split_once(marker).ok_or(Halt::Unfinished)?;
        self.at += text.len() + marker.len();
        Ok(text)
    }

    /// The name up to `marker`; moves behind it.
    pub(super) fn name_until(&mut self, marker: &str) -> Read<String> {
        let name = self.name(self.rest().find(marker))?;
        self.at += marker.len();
        Ok(name)
    }

    /// The name in the next `len` bytes, if its end is known; moves behind it.
    pub(super) fn name(&mut self, len: Option<usize>) -> Read<String> {
        valid_name(self.head(len)?)
    }

    /// The next `len` bytes, if their number is known; moves behind them. They must not be too many.
    pub(super) fn head(&mut self, len: Option<usize>) -> Read<&'t str> {
        let is_too_long = self.rest().len() > MAX_NAME_BYTES + MAX_MARKER_BYTES;
        let len = len.ok_or(if is_too_long { Halt::Invalid } else { Halt::Unfinished })?;
        if len > MAX_NAME_BYTES {
            return Err(Halt::Invalid);
        }
        let head = &self.rest()[..len];
        self.at += len;
        Ok(head)
    }

    /// Adds a call whose arguments follow.
    pub(super) fn start_call(&mut self, name: String) {
        self.calls.push(Call { name, arguments: "{".to_owned() });
        self.len = self.at;
    }

    /// Adds a member to the arguments of the last call. Both texts are JSON.
    pub(super) fn add_argument(&mut self, key: &str, value: &str) {
        if let Some(Call { arguments, .. }) = self.calls.last_mut() {
            let separator = if arguments.len() > 1 { ", " } else { "" };
            arguments.extend([separator, key, ": ", value]);
        }
        self.len = self.at;
    }

    /// Ends the arguments of the last call.
    pub(super) fn end_call(&mut self) {
        if let Some(Call { arguments, .. }) = self.calls.last_mut() {
            arguments.push('}');
        }
        self.len = self.at;
    }
}

/// A name without surrounding white space.
pub(super) fn valid_name(text: &str) -> Read<String> {
    let name = text.trim();
    let is_valid = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
    if !name.is_empty() && name.chars().all(is_valid) { Ok(name.to_owned()) } else { Err(Halt::Invalid) }
}
