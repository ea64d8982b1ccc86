//! Parses a model's output while it is generated: separates reasoning, tool calls and content, and finds stop sequences.
//!
//! Text that may be the beginning of a marker or a stop sequence is held back until that is clear. The result does not
//! depend on the pieces in which the output arrives.

use std::rc::Rc;

use parlance_protocol::openai::FunctionDefinition;

use crate::channels::{CALL_END, Header, MESSAGE_ENDS, Message};
use crate::tools::{self, Ending, Section, ToolFormat};

/// Markers that end reasoning.
pub(crate) type ReasoningEnds = &'static [&'static str];

/// The markers around reasoning.
pub(crate) static REASONING_MARKERS: [(&str, [&str; 1]); 3] =
    [("<think>", ["</think>"]), ("[THINK]", ["[/THINK]"]), ("<|channel>thought", ["<channel|>"])];

/// Maximum number of openers without a call; after them, all is content. Each may take as long as the text that follows.
const MAX_BROKEN: usize = 32;
/// A call that grows is read again once it has grown by this share, so that the time is in proportion to its length.
const GROWTH_SHARE: usize = 64;

/// The end of the reasoning that a prompt opens, if it does.
pub(crate) fn opened_reasoning(prompt: &str) -> Option<ReasoningEnds> {
    let prompt = prompt.trim_end();
    REASONING_MARKERS.iter().find(|(open, _)| prompt.ends_with(open)).map(|(_, ends)| ends.as_slice())
}

/// Newly parsed output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Text of the answer.
    pub(crate) content: String,
    /// Text of the reasoning.
    pub(crate) reasoning: String,
    /// Additions to tool calls.
    pub(crate) calls: Vec<CallDelta>,
    /// A change in how generation must continue.
    pub(crate) event: Option<OutputEvent>,
}

/// An addition to a tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CallDelta {
    /// The call's index within the answer.
    pub(crate) index: u32,
    /// The function's name, when the call starts.
    pub(crate) name: Option<String>,
    /// JSON text to append to its arguments.
    pub(crate) arguments: String,
}

/// A change in how generation must continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutputEvent {
    /// The reasoning has ended.
    ReasoningEnded,
    /// A tool call has started. Has its text so far, without the opener.
    CallStarted(String),
    /// The answer has ended.
    Stopped,
}

/// What output can contain.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// The model's format of tool calls.
    pub(crate) format: ToolFormat,
    /// The tools that it may call.
    pub(crate) tools: Rc<[FunctionDefinition]>,
}

/// The part of the output that is being parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The start, where reasoning may begin.
    Start,
    /// The header of a message in a channel.
    Header,
    /// Reasoning, which ends with one of these markers.
    Reasoning(ReasoningEnds),
    /// Text. The answer may end with it.
    Content { is_last: bool },
    /// One or several tool calls after an opener.
    Calls,
    /// The arguments of a call in a channel.
    Arguments,
    /// After the answer.
    Stopped,
}

/// The calls after an opener, as far as they were read.
#[derive(Debug, Clone, Copy, Default)]
struct OpenSection {
    /// The bytes of the opener.
    opener_len: usize,
    /// Calls that were announced.
    started: usize,
    /// The bytes of the last one's arguments.
    arguments_len: usize,
    /// The length at which the section is read again.
    next_len: usize,
}

/// Parses the output of one answer.
#[derive(Debug, Clone)]
pub(crate) struct OutputParser {
    stage: Stage,
    expected: Option<Expected>,
    stop_sequences: Vec<String>,
    /// Text that is held back.
    held: String,
    is_final: bool,
    /// The number of calls before those in `section`.
    calls: usize,
    section: OpenSection,
    broken_sections: usize,
    has_content: bool,
    has_reasoning: bool,
    /// Characters that are dropped until others come: they only separate parts of the output.
    skipped: &'static [char],
}

impl OutputParser {
    /// Parses output that begins with reasoning if the prompt has opened it.
    pub(crate) fn new(opened: Option<ReasoningEnds>, expected: Option<Expected>, stop_sequences: Vec<String>) -> Self {
        let has_channels = expected.as_ref().is_some_and(|expected| expected.format == ToolFormat::Harmony);
        let start = if has_channels { Stage::Header } else { Stage::Start };
        Self {
            stage: opened.map_or(start, Stage::Reasoning),
            expected,
            stop_sequences,
            held: String::new(),
            is_final: false,
            calls: 0,
            section: OpenSection::default(),
            broken_sections: 0,
            has_content: false,
            has_reasoning: false,
            skipped: if opened.is_some() { &['\n'] } else { &[] },
        }
    }

