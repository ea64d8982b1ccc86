//! Transcripts as text and as subtitles.

use super::TranscriptPart;

/// The text of segments.
pub fn text(parts: &[TranscriptPart]) -> String {
    parts.iter().map(|part| part.text.as_str()).collect::<String>().trim().to_owned()
}

/// Subtitles in `SubRip`'s format.
pub fn srt(parts: &[TranscriptPart]) -> String {
    let cue = |(number, part): (usize, &TranscriptPart)| {
        let [start, end] = [part.start, part.end].map(|seconds| clock(seconds, ','));
        format!("{number}\n{start} --> {end}\n{}\n\n", line(part))
    };
    (1..).zip(parts).map(cue).collect()
}

/// Subtitles in `WebVTT`.
pub fn vtt(parts: &[TranscriptPart]) -> String {
    let cue = |part: &TranscriptPart| {
        let [start, end] = [part.start, part.end].map(|seconds| clock(seconds, '.'));
        let text = line(part).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        format!("{start} --> {end}\n{text}\n\n")
    };
    format!("WEBVTT\n\n{}", parts.iter().map(cue).collect::<String>())
}

/// A segment's text in one line, since an empty one ends a cue.
fn line(part: &TranscriptPart) -> String {
    part.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A time, with this sign before its milliseconds.
fn clock(seconds: f64, sign: char) -> String {
    let ms = (seconds * 1000.0).round() as u64;
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{sign}{:03}", ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: u32, start: f64, end: f64, text: &str) -> TranscriptPart {
        TranscriptPart {
            id,
            seek: 0,
            start,
            end,
            text: text.to_owned(),
            tokens: Vec::new(),
            temperature: 0.0,
            avg_logprob: 0.0,
            compression_ratio: 1.0,
            no_speech_prob: 0.0,
        }
    }

    #[test]
    fn segments_become_text_and_subtitles() {
        let parts = [part(0, 0.0, 2.5, " Ask not\n\nwhat"), part(1, 3661.0, 3662.04, " a <b> & --> c.")];
        assert_eq!(text(&parts), "Ask not\n\nwhat a <b> & --> c.");
        assert_eq!(
            srt(&parts),
            "1\n00:00:00,000 --> 00:00:02,500\nAsk not what\n\n2\n01:01:01,000 --> 01:01:02,040\na <b> & --> c.\n\n"
        );
        assert_eq!(
            vtt(&parts),
            "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nAsk not what\n\n01:01:01.000 --> 01:01:02.040\na &lt;b&gt; &amp; --&gt; c.\n\n"
        );
        assert_eq!((text(&[]).as_str(), srt(&[]).as_str(), vtt(&[]).as_str()), ("", "", "WEBVTT\n\n"));
    }
}
