//! Plans a generative model: the tensors of each layer, by their names in the file.

use super::config::{ExpertConfig, FeedForwardConfig, ModelConfig};
use super::family::HeadNorm;
use super::head_planner::{HeadStyle, plan_head};
use super::mixer::{
    AttentionConfig, DeltaNetConfig, LatentConfig, LayerRope, MixerConfig, ShortConvolutionConfig, StateSpaceConfig,
};
use super::plan::{
    AttentionPlan, DeltaNetPlan, ExpertMatrix, ExpertNormsPlan, ExpertsGateUp, ExpertsPlan, FeedForwardPlan,
    GateUpPlan, LatentExpertsPlan, LatentPlan, LayerInputPlan, LayerInputsPlan, LayerPlan, LayerStreamsPlan,
    LowRankPlan, MatrixId, MixerPlan, ModelPlan, Product, Segment, SharedExpertPlan, ShortConvolutionPlan,
    StateSpacePlan, StreamsPlan, VectorId,
};
use super::planner::{Planner, SPLIT_ROWS};
use super::pooling::{HeadActivation, HeadResult, Pooling};
use super::rope::{ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT};
use crate::error::{EngineError, Result};
use crate::gguf::Gguf;

/// Embedding models and rankers with a decoder's layers, such as Qwen 3's: the last token has seen all others.
const DECODER_HEADS: HeadStyle = HeadStyle {
    pooling: None,
    ranking: Pooling::Last,
    activation: HeadActivation::Tanh,
    result: HeadResult::Answers,
    norm_eps: 0.0,
};

impl ModelPlan {
    /// Plans the file's tensors for bindings of up to `max_binding_bytes`. Checks that each exists with the right shape
    /// and a supported format, and that none is unknown: the model would be computed wrongly without it.
    ///
    /// # Errors
    /// The first tensor that is missing, misshapen, unsupported or unknown.
    pub fn new(gguf: &Gguf, config: &ModelConfig, max_binding_bytes: u64) -> Result<Self> {
        let mut planner = Planner::new(gguf, max_binding_bytes)?;
        let width = config.embedding_len;
        let layers = (0..config.layers.len())
            .map(|layer| LayerPlanner { planner: &mut planner, config, layer }.plan())
            .collect::<Result<_>>()?;
        for layer in 0..config.drafting_layers as usize {
            planner.ignore(&format!("blk.{}.", config.layers.len() + layer));
        }
        let embedding = planner.matrix("token_embd.weight".to_owned(), config.vocab, width)?;
        let output = if planner.has("output.weight") {
            planner.matrix("output.weight".to_owned(), config.vocab, width)?
        } else {
            embedding.clone()
        };
        let output_norm = planner.vector(format!("{}.weight", config.output_norm), width)?;
        for name in [ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT] {
            planner.optional_host_vector(name, config.rope_dim(LayerRope::Main) / 2)?;
        }
        let heads = HeadStyle { pooling: config.two_way.then_some(Pooling::Mean), ..DECODER_HEADS };
        let head = plan_head(&mut planner, config.architecture, heads, width)?;
        let layer_inputs = config.layer_input_len.map(|len| layer_inputs(&mut planner, config, len)).transpose()?;
        let streams = config.streams.map(|count| streams(&mut planner, count, width)).transpose()?;
        planner.check_complete(config.architecture)?;
        Ok(Self { weights: planner.weights, embedding, layer_inputs, streams, layers, output_norm, output, head })
    }
}

/// The tensors that compute the inputs of all layers, `len` elements each.
fn layer_inputs(planner: &mut Planner<'_>, config: &ModelConfig, len: u32) -> Result<LayerInputsPlan> {
    let (width, all) = (config.embedding_len, config.layer_inputs_len());
    Ok(LayerInputsPlan {
        len,
        table: planner.matrix("per_layer_token_embd.weight".to_owned(), config.vocab, all)?,
        projection: planner.matrix("per_layer_model_proj.weight".to_owned(), all, width)?,
        norm: planner.vector("per_layer_proj_norm.weight".to_owned(), len)?,
    })
}

/// The tensors of `count` vectors of the hidden state, before and after the layers.
fn streams(planner: &mut Planner<'_>, count: u32, width: u32) -> Result<StreamsPlan> {
    let rows = (count - 1) * width;
    Ok(StreamsPlan {
        expand: planner.matrix("altup_proj.weight".to_owned(), rows, width)?,
        // A vector's rows are found by its index, so the matrix must not be split.
        merge: planner.whole("altup_unembd_proj.weight".to_owned(), rows, width)?,
    })
}

