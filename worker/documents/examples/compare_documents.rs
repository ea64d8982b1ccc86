//! Compares the text of documents with that of other programs:
//!
//!     cargo xtask compare-documents
//!
//! It makes files with LibreOffice (`soffice`), and with LaTeX (`pdflatex`) where that is installed, in a temporary folder,
//! and reads each with this crate and with `pdftotext` or LibreOffice. Of the words that the other program finds, it prints
//! how many are there in the same order: the longest common subsequence, by words of letters and digits. It fails if a file
//! has less than 98 %.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parlance_documents::read;

/// The share of words in order that every file must have.
const LEAST: f64 = 0.98;

/// Words for texts; every document takes them in another order.
const WORDS: &str = "river mountain harbour Größe naïve teacher window paper silver letter morning garden kitchen bridge \
    engine market winter orange travel music planet history science copper island forest weather captain library number \
    village machine crystal painter simple narrow gentle distant curious different office efficient";

/// A file and the program that its text is compared with.
struct Case {
    file: PathBuf,
    reference: String,
    by: &'static str,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("parlance-documents-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let compared = compare_all(&folder);
    std::fs::remove_dir_all(&folder)?;
    let (count, least) = compared?;
    if least < LEAST {
        return Err(format!("a file has {:.1} % of the words in order", least * 100.0).into());
    }
    println!("\n{count} files, each with at least {:.1} % of the words in order", least * 100.0);
    Ok(())
}

/// Prints a table. Returns the number of files, and the lowest share.
fn compare_all(folder: &Path) -> Result<(usize, f64), Box<dyn Error>> {
    let (mut count, mut least) = (0, 1.0_f64);
    println!("| file | compared with | words | in order |\n| --- | --- | --- | --- |");
    for case in cases(folder)? {
        let name = case.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let document = read(Cursor::new(std::fs::read(&case.file)?), &name, &mut |_| {})?;
        let text: Vec<String> = document.sections.into_iter().map(|section| section.text).collect();
        let (expected, found) = (words(&case.reference), words(&text.join("\n")));
        let share = in_order(&expected, &found) as f64 / expected.len().max(1) as f64;
        println!("| {name} | {} | {} | {:.1} % |", case.by, expected.len(), share * 100.0);
        (count, least) = (count + 1, least.min(share));
    }
    Ok((count, least))
}

fn cases(folder: &Path) -> Result<Vec<Case>, Box<dyn Error>> {
    let mut cases = Vec::new();
    for seed in 0..5 {
        let page = write(folder, &format!("text{seed}.html"), &page(seed))?;
        for format in ["docx", "odt"] {
            let file = convert(folder, &page, format, Some("HTML (StarWriter)"))?;
            let text = convert(folder, &file, "txt:Text (encoded):UTF8", None)?;
            cases.push(Case { file, reference: std::fs::read_to_string(text)?, by: "LibreOffice" });
        }
        let pdf = convert(folder, &page, "pdf", Some("HTML (StarWriter)"))?;
        cases.push(Case { reference: pdftotext(&pdf)?, file: pdf, by: "pdftotext" });
        let table = write(folder, &format!("table{seed}.csv"), &table(seed))?;
        for format in ["xlsx", "ods"] {
            let file = convert(folder, &table, format, None)?;
            cases.push(Case { file, reference: std::fs::read_to_string(&table)?, by: "its source, by LibreOffice" });
        }
        let slides = write(folder, &format!("slides{seed}.fodp"), &slides(seed))?;
        let pdf = pdftotext(&convert(folder, &slides, "pdf", None)?)?;
        for format in ["pptx", "odp"] {
            let file = convert(folder, &slides, format, None)?;
            cases.push(Case { file, reference: pdf.clone(), by: "LibreOffice and pdftotext" });
        }
        if has("pdflatex") {
            let source = write(folder, &format!("paper{seed}.tex"), &paper(seed))?;
            run(Command::new("pdflatex")
                .args(["-interaction=batchmode", "-output-directory"])
                .args([folder, &source]))?;
            let pdf = source.with_extension("pdf");
            cases.push(Case { reference: pdftotext(&pdf)?, file: pdf, by: "pdftotext" });
        }
    }
    Ok(cases)
}

/// So many words, in an order that depends on the seed.
fn prose(seed: usize, count: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let word = |index: usize| words[(index * 7 + index * index * (seed + 3)) % words.len()];
    let mut text = String::new();
    for index in 0..count {
        let separator = if index == 0 {
            ""
        } else if index % 12 == 11 {
            ". "
        } else {
            " "
        };
        let _ = write!(text, "{separator}{}", word(index + seed * 31));
    }
    text + "."
}

