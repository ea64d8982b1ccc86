//! Published chat templates against Hugging Face's renderer (`fixtures/make_templates.py`).
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::thread;

use crate::common::note;
use parlance_engine::template::{ChatTemplate, TemplateOptions};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Fixture {
    now_seconds: i64,
    conversations: HashMap<String, Conversation>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Conversation {
    messages: Value,
    tools: Option<Value>,
    enable_thinking: Option<bool>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    conversation: String,
    /// FNV-1a of the text, 64 bits.
    hash: String,
    /// Characters of the text.
    len: usize,
}

fn fnv(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    format!("{hash:016x}")
}

#[test]
fn published_templates_match_hugging_face() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/test-data/templates");
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/templates.json")).unwrap();
    let mut failures = Vec::new();
    for case in &fixture.cases {
        let path = folder.join(&case.template);
        let source = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask setup` fetches it", path.display()));
        let template = ChatTemplate::new(Some(&source), "<s>".to_owned(), "</s>".to_owned());
        let conversation = &fixture.conversations[&case.conversation];
        let options = TemplateOptions {
            tools: conversation.tools.clone(),
            enable_thinking: conversation.enable_thinking,
            now_seconds: Some(fixture.now_seconds),
            ..TemplateOptions::default()
        };
        let what = format!("{}, {}", case.template, case.conversation);
        match template.render(&conversation.messages, &options) {
            Ok(text) if fnv(&text) == case.hash => {}
            Ok(text) => failures.push(format!(
                "{what}: {} characters instead of {} ({:?}):\n{text}",
                text.chars().count(),
                case.len,
                template.warning()
            )),
            Err(error) => failures.push(format!("{what}: {error} ({:?})", template.warning())),
        }
    }
    println!("{} of {} texts are equal", fixture.cases.len() - failures.len(), fixture.cases.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    record_results(&fixture.cases);
}

/// Records the templates of each maker's models, and how many texts were compared.
fn record_results(cases: &[Case]) {
    let mut makers = BTreeMap::<_, (BTreeSet<_>, usize)>::new();
    for case in cases {
        let name = case.template.trim_end_matches(".jinja");
        let model = name.trim_start_matches("axolotl-");
        let maker = model.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or(model);
        let (names, texts) = makers.entry(maker).or_default();
        names.insert(name);
        *texts += 1;
    }
    for (maker, (names, texts)) in makers {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        note("templates", &[maker, &names, &texts.to_string()]);
    }
}

/// Half of a worker's stack in browsers.
const STACK_BYTES: usize = 512 << 10;

/// Renders a template on a small stack, whose overflow would end the whole test program. Returns `None` if the template
/// failed or was replaced by `ChatML`.
fn render_on_small_stack(source: &str) -> Option<String> {
    let source = source.to_owned();
    let work = move || {
        let template = ChatTemplate::new(Some(&source), "<s>".to_owned(), "</s>".to_owned());
        let text = template.render(&json!([{ "role": "user", "content": "Hi" }]), &TemplateOptions::default());
        text.ok().filter(|_| template.warning().is_none())
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap()
}

/// A template that applies `step` to a value, twenty thousand times.
fn repeated(step: &str) -> String {
    format!(
        "{{% set ns = namespace(a=[1]) %}}{{% for i in range(20) %}}{{% for j in range(1000) %}}{{% set ns.a = {step} %}}\
         {{% endfor %}}{{% endfor %}}{{{{ ns.a|string|length }}}}"
    )
}

#[test]
fn templates_cannot_nest_values_without_end() {
    let issue = "{% set ns=namespace(a=[]) %}{% for j in range(500) %}{% for i in range(1000) %}{% set ns.a=[ns.a] %}\
                 {% endfor %}{% endfor %}";
    let sources = [
        issue.to_owned(),
        repeated("[ns.a]"),
        repeated("(ns.a,)"),
        repeated("{'a': ns.a}"),
        repeated("{(ns.a,): 1}"),
        repeated("dict(a=ns.a)"),
        repeated("ns.a|batch(1)"),
        repeated("ns.a|slice(1)"),
        repeated("[1]|zip([ns.a])"),
        repeated("[1]|map('default', ns.a)|list + [[ns.a]]"),
        repeated("[{'k': ns.a}]|groupby('k')"),
        // The same without a loop, so that no limit on steps applies.
        format!("{{% set a = [] %}}{}{{{{ a == a }}}}", "{% set a = [a] %}".repeat(20_000)),
        format!("{{% with a = []{} %}}{{{{ a|tojson }}}}{{% endwith %}}", ", a = [a]".repeat(20_000)),
        format!("{{% set a = [] %}}{}", "{% set a | batch(2, [a]) %}x{% endset %}".repeat(20_000)),
        // Through arguments.
        "{% macro m(a) %}{{ m([[[[[[[[a]]]]]]]]) }}{% endmacro %}{{ m(1) }}".to_owned(),
        "{% macro m(a, b=[[[[[[[[a]]]]]]]]) %}{{ m(b) }}{% endmacro %}{{ m(1) }}".to_owned(),
        "{% for x in [1] recursive %}{{ loop([[[[[[[[x]]]]]]]]) }}{% endfor %}".to_owned(),
        // Through objects that hide their values.
        repeated("loop"),
        "{% for i in [1] %}{% if loop.changed([loop]) %}{{ loop }}{% endif %}{% endfor %}".to_owned(),
    ];
    for source in sources {
        assert_eq!(render_on_small_stack(&source), None, "{source:.200}");
    }
}

#[test]
fn templates_cannot_nest_code_or_calls_without_end() {
    let nested = |open: &str, close: &str| format!("{}x{}", open.repeat(20_000), close.repeat(20_000));
    let expressions = [
        nested("[", "]"),
        nested("(", ")"),
        nested("{'a': ", "}"),
        nested("-", ""),
        nested("not ", ""),
        nested("1 + ", ""),
        nested("", " + 1"),
        nested("", ".a"),
        nested("", "[0]"),
        nested("", "()"),
        nested("", "|list"),
        nested("", " is defined"),
        nested("", " and x"),
        nested("", " ** 1"),
        nested("", " if x"),
        nested("x if x else ", ""),
        "'a'|map(*(['map'] * 20000))".to_owned(),
        "loop.cycle()".to_owned(),
    ];
    let statements = [
        nested("{% if 1 %}", "{% endif %}"),
        nested("{% for i in [1] %}", "{% endfor %}"),
        nested("{% with %}", "{% endwith %}"),
        nested("{% filter upper %}", "{% endfilter %}"),
        nested("{% set a %}", "{% endset %}"),
        nested("{% macro m() %}", "{% endmacro %}"),
        format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(20_000)),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}".to_owned(),
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".to_owned(),
        "{% block b %}{{ self.b() }}{% endblock %}".to_owned(),
        "{% include 'chat' %}".to_owned(),
    ];
    let expressions = expressions.map(|expression| format!("{{{{ {expression} }}}}"));
    for source in expressions.into_iter().chain(statements) {
        assert_eq!(render_on_small_stack(&source), None, "{source:.200}");
    }
}

#[test]
fn lazy_values_do_not_nest() {
    // Each step would nest iterators if it were lazy; the value itself does not change.
    for step in ["ns.a|reverse", "ns.a[0:]", "ns.a * 1", "ns.a + []", "ns.a|chain([])", "{'a': 1}.items()", "ns.a|list"]
    {
        assert!(render_on_small_stack(&repeated(step)).is_some(), "{step}");
    }
    // A namespace inside a value is a copy, so that no value contains itself.
    let own =
        "{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.a = [ns] %}{{ ns.a == [ns] }}{{ ns|tojson }}{{ ns }}";
    assert!(render_on_small_stack(own).is_some());
}