struct LayerPlanner<'p, 'g> {
    planner: &'p mut Planner<'g>,
    config: &'p ModelConfig,
    layer: usize,
}

impl LayerPlanner<'_, '_> {
    fn name(&self, part: &str) -> String {
        format!("blk.{}.{part}", self.layer)
    }

    fn weight(&self, part: &str) -> String {
        self.name(&format!("{part}.weight"))
    }

    fn plan(mut self) -> Result<LayerPlan> {
        let config = self.config;
        let (layer, width) = (&config.layers[self.layer], config.embedding_len);
        let norm = |this: &mut Self, wanted: bool, part: &str| {
            // Falcon-H1's files leave out “.weight” once.
            let (bare, weight) = (this.name(part), this.weight(part));
            let name = if this.planner.has(&bare) { bare } else { weight };
            wanted.then(|| this.planner.vector(name, width)).transpose()
        };
        let (mixes, feeds) = (!layer.mixers.is_empty(), layer.feed_forward.is_some());
        Ok(LayerPlan {
            streams: config.streams.map(|count| self.streams(count)).transpose()?,
            mixer_norm: norm(&mut self, mixes && config.pre_norm, "attn_norm")?,
            mixers: layer.mixers.iter().map(|mixer| self.mixer(mixer)).collect::<Result<_>>()?,
            low_rank: config.low_rank.map(|rank| self.low_rank(rank)).transpose()?,
            mixer_post_norm: norm(&mut self, mixes && config.post_norm, "post_attention_norm")?,
            feed_forward_norm: norm(&mut self, feeds && config.pre_norm && !config.parallel, config.feed_forward_norm)?,
            feed_forward: layer.feed_forward.map(|part| self.feed_forward(part)).transpose()?,
            feed_forward_post_norm: norm(&mut self, feeds && config.post_norm, "post_ffw_norm")?,
            input: config.layer_input_len.map(|len| self.input(len)).transpose()?,
            // The forward passes apply it together with a post-norm, and to one vector.
            scale: if config.post_norm && config.streams.is_none() {
                self.planner.optional_vector(self.weight("layer_output_scale"), 1)?
            } else {
                None
            },
        })
    }

    fn mixer(&mut self, mixer: &MixerConfig) -> Result<MixerPlan> {
        Ok(match mixer {
            MixerConfig::Attention(attention) => MixerPlan::Attention(self.attention(attention)?),
            MixerConfig::ShortConvolution(convolution) => {
                MixerPlan::ShortConvolution(self.short_convolution(*convolution)?)
            }
            MixerConfig::DeltaNet(net) => MixerPlan::DeltaNet(self.delta_net(net)?),
            MixerConfig::StateSpace(space) => MixerPlan::StateSpace(self.state_space(space)?),
        })
    }

    fn feed_forward(&mut self, part: FeedForwardConfig) -> Result<FeedForwardPlan> {
        match part {
            FeedForwardConfig::Experts(experts) => Ok(FeedForwardPlan::Experts(Box::new(self.experts(experts)?))),
            FeedForwardConfig::Dense(len) => self.dense(len),
        }
    }

    fn streams(&mut self, count: u32) -> Result<LayerStreamsPlan> {
        let width = self.config.embedding_len;
        Ok(LayerStreamsPlan {
            router_norm: self.planner.vector(self.weight("altup_router_norm"), width)?,
            router: self.planner.matrix(self.weight("altup_router"), count, width)?,
            predict: self.planner.table(self.weight("altup_predict_coef"), count * count, count)?,
            correct: self.planner.table(self.weight("altup_correct_coef"), count, count)?,
            gate_scale: self.planner.vector(self.weight("altup_correct_scale"), width)?,
        })
    }

    fn low_rank(&mut self, rank: u32) -> Result<LowRankPlan> {
        let width = self.config.embedding_len;
        Ok(LowRankPlan {
            down: self.planner.matrix(self.weight("laurel_l"), rank, width)?,
            up: self.planner.matrix(self.weight("laurel_r"), width, rank)?,
            norm: self.planner.vector(self.weight("laurel_post_norm"), width)?,
        })
    }

    fn input(&mut self, len: u32) -> Result<LayerInputPlan> {
        let width = self.config.embedding_len;
        Ok(LayerInputPlan {
            len,
            gate: self.planner.matrix(self.weight("inp_gate"), len, width)?,
            output: self.planner.matrix(self.weight("proj"), width, len)?,
            norm: self.planner.vector(self.weight("post_norm"), width)?,
        })
    }

