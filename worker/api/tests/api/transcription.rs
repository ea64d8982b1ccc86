//! Transcripts in every form, from a tiny Whisper that the engine's fixtures describe, against the engine's own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use crate::common::{Listener, described_file};
use parlance_api::{RequestError, TranscriptionJob};
use parlance_engine::EngineError;
use parlance_engine::kernels::random::Random;
use parlance_engine::runtime::{
    Cpu, Loaded, Loader, LoaderOptions, Transcriber, TranscriptEvent, TranscriptSegment, TranscriptionOptions,
};
use parlance_protocol::openai::{TranscriptPart, VerboseTranscript, subtitles};
use pollster::block_on;
use serde_json::{Value, json};

/// Samples of 2.5 seconds, which is three windows of the tiny model.
const SAMPLES: usize = 40_000;

fn load() -> Transcriber {
    let fixture: Value = serde_json::from_str(include_str!("../../../engine/tests/fixtures/whisper.json")).unwrap();
    block_on(async {
        let mut loader = Loader::new(Cpu::blocking(), LoaderOptions::default());
        loader.push(&described_file(&fixture["model"], &json!([]))).await.unwrap();
        match loader.finish_any().await.unwrap() {
            Loaded::Transcriber(transcriber) => *transcriber,
            Loaded::Decoder(_) | Loaded::Encoder(_) => panic!("it recognises speech"),
        }
    })
}

fn recording() -> Vec<f32> {
    Random(3).floats(SAMPLES)
}

/// What the engine makes of the recording, and the language.
fn expected(transcriber: &mut Transcriber, options: &TranscriptionOptions) -> (Vec<TranscriptSegment>, &'static str) {
    let (mut segments, mut language) = (Vec::new(), "");
    block_on(transcriber.transcribe(&recording()[..], options, |event| {
        match event {
            TranscriptEvent::Language { code, .. } => language = code,
            TranscriptEvent::Segment(segment) => segments.push(segment),
            TranscriptEvent::Progress { .. } => {}
        }
        true
    }))
    .unwrap();
    assert!(!segments.is_empty());
    (segments, language)
}

fn response(transcriber: &mut Transcriber, body: &Value, translate: bool) -> Result<Option<Value>, RequestError> {
    let mut job = TranscriptionJob::new(body, translate)?;
    block_on(job.run(transcriber, &recording()[..], &Listener::default()))
}

fn verbose(transcriber: &mut Transcriber, body: Value, translate: bool) -> VerboseTranscript {
    serde_json::from_value(response(transcriber, &body, translate).unwrap().unwrap()).unwrap()
}

#[test]
fn every_form_has_what_the_engine_heard() {
    let mut transcriber = load();
    let (segments, language) = expected(&mut transcriber, &TranscriptionOptions::default());
    let transcript = verbose(&mut transcriber, json!({ "response_format": "verbose_json" }), false);
    assert_eq!(
        (transcript.task.as_str(), transcript.language.as_str(), transcript.duration),
        ("transcribe", language, 2.5)
    );
    let parts: Vec<TranscriptPart> = transcript.segments;
    assert_eq!(parts.len(), segments.len());
    for (part, segment) in parts.iter().zip(&segments) {
        assert_eq!((&part.text, &part.tokens), (&segment.text, &segment.tokens));
        assert!((part.start, part.end) == (segment.start, segment.end));
        // Within the window, whatever this model makes of times.
        assert!(part.start <= part.end && part.end <= 30.0, "{part:?}");
    }
    let text = subtitles::text(&parts);
    let forms = [("text", format!("{text}\n")), ("srt", subtitles::srt(&parts)), ("vtt", subtitles::vtt(&parts))];
    for (form, expected) in forms {
        let response = response(&mut transcriber, &json!({ "response_format": form }), false).unwrap();
        assert_eq!(response, Some(Value::String(expected)));
    }
    let response = response(&mut transcriber, &json!({}), false).unwrap();
    assert_eq!(response, Some(json!({ "text": text, "usage": { "type": "duration", "seconds": 2.5 } })));
}

#[test]
fn options_reach_the_engine() {
    let mut transcriber = load();
    let body = json!({ "language": "de", "prompt": "and an", "temperature": "0.4", "response_format": "verbose_json" });
    let options = TranscriptionOptions {
        language: Some("de".to_owned()),
        prompt: "and an".to_owned(),
        temperatures: vec![0.4],
        ..TranscriptionOptions::default()
    };
    let (segments, _) = expected(&mut transcriber, &options);
    let transcript = verbose(&mut transcriber, body, false);
    assert_eq!(transcript.language, "de");
    let tokens =
        |segments: &[TranscriptSegment]| segments.iter().map(|segment| segment.tokens.clone()).collect::<Vec<_>>();
    let own: Vec<_> = transcript.segments.into_iter().map(|part| part.tokens).collect();
    assert_eq!(own, tokens(&segments));
    let translated = verbose(&mut transcriber, json!({ "response_format": "verbose_json" }), true);
    let options = TranscriptionOptions { translate: true, ..TranscriptionOptions::default() };
    let (segments, language) = expected(&mut transcriber, &options);
    let own: Vec<_> = translated.segments.into_iter().map(|part| part.tokens).collect();
    assert_eq!(
        (own, translated.task.as_str(), translated.language.as_str()),
        (tokens(&segments), "translate", language)
    );
}

#[test]
fn streams_add_up_to_the_text() {
    let mut transcriber = load();
    let (segments, language) = expected(&mut transcriber, &TranscriptionOptions::default());
    for form in ["json", "verbose_json"] {
        let listener = Listener::default();
        let mut job = TranscriptionJob::new(&json!({ "stream": true, "response_format": form }), false).unwrap();
        assert_eq!(block_on(job.run(&mut transcriber, &recording()[..], &listener)).unwrap(), None);
        // A model that was loaded again goes on where the lost one was.
        let sent = listener.chunks.borrow().len();
        block_on(job.run(&mut transcriber, &recording()[..], &listener)).unwrap();
        let mut events = listener.chunks.into_inner();
        assert_eq!((sent, events.len()), (segments.len() + 1, segments.len() + 2));
        let done = events.pop().unwrap();
        assert_eq!((&done["type"], events.pop().as_ref()), (&json!("transcript.text.done"), Some(&done)));
        let is_verbose = form == "verbose_json";
        assert_eq!(done["language"].as_str(), is_verbose.then_some(language));
        let deltas: String = events.iter().map(|event| event["delta"].as_str().unwrap()).collect();
        assert_eq!(Some(deltas.trim_end()), done["text"].as_str());
        for event in &events {
            assert_eq!(event["type"], "transcript.text.delta");
            assert_eq!(event["segment"]["start"].is_number(), is_verbose);
        }
    }
}

#[test]
fn unknown_languages_and_stops_are_errors() {
    let mut transcriber = load();
    let error = response(&mut transcriber, &json!({ "language": "tlh" }), false).unwrap_err();
    assert_eq!((error.param(), error.status()), (Some("language"), 400));
    let listener = Listener { stop_after: Some(0), ..Listener::default() };
    let mut job = TranscriptionJob::new(&json!({}), false).unwrap();
    let stopped = block_on(job.run(&mut transcriber, &recording()[..], &listener));
    assert_eq!(stopped, Err(RequestError::Engine(EngineError::Interrupted)));
}
