//! Buffers of a tower.

use crate::kernels::CacheLayout;
use crate::kernels::linear::Tiles;
use crate::models::{FRAMES_PER_POSITION, ProjectorConfig, ProjectorPlan, convolved_len};
use crate::runtime::device::Gpu;

/// What the tokens of dispatches are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Rows of the hidden state.
    Rows,
    /// Embeddings.
    Embeddings,
    /// Frames of a window of sound.
    Frames,
}

impl Over {
    /// All kinds, in the order of their numbers.
    pub(super) const ALL: [Self; 3] = [Self::Rows, Self::Embeddings, Self::Frames];
}

/// How many tokens there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) rows: u32,
    pub(super) embeddings: u32,
}

impl Counts {
    /// The number of these tokens.
    pub(super) fn of(self, over: Over) -> u32 {
        match over {
            Over::Rows => self.rows,
            Over::Embeddings => self.embeddings,
            Over::Frames => FRAMES_PER_POSITION * self.rows,
        }
    }
}

/// Activations of a tower.
pub(super) struct TowerBuffers {
    /// What there is room for.
    pub(super) room: Counts,
    /// The states of dispatches, by [`Over`].
    states: [wgpu::Buffer; 3],
    /// Colours of patches: `[rows][patch_len]`, padded
    pub(super) patches: wgpu::Buffer,
    /// What is added to the first hidden state; inputs of the same shape share it: `[rows][width]`
    pub(super) added: wgpu::Buffer,
    /// `[rows][width]`
    pub(super) hidden: wgpu::Buffer,
    /// The input of a part after its norm, or its output before it is scaled: `[rows][width]`
    pub(super) normed: wgpu::Buffer,
    /// Queries, keys and values before their norms, if they have any: `[rows][3 width]`
    pub(super) projected: wgpu::Buffer,
    /// An input within the bounds of a product, if there are any: `[rows][width]`
    pub(super) bounded: wgpu::Buffer,
    /// `[rows][width]`
    pub(super) query: wgpu::Buffer,
    /// Keys, then values, in f16: `[rows][width]` each
    pub(super) kv: wgpu::Buffer,
    /// `[rows][width]`
    pub(super) attended: wgpu::Buffer,
    /// Between the halves of a feed-forward part: `[rows][stride]`
    pub(super) activated: wgpu::Buffer,
    /// What is gated, if bounds come between: `[rows][stride]`
    pub(super) gated: wgpu::Buffer,
    /// RoPE angles: `[rows][rope_dim / 2]`
    pub(super) rope: wgpu::Buffer,
    /// Windows: `[rows][2]`
    pub(super) windows: wgpu::Buffer,
    /// Combined rows: `[embeddings][merged_len]`
    pub(super) merged: wgpu::Buffer,
    /// Between steps of the projection: `[embeddings][stride]`
    pub(super) steps: [wgpu::Buffer; 2],
    /// Inputs converted for products, as a decoder's.
    pub(super) prepared: wgpu::Buffer,
    /// Embeddings, and what is for the model's first layers: `[embeddings][embedding_len]`
    pub(super) outputs: Vec<wgpu::Buffer>,
    /// Of sounds.
    pub(super) sound: Option<SoundBuffers>,
}

/// What leads from a spectrogram to the hidden state. There are two frames per row.
pub(super) struct SoundBuffers {
    /// `[frames][mels]`
    pub(super) mel: wgpu::Buffer,
    /// Inputs of a convolution: `[frames]` or `[rows]` of [`taps_len`](crate::models::taps_len)
    pub(super) taps: wgpu::Buffer,
    /// Between the convolutions: `[frames][width]`
    pub(super) convolved: wgpu::Buffer,
}

impl TowerBuffers {
    /// Allocates buffers for at least this many rows.
    pub(super) fn new(gpu: &Gpu, (config, plan): (&ProjectorConfig, &ProjectorPlan), rows: u32) -> Self {
        let rows = plan.room_rows(config, rows, gpu.limits().max_binding_bytes);
        let embeddings = (rows / config.merged_rows()).next_multiple_of(64);
        let floats = |label, count: u32, len: u32| gpu.storage_buffer(label, u64::from(count) * u64::from(len) * 4);
        let state = || gpu.buffer("state", 16, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM);
        let width = config.width;
        let steps = || floats("projection", embeddings, plan.step_len());
        let longest = plan.widest(config);
        // Towers have no products of integers.
        let prepared = if gpu.tuning().prefill_large.tiles == Tiles::Cooperative { longest.div_ceil(2) } else { 0 };
        let bounded_rows = if plan.has_bounds() { rows } else { 0 };
        let output = || floats("embeddings", embeddings, config.embedding_len);
        let sound = config.sound().map(|sound| SoundBuffers {
            mel: floats("spectrogram", rows, FRAMES_PER_POSITION * sound.mels),
            taps: floats("inputs of a convolution", rows, convolved_len(sound.mels, width)),
            convolved: floats("convolved", rows, FRAMES_PER_POSITION * width),
        });
        Self {
            room: Counts { rows, embeddings },
            states: Over::ALL.map(|_| state()),
            patches: floats("patches", rows, config.patch_len().next_multiple_of(32)),
            added: floats("added at first", rows, width),
            hidden: floats("hidden", rows, width),
            normed: floats("normed", rows, width),
            projected: floats("projected", if config.normed { rows } else { 0 }, 3 * width),
            bounded: floats("bounded", bounded_rows, width),
            query: floats("query", rows, width),
            kv: floats("keys and values", rows, width),
            attended: floats("attended", rows, width),
            activated: floats("activated", rows, plan.activated_len()),
            gated: floats("gated", bounded_rows, plan.activated_len()),
            rope: floats("rope", rows, config.heads.rope_dim.max(2)),
            windows: floats("windows", rows, 2),
            merged: floats("combined rows", embeddings, config.merged_len()),
            steps: [steps(), steps()],
            prepared: floats("prepared inputs", rows, prepared),
            outputs: (0..=config.deepstack.len()).map(|_| output()).collect(),
            sound,
        }
    }

    /// The state of dispatches for these tokens.
    pub(super) fn state(&self, over: Over) -> &wgpu::Buffer {
        &self.states[over as usize]
    }

    /// The layout of `kv`.
    pub(super) fn cache(&self) -> CacheLayout {
        CacheLayout::f16((self.kv.size() / 8) as u32)
    }
}
