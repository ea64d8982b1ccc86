//! An answer's text as it comes: thoughts, calls, stop texts, and what is left for the reader.
//!
//! Whatever may still turn out to be the beginning of a marker or of a stop text is held back.

use crate::tools::ToolFormat;

/// What encloses thoughts.
pub(crate) const THINK_MARKERS: [(&str, &str); 2] = [("<think>", "</think>"), ("[THINK]", "[/THINK]")];

/// What a piece of an answer came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Text for the reader.
    pub(crate) content: String,
    /// Thoughts.
    pub(crate) reasoning: String,
    /// Something that changes how the answer goes on.
    pub(crate) event: Option<TextEvent>,
}

/// Something that changes how an answer goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextEvent {
    /// The thoughts have ended.
    ReasoningEnded,
    /// A call has begun; this much of it came after its opener, or with it, if there is none.
    CallBegan(String),
    /// A stop text came.
    Stopped,
}

/// Where an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// At its beginning, where thoughts may begin.
    Beginning,
    /// In thoughts that end with this.
    Reasoning(&'static str),
    /// In the text for the reader.
    Content,
    /// In a call.
    Call,
    /// After a stop text.
    Stopped,
}

/// Splits an answer's text.
#[derive(Debug, Clone)]
pub(crate) struct AnswerText {
    stage: Stage,
    tools: Option<ToolFormat>,
    stops: Vec<String>,
    /// Text that came and was not told yet.
    held: String,
    /// The calls' text, openers included.
    calls: String,
    has_content: bool,
    /// Line ends are dropped until something else comes: they only set thoughts apart.
    skips_lines: bool,
}

impl AnswerText {
    /// A text that may hold calls of `tools` and ends at `stops`; `in_thoughts` if the prompt opened thoughts.
    pub(crate) fn new(in_thoughts: bool, tools: Option<ToolFormat>, stops: Vec<String>) -> Self {
        let stage = if in_thoughts { Stage::Reasoning(THINK_MARKERS[0].1) } else { Stage::Beginning };
        Self {
            stage,
            tools,
            stops,
            held: String::new(),
            calls: String::new(),
            has_content: false,
            skips_lines: in_thoughts,
        }
    }

    /// An answer that a grammar keeps in one form: all of it is for the reader, but for stop texts.
    pub(crate) fn plain(stops: Vec<String>) -> Self {
        Self { stage: Stage::Content, ..Self::new(false, None, stops) }
    }

    /// An answer that is calls from its beginning.
    pub(crate) fn calls_only(tools: ToolFormat) -> Self {
        Self { stage: Stage::Call, ..Self::new(false, Some(tools), Vec::new()) }
    }

    /// Whether the thoughts are still going on.
    pub(crate) fn is_reasoning(&self) -> bool {
        matches!(self.stage, Stage::Reasoning(_))
    }

    /// What follows the thoughts is calls.
    pub(crate) fn begin_call(&mut self) {
        self.stage = Stage::Call;
        self.calls.push_str(&std::mem::take(&mut self.held));
    }

    /// The calls' text.
    pub(crate) fn calls(&self) -> &str {
        &self.calls
    }

    /// Takes the next text.
    pub(crate) fn push(&mut self, text: &str) -> Piece {
        let mut piece = Piece::default();
        self.held.push_str(text);
        while self.advance(&mut piece) {}
        piece
    }

    /// Tells what is held back, at the end. What looked like a call and is none is text: see [`AnswerText::release_calls`].
    pub(crate) fn finish(&mut self) -> Piece {
        let mut piece = Piece::default();
        let held = std::mem::take(&mut self.held);
        match self.stage {
            Stage::Reasoning(_) => piece.reasoning = held,
            Stage::Call => self.calls.push_str(&held),
            Stage::Stopped => {}
            Stage::Beginning | Stage::Content => self.tell(&held, &mut piece),
        }
        piece
    }

    /// The calls' text as text for the reader, because it holds no call that can be read.
    pub(crate) fn release_calls(&mut self) -> String {
        std::mem::take(&mut self.calls)
    }

