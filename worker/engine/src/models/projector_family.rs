//! Families of projectors as data: what their files do not say.

use super::family::Activation;
use super::pictures::{Filter, Markers};
use super::plan::Arrangement;

/// How the table of position embeddings, one for each patch of a square, fits pictures of other shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchPositions {
    /// All pictures have that shape.
    Fixed,
    /// It is resized like a picture: averaged where patches are fewer.
    Resized,
    /// It is interpolated between its corners, which stay those of the picture.
    Stretched,
    /// There are two, by column and by row.
    Summed,
}

/// RoPE by rows and columns: the first half of a head's pairs turns with a patch's row, the other with its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GridRope {
    /// Pairs are half a head apart; both halves have the same frequencies.
    Apart,
    /// Pairs are neighbours; the frequencies alternate between the two halves.
    Adjacent,
    /// Pairs are a quarter of a head apart, each half of a head being turned like a head of its own; the first half
    /// turns with the column.
    Quarters,
}

impl GridRope {
    /// Base of the frequencies.
    pub(super) fn base(self) -> f32 {
        match self {
            Self::Apart | Self::Adjacent => 10_000.0,
            Self::Quarters => 100.0,
        }
    }
}

/// How patches are combined to an embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// One after the other.
    Joined,
    /// Their average.
    Averaged,
}

/// The order of a step's weights in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepOrder {
    /// Rows are outputs.
    Rows,
    /// Rows are inputs.
    Columns,
    /// Rows are outputs; in a row, the first elements of all combined patches come first, then the second ones.
    ByElement,
}

impl StepOrder {
    /// The same for `patches` combined patches.
    pub(super) fn arrangement(self, patches: u32) -> Arrangement {
        match self {
            Self::Rows => Arrangement::Rows,
            Self::Columns => Arrangement::Columns,
            Self::ByElement => Arrangement::Interleaved { parts: patches },
        }
    }
}

/// A step of the projection.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepStyle {
    /// The tensors' name, without `.weight`.
    pub(super) name: &'static str,
    pub(super) order: StepOrder,
    /// What follows, if anything does.
    pub(super) activation: Option<Activation>,
    /// The second half of the outputs gates the first, with the activation.
    pub(super) gated: bool,
    /// The RMS norm of its input, if there is one; its epsilon is that of the norm of combined rows.
    pub(super) norm: Option<&'static str>,
}

pub(super) const fn step(name: &'static str) -> StepStyle {
    StepStyle { name, order: StepOrder::Rows, activation: None, gated: false, norm: None }
}

pub(super) const fn gelu(name: &'static str) -> StepStyle {
    StepStyle { activation: Some(Activation::GeluTanh), ..step(name) }
}

/// A norm of the projection.
#[derive(Debug, Clone, Copy)]
pub(super) struct NormStyle {
    /// Without a name it has no weights.
    pub(super) name: Option<&'static str>,
    pub(super) rms: bool,
    /// Its epsilon, if it is not that of the tower.
    pub(super) eps: Option<f32>,
    /// Some files lack it.
    pub(super) optional: bool,
}

/// How a family's pictures are cut to size; the numbers are in the file.
#[derive(Debug, Clone, Copy)]
pub(super) enum SizingStyle {
    Square,
    /// Between so many embeddings.
    Between(u32, u32),
    Squares,
    Grid,
    Tiles(u32, u32),
}

