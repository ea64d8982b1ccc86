//! Runs the checks of the fuzz targets on `fuzz/corpus`, which has every input that fuzzing found a failure with.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "../fuzz/harness.rs"]
mod harness;

fn run(target: &str, check: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 40, "{count} inputs in {}", folder.display());
}

#[test]
fn the_markdown_corpus_renders() {
    run("markdown", harness::render);
}

#[test]
fn the_import_corpus_is_imported_or_rejected() {
    run("imports", harness::import);
}
