//! Messages between the page and the worker.

use serde::{Deserialize, Serialize};

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
