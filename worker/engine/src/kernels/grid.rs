//! The number of workgroups in a dispatch.

/// Workgroups of a dispatch, whose number may depend on the number of tokens in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// Independent of the batch.
    Fixed([u32; 3]),
    /// One in x per token.
    TokensInX,
    /// `x` in x, one in y per token, `z` in z.
    TokensInY {
        /// Workgroups in x.
        x: u32,
        /// Workgroups in z.
        z: u32,
    },
    /// `xy` in x and y; in z, `groups_per_token` for every `tokens_per_group` tokens.
    TokensInZ {
        /// Workgroups in x and y.
        xy: [u32; 2],
        /// Tokens per workgroup.
        tokens_per_group: u32,
        /// Workgroups per token.
        groups_per_token: u32,
    },
    /// `xy` in x and y; in z, the most tiles that a token's `slots` take when they are grouped, see [`grouped_len`].
    GroupsInZ {
        /// Workgroups in x and y.
        xy: [u32; 2],
        /// Slots per token.
        slots: u32,
        /// Number of groups.
        groups: u32,
        /// Slots per tile, which divide [`GROUP_UNIT`].
        tile: u32,
    },
}

/// In a list of slots, each group takes a multiple of this.
pub const GROUP_UNIT: u32 = 128;

/// The most entries of a list that `slots` take in this number of groups, each padded to a multiple of [`GROUP_UNIT`].
pub fn grouped_len(slots: u32, groups: u32) -> u32 {
    // Only the last unit of a group is padded, and empty groups take none.
    (slots / GROUP_UNIT + groups.min(slots)) * GROUP_UNIT
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
            Self::GroupsInZ { xy: [x, y], slots, groups, tile } => [x, y, grouped_len(tokens * slots, groups) / tile],
        }
    }
}
