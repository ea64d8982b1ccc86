//! Dispatches that choose experts and add up their outputs, in decoders and encoders.

use super::product::ProductBuilder;
use crate::kernels::Grid;
use crate::kernels::experts::{ExpertSum, Router};
use crate::models::VectorId;
use crate::runtime::device::{Dispatch, Task};

/// Buffers of a mixture of experts.
pub(super) struct ExpertBuffers {
    /// The router's scores: `[batch][row_len]`, see [`Router::row_len`].
    pub scores: wgpu::Buffer,
    /// Chosen experts: `[batch][used]`.
    pub chosen: wgpu::Buffer,
    /// Weights of their outputs, and of the shared expert's if that is added up with them: `[batch][outputs]`.
    pub weights: wgpu::Buffer,
    /// Their outputs: `[batch][used][width]`.
    pub outputs: wgpu::Buffer,
}

impl ExpertBuffers {
    /// Chooses each token's experts by the scores. `bias` and `scales` have an element per expert.
    pub(super) fn choose(
        &self,
        products: &ProductBuilder<'_>,
        router: Router,
        [bias, scales]: [Option<VectorId>; 2],
    ) -> Dispatch {
        let mut bound = vec![
            ("state", products.state),
            ("logits", &self.scores),
            ("experts", &self.chosen),
            ("weights", &self.weights),
        ];
        bound.extend(bias.map(|bias| ("bias", products.weights.vector(bias))));
        bound.extend(scales.map(|scales| ("expert_scales", products.weights.vector(scales))));
        Dispatch::new(products.gpu, &router.shader(), &bound, Grid::TokensInX).computing(Task::Router(router))
    }

    /// Adds up the outputs, and those of the `shared` expert, into `y`.
    pub(super) fn sum(
        &self,
        products: &ProductBuilder<'_>,
        sum: ExpertSum,
        shared: Option<&wgpu::Buffer>,
        y: &wgpu::Buffer,
    ) -> Dispatch {
        let mut bound = vec![("state", products.state), ("x", &self.outputs), ("weights", &self.weights), ("y", y)];
        bound.extend(shared.map(|shared| ("shared_x", shared)));
        Dispatch::new(products.gpu, &sum.shader(), &bound, sum.grid()).computing(Task::ExpertSum(sum))
    }
}