    /// Parses output that is all content, for example because a grammar determines its format.
    pub(crate) fn content_only(stop_sequences: Vec<String>) -> Self {
        Self { stage: Stage::Content { is_last: true }, ..Self::new(None, None, stop_sequences) }
    }

    /// Whether the output is still reasoning.
    pub(crate) fn is_reasoning(&self) -> bool {
        matches!(self.stage, Stage::Reasoning(_))
    }

    /// Parses more output.
    pub(crate) fn push(&mut self, text: &str) -> Parsed {
        let mut parsed = Parsed::default();
        self.held.push_str(text);
        while self.advance(&mut parsed) {}
        parsed
    }

    /// Releases the text that is held back, at the end of the output.
    pub(crate) fn finish(&mut self) -> Parsed {
        self.is_final = true;
        let mut parsed = self.push("");
        let held = std::mem::take(&mut self.held);
        match self.stage {
            Stage::Reasoning(_) => parsed.reasoning.push_str(&held),
            Stage::Arguments => self.extend_call(held, &mut parsed),
            // A header that is cut off is no text.
            Stage::Header if held.trim_start().starts_with("<|") => {}
            // White space after a call does not belong to the content.
            Stage::Content { .. } if self.calls > 0 => self.emit(held.trim_end(), &mut parsed),
            Stage::Start | Stage::Header | Stage::Content { .. } => self.emit(&held, &mut parsed),
            Stage::Calls | Stage::Stopped => {}
        }
        parsed
    }

    /// Takes one step; returns whether another may follow.
    fn advance(&mut self, parsed: &mut Parsed) -> bool {
        if !self.skipped.is_empty() {
            let skipped = self.held.len() - self.held.trim_start_matches(self.skipped).len();
            self.held.drain(..skipped);
            if !self.held.is_empty() {
                self.skipped = &[];
            }
        }
        match self.stage {
            Stage::Start => self.parse_start(),
            Stage::Header => self.parse_header(parsed),
            Stage::Reasoning(ends) => self.parse_reasoning(ends, parsed),
            Stage::Content { is_last } => self.parse_content(is_last, parsed),
            Stage::Calls => self.parse_calls(parsed),
            Stage::Arguments => self.parse_arguments(parsed),
            Stage::Stopped => {
                self.held.clear();
                false
            }
        }
    }

    fn parse_start(&mut self) -> bool {
        let text = self.held.trim_start();
        if let Some((open, ends)) = REASONING_MARKERS.iter().find(|(open, _)| text.starts_with(open)) {
            self.held = text[open.len()..].to_owned();
            self.skipped = &['\n'];
            self.stage = Stage::Reasoning(ends);
            return true;
        }
        if text.is_empty() || REASONING_MARKERS.iter().any(|(open, _)| open.starts_with(text)) {
            return false;
        }
        self.stage = Stage::Content { is_last: true };
        true
    }

    fn parse_header(&mut self, parsed: &mut Parsed) -> bool {
        let message = match Header::of(&self.held) {
            Header::Unfinished => return false,
            Header::Missing => {
                // It is text. Its first character is no longer a part of a marker.
                let start = self.held.len() - self.held.trim_start().len();
                let first = self.held[start..].chars().next().map_or(0, char::len_utf8);
                self.emit_held(start + first, parsed);
                self.stage = Stage::Content { is_last: false };
                return true;
            }
            Header::Complete(len, message) => {
                self.held.drain(..len);
                message
            }
        };
        match message {
            Message::Analysis => {
                if self.has_reasoning {
                    parsed.reasoning.push_str("\n\n");
                }
                self.stage = Stage::Reasoning(&MESSAGE_ENDS);
            }
            Message::Call(name) if self.has_tools() => {
                // The grammar of a call continues from the name, see `tools::grammar`.
                let text = format!("{name}\n{}", self.held);
                parsed.event.get_or_insert(OutputEvent::CallStarted(text));
                let index = self.calls as u32;
                parsed.calls.push(CallDelta { index, name: Some(name), arguments: String::new() });
                self.stage = Stage::Arguments;
            }
            message => {
                if self.has_content {
                    parsed.content.push_str("\n\n");
                }
                self.stage = Stage::Content { is_last: message == Message::Final };
            }
        }
        true
    }

