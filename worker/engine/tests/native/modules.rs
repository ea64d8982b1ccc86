//! How the engine's files depend on each other, by their imports: rooms use only the rooms below them, and no files use
//! each other in a circle.
//!
//! An import leads to the file that defines what it names, through re-exports. Not counted: comments, tests, and what a
//! folder's `mod.rs` takes from the files in its folder, because it declares and re-exports them.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// The rooms, from the bottom up. `lib.rs` and `runtime/mod.rs` belong to none: they only re-export.
const ROOMS: [&str; 23] = [
    // Weight formats, which errors name.
    "gguf::tensor_type",
    "error",
    "json",
    "gguf",
    "sampling",
    "models",
    "vision",
    "kernels",
    "tokenizer",
    "template",
    "turns",
    "calls",
    "chat",
    "runtime::limits",
    "runtime::measuring",
    "runtime::memory",
    "runtime::backend",
    "runtime::cpu",
    "runtime::device",
    "runtime::gpu",
    "runtime::fit",
    "runtime::session",
    "runtime::loading",
];

/// The index of a file's room.
fn room(module: &str) -> Option<usize> {
    let is_in = |room: &str| module.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    ROOMS.into_iter().position(is_in)
}

/// A path that a file names.
struct Import {
    path: Vec<String>,
    /// What a re-export calls it.
    exported_as: Option<String>,
}

/// What is known of a file.
#[derive(Default)]
struct Source {
    imports: Vec<Import>,
    /// Types that it adds methods to.
    extended: BTreeSet<String>,
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// A line without strings and comments.
fn code(line: &str) -> String {
    let line = line.replace("\\\"", "").replace("'\"'", "");
    let outside_strings = line.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    outside_strings.split("//").next().unwrap_or_default().to_owned()
}

/// Words, operators of two characters, and other characters.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = if is_word(rest) {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if ["::", "->", "=>"].iter().any(|operator| rest.starts_with(operator)) {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(len);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

/// Adds the paths of a tree of imports, which continue `prefix`.
fn add_tree(tree: &[&str], prefix: &[&str], is_exported: bool, imports: &mut Vec<Import>) {
    let mut depth = 0;
    let branches = tree.split(|token| {
        match *token {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        *token == "," && depth == 0
    });
    for branch in branches.filter(|branch| !branch.is_empty()) {
        let end = branch.iter().position(|token| ["{", "as"].contains(token)).unwrap_or(branch.len());
        let own = branch[..end].iter().copied().filter(|token| *token != "::");
        let mut path: Vec<&str> = prefix.iter().copied().chain(own).collect();
        match &branch[end..] {
            ["{", inner @ .., "}"] => add_tree(inner, &path, is_exported, imports),
            rest => {
                if path.len() > 1 && path.ends_with(&["self"]) {
                    path.pop();
                }
                let name = rest.last().or(path.last()).filter(|_| is_exported);
                let exported_as = name.map(|name| (*name).to_owned());
                imports.push(Import { path: path.iter().map(|word| (*word).to_owned()).collect(), exported_as });
            }
        }
    }
}

/// The type that an `impl` adds methods to, given what stands before its brace.
fn extended_type<'t>(header: &[&'t str]) -> Option<&'t str> {
    let mut depth = 0;
    let mut subject = None;
    for token in header {
        match *token {
            "<" => depth += 1,
            ">" => depth -= 1,
            "where" => break,
            token if depth == 0 && is_word(token) => subject = Some(token),
            _ => {}
        }
    }
    subject
}

impl Source {
    /// Reads a file. Its tests come last, as clippy demands.
    fn parse(text: &str) -> Self {
        let without_tests = text.split("\n#[cfg(test)]").next().unwrap_or_default();
        let code = without_tests.lines().map(code).collect::<Vec<_>>().join("\n");
        let tokens = tokens(&code);
        let mut source = Self::default();
        for (at, token) in tokens.iter().enumerate() {
            let (before, after) = (&tokens[..at], &tokens[at + 1..]);
            let until = |end: &str| &after[..after.iter().position(|token| *token == end).unwrap_or(after.len())];
            match *token {
                "use" => {
                    let is_exported = before.last().is_some_and(|last| ["pub", ")"].contains(last));
                    add_tree(until(";"), &[], is_exported, &mut source.imports);
                }
                "impl" if before.last().is_none_or(|last| [";", "}", "]"].contains(last)) => {
                    source.extended.extend(extended_type(until("{")).map(str::to_owned));
                }
                // Imports begin with these, too, but are read already; `pub(in crate::runtime)` uses nothing.
                "crate" | "super" | "self" if !is_within_import(before) && !before.ends_with(&["(", "in"]) => {
                    let words = after.chunks(2).map_while(|pair| match pair {
                        ["::", word] if is_word(word) => Some(*word),
                        _ => None,
                    });
                    let path: Vec<String> = [*token].into_iter().chain(words).map(str::to_owned).collect();
                    if path.len() > 1 {
                        source.imports.push(Import { path, exported_as: None });
                    }
                }
                _ => {}
            }
        }
        source
    }
}

/// Whether these tokens end in the middle of an import.
fn is_within_import(before: &[&str]) -> bool {
    before.iter().rev().find(|token| ["use", ";"].contains(*token)) == Some(&"use")
}

/// The folder of a file, as a module.
fn folder(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(folder, _)| folder)
}

/// All files by their modules; the name of `lib.rs` is empty.
struct Engine(BTreeMap<String, Source>);

fn read_folder(folder: &Path, module: &str, files: &mut BTreeMap<String, Source>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let child = match (module, name) {
            (_, "lib" | "mod") => module.to_owned(),
            ("", _) => name.to_owned(),
            _ => format!("{module}::{name}"),
        };
        if path.is_dir() {
            read_folder(&path, &child, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(child, Source::parse(&std::fs::read_to_string(&path).unwrap()));
        }
    }
}

