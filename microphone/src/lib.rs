//! The microphone's worker, a reactor of gloo-worker: it takes samples as the browser gives them, and gives back samples
//! for speech recognition, their level, and whether somebody speaks or has spoken.
//!
//! The page starts a worker for each recording. What it hears is in memory only, and gone with the worker.

mod ear;

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::LocalBoxFuture;
use futures::{SinkExt as _, StreamExt as _};
use gloo_worker::reactor::{Reactor, ReactorScope};
use serde::{Deserialize, Serialize};

pub use ear::Ear;

/// A message to the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// How many samples per second follow. It comes first.
    Rate(u32),
    /// The next samples, one channel, between -1 and 1.
    Samples(Vec<f32>),
}

/// What was heard in some samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// 16,000 samples per second, one channel.
    pub samples: Vec<i16>,
    /// How loud it was, from 0 (60 dB below the loudest) to 1.
    pub level: f32,
    /// What is known of the speaker.
    pub voice: Voice,
}

/// What is known of a speaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Voice {
    /// Nobody has spoken yet.
    #[default]
    Awaited,
    /// Somebody speaks, or pauses.
    Speaking,
    /// Somebody has spoken, and it has been silent since.
    Finished,
}

/// The reactor.
pub struct Listening(LocalBoxFuture<'static, ()>);

impl Future for Listening {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl Reactor for Listening {
    type Scope = ReactorScope<Input, Heard>;

    fn create(scope: Self::Scope) -> Self {
        Self(Box::pin(listen(scope)))
    }
}

async fn listen(mut scope: ReactorScope<Input, Heard>) {
    let mut ear = None;
    while let Some(input) = scope.next().await {
        match (input, &mut ear) {
            // A rate beyond the limits leaves the page without an answer, which it notices.
            (Input::Rate(rate), ear) => *ear = Ear::new(rate).ok(),
            (Input::Samples(samples), Some(ear)) => {
                if scope.send(ear.hear(&samples)).await.is_err() {
                    return;
                }
            }
            (Input::Samples(_), None) => {}
        }
    }
}
