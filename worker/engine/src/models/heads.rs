//! Shapes of attention heads.

/// Shapes of attention heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadShape {
    /// Number of query heads.
    pub heads: u32,
    /// Number of key heads, and of value heads; each serves `heads / kv_heads` query heads (GQA).
    pub kv_heads: u32,
    /// Elements of a head's query, and of its key.
    pub head_dim: u32,
    /// Elements of a head's value.
    pub value_dim: u32,
    /// Elements of a query or a key that RoPE rotates: the first ones, in latent attention the last ones.
    pub rope_dim: u32,
    /// RoPE pairs elements `rope_dim / 2` apart; otherwise adjacent ones.
    pub rope_half: bool,
}

impl HeadShape {
    /// Elements of a token's queries.
    pub fn query_len(&self) -> u32 {
        self.heads * self.head_dim
    }

    /// Elements of a token's keys.
    pub fn key_len(&self) -> u32 {
        self.kv_heads * self.head_dim
    }

    /// Elements of a token's values.
    pub fn value_len(&self) -> u32 {
        self.kv_heads * self.value_dim
    }

    /// Elements of a token's result: a weighted sum of values for each query head.
    pub fn attended_len(&self) -> u32 {
        self.heads * self.value_dim
    }
}