    fn attention(&mut self, attention: &AttentionConfig) -> Result<AttentionPlan> {
        let width = self.config.embedding_len;
        if attention.cache_of.is_some() {
            // Gemma 3n's files have them all the same.
            for part in ["attn_k.", "attn_k_norm.", "attn_v."] {
                self.planner.ignore(&self.name(part));
            }
        }
        Ok(AttentionPlan {
            qkv: self.qkv(attention)?,
            qkv_bias: self.qkv_bias(attention)?,
            head_norms: self.head_norms(attention)?,
            latent: attention.latent.map(|latent| self.latent(attention, latent)).transpose()?,
            sinks: self.planner.optional_vector(self.weight("attn_sinks"), attention.heads.heads)?,
            output: self.planner.matrix(self.weight("attn_output"), width, attention.output_len())?,
            output_bias: self.planner.optional_vector(self.name("attn_output.bias"), width)?,
        })
    }

    fn latent(&mut self, attention: &AttentionConfig, latent: LatentConfig) -> Result<LatentPlan> {
        let (width, query_rows) = (self.config.embedding_len, attention.query_rows());
        let (compressed_query, query) = match latent.query_rank {
            Some(rank) => {
                let compressed = self.planner.matrix(self.weight("attn_q_a"), rank, width)?;
                let norm = self.planner.vector(self.weight("attn_q_a_norm"), rank)?;
                (Some((compressed, norm)), self.planner.matrix(self.weight("attn_q_b"), query_rows, rank)?)
            }
            None => (None, self.planner.matrix(self.weight("attn_q"), query_rows, width)?),
        };
        let (keys, values) = self.expansions(attention, latent)?;
        let norm = self.planner.vector(self.weight("attn_kv_a_norm"), attention.heads.value_dim)?;
        Ok(LatentPlan { compressed_query, query, norm, keys, values })
    }

    /// The matrices that expand latent vectors to keys and to values, which old files keep in one tensor.
    fn expansions(&mut self, attention: &AttentionConfig, latent: LatentConfig) -> Result<(MatrixId, MatrixId)> {
        let (heads, rank, both) = (attention.heads.heads, attention.heads.value_dim, self.weight("attn_kv_b"));
        let LatentConfig { key_dim, value_dim, .. } = latent;
        let keys = self.weight("attn_k_b");
        if !self.planner.has(&keys) {
            return self.planner.expansion(both, heads, [key_dim, value_dim], rank);
        }
        // Some files have them both ways.
        self.planner.ignore(&both);
        let keys = self.planner.whole(keys, heads * rank, key_dim)?;
        Ok((keys, self.planner.whole(self.weight("attn_v_b"), heads * value_dim, rank)?))
    }

    fn short_convolution(&mut self, convolution: ShortConvolutionConfig) -> Result<ShortConvolutionPlan> {
        let (width, ShortConvolutionConfig { channels, taps }) = (self.config.embedding_len, convolution);
        Ok(ShortConvolutionPlan {
            input: self.planner.matrix(self.weight("shortconv.in_proj"), 3 * channels, width)?,
            taps: self.planner.table(self.weight("shortconv.conv"), channels, taps)?,
            output: self.planner.matrix(self.weight("shortconv.out_proj"), width, channels)?,
        })
    }

    fn delta_net(&mut self, net: &DeltaNetConfig) -> Result<DeltaNetPlan> {
        let width = self.config.embedding_len;
        Ok(DeltaNetPlan {
            input: self.delta_net_input(net)?,
            taps: self.planner.table(self.weight("ssm_conv1d"), net.channels(), net.taps)?,
            decay_bias: self.planner.vector(self.name("ssm_dt.bias"), net.value_heads)?,
            decay: self.planner.vector(self.name("ssm_a"), net.value_heads)?,
            norm: self.planner.vector(self.weight("ssm_norm"), net.head_dim)?,
            output: self.planner.matrix(self.weight("ssm_out"), width, net.value_len())?,
        })
    }

