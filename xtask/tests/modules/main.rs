//! How files depend on each other: in no crate do they use each other in a circle, and the engine's rooms use only those
//! below them.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod circles;
mod imports;
mod made_up;
mod source;
mod tokens;

use std::path::Path;

use circles::circles;
use imports::{Edges, edges};

/// The engine's rooms, from the bottom up. `lib.rs` and `runtime/mod.rs` belong to none: they only re-export.
const ROOMS: [&str; 25] = [
    // Weight formats, which errors name.
    "gguf/tensor_type.rs",
    "error.rs",
    "json.rs",
    "gguf/",
    "sampling.rs",
    "models/",
    "vision/",
    "kernels/",
    "tokenizer/",
    "speech/",
    "ggml.rs",
    "template/",
    "turns.rs",
    "calls.rs",
    "chat.rs",
    "runtime/limits.rs",
    "runtime/measuring.rs",
    "runtime/memory/",
    "runtime/backend.rs",
    "runtime/cpu/",
    "runtime/device/",
    "runtime/gpu/",
    "runtime/fit.rs",
    "runtime/session/",
    "runtime/loading/",
];
const ENGINE: &str = "worker/engine/src";

/// The index of a file's room.
fn room(file: &str) -> Option<usize> {
    let file = file.strip_prefix(ENGINE)?.strip_prefix('/')?;
    ROOMS.iter().position(|room| file.starts_with(room))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Names in a folder of the repository, if it exists; those of folders end with `/`.
fn names(folder: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root().join(folder)) else { return Vec::new() };
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let end = if entry.file_type().unwrap().is_dir() { "/" } else { "" };
        format!("{}{end}", entry.file_name().to_str().unwrap())
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// The root files of a package's crates, by Cargo's conventions.
fn crates(package: &str) -> Vec<String> {
    let mut crates: Vec<String> = ["lib.rs", "main.rs"].map(|file| format!("{package}src/{file}")).into();
    for folder in ["src/bin", "tests", "examples", "benches", "fuzz_targets"].map(|folder| format!("{package}{folder}"))
    {
        crates.extend(names(&folder).into_iter().map(|name| match name.strip_suffix('/') {
            Some(name) => format!("{folder}/{name}/main.rs"),
            None => format!("{folder}/{name}"),
        }));
    }
    crates.retain(|file| Path::new(file).extension().is_some_and(|end| end == "rs") && root().join(file).is_file());
    crates
}

/// The root files of all crates in a folder and those below it.
fn all_crates(folder: &str) -> Vec<String> {
    let names = names(folder);
    let mut all = Vec::new();
    if names.iter().any(|name| name == "Cargo.toml") {
        all.extend(crates(folder));
    }
    let is_source = |name: &&String| name.ends_with('/') && !name.starts_with('.');
    for name in names.iter().filter(is_source) {
        if !["target/", "node_modules/", "dist/"].contains(&name.as_str()) {
            all.extend(all_crates(&format!("{folder}{name}")));
        }
    }
    all
}

fn read(file: &str) -> Option<String> {
    std::fs::read_to_string(root().join(file)).ok()
}

fn engine() -> Edges {
    edges(&source::read(&format!("{ENGINE}/lib.rs"), &read))
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let crates = all_crates("");
    // Pages, workers, servers, tools and their tests.
    let known = ["src/main.rs", "worker/src/main.rs", "worker/engine/src/lib.rs", "tests/tests/site/main.rs"];
    for file in known.into_iter().chain(["xtask/tests/modules/main.rs", "worker/engine/fuzz/fuzz_targets/parser.rs"]) {
        assert!(crates.iter().any(|known| known == file), "{file} is found");
    }
    let found: Vec<_> = crates.iter().flat_map(|file| circles(&edges(&source::read(file, &read)))).collect();
    assert!(found.is_empty(), "move what both sides need to a file below them: {found:#?}");
}

#[test]
fn every_file_of_the_engine_belongs_to_a_room() {
    let files = source::read(&format!("{ENGINE}/lib.rs"), &read).into_iter().map(|module| module.file);
    let files: Vec<String> = files.collect();
    let others: Vec<_> = files.iter().filter(|file| room(file).is_none()).collect();
    let expected = ["lib.rs", "runtime/mod.rs"].map(|file| format!("{ENGINE}/{file}"));
    assert_eq!(others, expected.iter().collect::<Vec<_>>(), "add a new room to the list, where it belongs");
    for (index, name) in ROOMS.iter().enumerate() {
        assert!(files.iter().any(|file| room(file) == Some(index)), "{name} is gone");
    }
}

#[test]
fn rooms_use_only_what_is_below_them() {
    let mut edges = engine();
    assert!(edges.len() > 500, "imports are found");
    edges.retain(|(from, to), _| room(to).is_none() || room(from).is_some_and(|from| Some(from) < room(to)));
    assert!(edges.is_empty(), "{edges:#?}");
}
