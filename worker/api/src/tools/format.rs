//! Formats of tool calls, by model family: the markers around calls, and what stands between them.

use parlance_engine::calls::CallSample;

/// A format of tool calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToolFormat {
    /// `<tool_call>{"name": ..., "arguments": ...}</tool_call>`: Hermes, Qwen and many more.
    Hermes,
    /// `{"name": ..., "parameters": ...}`, with or without `<|python_tag|>` in front: Llama 3.
    Llama,
    /// `[TOOL_CALLS][{"name": ..., "arguments": ...}, ...]`: Mistral.
    Mistral,
    /// `[TOOL_CALLS]name[ARGS]{...}`: Mistral since 2025.
    MistralNamed,
    /// `<|tool_call|>[{"name": ..., "arguments": ...}, ...]`: Granite 3.
    Granite,
    /// `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>`: Qwen 3 Coder, Qwen 3.5.
    Qwen,
    /// `<tool_call>name<arg_key>key</arg_key><arg_value>value</arg_value></tool_call>`: GLM since 4.5.
    Glm,
    /// A line with the name, then `{...}`: GLM 4.
    GlmLine,
    /// `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>name<｜tool▁sep｜>{...}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`, or with
    /// `function` before the separator, and after it a line with the name and a block of JSON: `DeepSeek`.
    DeepSeek,
    /// `<|tool_call>call:name{key:<|"|>text<|"|>}<tool_call|>`: Gemma 4.
    Gemma,
    /// `<|tool_call_start|>[name(key="text")]<|tool_call_end|>`: LFM2.
    Lfm,
    /// `<|channel|>commentary to=functions.name<|message|>{...}<|call|>`: gpt-oss. Channels are also used for reasoning.
    Harmony,
}

/// The markers of a format. Some of them are control tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Texts before a call or a list of calls. The first is the usual one.
    pub(crate) openers: &'static [&'static str],
    /// Texts with which calls begin if the opener is missing.
    pub(crate) beginnings: &'static [&'static str],
    /// The text after a call or a list of calls; empty if there is none.
    pub(crate) closer: &'static str,
    /// Other markers.
    pub(crate) inner: &'static [&'static str],
    /// What is between opener and closer.
    pub(crate) syntax: Syntax,
}

/// How calls are written between their markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// A JSON object with name and arguments.
    Object,
    /// A list of such objects, or a name and a JSON object, separated by this.
    List(&'static str),
    /// A line with the name, then a JSON object.
    Line,
    /// A name and a JSON object, each with markers around them.
    DeepSeek,
    /// A name, and tags around keys and values.
    Tagged(&'static Tags),
    /// `call:name{key:value}`
    Gemma,
    /// `[name(key=value)]`
    Python,
    /// Messages with a header.
    Harmony,
}

/// The tags of a call in which keys and values stand as they are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tags {
    /// Before the name.
    pub(crate) name: &'static str,
    /// After the name. If it is empty, the name ends with the line or with the next tag.
    pub(crate) after_name: &'static str,
    /// Before a key.
    pub(crate) key: &'static str,
    /// After a key.
    pub(crate) after_key: &'static str,
    /// Before a value.
    pub(crate) value: &'static str,
    /// After a value.
    pub(crate) after_value: &'static str,
    /// Whether a value has lines of its own.
    pub(crate) value_has_lines: bool,
    /// After the parameters, before the closer.
    pub(crate) end: &'static str,
}

static QWEN_TAGS: Tags = Tags {
    name: "<function=",
    after_name: ">",
    key: "<parameter=",
    after_key: ">",
    value: "",
    after_value: "</parameter>",
    value_has_lines: true,
    end: "</function>",
};
static GLM_TAGS: Tags = Tags {
    name: "",
    after_name: "",
    key: "<arg_key>",
    after_key: "</arg_key>",
    value: "<arg_value>",
    after_value: "</arg_value>",
    value_has_lines: false,
    end: "",
};

/// A layout with nothing but this.
fn layout(openers: &'static [&'static str], closer: &'static str, syntax: Syntax) -> Layout {
    Layout { openers, beginnings: &[], closer, inner: &[], syntax }
}

/// The quotation mark of Gemma's strings.
pub(super) const GEMMA_QUOTE: &str = "<|\"|>";
/// Between a name and its arguments in Mistral's calls, and before an id.
pub(super) const MISTRAL_ARGUMENTS: &str = "[ARGS]";
pub(super) const MISTRAL_ID: &str = "[CALL_ID]";
/// `DeepSeek`'s markers around a call and after its name.
pub(super) const DEEPSEEK_CALL: &str = "<｜tool▁call▁begin｜>";
pub(super) const DEEPSEEK_SEPARATOR: &str = "<｜tool▁sep｜>";
pub(super) const DEEPSEEK_CALL_END: &str = "<｜tool▁call▁end｜>";

