//! `cargo fuzz run imports` in `library/text`, see "Measure and fuzz" in the README.
#![no_main]

#[path = "../harness.rs"]
#[allow(dead_code, reason = "each target uses a part")]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::import(data));
