//! The microphone: the browser's samples go through the worker that resamples them and notices silence.

use std::time::Duration;

use futures::StreamExt as _;
use futures::channel::mpsc;
use futures::future::{Either, select};
use gloo_timers::future::sleep;
use gloo_worker::reactor::{ReactorBridge, ReactorSpawner};
use js_sys::{Float32Array, Promise, Reflect};
use parlance_microphone::{Heard, Input, Listening};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// How long the worker may be silent: it answers after milliseconds.
const WORKER_TIME: Duration = Duration::from_secs(20);
/// The worker's script, beside the page.
const WORKER: &str = "./parlance-microphone.js";

#[wasm_bindgen(raw_module = "./microphone.js")]
extern "C" {
    #[wasm_bindgen(js_name = openMicrophone)]
    fn open_microphone(on_samples: &JsValue, on_ended: &JsValue) -> Promise;

    /// What `openMicrophone` gives.
    type Capture;

    #[wasm_bindgen(method, getter, js_name = sampleRate)]
    fn sample_rate(this: &Capture) -> f64;

    #[wasm_bindgen(method)]
    fn stop(this: &Capture);
}

/// Why nothing is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MicrophoneFault {
    /// The user or the browser does not allow it.
    NotAllowed,
    /// There is none.
    Missing,
    /// Another program uses it, or something else is wrong with it.
    Unusable,
    /// It was unplugged.
    Unplugged,
}

impl MicrophoneFault {
    /// The fault that the browser reports.
    fn of(error: &JsValue) -> Self {
        let name = Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string());
        match name.as_deref() {
            Some("NotAllowedError" | "SecurityError") => Self::NotAllowed,
            Some("NotFoundError" | "OverconstrainedError") => Self::Missing,
            _ => Self::Unusable,
        }
    }

    /// The message that says so.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::NotAllowed => "microphone-not-allowed",
            Self::Missing => "microphone-missing",
            Self::Unusable => "microphone-unusable",
            Self::Unplugged => "microphone-unplugged",
        }
    }
}

/// What the browser says.
enum Captured {
    Samples(Vec<f32>),
    Ended,
}

/// An open microphone. Dropping it closes it and ends its worker.
pub(crate) struct Microphone {
    capture: Capture,
    captured: mpsc::UnboundedReceiver<Captured>,
    worker: ReactorBridge<Listening>,
    _on_samples: Closure<dyn Fn(Float32Array)>,
    _on_ended: Closure<dyn Fn()>,
}

impl Microphone {
    /// Opens the microphone; the browser asks the user.
    pub(crate) async fn open() -> Result<Self, MicrophoneFault> {
        let (sender, captured) = mpsc::unbounded();
        let ended = sender.clone();
        // Whoever listened may be gone.
        let on_samples = Closure::<dyn Fn(Float32Array)>::new(move |samples: Float32Array| {
            drop(sender.unbounded_send(Captured::Samples(samples.to_vec())));
        });
        let on_ended = Closure::<dyn Fn()>::new(move || drop(ended.unbounded_send(Captured::Ended)));
        let opened = JsFuture::from(open_microphone(on_samples.as_ref(), on_ended.as_ref())).await;
        let capture: Capture = opened.map_err(|error| MicrophoneFault::of(&error))?.unchecked_into();
        let worker = ReactorSpawner::<Listening>::new().spawn(WORKER);
        worker.send_input(Input::Rate(capture.sample_rate() as u32));
        Ok(Self { capture, captured, worker, _on_samples: on_samples, _on_ended: on_ended })
    }

    /// What is heard next, a few times per second.
    pub(crate) async fn next(&mut self) -> Result<Heard, MicrophoneFault> {
        let mut limit = std::pin::pin!(sleep(WORKER_TIME));
        loop {
            let next = select(self.captured.next(), self.worker.next());
            let captured = match select(next, limit.as_mut()).await {
                Either::Left((Either::Left((captured, _)), _)) => captured,
                Either::Left((Either::Right((heard, _)), _)) => return heard.ok_or(MicrophoneFault::Unusable),
                Either::Right(_) => return Err(MicrophoneFault::Unusable),
            };
            match captured {
                Some(Captured::Samples(samples)) => self.worker.send_input(Input::Samples(samples)),
                Some(Captured::Ended) | None => return Err(MicrophoneFault::Unplugged),
            }
        }
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.capture.stop();
    }
}
