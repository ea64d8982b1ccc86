//! When the segments that were written are recorded. Before that, what was written has to be flushed, which may take longer than writing it; so
//! several segments are recorded together.

use std::time::Duration;

/// Segments that are recorded together at most, 64 MB: at most this much is lost when the tab is killed.
const MOST_SEGMENTS: usize = 16;
/// How long segments wait for others: a slow download loses no more than came in this time.
const LONGEST: Duration = Duration::from_millis(250);

/// Segments that were written and are not recorded yet.
#[derive(Debug, Default)]
pub struct Commits {
    pending: Vec<u64>,
    /// When the latest ones were recorded, by the clock of the caller.
    last: Duration,
}

impl Commits {
    /// Adds a segment that is wholly written `now`, and says whether it is time to record.
    pub fn add(&mut self, segment: u64, now: Duration) -> bool {
        self.pending.push(segment);
        self.pending.len() >= MOST_SEGMENTS || now.saturating_sub(self.last) >= LONGEST
    }

    /// The segments to record `now`.
    pub fn take(&mut self, now: Duration) -> Vec<u64> {
        self.last = now;
        std::mem::take(&mut self.pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_segments_or_those_of_a_moment_are_recorded_together() {
        let (mut commits, millis) = (Commits::default(), Duration::from_millis);
        assert!((0..15).all(|segment| !commits.add(segment, millis(segment))), "they come quickly");
        assert!(commits.add(15, millis(15)));
        assert_eq!(commits.take(millis(20)), (0..16).collect::<Vec<_>>());
        assert!(!commits.add(16, millis(269)));
        assert!(commits.add(17, millis(270)), "a quarter of a second has passed");
        assert_eq!((commits.take(millis(270)), commits.take(millis(271))), (vec![16, 17], vec![]));
    }
}
