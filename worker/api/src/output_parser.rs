//! Parses a model's output while it is generated: separates reasoning, tool calls and content, and finds stop sequences.
//!
//! Text that may be the beginning of a marker or a stop sequence is held back until that is clear.

use crate::tools::ToolFormat;

/// The markers around reasoning.
pub(crate) const REASONING_MARKERS: [(&str, &str); 2] = [("<think>", "</think>"), ("[THINK]", "[/THINK]")];

/// Newly parsed output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Text of the answer.
    pub(crate) content: String,
    /// Text of the reasoning.
    pub(crate) reasoning: String,
    /// A change in how generation must continue.
    pub(crate) event: Option<OutputEvent>,
}

/// A change in how generation must continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutputEvent {
    /// The reasoning has ended.
    ReasoningEnded,
    /// A tool call has started. Has its text so far, without the opener.
    CallStarted(String),
    /// A stop sequence was generated.
    Stopped,
}

/// The part of the output that is being parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The start, where reasoning may begin.
    Start,
    /// Reasoning, which ends with this marker.
    Reasoning(&'static str),
    /// The answer's text.
    Content,
    /// Tool calls.
    Call,
    /// After a stop sequence.
    Stopped,
}

/// Parses the output of one answer.
#[derive(Debug, Clone)]
pub(crate) struct OutputParser {
    stage: Stage,
    tools: Option<ToolFormat>,
    stop_sequences: Vec<String>,
    /// Text that is held back.
    held: String,
    /// The text of tool calls, including openers.
    calls: String,
    has_content: bool,
    /// Whether line breaks are dropped until other text comes. They only separate reasoning from its markers.
    skips_line_breaks: bool,
}

impl OutputParser {
    /// Parses output that may have tool calls in the format `tools`. `in_reasoning` if the prompt ends with a reasoning marker.
    pub(crate) fn new(in_reasoning: bool, tools: Option<ToolFormat>, stop_sequences: Vec<String>) -> Self {
        let stage = if in_reasoning { Stage::Reasoning(REASONING_MARKERS[0].1) } else { Stage::Start };
        Self {
            stage,
            tools,
            stop_sequences,
            held: String::new(),
            calls: String::new(),
            has_content: false,
            skips_line_breaks: in_reasoning,
        }
    }

    /// Parses output that is all content, for example because a grammar determines its format.
    pub(crate) fn content_only(stop_sequences: Vec<String>) -> Self {
        Self { stage: Stage::Content, ..Self::new(false, None, stop_sequences) }
    }

    /// Parses output that is all tool calls.
    pub(crate) fn calls_only(tools: ToolFormat) -> Self {
        Self { stage: Stage::Call, ..Self::new(false, Some(tools), Vec::new()) }
    }

    /// Whether the output is still reasoning.
    pub(crate) fn is_reasoning(&self) -> bool {
        matches!(self.stage, Stage::Reasoning(_))
    }

    /// Treats all further output as tool calls.
    pub(crate) fn start_calls(&mut self) {
        self.stage = Stage::Call;
        self.calls.push_str(&std::mem::take(&mut self.held));
    }

    /// The text of the tool calls.
    pub(crate) fn calls(&self) -> &str {
        &self.calls
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
        let mut parsed = Parsed::default();
        let held = std::mem::take(&mut self.held);
        match self.stage {
            Stage::Reasoning(_) => parsed.reasoning = held,
            Stage::Call => self.calls.push_str(&held),
            Stage::Stopped => {}
            Stage::Start | Stage::Content => self.emit(&held, &mut parsed),
        }
        parsed
    }

    /// Takes the text of the tool calls, to treat it as content because it has no valid call.
    pub(crate) fn take_calls(&mut self) -> String {
        std::mem::take(&mut self.calls)
    }

    /// Takes one step; returns whether another may follow.
    fn advance(&mut self, parsed: &mut Parsed) -> bool {
        if self.skips_line_breaks {
            let line_breaks = self.held.len() - self.held.trim_start_matches('\n').len();
            self.held.drain(..line_breaks);
            self.skips_line_breaks = self.held.is_empty();
        }
        match self.stage {
            Stage::Start => self.parse_start(),
            Stage::Reasoning(close) => self.parse_reasoning(close, parsed),
            Stage::Content => self.parse_content(parsed),
            Stage::Call => {
                self.calls.push_str(&std::mem::take(&mut self.held));
                false
            }
            Stage::Stopped => {
                self.held.clear();
                false
            }
        }
    }

    fn parse_start(&mut self) -> bool {
        let text = self.held.trim_start();
        if let Some((open, close)) = REASONING_MARKERS.iter().find(|(open, _)| text.starts_with(open)) {
            self.held = text[open.len()..].to_owned();
            self.skips_line_breaks = true;
            self.stage = Stage::Reasoning(close);
            return true;
        }
        if text.is_empty() || REASONING_MARKERS.iter().any(|(open, _)| open.starts_with(text)) {
            return false;
        }
        self.stage = Stage::Content;
        true
    }

    fn parse_reasoning(&mut self, close: &'static str, parsed: &mut Parsed) -> bool {
        if let Some((reasoning, rest)) = self.held.split_once(close) {
            parsed.reasoning.push_str(reasoning.trim_end_matches('\n'));
            self.held = rest.to_owned();
            self.skips_line_breaks = true;
            self.stage = Stage::Content;
            parsed.event.get_or_insert(OutputEvent::ReasoningEnded);
            return !self.held.is_empty();
        }
        // Line breaks are held back, too, because those before the closing marker do not belong to the reasoning.
        let held_len = partial_len(&self.held, std::iter::once(close));
        let len = self.held[..self.held.len() - held_len].trim_end_matches('\n').len();
        parsed.reasoning.push_str(&self.held[..len]);
        self.held.drain(..len);
        false
    }

