//! The short form of `cargo xtask soak`: two minutes of use, in which nothing grows and nothing is lost.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::faults::shown;
use parlance_tests::soak::{Soak, is_flat, report};

#[test]
fn two_minutes_of_use_leave_memory_flat_and_lose_nothing() {
    let mut soak = Soak::begin().unwrap();
    let mut samples = Vec::new();
    // At least so often that each thing was done and a model came back.
    while soak.elapsed() < Duration::from_secs(90) || samples.len() < 9 {
        for _ in 0..5 {
            soak.act().unwrap();
        }
        samples.push(soak.sample().unwrap());
    }
    println!("{}", report(&samples));
    assert!(is_flat(&samples, |sample| sample.page_mb, 2.0), "the page's heap grows");
    assert!(is_flat(&samples, |sample| sample.worker_mb, 1.0), "the worker's memory grows");
    assert!(is_flat(&samples, |sample| sample.buffers, 8.0), "buffers on the GPU are left behind");
    assert!(samples.iter().all(|sample| sample.worker_mb > 1.0 && sample.page_mb > 1.0), "something was counted");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(soak.kept_questions().unwrap(), soak.questions);
    shown("Tab", "it is used for minutes on end", "memory of page, worker and GPU stays flat; no message is lost");
}
