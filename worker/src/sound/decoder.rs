//! The browser's decoder of sound (`WebCodecs`), which takes packets.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use gloo_timers::future::sleep;
use js_sys::{Float32Array, Promise, Reflect, Uint8Array};
use parlance_sound::{Packets, SoundError, Track};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::blob::{BlobSource, unusable};
use super::recorder::Recorder;
use crate::error::{WorkerError, message_of};
use crate::js::object;

/// Packets that wait to be decoded: seconds of sound.
const MAX_QUEUED: u32 = 200;
/// Packets between two reports.
const REPORTED_PACKETS: u32 = 500;
/// What packets are said to last, in microseconds: only their order matters.
const PACKET_US: f64 = 20_000.0;

#[wasm_bindgen]
extern "C" {
    /// `AudioDecoder`: web-sys counts it as unstable, as it does the other two.
    type AudioDecoder;

    #[wasm_bindgen(constructor, catch)]
    fn new(init: &JsValue) -> Result<AudioDecoder, JsValue>;

    #[wasm_bindgen(static_method_of = AudioDecoder, catch, js_name = isConfigSupported)]
    fn is_config_supported(config: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn configure(this: &AudioDecoder, config: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn decode(this: &AudioDecoder, chunk: &EncodedAudioChunk) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn flush(this: &AudioDecoder) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn close(this: &AudioDecoder) -> Result<(), JsValue>;

    #[wasm_bindgen(method, getter, js_name = decodeQueueSize)]
    fn decode_queue_size(this: &AudioDecoder) -> u32;

    /// `EncodedAudioChunk`
    type EncodedAudioChunk;

    #[wasm_bindgen(constructor, catch)]
    fn new(init: &JsValue) -> Result<EncodedAudioChunk, JsValue>;

    /// `AudioData`
    type AudioData;

    #[wasm_bindgen(method, getter, js_name = numberOfFrames)]
    fn number_of_frames(this: &AudioData) -> u32;

    #[wasm_bindgen(method, getter, js_name = numberOfChannels)]
    fn number_of_channels(this: &AudioData) -> u32;

    #[wasm_bindgen(method, getter, js_name = sampleRate)]
    fn sample_rate(this: &AudioData) -> f64;

    #[wasm_bindgen(method, catch, js_name = copyTo)]
    fn copy_to(this: &AudioData, destination: &Float32Array, options: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, js_name = close)]
    fn close_data(this: &AudioData);
}

/// What the decoder has given so far.
#[derive(Default)]
struct State {
    recorder: Recorder,
    failed: Option<WorkerError>,
}

impl State {
    /// Takes decoded samples.
    fn take(&mut self, data: &AudioData) {
        if self.failed.is_none() {
            self.failed = self.try_take(data).err();
        }
        data.close_data();
    }

    fn try_take(&mut self, data: &AudioData) -> Result<(), WorkerError> {
        let (frames, channels) = (data.number_of_frames(), data.number_of_channels());
        self.recorder.set_rate(data.sample_rate() as u32)?;
        let plane = Float32Array::new_with_length(frames);
        let mut mixed = vec![0.0; frames as usize];
        for channel in 0..channels {
            let options = object(&[("planeIndex", channel.into()), ("format", "f32-planar".into())]);
            data.copy_to(&plane, &options).map_err(|error| undecodable(&error))?;
            for (to, sample) in mixed.iter_mut().zip(plane.to_vec()) {
                *to += sample / channels as f32;
            }
        }
        Ok(self.recorder.push(&mixed)?)
    }
}

/// The browser's decoder. Dropping it ends what it does.
struct Decoder {
    inner: AudioDecoder,
    state: Rc<RefCell<State>>,
    _on_output: Closure<dyn Fn(AudioData)>,
    _on_error: Closure<dyn Fn(JsValue)>,
}

impl Decoder {
    async fn open(track: &Track, recorder: Recorder) -> Result<Self, WorkerError> {
        let mut entries = vec![
            ("codec", track.codec.as_str().into()),
            ("sampleRate", track.sample_rate.into()),
            ("numberOfChannels", track.channels.into()),
        ];
        if !track.description.is_empty() {
            entries.push(("description", Uint8Array::from(track.description.as_slice()).into()));
        }
        let config = object(&entries);
        if Reflect::get(&js_sys::global(), &"AudioDecoder".into()).is_ok_and(|decoder| decoder.is_undefined()) {
            return Err(unusable("this browser decodes only WAV files here; convert it".to_owned()));
        }
        let support = JsFuture::from(AudioDecoder::is_config_supported(&config).map_err(|error| undecodable(&error))?);
        let support = support.await.map_err(|error| undecodable(&error))?;
        if !Reflect::get(&support, &"supported".into()).is_ok_and(|supported| supported.is_truthy()) {
            let message = format!("this browser does not decode {}; convert it to another format", track.codec);
            return Err(unusable(message));
        }
        let state = Rc::new(RefCell::new(State { recorder, failed: None }));
        let output_state = Rc::clone(&state);
        let on_output = Closure::<dyn Fn(AudioData)>::new(move |data: AudioData| output_state.borrow_mut().take(&data));
        let error_state = Rc::clone(&state);
        let on_error = Closure::<dyn Fn(JsValue)>::new(move |error: JsValue| {
            error_state.borrow_mut().failed.get_or_insert(undecodable(&error));
        });
        let init = object(&[("output", on_output.as_ref().clone()), ("error", on_error.as_ref().clone())]);
        let inner = AudioDecoder::new(&init).map_err(|error| undecodable(&error))?;
        let decoder = Self { inner, state, _on_output: on_output, _on_error: on_error };
        decoder.inner.configure(&config).map_err(|error| undecodable(&error))?;
        Ok(decoder)
    }

    /// Takes a packet, once there is room for it.
    async fn push(&self, packet: &[u8], number: u32) -> Result<(), WorkerError> {
        while self.inner.decode_queue_size() >= MAX_QUEUED {
            self.check()?;
            sleep(Duration::ZERO).await;
        }
        self.check()?;
        let init = object(&[
            // Every packet of these codecs can be decoded first.
            ("type", "key".into()),
            ("timestamp", (f64::from(number) * PACKET_US).into()),
            ("duration", PACKET_US.into()),
            ("data", Uint8Array::from(packet).into()),
        ]);
        let chunk = EncodedAudioChunk::new(&init).map_err(|error| undecodable(&error))?;
        self.inner.decode(&chunk).map_err(|error| undecodable(&error))
    }

    /// Waits for the last samples.
    async fn finish(self) -> Result<Recorder, WorkerError> {
        let flushed = match self.inner.flush() {
            Ok(flushed) => JsFuture::from(flushed).await,
            Err(error) => Err(error),
        };
        self.check()?;
        flushed.map_err(|error| undecodable(&error))?;
        Ok(std::mem::take(&mut self.state.borrow_mut().recorder))
    }

    /// Fails if the decoder has.
    fn check(&self) -> Result<(), WorkerError> {
        self.state.borrow_mut().failed.take().map_or(Ok(()), Err)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // One that has failed is closed.
        let _ = self.inner.close();
    }
}

/// Decodes all packets of a file.
pub(super) async fn decode(
    mut packets: Packets<BlobSource>,
    recorder: Recorder,
    report: impl Fn(f64),
) -> Result<Recorder, WorkerError> {
    let decoder = Decoder::open(packets.track(), recorder).await?;
    let mut number = 0;
    while let Some(packet) = packets.next_packet()? {
        decoder.push(&packet, number).await?;
        number += 1;
        if number % REPORTED_PACKETS == 0 {
            report(packets.progress());
        }
    }
    if number == 0 {
        return Err(SoundError::Empty.into());
    }
    decoder.finish().await
}

/// The error of what the browser does not decode.
fn undecodable(error: &JsValue) -> WorkerError {
    unusable(format!("the browser cannot decode it: {}", message_of(error)))
}
