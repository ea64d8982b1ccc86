//! Test inputs and expected results of what lies between products: norms, gates, latent keys, mixers with a state,
//! experts.

use super::bench::{BEFORE, Bench, Expected, Form};
use super::references::{TOKENS, places};
use crate::kernels::attention::cache::{from_cache, in_cache_order, into_cache};
use crate::kernels::attention::gate::attention_gate;
use crate::kernels::attention::latent::Latent;
use crate::kernels::attention::reference::{gate, latent_key};
use crate::kernels::convolution::{Convolution, reference::convolve};
use crate::kernels::delta_net::{DeltaNet, reference as delta_net_reference};
use crate::kernels::experts::{ExpertSum, Router, group, reference as experts_reference};
use crate::kernels::linear::reference::{layer_norm, rms_norm, rope};
use crate::kernels::norm::reference::{cut_gates, gated_norm, gated_norm_after_gate, norm_heads};
use crate::kernels::norm::{AddNorm, GateCutoff, GatedNorm, HeadNormKernel, LayerNorm};
use crate::kernels::state_space::{StateSpace, reference as state_space_reference};
use crate::kernels::streams::{StreamStep, Streams, reference as streams_reference};
use crate::kernels::{CacheLayout, Grid, Shader};
use crate::models::{CacheFormat, ExpertConfig, HeadNorm, HeadShape};
use crate::runtime::device::Dispatch;

/// A variable of a kernel.
pub(super) struct Variable<'t> {
    name: &'static str,
    /// Its contents.
    before: &'t [f32],
    /// What the kernel leaves there, if it writes to it.
    after: Option<(Form, &'t [f32])>,
}

pub(super) fn read<'t>(name: &'static str, contents: &'t [f32]) -> Variable<'t> {
    Variable { name, before: contents, after: None }
}

pub(super) fn written<'t>(name: &'static str, before: &'t [f32], after: &'t [f32]) -> Variable<'t> {
    Variable { name, before, after: Some((Form::Floats, after)) }
}

/// Inserts a gate, which no kernel may read, after each query of rows of queries, keys and values.
fn with_gates(rows: &[f32], row_len: usize, heads: &HeadShape) -> Vec<f32> {
    let dim = heads.head_dim as usize;
    let gate = vec![f32::NAN; dim];
    let mut projected = Vec::new();
    for row in rows.chunks_exact(row_len) {
        let (queries, others) = row.split_at(heads.heads as usize * dim);
        queries.chunks_exact(dim).for_each(|query| projected.extend(query.iter().chain(&gate)));
        projected.extend_from_slice(others);
    }
    projected
}

/// Applies RoPE to the queries and keys of rows of queries, keys and values, or only of queries. `angles` start with
/// those of the first row's position.
fn rotate(rows: &mut [f32], row_len: usize, heads: &HeadShape, angles: &[[f32; 2]]) {
    let (dim, pairs) = (heads.head_dim as usize, heads.rope_dim as usize / 2);
    let rotated = row_len.min((heads.query_len() + heads.key_len()) as usize);
    for (token, row) in rows.chunks_exact_mut(row_len).enumerate() {
        row[..rotated].chunks_exact_mut(dim).for_each(|head| rope(head, &angles[token * pairs..], heads));
    }
}

/// `rows` of keys or of values, `row_len` elements each, as they are in the cache: from `position` on, in rows that
/// start at `word`.
fn cached<'b>(
    kv: &'b wgpu::Buffer,
    cache: CacheLayout,
    (word, position): (u32, usize),
    (rows, row_len): (&[f32], usize),
) -> Expected<'b> {
    let form = match cache.format {
        CacheFormat::F16 => Form::Halves,
        CacheFormat::Q8 => Form::Bytes { row_len },
        CacheFormat::F32 => Form::Floats,
    };
    let mut expected = Expected::new(kv, form, []).at_word(word.into());
    let stored = from_cache(&into_cache(rows, row_len, cache.format), row_len, cache.format);
    for (token, row) in stored.chunks_exact(row_len).enumerate() {
        let start = cache.row(0, position + token) * row_len;
        expected.values.extend((start..).zip(row.iter().copied()));
    }
    expected
}

