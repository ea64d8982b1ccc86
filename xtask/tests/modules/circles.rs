//! Circles in a graph of files.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::Edges;

/// The files that a file uses itself.
fn used<'e>(edges: &'e Edges, file: &str) -> Vec<&'e str> {
    edges.keys().filter(|(from, _)| from == file).map(|(_, to)| to.as_str()).collect()
}

/// The files that a file uses, directly or through others; itself only if there is a circle.
fn reached<'e>(edges: &'e Edges, file: &str) -> BTreeSet<&'e str> {
    let mut reached = BTreeSet::new();
    let mut open = used(edges, file);
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(used(edges, next));
        }
    }
    reached
}

/// The groups of files of which each uses all others, directly or through others. For each group, what they use of each
/// other, in words.
pub(crate) fn circles(edges: &Edges) -> Vec<Vec<String>> {
    let all: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|(from, _)| (from.as_str(), reached(edges, from))).collect();
    let leads = |from: &str, to: &str| all.get(from).is_some_and(|reached| reached.contains(to));
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut circles = Vec::new();
    for (&file, reached) in &all {
        if named.contains(file) || !leads(file, file) {
            continue;
        }
        let circle: BTreeSet<&str> = reached.iter().copied().filter(|other| leads(other, file)).collect();
        let within = |file: &String| circle.contains(file.as_str());
        let inner = edges.iter().filter(|((from, to), _)| within(from) && within(to));
        let in_words = inner.map(|((from, to), paths)| {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            format!("{from} uses {} of {to}", paths.join(", "))
        });
        circles.push(in_words.collect());
        named.extend(circle);
    }
    circles
}