fn page(seed: usize) -> String {
    let mut page = "<!doctype html><html><head><meta charset=\"utf-8\"></head><body>".to_owned();
    for chapter in 0..6 {
        let seed = seed * 10 + chapter;
        let _ = write!(page, "<h1>Chapter {chapter} {}</h1><p>{}</p>", prose(seed, 3), prose(seed + 1, 150));
        let _ = write!(page, "<ul><li>{}</li><li>{}</li></ul>", prose(seed + 2, 8), prose(seed + 3, 8));
        let _ = write!(page, "<table border=\"1\"><tr><th>Name</th><th>Value</th></tr>");
        for row in 0..4 {
            let _ = write!(page, "<tr><td>{}</td><td>{}</td></tr>", prose(seed + row, 2), row * 37 + seed);
        }
        let _ = write!(page, "</table><p>{}</p>", prose(seed + 4, 120));
    }
    page + "</body></html>"
}

fn table(seed: usize) -> String {
    let mut table = "Name,Amount,Day,Note\n".to_owned();
    for row in 0..200 {
        let (amount, day) = (row * 13 + seed, row % 28 + 1);
        let _ = writeln!(table, "{},{amount},2024-03-{day:02},\"{}\"", prose(seed + row, 2), prose(row, 5));
    }
    table
}

fn slides(seed: usize) -> String {
    let mut slides = String::from(
        r#"<?xml version="1.0" encoding="UTF-8"?><office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
        xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
        xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" office:version="1.3"
        office:mimetype="application/vnd.oasis.opendocument.presentation"><office:body><office:presentation>"#,
    );
    let text_box = |y: usize, text: &str| {
        format!(
            r#"<draw:frame svg:x="2cm" svg:y="{y}cm" svg:width="22cm" svg:height="3cm"><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"#
        )
    };
    for slide in 0..8 {
        let seed = seed * 10 + slide;
        let (first, second) = (text_box(1, &prose(seed, 5)), text_box(6, &prose(seed + 1, 30)));
        let _ = write!(slides, r#"<draw:page draw:name="page{slide}">{first}{second}</draw:page>"#);
    }
    slides + "</office:presentation></office:body></office:document>"
}

fn paper(seed: usize) -> String {
    let mut paper =
        "\\documentclass{article}\\usepackage[utf8]{inputenc}\\usepackage[T1]{fontenc}\\begin{document}\n".to_owned();
    for section in 0..8 {
        let seed = seed * 10 + section;
        let _ =
            write!(paper, "\\section{{{}}}\n{}\n\n{}\n", prose(seed, 3), prose(seed + 1, 200), prose(seed + 2, 150));
    }
    paper + "\\end{document}\n"
}

fn write(folder: &Path, name: &str, content: &str) -> Result<PathBuf, Box<dyn Error>> {
    let path = folder.join(name);
    std::fs::write(&path, content)?;
    Ok(path)
}

/// Converts a file with LibreOffice. `format` is an ending, perhaps with a filter.
fn convert(folder: &Path, file: &Path, format: &str, input: Option<&str>) -> Result<PathBuf, Box<dyn Error>> {
    let mut soffice = Command::new("soffice");
    soffice.arg(format!("-env:UserInstallation=file://{}", folder.join("profile").display())).arg("--headless");
    soffice.args(input.map(|filter| format!("--infilter={filter}")));
    run(soffice.arg("--convert-to").arg(format).arg("--outdir").args([folder, file]))?;
    let converted = file.with_extension(format.split(':').next().unwrap_or(format));
    if converted.exists() { Ok(converted) } else { Err(format!("soffice wrote no {}", converted.display()).into()) }
}

fn pdftotext(file: &Path) -> Result<String, Box<dyn Error>> {
    let output = Command::new("pdftotext").args(["-enc", "UTF-8"]).arg(file).arg("-").output()?;
    if output.status.success() { Ok(String::from_utf8(output.stdout)?) } else { Err("pdftotext failed".into()) }
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed ({status})").into()) }
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Words of letters and digits, in lower case, with ligatures spelled out.
fn words(text: &str) -> Vec<String> {
    let ligatures =
        [("\u{fb00}", "ff"), ("\u{fb01}", "fi"), ("\u{fb02}", "fl"), ("\u{fb03}", "ffi"), ("\u{fb04}", "ffl")];
    let text = ligatures.iter().fold(text.to_lowercase(), |text, (ligature, letters)| text.replace(ligature, letters));
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The length of the longest common subsequence.
fn in_order(a: &[String], b: &[String]) -> usize {
    let mut lengths = vec![0; b.len() + 1];
    for word in a {
        let mut before = 0;
        for (index, other) in b.iter().enumerate() {
            let above = lengths[index + 1];
            lengths[index + 1] = if word == other { before + 1 } else { above.max(lengths[index]) };
            before = above;
        }
    }
    lengths[b.len()]
}
