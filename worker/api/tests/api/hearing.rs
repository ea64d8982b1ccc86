//! Recordings in requests to a tiny model that hears: encoded once, in their places, counted; refused by models that hear
//! none.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::cell::Cell;
use std::future::ready;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parlance_api::{
    ChatCodec, ChatRequest, Job, Media, MediaRequest, Medium, PreparedResponse, Processors, RequestError, ResponseJob,
    SamplesFuture, Senses, Sound,
};
use parlance_engine::runtime::{Cpu, Loader, LoaderOptions, Model};
use parlance_engine::speech::Sound as Samples;
use parlance_protocol::openai::Capability;
use pollster::block_on;
use serde_json::{Value, json};

use crate::common::{Listener, codec, meta};
use crate::images::{Family, fixture_of, senses};

/// Embeddings of a window of half a minute.
const WINDOW: u64 = 187;
/// Half a second.
const SAMPLES: usize = 8000;

/// A tiny model that hears.
struct Hearing {
    model: Model,
    senses: Senses,
    codec: Rc<ChatCodec>,
    /// How many recordings were decoded.
    decoded: Rc<Cell<usize>>,
}

impl Hearing {
    fn load() -> Self {
        let (tokenizer, Family { text, projector, .. }) = fixture_of("hearing.json", "ultravox");
        let model = block_on(async {
            let mut loader = Loader::new(Cpu::blocking(), LoaderOptions::default());
            loader.push(&text.file(&tokenizer)).await.unwrap();
            loader.finish().await.unwrap()
        });
        let (senses, codec) = (senses(&projector), codec(&model));
        Self { model, senses, codec, decoded: Rc::default() }
    }

    /// The recordings of a request, whose files are one byte, which tells their pitch.
    fn recordings(&self, requests: &[MediaRequest]) -> Media {
        let recording = |request: &MediaRequest| {
            let MediaRequest::Sound(request) = request else { panic!("there are only recordings") };
            let (pitch, decoded) = (request.file[0], Rc::clone(&self.decoded));
            let samples = move || -> SamplesFuture {
                decoded.set(decoded.get() + 1);
                let sample = |at: usize| (at * usize::from(pitch) % 200 * 100) as i16;
                let samples: Rc<dyn Samples> = Rc::new((0..SAMPLES).map(sample).collect::<Vec<i16>>());
                Box::pin(ready(Ok(samples)))
            };
            Medium::Sound(Sound { digest: pitch.into(), sample_count: SAMPLES, samples: Box::new(samples) })
        };
        let recordings = requests.iter().map(recording).collect();
        Media::new(recordings, Some(self.senses.projector()), self.codec.chat(), "tiny").unwrap()
    }

    /// The log probability of the likeliest token after these messages, and the usage.
    fn answer(&mut self, messages: &Value, listener: &Listener) -> (f64, Value) {
        let bias = json!({ "257": -100, "258": -100, "259": -100 });
        let body = json!({
            "messages": messages, "temperature": 0, "max_tokens": 1, "logprobs": true, "logit_bias": bias,
        });
        let request = ChatRequest::new(&body, &meta()).unwrap();
        let media = self.recordings(request.media());
        let mut job = Job::chat_with_media(&self.codec, request, media, meta(), &Processors::new()).unwrap();
        let mut response = block_on(async {
            job.perceive(&self.codec, Some(&mut self.senses), listener).await.unwrap();
            job.run(&mut self.model, listener).await.unwrap().unwrap()
        });
        let logprob = response["choices"][0]["logprobs"]["content"][0]["logprob"].as_f64().unwrap();
        (logprob, response["usage"].take())
    }
}

fn audio(pitch: u8) -> Value {
    json!({ "type": "input_audio", "input_audio": { "data": STANDARD.encode([pitch]), "format": "wav" } })
}

fn question(pitches: &[u8], text: &str) -> Value {
    let content = pitches.iter().map(|pitch| audio(*pitch)).chain([json!({ "type": "text", "text": text })]);
    json!({ "role": "user", "content": content.collect::<Vec<_>>() })
}

fn count(usage: &Value, name: &str) -> u64 {
    usage["prompt_tokens_details"][name].as_u64().unwrap_or_default()
}