    /// Queries, keys and values, output gates, update factors and decay exponents. Qwen3-Next's files interleave the last
    /// two by key head, its early files all of them.
    fn delta_net_input(&mut self, net: &DeltaNetConfig) -> Result<Product> {
        let (width, shared) = (self.config.embedding_len, net.value_heads / net.key_heads);
        let is_interleaved = |this: &Self, part: &str| net.grouped && this.planner.has(&this.weight(part));
        let mut segments = if is_interleaved(self, "ssm_in") {
            let lens = [1, 1, shared, shared].map(|heads| heads * net.head_dim);
            self.interleaved("ssm_in", net.key_heads, &lens)?
        } else {
            self.segments(&[("attn_qkv", net.channels()), ("attn_gate", net.value_len())])?
        };
        segments.extend(if is_interleaved(self, "ssm_ba") {
            self.interleaved("ssm_ba", net.key_heads, &[shared, shared])?
        } else {
            self.segments(&[("ssm_beta", net.value_heads), ("ssm_alpha", net.value_heads)])?
        });
        self.planner.stack(&segments, width, SPLIT_ROWS)
    }

    /// The rows of tensors that have the hidden state's width.
    fn segments(&mut self, parts: &[(&str, u32)]) -> Result<Vec<Segment>> {
        let width = self.config.embedding_len;
        parts.iter().map(|(part, rows)| self.planner.segment(self.weight(part), *rows, width)).collect()
    }

    /// The rows of a tensor that has all parts of one of `heads` after the other, in the order of the parts. A head has
    /// `lens` rows of each.
    fn interleaved(&mut self, tensor: &str, heads: u32, lens: &[u32]) -> Result<Vec<Segment>> {
        let per_head: u32 = lens.iter().sum();
        let whole = self.planner.segment(self.weight(tensor), heads * per_head, self.config.embedding_len)?;
        let (mut segments, mut first) = (Vec::new(), 0);
        for rows in lens.iter().copied() {
            let own = |head: u32| Segment { first_row: head * per_head + first, rows, ..whole.clone() };
            segments.extend((0..heads).map(own));
            first += rows;
        }
        Ok(segments)
    }

    fn state_space(&mut self, space: &StateSpaceConfig) -> Result<StateSpacePlan> {
        let (width, heads, inner) = (self.config.embedding_len, space.heads, space.inner_len());
        let norm = Some(self.weight("ssm_norm")).filter(|norm| self.planner.has(norm));
        Ok(StateSpacePlan {
            input: self.planner.matrix(self.weight("ssm_in"), space.projection_rows(), width)?,
            taps: self.planner.table(self.weight("ssm_conv1d"), space.channels(), space.taps)?,
            taps_bias: self.planner.vector(self.name("ssm_conv1d.bias"), space.channels())?,
            step_bias: self.planner.vector(self.name("ssm_dt.bias"), heads)?,
            decay: self.planner.table(self.name("ssm_a"), heads, 1)?,
            skip: self.planner.table(self.name("ssm_d"), heads, 1)?,
            norm: norm.map(|norm| self.planner.table(norm, space.groups, inner / space.groups)).transpose()?,
            output: self.planner.matrix(self.weight("ssm_out"), width, inner)?,
        })
    }

    /// Query, key and value projections, which Phi 3 keeps in one tensor; in latent attention the one to keys.
    fn qkv(&mut self, attention: &AttentionConfig) -> Result<Product> {
        let width = self.config.embedding_len;
        if attention.latent.is_some() {
            return self.planner.matrix(self.weight("attn_kv_a_mqa"), attention.key_len(), width);
        }
        let fused = self.weight("attn_qkv");
        let segments = if self.planner.has(&fused) {
            vec![self.planner.segment(fused, attention.qkv_rows(), width)?]
        } else {
            let (query, key, value) = (attention.query_rows(), attention.key_len(), attention.value_len());
            let is_tied = self.config.tied_values && !self.planner.has(&self.weight("attn_v"));
            let parts = [("attn_q", query), ("attn_k", key), (if is_tied { "attn_k" } else { "attn_v" }, value)];
            let mut segments = Vec::new();
            for (part, rows) in parts.into_iter().filter(|(_, rows)| *rows > 0) {
                segments.push(self.planner.segment(self.weight(part), rows, width)?);
            }
            segments
        };
        // A head of queries or keys is not split, nor a pair of a value's elements.
        self.planner.stack(&segments, width, attention.heads.head_dim)
    }

