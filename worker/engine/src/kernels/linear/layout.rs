//! Layouts of the kernels of matrix products.

use crate::kernels::Shader;

/// How products for many tokens share loaded data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiles {
    /// Each thread loads its own (`linear.wgsl`), or several lanes share the inputs of one token or a few.
    None,
    /// Through workgroup memory (`tiled.wgsl`). [`LinearTuning::pairs`] and [`LinearTuning::tokens`] are per thread.
    Shared,
    /// The same with 8-bit integers (`tiled_packed.wgsl`), for formats that support it
    /// ([`has_integers`](super::has_integers)). [`quantise`](super::quantise) converts the input.
    Packed,
    /// On the adapter's matrix units (`cooperative.wgsl`), with f16 products. [`halve`](super::halve) converts the input.
    /// [`LinearTuning::pairs`] and [`LinearTuning::tokens`] are a subgroup's matrices along rows and tokens, and
    /// [`LinearTuning::steps`] the number of blocks between two barriers. [`LinearTuning::row_groups`] of its subgroups have
    /// rows of their own.
    Cooperative,
}

/// Number of adjacent threads along the rows in a workgroup of `tiled.wgsl`.
pub(super) const TILE_LANES: u32 = 16;
/// Bytes of workgroup memory that `tiled.wgsl` needs in the layouts used.
pub const SHARED_TILE_BYTES: u32 = 26_880;
/// Bytes of workgroup memory that `cooperative.wgsl` and, for the largest heads, `attention_cooperative.wgsl` need.
pub const COOPERATIVE_TILE_BYTES: u32 = 49_152;
/// Subgroup size that `cooperative.wgsl` expects.
pub const COOPERATIVE_SUBGROUP: u32 = 32;
/// Bytes of workgroup memory that every device has (WebGPU's default limit).
pub(super) const LEAST_WORKGROUP_BYTES: u32 = 16 << 10;
/// Threads in a workgroup of `cooperative.wgsl`, unless a layout says otherwise.
pub const COOPERATIVE_WORKGROUP: u32 = 8 * COOPERATIVE_SUBGROUP;

/// Layout of a product's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an independent switch")]
pub struct LinearTuning {
    /// Threads in a workgroup; a power of two.
    pub workgroup: u32,
    /// Number of threads that share a pair of rows; a power of two, at most `workgroup`. More than one selects
    /// `matvec.wgsl` or `matvec_integers.wgsl`, which are for one token or a few.
    pub lanes: u32,
    /// Blocks of 32 columns per tile of the input that each lane takes if there are several lanes.
    pub steps: u32,
    /// Pairs of rows per thread.
    pub pairs: u32,
    /// Tokens per thread; an even number in [`Tiles::Shared`] and [`Tiles::Packed`], a power of two with several lanes.
    pub tokens: u32,
    /// How threads share loaded data.
    pub tiles: Tiles,
    /// Subgroups along the rows in [`Tiles::Cooperative`], a divisor of their number; the others are along the tokens.
    pub row_groups: u32,
    /// Matrices along the columns that [`Tiles::Cooperative`] multiplies without a loop, a divisor of twice
    /// [`LinearTuning::steps`].
    pub unroll: u32,
    /// In [`Tiles::Cooperative`], neighbouring threads load neighbouring inputs, and weights that are f16, instead of whole
    /// blocks each.
    pub coalesced: bool,
    /// Number of threads whose sums are added by subgroup operations; a power of two, 1 for none.
    pub subgroup: u32,
    /// Prepend `enable subgroups;` (browsers require it, naga rejects it).
    pub subgroup_enable: bool,
    /// Several lanes multiply integers (`matvec_integers.wgsl`). Requires a format that supports it
    /// ([`has_codes`](super::has_codes)) and one input for all rows.
    pub integers: bool,
    /// Several lanes read the format's codebook, if it has one and there is room, from workgroup memory.
    pub shared_codebook: bool,
    /// Products on matrix units load the blocks of the next step while they multiply; several lanes load those of
    /// several tokens' only step before they wait for the inputs.
    pub prefetch: bool,
}

impl LinearTuning {
    /// Whether several neighbouring threads share a pair of rows.
    pub fn has_lanes(&self) -> bool {
        self.lanes > 1
    }

    /// The layout for products per head with `cols` columns: no more threads share a row than it has blocks.
    #[must_use]
    pub fn per_head(self, cols: u32) -> Self {
        Self { lanes: self.lanes.min((cols / 32).next_power_of_two().max(2)), steps: 1, ..self }
    }

    /// The layout of integers for a matrix with few rows, of `cols` columns each: a thread has fewer of them, and as long
    /// as every lane has four blocks, which a vec4 of quants may hold, only a part.
    #[must_use]
    pub fn with_more_threads(self, cols: u32) -> Self {
        let can_double = cols / 32 >= 8 * self.lanes && 2 * self.lanes <= self.workgroup;
        Self { pairs: 1, lanes: if can_double { 2 * self.lanes } else { self.lanes }, ..self }
    }

    /// Declares what `span_sum.wgsl` needs, except for the workgroup size.
    pub(in crate::kernels) fn declare_subgroups(&self, shader: Shader) -> Shader {
        shader
            .define_if(self.subgroup > 1, "SUBGROUP_REDUCE")
            .define_if(self.subgroup > 1 && self.subgroup_enable, "SUBGROUP_ENABLE")
            .constant("SUBGROUP", self.subgroup.min(self.workgroup))
    }

    /// Turns a layout of [`Tiles::Shared`] into one of [`Tiles::Packed`]: the data loaded are smaller, and fewer tokens
    /// per thread are faster.
    #[must_use]
    pub fn packed(self) -> Self {
        Self { tiles: Tiles::Packed, tokens: self.tokens / 2, ..self }
    }

    /// The inverse of [`LinearTuning::packed`], for formats without integers.
    #[must_use]
    pub fn unpacked(self) -> Self {
        Self { tiles: Tiles::Shared, tokens: self.tokens * 2, ..self }
    }

    /// Whether a kernel converts the inputs before the product.
    pub fn prepares_inputs(&self) -> bool {
        matches!(self.tiles, Tiles::Packed | Tiles::Cooperative)
    }

    /// Subgroups along the tokens in [`Tiles::Cooperative`].
    pub(super) fn token_groups(&self) -> u32 {
        self.workgroup / COOPERATIVE_SUBGROUP / self.row_groups
    }

    /// Pairs of rows, and tokens, per workgroup.
    pub(crate) fn tile(&self) -> [u32; 2] {
        match self.tiles {
            Tiles::None => [self.pairs * (self.workgroup / self.lanes), self.tokens],
            Tiles::Shared | Tiles::Packed => [self.pairs * TILE_LANES, self.tokens * (self.workgroup / TILE_LANES)],
            Tiles::Cooperative => [8 * self.pairs * self.row_groups, 16 * self.tokens * self.token_groups()],
        }
    }
}