impl ToolFormat {
    /// The format's markers and syntax.
    pub(crate) fn layout(self) -> Layout {
        match self {
            Self::Hermes => layout(&["<tool_call>"], "</tool_call>", Syntax::Object),
            Self::Llama => layout(&["<|python_tag|>"], "", Syntax::Object),
            Self::Mistral | Self::MistralNamed => Layout {
                inner: &[MISTRAL_ARGUMENTS, MISTRAL_ID],
                ..layout(&["[TOOL_CALLS]"], "", Syntax::List(MISTRAL_ARGUMENTS))
            },
            Self::Granite => layout(&["<|tool_call|>", "<tool_call>"], "", Syntax::List("")),
            Self::Qwen => Layout {
                beginnings: &["<function="],
                ..layout(&["<tool_call>"], "</tool_call>", Syntax::Tagged(&QWEN_TAGS))
            },
            Self::Glm => Layout {
                inner: &["<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"],
                ..layout(&["<tool_call>"], "</tool_call>", Syntax::Tagged(&GLM_TAGS))
            },
            Self::GlmLine => layout(&[], "", Syntax::Line),
            Self::DeepSeek => Layout {
                beginnings: &[DEEPSEEK_CALL],
                inner: &[DEEPSEEK_SEPARATOR, DEEPSEEK_CALL_END],
                ..layout(&["<｜tool▁calls▁begin｜>"], "<｜tool▁calls▁end｜>", Syntax::DeepSeek)
            },
            Self::Gemma => Layout {
                // The channel is part of the reasoning's markers.
                inner: &[GEMMA_QUOTE, "<|channel>", "<channel|>"],
                ..layout(&["<|tool_call>"], "<tool_call|>", Syntax::Gemma)
            },
            Self::Lfm => layout(&["<|tool_call_start|>"], "<|tool_call_end|>", Syntax::Python),
            Self::Harmony => Layout {
                inner: &[
                    "<|start|>",
                    "<|channel|>",
                    "<|constrain|>",
                    "<|message|>",
                    "<|end|>",
                    "<|return|>",
                    "<|call|>",
                ],
                ..layout(&[], "", Syntax::Harmony)
            },
        }
    }

    /// All texts that mark calls.
    pub(crate) fn markers(self) -> impl Iterator<Item = &'static str> {
        let Layout { openers, beginnings, closer, inner, .. } = self.layout();
        openers.iter().chain(beginnings).chain(inner).copied().chain([closer]).filter(|text| !text.is_empty())
    }

    /// A call, for models whose template does not describe tools. Those of other formats do.
    pub(crate) fn example(self) -> &'static str {
        if self == Self::DeepSeek {
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜><name><｜tool▁sep｜><arguments><｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        } else {
            "<tool_call>\n{\"name\": <name>, \"arguments\": <arguments>}\n</tool_call>"
        }
    }

    /// The format of a call as a template shows it.
    pub(super) fn of_sample(sample: &CallSample) -> Option<Self> {
        let text = &sample.text;
        let is_line = || {
            let (_, after_name) = text.split_once(CallSample::NAME)?;
            after_name.starts_with("\n{").then_some(Self::GlmLine)
        };
        Self::with_marker_in(text).or_else(is_line)
    }

    /// The format whose markers are in `text`.
    pub(super) fn with_marker_in(text: &str) -> Option<Self> {
        // Those that share a marker with others come first.
        let marks: [(&[&str], Self); 13] = [
            (&["<|channel|>", "to="], Self::Harmony),
            (&["<|tool_call>call:"], Self::Gemma),
            (&["<|tool_call_start|>"], Self::Lfm),
            (&["<|tool_list_start|>"], Self::Lfm),
            (&[DEEPSEEK_CALL], Self::DeepSeek),
            (&["<function="], Self::Qwen),
            (&["<arg_key>"], Self::Glm),
            (&["[TOOL_CALLS]", MISTRAL_ARGUMENTS], Self::MistralNamed),
            (&["[TOOL_CALLS]"], Self::Mistral),
            (&["<|tool_call|>"], Self::Granite),
            (&["<tool_call>"], Self::Hermes),
            (&["<|python_tag|>"], Self::Llama),
            (&["\"parameters\""], Self::Llama),
        ];
        marks.into_iter().find(|(marks, _)| marks.iter().all(|mark| text.contains(mark))).map(|(_, format)| format)
    }
}
