//! Shapes of attention heads.

/// Shapes of attention heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadShape {
    /// Number of query heads.
    pub heads: u32,
    /// Number of key heads, and of value heads; each serves `heads / kv_heads` query heads (GQA).
    pub kv_heads: u32,
    /// Elements per head.
    pub head_dim: u32,
    /// Elements per head that RoPE rotates.
    pub rope_dim: u32,
    /// RoPE pairs elements `rope_dim / 2` apart; otherwise adjacent ones.
    pub rope_half: bool,
}
