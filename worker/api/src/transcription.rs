//! `/v1/audio/transcriptions` and `/v1/audio/translations`.

use parlance_engine::EngineError;
use parlance_engine::runtime::{Transcriber, TranscriptEvent, TranscriptSegment, TranscriptionOptions};
use parlance_engine::speech::{SAMPLE_RATE, Sound};
use parlance_protocol::openai::{
    Transcript, TranscriptPart, TranscriptionEvent, TranscriptionFormat, TranscriptionRequest, TranscriptionUsage,
    VerboseTranscript, subtitles,
};
use serde_json::Value;

use crate::chunks::to_json;
use crate::control::{Control, unless_stopped};
use crate::error::RequestError;
use crate::parse::read;

/// A transcription in progress. After an error of the device, [`TranscriptionJob::run`] can be called again with a new
/// model.
pub struct TranscriptionJob {
    options: TranscriptionOptions,
    format: TranscriptionFormat,
    stream: bool,
    /// The language spoken, once it is known.
    language: &'static str,
    parts: Vec<TranscriptPart>,
    /// Segments that were streamed.
    streamed: usize,
}

impl TranscriptionJob {
    /// Parses the body of a request to transcribe a recording, or to translate it to English.
    ///
    /// # Errors
    /// [`RequestError`], which names the invalid field.
    pub fn new(body: &Value, translate: bool) -> Result<Self, RequestError> {
        let request: TranscriptionRequest = read(body)?;
        let temperature = number(&request.temperature)
            .filter(|temperature| (0.0..=1.0).contains(temperature))
            .ok_or_else(|| RequestError::field("temperature", "it must be from 0 to 1"))?;
        let stream =
            switch(&request.stream).ok_or_else(|| RequestError::field("stream", "it must be true or false"))?;
        if request.timestamp_granularities.iter().any(|granularity| granularity != "segment") {
            let message = "it must be segment: there are no times of words";
            return Err(RequestError::field("timestamp_granularities", message));
        }
        let mut options = TranscriptionOptions {
            translate,
            prompt: request.prompt.unwrap_or_default(),
            ..TranscriptionOptions::default()
        };
        if temperature > 0.0 {
            options.temperatures = vec![temperature];
        }
        if !translate {
            // A region says nothing of the language.
            let code = |language: String| language.split(['-', '_']).next().unwrap_or_default().to_lowercase();
            options.language = request.language.map(code).filter(|code| !code.is_empty());
        }
        let format = request.response_format.unwrap_or_default();
        Ok(Self { options, format, stream, language: "", parts: Vec::new(), streamed: 0 })
    }

    /// Transcribes a recording. Returns the response, which is a string for the forms that are text; `None` if it was
    /// streamed.
    ///
    /// # Errors
    /// [`RequestError::Field`] for a language that the model does not know, or errors of the engine.
    pub async fn run<S: Sound + ?Sized>(
        &mut self,
        transcriber: &mut Transcriber,
        sound: &S,
        control: &impl Control,
    ) -> Result<Option<Value>, RequestError> {
        let languages = transcriber.languages();
        if let (Some(language), true) = (&self.options.language, languages.len() > 1)
            && !languages.contains(&language.as_str())
        {
            return Err(RequestError::field("language", format!("this model does not know “{language}”")));
        }
        let seconds = sound.sample_count() as f64 / SAMPLE_RATE as f64;
        let Self { options, format, stream, language, parts, streamed } = self;
        parts.clear();
        let on_event = |event: TranscriptEvent| {
            match event {
                TranscriptEvent::Language { code, .. } => *language = code,
                TranscriptEvent::Progress { seconds, total } => control.listening(seconds, total),
                TranscriptEvent::Segment(segment) => {
                    let part = part(parts.len() as u32, segment);
                    // The same again, where the device was lost, need not be sent twice.
                    if *stream && parts.len() >= *streamed {
                        *streamed += 1;
                        control.chunk(delta(&part, parts.is_empty(), *format));
                    }
                    parts.push(part);
                }
            }
            true
        };
        let outcome = unless_stopped(control, transcriber.transcribe(sound, options, on_event)).await;
        outcome.unwrap_or(Err(EngineError::Interrupted))?;
        let usage = TranscriptionUsage { kind: "duration".to_owned(), seconds };
        if self.stream {
            let language = self.is_verbose().then(|| self.language.to_owned());
            control.chunk(to_json(&TranscriptionEvent::Done { text: subtitles::text(&self.parts), language, usage }));
            return Ok(None);
        }
        Ok(Some(self.response(usage)))
    }