#[test]
fn a_recording_is_encoded_once_and_counted() {
    let mut hearing = Hearing::load();
    let listener = Listener::default();
    let first = json!([question(&[3], "a")]);
    let (alone, usage) = hearing.answer(&first, &listener);
    assert_eq!((count(&usage, "audio_tokens"), count(&usage, "image_tokens")), (WINDOW, 0), "{usage}");
    assert!(usage["prompt_tokens"].as_u64() > Some(WINDOW), "{usage}");
    assert!(usage["extra"]["audio_encode_s"].as_f64() > Some(0.0), "{usage}");
    assert!(usage["extra"]["image_encode_s"].is_null(), "{usage}");
    assert_eq!(listener.heard.get(), (0.5, 0.5), "seconds of the recording");
    // The next turn reuses its rows; another recording is encoded.
    let next = json!([question(&[3], "a"), { "role": "assistant", "content": "b" }, question(&[5], "c")]);
    let (cached, usage) = hearing.answer(&next, &listener);
    assert_eq!((count(&usage, "audio_tokens"), hearing.decoded.get()), (2 * WINDOW, 2), "{usage}");
    assert!(count(&usage, "cached_tokens") > WINDOW, "{usage}");
    // Without the KV cache the answer is the same, and nothing is encoded again.
    hearing.model.reset();
    let (again, usage) = hearing.answer(&next, &listener);
    assert_eq!((count(&usage, "cached_tokens"), hearing.decoded.get()), (0, 2));
    assert!(usage["extra"]["audio_encode_s"].is_null(), "{usage}");
    assert!((again - cached).abs() < 1e-4, "{again} and {cached}");
    // Another recording in the same place gives another answer.
    let (other, _) = hearing.answer(&json!([question(&[9], "a")]), &listener);
    assert!((other - alone).abs() > 1e-4, "{other} and {alone}");
}

#[test]
fn models_that_hear_nothing_say_so_by_name() {
    let hearing = Hearing::load();
    let body = json!({ "messages": [question(&[3], "a")] });
    let refused = Job::chat(&hearing.codec, &body, meta(), &Processors::new()).err().unwrap();
    assert_eq!(refused, RequestError::CannotHear("demo".to_owned()));
    let error = refused.body().error;
    assert_eq!((error.code.as_deref(), error.param.as_deref()), (Some("audio_not_supported"), Some("messages")));
    assert!(error.message.contains("demo"), "{}", error.message);
    // One that sees hears nothing, and the other way round.
    let request = ChatRequest::new(&body, &meta()).unwrap();
    let image = json!({ "type": "image_url", "image_url": { "url": "data:," } });
    let images = ChatRequest::new(&json!({ "messages": [{ "role": "user", "content": [image] }] }), &meta()).unwrap();
    let sight = senses(&fixture_of("vision.json", "idefics3").1.projector);
    let check = |request: &ChatRequest, senses: &Senses| request.media()[0].check(Some(senses.projector()), "tiny");
    assert_eq!(check(&request, &hearing.senses), Ok(()));
    assert_eq!(check(&request, &sight), Err(RequestError::CannotHear("tiny".to_owned())));
    assert_eq!(check(&images, &hearing.senses), Err(RequestError::CannotSee("tiny".to_owned())));
    assert_eq!(check(&images, &sight), Ok(()));
    let can = |senses: &Senses| senses.capabilities().collect::<Vec<_>>();
    assert_eq!((can(&hearing.senses), can(&sight)), (vec![Capability::Hearing], vec![Capability::Vision]));
}

#[test]
fn a_response_hears_what_a_chat_completion_hears() {
    let mut hearing = Hearing::load();
    let body = |audio: Value| {
        let content = json!([audio, { "type": "input_text", "text": "a" }]);
        json!({ "input": [{ "role": "user", "content": content }], "max_output_tokens": 1, "seed": 1 })
    };
    let broken = json!({ "type": "input_audio", "input_audio": { "data": "!", "format": "wav" } });
    let refused = PreparedResponse::new(&body(broken), &[], &meta()).err().unwrap();
    assert_eq!(refused.param(), Some("input[0].content[0].input_audio.data"));
    let request = PreparedResponse::new(&body(audio(3)), &[], &meta()).unwrap();
    let media = hearing.recordings(request.media());
    let mut job = ResponseJob::with_media(&hearing.codec, request, media, meta(), &Processors::new()).unwrap();
    let listener = Listener::default();
    block_on(async {
        job.perceive(&hearing.codec, Some(&mut hearing.senses), &listener).await.unwrap();
        job.run(&mut hearing.model, &listener).await.unwrap();
    });
    let response = json!(job.response());
    let (_, usage) = hearing.answer(&json!([question(&[3], "a")]), &listener);
    assert_eq!(response["usage"]["input_tokens"], usage["prompt_tokens"], "{response}");
    assert_eq!(hearing.decoded.get(), 1);
}
