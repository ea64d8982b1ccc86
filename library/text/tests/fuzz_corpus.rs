//! Inputs of the fuzz targets, among them every one that fuzzing found a fault with (`fuzz/corpus`).
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "../fuzz/harness.rs"]
mod harness;

fn run(target: &str, work: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        work(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 40, "{count} inputs in {}", folder.display());
}

#[test]
fn texts_of_the_corpus_become_html() {
    run("markdown", harness::render);
}

#[test]
fn exports_of_the_corpus_are_read_or_refused() {
    run("imports", harness::import);
}
