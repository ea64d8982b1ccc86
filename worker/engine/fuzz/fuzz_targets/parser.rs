//! `cargo fuzz run parser` in `worker/engine`, see "Fuzzing" in CONTRIBUTING.md.
#![no_main]

#[path = "../harness.rs"]
#[allow(dead_code, reason = "each target uses a part")]
mod harness;

#[global_allocator]
static ALLOCATOR: harness::CountingAllocator = harness::CountingAllocator;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::parse(data));
