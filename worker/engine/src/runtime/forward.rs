//! The forward pass: five dispatches a layer, between the embedding and the output head.

use super::gpu::Gpu;
use super::program::{Binding, Dispatch, Grid};
use super::weights::Matrix;
use crate::error::{EngineError, Result};
use crate::kernels::linear::{Epilogue, Linear, LinearTuning};
use crate::kernels::sampling::{RING_LEN, chunk_count, logit_scan, sample};
use crate::kernels::{Shader, attention::attention, embed::embed};
use crate::models::ModelConfig;
use crate::sampling::SamplingParams;

/// A decoder layer's weights.
pub(super) struct LayerWeights {
    pub attention_norm: wgpu::Buffer,
    pub qkv: Vec<Matrix>,
    pub attention_output: Matrix,
    pub feed_forward_norm: wgpu::Buffer,
    pub gate_up: Matrix,
    pub down: Matrix,
}

/// A decoder's weights.
pub(super) struct Weights {
    pub embedding: Matrix,
    pub layers: Vec<LayerWeights>,
    pub output_norm: wgpu::Buffer,
    /// `None` where the embedding serves (tied).
    pub output: Option<Matrix>,
}

/// Step of the GPU, in the layout of `kernels/state.wgsl`.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct State {
    /// Position of the batch's first token.
    pub position: u32,
    /// Tokens in the batch.
    pub token_count: u32,
    /// Tokens sampled since the generation began.
    pub step: u32,
    pub padding: u32,
}

/// Activations, caches and the decode loop's own buffers.
pub(super) struct Buffers {
    pub state: wgpu::Buffer,
    pub sampling: wgpu::Buffer,
    /// Prompt tokens of a batch: `[batch]`.
    pub prompt_ids: wgpu::Buffer,
    /// The token that the next decode step embeds: `[1]`.
    pub next_id: wgpu::Buffer,
    /// Sampled tokens: `[RING_LEN]`.
    pub ring: wgpu::Buffer,
    /// What was seen of each token: `[vocab]`.
    pub history: wgpu::Buffer,
    /// Output of the head: `[logit_rows][vocab]`.
    pub logits: wgpu::Buffer,
    candidates: wgpu::Buffer,
    hidden: wgpu::Buffer,
    query: wgpu::Buffer,
    attended: wgpu::Buffer,
    activated: wgpu::Buffer,
    rope: wgpu::Buffer,
    /// One a layer: keys, then values.
    kv: Vec<wgpu::Buffer>,
    /// First word of the values in a `kv` buffer.
    value_offset: u32,
}

impl Buffers {
    /// Allocates for batches of up to `batch` tokens and `context` positions, and logits for `logit_rows` tokens.
    ///
    /// # Errors
    /// [`EngineError::TooLarge`] if the KV cache of a layer exceeds the device's largest binding.
    pub(super) fn new(
        gpu: &Gpu,
        config: &ModelConfig,
        context: u32,
        batch: u32,
        logit_rows: u32,
        angles: &[[f32; 2]],
    ) -> Result<Self> {
        let (batch, vocab) = (u64::from(batch), u64::from(config.vocab));
        let half_cache_bytes = u64::from(context) * config.kv_bytes_per_token() / u64::from(config.layers) / 2;
        if 2 * half_cache_bytes > gpu.max_binding_bytes() {
            return Err(EngineError::TooLarge(format!(
                "a context of {context} tokens takes {} MiB a layer, but this device binds at most {} MiB",
                (2 * half_cache_bytes) >> 20,
                gpu.max_binding_bytes() >> 20
            )));
        }
        let floats = |label, len: u64| gpu.storage_buffer(label, len * 4);
        Ok(Self {
            state: gpu.buffer("state", 16, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM),
            sampling: gpu.buffer("sampling", size_of::<SamplingParams>() as u64, wgpu::BufferUsages::UNIFORM),
            prompt_ids: floats("prompt ids", batch),
            next_id: floats("next id", 1),
            ring: floats("ring", u64::from(RING_LEN)),
            history: floats("history", vocab),
            logits: floats("logits", u64::from(logit_rows) * vocab),
            candidates: floats("candidates", 2 * u64::from(chunk_count(config.vocab))),
            hidden: floats("hidden", batch * u64::from(config.embedding_len)),
            query: floats("query", batch * u64::from(config.attention_len())),
            attended: floats("attended", batch * u64::from(config.attention_len())),
            activated: floats("activated", batch * u64::from(config.feed_forward_len)),
            rope: gpu.storage_buffer_with("rope", angles),
            kv: (0..config.layers).map(|_| gpu.storage_buffer("kv cache", 2 * half_cache_bytes)).collect(),
            value_offset: (half_cache_bytes / 4) as u32,
        })
    }
}

/// Builds dispatches for one model on one device.
pub(super) struct ForwardBuilder<'a> {
    pub gpu: &'a Gpu,
    pub config: &'a ModelConfig,
    pub weights: &'a Weights,
    pub buffers: &'a Buffers,
}

