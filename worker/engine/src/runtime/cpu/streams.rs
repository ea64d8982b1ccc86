//! Hidden states of several vectors on the CPU: `hidden` has each token's first vector, `[tokens][len]`, `others` the rest,
//! `[tokens][count - 1][len]`, or nothing in other models. And a low-rank projection beside the mixers.

use super::decoder::CpuDecoder;
use super::layers::{project, project_heads};
use super::matrix::dot_floats;
use crate::models::{LayerStreamsPlan, LowRankPlan};

impl CpuDecoder {
    /// Computes the other vectors from the first.
    pub(super) fn expand_streams(&self, hidden: &[f32]) -> Vec<f32> {
        let Some(plan) = &self.plan.streams else { return Vec::new() };
        let (width, rows) = (self.config.embedding_len as usize, self.config.other_streams_len() as usize);
        let mut others = project(&self.weights, &plan.expand, hidden, width, rows, None);
        for (first, others) in hidden.chunks_exact(width).zip(others.chunks_exact_mut(rows)) {
            lengthen(others, first);
        }
        others
    }

    /// Predicts all vectors. Returns a copy of the first's prediction.
    pub(super) fn predict_streams(&self, layer: usize, hidden: &mut [f32], others: &mut [f32]) -> Vec<f32> {
        let Some(plan) = &self.plan.layers[layer].streams else { return Vec::new() };
        let (routes, width) = (self.routes(plan, hidden), self.config.embedding_len as usize);
        predict(hidden, others, &routes, self.weights.vector(plan.predict), width);
        hidden.to_vec()
    }

    /// Corrects all vectors by the first, which the layer has computed. Returns the input of the gates of the layer's own
    /// input.
    pub(super) fn correct_streams(
        &self,
        layer: usize,
        prediction: &[f32],
        hidden: &mut [f32],
        others: &mut [f32],
    ) -> Option<Vec<f32>> {
        let plan = self.plan.layers[layer].streams.as_ref()?;
        let (routes, width) = (self.routes(plan, hidden), self.config.embedding_len as usize);
        correct((&mut *hidden, others), prediction, &routes, self.weights.vector(plan.correct), width);
        let scale = self.weights.vector(plan.gate_scale).iter().cycle();
        Some(hidden.iter().zip(scale).map(|(value, scale)| value * scale).collect())
    }

    /// Makes the first vector the mean of all, of which the others are projected before.
    pub(super) fn merge_streams(&self, hidden: &mut [f32], others: &[f32]) {
        let Some(plan) = &self.plan.streams else { return };
        let (width, rows) = (self.config.embedding_len as usize, self.config.other_streams_len() as usize);
        let heads = (rows / width, width);
        let mut projected = project_heads(&self.weights, plan.merge, others, heads, [width; 2]);
        for (first, others) in hidden.chunks_exact_mut(width).zip(projected.chunks_exact_mut(rows)) {
            lengthen(others, first);
            for other in others.chunks_exact(width) {
                first.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
            }
            for sum in first.iter_mut() {
                *sum /= (heads.0 + 1) as f32;
            }
        }
    }

    /// Adds the mixers' `input` and its low-rank projection to the hidden state, and divides the sum by the root of two.
    pub(super) fn add_low_rank(&self, plan: &LowRankPlan, input: &[f32], hidden: &mut [f32]) {
        let (width, rank) = (self.config.embedding_len as usize, self.config.low_rank.unwrap_or(0) as usize);
        let down = project(&self.weights, &plan.down, input, width, rank, None);
        let projected = project(&self.weights, &plan.up, &down, rank, width, None);
        let normed = self.normed(&projected, Some(plan.norm));
        for ((sum, input), projected) in hidden.iter_mut().zip(input).zip(&normed) {
            *sum = (*sum + input + projected) * std::f32::consts::FRAC_1_SQRT_2;
        }
    }

    /// The router's outputs for the first vectors: `[tokens][count]`.
    fn routes(&self, plan: &LayerStreamsPlan, hidden: &[f32]) -> Vec<f32> {
        let (width, count) = (self.config.embedding_len as usize, self.config.streams.unwrap_or(0) as usize);
        let input = self.normed(hidden, Some(plan.router_norm));
        let mut routes = project(&self.weights, &plan.router, &input, width, count, None);
        for route in &mut routes {
            *route = (*route / width as f32).tanh();
        }
        routes
    }
}

/// Scales each vector to the length of `first`.
fn lengthen(vectors: &mut [f32], first: &[f32]) {
    let wanted = dot_floats(first, first);
    for vector in vectors.chunks_exact_mut(first.len()) {
        let scale = (wanted / dot_floats(vector, vector)).sqrt();
        for value in vector {
            *value *= scale;
        }
    }
}

