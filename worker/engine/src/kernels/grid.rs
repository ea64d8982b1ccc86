//! How many workgroups a kernel runs in.

/// Workgroups of a dispatch, which may depend on the number of tokens in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// Always the same.
    Fixed([u32; 3]),
    /// One in x a token.
    TokensInX,
    /// This many in x, one in y a token, this many in z.
    TokensInY {
        /// Workgroups in x.
        x: u32,
        /// Workgroups in z.
        z: u32,
    },
    /// These in x and y, in z `groups_per_token` for each `tokens_per_group` tokens.
    TokensInZ {
        /// Workgroups in x and y.
        xy: [u32; 2],
        /// Tokens that a workgroup serves.
        tokens_per_group: u32,
        /// Workgroups that serve a token.
        groups_per_token: u32,
    },
}

impl Grid {
    /// The workgroups for a batch of `tokens`.
    pub fn workgroups(self, tokens: u32) -> [u32; 3] {
        match self {
            Self::Fixed(grid) => grid,
            Self::TokensInX => [tokens, 1, 1],
            Self::TokensInY { x, z } => [x, tokens, z],
            Self::TokensInZ { xy: [x, y], tokens_per_group, groups_per_token } => {
                [x, y, tokens.div_ceil(tokens_per_group) * groups_per_token]
            }
        }
    }
}