/// What a family of projectors is like.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent, and always set by name")]
pub(super) struct Family {
    /// The value of `clip.projector_type`.
    pub(super) name: &'static str,
    /// Norms of the tower are RMS norms.
    pub(super) rms: bool,
    /// Queries, keys and values are normalised, which replaces the scale of attention, and so are the outputs of
    /// attention and of feed-forward parts.
    pub(super) normed: bool,
    pub(super) positions: PatchPositions,
    pub(super) rope: Option<GridRope>,
    /// The entry with the number of patches per side that are combined, and that number without an entry.
    pub(super) merge: (&'static str, u32),
    pub(super) merged: Merge,
    /// Combined patches are multiplied by the square root of the width, and standardised if the file has vectors for it.
    pub(super) rescaled: bool,
    /// Norm of each patch after the layers, besides `v.post_ln`.
    pub(super) row_norm: Option<&'static str>,
    /// Norm of combined patches.
    pub(super) norm: Option<NormStyle>,
    /// Steps of the projection; those that the file lacks are left out.
    pub(super) steps: &'static [StepStyle],
    pub(super) filter: Filter,
    /// Normalised colours are doubled, less one.
    pub(super) doubled: bool,
    pub(super) sizing: SizingStyle,
    pub(super) markers: Markers,
    /// Embeddings of a picture attend to each other in both directions.
    pub(super) two_way: bool,
    /// Embeddings have the positions of a grid (M-RoPE).
    pub(super) grid: bool,
}

const GEMMA3: Family = Family {
    name: "gemma3",
    rms: false,
    normed: false,
    positions: PatchPositions::Fixed,
    rope: None,
    merge: ("projector.scale_factor", 4),
    merged: Merge::Averaged,
    rescaled: false,
    row_norm: None,
    norm: Some(NormStyle { name: Some("mm.soft_emb_norm"), rms: true, eps: None, optional: false }),
    steps: &[StepStyle { order: StepOrder::Columns, ..step("mm.input_projection") }],
    filter: Filter::Bilinear,
    doubled: false,
    sizing: SizingStyle::Square,
    markers: Markers { before: "<start_of_image>", after: "<end_of_image>", ..Markers::NONE },
    two_way: true,
    grid: false,
};
const IDEFICS3: Family = Family {
    name: "idefics3",
    merge: ("projector.scale_factor", 1),
    merged: Merge::Joined,
    norm: None,
    steps: &[step("mm.model.fc")],
    filter: Filter::Lanczos,
    sizing: SizingStyle::Squares,
    markers: Markers {
        tile: "<fake_token_around_image><row_{row}_col_{column}>",
        row_end: "\n",
        overview: ["\n\n<fake_token_around_image><global-img>", "<fake_token_around_image>"],
        ..Markers::NONE
    },
    two_way: false,
    ..GEMMA3
};
const QWEN2VL: Family = Family {
    name: "qwen2vl_merger",
    rope: Some(GridRope::Apart),
    merge: ("spatial_merge_size", 2),
    steps: &[gelu("mm.0"), step("mm.2")],
    filter: Filter::Bicubic,
    sizing: SizingStyle::Between(8, 4096),
    markers: Markers { before: "<|vision_start|>", after: "<|vision_end|>", ..Markers::NONE },
    grid: true,
    ..IDEFICS3
};

/// All families.
pub(super) const FAMILIES: &[Family] = &[
    GEMMA3,
    Family {
        name: "gemma4v",
        rms: true,
        normed: true,
        positions: PatchPositions::Summed,
        rope: Some(GridRope::Quarters),
        merge: ("projector.scale_factor", 3),
        rescaled: true,
        norm: Some(NormStyle { name: None, rms: true, eps: None, optional: false }),
        steps: &[step("mm.input_projection")],
        filter: Filter::Bicubic,
        doubled: true,
        // mtmd allows 1,120; this is the default of Gemma's own code, and costs a fifth of the memory.
        sizing: SizingStyle::Between(70, 280),
        markers: Markers { before: "<|image>", after: "<image|>", ..Markers::NONE },
        ..GEMMA3
    },
    IDEFICS3,
    QWEN2VL,
    Family { name: "qwen2.5vl_merger", rms: true, ..QWEN2VL },
    Family { name: "qwen3vl_merger", positions: PatchPositions::Stretched, ..QWEN2VL },
    Family {
        name: "pixtral",
        rms: true,
        rope: Some(GridRope::Adjacent),
        merge: ("spatial_merge_size", 1),
        row_norm: Some("mm.input_norm"),
        steps: &[StepStyle { order: StepOrder::ByElement, ..step("mm.patch_merger") }, gelu("mm.1"), step("mm.2")],
        filter: Filter::Bicubic,
        sizing: SizingStyle::Between(8, 1024),
        markers: Markers { after: "[IMG_END]", ..Markers::NONE },
        ..IDEFICS3
    },
    Family {
        name: "internvl",
        norm: Some(NormStyle { name: Some("mm.model.mlp.0"), rms: false, eps: Some(1e-5), optional: false }),
        steps: &[gelu("mm.model.mlp.1"), step("mm.model.mlp.3")],
        filter: Filter::Bicubic,
        sizing: SizingStyle::Grid,
        markers: Markers { before: "<img>", after: "</img>", ..Markers::NONE },
        ..IDEFICS3
    },
    Family {
        name: "lfm2",
        positions: PatchPositions::Resized,
        norm: Some(NormStyle { name: Some("mm.input_norm"), rms: false, eps: Some(1e-5), optional: true }),
        steps: &[gelu("mm.1"), step("mm.2")],
        filter: Filter::Bilinear,
        sizing: SizingStyle::Tiles(64, 256),
        markers: Markers {
            before: "<|image_start|>",
            after: "<|image_end|>",
            tile: "<|img_row_{row}_col_{column}|>",
            overview: ["<|img_thumbnail|>", ""],
            ..Markers::NONE
        },
        ..IDEFICS3
    },
];

/// What a family of projectors of sounds is like: the encoder is Whisper's.
#[derive(Debug, Clone, Copy)]
pub(super) struct SoundFamily {
    /// The value of `clip.projector_type`.
    pub(super) name: &'static str,
    /// Number of positions that are combined; `None` if the file says it.
    pub(super) merge: Option<u32>,
    pub(super) merged: Merge,
    /// Norm of each position after the layers.
    pub(super) row_norm: Option<&'static str>,
    /// Norm of combined positions.
    pub(super) norm: Option<NormStyle>,
    pub(super) steps: &'static [StepStyle],
    /// Control tokens before and after a sound.
    pub(super) markers: [&'static str; 2],
}

/// All families of projectors of sounds.
pub(super) const SOUND_FAMILIES: &[SoundFamily] = &[
    SoundFamily {
        name: "qwen2a",
        merge: Some(2),
        merged: Merge::Averaged,
        row_norm: None,
        norm: Some(NormStyle { name: Some("a.post_ln"), rms: false, eps: None, optional: false }),
        steps: &[step("mm.a.fc")],
        markers: ["<|audio_bos|>", "<|audio_eos|>"],
    },
    SoundFamily {
        name: "ultravox",
        merge: None,
        merged: Merge::Joined,
        row_norm: Some("a.post_ln"),
        norm: Some(NormStyle { name: Some("mm.a.norm_pre"), rms: true, eps: Some(1e-6), optional: false }),
        steps: &[
            StepStyle { activation: Some(Activation::Silu), gated: true, ..step("mm.a.mlp.1") },
            StepStyle { norm: Some("mm.a.norm_mid"), ..step("mm.a.mlp.2") },
        ],
        markers: [""; 2],
    },
    // mtmd averages pairs of positions first, as Qwen 2 Audio does; Voxtral's own code does not
    // (ggml-org/llama.cpp#25496).
    SoundFamily {
        name: "voxtral",
        merge: None,
        merged: Merge::Joined,
        row_norm: Some("a.post_ln"),
        norm: None,
        steps: &[StepStyle { activation: Some(Activation::GeluErf), ..step("mm.a.mlp.1") }, step("mm.a.mlp.2")],
        markers: ["[BEGIN_AUDIO]", ""],
    },
];

/// The projection of a family.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProjectionStyle {
    /// See [`Family::rescaled`].
    pub(super) rescaled: bool,
    /// Norm of each row after the layers, besides `v.post_ln`.
    pub(super) row_norm: Option<&'static str>,
    /// Norm of combined rows.
    pub(super) norm: Option<NormStyle>,
    pub(super) steps: &'static [StepStyle],
}

/// The family of this name.
pub(super) fn family(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.name == name)
}

/// The family of projectors of sounds of this name.
pub(super) fn sound_family(name: &str) -> Option<&'static SoundFamily> {
    SOUND_FAMILIES.iter().find(|family| family.name == name)
}

/// The projection of the family of this name, whichever sense it is for.
pub(super) fn projection(name: &str) -> Option<ProjectionStyle> {
    let of_sight = |family: &Family| {
        let Family { rescaled, row_norm, norm, steps, .. } = *family;
        ProjectionStyle { rescaled, row_norm, norm, steps }
    };
    let of_hearing = |family: &SoundFamily| {
        let SoundFamily { row_norm, norm, steps, .. } = *family;
        ProjectionStyle { rescaled: false, row_norm, norm, steps }
    };
    family(name).map(of_sight).or_else(|| sound_family(name).map(of_hearing))
}
