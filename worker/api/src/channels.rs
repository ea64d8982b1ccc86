//! Answers in channels (`harmony`, gpt-oss): messages with a header, for reasoning, tool calls and text.

/// Markers that end a message. The last two begin the next one.
pub(crate) static MESSAGE_ENDS: [&str; 5] = ["<|end|>", "<|return|>", CALL_END, "<|start|>", "<|channel|>"];
/// Ends a message with a tool call.
pub(crate) const CALL_END: &str = "<|call|>";
/// Ends a header.
const MESSAGE: &str = "<|message|>";
/// What a header can start with, after white space.
const BEGINNINGS: [&str; 4] = ["<|start|>", "<|channel|>", MESSAGE, "to="];
/// Maximum length of a header.
const MAX_HEADER_BYTES: usize = 256;

/// A message, by its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// Reasoning.
    Analysis,
    /// A call of this function.
    Call(String),
    /// Text before a call.
    Commentary,
    /// The answer.
    Final,
}

/// A text in which a header is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Header {
    /// It has this length.
    Complete(usize, Message),
    /// It does not end.
    Unfinished,
    /// It is none.
    Missing,
}

impl Header {
    /// The header at the start of `text`.
    pub(crate) fn of(text: &str) -> Self {
        let start = text.trim_start();
        if !BEGINNINGS.iter().any(|beginning| start.starts_with(beginning) || beginning.starts_with(start)) {
            return Self::Missing;
        }
        match text.find(MESSAGE) {
            Some(len) if len <= MAX_HEADER_BYTES => Self::Complete(len + MESSAGE.len(), message(&text[..len])),
            None if text.len() <= MAX_HEADER_BYTES + MESSAGE.len() => Self::Unfinished,
            _ => Self::Missing,
        }
    }
}

/// The message with this header. The recipient may come before or after the channel.
fn message(header: &str) -> Message {
    let recipient = word_after(header, "to=").unwrap_or_default();
    let function = recipient.strip_prefix("functions.").unwrap_or(recipient);
    match word_after(header, "<|channel|>") {
        _ if !matches!(function, "" | "assistant" | "user" | "all") => Message::Call(function.to_owned()),
        Some("analysis") => Message::Analysis,
        Some("commentary") => Message::Commentary,
        _ => Message::Final,
    }
}

/// The word after `label`.
fn word_after<'h>(header: &'h str, label: &str) -> Option<&'h str> {
    let (_, rest) = header.split_once(label)?;
    rest.split(|c: char| c.is_whitespace() || c == '<').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_name_channel_and_recipient() {
        let call = || Message::Call("f".to_owned());
        for (header, message) in [
            ("<|channel|>analysis<|message|>", Message::Analysis),
            ("<|start|>assistant<|channel|>final<|message|>", Message::Final),
            ("<|channel|>commentary<|message|>", Message::Commentary),
            ("<|channel|>commentary to=functions.f <|constrain|>json<|message|>", call()),
            (" to=functions.f<|channel|>commentary json<|message|>", call()),
            ("<|start|>assistant to=functions.f<|channel|>analysis<|message|>", call()),
            ("<|channel|>commentary to=assistant<|message|>", Message::Commentary),
        ] {
            assert_eq!(Header::of(&format!("{header}Hi")), Header::Complete(header.len(), message), "{header}");
            for (end, _) in header.char_indices() {
                assert_eq!(Header::of(&header[..end]), Header::Unfinished, "{}", &header[..end]);
            }
        }
        for text in ["Hi", "<|end|>", &format!("<|channel|>{}", "x".repeat(300))] {
            assert_eq!(Header::of(text), Header::Missing, "{text}");
        }
    }
}