    fn qkv_bias(&mut self, attention: &AttentionConfig) -> Result<Option<VectorId>> {
        let fused = self.name("attn_qkv.bias");
        if self.planner.has(&fused) {
            return self.planner.vector(fused, attention.qkv_rows()).map(Some);
        }
        if !self.planner.has(&self.name("attn_q.bias")) {
            return Ok(None);
        }
        let (query, key, value) = (attention.query_rows(), attention.key_len(), attention.value_len());
        let parts = [("attn_q.bias", query), ("attn_k.bias", key), ("attn_v.bias", value)];
        let parts = parts.map(|(part, len)| (self.name(part), len));
        self.planner.vectors_of(&parts).map(Some)
    }

    fn head_norms(&mut self, attention: &AttentionConfig) -> Result<Option<(VectorId, Option<VectorId>)>> {
        if self.config.head_norm == HeadNorm::None {
            return Ok(None);
        }
        let heads = attention.heads;
        let mut norm = |part: &str, count: u32| {
            let name = self.weight(part);
            match self.config.head_norm {
                HeadNorm::CentredHead => self.planner.table(name, count, heads.head_dim),
                HeadNorm::Row => self.planner.vector(name, count * heads.head_dim),
                HeadNorm::None | HeadNorm::Head | HeadNorm::HeadAfterRope => self.planner.vector(name, heads.head_dim),
            }
        };
        let query = norm("attn_q_norm", heads.heads)?;
        let has_keys = attention.cache_of.is_none();
        Ok(Some((query, has_keys.then(|| norm("attn_k_norm", heads.kv_heads)).transpose()?)))
    }

    fn dense(&mut self, hidden_len: u32) -> Result<FeedForwardPlan> {
        let (gate_up, width) = (self.gate_up("", hidden_len)?, self.config.embedding_len);
        let down = self.planner.matrix(self.weight("ffn_down"), width, hidden_len)?;
        Ok(FeedForwardPlan::Dense { gate_up, down, hidden_len })
    }

    /// Gate and up projections, of `hidden` rows each, whose names end with `suffix`.
    fn gate_up(&mut self, suffix: &str, hidden: u32) -> Result<GateUpPlan> {
        let width = self.config.embedding_len;
        let [gate, up] = ["gate", "up"].map(|part| self.weight(&format!("ffn_{part}{suffix}")));
        if !self.config.feed_forward_gates {
            return Ok(GateUpPlan::Ungated(self.planner.matrix(up, hidden, width)?, None));
        }
        let (gate, up) = if self.planner.has(&gate) {
            (self.planner.segment(gate, hidden, width)?, self.planner.segment(up, hidden, width)?)
        } else {
            // Phi 3 keeps both in one tensor.
            let both = self.planner.segment(up, 2 * hidden, width)?;
            let half = |first_row| Segment { first_row, rows: hidden, ..both.clone() };
            (half(0), half(hidden))
        };
        self.planner.gate_up(gate, up, width, self.config.layers[self.layer].gate_cutoff)
    }

    fn experts(&mut self, config: ExpertConfig) -> Result<ExpertsPlan> {
        let (width, count, hidden) = (self.config.embedding_len, config.count, config.feed_forward_len);
        let mut scores = vec![self.planner.segment(self.weight("ffn_gate_inp"), count, width)?];
        // With norms, the shared expert is named like a dense part.
        let suffix = if config.has_norms { "" } else { "_shexp" };
        let shared = config.shared_len.map(|len| self.shared_expert(len, suffix, &mut scores)).transpose()?;
        self.check_experts(&config, shared.as_ref())?;
        let router_bias = match &shared {
            // With one more score; no family has both.
            Some(SharedExpertPlan { is_gated: true, .. }) => None,
            _ => self.planner.optional_vector(self.name("ffn_gate_inp.bias"), count)?,
        };
        Ok(ExpertsPlan {
            config,
            router: self.planner.stack(&scores, width, SPLIT_ROWS)?,
            router_bias,
            bias: self.planner.optional_vector(self.name("exp_probs_b.bias"), count)?,
            scales: self.planner.optional_vector(self.name("ffn_down_exps.scale"), count)?,
            gate_up: self.experts_gate_up(&config)?,
            down: self.expert_matrix("ffn_down_exps", count, [config.width(width), hidden])?,
            shared,
            latent: config.latent_len.map(|len| self.latent_experts(len)).transpose()?,
            norms: config.has_norms.then(|| self.expert_norms()).transpose()?,
        })
    }

