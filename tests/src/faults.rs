//! Notes which faults a run of the tests has shown the outcome of, for the table in `docs/reliability.md`.

use crate::notes::note;

/// Notes that the test that calls this has brought a fault about and seen the outcome.
///
/// # Panics
/// If it cannot be noted.
pub fn shown(area: &str, fault: &str, outcome: &str) {
    // Without the module that it stands in.
    let test = std::thread::current().name().and_then(|name| name.rsplit("::").next()).unwrap_or_default().to_owned();
    note("faults", &[area, fault, outcome, &format!("`{test}`")]);
}
