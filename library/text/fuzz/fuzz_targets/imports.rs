//! `cargo fuzz run imports` in `library/text`, see "Fuzzing" in CONTRIBUTING.md.
#![no_main]

#[path = "../harness.rs"]
#[allow(dead_code, reason = "each target uses only a part")]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::import(data));
