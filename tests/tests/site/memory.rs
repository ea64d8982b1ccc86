//! Memory: a short version of `cargo xtask soak`, in which it does not grow and nothing is lost, and what unloaded models
//! leave behind. What does not grow with use does not depend on the model, so it is a tiny one: it also leaves time for
//! more of the page's actions.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::Server;
use parlance_tests::failures::record_failure;
use parlance_tests::soak::{Soak, is_flat, report};

/// Loads the tiny model, whose greedy answers are never empty.
fn begin(device: &str) -> Soak {
    let server = Server::start_with_tiny_model().unwrap();
    Soak::begin(server, &format!("device={device}&temperature=0")).unwrap()
}

#[test]
fn half_a_minute_of_use_leaves_memory_flat_and_loses_nothing() {
    let mut soak = begin("cpu");
    let mut samples = Vec::new();
    // Enough samples that each action was performed and a model was reloaded.
    while soak.elapsed() < Duration::from_secs(30) || samples.len() < 9 {
        for _ in 0..5 {
            soak.act().unwrap();
        }
        samples.push(soak.sample().unwrap());
    }
    println!("{}", report(&samples));
    assert!(is_flat(&samples, |sample| sample.page_mb, 2.0), "the page's heap grows");
    assert!(is_flat(&samples, |sample| sample.worker_mb, 1.0), "the worker's memory grows");
    assert!(samples.iter().all(|sample| sample.worker_mb > 1.0 && sample.page_mb > 1.0), "memory was measured");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(soak.saved_questions().unwrap(), soak.questions);
    record_failure("Tab", "it is used continuously", "the memory of page and worker stays flat; no message is lost");
}

#[test]
fn unloaded_models_leave_no_buffers_behind() {
    let mut soak = begin("gpu");
    let mut counts = Vec::new();
    for _ in 0..3 {
        soak.ask("Hi").unwrap();
        let with = soak.sample().unwrap();
        soak.unload().unwrap();
        let without = soak.sample().unwrap();
        println!("{} buffers, {} MB; then {}, {} MB", with.buffers, with.gpu_mb, without.buffers, without.gpu_mb);
        assert!(with.gpu_mb > 2.0 && without.gpu_mb < with.gpu_mb / 2.0, "{with:?} {without:?}");
        counts.push((with.buffers, without.buffers));
    }
    // Staging buffers come and go.
    let (first, last) = (counts[0], counts[2]);
    assert!((first.0 - last.0).abs() <= 4.0 && (first.1 - last.1).abs() <= 4.0, "{counts:?}");
    record_failure("GPU", "models are unloaded and reloaded", "no buffers are left behind");
}
