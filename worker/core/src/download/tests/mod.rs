//! Downloads against a simulated host and disk, with events in any order.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod world;

use std::time::Duration;

use self::world::{Fault, Host, URL, World, model, sha256, world};
use super::{Command, Download, Event, Outcome};
use crate::FileError;
use crate::address::FileAddress;
use crate::http::Answer;
use crate::kept::{SEGMENT_BYTES, Usage};

/// The length of a file with seven segments, of which the last is short.
const LONG: usize = 6 * SEGMENT_BYTES as usize + 12_345;
/// The length of a file with two.
const SHORT: usize = SEGMENT_BYTES as usize + 7;

#[test]
fn a_file_comes_in_segments_over_several_connections() {
    let mut world = world(LONG);
    assert_eq!(world.run(None), Outcome::Complete);
    world.assert_complete(&model(LONG));
    assert_eq!(world.host.requests, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!((world.most_at_once, world.pauses.len()), (4, 0));
    // What is complete takes no request.
    assert_eq!(world.run(None), Outcome::Complete);
    assert_eq!(world.run(Some(&sha256(&model(LONG)))), Outcome::Complete);
    assert_eq!(world.host.requests.len(), 7);
}

#[test]
fn failures_and_any_order_of_events_only_cost_time() {
    let faults =
        [Fault::Status(503), Fault::Breaks, Fault::EndsEarly, Fault::TooLong, Fault::Status(429), Fault::Breaks];
    for seed in 0..8 {
        let mut world = world(LONG);
        world.seed = seed;
        world.host.faults.extend(&faults[..seed as usize % 7]);
        assert_eq!(world.run(None), Outcome::Complete, "{seed}");
        world.assert_complete(&model(LONG));
        assert!(world.most_at_once <= 4, "{seed}");
    }
}

#[test]
fn the_next_visit_completes_what_a_closed_tab_left() {
    for seed in 1..4 {
        let mut world = world(LONG);
        world.seed = seed;
        assert_eq!(world.run_until(None, 3), None);
        let missing: Vec<u64> = world.disk.kept(None).unwrap().missing().collect();
        assert_eq!(missing.len(), 4);
        world.host.requests.clear();
        assert_eq!(world.run(None), Outcome::Complete);
        world.assert_complete(&model(LONG));
        assert_eq!(world.host.requests[0], missing[0]);
        let mut requests = world.host.requests.clone();
        requests.sort_unstable();
        assert_eq!(requests, missing, "nothing is fetched twice");
    }
}

#[test]
fn a_request_is_tried_six_times_with_growing_pauses() {
    let mut failing = world(SHORT);
    failing.host.faults.extend([Fault::Status(500); 6]);
    let error = FileError::Status { status: 500, url: URL.to_owned() };
    assert_eq!(failing.run(None), Outcome::Failed(error));
    assert_eq!(failing.pauses.iter().map(Duration::as_millis).collect::<Vec<_>>(), [400, 800, 1600, 3200, 6400]);
    // The response to the first request does not count as a try.
    let mut breaking = world(SHORT);
    breaking.host.faults.extend([Fault::Breaks; 7]);
    let error = FileError::Network("connection reset".to_owned());
    assert_eq!(breaking.run(None), Outcome::Failed(error));
    assert_eq!((breaking.host.requests.len(), breaking.pauses.len()), (7, 5));
    // A later download completes it.
    assert_eq!(breaking.run(None), Outcome::Complete);
    breaking.assert_complete(&model(SHORT));
}

#[test]
fn permanent_failures_are_not_retried() {
    let mut missing = world(SHORT);
    missing.host.faults.push_back(Fault::Status(404));
    let error = FileError::Status { status: 404, url: URL.to_owned() };
    assert_eq!(missing.run(None), Outcome::Failed(error));
    let mut offline = world(SHORT);
    offline.is_online = false;
    offline.host.faults.push_back(Fault::Breaks);
    assert!(matches!(offline.run(None), Outcome::Failed(FileError::Network(_))));
    assert_eq!((missing.pauses.len(), offline.pauses.len()), (0, 0));
    assert!(offline.disk.record.is_some(), "a later download resumes it");
}

#[test]
fn versions_of_a_file_never_mix() {
    // The next visit finds another version.
    let mut world = world(LONG);
    assert_eq!(world.run_until(None, 2), None);
    let newer: Vec<u8> = model(LONG).iter().map(|byte| byte ^ u8::from(*byte < 60)).collect();
    let newer = [&b"GGUF"[..], &newer[4..]].concat();
    world.host.replace(newer.clone(), "v2");
    assert_eq!(world.run(None), Outcome::Complete);
    world.assert_complete(&newer);
    // It changes while it is fetched, to a longer one or a shorter one.
    for (first, len_bytes) in [(1, SHORT), (3, SHORT), (4, LONG + 1), (6, 100)] {
        let mut world = world::world(LONG);
        world.seed = first as u64;
        world.host.replacement = Some((first, model(len_bytes), "v2"));
        assert_eq!(world.run(None), Outcome::Complete, "{first}");
        world.assert_complete(&model(len_bytes));
    }
    // A host that keeps its ETag shrinks the file.
    let mut world = world::world(LONG);
    world.host.replacement = Some((3, model(SHORT), "v1"));
    assert_eq!(world.run(None), Outcome::Complete);
    world.assert_complete(&model(SHORT));
}

#[test]
fn a_file_that_keeps_changing_fails() {
    let mut world = world(SHORT);
    assert_eq!(world.run_until(None, 1), None);
    world.host.replace(model(SHORT), "v2");
    // The first request finds the change, the second starts over, the third finds another change.
    let third = world.host.requests.len() + 2;
    world.host.replacement = Some((third, model(SHORT), "v3"));
    assert_eq!(world.run(None), Outcome::Failed(FileError::Changed));
}

#[test]
fn a_host_that_ignores_ranges_sends_everything_once() {
    let mut world = world(LONG);
    world.host.has_ranges = false;
    assert_eq!(world.run(None), Outcome::Complete);
    world.assert_complete(&model(LONG));
    assert_eq!(world.host.requests, [0]);
    // Segments that were here already are overwritten.
    let mut world = world::world(LONG);
    assert_eq!(world.run_until(None, 3), None);
    world.host.has_ranges = false;
    world.host.requests.clear();
    assert_eq!(world.run(None), Outcome::Complete);
    world.assert_complete(&model(LONG));
    assert_eq!(world.host.requests, [3]);
    // Its response is not retried, but complete segments stay.
    let mut world = world::world(LONG);
    world.host.has_ranges = false;
    world.host.faults.push_back(Fault::Breaks);
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
    assert_eq!(long.host.requests, [0, 0], "it may have changed, so it is tried once more");
}

#[test]
fn what_does_not_start_as_a_model_is_not_kept() {
    for has_ranges in [true, false] {
        let mut world = World::new(Host::new(b"<!DOCTYPE html>".repeat(20)));
        world.host.has_ranges = has_ranges;
        assert_eq!(world.run(None), Outcome::NotAModel);
        world.assert_removed();
    }
}

#[test]
fn a_wrong_checksum_is_refused_wherever_it_comes_from() {
    let (right, wrong) = (sha256(&model(SHORT)), "0".repeat(64));
    let refused = Outcome::Failed(FileError::WrongChecksum { file: "model.gguf".to_owned() });
    for has_ranges in [true, false] {
        // The address pins another file.
        let mut world = world(SHORT);
        world.host.has_ranges = has_ranges;
        assert_eq!(world.run(Some(&wrong)), refused);
        world.assert_removed();
        // The host announces another one.
        world.host.sha256 = Some(wrong.clone());
        assert_eq!(world.run(None), refused);
        world.assert_removed();
        // A pin outranks what the host announces.
        assert_eq!(world.run(Some(&right)), Outcome::Complete);
        world.assert_complete(&model(SHORT));
        assert_eq!(world.disk.record.as_ref().and_then(|record| record.sha256.clone()), Some(right.clone()));
    }
}

#[test]
fn a_pin_also_counts_for_what_is_kept_already() {
    let (right, wrong) = (sha256(&model(LONG)), "0".repeat(64));
    let refused = Outcome::Failed(FileError::WrongChecksum { file: "model.gguf".to_owned() });
    // An incomplete file has no checksum yet: it is completed first, then compared.
    let mut world = world(LONG);
    assert_eq!(world.run_until(None, 2), None);
    world.host.requests.clear();
    assert_eq!(world.run(Some(&right)), Outcome::Complete);
    assert_eq!(world.host.requests, [2, 3, 4, 5, 6]);
    // A complete file with another checksum is ignored; it stays until the host has answered.
    world.host.requests.clear();
    world.host.faults.push_back(Fault::Status(404));
    assert!(matches!(world.run(Some(&wrong)), Outcome::Failed(FileError::Status { .. })));
    world.assert_complete(&model(LONG));
    assert_eq!(world.run(Some(&wrong)), refused);
    assert_eq!(world.host.requests.len(), 8);
    world.assert_removed();
    // An incomplete file that turns out to be the wrong one.
    assert_eq!(world.run_until(None, 2), None);
    assert_eq!(world.run(Some(&wrong)), refused);
    world.assert_removed();
}

#[test]
fn without_room_nothing_is_written_or_removed() {
    let mut world = world(SHORT);
    assert_eq!(world.run(None), Outcome::Complete);
    let before = world.disk.data.clone();
    world.disk.usage = Some(Usage { used_bytes: 60, quota_bytes: 100 });
    let needed_bytes = SHORT as u64;
    let full = Outcome::Failed(FileError::StorageFull { needed_bytes, free_bytes: Some(40) });
    assert_eq!(world.run(Some(&"0".repeat(64))), full);
    assert!(world.disk.data == before, "another file of this address stays");
}

#[test]
fn a_download_that_fills_the_storage_is_removed() {
    // It fills up in the middle of a segment, and after all bytes were written but not the checksum.
    for left_bytes in [SEGMENT_BYTES as usize + 5, SHORT + 63] {
        for has_ranges in [true, false] {
            let mut world = world(SHORT);
            world.disk.left_bytes = Some(left_bytes);
            world.host.has_ranges = has_ranges;
            let full = FileError::StorageFull { needed_bytes: SHORT as u64, free_bytes: None };
            assert_eq!(world.run(None), Outcome::Failed(full));
            world.assert_removed();
        }
    }
}

#[test]
fn other_storage_failures_remove_nothing() {
    let file = FileAddress { url: URL.to_owned(), pin: None };
    let (mut download, commands) = Download::start(file, None);
    assert_eq!(commands, [Command::Fetch { segment: 0, after: Duration::ZERO }]);
    let answer = Answer { is_partial: true, len_bytes: Some(9), ..Answer::default() };
    assert_eq!(download.handle(Event::Answered { segment: 0, answer }), [Command::EstimateRoom]);
    assert!(matches!(download.handle(Event::Room(None)).as_slice(), [Command::Create(_)]));
    let error = FileError::Storage("the file is in use".to_owned());
    let failed = [Command::Finish(Outcome::Failed(error.clone()))];
    assert_eq!(download.handle(Event::StorageFailed(error)), failed);
}

#[test]
fn a_failed_removal_ends_the_download_all_the_same() {
    let full = || FileError::StorageFull { needed_bytes: 0, free_bytes: None };
    let (mut download, _) = Download::start(FileAddress { url: URL.to_owned(), pin: None }, None);
    let commands = download.handle(Event::StorageFailed(full()));
    assert_eq!(commands, [Command::Remove, Command::Finish(Outcome::Failed(full()))]);
    let commands = download.handle(Event::StorageFailed(full()));
    assert_eq!(commands, [Command::Finish(Outcome::Failed(full()))]);
}
