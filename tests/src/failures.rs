//! Records which failures the tests have caused, for the table in `docs/reliability.md`.

use crate::notes::note;

/// Records that the calling test has caused a failure and checked its outcome. `area` is the part of the app that
/// fails.
///
/// # Panics
/// If the note cannot be written.
pub fn record_failure(area: &str, failure: &str, outcome: &str) {
    // Without the module.
    let test = std::thread::current().name().and_then(|name| name.rsplit("::").next()).unwrap_or_default().to_owned();
    note("failures", &[area, failure, outcome, &format!("`{test}`")]);
}
