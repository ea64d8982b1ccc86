//! Every format, in one piece, in two, and character by character.
#![allow(clippy::expect_used, reason = "tests may panic")]

use super::*;
use crate::tools::tests::{FORMATS, samples, tools};

#[path = "../../../../tests/src/notes.rs"]
#[allow(unreachable_pub, reason = "this file belongs to another package")]
mod notes;

/// All that was parsed, with the arguments of each call in one piece.
#[derive(Debug, Default, PartialEq, Eq)]
struct Output {
    content: String,
    reasoning: String,
    calls: Vec<(String, String)>,
    events: Vec<OutputEvent>,
}

impl Output {
    fn add(&mut self, parsed: Parsed) {
        self.content.push_str(&parsed.content);
        self.reasoning.push_str(&parsed.reasoning);
        self.events.extend(parsed.event);
        for CallDelta { index, name, arguments } in parsed.calls {
            if let Some(name) = name {
                assert_eq!(index as usize, self.calls.len(), "calls start in order");
                self.calls.push((name, arguments));
            } else {
                assert_eq!(index as usize + 1, self.calls.len(), "only the last call grows");
                assert!(!arguments.is_empty());
                self.calls.last_mut().expect("a call has started").1.push_str(&arguments);
            }
        }
    }
}

fn parse<'p>(mut parser: OutputParser, pieces: impl IntoIterator<Item = &'p str>) -> Output {
    let mut output = Output::default();
    for piece in pieces {
        output.add(parser.push(piece));
    }
    output.add(parser.finish());
    output
}

/// The output, which must not depend on how the text is split. Events may be reported together.
fn parse_all_ways(parser: &OutputParser, text: &str) -> Output {
    let whole = parse(parser.clone(), [text]);
    let characters = text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]);
    let ways = text.char_indices().map(|(at, _)| text.split_at(at)).map(|(first, rest)| vec![first, rest]);
    for pieces in ways.chain([characters.collect()]) {
        let output = parse(parser.clone(), pieces.iter().copied());
        let actual = (&output.content, &output.reasoning, &output.calls);
        assert_eq!(actual, (&whole.content, &whole.reasoning, &whole.calls), "{text:?} as {pieces:?}");
    }
    whole
}

fn parser(format: ToolFormat) -> OutputParser {
    OutputParser::new(None, Some(Expected { format, tools: tools().into() }), Vec::new())
}

fn owned(calls: &[(&str, &str)]) -> Vec<(String, String)> {
    calls.iter().map(|(name, arguments)| ((*name).to_owned(), (*arguments).to_owned())).collect()
}

#[test]
fn calls_of_every_format_are_parsed_and_streamed() {
    for (format, text, calls) in samples() {
        let output = parse_all_ways(&parser(format), text);
        assert_eq!((output.content.as_str(), output.calls), ("", owned(calls)), "{format:?}: {text}");
    }
    for (format, models) in FORMATS {
        let count = samples().iter().filter(|(other, ..)| *other == format).count()
            + variants().iter().filter(|(other, ..)| *other == format).count();
        notes::note("tools", &[&format!("{format:?}"), models, &count.to_string()]);
    }
}