    /// Does one step; whether another may follow.
    fn advance(&mut self, piece: &mut Piece) -> bool {
        if self.skips_lines {
            let lines = self.held.len() - self.held.trim_start_matches('\n').len();
            self.held.drain(..lines);
            self.skips_lines = self.held.is_empty();
        }
        match self.stage {
            Stage::Beginning => self.begin(),
            Stage::Reasoning(close) => self.reason(close, piece),
            Stage::Content => self.content(piece),
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

    fn begin(&mut self) -> bool {
        let text = self.held.trim_start();
        if let Some((open, close)) = THINK_MARKERS.iter().find(|(open, _)| text.starts_with(open)) {
            self.held = text[open.len()..].to_owned();
            self.skips_lines = true;
            self.stage = Stage::Reasoning(close);
            return true;
        }
        if text.is_empty() || THINK_MARKERS.iter().any(|(open, _)| open.starts_with(text)) {
            return false;
        }
        self.stage = Stage::Content;
        true
    }

    fn reason(&mut self, close: &'static str, piece: &mut Piece) -> bool {
        if let Some((thoughts, rest)) = self.held.split_once(close) {
            piece.reasoning.push_str(thoughts.trim_end_matches('\n'));
            self.held = rest.to_owned();
            self.skips_lines = true;
            self.stage = Stage::Content;
            piece.event.get_or_insert(TextEvent::ReasoningEnded);
            return !self.held.is_empty();
        }
        // Line ends are held back, too: those before the closing marker do not belong to the thoughts.
        let kept = partial_len(&self.held, std::iter::once(close));
        let told = self.held[..self.held.len() - kept].trim_end_matches('\n').len();
        piece.reasoning.push_str(&self.held[..told]);
        self.held.drain(..told);
        false
    }

    fn content(&mut self, piece: &mut Piece) -> bool {
        if !self.has_content && piece.content.is_empty() && self.tools.is_some_and(ToolFormat::may_be_bare) {
            let text = self.held.trim_start();
            if text.starts_with('{') {
                piece.event = Some(TextEvent::CallBegan(text.to_owned()));
                self.begin_call();
                return false;
            }
            if text.is_empty() {
                return false;
            }
        }
        let openers = self.tools.map(ToolFormat::openers).unwrap_or_default();
        let stop = first_of(&self.held, self.stops.iter().map(String::as_str));
        let opener = first_of(&self.held, openers.iter().copied());
        match (stop, opener) {
            (Some((at, _)), opener) if opener.is_none_or(|(other, _)| at <= other) => {
                let text = self.held[..at].to_owned();
                self.tell(&text, piece);
                self.held.clear();
                self.stage = Stage::Stopped;
                piece.event = Some(TextEvent::Stopped);
            }
            (_, Some((at, opener))) => {
                let text = self.held[..at].trim_end().to_owned();
                self.tell(&text, piece);
                let rest = self.held[at + opener.len()..].to_owned();
                self.held.drain(..at);
                piece.event = Some(TextEvent::CallBegan(rest));
                self.begin_call();
            }
            _ => {
                let needles = self.stops.iter().map(String::as_str).chain(openers.iter().copied());
                let mut told = self.held.len() - partial_len(&self.held, needles);
                if !openers.is_empty() {
                    // White space before a call does not belong to the text.
                    told = self.held[..told].trim_end().len();
                }
                let text: String = self.held.drain(..told).collect();
                self.tell(&text, piece);
            }
        }
        false
    }

    fn tell(&mut self, text: &str, piece: &mut Piece) {
        self.has_content |= !text.is_empty();
        piece.content.push_str(text);
    }
}

/// The place and text of the first of `needles` in `text`.
fn first_of<'n>(text: &str, needles: impl Iterator<Item = &'n str>) -> Option<(usize, &'n str)> {
    needles.filter_map(|needle| Some((text.find(needle)?, needle))).min_by_key(|(at, _)| *at)
}

/// Bytes at the end of `text` with which one of `needles` may begin.
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

    /// What comes of `text` in pieces of `len` characters: content, thoughts, calls, events.
    fn split(mut answer: AnswerText, text: &str, len: usize) -> (String, String, String, Vec<TextEvent>) {
        let characters: Vec<char> = text.chars().collect();
        let mut all = Piece::default();
        let mut events = Vec::new();
        let mut take = |piece: Piece| {
            all.content.push_str(&piece.content);
            all.reasoning.push_str(&piece.reasoning);
            events.extend(piece.event);
        };
        for part in characters.chunks(len) {
            take(answer.push(&part.iter().collect::<String>()));
        }
        take(answer.finish());
        (all.content, all.reasoning, answer.calls().to_owned(), events)
    }

    #[test]
    fn stop_texts_are_found_wherever_pieces_end_and_never_told() {
        let stops = || vec!["END".to_owned(), "\n\n".to_owned(), "é!".to_owned()];
        for (text, expected) in [
            ("one END two", "one "),
            ("one\n\ntwo", "one"),
            ("EN ENDED", "EN "),
            ("café! no", "caf"),
            ("all of it E", "all of it E"),
            ("  spaces stay ", "  spaces stay "),
        ] {
            for len in 1..6 {
                let (content, _, _, events) = split(AnswerText::new(false, None, stops()), text, len);
                assert_eq!(content, expected, "{text:?} by {len}");
                assert_eq!(events.contains(&TextEvent::Stopped), expected != text);
            }
        }
    }

    #[test]
    fn thoughts_are_told_apart() {
        for (in_thoughts, text, content, reasoning) in [
            (false, "<think>\nHm.\n\nSo.\n</think>\n\nYes.", "Yes.", "Hm.\n\nSo."),
            (false, "\n<think></think>Yes", "Yes", ""),
            (true, "Hm.</think>\nYes.", "Yes.", "Hm."),
            (true, "never ends", "", "never ends"),
            (false, "Yes <think>no</think>", "Yes <think>no</think>", ""),
            (false, "[THINK]a[/THINK]b", "b", "a"),
        ] {
            for len in 1..9 {
                let (actual, thoughts, ..) = split(AnswerText::new(in_thoughts, None, Vec::new()), text, len);
                assert_eq!((actual.as_str(), thoughts.as_str()), (content, reasoning), "{text:?} by {len}");
            }
        }
    }

    #[test]
    fn calls_are_held_back_and_announced() {
        for (format, text, content, calls) in [
            (ToolFormat::Hermes, "Sure.\n<tool_call>\n{}", "Sure.", "<tool_call>\n{}"),
            (ToolFormat::Hermes, "a < b <tool", "a < b <tool", ""),
            (ToolFormat::Llama, " {\"name\": 1}", "", " {\"name\": 1}"),
            (ToolFormat::Llama, "See {x}", "See {x}", ""),
            (ToolFormat::Mistral, "[TOOL_CALLS][]", "", "[TOOL_CALLS][]"),
            (ToolFormat::Granite, "<|tool_call|>[]", "", "<|tool_call|>[]"),
        ] {
            for len in 1..9 {
                let answer = AnswerText::new(false, Some(format), Vec::new());
                let (actual, _, found, events) = split(answer, text, len);
                assert_eq!((actual.as_str(), found.as_str()), (content, calls), "{text:?} by {len}");
                assert_eq!(events.len(), usize::from(!calls.is_empty()), "{text:?} by {len}");
            }
        }
    }
}