    /// Whether the client wants segments.
    fn is_verbose(&self) -> bool {
        self.format == TranscriptionFormat::VerboseJson
    }

    fn response(&self, usage: TranscriptionUsage) -> Value {
        let text = subtitles::text(&self.parts);
        match self.format {
            TranscriptionFormat::Json => to_json(&Transcript { text, usage }),
            TranscriptionFormat::Text => Value::String(text + "\n"),
            TranscriptionFormat::Srt => Value::String(subtitles::srt(&self.parts)),
            TranscriptionFormat::Vtt => Value::String(subtitles::vtt(&self.parts)),
            TranscriptionFormat::VerboseJson => to_json(&VerboseTranscript {
                task: if self.options.translate { "translate" } else { "transcribe" }.to_owned(),
                language: self.language.to_owned(),
                duration: usage.seconds,
                text,
                segments: self.parts.clone(),
                usage,
            }),
        }
    }
}

/// A number, or one in a string, as in forms; 0 if absent.
fn number(value: &Value) -> Option<f32> {
    match value {
        Value::Null => Some(0.0),
        Value::String(text) => text.parse().ok(),
        value => value.as_f64().map(|number| number as f32),
    }
}

/// A switch, or one in a string; off if absent.
fn switch(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        Value::Bool(is_on) => Some(*is_on),
        Value::String(text) => text.to_lowercase().parse().ok(),
        _ => None,
    }
}

fn part(id: u32, segment: TranscriptSegment) -> TranscriptPart {
    TranscriptPart {
        id,
        seek: (segment.start * 100.0) as u32,
        start: segment.start,
        end: segment.end,
        text: segment.text,
        tokens: segment.tokens,
        temperature: segment.temperature,
        avg_logprob: segment.log_likelihood,
        compression_ratio: segment.compression_ratio,
        no_speech_prob: segment.no_speech,
    }
}

/// The event of a segment. The first one's text begins without a space.
fn delta(part: &TranscriptPart, is_first: bool, format: TranscriptionFormat) -> Value {
    let text = part.text.as_str();
    let delta = if is_first { text.trim_start() } else { text }.to_owned();
    let segment = (format == TranscriptionFormat::VerboseJson).then(|| part.clone());
    to_json(&TranscriptionEvent::Delta { delta, segment })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_may_be_strings_as_in_forms() -> Result<(), RequestError> {
        for (temperature, stream) in [(json!(0.5), json!(true)), (json!("0.5"), json!("True"))] {
            let body = json!({ "temperature": temperature, "stream": stream, "language": "de-AT", "prompt": "Hi" });
            let job = TranscriptionJob::new(&body, false)?;
            assert_eq!((job.options.temperatures.as_slice(), job.stream), ([0.5].as_slice(), true));
            assert_eq!((job.options.language.as_deref(), job.options.prompt.as_str()), (Some("de"), "Hi"));
            assert_eq!(TranscriptionJob::new(&body, true)?.options.language, None, "translations find it out");
        }
        let job = TranscriptionJob::new(&json!({ "language": "" }), false)?;
        assert_eq!(
            (job.options, job.stream, job.format),
            (TranscriptionOptions::default(), false, TranscriptionFormat::Json)
        );
        Ok(())
    }

    #[test]
    fn invalid_fields_are_named() {
        for (body, param) in [
            (json!({ "temperature": 2 }), "temperature"),
            (json!({ "temperature": "warm" }), "temperature"),
            (json!({ "stream": "perhaps" }), "stream"),
            (json!({ "response_format": "pdf" }), "response_format"),
            (json!({ "timestamp_granularities": ["word"] }), "timestamp_granularities"),
            (json!({ "timestamp_granularities": "segment" }), "timestamp_granularities"),
            (json!([]), "body"),
        ] {
            let error = TranscriptionJob::new(&body, false).err();
            assert_eq!(error.as_ref().and_then(RequestError::param), Some(param), "{body}");
        }
    }
}