type Variant = (ToolFormat, &'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Answers with content and reasoning, and what models write instead of the usual form: content, reasoning, calls.
fn variants() -> Vec<Variant> {
    const F: &[(&str, &str)] = &[("f", r#"{"a": 1}"#)];
    const G: &[(&str, &str)] = &[("g", "{}")];
    vec![
        (
            ToolFormat::Hermes,
            "<think>\nHm.\n</think>\n\nSure.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\nDone.",
            "Sure.\nDone.",
            "Hm.",
            F,
        ),
        (ToolFormat::Hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}", "", "", F),
        (ToolFormat::Hermes, "<tool_call>{\"name\": \"g\"}</tool_call>", "", "", G),
        (ToolFormat::Hermes, "<tool_call>{\"arguments\": {\"a\": 1}, \"name\": \"f\"}</tool_call>", "", "", F),
        (ToolFormat::Llama, "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "", "", F),
        (
            ToolFormat::Llama,
            "{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"a\": 1}}}",
            "",
            "",
            F,
        ),
        (
            ToolFormat::Llama,
            "{\"name\": \"f\", \"parameters\": {\"a\": 1}}; {\"name\": \"g\", \"parameters\": {}}",
            "",
            "",
            &[("f", r#"{"a": 1}"#), ("g", "{}")],
        ),
        (
            ToolFormat::Mistral,
            "[THINK]Hm.[/THINK][TOOL_CALLS]{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}",
            "",
            "Hm.",
            F,
        ),
        (ToolFormat::MistralNamed, "[TOOL_CALLS]f[CALL_ID]123456789[ARGS]{\"a\": 1}", "", "", F),
        (ToolFormat::Granite, "<tool_call>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", "", "", F),
        (
            ToolFormat::Qwen,
            "<think>Hm.</think>\n\nI'll look.\n\n<function=f><parameter=a>1</parameter></tool_call>",
            "I'll look.",
            "Hm.",
            F,
        ),
        (
            ToolFormat::Glm,
            "\n<think>Hm.</think>\n<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_c",
            "",
            "Hm.",
            F,
        ),
        (
            ToolFormat::DeepSeek,
            "<think>\nHm.\n</think>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": 1}\n```<｜tool▁call▁end｜>",
            "",
            "Hm.",
            F,
        ),
        (
            ToolFormat::Gemma,
            "<|channel>thought\nHm.\n<channel|>Sure.<|tool_call>call:f{a:1}<tool_call|>",
            "Sure.",
            "Hm.",
            F,
        ),
        (
            ToolFormat::Lfm,
            "<think>Hm.</think><|tool_call_start|>[f(a=1)]<|tool_call_end|>Looking.",
            "Looking.",
            "Hm.",
            F,
        ),
        (
            ToolFormat::Lfm,
            "<|tool_call_start|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]<|tool_call_end|>",
            "",
            "",
            F,
        ),
        (
            ToolFormat::Harmony,
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>Looking.<|end|>\
             <|start|>assistant to=functions.f<|channel|>commentary json<|message|>{\"a\": 1}<|call|>",
            "Looking.",
            "Hm.",
            F,
        ),
        (
            ToolFormat::Harmony,
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>analysis<|message|>So.<|end|>\
             <|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
            "Yes.",
            "Hm.\n\nSo.",
            &[],
        ),
    ]
}

#[test]
fn content_and_reasoning_are_separated_from_calls() {
    for (format, text, content, reasoning, calls) in variants() {
        let output = parse_all_ways(&parser(format), text);
        let actual = (output.content.as_str(), output.reasoning.as_str(), output.calls);
        assert_eq!(actual, (content, reasoning, owned(calls)), "{format:?}: {text}");
    }
}

#[test]
fn names_are_announced_before_arguments_end() {
    for (format, text, calls) in samples() {
        let before = text.find(calls[0].0).expect("the name") + calls[0].0.len();
        let cut = text[before..].find('1').expect("an argument") + before;
        let mut parser = parser(format);
        let announced = parser.push(&text[..cut]).calls;
        assert_eq!(announced.first().and_then(|call| call.name.as_deref()), Some(calls[0].0), "{format:?}: {text}");
    }
}

#[test]
fn what_is_no_call_is_content() {
    for (format, text) in [
        (ToolFormat::Hermes, "a < b <tool"),
        (ToolFormat::Hermes, "<tool_call>\n{\"name\": "),
        (ToolFormat::Hermes, "<tool_call>hello</tool_call>"),
        (ToolFormat::Hermes, "Say:\n<tool_call>{\"name\": \"two words\", \"arguments\": {}}</tool_call>"),
        (ToolFormat::Hermes, "<tool_call><tool_call><tool_call>"),
        (ToolFormat::Llama, "See {x}"),
        (ToolFormat::Llama, "{\"city\": \"Rome\"}"),
        (ToolFormat::Llama, "{\"name\": \"Rome\", \"people\": 3}"),
        (ToolFormat::Mistral, "[TOOL_CALLS][]"),
        (ToolFormat::MistralNamed, "[TOOL_CALLS]f"),
        (ToolFormat::Granite, "<|tool_call|>nothing"),
        (ToolFormat::Qwen, "<tool_call>\n<function=\n"),
        (ToolFormat::Glm, "<tool_call>two words\n</tool_call>"),
        (ToolFormat::GlmLine, "f is a function"),
        (ToolFormat::GlmLine, "f\nis a function"),
        (ToolFormat::DeepSeek, "<｜tool▁calls▁begin｜>nothing"),
        (ToolFormat::Gemma, "<|tool_call>f{}<tool_call|>"),
        (ToolFormat::Lfm, "<|tool_call_start|>f(a=1)<|tool_call_end|>"),
        (ToolFormat::Harmony, "No header."),
    ] {
        let output = parse_all_ways(&parser(format), text);
        assert_eq!((output.content.as_str(), output.calls), (text, Vec::new()), "{format:?}");
    }
}

#[test]
fn calls_that_are_cut_off_keep_what_they_have() {
    for (format, text, content, arguments) in [
        (ToolFormat::Hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": [1", "", "{\"a\": [1"),
        (
            ToolFormat::Qwen,
            "<tool_call><function=f><parameter=a>1</parameter><parameter=b>x",
            "<parameter=b>x",
            "{\"a\": 1",
        ),
        (ToolFormat::Gemma, "<|tool_call>call:f{a:1,b:<|\"|>x", "b:<|\"|>x", "{\"a\": 1"),
        (ToolFormat::Lfm, "<|tool_call_start|>[f(a=1, b='x", "b='x", "{\"a\": 1"),
        (ToolFormat::Harmony, " to=functions.f<|channel|>commentary json<|message|>{\"a\"", "", "{\"a\""),
    ] {
        let output = parse_all_ways(&parser(format), text);
        let actual = (output.content.trim(), output.calls);
        assert_eq!(actual, (content, owned(&[("f", arguments)])), "{format:?}");
    }
}

#[test]
fn hostile_output_is_bounded() {
    for (format, _) in FORMATS {
        let layout = format.layout();
        for unit in layout.openers.iter().chain(layout.beginnings).chain(layout.inner).chain(&[
            layout.closer,
            "{",
            "[f(",
            "\"",
            "<",
        ]) {
            let text = unit.repeat(20_000 / unit.len().max(1));
            for prefix in ["", "<tool_call>", "<|tool_call>call:f{a:", "<|tool_call_start|>[f(a=", "<|channel|>"] {
                let text = format!("{prefix}{text}");
                let pieces: Vec<String> =
                    text.chars().collect::<Vec<_>>().chunks(7).map(|piece| piece.iter().collect()).collect();
                let output = parse(parser(format), pieces.iter().map(String::as_str));
                assert!(output.content.len() <= text.len() && output.calls.len() <= text.len(), "{format:?}");
            }
        }
    }
}

#[test]
fn call_starts_and_ends_are_events() {
    let mut hermes = parser(ToolFormat::Hermes);
    assert_eq!(hermes.push("Sure. <tool_call>\n{").event, Some(OutputEvent::CallStarted("\n{".to_owned())));
    let mut qwen = parser(ToolFormat::Qwen);
    assert_eq!(qwen.push("<function=").event, Some(OutputEvent::CallStarted("<function=".to_owned())));
    let mut harmony = parser(ToolFormat::Harmony);
    let call = harmony.push("<|channel|>commentary to=functions.f<|message|>");
    assert_eq!(call.event, Some(OutputEvent::CallStarted("f\n".to_owned())));
    assert_eq!(harmony.push("{}<|call|> more").event, Some(OutputEvent::Stopped));
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
        let output = parse_all_ways(&OutputParser::new(None, None, stop_sequences()), text);
        assert_eq!(output.content, expected, "{text:?}");
        assert_eq!(output.events.contains(&OutputEvent::Stopped), expected != text);
    }
}

#[test]
fn reasoning_is_separated() {
    let think = opened_reasoning("<|im_start|>assistant\n<think>\n");
    let channel = opened_reasoning("<|turn>model\n<|channel>thought\n");
    for (opened, text, content, reasoning) in [
        (None, "<think>\nHm.\n\nSo.\n</think>\n\nYes.", "Yes.", "Hm.\n\nSo."),
        (None, "\n<think></think>Yes", "Yes", ""),
        (think, "Hm.</think>\nYes.", "Yes.", "Hm."),
        (think, "never ends", "", "never ends"),
        (channel, "Hm.\n<channel|>Yes.", "Yes.", "Hm."),
        (None, "Yes <think>no</think>", "Yes <think>no</think>", ""),
        (None, "[THINK]a[/THINK]b", "b", "a"),
    ] {
        let output = parse_all_ways(&OutputParser::new(opened, None, Vec::new()), text);
        assert_eq!((output.content.as_str(), output.reasoning.as_str()), (content, reasoning), "{text:?}");
    }
    assert_eq!(opened_reasoning("<think></think>"), None);
}

#[test]
fn repeated_injections_are_no_calls_without_tools() {
    let injections = include_str!("../../../../tests/fixtures/injections.json");
    let injections: Vec<serde_json::Value> = serde_json::from_str(injections).expect("valid JSON");
    assert_eq!(injections.len(), 60);
    for injection in &injections {
        let says = injection["says"].as_str().expect("a text");
        let output = parse(OutputParser::new(None, None, Vec::new()), [says]);
        assert_eq!((output.content.as_str(), output.calls), (says, Vec::new()), "{}", injection["name"]);
    }
}
