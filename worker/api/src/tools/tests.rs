//! What formats have in common: samples of each, their detection, and their grammars.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use llguidance::api::TopLevelGrammar;
use parlance_engine::gguf::{Gguf, Parsed};
use parlance_engine::template::ChatTemplate;
use serde_json::json;

use super::*;
use crate::grammar::GrammarCompiler;
use crate::output_parser::{Expected, OutputParser};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/SmolLM2-135M-Instruct.Q4_1.gguf");

pub(crate) const FORMATS: [(ToolFormat, &str); 12] = [
    (ToolFormat::Hermes, "Hermes, Qwen 2.5 and 3, and many more"),
    (ToolFormat::Llama, "Llama 3"),
    (ToolFormat::Mistral, "Mistral"),
    (ToolFormat::MistralNamed, "Mistral since 2025"),
    (ToolFormat::Granite, "Granite 3"),
    (ToolFormat::Qwen, "Qwen 3 Coder, Qwen 3.5, Nemotron 3"),
    (ToolFormat::Glm, "GLM since 4.5"),
    (ToolFormat::GlmLine, "GLM 4"),
    (ToolFormat::DeepSeek, "DeepSeek V3, V3.1, R1"),
    (ToolFormat::Gemma, "Gemma 4"),
    (ToolFormat::Lfm, "LFM2, LFM2.5"),
    (ToolFormat::Harmony, "gpt-oss"),
];

/// Two tools: `f` with parameters of several types, and `g-h.i` without.
pub(crate) fn tools() -> Vec<FunctionDefinition> {
    let parameters = json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": "integer" }, "b": { "type": "string" }, "c": { "type": "array", "items": {} } },
    });
    let named = |name: &str, parameters| FunctionDefinition { name: name.to_owned(), description: None, parameters };
    vec![named("f", Some(parameters)), named("g-h.i", None)]
}

/// A format, an answer in it, and what it calls: names with arguments.
pub(crate) type Sample = (ToolFormat, &'static str, &'static [(&'static str, &'static str)]);

