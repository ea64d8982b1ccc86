//! The interface's texts: every language has all of them, and the page's code uses each.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fluent_syntax::ast::Entry;
use fluent_syntax::parser;

/// Message ids, each with the names of its arguments.
type Messages = BTreeSet<(String, BTreeSet<String>)>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn messages(path: &Path) -> Messages {
    let texts = std::fs::read_to_string(path).unwrap();
    let resource = parser::parse(texts).map_err(|(_, errors)| errors).unwrap();
    let message = |entry: Entry<String>| match entry {
        Entry::Message(message) => Some((message.id.name.clone(), arguments(&format!("{message:?}")))),
        _ => None,
    };
    resource.body.into_iter().filter_map(message).collect()
}

fn arguments(debug: &str) -> BTreeSet<String> {
    debug
        .split("VariableReference { id: Identifier { name: \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next().map(str::to_owned))
        .collect()
}

fn english() -> Messages {
    messages(&root().join("locales/en.ftl"))
}

#[test]
fn all_languages_have_the_same_messages() {
    let english = english();
    assert!(english.iter().any(|(_, arguments)| !arguments.is_empty()), "arguments are found");
    for path in files(&root().join("locales")) {
        let texts = messages(&path);
        let differing: Vec<_> = english.symmetric_difference(&texts).collect();
        assert!(differing.is_empty(), "{}: {differing:?}", path.display());
    }
}

#[test]
fn messages_are_used_and_used_messages_exist() {
    let sources = files(&root().join("src"));
    let source: String = sources.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let names: BTreeSet<String> = english().into_iter().map(|(name, _)| name).collect();
    // The catalogue refers to `about-*` messages; its own test checks them.
    for name in names.iter().filter(|name| !name.starts_with("about-")) {
        assert!(source.contains(&format!("\"{name}\"")), "{name} is not used");
    }
    for call in ["t(\"", "tr(\"", "tf(\""] {
        for (at, _) in source.match_indices(call) {
            let is_call = !source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '\\');
            let name = source[at + call.len()..].split('"').next().unwrap_or_default();
            assert!(!is_call || name.contains('\\') || names.contains(name), "{name} does not exist");
        }
    }
}