/// Adds a vector per token to each of its others.
pub(super) fn add_to_each(others: &mut [f32], vectors: &[f32], len: usize) {
    let count = others.len() / vectors.len();
    for (others, vector) in others.chunks_exact_mut(count * len).zip(vectors.chunks_exact(len)) {
        for other in others.chunks_exact_mut(len) {
            other.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
        }
    }
}

/// Adds to each vector the sum of all, weighted by the products of `coefficients`, `[count][count][count]`, and `routes`,
/// `[tokens][count]`.
fn predict(hidden: &mut [f32], others: &mut [f32], routes: &[f32], coefficients: &[f32], len: usize) {
    let count = 1 + others.len() / hidden.len();
    let tokens = hidden.chunks_exact_mut(len).zip(others.chunks_exact_mut((count - 1) * len));
    for ((first, others), routes) in tokens.zip(routes.chunks_exact(count)) {
        let before: Vec<f32> = [&*first, &*others].concat();
        let mut shares = coefficients.chunks_exact(count).map(|row| product(row, routes));
        for own in std::iter::once(first).chain(others.chunks_exact_mut(len)) {
            for (vector, share) in before.chunks_exact(len).zip(&mut shares) {
                own.iter_mut().zip(vector).for_each(|(sum, value)| *sum += share * value);
            }
        }
    }
}

/// Adds to each prediction the difference of the first vector to its `prediction`, times one plus the product of
/// `coefficients`, `[count][count]`, and `routes`, `[tokens][count]`.
fn correct(
    (hidden, others): (&mut [f32], &mut [f32]),
    prediction: &[f32],
    routes: &[f32],
    coefficients: &[f32],
    len: usize,
) {
    let count = 1 + others.len() / hidden.len();
    let tokens = hidden.chunks_exact_mut(len).zip(others.chunks_exact_mut((count - 1) * len));
    for (((first, others), predicted), routes) in
        tokens.zip(prediction.chunks_exact(len)).zip(routes.chunks_exact(count))
    {
        let change: Vec<f32> = first.iter().zip(predicted).map(|(computed, predicted)| computed - predicted).collect();
        first.copy_from_slice(predicted);
        let vectors = std::iter::once(first).chain(others.chunks_exact_mut(len));
        for (own, row) in vectors.zip(coefficients.chunks_exact(count)) {
            let weight = 1.0 + product(row, routes);
            own.iter_mut().zip(&change).for_each(|(sum, change)| *sum += weight * change);
        }
    }
}

fn product(row: &[f32], routes: &[f32]) -> f32 {
    row.iter().zip(routes).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;
    use crate::kernels::random::Random;
    use crate::kernels::streams::reference;

    #[test]
    fn predictions_and_corrections_agree_with_the_reference() {
        let mut random = Random(6);
        for (count, len, tokens) in [(4, 37, 3), (2, 32, 1)] {
            let rest = (count - 1) * len;
            let (mut hidden, mut others) = (random.floats(tokens * len), random.floats(tokens * rest));
            let (routes, prediction) = (random.floats(tokens * count), random.floats(tokens * len));
            let [cube, square] = [3, 2].map(|power| random.floats(count.pow(power)));
            let (mut expected, mut expected_others) = (hidden.clone(), others.clone());
            let each = |token: usize| (token * len..(token + 1) * len, token * rest..(token + 1) * rest);
            for (token, routes) in routes.chunks_exact(count).enumerate() {
                let (own, others) = each(token);
                reference::predict(&mut expected[own], &mut expected_others[others], routes, &cube);
            }
            predict(&mut hidden, &mut others, &routes, &cube, len);
            assert_close(&hidden, &expected);
            assert_close(&others, &expected_others);
            for (token, routes) in routes.chunks_exact(count).enumerate() {
                let (own, others) = each(token);
                let predicted = &prediction[own.clone()];
                reference::correct(&mut expected[own], &mut expected_others[others], predicted, routes, &square);
            }
            correct((&mut hidden[..], &mut others[..]), &prediction, &routes, &square, len);
            assert_close(&hidden, &expected);
            assert_close(&others, &expected_others);
        }
    }

    #[test]
    fn vectors_get_the_length_of_others() {
        let mut random = Random(7);
        let (first, others) = (random.floats(40), random.floats(120));
        let (mut actual, mut expected) = (others.clone(), others.clone());
        lengthen(&mut actual, &first);
        reference::expand(&first, &mut expected);
        assert_close(&actual, &expected);
        let mut added = others.clone();
        add_to_each(&mut added, &first, 40);
        let sums: Vec<f32> = others.iter().zip(first.iter().cycle()).map(|(a, b)| a + b).collect();
        assert_close(&added, &sums);
    }
}