/// Answers with complete calls.
pub(crate) fn samples() -> Vec<Sample> {
    const F: &[(&str, &str)] = &[("f", r#"{"a": 1, "b": "x < \"y\"", "c": [true, "z"]}"#)];
    const BOTH: &[(&str, &str)] = &[("f", r#"{"a": 1}"#), ("g-h.i", "{}")];
    const ONE: &[(&str, &str)] = &[("f", r#"{"a": 1}"#)];
    vec![
        (
            ToolFormat::Hermes,
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1, \"b\": \"x < \\\"y\\\"\", \"c\": [true, \"z\"]}}\n</tool_call>",
            F,
        ),
        (
            ToolFormat::Hermes,
            "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>\n<tool_call>{\"name\": \"g-h.i\", \"arguments\": {}}</tool_call>",
            BOTH,
        ),
        (
            ToolFormat::Llama,
            "{\"name\": \"f\", \"parameters\": {\"a\": 1, \"b\": \"x < \\\"y\\\"\", \"c\": [true, \"z\"]}}",
            F,
        ),
        (
            ToolFormat::Mistral,
            "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g-h.i\", \"arguments\": {}}]",
            BOTH,
        ),
        (ToolFormat::MistralNamed, "[TOOL_CALLS]f[ARGS]{\"a\": 1, \"b\": \"x < \\\"y\\\"\", \"c\": [true, \"z\"]}", F),
        (ToolFormat::MistralNamed, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g-h.i[ARGS]{}", BOTH),
        (
            ToolFormat::Granite,
            "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g-h.i\", \"arguments\": {}}]",
            BOTH,
        ),
        (
            ToolFormat::Qwen,
            "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\nx < \"y\"\n</parameter>\n<parameter=c>\n[true, \"z\"]\n</parameter>\n</function>\n</tool_call>",
            F,
        ),
        (
            ToolFormat::Qwen,
            "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=g-h.i>\n</function>\n</tool_call>",
            BOTH,
        ),
        (
            ToolFormat::Glm,
            "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n<arg_key>b</arg_key>\n<arg_value>x < \"y\"</arg_value>\n<arg_key>c</arg_key>\n<arg_value>[true, \"z\"]</arg_value>\n</tool_call>",
            F,
        ),
        (
            ToolFormat::Glm,
            "<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value></tool_call><tool_call>g-h.i\n</tool_call>",
            BOTH,
        ),
        (ToolFormat::GlmLine, "f\n{\"a\": 1, \"b\": \"x < \\\"y\\\"\", \"c\": [true, \"z\"]}", F),
        (
            ToolFormat::DeepSeek,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜><｜tool▁call▁begin｜>g-h.i<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            BOTH,
        ),
        (
            ToolFormat::DeepSeek,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": 1}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g-h.i\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            BOTH,
        ),
        (ToolFormat::Gemma, "<|tool_call>call:f{a:1,b:<|\"|>x < \"y\"<|\"|>,c:[true,<|\"|>z<|\"|>]}<tool_call|>", F),
        (ToolFormat::Gemma, "<|tool_call>call:f{a:1}<tool_call|><|tool_call>call:g-h.i{}<tool_call|>", BOTH),
        (ToolFormat::Lfm, "<|tool_call_start|>[f(a=1, b='x < \"y\"', c=[True, \"z\"])]<|tool_call_end|>", F),
        (ToolFormat::Lfm, "<|tool_call_start|>[f(a=1), g-h.i()]<|tool_call_end|>", BOTH),
        (ToolFormat::Harmony, "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": 1}", ONE),
        (
            ToolFormat::Harmony,
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.f json<|message|>{\"a\": 1}",
            ONE,
        ),
    ]
}

/// Texts that differ from calls in one way: a name, an argument or the notation.
fn mistakes() -> Vec<(ToolFormat, &'static str)> {
    vec![
        (ToolFormat::Hermes, "<tool_call>\n{\"name\": \"f\", \"parameters\": {\"a\": 1}}\n</tool_call>"),
        (ToolFormat::Hermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>"),
        (ToolFormat::Hermes, "<tool_call>\n{\"name\": \"gxhxi\", \"arguments\": {}}\n</tool_call>"),
        (ToolFormat::Hermes, "Sure <tool_call>{\"name\": \"g-h.i\", \"arguments\": {}}</tool_call>"),
        (ToolFormat::Llama, "{\"name\": \"f\", \"arguments\": {\"a\": 1}}"),
        (ToolFormat::Mistral, "[TOOL_CALLS][]"),
        (ToolFormat::MistralNamed, "[TOOL_CALLS]g-h.i[ARGS]{\"a\": 1}"),
        (ToolFormat::Granite, "<|tool_call|>[{\"name\": \"f\", \"parameters\": {\"a\": 1}}]"),
        (ToolFormat::Qwen, "<tool_call>\n<function=f>\n</function>\n</tool_call>"),
        (ToolFormat::Qwen, "<tool_call>\n<function=f>\n<parameter=a>\none\n</parameter>\n</function>\n</tool_call>"),
        (ToolFormat::Qwen, "<tool_call>\n<function=h>\n</function>\n</tool_call>"),
        (ToolFormat::Glm, "<tool_call>f\n<arg_key>d</arg_key>\n<arg_value>1</arg_value>\n</tool_call>"),
        (ToolFormat::GlmLine, "f\n{}"),
        (ToolFormat::DeepSeek, "<｜tool▁calls▁begin｜><｜tool▁calls▁end｜>"),
        (ToolFormat::Gemma, "<|tool_call>call:f{a:<|\"|>1<|\"|>}<tool_call|>"),
        (ToolFormat::Gemma, "<|tool_call>call:f{b:<|\"|>1<|\"|>}<tool_call|>"),
        (ToolFormat::Lfm, "<|tool_call_start|>[f(a=\"1\")]<|tool_call_end|>"),
        (ToolFormat::Lfm, "<|tool_call_start|>[g-h.i(a=1)]<|tool_call_end|>"),
        (ToolFormat::Harmony, "<|channel|>final<|message|>{\"a\": 1}"),
    ]
}

fn chat() -> Chat {
    use std::io::Read as _;
    let mut header = Vec::new();
    let file = std::fs::File::open(MODEL).expect("`cargo xtask setup` fetches the demo model");
    file.take(8 << 20).read_to_end(&mut header).unwrap();
    let Parsed::Complete(gguf) = Gguf::parse(&header, None).unwrap() else { panic!("incomplete header") };
    Chat::from_gguf(&gguf, 49_152).unwrap()
}

#[test]
fn grammars_accept_calls_and_nothing_else() {
    let chat = chat();
    let grammars = GrammarCompiler::new(&chat).unwrap();
    let tools = tools();
    let tools: Vec<_> = tools.iter().collect();
    let accepts = |format: ToolFormat, text: &str| {
        let rules = grammar(format, &tools, true, true, chat.tokenizer()).unwrap();
        let compiled = grammars.matcher(TopLevelGrammar::from_lark(rules), "tools");
        let mut matcher = compiled.unwrap_or_else(|error| panic!("{format:?}: {error}"));
        let ids = chat.tokenizer().encode_plain(text).unwrap();
        matcher.try_consume_tokens(&ids).unwrap() == ids.len() && matcher.is_accepting().unwrap()
    };
    for (format, text, _) in samples() {
        assert!(accepts(format, text), "{format:?}: {text}");
    }
    for (format, text) in mistakes() {
        assert!(!accepts(format, text), "{format:?}: {text}");
    }
    for (format, _) in FORMATS {
        let rules = grammar(format, &tools, false, false, chat.tokenizer()).unwrap();
        let compiled = grammars.matcher(TopLevelGrammar::from_lark(rules), "tools");
        assert!(compiled.is_ok(), "{format:?}: {:?}", compiled.err());
    }
}

#[test]
fn response_formats_hold_for_the_last_message_in_channels() {
    const THOUGHT: &str = "<|channel|>analysis<|message|>Hm. {<|end|><|start|>assistant";
    let chat = chat();
    let grammars = GrammarCompiler::new(&chat).unwrap();
    let compiled = |format| crate::grammar::from_format(&serde_json::from_value(format).unwrap()).unwrap().unwrap().0;
    let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"] });
    let object = json!({ "type": "json_schema", "json_schema": { "name": "s", "schema": schema } });
    let accepts = |grammar, text: &str| {
        let mut matcher = grammars.matcher(in_channels(grammar, chat.tokenizer()), "response_format").unwrap();
        let ids = chat.tokenizer().encode_plain(text).unwrap();
        matcher.try_consume_tokens(&ids).unwrap() == ids.len() && matcher.is_accepting().unwrap()
    };
    for thoughts in 0..3 {
        let answer = |header: &str| format!("{}<|channel|>{header}<|message|>", THOUGHT.repeat(thoughts));
        for (text, is_right) in [
            (format!("{}{{\"a\": 1}}", answer("final")), true),
            (format!("{}{{\"a\": 1}}", answer("final <|constrain|>json")), true),
            (format!("{}{{\"a\": \"1\"}}", answer("final")), false),
            (format!("{}{{\"a\": 1}}", answer("commentary")), false),
            (format!("{}{{\"a\": 1}}", THOUGHT.repeat(thoughts)), false),
        ] {
            assert_eq!(accepts(compiled(object.clone()), &text), is_right, "{text}");
        }
        let others = [
            json!({ "type": "regex", "regex": "[a-c]{3}" }),
            json!({ "type": "grammar", "grammar": "start: \"a\" WORD\nWORD: /[bc]+/" }),
        ];
        for other in others {
            assert!(accepts(compiled(other.clone()), &format!("{}abc", answer("final"))), "{other}");
            assert!(!accepts(compiled(other), &format!("{}xyz", answer("final"))));
        }
    }
}

#[test]
fn the_format_is_detected_from_the_source_without_a_sample() {
    let cases = [
        ("{{ messages }}", ToolFormat::Hermes, false),
        ("{% if tools %}<tool_call>{% endif %}", ToolFormat::Hermes, true),
        ("{{ tools }} [TOOL_CALLS] ", ToolFormat::Mistral, true),
        ("{{ tools }} [TOOL_CALLS] [ARGS]", ToolFormat::MistralNamed, true),
        ("{{ tools }} <|tool_call|>", ToolFormat::Granite, true),
        ("{{ tools }} <|python_tag|>", ToolFormat::Llama, true),
        (r#"{{ tools }} {"name": x, "parameters": y}"#, ToolFormat::Llama, true),
        ("{{ tools }} <tool_call><function=", ToolFormat::Qwen, true),
    ];
    for (source, format, describes_tools) in cases {
        let style = ToolStyle::of_template(source, None);
        let expected = (format, describes_tools, describes_tools);
        assert_eq!((style.format, style.describes_tools, style.calls.is_some()), expected, "{source}");
    }
}

#[test]
fn the_format_is_detected_from_a_sample() {
    for (format, text, _) in samples() {
        let text = text.replace("f\n{", &format!("{}\n{{", CallSample::NAME));
        let sample = CallSample { text, describes_tools: true, arguments_as_text: false, without_content: false };
        assert_eq!(ToolStyle::of_template("{{ tools }}", Some(&sample)).format, format, "{}", sample.text);
    }
}

/// The last `{` or marker before a call's name starts the call.
fn shown_call(format: ToolFormat, text: &str) -> &str {
    let name = text.find(CallSample::NAME).expect("samples show the call");
    let layout = format.layout();
    let markers = layout.openers.iter().chain(layout.beginnings).chain(&["<|start|>"]);
    let start = markers.filter_map(|marker| text[..name].rfind(marker)).min();
    &text[start.or_else(|| text[..name].rfind('{')).unwrap_or(name)..]
}

#[test]
fn published_templates_show_calls_that_are_parsed() {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/test-data/templates");
    for (file, format) in [
        ("qwen3", ToolFormat::Hermes),
        ("qwen3_vl", ToolFormat::Hermes),
        ("llama3_1", ToolFormat::Llama),
        ("axolotl-mistral_v3_tekken", ToolFormat::Mistral),
        ("qwen3_5_think", ToolFormat::Qwen),
        ("nemotron_3_nano", ToolFormat::Qwen),
        ("glm4moe", ToolFormat::Glm),
        ("deepseekv3", ToolFormat::DeepSeek),
        ("deepseek_r1_distill", ToolFormat::DeepSeek),
        ("gemma4", ToolFormat::Gemma),
        ("gemma4_v5", ToolFormat::Gemma),
        ("lfm2_v2", ToolFormat::Lfm),
        ("lfm2_2_5_v2", ToolFormat::Lfm),
        ("gptoss", ToolFormat::Harmony),
    ] {
        let path = folder.join(file).with_extension("jinja");
        let source = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask setup` fetches it", path.display()));
        let template = ChatTemplate::new(Some(&source), "<s>".to_owned(), "</s>".to_owned());
        let sample = CallSample::of(&template).unwrap_or_else(|| panic!("{file} shows no call"));
        let style = ToolStyle::of_template(&source, Some(&sample));
        assert_eq!(style.format, format, "{file}");
        assert_eq!(style.describes_tools, format != ToolFormat::DeepSeek, "{file}");
        assert!(style.calls.is_some(), "{file}");

        let expected = Expected { format, tools: tools().into() };
        let mut parser = OutputParser::new(None, Some(expected), Vec::new());
        let text = shown_call(format, &sample.text);
        let parsed = [parser.push(text), parser.finish()].map(|parsed| parsed.calls).concat();
        let name = parsed.first().and_then(|call| call.name.as_deref());
        let arguments: String = parsed.iter().map(|call| call.arguments.as_str()).collect();
        let arguments: serde_json::Value = serde_json::from_str(&arguments).unwrap_or_default();
        assert_eq!((name, &arguments), (Some(CallSample::NAME), &json!({ "place": "Qx7Zd4" })), "{file}: {text}");
    }
}

#[test]
fn ids_are_shortened_where_templates_need_that() {
    let short = CallForm { has_short_ids: true, ..CallForm::default() };
    assert_eq!(short.id("call_0123456789abcdef_0_1"), "9abcdef01");
    assert_eq!(short.id("é-7"), "000000007");
    assert_eq!(CallForm::default().id("call_7"), "call_7");
}
