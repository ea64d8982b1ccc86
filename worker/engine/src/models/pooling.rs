//! What follows the layers of an embedding model or a ranker. It computes one vector per text, so the host does it.

/// How the hidden states of a text's tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of all.
    Mean,
    /// The first one.
    First,
    /// The last one.
    Last,
}

/// Activation function of a [`HeadLayer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadActivation {
    /// None.
    None,
    /// `tanh(x)`
    Tanh,
    /// `x Φ(x)`
    Gelu,
}

/// A product with the pooled vector, named by its tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadLayer {
    /// The matrix: `[rows][cols]`.
    pub weight: String,
    /// Added to the product: `[rows]`.
    pub bias: Option<String>,
    /// Applied to the sum.
    pub activation: HeadActivation,
    /// Weight, `[rows]`, and epsilon of a layer norm after that.
    pub norm: Option<(String, f32)>,
}

/// What the last layer computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadResult {
    /// A text's embedding.
    Vector,
    /// How well a document answers a query.
    Score,
    /// The scores of “yes” and “no”; their softmax is the likelihood that a document answers a query.
    Answers,
}

/// From the hidden states of a text's tokens to its embedding, or to a score.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadPlan {
    /// The first step.
    pub pooling: Pooling,
    /// The steps after it.
    pub layers: Vec<HeadLayer>,
    /// What the last one computes.
    pub result: HeadResult,
}
