//! From the tokens of a window to segments with times, and whether their text is plausible.

use std::ops::Range;

use super::tokens::SpeechTokens;

/// Frames of sound between two times.
const FRAMES_PER_TIME: usize = 2;
/// How thoroughly text is compressed, as `zlib` does by default.
const COMPRESSION_LEVEL: u8 = 6;

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// Frames from the start of the window.
    pub(crate) frames: Range<usize>,
    /// The range of its tokens, with the times around them.
    pub(crate) tokens: Range<usize>,
}

/// Splits a window of `frames` between pairs of times. Also returns how many of its frames were transcribed: what follows
/// the last pair is left to the next window, unless the model says that it is silent.
pub(crate) fn split(ids: &[u32], tokens: &SpeechTokens, frames: usize) -> (Vec<Span>, usize) {
    let is_time = |at: usize| tokens.is_time(ids[at]);
    let frame = |at: usize| ids[at].saturating_sub(tokens.first_time) as usize * FRAMES_PER_TIME;
    let mut ends: Vec<usize> = (1..ids.len()).filter(|at| is_time(*at) && is_time(at - 1)).collect();
    if ends.is_empty() {
        let last = ids.iter().rposition(|id| *id > tokens.first_time);
        let end = last.map_or(frames, frame);
        return (vec![Span { frames: 0..end, tokens: 0..ids.len() }], frames);
    }
    let ends_with_silence = ids.len() >= 2 && !is_time(ids.len() - 2) && is_time(ids.len() - 1);
    if ends_with_silence {
        ends.push(ids.len());
    }
    let mut spans = Vec::new();
    let mut start = 0;
    for end in ends {
        spans.push(Span { frames: frame(start)..frame(end - 1), tokens: start..end });
        start = end;
    }
    (spans, if ends_with_silence { frames } else { frame(start - 1) })
}

/// How many times shorter a text becomes when it is compressed. A model that repeats itself writes text that compresses
/// well.
pub(crate) fn compression_ratio(text: &str) -> f32 {
    text.len() as f32 / miniz_oxide::deflate::compress_to_vec_zlib(text.as_bytes(), COMPRESSION_LEVEL).len() as f32
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    /// Times from 200 on.
    fn tokens() -> SpeechTokens {
        SpeechTokens::new(251, 100, 50).unwrap()
    }

    fn check(ids: &[u32], expected: &[(Range<usize>, Range<usize>)], used: usize) {
        let (spans, actual) = split(ids, &tokens(), 100);
        let spans: Vec<_> = spans.into_iter().map(|span| (span.frames, span.tokens)).collect();
        assert_eq!((spans.as_slice(), actual), (expected, used), "{ids:?}");
    }

    #[test]
    fn windows_are_split_between_pairs_of_times() {
        assert_eq!(tokens().first_time, 200);
        // The second segment has not ended.
        check(&[200, 1, 2, 210, 210, 3], &[(0..20, 0..4)], 20);
        check(&[200, 1, 210, 215, 3, 230, 230], &[(0..20, 0..3), (30..60, 3..6)], 60);
        // After the last segment there is silence.
        check(&[200, 1, 210, 210, 3, 230], &[(0..20, 0..3), (20..60, 3..6)], 100);
    }

    #[test]
    fn without_pairs_there_is_one_segment() {
        check(&[200, 1, 2, 240], &[(0..80, 0..4)], 100);
        check(&[200, 1, 2], &[(0..100, 0..3)], 100);
        check(&[1, 2], &[(0..100, 0..2)], 100);
        check(&[], &[(0..100, 0..0)], 100);
    }

    #[test]
    fn repetition_compresses_well() {
        assert!(compression_ratio(&"thank you. ".repeat(30)) > 2.4);
        assert!(compression_ratio("Some years ago, never mind how long precisely, I went to sea.") < 1.5);
        assert!(compression_ratio("") < 1.0);
    }
}