impl Engine {
    fn read() -> Self {
        let mut files = BTreeMap::new();
        read_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut files);
        Self(files)
    }

    /// A path that a file names, from the root of the crate; `None` if it is another crate's.
    fn absolute(&self, module: &str, path: &[String]) -> Option<Vec<String>> {
        let mut base: Vec<String> = module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let levels = path.iter().take_while(|name| *name == "super").count();
        let rest = match path.first()?.as_str() {
            "crate" => {
                base.clear();
                &path[1..]
            }
            "self" => &path[1..],
            "super" => {
                base.truncate(base.len().saturating_sub(levels));
                &path[levels..]
            }
            child => {
                let is_module = self.0.contains_key([&base[..], &[child.to_owned()]].concat().join("::").as_str());
                return is_module.then(|| [&base[..], path].concat());
            }
        };
        Some([&base[..], rest].concat())
    }

    /// The file that defines what a path from the root of the crate names.
    fn definer(&self, path: &[String]) -> String {
        // The longest beginning that is a file.
        let len = (0..=path.len()).rev().find(|len| self.0.contains_key(path[..*len].join("::").as_str()));
        let (module, rest) = path.split_at(len.unwrap_or_default());
        let module = module.join("::");
        let is_named = |import: &&Import| import.exported_as.is_some() && import.exported_as.as_ref() == rest.first();
        let export = self.0[&module].imports.iter().find(is_named);
        match export.and_then(|export| self.absolute(&module, &export.path)) {
            Some(target) => self.definer(&[&target[..], &rest[1..]].concat()),
            None => module,
        }
    }

    /// What files import from each other.
    fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for (from, source) in &self.0 {
            for path in source.imports.iter().filter_map(|import| self.absolute(from, &import.path)) {
                let to = self.definer(&path);
                let is_own_folder = from.is_empty() || to.starts_with(&format!("{from}::"));
                if to != *from && !is_own_folder {
                    edges.insert(Edge { from: from.clone(), to, name: path.last().cloned().unwrap_or_default() });
                }
            }
        }
        edges
    }

    /// Whether a file imports a type of the same folder to add methods to it. It is a part of that type then, which may
    /// use it in turn.
    fn is_extension(&self, edge: &Edge) -> bool {
        folder(&edge.from) == folder(&edge.to) && self.0[&edge.from].extended.contains(&edge.name)
    }
}

/// A file imports something of another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: String,
    to: String,
    name: String,
}

impl fmt::Debug for Edge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} imports {} of {}", self.from, self.name, self.to)
    }
}

/// A file, and those that it imports from, directly or through others.
fn reached<'e>(edges: &'e BTreeSet<Edge>, from: &'e str) -> BTreeSet<&'e str> {
    let mut reached = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        let imported = edges.iter().filter(|edge| edge.from == file).map(|edge| edge.to.as_str());
        open.extend(imported.filter(|to| reached.insert(*to)));
    }
    reached
}

/// The imports that lead back to the file that imports.
fn circles(edges: &BTreeSet<Edge>) -> Vec<&Edge> {
    edges.iter().filter(|edge| reached(edges, &edge.to).contains(edge.from.as_str())).collect()
}

#[test]
fn every_file_belongs_to_a_room() {
    let engine = Engine::read();
    let others: Vec<_> = engine.0.keys().filter(|module| room(module).is_none()).collect();
    assert_eq!(others, ["", "runtime"], "add a new room to the list, where it belongs");
    for room in ROOMS {
        assert!(engine.0.contains_key(room), "{room} is gone");
    }
}

#[test]
fn rooms_import_only_what_is_below_them() {
    let mut edges = Engine::read().edges();
    edges.retain(|edge| room(&edge.to).is_none() || room(&edge.from) < room(&edge.to));
    assert!(edges.is_empty(), "{edges:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let engine = Engine::read();
    let mut edges = engine.edges();
    edges.retain(|edge| !engine.is_extension(edge));
    let circles = circles(&edges);
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn imports_and_extended_types_are_found() {
    let text = r#"
use std::fmt;
use crate::a::{self, b::C as D, e}; // use crate::f;
pub(super) use g::{H as I, J};
impl<K: Into<u8>> super::L for M<K> {
    fn n(&self) -> impl Iterator { super::o::<u8>("use crate::p;") }
}
pub(in crate::q) fn r() {}
#[cfg(test)]
mod tests { use crate::s; }
"#;
    let Source { imports, extended } = Source::parse(text);
    let paths: Vec<_> = imports.iter().map(|import| import.path.join("::")).collect();
    let expected = ["std::fmt", "crate::a", "crate::a::b::C", "crate::a::e", "g::H", "g::J", "super::L", "super::o"];
    assert_eq!(paths, expected);
    let exports: Vec<_> = imports.iter().filter_map(|import| import.exported_as.as_deref()).collect();
    assert_eq!(exports, ["I", "J"]);
    assert_eq!(extended.into_iter().collect::<Vec<_>>(), ["M"]);
}

#[test]
fn circles_are_found() {
    let edge = |from: &str, to: &str| Edge { from: from.to_owned(), to: to.to_owned(), name: String::new() };
    let edges = [edge("a", "b"), edge("b", "c"), edge("c", "d"), edge("d", "b"), edge("d", "e"), edge("b", "e")];
    let circle = [edge("b", "c"), edge("c", "d"), edge("d", "b")];
    assert_eq!(circles(&edges.into()), circle.iter().collect::<Vec<_>>());
    assert!(circles(&[edge("a", "b"), edge("b", "c"), edge("a", "c")].into()).is_empty());
}
