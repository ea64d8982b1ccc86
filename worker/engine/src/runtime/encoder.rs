//! A loaded model that turns texts into vectors.

use super::buffers::State;
use super::cpu::CpuEncoder;
use super::device::Device;
use super::gpu::Gpu;
use super::product::{Input, Output, ProductBuilder};
use super::program::{Binding, Dispatch, Grid, Task};
use super::upload::Placed;
use super::weights::Weights;
use crate::error::{EngineError, Result};
use crate::kernels::attention::{Attention, AttentionLayout};
use crate::kernels::linear::Epilogue;
use crate::kernels::norm::layer_norm;
use crate::models::{CacheFormat, EncoderConfig, EncoderLayerPlan, EncoderPlan, GateUpPlan, NormPlan, Pooling, UpPlan};
use crate::tokenizer::Tokenizer;

/// An embedding model in memory.
pub struct Encoder {
    device: Device,
    config: EncoderConfig,
    tokenizer: Tokenizer,
    compute: Compute,
}

/// Where an encoder is computed.
enum Compute {
    Gpu(Box<GpuEncoder>),
    Cpu(Box<CpuEncoder>),
}

/// An encoder's dispatches and buffers.
struct GpuEncoder {
    gpu: Gpu,
    buffers: Buffers,
    program: Vec<Dispatch>,
    /// Kept because the dispatches' bind groups need its buffers alive in the browser.
    _weights: Weights,
}

/// A vector for a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// Of length one: `[embedding_len]`.
    pub vector: Vec<f32>,
    /// Tokens of the text.
    pub tokens: usize,
    /// Whether the text was too long, and its end was left out.
    pub is_truncated: bool,
}

/// Activations.
struct Buffers {
    state: wgpu::Buffer,
    /// `[context]`
    ids: wgpu::Buffer,
    /// 0, 1, 2 and so on: `[context]`
    positions: wgpu::Buffer,
    /// The kind of text of each token, always the first: `[context]`
    types: wgpu::Buffer,
    /// `[context][embedding_len]`
    hidden: wgpu::Buffer,
    /// `[context][embedding_len]`
    query: wgpu::Buffer,
    /// Keys, then values, in f16: `[context][embedding_len]` each
    kv: wgpu::Buffer,
    /// `[context][embedding_len]`
    attended: wgpu::Buffer,
    /// `[context][feed_forward_len]`
    activated: wgpu::Buffer,
    /// RoPE's angles: `[context][rope_dim / 2]`
    rope: wgpu::Buffer,
}

impl Buffers {
    fn new(gpu: &Gpu, config: &EncoderConfig) -> Self {
        // Kernels read whole groups of tokens.
        let context = config.context.next_multiple_of(gpu.tuning().prefill.tokens);
        let floats = |label, len: u32| gpu.storage_buffer(label, u64::from(context) * u64::from(len) * 4);
        let positions: Vec<u32> = (0..context).collect();
        let angles = config.rope.as_ref().map(|rope| rope.angles(config.heads.rope_dim, context, None));
        Self {
            state: gpu.buffer("state", 16, wgpu::BufferUsages::UNIFORM),
            ids: floats("ids", 1),
            positions: gpu.storage_buffer_with("positions", &positions),
            types: gpu.storage_buffer_with("types", &vec![0u32; context as usize]),
            hidden: floats("hidden", config.embedding_len),
            query: floats("query", config.embedding_len),
            kv: floats("keys and values", config.embedding_len),
            attended: floats("attended", config.embedding_len),
            activated: floats("activated", config.feed_forward_len),
            rope: gpu.storage_buffer_with("rope", &angles.unwrap_or_else(|| vec![[1.0, 0.0]])),
        }
    }

    /// The first word of the values in `kv`.
    fn value_offset(&self) -> u32 {
        (self.kv.size() / 8) as u32
    }
}

