//! The page never stutters while it loads a model or shows a long answer, by the browser's own performance entries.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::time::Duration;

use parlance_tests::chat::{MODEL_TIMEOUT, READY, answer, ask};
use parlance_tests::scripted::use_scripted_engine;
use parlance_tests::{Page, Server, Session};
use serde_json::{Value, json};

/// Records long tasks, layout shifts and the first paint.
const OBSERVE: &str = "(() => {
    const seen = window.seen = { long_tasks_ms: [], shift: 0, shifted: [], first_paint_ms: 0, frames_ms: [], writes: [] };
    const observe = (type, take) =>
        new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
    observe('longtask', (entry) => seen.long_tasks_ms.push(entry.duration));
    observe('layout-shift', ({ hadRecentInput, value, sources }) => {
        if (hadRecentInput) return;
        seen.shift += value;
        seen.shifted.push(...sources.map(({ node }) => node?.className ?? node?.nodeName));
    });
    observe('paint', (entry) => {
        if (entry.name === 'first-contentful-paint') seen.first_paint_ms = entry.startTime;
    });
})()";

/// Clears the long tasks. From now on, records frame times, and for each frame how many tasks change the last answer's
/// Markdown and how many of its nodes.
const OBSERVE_ANSWER: &str = "(() => {
    const { seen } = window;
    Object.assign(seen, { long_tasks_ms: [], frames_ms: [], writes: [] });
    let before = performance.now();
    let tasks = 0;
    let nodes = 0;
    const frame = (now) => {
        seen.frames_ms.push(now - before);
        before = now;
        if (tasks > 0) seen.writes.push([tasks, nodes]);
        tasks = 0;
        nodes = 0;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    const markdown = [...document.querySelectorAll('[data-role=assistant] .markdown')].at(-1);
    const { port1, port2 } = new MessageChannel();
    let is_counted = false;
    port1.onmessage = () => is_counted = false;
    new MutationObserver((records) => {
        if (!is_counted) tasks += 1;
        is_counted = true;
        port2.postMessage(null);
        nodes += records.reduce((sum, { addedNodes, removedNodes }) => sum + addedNodes.length + removedNodes.length, 0);
    }).observe(markdown, { childList: true, subtree: true, characterData: true });
})()";

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn seen(page: &Page) -> Value {
    page.evaluate("window.seen").unwrap()
}

/// Attempts, one of which must have no long tasks: on a busy machine the scheduler delays tasks, but not every time.
const ATTEMPTS: usize = 5;

/// Repeats `attempt`, which returns its long tasks, until there are none.
fn assert_no_long_tasks(attempt: impl Fn() -> Value) {
    let failed: Vec<_> = (0..ATTEMPTS).map(|_| attempt()).take_while(|tasks_ms| *tasks_ms != json!([])).collect();
    assert!(failed.len() < ATTEMPTS, "every attempt had long tasks: {failed:?} ms");
}

#[test]
fn the_layout_does_not_shift_and_no_task_is_long_while_a_model_loads() {
    let server = Server::start().unwrap();
    assert_no_long_tasks(|| {
        let session = Session::with_animations().unwrap();
        let page = session.open(&server.page("")).unwrap();
        page.evaluate(OBSERVE).unwrap();
        page.wait_for("document.querySelector('[data-testid=model-offer]')", Duration::from_secs(30)).unwrap();
        let first = seen(&page);
        println!("first paint after {} ms", first["first_paint_ms"]);
        assert_eq!(first["shift"], 0, "{} moved", first["shifted"]);
        page.evaluate("window.seen.long_tasks_ms = []").unwrap();
        page.click("[data-testid=model-offer] button").unwrap();
        page.wait_for(READY, MODEL_TIMEOUT).unwrap();
        let seen = seen(&page);
        // The model's name replaces its progress.
        assert!(seen["shift"].as_f64().unwrap() < 0.05, "{} of {}", seen["shift"], seen["shifted"]);
        seen["long_tasks_ms"].clone()
    });
}

#[test]
fn the_cost_per_frame_does_not_grow_with_the_answer() {
    let server = Server::start().unwrap();
    assert_no_long_tasks(|| long_answer(&server));
}

/// Checks each frame of a long answer, and returns its long tasks.
fn long_answer(server: &Server) -> Value {
    let session = Session::with_animations().unwrap();
    let page = session.open(&server.page("")).unwrap();
    use_scripted_engine(&page).unwrap();
    page.evaluate(OBSERVE).unwrap();
    ask(&page, "Tell me at length").unwrap();
    page.wait_for("document.querySelector('[data-role=assistant] .markdown')", MODEL_TIMEOUT).unwrap();
    page.evaluate(OBSERVE_ANSWER).unwrap();
    answer(&page).unwrap();
    let seen = seen(&page);
    let frames_ms = numbers(&seen["frames_ms"]);
    let slow = frames_ms.iter().filter(|duration_ms| **duration_ms > 34.0).count();
    println!("{} frames, {slow} of them slower than 34 ms", frames_ms.len());
    assert!(slow * 20 < frames_ms.len(), "{slow} of {} frames were late", frames_ms.len());
    let writes: Vec<_> = seen["writes"].as_array().unwrap().iter().map(numbers).collect();
    assert!(writes.len() > 50, "the answer grew in only {} frames", writes.len());
    assert!(writes.iter().all(|write| write[0] <= 1.0), "a frame had several writes: {writes:?}");
    let most_nodes = |writes: &[Vec<f64>]| writes.iter().map(|write| write[1]).fold(0.0, f64::max);
    let (beginning, end) = (&writes[..writes.len() / 4], &writes[writes.len() * 3 / 4..]);
    // A frame may do the work of two. A cost that grew with the answer would be four times as high.
    assert!(most_nodes(end) <= 2.0 * most_nodes(beginning), "more nodes per frame at the end: {writes:?}");
    seen["long_tasks_ms"].clone()
}
