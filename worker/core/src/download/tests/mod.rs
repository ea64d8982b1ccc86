//! Downloads against a simulated host and disk, with events in any order.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod world;

use std::time::Duration;

use self::world::{Fault, Host, URL, World, model, sha256, world};
use super::Outcome;
use super::ranges::{AHEAD_BYTES, RANGE_BYTES};
use crate::FileError;
use crate::kept::{SEGMENT_BYTES, Usage};

/// The length of a file with seven segments, of which the last is short. It comes in four ranges.
const LONG: usize = 6 * SEGMENT_BYTES as usize + 12_345;
/// The length of a file with two, which comes in one range.
const SHORT: usize = SEGMENT_BYTES as usize + 7;

#[test]
fn a_file_comes_in_ranges_over_several_connections() {
    let mut world = world(LONG);
    assert_eq!(world.run(None), Outcome::Complete);
    world.assert_complete(&model(LONG));
    assert_eq!(world.host.requested(), [0, 2, 4, 6]);
    assert_eq!((world.most_at_once, world.pauses.len()), (4, 0));
    assert_eq!((world.host.sent_bytes, world.disk.read_bytes), (LONG as u64, 0), "nothing comes or is read twice");
    // A short file, and one that ends with a range.
    for len_bytes in [100, SHORT, RANGE_BYTES as usize] {
        let mut world = world::world(len_bytes);
        assert_eq!(world.run(None), Outcome::Complete);
        world.assert_complete(&model(len_bytes));
        assert_eq!(world.host.requested(), [0]);
    }
}

#[test]
fn failures_and_any_order_of_events_only_cost_time() {
    let faults = [
        None,
        Some(Fault::Status(503)),
        Some(Fault::Breaks),
        Some(Fault::EndsEarly),
        Some(Fault::TooLong),
        Some(Fault::Status(429)),
    ];
    for seed in 0..8 {
        let mut world = world(LONG);
        world.seed = seed;
        world.host.faults.extend(&faults[..seed as usize % 7]);
        assert_eq!(world.run(None), Outcome::Complete, "{seed}");
        world.assert_complete(&model(LONG));
        assert!(world.most_at_once <= 4, "{seed}");
        // The one byte too many, and no more.
        assert!(world.host.sent_bytes <= LONG as u64 + (1 << 21), "{seed}: what came is not requested again");
    }
}

#[test]
fn memory_is_bounded_and_a_slow_connection_is_replaced() {
    let len_bytes = 20 * SEGMENT_BYTES as usize;
    for seed in 0..3 {
        let mut world = world(len_bytes);
        world.seed = seed;
        world.host.faults.push_back(Some(Fault::Stalls));
        assert_eq!(world.run(None), Outcome::Complete, "{seed}");
        world.assert_complete(&model(len_bytes));
        assert!(world.most_held <= AHEAD_BYTES, "{seed}: {} bytes were held", world.most_held);
        if seed == 0 {
            // The rest of the first range came over another connection, once the other ranges that may come had come.
            let again = world.host.requests.iter().filter(|range| range.end == RANGE_BYTES).count();
            assert_eq!((again, world.host.requests.len()), (2, 11));
            assert_eq!(world.host.sent_bytes, len_bytes as u64, "nothing came twice");
        }
    }
}

#[test]
fn the_next_visit_completes_what_a_closed_tab_left() {
    for seed in 0..4 {
        let mut world = world(LONG);
        world.seed = seed;
        assert_eq!(world.run_until(None, 3), None);
        let missing: Vec<u64> = world.disk.kept(None).unwrap().missing().collect();
        assert_eq!(missing.len(), 4);
        let here_bytes = world.disk.kept(None).unwrap().done_bytes();
        world.host.requests.clear();
        world.host.sent_bytes = 0;
        assert_eq!(world.run(None), Outcome::Complete);
        world.assert_complete(&model(LONG));
        assert_eq!(world.host.requested()[0], missing[0]);
        assert_eq!(world.host.sent_bytes, LONG as u64 - here_bytes, "nothing is fetched twice");
        assert_eq!(world.disk.read_bytes, here_bytes, "the rest is read, once");
        assert!(world.most_held <= AHEAD_BYTES);
    }
    // What is missing is far from the beginning.
    let mut world = world(LONG);
    assert_eq!(world.run_until(None, 6), None);
    world.host.requests.clear();
    assert_eq!(world.run(None), Outcome::Complete);
    world.assert_complete(&model(LONG));
    assert_eq!(world.host.requests.len(), 1);
}