impl Encoder {
    pub(super) fn new(
        device: Device,
        config: EncoderConfig,
        plan: &EncoderPlan,
        tokenizer: Tokenizer,
        weights: Placed,
    ) -> Result<Self> {
        let compute = match (&device, weights) {
            (Device::Cpu(cpu), Placed::Cpu(weights)) => {
                Compute::Cpu(Box::new(CpuEncoder::new(cpu, &config, plan, weights)))
            }
            (_, Placed::Gpu(gpu, weights)) => {
                let buffers = Buffers::new(&gpu, &config);
                let program =
                    Builder { gpu: &gpu, config: &config, weights: &weights, buffers: &buffers }.build(plan)?;
                Compute::Gpu(Box::new(GpuEncoder { gpu, buffers, program, _weights: weights }))
            }
            _ => unreachable!("weights are placed on the loader's device"),
        };
        Ok(Self { device, config, tokenizer, compute })
    }

    /// Hyperparameters.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// On a GPU: the device, the cache, and the dispatches of a text.
    pub(super) fn program(&self) -> Option<(&Gpu, &wgpu::Buffer, &[Dispatch])> {
        match &self.compute {
            Compute::Gpu(encoder) => Some((&encoder.gpu, &encoder.buffers.kv, encoder.program.as_slice())),
            Compute::Cpu(_) => None,
        }
    }

    /// The vector of a text.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`], or whatever the device reported.
    pub async fn embed(&self, text: &str) -> Result<Embedding> {
        let mut ids = self.tokenizer.wrap(self.tokenizer.encode_plain(text)?);
        let context = self.config.context as usize;
        let is_truncated = ids.len() > context;
        if is_truncated {
            // The token that ends a sequence stays.
            let end = ids.pop();
            ids.truncate(context - 1);
            ids.extend(end);
        }
        if ids.is_empty() {
            return Err(EngineError::Tokenizer("the text has no tokens".to_owned()));
        }
        let hidden = match &self.compute {
            Compute::Gpu(encoder) => encoder.hidden(&self.config, &ids).await?,
            Compute::Cpu(encoder) => encoder.hidden(&self.config, &ids).await?,
        };
        let width = self.config.embedding_len as usize;
        Ok(Embedding { vector: pool(&hidden, width, self.config.pooling), tokens: ids.len(), is_truncated })
    }
}

impl GpuEncoder {
    /// The vectors of a text's tokens: `[tokens][embedding_len]`.
    async fn hidden(&self, config: &EncoderConfig, ids: &[u32]) -> Result<Vec<f32>> {
        let state = State { position: 0, token_count: ids.len() as u32, step: 0, row: 0 };
        let queue = self.gpu.queue();
        queue.write_buffer(&self.buffers.state, 0, bytemuck::bytes_of(&state));
        queue.write_buffer(&self.buffers.ids, 0, bytemuck::cast_slice(ids));
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        self.program.iter().for_each(|dispatch| dispatch.encode(&mut pass, state.token_count));
        drop(pass);
        queue.submit([encoder.finish()]);
        let len_bytes = ids.len() as u64 * u64::from(config.embedding_len) * 4;
        self.gpu.read_buffer(&self.buffers.hidden, len_bytes).await
    }
}

/// One vector of length one from those of all tokens: `hidden` is `[tokens][width]`.
fn pool(hidden: &[f32], width: usize, pooling: Pooling) -> Vec<f32> {
    let rows = hidden.chunks_exact(width);
    let mut pooled = vec![0.0; width];
    let used: Box<dyn Iterator<Item = &[f32]>> = match pooling {
        Pooling::Mean => Box::new(rows),
        Pooling::First => Box::new(rows.take(1)),
        Pooling::Last => Box::new(rows.rev().take(1)),
    };
    for row in used {
        for (sum, value) in pooled.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    let length = pooled.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    pooled.iter().map(|value| (value / length) as f32).collect()
}

/// Builds the dispatches of a text.
struct Builder<'a> {
    gpu: &'a Gpu,
    config: &'a EncoderConfig,
    weights: &'a Weights,
    buffers: &'a Buffers,
}