impl ForwardBuilder<'_> {
    /// From token ids in `ids` to the hidden state after the last layer.
    pub(super) fn layers(&self, ids: &wgpu::Buffer, tuning: LinearTuning) -> Result<Vec<Dispatch>> {
        let (config, buffers) = (self.config, self.buffers);
        let mut program = vec![self.embed(ids)?];
        for (layer, kv) in self.weights.layers.iter().zip(&buffers.kv) {
            let norm = Some(&layer.attention_norm);
            let mut first_row = 0;
            for matrix in &layer.qkv {
                let qkv = Epilogue::Qkv { heads: config.heads, value_offset: buffers.value_offset, first_row };
                let extra = [(6, Binding::Write(kv)), (7, Binding::Read(&buffers.rope))];
                program.push(self.linear(matrix, &buffers.hidden, norm, qkv, &buffers.query, &extra, tuning)?);
                first_row += matrix.rows;
            }
            program.push(self.attend(kv));
            let add = Epilogue::AddTo;
            let (hidden, activated) = (&buffers.hidden, &buffers.activated);
            program.push(self.linear(&layer.attention_output, &buffers.attended, None, add, hidden, &[], tuning)?);
            let norm = Some(&layer.feed_forward_norm);
            program.push(self.linear(&layer.gate_up, hidden, norm, Epilogue::SwiGlu, activated, &[], tuning)?);
            program.push(self.linear(&layer.down, activated, None, add, hidden, &[], tuning)?);
        }
        Ok(program)
    }

    /// From the hidden state to logits.
    pub(super) fn head(&self, tuning: LinearTuning) -> Result<Dispatch> {
        let matrix = self.weights.output.as_ref().unwrap_or(&self.weights.embedding);
        let norm = Some(&self.weights.output_norm);
        let logits = &self.buffers.logits;
        self.linear(matrix, &self.buffers.hidden, norm, Epilogue::Store, logits, &[], tuning)
    }

    /// From logits to the next token.
    pub(super) fn sampler(&self) -> [Dispatch; 2] {
        let (buffers, vocab) = (self.buffers, self.config.vocab);
        let scan = [
            (0, Binding::Uniform(&buffers.sampling)),
            (1, Binding::Write(&buffers.logits)),
            (2, Binding::Read(&buffers.history)),
            (3, Binding::Write(&buffers.candidates)),
        ];
        let choose = [
            (0, Binding::Uniform(&buffers.sampling)),
            (1, Binding::Read(&buffers.logits)),
            (2, Binding::Read(&buffers.candidates)),
            (3, Binding::Write(&buffers.state)),
            (4, Binding::Write(&buffers.next_id)),
            (5, Binding::Write(&buffers.ring)),
            (6, Binding::Write(&buffers.history)),
        ];
        [
            Dispatch::new(self.gpu, &logit_scan(vocab), &scan, Grid::Fixed([chunk_count(vocab), 1, 1])),
            Dispatch::new(self.gpu, &sample(vocab), &choose, Grid::Fixed([1, 1, 1])),
        ]
    }

    fn embed(&self, ids: &wgpu::Buffer) -> Result<Dispatch> {
        let table = &self.weights.embedding;
        let shader = supported(embed(table.tensor_type, table.cols, 1.0), table)?;
        let bindings = [
            (0, Binding::Uniform(&self.buffers.state)),
            (1, Binding::Read(&table.quants)),
            (2, Binding::Read(&table.scales)),
            (3, Binding::Read(ids)),
            (4, Binding::Write(&self.buffers.hidden)),
        ];
        Ok(Dispatch::new(self.gpu, &shader, &bindings, Grid::TokensInX))
    }

    fn attend(&self, kv: &wgpu::Buffer) -> Dispatch {
        let buffers = self.buffers;
        let bindings = [
            (0, Binding::Uniform(&buffers.state)),
            (1, Binding::Read(&buffers.query)),
            (2, Binding::Read(kv)),
            (3, Binding::Write(&buffers.attended)),
        ];
        let shader = attention(&self.config.heads, buffers.value_offset, self.gpu.attention_workgroup());
        Dispatch::new(self.gpu, &shader, &bindings, Grid::TokensInY(self.config.heads.heads))
    }

    #[allow(clippy::too_many_arguments, reason = "a matrix product has that many parts, and each call names them all")]
    fn linear(
        &self,
        matrix: &Matrix,
        x: &wgpu::Buffer,
        norm: Option<&wgpu::Buffer>,
        epilogue: Epilogue,
        y: &wgpu::Buffer,
        extra: &[(u32, Binding<'_>)],
        tuning: LinearTuning,
    ) -> Result<Dispatch> {
        let linear = Linear {
            tensor_type: matrix.tensor_type,
            rows: matrix.rows,
            cols: matrix.cols,
            norm_eps: norm.map(|_| self.config.norm_eps),
            epilogue,
            tuning,
        };
        let mut bindings = vec![
            (0, Binding::Uniform(&self.buffers.state)),
            (1, Binding::Read(&matrix.quants)),
            (2, Binding::Read(&matrix.scales)),
            (3, Binding::Read(x)),
            (5, Binding::Write(y)),
        ];
        bindings.extend(norm.map(|weight| (4, Binding::Read(weight))));
        bindings.extend_from_slice(extra);
        let grid = Grid::TokensInZ { xy: linear.grid(), tokens_per_group: tuning.tokens };
        Ok(Dispatch::new(self.gpu, &supported(linear.shader(), matrix)?, &bindings, grid))
    }
}

fn supported(shader: Option<Shader>, matrix: &Matrix) -> Result<Shader> {
    shader.ok_or(EngineError::UnsupportedFormat { tensor: "a matrix".to_owned(), format: matrix.tensor_type })
}