    fn parse_reasoning(&mut self, ends: ReasoningEnds, parsed: &mut Parsed) -> bool {
        if let Some((at, end)) = first_of(&self.held, ends.iter().copied()) {
            self.emit_reasoning(at, parsed);
            parsed.event.get_or_insert(OutputEvent::ReasoningEnded);
            if self.has_channels() {
                return self.end_message(end);
            }
            let line_breaks = self.held.len() - self.held.trim_start_matches('\n').len();
            self.held.drain(..line_breaks + end.len());
            self.skipped = &['\n'];
            self.stage = Stage::Content { is_last: true };
            return !self.held.is_empty();
        }
        // Line breaks are held back, too, because those before the closing marker do not belong to the reasoning.
        self.emit_reasoning(self.held.len() - partial_len(&self.held, ends.iter().copied()), parsed);
        false
    }

    /// Emits reasoning up to `end`, without line breaks at its end, which stay in `held`.
    fn emit_reasoning(&mut self, end: usize, parsed: &mut Parsed) {
        let len = self.held[..end].trim_end_matches('\n').len();
        self.has_reasoning |= len > 0;
        parsed.reasoning.extend(self.held.drain(..len));
    }

    fn parse_content(&mut self, is_last: bool, parsed: &mut Parsed) -> bool {
        let starts_bare = self.starts_bare();
        if starts_bare == Some(true) {
            return self.start_calls("", parsed);
        }
        if starts_bare.is_none() && !self.is_final {
            return false;
        }
        let markers = self.content_markers();
        let marker = first_of(&self.held, markers.iter().copied());
        let stop = first_of(&self.held, self.stop_sequences.iter().map(String::as_str)).map(|(at, _)| at);
        let partial_marker = self.held.len() - partial_len(&self.held, markers.iter().copied());
        let partial_stop = self.held.len() - partial_len(&self.held, self.stop_sequences.iter().map(String::as_str));
        match (stop, marker) {
            // What starts first has precedence.
            (Some(at), None) if partial_marker < at && !self.is_final => return false,
            (None, Some((at, _))) if partial_stop < at && !self.is_final => return false,
            (Some(at), marker) if marker.is_none_or(|(other, _)| at <= other) => {
                self.emit_held(at, parsed);
                return self.stop(parsed);
            }
            (_, Some((at, end))) if self.has_channels() => {
                self.emit_held(at, parsed);
                let is_end = !matches!(end, "<|start|>" | "<|channel|>");
                return if is_last && is_end { self.stop(parsed) } else { self.end_message(end) };
            }
            (_, Some((at, opener))) => {
                self.emit_held(self.held[..at].trim_end().len(), parsed);
                return self.start_calls(opener, parsed);
            }
            _ => {}
        }
        let mut len = partial_marker.min(partial_stop);
        if !markers.is_empty() && !self.has_channels() {
            // White space before a call does not belong to the content.
            len = self.held[..len].trim_end().len();
        }
        self.emit_held(len, parsed);
        false
    }

    /// Starts to read calls, whose opener comes next, after white space.
    fn start_calls(&mut self, opener: &str, parsed: &mut Parsed) -> bool {
        let at = self.held.len() - self.held.trim_start().len();
        let is_beginning = self.layout().is_some_and(|layout| layout.beginnings.contains(&opener));
        // A beginning is a part of the call.
        let body = at + if is_beginning { 0 } else { opener.len() };
        parsed.event.get_or_insert(OutputEvent::CallStarted(self.held[body..].to_owned()));
        self.section = OpenSection { opener_len: opener.len(), ..OpenSection::default() };
        self.stage = Stage::Calls;
        true
    }

    fn parse_calls(&mut self, parsed: &mut Parsed) -> bool {
        let Some(expected) = self.expected.clone() else { return false };
        if self.held.len() < self.section.next_len && !self.is_final {
            return false;
        }
        let start = self.held.len() - self.held.trim_start().len();
        let section = tools::read(expected.format, &self.held[start..], &expected.tools, self.is_final);
        self.emit_calls(&section, parsed);
        if section.ending == Ending::Open && !self.is_final {
            self.section.next_len = self.held.len() + self.held.len() / GROWTH_SHARE;
            return false;
        }
        self.stage = Stage::Content { is_last: true };
        if section.calls.is_empty() {
            // What looked like a call is text. There may be one behind it.
            self.broken_sections += 1;
            let first = self.held[start..].chars().next().map_or(0, char::len_utf8);
            let is_open = section.ending == Ending::Open;
            let len = if is_open { self.held.len() } else { start + self.section.opener_len.max(first) };
            self.emit_held(len, parsed);
        } else {
            self.calls += section.calls.len();
            self.held.drain(..start + section.len);
            if !self.has_content {
                self.skipped = &[' ', '\n', '\r', '\t'];
            }
        }
        true
    }