impl Builder<'_> {
    fn build(&self, plan: &EncoderPlan) -> Result<Vec<Dispatch>> {
        let (products, buffers) = (self.products(), self.buffers);
        let mut program = Vec::new();
        products.embed(&mut program, &plan.embedding, &buffers.ids, &buffers.hidden, 1.0, false)?;
        let added = [(&plan.positions, &buffers.positions), (&plan.types, &buffers.types)];
        for (table, ids) in added {
            if let Some(table) = table {
                products.embed(&mut program, table, ids, &buffers.hidden, 1.0, true)?;
            }
        }
        program.push(self.norm(plan.embedding_norm));
        for layer in &plan.layers {
            self.attention(&mut program, layer)?;
            self.feed_forward(&mut program, layer)?;
        }
        Ok(program)
    }

    fn attention(&self, program: &mut Vec<Dispatch>, layer: &EncoderLayerPlan) -> Result<()> {
        let (buffers, heads, width) = (self.buffers, self.config.heads, self.config.embedding_len);
        let value_offset = buffers.value_offset();
        let input = Input { bias: layer.qkv_bias, ..Input::new(&buffers.hidden) };
        let extra = [(6, Binding::Write(&buffers.kv)), (7, Binding::Read(&buffers.rope))];
        let epilogue = Epilogue::Qkv { heads, value_offset };
        let output = Output { epilogue, y: &buffers.query, rows: 3 * width, extra: &extra };
        self.products().push(program, &layer.qkv, &input, &output)?;
        let attention = Attention {
            heads,
            cache: CacheFormat::F16,
            value_offset,
            scale: (heads.head_dim as f32).sqrt().recip(),
            softcap: None,
            window: None,
            bidirectional: true,
            layout: AttentionLayout::Batch,
            splits: 1,
            workgroup: self.gpu.tuning().attention_workgroup,
        };
        let bindings = [
            (0, Binding::Uniform(&buffers.state)),
            (1, Binding::Read(&buffers.query)),
            (2, Binding::Read(&buffers.kv)),
            (3, Binding::Write(&buffers.attended)),
        ];
        let dispatch = Dispatch::new(self.gpu, &attention.shader(), &bindings, attention.grids()[0]);
        program.push(dispatch.computing(Task::Attention(attention)));
        let input = Input { bias: layer.attention_output_bias, ..Input::new(&buffers.attended) };
        self.products().push(program, &layer.attention_output, &input, &self.add_to_hidden())?;
        program.push(self.norm(layer.attention_norm));
        Ok(())
    }

    fn feed_forward(&self, program: &mut Vec<Dispatch>, layer: &EncoderLayerPlan) -> Result<()> {
        let (buffers, activation) = (self.buffers, self.config.activation);
        let output =
            |epilogue| Output { epilogue, y: &buffers.activated, rows: self.config.feed_forward_len, extra: &[] };
        let input = Input::new(&buffers.hidden);
        match &layer.up {
            UpPlan::Plain(up, bias) => {
                let input = Input { bias: *bias, ..input };
                self.products().push(program, up, &input, &output(Epilogue::Activate(activation)))?;
            }
            UpPlan::Gated(GateUpPlan::Paired(both)) => {
                self.products().push(program, both, &input, &output(Epilogue::Gated(activation)))?;
            }
            UpPlan::Gated(GateUpPlan::Apart { gate, up }) => {
                self.products().push(program, gate, &input, &output(Epilogue::STORE))?;
                self.products().push(program, up, &input, &output(Epilogue::Gate(activation)))?;
            }
        }
        let input = Input { bias: layer.down_bias, ..Input::new(&buffers.activated) };
        self.products().push(program, &layer.down, &input, &self.add_to_hidden())?;
        program.push(self.norm(layer.output_norm));
        Ok(())
    }

    fn add_to_hidden(&self) -> Output<'_> {
        Output { epilogue: Epilogue::ADD, y: &self.buffers.hidden, rows: self.config.embedding_len, extra: &[] }
    }

    /// Layer norm of the hidden state.
    fn norm(&self, (weight, bias): NormPlan) -> Dispatch {
        let bindings = [
            (0, Binding::Uniform(&self.buffers.state)),
            (1, Binding::Write(&self.buffers.hidden)),
            (2, Binding::Read(self.weights.vector(weight))),
            (3, Binding::Read(self.weights.vector(bias))),
        ];
        let shader = layer_norm(self.config.embedding_len, self.config.norm_eps);
        Dispatch::new(self.gpu, &shader, &bindings, Grid::TokensInX)
    }

    fn products(&self) -> ProductBuilder<'_> {
        ProductBuilder {
            gpu: self.gpu,
            weights: self.weights,
            state: &self.buffers.state,
            norm_eps: self.config.norm_eps,
            tuning: self.gpu.tuning().prefill,
            prepared: None,
        }
    }
}
