//! How many tokens a draft model should draft, from what was accepted of its drafts and how long they took.

use super::pause::Pause;

/// Maximum number of tokens in a draft: no device verifies more at once.
const MAX_LEN: usize = 15;
/// Number of tokens in a draft of which nothing is known.
const FIRST_LEN: usize = 4;
/// The share of what was known that remains with each draft: about the last ten count.
const KEPT: f64 = 0.9;
/// What is assumed of a draft model at first, and after a pause: accepted tokens of judged ones. Few, so that a bad draft
/// model is given up soon.
const ASSUMED: [f64; 2] = [1.6, 2.0];
/// Number of drafts after which they have paid off for good: the next pause is short.
const TRIAL: usize = 8;

/// What is known of a draft model's drafts.
pub(super) struct Pace {
    /// Accepted draft tokens, and those judged, which ends with the first that is rejected. Older ones count less.
    accepted: f64,
    judged: f64,
    /// Seconds that it takes to draft and verify so many tokens.
    seconds: [Option<f64>; MAX_LEN + 1],
    /// Drafts since the last pause.
    drafts: usize,
    /// The very first draft includes compiling kernels, so its time says nothing.
    has_begun: bool,
    pause: Pause,
}

impl Default for Pace {
    fn default() -> Self {
        let [accepted, judged] = ASSUMED;
        let (seconds, pause) = ([None; MAX_LEN + 1], Pause::default());
        Self { accepted, judged, seconds, drafts: 0, has_begun: false, pause }
    }
}

impl Pace {
    /// Whether a draft may be made.
    pub(super) fn is_due(&self) -> bool {
        self.pause.is_over()
    }

    /// Notes that this many tokens were generated.
    pub(super) fn pass(&mut self, tokens: usize) {
        self.pause.pass(tokens);
    }

    /// The number of tokens to draft, at most `most`, with which the answer is fastest, if a token without drafts takes
    /// `one_by_one` seconds. 0, and a pause, if it is fastest without.
    pub(super) fn next_len(&mut self, most: usize, one_by_one: f64) -> usize {
        let len = self.best_len(most.min(MAX_LEN), one_by_one);
        if len == 0 {
            // Everything is judged anew after the pause, for the text may be another then, and the device less busy.
            let mut pause = std::mem::take(&mut self.pause);
            pause.begin();
            *self = Self { has_begun: self.has_begun, pause, ..Self::default() };
        }
        len
    }

    fn best_len(&self, most: usize, one_by_one: f64) -> usize {
        if self.seconds.iter().all(Option::is_none) {
            return FIRST_LEN.min(most);
        }
        let likelihood = self.accepted / self.judged;
        // A draft of n tokens yields 1 + p + p² + … + pⁿ tokens (Leviathan et al. 2023, "Fast Inference from Transformers
        // via Speculative Decoding").
        let (mut expected, mut reached) = (1.0, 1.0);
        let mut best = (0, 1.0 / one_by_one);
        for len in 1..=most {
            reached *= likelihood;
            expected += reached;
            let rate = expected / self.seconds_of(len, one_by_one);
            if rate > best.1 {
                best = (len, rate);
            }
        }
        best.0
    }

    /// Seconds that a draft of `len` tokens takes: measured, or else in proportion to the nearest length that was.
    fn seconds_of(&self, len: usize, one_by_one: f64) -> f64 {
        let measured = self.seconds.iter().enumerate().filter_map(|(other, seconds)| Some((other, (*seconds)?)));
        match measured.min_by_key(|(other, _)| other.abs_diff(len)) {
            Some((other, seconds)) if other == len => seconds,
            Some((other, seconds)) => one_by_one + (seconds - one_by_one).max(0.0) * len as f64 / other.max(1) as f64,
            None => one_by_one,
        }
    }

    /// Records how many tokens of a draft of `len` were accepted, and how many seconds it took, if that is usual.
    pub(super) fn note(&mut self, len: usize, accepted: usize, seconds: Option<f64>) {
        let judged = accepted + usize::from(accepted < len);
        self.accepted = KEPT * self.accepted + accepted as f64;
        self.judged = KEPT * self.judged + judged as f64;
        self.drafts += 1;
        if self.drafts == TRIAL {
            self.pause.end();
        }
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        if let (true, Some(seconds), Some(known)) = (has_begun, seconds, self.seconds.get_mut(len)) {
            *known = Some(known.map_or(seconds, |known| 0.75 * known + 0.25 * seconds));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drafts whose tokens are accepted with this likelihood, on average; a token takes a tenth of a second without drafts.
    /// Drafting one takes `draft` seconds, and verifying none. Returns the lengths of the drafts.
    fn lens(pace: &mut Pace, likelihood: f64, draft: f64, count: usize) -> Vec<usize> {
        let mut lens = Vec::new();
        let mut debt = 0.0;
        for _ in 0..count {
            let len = pace.next_len(15, 0.1);
            lens.push(len);
            // As many as are expected on average, in whole tokens.
            let mut accepted = 0;
            debt += (1..=len as i32).map(|index| likelihood.powi(index)).sum::<f64>();
            while debt >= 1.0 && accepted < len {
                accepted += 1;
                debt -= 1.0;
            }
            if len > 0 {
                pace.note(len, accepted, Some(0.1 + len as f64 * draft));
            }
        }
        lens
    }

    #[test]
    fn good_drafts_become_longer_and_bad_ones_are_given_up() {
        let long = lens(&mut Pace::default(), 0.95, 0.002, 40);
        let short = lens(&mut Pace::default(), 0.6, 0.03, 40);
        assert_eq!(long[0], FIRST_LEN);
        assert!(long[39] > 8, "{long:?}");
        assert!((1..=3).contains(&short[39]), "{short:?}");
        let none = lens(&mut Pace::default(), 0.0, 0.03, 12);
        assert!(none[..6].contains(&0), "{none:?}");
        // However good it is, a draft model that is as slow as the other is of no use.
        assert!(lens(&mut Pace::default(), 1.0, 0.1, 8).contains(&0));
    }

    #[test]
    fn a_pause_ends_and_the_next_is_longer_unless_drafts_have_paid_off() {
        let mut pace = Pace::default();
        let give_up = |pace: &mut Pace| {
            while pace.is_due() {
                let len = pace.next_len(4, 0.1);
                if len > 0 {
                    pace.note(len, 0, Some(0.3));
                }
            }
            let mut waited = 0;
            while !pace.is_due() {
                pace.pass(1);
                waited += 1;
            }
            waited
        };
        assert_eq!([give_up(&mut pace), give_up(&mut pace)], [16, 32]);
        for _ in 0..TRIAL {
            pace.note(4, 4, Some(0.15));
        }
        assert_eq!(give_up(&mut pace), 16);
    }

    #[test]
    fn times_of_lengths_that_were_not_tried_are_in_proportion() {
        let mut pace = Pace::default();
        pace.note(4, 4, Some(100.0));
        pace.note(4, 4, Some(0.3));
        for (len, expected) in [(2, 0.2), (4, 0.3), (8, 0.5)] {
            assert!((pace.seconds_of(len, 0.1) - expected).abs() < 1e-9, "{len}: the first one's time does not count");
        }
        assert_eq!(pace.next_len(0, 0.1), 0, "there is no room");
    }
}