    /// Announces new calls, and what was added to the last one.
    fn emit_calls(&mut self, section: &Section, parsed: &mut Parsed) {
        let OpenSection { started, arguments_len, .. } = self.section;
        for (index, call) in section.calls.iter().enumerate().skip(started.saturating_sub(1)) {
            let is_new = index >= started;
            let known = if is_new { 0 } else { arguments_len };
            let arguments = call.arguments.get(known..).unwrap_or_default().to_owned();
            if is_new || !arguments.is_empty() {
                let (index, name) = ((self.calls + index) as u32, is_new.then(|| call.name.clone()));
                parsed.calls.push(CallDelta { index, name, arguments });
            }
        }
        self.section.started = section.calls.len();
        self.section.arguments_len = section.calls.last().map_or(0, |call| call.arguments.len());
    }

    fn parse_arguments(&mut self, parsed: &mut Parsed) -> bool {
        let end = first_of(&self.held, MESSAGE_ENDS.iter().copied());
        let len =
            end.map_or_else(|| self.held.len() - partial_len(&self.held, MESSAGE_ENDS.iter().copied()), |(at, _)| at);
        let arguments = self.held.drain(..len).collect();
        self.extend_call(arguments, parsed);
        match end {
            None => false,
            Some((_, CALL_END)) => {
                self.calls += 1;
                self.stop(parsed)
            }
            Some((_, end)) => {
                self.calls += 1;
                self.end_message(end)
            }
        }
    }

    fn extend_call(&mut self, arguments: String, parsed: &mut Parsed) {
        if !arguments.is_empty() {
            parsed.calls.push(CallDelta { index: self.calls as u32, name: None, arguments });
        }
    }

    /// Moves to the header after a message that `end` has ended.
    fn end_message(&mut self, end: &str) -> bool {
        let at = self.held.find(end).unwrap_or_default();
        let is_next = matches!(end, "<|start|>" | "<|channel|>");
        self.held.drain(..at + if is_next { 0 } else { end.len() });
        self.stage = Stage::Header;
        true
    }

    fn stop(&mut self, parsed: &mut Parsed) -> bool {
        self.held.clear();
        self.stage = Stage::Stopped;
        parsed.event = Some(OutputEvent::Stopped);
        false
    }

    fn has_channels(&self) -> bool {
        self.expected.as_ref().is_some_and(|expected| expected.format == ToolFormat::Harmony)
    }

    fn has_tools(&self) -> bool {
        self.expected.as_ref().is_some_and(|expected| !expected.tools.is_empty())
    }

    /// The markers of calls, if there can be any.
    fn layout(&self) -> Option<tools::Layout> {
        let may_call = self.has_tools() && self.broken_sections < MAX_BROKEN;
        self.expected.as_ref().filter(|_| may_call).map(|expected| expected.format.layout())
    }

    /// Whether a call without an opener starts here; `None` if that is not clear yet.
    fn starts_bare(&self) -> Option<bool> {
        match &self.expected {
            Some(Expected { format, tools }) if !self.has_content && !tools.is_empty() => {
                tools::starts_bare(*format, &self.held, tools)
            }
            _ => Some(false),
        }
    }

    /// Markers that end content.
    fn content_markers(&self) -> Vec<&'static str> {
        if self.has_channels() {
            return MESSAGE_ENDS.to_vec();
        }
        self.layout().map_or_else(Vec::new, |layout| [layout.openers, layout.beginnings].concat())
    }

    /// Emits the first `len` bytes of the text that is held back.
    fn emit_held(&mut self, len: usize, parsed: &mut Parsed) {
        let text: String = self.held.drain(..len).collect();
        self.emit(&text, parsed);
    }

    fn emit(&mut self, text: &str, parsed: &mut Parsed) {
        self.has_content |= !text.is_empty();
        parsed.content.push_str(text);
    }
}

/// The first occurrence of any of `needles` in `text`, with its position.
fn first_of<'n>(text: &str, needles: impl Iterator<Item = &'n str>) -> Option<(usize, &'n str)> {
    needles.filter_map(|needle| Some((text.find(needle)?, needle))).min_by_key(|(at, _)| *at)
}

/// The length of the longest suffix of `text` that is a proper prefix of one of `needles`.
fn partial_len<'n>(text: &str, needles: impl Iterator<Item = &'n str>) -> usize {
    let longest = |needle: &str| {
        let lens = (1..needle.len().min(text.len() + 1)).rev();
        lens.into_iter().find(|len| needle.is_char_boundary(*len) && text.ends_with(&needle[..*len])).unwrap_or(0)
    };
    needles.map(longest).max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