#[test]
fn a_request_is_tried_six_times_with_growing_pauses() {
    let mut failing = world(SHORT);
    failing.host.faults.extend([Some(Fault::Status(500)); 6]);
    let error = FileError::Status { status: 500, url: URL.to_owned() };
    assert_eq!(failing.run(None), Outcome::Failed(error));
    assert_eq!(failing.pauses.iter().map(Duration::as_millis).collect::<Vec<_>>(), [400, 800, 1600, 3200, 6400]);
    // The response to the first request does not count as a try.
    let mut breaking = world(SHORT);
    breaking.host.faults.extend([Some(Fault::Breaks); 7]);
    let error = FileError::Network("connection reset".to_owned());
    assert_eq!(breaking.run(None), Outcome::Failed(error));
    assert_eq!((breaking.host.requests.len(), breaking.pauses.len()), (7, 5));
    // A later download completes it.
    assert_eq!(breaking.run(None), Outcome::Complete);
    breaking.assert_complete(&model(SHORT));
    // A host that sends half of what is requested is tolerated as long as segments come.
    let mut halving = world(LONG);
    halving.host.faults.extend([Some(Fault::EndsEarly); 8]);
    assert_eq!(halving.run(None), Outcome::Complete);
    halving.assert_complete(&model(LONG));
}

#[test]
fn permanent_failures_are_not_retried() {
    let mut missing = world(SHORT);
    missing.host.faults.push_back(Some(Fault::Status(404)));
    let error = FileError::Status { status: 404, url: URL.to_owned() };
    assert_eq!(missing.run(None), Outcome::Failed(error));
    let mut offline = world(SHORT);
    offline.is_online = false;
    offline.host.faults.push_back(Some(Fault::Breaks));
    assert!(matches!(offline.run(None), Outcome::Failed(FileError::Network(_))));
    assert_eq!((missing.pauses.len(), offline.pauses.len()), (0, 0));
    assert!(offline.disk.record.is_some(), "a later download resumes it");
}

#[test]
fn versions_of_a_file_never_mix() {
    // The next visit finds another version, maybe a shorter one, which has no such range.
    for (len_bytes, status) in [(LONG, None), (SHORT, None), (SHORT, Some(Fault::Status(416)))] {
        let mut world = world(LONG);
        assert_eq!(world.run_until(None, 4), None);
        let newer: Vec<u8> = model(len_bytes).iter().map(|byte| byte ^ u8::from(*byte < 60)).collect();
        let newer = [&b"GGUF"[..], &newer[4..]].concat();
        world.host.replace(newer.clone(), "v2");
        world.host.faults.push_back(status);
        assert_eq!(world.run(None), Outcome::Complete);
        world.assert_complete(&newer);
    }
    // It changes while it is fetched, to a longer one or a shorter one, also on a host that keeps its ETag. Then part of the old one was
    // delivered, so the download fails; the next one begins with the new one.
    for (first, len_bytes, etag) in
        [(1, SHORT, "v2"), (2, LONG, "v2"), (2, LONG + 1, "v2"), (3, 100, "v2"), (1, SHORT, "v1")]
    {
        let mut world = world(LONG);
        world.seed = first as u64;
        world.host.replacement = Some((first, model(len_bytes), etag));
        assert_eq!(world.run(None), Outcome::Failed(FileError::Changed), "{first}");
        assert_eq!(world.run(None), Outcome::Complete, "{first}");
        world.assert_complete(&model(len_bytes));
    }
    // One of several responses is that of another version, or the whole file.
    for fault in [Fault::OtherEtag, Fault::IgnoresRange] {
        let mut world = world(LONG);
        world.host.faults.extend([None, None, Some(fault)]);
        assert_eq!(world.run(None), Outcome::Failed(FileError::Changed));
        assert_eq!(world.run(None), Outcome::Complete);
        world.assert_complete(&model(LONG));
    }
}

#[test]
fn a_file_that_keeps_changing_fails() {
    let mut world = world(LONG);
    assert_eq!(world.run_until(None, 1), None);
    world.host.replace(model(LONG), "v2");
    // The first request finds the change, the second starts over, the third finds another change.
    let third = world.host.requests.len() + 2;
    world.host.replacement = Some((third, model(LONG), "v3"));
    assert_eq!(world.run(None), Outcome::Failed(FileError::Changed));
}

#[test]
fn a_host_that_ignores_ranges_sends_everything_once() {
    let mut world = world(LONG);
    world.host.has_ranges = false;
    assert_eq!(world.run(None), Outcome::Complete);
    world.assert_complete(&model(LONG));
    assert_eq!(world.host.requested(), [0]);
    // Segments that were here already are overwritten.
    let mut world = world::world(LONG);
    assert_eq!(world.run_until(None, 3), None);
    let missing = world.disk.kept(None).unwrap().missing().next().unwrap();
    world.host.has_ranges = false;
    world.host.requests.clear();
    assert_eq!(world.run(None), Outcome::Complete);
    world.assert_complete(&model(LONG));
    assert_eq!((world.host.requested(), world.disk.read_bytes), (vec![missing], 0));
    // Its response is not retried, but complete segments stay.
    let mut world = world::world(LONG);
    world.host.has_ranges = false;
    world.host.faults.push_back(Some(Fault::Breaks));
    assert!(matches!(world.run(None), Outcome::Failed(FileError::Network(_))));
    let missing = world.disk.kept(None).map(|kept| kept.missing().collect::<Vec<_>>());
    assert_eq!(missing, Some(vec![3, 4, 5, 6]));
}

