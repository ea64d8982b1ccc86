//! How far logits may diverge from llama.cpp's: three times what was measured for the model, and never more than 1e-3.
#![allow(clippy::expect_used, reason = "tests may panic")]

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// The largest divergence that may be allowed for a computation in floats.
pub(crate) const MOST: f64 = 1e-3;
/// The smallest that is: below it, other orders of summation on other devices matter.
const LEAST: f64 = 1e-5;

/// The largest divergence of each model that was measured on any device in floats, by name
/// (`fixtures/collect_divergences.py` writes it).
static MEASURED: LazyLock<HashMap<String, f64>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../fixtures/divergences.json")).expect("the file is part of the tests")
});

/// The bound of a model for computations in floats, or as exact as those.
pub(crate) fn exact(model: &str) -> f64 {
    let measured = MEASURED.get(model).unwrap_or_else(|| panic!("{model} has no measured divergence"));
    (3.0 * measured).clamp(LEAST, MOST)
}

/// How a device computes.
#[derive(Clone, Copy)]
pub(crate) enum Precision {
    /// In floats, or as exactly as those.
    Exact,
    /// In halves, on matrix units.
    Halves,
    /// With inputs or keys and values that are rounded to 8 bits. Where two experts nearly tie, another one may be chosen, so
    /// that a few logits differ by more.
    Rounded,
}

impl fmt::Display for Precision {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::Exact => "exactly",
            Self::Halves => "in halves",
            Self::Rounded => "rounded",
        })
    }
}

impl Precision {
    /// How far a model's logits may diverge: the largest divergence, and the mean.
    pub(crate) fn bounds(self, model: &str) -> (f64, f64) {
        match self {
            Self::Exact => (exact(model), exact(model)),
            Self::Halves => (MOST, MOST),
            Self::Rounded => (0.1, 3e-3),
        }
    }

    /// The bound of all models, as the table of families has it.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Exact | Self::Halves => MOST.to_string(),
            Self::Rounded => "0.003 on average".to_owned(),
        }
    }
}