    /// Rejects what the forward passes do not combine.
    fn check_experts(&self, config: &ExpertConfig, shared: Option<&SharedExpertPlan>) -> Result<()> {
        let what = match config.latent_len {
            Some(_) if shared.is_some_and(|shared| shared.is_gated) => "a gate beside latent experts",
            Some(_) if config.has_norms || self.config.post_norm => "norms of latent experts",
            None if config.has_norms && shared.is_none() => "nothing but experts",
            _ => return Ok(()),
        };
        Err(EngineError::UnsupportedArchitecture(format!("{} with {what}", self.config.architecture)))
    }

    fn expert_norms(&mut self) -> Result<ExpertNormsPlan> {
        let router = self.name("ffn_gate_inp.scale");
        let [input, output, shared_output] =
            ["pre_ffw_norm_2", "post_ffw_norm_2", "post_ffw_norm_1"].map(|part| self.weight(part));
        let mut norm = |name| self.planner.vector(name, self.config.embedding_len);
        Ok(ExpertNormsPlan {
            router: norm(router)?,
            input: norm(input)?,
            output: norm(output)?,
            shared_output: norm(shared_output)?,
        })
    }

    /// Gate and up projections of all experts.
    fn experts_gate_up(&mut self, config: &ExpertConfig) -> Result<ExpertsGateUp> {
        let (width, count, hidden) = (config.width(self.config.embedding_len), config.count, config.feed_forward_len);
        if !self.config.feed_forward_gates {
            return Ok(ExpertsGateUp::Ungated(self.expert_matrix("ffn_up_exps", count, [hidden, width])?));
        }
        if self.planner.has(&self.weight("ffn_gate_up_exps")) {
            return Ok(ExpertsGateUp::Merged(self.expert_matrix("ffn_gate_up_exps", count, [2 * hidden, width])?));
        }
        let has_bias = ["ffn_gate_exps.bias", "ffn_up_exps.bias"].iter().any(|part| self.planner.has(&self.name(part)));
        if !has_bias {
            let rows = expert_rows(count, hidden)?;
            let gate = self.planner.segment(self.weight("ffn_gate_exps"), rows, width)?;
            let up = self.planner.segment(self.weight("ffn_up_exps"), rows, width)?;
            if let Some(weights) = self.planner.paired_experts([&gate, &up], count, width)? {
                return Ok(ExpertsGateUp::Merged(ExpertMatrix { weights, bias: None }));
            }
        }
        let gate = self.expert_matrix("ffn_gate_exps", count, [hidden, width])?;
        Ok(ExpertsGateUp::Apart { gate, up: self.expert_matrix("ffn_up_exps", count, [hidden, width])? })
    }

    /// Projections to a space of this width and back.
    fn latent_experts(&mut self, len: u32) -> Result<LatentExpertsPlan> {
        let width = self.config.embedding_len;
        Ok(LatentExpertsPlan {
            down: self.planner.matrix(self.weight("ffn_latent_down"), len, width)?,
            up: self.planner.matrix(self.weight("ffn_latent_up"), width, len)?,
        })
    }

    /// A matrix of `count` experts with `rows` rows of `cols` columns each, and their biases, if the file has any.
    fn expert_matrix(&mut self, part: &str, count: u32, [rows, cols]: [u32; 2]) -> Result<ExpertMatrix> {
        // An expert's rows are found by its index, so the matrix must not be split.
        let weights = self.planner.whole(self.weight(part), expert_rows(count, rows)?, cols)?;
        let bias = self.name(&format!("{part}.bias"));
        let bias = self.planner.has(&bias).then(|| self.planner.table(bias, count, rows)).transpose()?;
        Ok(ExpertMatrix { weights, bias })
    }

    /// The shared expert, whose tensors' names end with `suffix`. If it has a gate, that becomes the last row of the
    /// router's `scores`.
    fn shared_expert(&mut self, hidden_len: u32, suffix: &str, scores: &mut Vec<Segment>) -> Result<SharedExpertPlan> {
        let width = self.config.embedding_len;
        let output_gate = self.weight("ffn_gate_inp_shexp");
        let is_gated = self.planner.has(&output_gate);
        if is_gated {
            scores.push(self.planner.segment(output_gate, 1, width)?);
        }
        Ok(SharedExpertPlan {
            hidden_len,
            gate_up: self.gate_up(suffix, hidden_len)?,
            down: self.planner.matrix(self.weight(&format!("ffn_down{suffix}")), width, hidden_len)?,
            is_gated,
        })
    }
}

/// Rows of `count` experts.
fn expert_rows(count: u32, rows: u32) -> Result<u32> {
    count.checked_mul(rows).ok_or_else(|| EngineError::malformed("the experts have too many rows"))
}
