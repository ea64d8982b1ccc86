//! The last steps of an embedding model or a ranker: from the hidden states of a text's tokens to its result.

use std::collections::HashMap;

use crate::models::{Activation, HeadActivation, HeadLayer, HeadPlan, HeadResult, Pooling};
use crate::runtime::cpu::activate;

/// A head with its weights.
pub(in crate::runtime) struct Head {
    plan: HeadPlan,
    /// Width of the hidden states.
    width: usize,
    /// Its tensors, by name.
    weights: HashMap<String, Vec<f32>>,
}

impl Head {
    pub(in crate::runtime) fn new(plan: HeadPlan, width: u32, weights: HashMap<String, Vec<f32>>) -> Self {
        Self { plan, width: width as usize, weights }
    }

    /// Whether it computes scores, not embeddings.
    pub(super) fn can_rank(&self) -> bool {
        self.plan.result != HeadResult::Vector
    }

    /// A text's embedding, of length one. `hidden` is `[tokens][width]`.
    pub(super) fn vector(&self, hidden: &[f32]) -> Vec<f32> {
        let vector = self.output(hidden);
        let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        vector.iter().map(|value| (value / length) as f32).collect()
    }

    /// A text's score. `hidden` is `[tokens][width]`.
    pub(super) fn score(&self, hidden: &[f32]) -> f32 {
        let output = self.output(hidden);
        let first = output.first().copied().unwrap_or_default();
        let score = match self.plan.result {
            HeadResult::Vector | HeadResult::Score => first,
            HeadResult::Answers => output.iter().map(|other| (other - first).exp()).sum::<f64>().recip(),
        };
        score as f32
    }

    /// The output of the last layer.
    fn output(&self, hidden: &[f32]) -> Vec<f64> {
        let pooled = pool(hidden, self.width, self.plan.pooling);
        self.plan.layers.iter().fold(pooled, |x, layer| self.layer(layer, &x))
    }

    fn layer(&self, layer: &HeadLayer, x: &[f64]) -> Vec<f64> {
        let rows = self.tensor(&layer.weight).chunks_exact(x.len());
        let mut y: Vec<f64> =
            rows.map(|row| row.iter().zip(x).map(|(weight, x)| f64::from(*weight) * x).sum()).collect();
        if let Some(bias) = &layer.bias {
            y.iter_mut().zip(self.tensor(bias)).for_each(|(y, bias)| *y += f64::from(*bias));
        }
        match layer.activation {
            HeadActivation::None => {}
            HeadActivation::Tanh => y.iter_mut().for_each(|value| *value = value.tanh()),
            HeadActivation::Gelu => {
                let mut floats: Vec<f32> = y.iter().map(|value| *value as f32).collect();
                activate(&mut floats, Activation::GeluErf);
                y = floats.into_iter().map(f64::from).collect();
            }
        }
        match &layer.norm {
            Some((weight, eps)) => layer_norm(&y, self.tensor(weight), *eps),
            None => y,
        }
    }

    fn tensor(&self, name: &str) -> &[f32] {
        // The plan has only tensors that the file has.
        self.weights.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

/// One vector for all tokens: `hidden` is `[tokens][width]`.
fn pool(hidden: &[f32], width: usize, pooling: Pooling) -> Vec<f64> {
    let mut rows = hidden.chunks_exact(width);
    let used: Vec<&[f32]> = match pooling {
        Pooling::Mean => rows.collect(),
        Pooling::First => rows.next().into_iter().collect(),
        Pooling::Last => rows.next_back().into_iter().collect(),
    };
    let mean = |i: usize| used.iter().map(|row| f64::from(row[i])).sum::<f64>() / used.len() as f64;
    (0..width).map(mean).collect()
}

/// Layer norm without bias (Ba et al. 2016).
fn layer_norm(x: &[f64], weight: &[f32], eps: f32) -> Vec<f64> {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let variance = x.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / x.len() as f64;
    let scale = (variance + f64::from(eps)).sqrt().recip();
    x.iter().zip(weight).map(|(value, weight)| (value - mean) * scale * f64::from(*weight)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 9.0];

    fn head(pooling: Pooling, layers: Vec<HeadLayer>, result: HeadResult) -> Head {
        let tensors = [("square", vec![0.1, 0.2, -0.3, 0.1]), ("bias", vec![0.5, -0.5]), ("norm", vec![2.0, 1.0])];
        let weights = tensors.map(|(name, values)| (name.to_owned(), values)).into_iter().collect();
        Head::new(HeadPlan { pooling, layers, result }, 2, weights)
    }

    fn layer(activation: HeadActivation) -> HeadLayer {
        HeadLayer { weight: "square".to_owned(), bias: Some("bias".to_owned()), activation, norm: None }
    }

    #[test]
    fn tokens_are_pooled() {
        let cases = [(Pooling::Mean, [3.0, 5.0]), (Pooling::First, [1.0, 2.0]), (Pooling::Last, [5.0, 9.0])];
        for (pooling, expected) in cases {
            assert_eq!(head(pooling, Vec::new(), HeadResult::Vector).output(&HIDDEN), expected, "{pooling:?}");
        }
        let vector = head(Pooling::Mean, Vec::new(), HeadResult::Vector).vector(&HIDDEN);
        assert!((vector[0] / vector[1] - 0.6).abs() < 1e-6 && (vector[0].hypot(vector[1]) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn layers_add_a_bias_and_activate() {
        let close = |actual: f32, expected: f64| assert!((f64::from(actual) - expected).abs() < 1e-6, "{actual}");
        let score = |activation| head(Pooling::First, vec![layer(activation)], HeadResult::Score).score(&HIDDEN);
        close(score(HeadActivation::None), 1.0);
        close(score(HeadActivation::Tanh), 1f64.tanh());
        close(score(HeadActivation::Gelu), 0.841_344_75);
        // The outputs are 1 and -0.6.
        let answers = head(Pooling::First, vec![layer(HeadActivation::None)], HeadResult::Answers);
        close(answers.score(&HIDDEN), 1f64.exp() / (1f64.exp() + (-0.6f64).exp()));
        let normed = HeadLayer { norm: Some(("norm".to_owned(), 0.0)), ..layer(HeadActivation::None) };
        close(head(Pooling::First, vec![normed], HeadResult::Score).score(&HIDDEN), 2.0);
    }
}