impl Bench<'_> {
    /// Runs a kernel on a batch and compares what it leaves in its variables.
    pub(super) fn compare(&mut self, (shader, grid): (Shader, Grid), tokens: usize, variables: &[Variable<'_>]) {
        let state = self.state(0, tokens);
        let buffers: Vec<_> = variables.iter().map(|variable| self.buffer(variable.before)).collect();
        let names = variables.iter().map(|variable| variable.name);
        let bound: Vec<_> = names.zip(&buffers).chain([("state", &state)]).collect();
        let dispatch = Dispatch::new(self.gpu, &shader, &bound, grid);
        let expected = variables.iter().zip(&buffers).filter_map(|(variable, buffer)| {
            let (form, after) = variable.after?;
            Some(Expected::new(buffer, form, after.iter().copied()))
        });
        self.run(&[&dispatch], tokens, &expected.collect::<Vec<_>>());
    }

    /// Factors of the exponents of decays: negative, and small enough that states last.
    fn decays(&mut self, len: usize) -> Vec<f32> {
        self.random.floats(len).iter().map(|value| -0.1 - 0.2 * value.abs()).collect()
    }

    /// Tests the gates of attention's output.
    pub(super) fn attention_gate(&mut self, heads: &HeadShape, row_len: u32) {
        let y = self.random.floats(TOKENS * (heads.heads * heads.head_dim) as usize);
        let rows = self.random.floats(TOKENS * row_len as usize);
        let gated = gate(&y, &rows, row_len as usize, heads);
        self.compare(attention_gate(heads, row_len), TOKENS, &[read("rows", &rows), written("y", &y, &gated)]);
    }

    /// Tests norms, RoPE and the append to the cache, for all heads.
    pub(super) fn head_norm(&mut self, kernel: &HeadNormKernel) {
        let HeadNormKernel { heads, cache, .. } = *kernel;
        let positions = cache.value_offset / cache.format.row_words(heads.key_len());
        for place in places(TOKENS, positions as usize, cache.ring) {
            self.head_norm_at(kernel, place);
        }
    }

    /// The same for a batch at this place.
    fn head_norm_at(&mut self, kernel: &HeadNormKernel, (position, tokens): (usize, usize)) {
        let HeadNormKernel { kind, heads, cache, queries_only, .. } = *kernel;
        let [dim, query_len, key_len, value_len] =
            [heads.head_dim, heads.query_len(), heads.key_len(), heads.value_len()].map(|len| len as usize);
        let row_len = if queries_only { query_len } else { query_len + key_len + value_len };
        let mut rows = self.random.floats(tokens * row_len);
        let lens = if kind.has_own_weights() { [query_len, key_len] } else { [dim; 2] };
        let [weights, biases] = [(); 2].map(|()| lens.map(|len| self.random.floats(len)));
        let angles = self.angles(&heads, position, tokens);
        let projected = if kernel.gated { with_gates(&rows, row_len, &heads) } else { rows.clone() };
        let [projected, y] = [projected, vec![BEFORE; tokens * query_len]].map(|contents| self.buffer(&contents));
        let (state, rope_buffer) = (self.state(position, tokens), self.buffer(&angles));
        let norms = self.norm_buffers([&weights, &biases], kernel);
        let mut bound =
            vec![("state", &state), ("projected", &projected), ("rope", &rope_buffer), ("y", &y), ("kv", self.kv)];
        bound.extend(norms.iter().map(|(name, buffer)| (*name, buffer)));
        let dispatch = Dispatch::new(self.gpu, &kernel.shader(), &bound, kernel.grid());

        let own_angles = &angles[position * heads.rope_dim as usize / 2..];
        if kind == HeadNorm::HeadAfterRope {
            rotate(&mut rows, row_len, &heads, own_angles);
            norm_heads(&mut rows, [&weights, &biases], kernel);
        } else {
            norm_heads(&mut rows, [&weights, &biases], kernel);
            rotate(&mut rows, row_len, &heads, own_angles);
        }
        let part = |at: usize, len: usize| -> Vec<f32> {
            rows.chunks_exact(row_len).flat_map(|row| &row[at..at + len]).copied().collect()
        };
        let mut expected = vec![Expected::new(&y, Form::Floats, part(0, query_len))];
        if !queries_only {
            let (keys, values) = (part(query_len, key_len), part(query_len + key_len, value_len));
            let keys = in_cache_order(&keys, &heads);
            expected.push(cached(self.kv, cache, (0, position), (&keys, key_len)));
            expected.push(cached(self.kv, cache, (cache.value_offset, position), (&values, value_len)));
        }
        self.run(&[&dispatch], tokens, &expected);
    }

    /// Tests what comes before latent attention: norm, RoPE and the append of keys, and RoPE of queries.
    pub(super) fn latent(&mut self, kernel: &Latent) {
        let Latent { heads, cache, .. } = *kernel;
        let positions = self.kv.size() / 4 / u64::from(cache.format.row_words(heads.key_len()));
        for place in places(TOKENS, positions as usize, cache.ring) {
            self.latent_at(kernel, place);
        }
    }

    /// The same for a batch at this place.
    fn latent_at(&mut self, kernel: &Latent, (position, tokens): (usize, usize)) {
        let Latent { heads, cache, .. } = *kernel;
        let [dim, rank, rope_dim, key_dim, count] =
            [heads.head_dim, heads.value_dim, heads.rope_dim, kernel.key_dim, heads.heads].map(|len| len as usize);
        let queries = self.random.floats(tokens * count * (key_dim + rope_dim));
        let (latents, weight) = (self.random.floats(tokens * dim), self.random.floats(rank));
        let angles = self.angles(&heads, position, tokens);
        let mut rotated = vec![BEFORE; tokens * count * dim];
        let [queries_buffer, latents_buffer, weight_buffer, y] =
            [&queries, &latents, &weight, &rotated].map(|contents| self.buffer(contents));
        let (state, rope_buffer) = (self.state(position, tokens), self.buffer(&angles));
        let bound = [
            ("state", &state),
            ("queries", &queries_buffer),
            ("latents", &latents_buffer),
            ("norm_weight", &weight_buffer),
            ("rope", &rope_buffer),
            ("y", &y),
            ("kv", self.kv),
        ];
        let dispatch = Dispatch::new(self.gpu, &kernel.shader(), &bound, kernel.grid());

        let own_angles = |token: usize| &angles[(position + token) * rope_dim / 2..];
        let pairs = queries.chunks_exact(key_dim + rope_dim).zip(rotated.chunks_exact_mut(dim));
        for (index, (query, rotated)) in pairs.enumerate() {
            rotated[rank..].copy_from_slice(&query[key_dim..]);
            rope(&mut rotated[rank..], own_angles(index / count), &heads);
        }
        let keys = latents.chunks_exact(dim).enumerate();
        let keys: Vec<f32> =
            keys.flat_map(|(token, row)| latent_key(row, &weight, own_angles(token), kernel)).collect();
        let expected = [Expected::new(&y, Form::Floats, rotated), cached(self.kv, cache, (0, position), (&keys, dim))];
        self.run(&[&dispatch], tokens, &expected);
    }

    /// Buffers of the weights and biases of the norms of queries and keys, by the kernel's variables.
    fn norm_buffers(
        &mut self,
        vectors: [&[Vec<f32>; 2]; 2],
        kernel: &HeadNormKernel,
    ) -> Vec<(&'static str, wgpu::Buffer)> {
        let variables = [["query_norm", "key_norm"], ["query_bias", "key_bias"]];
        let is_used = [kernel.kind != HeadNorm::None, kernel.centred];
        let count = if kernel.queries_only { 1 } else { 2 };
        let mut buffers = Vec::new();
        for ((pair, vectors), _) in variables.iter().zip(vectors).zip(is_used).filter(|(_, is_used)| *is_used) {
            let contents = pair.iter().zip(vectors).take(count);
            buffers.extend(contents.map(|(name, vector)| (*name, self.buffer(vector))));
        }
        buffers
    }

    /// Tests a norm that is added.
    pub(super) fn add_norm(&mut self, norm: &AddNorm) {
        let (len, places) = (norm.len as usize, norm.places as usize);
        let all = TOKENS * norm.count as usize * len;
        let (x, weight, y) = (self.random.floats(all), self.random.floats(len), self.random.floats(places * all));
        let residual = self.random.floats(if norm.residual.is_some() { all } else { 0 });
        let factor = [0.75];
        let sum_scale = norm.residual.unwrap_or(1.0) * if norm.scaled_sum { factor[0] } else { 1.0 };
        let normed = rms_norm(&x, &weight, norm.eps);
        let sum = |(at, y): (usize, &f32)| {
            let from = at / (places * len) * len + at % len;
            sum_scale * (y + norm.scale * normed[from] + residual.get(from).copied().unwrap_or_default())
        };
        let sums: Vec<f32> = y.iter().enumerate().map(sum).collect();
        let mut variables = vec![read("x", &x), read("norm_weight", &weight), written("y", &y, &sums)];
        variables.extend(norm.scaled_sum.then(|| read("sum_scale", &factor)));
        variables.extend(norm.residual.map(|_| read("residual", &residual)));
        self.compare((norm.shader(), norm.grid()), TOKENS, &variables);
    }

    /// Tests a norm of whole vectors.
    pub(super) fn layer_norm(&mut self, norm: &LayerNorm) {
        let len = norm.len as usize;
        let (x, residual) = (self.random.floats(TOKENS * len), self.random.floats(TOKENS * len));
        let weight = self.random.floats(len);
        let bias = if norm.bias { self.random.floats(len) } else { vec![0.0; len] };
        let sum = |(x, residual): (&f32, &f32)| if norm.residual { x + residual } else { *x };
        let input: Vec<f32> = x.iter().zip(&residual).map(sum).collect();
        let normed =
            if norm.rms { rms_norm(&input, &weight, norm.eps) } else { layer_norm(&input, &weight, &bias, norm.eps) };
        let y = vec![BEFORE; TOKENS * len];
        let mut variables = vec![read("norm_weight", &weight)];
        variables.extend(norm.bias.then(|| read("norm_bias", &bias)));
        variables.extend(norm.residual.then(|| read("residual", &residual)));
        if norm.in_place {
            variables.push(written("x", &x, &normed));
        } else {
            let form = if norm.halves { Form::Halves } else { Form::Floats };
            variables.extend([read("x", &x), Variable { name: "y", before: &y, after: Some((form, &normed)) }]);
        }
        self.compare((norm.shader(), Grid::TokensInX), TOKENS, &variables);
    }

    /// Tests the cutoff of gates.
    pub(super) fn gate_cutoff(&mut self, kernel: GateCutoff) {
        let len = kernel.len as usize;
        let y = self.random.floats(TOKENS * len);
        let cut = cut_gates(&y, len, kernel.deviations);
        self.compare((kernel.shader(), Grid::TokensInX), TOKENS, &[written("y", &y, &cut)]);
    }

    /// Tests a step with the vectors of a hidden state.
    pub(super) fn streams(&mut self, streams: &Streams) {
        let [count, len] = [streams.count, streams.len].map(|number| number as usize);
        let rest = (count - 1) * len;
        let (before, others) = (self.random.floats(TOKENS * len), self.random.floats(TOKENS * rest));
        let (routes, scale) = (self.random.floats(TOKENS * count), self.random.floats(len));
        let prediction = self.random.floats(TOKENS * len);
        let power = if streams.step == StreamStep::Predict { 3 } else { 2 };
        let coefficients = self.random.floats(count.pow(power));
        let (mut hidden, mut rest_after) = (before.clone(), others.clone());
        for token in 0..TOKENS {
            let own = &mut hidden[token * len..][..len];
            let (rest, routes) = (&mut rest_after[token * rest..][..rest], &routes[token * count..][..count]);
            match streams.step {
                StreamStep::Expand => streams_reference::expand(own, rest),
                StreamStep::Predict => streams_reference::predict(own, rest, routes, &coefficients),
                StreamStep::Correct => {
                    let prediction = &prediction[token * len..][..len];
                    streams_reference::correct(own, rest, prediction, routes, &coefficients);
                }
                StreamStep::Merge => streams_reference::merge(own, rest),
            }
        }
        let gate_input: Vec<f32> = hidden.iter().zip(scale.iter().cycle()).map(|(x, scale)| x * scale).collect();
        let (both, empty) =
            ([read("routes", &routes), read("coefficients", &coefficients)], vec![BEFORE; TOKENS * len]);
        let [hidden_after, others_after] =
            [written("hidden", &before, &hidden), written("others", &others, &rest_after)];
        let variables = match streams.step {
            StreamStep::Expand => vec![read("x", &before), written("y", &others, &rest_after)],
            StreamStep::Merge => vec![read("x", &others), written("y", &before, &hidden)],
            StreamStep::Predict => {
                let copy = written("prediction", &empty, &hidden);
                both.into_iter().chain([hidden_after, others_after, copy]).collect()
            }
            StreamStep::Correct => {
                let inputs = [read("prediction", &prediction), read("gate_scale", &scale)];
                let gates = written("gate_input", &empty, &gate_input);
                both.into_iter().chain(inputs).chain([hidden_after, others_after, gates]).collect()
            }
        };
        self.compare((streams.shader(), streams.grid()), TOKENS, &variables);
    }

    /// Tests a norm with gates.
    pub(super) fn gated_norm(&mut self, norm: &GatedNorm) {
        let [heads, dim, row_len, gate_at] =
            [norm.heads, norm.head_dim, norm.gate_row_len, norm.gate_at].map(|number| number as usize);
        let (y, rows) = (self.random.floats(TOKENS * heads * dim), self.random.floats(TOKENS * row_len));
        let gates: Vec<f32> =
            rows.chunks_exact(row_len).flat_map(|row| &row[gate_at..][..heads * dim]).copied().collect();
        let weight = self.random.floats(if norm.gate_first { heads * dim } else { dim });
        let normed = if norm.gate_first {
            gated_norm_after_gate(&y, &weight, &gates, dim, norm.eps)
        } else {
            gated_norm(&y, &weight, &gates, norm.eps)
        };
        let variables = [read("gate", &rows), read("weight", &weight), written("y", &y, &normed)];
        self.compare((norm.shader(), norm.grid()), TOKENS, &variables);
    }

    /// Tests a convolution and, for one token, the update of its state.
    pub(super) fn convolution(&mut self, convolution: &Convolution) {
        let [channels, taps, row_len] =
            [convolution.channels, convolution.taps, convolution.row_len].map(|number| number as usize);
        let tokens = if convolution.one_token { 1 } else { TOKENS };
        let (rows, weights) = (self.random.floats(tokens * row_len), self.random.floats(channels * taps));
        let bias = self.random.floats(if convolution.biased { channels } else { 0 });
        let before = self.random.floats((taps - 1) * channels);
        let mut after = before.clone();
        let result = convolve(&rows, &weights, &bias, &mut after, convolution);
        let y = vec![BEFORE; result.len()];
        let mut variables = vec![read("rows", &rows), read("taps", &weights), written("y", &y, &result)];
        variables.extend(convolution.biased.then(|| read("bias", &bias)));
        variables.push(if convolution.one_token {
            written("memory", &before, &after)
        } else {
            read("memory", &before)
        });
        self.compare((convolution.shader(), convolution.grid()), tokens, &variables);
    }

    /// Tests the update of a convolution's state.
    pub(super) fn convolution_state(&mut self, convolution: &Convolution) {
        let [channels, taps, row_len] =
            [convolution.channels, convolution.taps, convolution.row_len].map(|number| number as usize);
        let (rows, before) = (self.random.floats(TOKENS * row_len), self.random.floats((taps - 1) * channels));
        let mut after = before.clone();
        convolve(&rows, &vec![0.0; channels * taps], &[], &mut after, convolution);
        let variables = [read("rows", &rows), written("memory", &before, &after)];
        self.compare((convolution.state_shader(), convolution.state_grid()), TOKENS, &variables);
    }

    /// Tests the gated delta rule.
    pub(super) fn delta_net(&mut self, net: &DeltaNet) {
        let [key_heads, heads, dim, row_len] =
            [net.key_heads, net.value_heads, net.head_dim, net.gates_row_len].map(|number| number as usize);
        let qkv = self.random.floats(TOKENS * (2 * key_heads + heads) * dim);
        let gates = self.random.floats(TOKENS * row_len);
        let (dt_bias, decay) = (self.random.floats(heads), self.decays(heads));
        let before = self.random.floats(heads * dim * dim);
        let mut after = before.clone();
        let inputs = delta_net_reference::Inputs { qkv: &qkv, gates: &gates, dt_bias: &dt_bias, decay: &decay };
        let result = delta_net_reference::delta_net(inputs, &mut after, net);
        let y = vec![BEFORE; result.len()];
        let variables = [
            read("qkv", &qkv),
            read("gates", &gates),
            read("dt_bias", &dt_bias),
            read("decay", &decay),
            written("memory", &before, &after),
            written("y", &y, &result),
        ];
        self.compare((net.shader(), net.grid()), TOKENS, &variables);
    }

    /// Tests a state space.
    pub(super) fn state_space(&mut self, space: &StateSpace) {
        let [heads, dim, groups, len, row_len] =
            [space.heads, space.head_dim, space.groups, space.state_len, space.row_len].map(|number| number as usize);
        let inputs = self.random.floats(TOKENS * (heads * dim + 2 * groups * len));
        let rows = self.random.floats(TOKENS * row_len);
        let (step_bias, decay, skip) = (self.random.floats(heads), self.decays(heads), self.random.floats(heads));
        let before = self.random.floats(heads * dim * len);
        let mut after = before.clone();
        let result = state_space_reference::state_space(
            state_space_reference::Inputs {
                inputs: &inputs,
                rows: &rows,
                step_bias: &step_bias,
                decay: &decay,
                skip: &skip,
            },
            &mut after,
            space,
        );
        let y = vec![BEFORE; result.len()];
        let variables = [
            read("inputs", &inputs),
            read("rows", &rows),
            read("step_bias", &step_bias),
            read("decay", &decay),
            read("skip", &skip),
            written("memory", &before, &after),
            written("y", &y, &result),
        ];
        self.compare((space.shader(), space.grid()), TOKENS, &variables);
    }

    /// Tests the choice of experts.
    pub(super) fn router(&mut self, router: &Router) {
        let (count, row_len) = (router.experts.count as usize, router.row_len() as usize);
        // So far apart that rounding does not change the order.
        let score = |at: usize| (7 * (at % row_len) + 3 * (at / row_len)) % count;
        let logits: Vec<f32> = (0..TOKENS * row_len).map(|at| 4.0 * score(at) as f32 / count as f32 - 2.0).collect();
        let bias: Vec<f32> = (0..count).map(|expert| if expert % 3 == 0 { 1.0 } else { 0.0 }).collect();
        let bias = if router.is_biased { &bias[..] } else { &[] };
        let scales = self.random.floats(if router.is_scaled { count } else { 0 });
        let (chosen, weights) = experts_reference::route(&logits, [bias, &scales], router);
        let chosen: Vec<f32> = chosen.iter().map(|expert| 1.0 + *expert as f32).collect();
        let zeros = vec![0.0; weights.len().max(chosen.len())];
        let experts = &zeros[..chosen.len()];
        let mut variables = vec![
            read("logits", &logits),
            Variable { name: "experts", before: experts, after: Some((Form::Integers, &chosen)) },
            written("weights", &zeros[..weights.len()], &weights),
        ];
        variables.extend(router.is_biased.then(|| read("bias", bias)));
        variables.extend(router.is_scaled.then(|| read("expert_scales", &scales)));
        self.compare((router.shader(), Grid::TokensInX), TOKENS, &variables);
    }

    /// Tests the lists of slots by expert.
    pub(super) fn group(&mut self, experts: &ExpertConfig) {
        let chosen: Vec<u32> = (0..TOKENS as u32 * experts.used).map(|slot| 7 * slot % experts.count).collect();
        let groups = experts_reference::group(&chosen, experts.count);
        let (state, chosen) = (self.state(0, TOKENS), self.buffer(&chosen));
        let y = self.buffer(&vec![0u32; groups.len()]);
        let (shader, grid) = group(experts);
        let bound = [("state", &state), ("experts", &chosen), ("groups", &y)];
        let dispatch = Dispatch::new(self.gpu, &shader, &bound, grid);
        let groups = groups.into_iter().map(|slot| slot.wrapping_add(1) as f32);
        self.run(&[&dispatch], TOKENS, &[Expected::new(&y, Form::Integers, groups)]);
    }

    /// Tests the sum of the experts' outputs.
    pub(super) fn expert_sum(&mut self, sum: &ExpertSum) {
        let (config, len) = (&sum.experts, sum.len as usize);
        let x = self.random.floats(TOKENS * config.used as usize * len);
        let weights = self.random.floats(TOKENS * config.outputs() as usize);
        let shared = self.random.floats(if config.sums_shared() { TOKENS * len } else { 0 });
        let (y, before) = (vec![BEFORE; TOKENS * len], if sum.replaces { 0.0 } else { BEFORE });
        let sums = experts_reference::expert_sum(&x, &shared, &weights, config, len);
        let sums: Vec<f32> = sums.iter().map(|own| before + sum.scale * own).collect();
        let mut variables = vec![read("x", &x), read("weights", &weights), written("y", &y, &sums)];
        variables.extend(config.sums_shared().then(|| read("shared_x", &shared)));
        self.compare((sum.shader(), sum.grid()), TOKENS, &variables);
    }
}
