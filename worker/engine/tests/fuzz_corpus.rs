//! Inputs that fuzzing found interesting, including all that ever caused a failure (`fuzz/corpus`): none may panic or
//! allocate more than the limit.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(unsafe_code, reason = "a counting allocator requires it")]

#[path = "../fuzz/harness.rs"]
mod harness;

#[global_allocator]
static ALLOCATOR: harness::CountingAllocator = harness::CountingAllocator;

fn run(target: &str, work: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        work(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 50, "{count} inputs in {}", folder.display());
}

// A single test, because the allocator counts for the whole program.
#[test]
fn the_corpus_causes_no_failures() {
    run("parser", harness::parse);
    run("tokenizer", harness::tokenize);
    run("templates", harness::render);
}