    fn parse_content(&mut self, parsed: &mut Parsed) -> bool {
        if !self.has_content && parsed.content.is_empty() && self.tools.is_some_and(ToolFormat::allows_bare_calls) {
            let text = self.held.trim_start();
            if text.starts_with('{') {
                parsed.event = Some(OutputEvent::CallStarted(text.to_owned()));
                self.start_calls();
                return false;
            }
            if text.is_empty() {
                return false;
            }
        }
        let openers = self.tools.map(ToolFormat::openers).unwrap_or_default();
        let stop = first_of(&self.held, self.stop_sequences.iter().map(String::as_str));
        let opener = first_of(&self.held, openers.iter().copied());
        match (stop, opener) {
            (Some((at, _)), opener) if opener.is_none_or(|(other, _)| at <= other) => {
                let text = self.held[..at].to_owned();
                self.emit(&text, parsed);
                self.held.clear();
                self.stage = Stage::Stopped;
                parsed.event = Some(OutputEvent::Stopped);
            }
            (_, Some((at, opener))) => {
                let text = self.held[..at].trim_end().to_owned();
                self.emit(&text, parsed);
                let rest = self.held[at + opener.len()..].to_owned();
                self.held.drain(..at);
                parsed.event = Some(OutputEvent::CallStarted(rest));
                self.start_calls();
            }
            _ => {
                let needles = self.stop_sequences.iter().map(String::as_str).chain(openers.iter().copied());
                let mut len = self.held.len() - partial_len(&self.held, needles);
                if !openers.is_empty() {
                    // White space before a call does not belong to the content.
                    len = self.held[..len].trim_end().len();
                }
                let text: String = self.held.drain(..len).collect();
                self.emit(&text, parsed);
            }
        }
        false
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
mod tests {
    use super::*;

    /// Parses `text` in pieces of `len` characters. Returns content, reasoning, calls and events.
    fn parse(mut parser: OutputParser, text: &str, len: usize) -> (String, String, String, Vec<OutputEvent>) {
        let characters: Vec<char> = text.chars().collect();
        let mut all = Parsed::default();
        let mut events = Vec::new();
        let mut append = |parsed: Parsed| {
            all.content.push_str(&parsed.content);
            all.reasoning.push_str(&parsed.reasoning);
            events.extend(parsed.event);
        };
        for piece in characters.chunks(len) {
            append(parser.push(&piece.iter().collect::<String>()));
        }
        append(parser.finish());
        (all.content, all.reasoning, parser.calls().to_owned(), events)
    }

    #[test]
    fn stop_sequences_are_found_across_pieces_and_not_returned() {
        let stop_sequences = || vec!["END".to_owned(), "\n\n".to_owned(), "é!".to_owned()];
        for (text, expected) in [
            ("one END two", "one "),
            ("one\n\ntwo", "one"),
            ("EN ENDED", "EN "),
            ("café! no", "caf"),
            ("all of it E", "all of it E"),
            ("  spaces stay ", "  spaces stay "),
        ] {
            for len in 1..6 {
                let (content, _, _, events) = parse(OutputParser::new(false, None, stop_sequences()), text, len);
                assert_eq!(content, expected, "{text:?} by {len}");
                assert_eq!(events.contains(&OutputEvent::Stopped), expected != text);
            }
        }
    }

    #[test]
    fn reasoning_is_separated() {
        for (in_reasoning, text, content, reasoning) in [
            (false, "<think>\nHm.\n\nSo.\n</think>\n\nYes.", "Yes.", "Hm.\n\nSo."),
            (false, "\n<think></think>Yes", "Yes", ""),
            (true, "Hm.</think>\nYes.", "Yes.", "Hm."),
            (true, "never ends", "", "never ends"),
            (false, "Yes <think>no</think>", "Yes <think>no</think>", ""),
            (false, "[THINK]a[/THINK]b", "b", "a"),
        ] {
            for len in 1..9 {
                let (actual_content, actual_reasoning, ..) =
                    parse(OutputParser::new(in_reasoning, None, Vec::new()), text, len);
                let actual = (actual_content.as_str(), actual_reasoning.as_str());
                assert_eq!(actual, (content, reasoning), "{text:?} by {len}");
            }
        }
    }

    #[test]
    fn tool_calls_are_separated_and_announced() {
        for (format, text, content, calls) in [
            (ToolFormat::Hermes, "Sure.\n<tool_call>\n{}", "Sure.", "<tool_call>\n{}"),
            (ToolFormat::Hermes, "a < b <tool", "a < b <tool", ""),
            (ToolFormat::Llama, " {\"name\": 1}", "", " {\"name\": 1}"),
            (ToolFormat::Llama, "See {x}", "See {x}", ""),
            (ToolFormat::Mistral, "[TOOL_CALLS][]", "", "[TOOL_CALLS][]"),
            (ToolFormat::Granite, "<|tool_call|>[]", "", "<|tool_call|>[]"),
        ] {
            for len in 1..9 {
                let parser = OutputParser::new(false, Some(format), Vec::new());
                let (actual_content, _, actual_calls, events) = parse(parser, text, len);
                let actual = (actual_content.as_str(), actual_calls.as_str());
                assert_eq!(actual, (content, calls), "{text:?} by {len}");
                assert_eq!(events.len(), usize::from(!calls.is_empty()), "{text:?} by {len}");
            }
        }
    }
}