#[test]
fn a_host_may_not_say_how_long_a_file_is() {
    let mut world = world(SHORT);
    world.host.len_bytes = None;
    assert_eq!(world.run(None), Outcome::UnknownLength);
    world.assert_removed();
    assert!(world.delivered.is_empty());
}

#[test]
fn a_whole_file_of_another_length_than_announced_is_refused() {
    let mut short = world(SHORT);
    (short.host.has_ranges, short.host.len_bytes) = (false, Some(SHORT + 1));
    let error = FileError::CutShort { len_bytes: SHORT as u64, needed_bytes: SHORT as u64 + 1 };
    assert_eq!(short.run(None), Outcome::Failed(error));
    short.assert_removed();
    let mut long = world(SHORT);
    (long.host.has_ranges, long.host.len_bytes) = (false, Some(SHORT - 1));
    assert_eq!(long.run(None), Outcome::Failed(FileError::Changed));
}

#[test]
fn what_does_not_start_as_a_model_is_not_kept() {
    for has_ranges in [true, false] {
        let mut world = World::new(Host::new(b"<!DOCTYPE html>".repeat(20)));
        world.host.has_ranges = has_ranges;
        assert_eq!(world.run(None), Outcome::NotAModel);
        world.assert_removed();
        assert!(world.delivered.is_empty());
    }
}

#[test]
fn a_pin_goes_into_the_record() {
    let pin = sha256(&model(SHORT));
    let mut world = world(SHORT);
    assert_eq!(world.run(Some(&pin)), Outcome::Complete);
    assert_eq!(world.disk.record.as_ref().and_then(|record| record.sha256.as_ref()), Some(&pin));
}

#[test]
fn without_room_nothing_is_written_or_removed() {
    let mut world = world(SHORT);
    assert_eq!(world.run(None), Outcome::Complete);
    world.disk.seal = Some(sha256(&model(SHORT)));
    let before = world.disk.data.clone();
    world.disk.usage = Some(Usage { used_bytes: 60, quota_bytes: 100 });
    let needed_bytes = SHORT as u64;
    let full = Outcome::Unkept(FileError::StorageFull { needed_bytes, free_bytes: Some(40) });
    assert_eq!(world.run(Some(&"0".repeat(64))), full);
    world.assert_delivered(&model(SHORT));
    assert!(world.disk.data == before, "another file of this address stays");
}

#[test]
fn a_file_that_fills_the_storage_is_delivered_and_removed() {
    for left_bytes in [0, SEGMENT_BYTES as usize + 5, LONG - 1] {
        for has_ranges in [true, false] {
            let mut world = world(LONG);
            world.disk.left_bytes = Some(left_bytes);
            world.host.has_ranges = has_ranges;
            let full = FileError::StorageFull { needed_bytes: LONG as u64, free_bytes: None };
            assert_eq!(world.run(None), Outcome::Unkept(full));
            world.assert_delivered(&model(LONG));
            world.assert_removed();
            assert_eq!(world.host.sent_bytes, LONG as u64, "nothing is fetched again");
        }
    }
    // What was here before is needed until the end.
    let mut world = world(LONG);
    assert_eq!(world.run_until(None, 3), None);
    world.disk.left_bytes = Some(5);
    assert!(matches!(world.run(None), Outcome::Unkept(FileError::StorageFull { .. })));
    world.assert_delivered(&model(LONG));
    world.assert_removed();
}

#[test]
fn a_file_that_cannot_be_opened_is_fetched_anew_and_stays() {
    let mut world = world(LONG);
    assert_eq!(world.run_until(None, 3), None);
    let before = world.disk.data.clone();
    world.disk.is_locked = true;
    let locked = FileError::Storage("it is in use".to_owned());
    assert_eq!(world.run(None), Outcome::Unkept(locked.clone()));
    world.assert_delivered(&model(LONG));
    assert!(world.disk.data == before, "another tab may be using it");
    // One that cannot be created.
    let mut world = world::world(LONG);
    world.disk.is_locked = true;
    assert_eq!(world.run(None), Outcome::Unkept(locked));
    world.assert_delivered(&model(LONG));
    assert_eq!(world.host.requested(), [0, 2, 4, 6]);
}

#[test]
fn a_file_that_cannot_be_read_fails_the_download() {
    let mut world = world(LONG);
    assert_eq!(world.run_until(None, 3), None);
    world.disk.is_unreadable = true;
    assert_eq!(world.run(None), Outcome::Failed(FileError::Damaged));
}

#[test]
fn without_storage_a_file_is_delivered_all_the_same() {
    let mut world = world(LONG);
    world.has_storage = false;
    assert_eq!(world.run(None), Outcome::Complete);
    world.assert_delivered(&model(LONG));
    world.assert_removed();
    assert_eq!(world.most_at_once, 4);
}
