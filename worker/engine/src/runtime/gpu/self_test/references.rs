//! Test inputs and expected results of products, attention, lookups and the sampler.

use std::ops::Range;

use super::bench::{BEFORE, Bench, Expected, Form, Products, Target, UNIT_ROWS};
use crate::error::Result;
use crate::kernels::attention::cache::{from_cache, in_cache_order, into_cache};
use crate::kernels::attention::{Attention, AttentionLayout, reference as attention_reference};
use crate::kernels::embed::Embed;
use crate::kernels::linear::reference::{activate, gate_up, rope};
use crate::kernels::linear::{Epilogue, Linear};
use crate::kernels::sampling::reference::{self as sampling_reference, penalise};
use crate::kernels::{CacheLayout, Grid};
use crate::models::{CacheFormat, HeadShape, MatrixId};
use crate::runtime::device::{Dispatch, Task};
use crate::runtime::gpu::decoder::GpuDecoder;
use crate::runtime::gpu::weights::Weights;
use crate::sampling::SamplingParams;

/// Number of tokens in a batch; fills neither a tile nor a group of tokens that a thread computes at once.
pub(super) const TOKENS: usize = 5;
/// Position of the batch's first token.
const POSITION: usize = 40;
/// Number of row pairs to compare, of those that one workgroup computes, including its first and last.
const PAIRS: u32 = 8;

/// Maximum number of tokens that a product's kernel computes.
fn most_tokens(linear: &Linear) -> usize {
    if linear.tuning.has_lanes() { 1 } else { TOKENS }
}

/// Position and number of tokens of batches in a cache of `positions`: one near its beginning, and if it is a ring, one
/// where that begins again.
pub(super) fn places(most_tokens: usize, positions: usize, ring: Option<u32>) -> Vec<(usize, usize)> {
    let tokens = most_tokens.min(positions);
    let turn = ring.map(|len| len as usize + 1 - tokens.div_ceil(2));
    [POSITION.min(positions - tokens)].into_iter().chain(turn).map(|position| (position, tokens)).collect()
}

/// Scores of sinks as if a number of positions with zeros were attended to, too.
fn with_zeros(sinks: &[f32], heads: &HeadShape, zeros: usize) -> Vec<f32> {
    let sink = |head: usize| sinks.get(head).map_or(0.0, |sink: &f32| sink.exp());
    (0..heads.heads as usize).map(|head| (sink(head) + zeros as f32).ln()).collect()
}

/// Evenly spaced numbers below `len`, including the first and the last.
fn spread(len: u32) -> impl Iterator<Item = u32> {
    let count = len.min(PAIRS);
    (0..count).map(move |i| if count > 1 { i * (len - 1) / (count - 1) } else { 0 })
}

/// Applies an epilogue to a product.
fn finished(epilogue: Epilogue, product: f32) -> f32 {
    match epilogue {
        Epilogue::Store { scale, softcap } => {
            softcap.map_or(scale * product, |cap| cap * (scale * product / cap).tanh())
        }
        Epilogue::AddTo { scale } => BEFORE + scale * product,
        Epilogue::Activate(activation) | Epilogue::ActivateHalves(activation) => activate(product, activation),
        Epilogue::GateInput { activation, .. } => activate(product, activation) * BEFORE,
        Epilogue::Gate(activation) => gate_up(BEFORE, product, activation),
        // Needs two products; applied by the caller.
        Epilogue::Gated(_) | Epilogue::Qkv { .. } => product,
    }
}

/// Rows of the first query, key and value head.
fn first_heads(heads: &HeadShape) -> [Range<u32>; 3] {
    let (keys, values) = (heads.query_len(), heads.query_len() + heads.key_len());
    [0..heads.head_dim, keys..keys + heads.head_dim, values..values + heads.value_dim]
}

/// A token's first heads: the query, rotated; the key, rotated and in the order of the cache; the value. Each is empty
/// without rows. `angles` start with those of the token's position.
fn rotated(
    products: &Products,
    token: usize,
    rows: [Option<Range<u32>>; 3],
    heads: &HeadShape,
    angles: &[[f32; 2]],
) -> [Vec<f32>; 3] {
    let head = |rows: Range<u32>| rows.map(|row| products[&(token, row)]).collect::<Vec<_>>();
    let [mut query, mut key, value] = rows.map(|rows| rows.map_or_else(Vec::new, head));
    for head in [&mut query, &mut key] {
        if !head.is_empty() {
            rope(head, angles, heads);
        }
    }
    [query, in_cache_order(&key, heads), value]
}

/// What the cache holds of the positions before a batch.
struct Cached {
    /// The last of them, which have keys and values.
    filled: usize,
    /// Those before, which have zeros.
    zeros: usize,
}

impl Cached {
    /// Scores of the sinks of a token's attention if zeros count as sinks, too.
    fn sinks(&self, attention: &Attention, sinks: &[f32], token: usize) -> Vec<f32> {
        let filled = self.filled + token + 1;
        let in_window = attention.window.map_or(self.zeros, |window| (window as usize).saturating_sub(filled));
        with_zeros(sinks, &attention.heads, in_window.min(self.zeros))
    }
}

impl Bench<'_> {
    /// Tests a dispatch's kernel, unless it was tested before.
    pub(super) fn test(&mut self, dispatch: &Dispatch) -> Result<()> {
        let (kernel, _) = dispatch.identity();
        let Some(task) = dispatch.task().filter(|_| self.tested.insert(kernel)) else { return Ok(()) };
        match task {
            Task::Product(linear, norm_eps) => match linear.epilogue {
                Epilogue::Qkv { heads, cache } => self.qkv(linear, *norm_eps, &heads, cache)?,
                _ => self.product(linear, *norm_eps)?,
            },
            Task::Projected(attention, linear) => self.projected(attention, linear)?,
            Task::Embed(embed) => self.embed(embed)?,
            Task::Attention(attention) => self.attention(attention),
            Task::AttentionGate(heads, row_len) => self.attention_gate(heads, *row_len),
            Task::HeadNorm(kernel) => self.head_norm(kernel),
            Task::Latent(kernel) => self.latent(kernel),
            Task::AddNorm(norm) => self.add_norm(norm),
            Task::LayerNorm(norm) => self.layer_norm(norm),
            Task::GateCutoff(kernel) => self.gate_cutoff(*kernel),
            Task::Streams(streams) => self.streams(streams),
            Task::GatedNorm(norm) => self.gated_norm(norm),
            Task::Convolution(convolution) => self.convolution(convolution),
            Task::ConvolutionState(convolution) => self.convolution_state(convolution),
            Task::DeltaNet(net) => self.delta_net(net),
            Task::StateSpace(space) => self.state_space(space),
            Task::Router(router) => self.router(router),
            Task::Group(experts) => self.group(experts),
            Task::ExpertSum(sum) => self.expert_sum(sum),
            Task::AddRows(rows) => self.add_rows(rows),
            Task::MeanRows(rows) => self.mean_rows(rows),
            Task::Clamp(clamp) => self.clamp(clamp),
            Task::GateRows(len, activation) => self.gate_rows(*len, *activation),
        }
        Ok(())
    }

    /// Tests the sampler, with the model's own buffers.
    pub(super) fn sample(&mut self, model: &GpuDecoder) {
        let params = SamplingParams { temperature: 0.8, min_p: 0.05, seed: 7, ..SamplingParams::GREEDY };
        let logits: Vec<f32> = self.random.floats(model.vocab as usize).iter().map(|logit| 8.0 * logit).collect();
        self.gpu.queue().write_buffer(&model.buffers.logits, 0, bytemuck::cast_slice(&logits));
        model.buffers.sampler.begin(self.gpu, &(&params).into(), &vec![0; logits.len()]);
        model.feed(0, 0, 0);
        let penalised: Vec<f32> = logits.iter().map(|logit| penalise(*logit, 0, &params)).collect();
        let token = sampling_reference::sample(&penalised, &params, 0) as u32;
        let expected = [Expected::new(&model.buffers.sampler.next_id, Form::Token(token), [1.0])];
        self.run(&model.sampler.each_ref(), 1, &expected);
    }

    /// Tests a product with any epilogue except [`Epilogue::Qkv`].
    fn product(&mut self, linear: &Linear, norm_eps: Option<f32>) -> Result<()> {
        let tokens = most_tokens(linear);
        let slots = tokens * linear.slots() as usize;
        let is_gated = matches!(linear.epilogue, Epilogue::Gated(_));
        let (step, apart) = if is_gated { (1, linear.pairs()) } else { (2, 1) };
        let rows_of = |pair: u32| [step * pair, (step * pair + apart).min(linear.product_rows() - 1)];
        let pairs: Vec<u32> = spread(linear.tuning.tile()[0].min(linear.pairs())).collect();
        let y = self.buffer(&vec![BEFORE; slots * linear.out_rows as usize]);
        let place = |linear: &Linear| {
            let [_, _, z] = linear.grid().workgroups(tokens as u32);
            Some((linear.shader()?, Grid::Fixed([1, 1, z])))
        };
        let rows = pairs.iter().flat_map(|pair| rows_of(*pair)).collect();
        let input = match linear.epilogue {
            Epilogue::GateInput { len, .. } => Some(self.buffer(&vec![BEFORE; tokens * len as usize])),
            _ => None,
        };
        let extra: Vec<_> = input.iter().map(|input| ("gated_input", input)).collect();
        let target = Target { rows, y: &y, extra: &extra, position: 0, tokens, place: &place };
        let (dispatch, products) = self.multiplied(linear, norm_eps, &target)?;

        let at = |slot: usize, row: u32| slot * linear.out_rows as usize + (linear.first_row + row) as usize;
        let has_halves = matches!(linear.epilogue, Epilogue::ActivateHalves(_));
        let mut expected = Expected::new(&y, if has_halves { Form::Halves } else { Form::Floats }, []);
        if let Epilogue::Gated(activation) = linear.epilogue {
            for (slot, pair) in (0..slots).flat_map(|slot| pairs.iter().map(move |pair| (slot, *pair))) {
                let [gate, up] = rows_of(pair).map(|row| products[&(slot, row)]);
                expected.values.push((at(slot, pair), gate_up(gate, up, activation)));
            }
        } else {
            let values =
                products.iter().map(|((slot, row), value)| (at(*slot, *row), finished(linear.epilogue, *value)));
            expected.values.extend(values);
        }
        self.run(&[&dispatch], tokens, &[expected]);
        Ok(())
    }

    /// Tests the product of queries, keys and values.
    fn qkv(&mut self, linear: &Linear, norm_eps: Option<f32>, heads: &HeadShape, cache: CacheLayout) -> Result<()> {
        let positions = cache.value_offset / cache.format.row_words(heads.key_len());
        let mut places = places(most_tokens(linear), positions as usize, cache.ring).into_iter();
        places.try_for_each(|place| self.qkv_at(linear, norm_eps, (heads, cache), place))
    }

    /// The same for a batch at this place. Compares the first head of each, if it is in this matrix.
    fn qkv_at(
        &mut self,
        linear: &Linear,
        norm_eps: Option<f32>,
        (heads, cache): (&HeadShape, CacheLayout),
        (position, tokens): (usize, usize),
    ) -> Result<()> {
        let [query_len, key_len, value_len] =
            [heads.query_len(), heads.key_len(), heads.value_len()].map(|len| len as usize);
        let angles = self.angles(heads, position, tokens);
        let rope_buffer = self.buffer(&angles);
        let query = self.buffer(&vec![BEFORE; tokens * query_len]);
        let in_matrix = |rows: Range<u32>| {
            let start = rows.start.checked_sub(linear.first_row)?;
            Some(start..start + rows.end - rows.start).filter(|rows| rows.end <= linear.rows)
        };
        let firsts = first_heads(heads).map(in_matrix);
        let last_pair = firsts.iter().flatten().map(|rows| rows.end / 2 - 1).max().unwrap_or(0);
        let place = |linear: &Linear| {
            let [_, _, z] = linear.grid().workgroups(tokens as u32);
            Some((linear.shader()?, Grid::Fixed([last_pair / linear.tuning.tile()[0] + 1, 1, z])))
        };
        let extra = [("kv", self.kv), ("rope", &rope_buffer)];
        let rows = firsts.iter().flatten().cloned().flatten().collect();
        let target = Target { rows, y: &query, extra: &extra, position, tokens, place: &place };
        let (dispatch, products) = self.multiplied(linear, norm_eps, &target)?;

        let form = if cache.format == CacheFormat::F32 { Form::Floats } else { Form::Halves };
        let mut expected = [
            Expected::new(&query, Form::Floats, []),
            Expected::new(self.kv, form, []),
            Expected::new(self.kv, form, []).at_word(cache.value_offset.into()),
        ];
        for token in 0..tokens {
            let own_angles = &angles[(position + token) * (heads.rope_dim as usize / 2)..];
            let row = cache.row(0, position + token);
            let own = rotated(&products, token, firsts.clone(), heads, own_angles);
            let starts = [token * query_len, row * key_len, row * value_len];
            for ((expected, at), head) in expected.iter_mut().zip(starts).zip(own) {
                expected.values.extend((at..).zip(head));
            }
        }
        self.run(&[&dispatch], tokens, &expected);
        Ok(())
    }

    /// Tests attention of all heads.
    fn attention(&mut self, attention: &Attention) {
        let Attention { heads, layout, cache, .. } = *attention;
        let key_words = if cache.value_offset == 0 { self.kv.size() / 4 } else { cache.value_offset.into() };
        let positions = key_words / u64::from(cache.format.row_words(heads.key_len()));
        let most_tokens = if layout == AttentionLayout::Token { 1 } else { TOKENS };
        // What depends on the position itself is tested near the beginning only.
        let ring = cache.ring.filter(|_| attention.temperature.is_none());
        for place in places(most_tokens, positions as usize, ring) {
            self.attention_at(attention, place);
        }
    }

    /// The same for a batch at this place.
    fn attention_at(&mut self, attention: &Attention, (position, tokens): (usize, usize)) {
        let Attention { heads, splits, .. } = *attention;
        let (cached, [keys, values]) = self.fill_cache(attention, position, tokens);
        let query_len = heads.query_len() as usize;
        let query = self.random.floats(tokens * query_len);
        let q = self.buffer(&query);
        let y_len = if splits > 1 { attention.split_len() as usize } else { heads.attended_len() as usize };
        let y = self.buffer(&vec![BEFORE; tokens * y_len]);
        let state = self.state(position, tokens);
        let (sinks, sinks_buffer) = self.sinks(attention);
        let mut bindings = vec![("state", &state), ("q", &q), ("kv", self.kv), ("y", &y)];
        bindings.extend(sinks_buffer.iter().map(|buffer| ("sinks", buffer)));
        let dispatch = Dispatch::new(self.gpu, &attention.shader(), &bindings, attention.grids()[0]);
        // The order of elements does not affect scores, as long as queries and keys have the same one.
        let query = in_cache_order(&query, &heads);
        let attended = query.chunks_exact(query_len).enumerate().flat_map(|(token, query)| {
            let sinks = cached.sinks(attention, &sinks, token);
            attention_reference::attention(query, [&keys, &values], &sinks, cached.filled + token, attention)
        });
        let form = match splits {
            1 if attention.halves => Form::Halves,
            1 => Form::Floats,
            _ => Form::Parts { splits: splits as usize, value_dim: heads.value_dim as usize },
        };
        let expected = [Expected::new(&y, form, attended)];
        self.run(&[&dispatch], tokens, &expected);
    }

    /// Tests attention that multiplies its own query, key and value.
    fn projected(&mut self, attention: &Attention, linear: &Linear) -> Result<()> {
        let Attention { heads, cache, .. } = *attention;
        let positions = cache.value_offset as usize * 2 / heads.key_len() as usize;
        let mut places = places(1, positions, cache.ring).into_iter();
        places.try_for_each(|(position, _)| self.projected_at(attention, linear, position))
    }

    /// The same for the first head of a token at this position.
    fn projected_at(&mut self, attention: &Attention, linear: &Linear, position: usize) -> Result<()> {
        let Attention { heads, cache, splits, .. } = *attention;
        // Values are as wide as keys.
        let (dim, kv_len) = (heads.head_dim as usize, heads.key_len() as usize);
        let (cached, [cached_keys, cached_values]) = self.fill_cache(attention, position, 0);
        let angles = self.angles(&heads, position, 1);
        let rope_buffer = self.buffer(&angles);
        let y = self.buffer(&vec![BEFORE; attention.split_len() as usize]);
        let firsts = first_heads(&heads);
        // The token's own position has two workgroups.
        let grid = Grid::Fixed([1, 1, splits + 1]);
        let place = |linear: &Linear| Some((attention.projected_shader(linear)?, grid));
        let (sinks, sinks_buffer) = self.sinks(attention);
        let mut extra = vec![("kv", self.kv), ("rope", &rope_buffer)];
        extra.extend(sinks_buffer.iter().map(|buffer| ("sinks", buffer)));
        let rows = firsts.iter().cloned().flatten().collect();
        let target = Target { rows, y: &y, extra: &extra, position, tokens: 1, place: &place };
        let (dispatch, products) = self.multiplied(linear, linear.norm_eps, &target)?;

        let own_angles = &angles[position * (heads.rope_dim as usize / 2)..];
        let [query, key, value] = rotated(&products, 0, firsts.map(Some), &heads, own_angles);
        // The first head of the cached rows, and the token's own.
        let seen = |cached: &[f32], own: &[f32]| -> Vec<f32> {
            cached.chunks_exact(kv_len).flat_map(|row| &row[..dim]).chain(own).copied().collect()
        };
        let [keys, values] = [seen(&cached_keys, &key), seen(&cached_values, &value)];
        let first_head = Attention { heads: HeadShape { heads: 1, kv_heads: 1, ..heads }, ..*attention };
        let query = in_cache_order(&query, &heads);
        let sinks = cached.sinks(&first_head, &sinks, 0);
        let attended = attention_reference::attention(&query, [&keys, &values], &sinks, cached.filled, &first_head);
        let own_word = (cache.row(0, position) * kv_len / 2) as u64;
        let expected = [
            Expected::new(&y, Form::Parts { splits: splits as usize, value_dim: dim }, attended),
            Expected::new(self.kv, Form::Halves, key).at_word(own_word),
            Expected::new(self.kv, Form::Halves, value).at_word(u64::from(cache.value_offset) + own_word),
        ];
        self.run(&[&dispatch], 1, &expected);
        Ok(())
    }

    /// Tests a lookup in the first rows of a table.
    fn embed(&mut self, embed: &Embed) -> Result<()> {
        let held = embed.rows.min(UNIT_ROWS);
        let shape = (embed.tensor_type, embed.rows, embed.cols, embed.first_row);
        let (matrix, rows) = self.matrix(shape, &(0..held).collect())?;
        let chosen: Vec<u32> = (0..TOKENS as u32).map(|token| (3 * token + 2) % held).collect();
        let ids = self.buffer(&chosen.iter().map(|row| embed.first_row + row).collect::<Vec<_>>());
        let x = self.buffer(&vec![BEFORE; TOKENS * embed.cols as usize]);
        let state = self.state(0, TOKENS);
        let weights = Weights { matrices: vec![matrix], vectors: Vec::new() };
        let builder = self.builder(&weights, &state, None, self.gpu.tuning().prefill);
        let mut program = Vec::new();
        builder.embed(&mut program, &vec![MatrixId(0)], &ids, &x, embed.scale, embed.adds)?;
        let before = if embed.adds { BEFORE } else { 0.0 };
        let found = chosen.iter().flat_map(|row| &rows[row]).map(|weight| before + embed.scale * weight);
        let expected = [Expected::new(&x, Form::Floats, found)];
        self.run(&program.iter().collect::<Vec<_>>(), TOKENS, &expected);
        Ok(())
    }

    /// Fills the cache for a batch of `tokens` at `position`, and the positions before it: the last with random keys and
    /// values, the others with zeros. Returns those, the keys in the cache's order of elements.
    fn fill_cache(&mut self, attention: &Attention, position: usize, tokens: usize) -> (Cached, [Vec<f32>; 2]) {
        let cache = attention.cache;
        let cached = Cached { filled: position.min(POSITION), zeros: position.saturating_sub(POSITION) };
        if cached.zeros > 0 {
            let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.clear_buffer(self.kv, 0, None);
            self.gpu.queue().submit([encoder.finish()]);
        }
        let [key_len, value_len] = attention.row_lens().map(|len| len as usize);
        let mut fill = |first_word: u32, len: usize| {
            let words = into_cache(&self.random.floats((cached.filled + tokens) * len), len, cache.format);
            let row_words = cache.format.row_words(len as u32) as usize;
            for (position, row) in (cached.zeros..).zip(words.chunks_exact(row_words)) {
                let word = first_word as usize + cache.row(0, position) * row_words;
                self.gpu.queue().write_buffer(self.kv, word as u64 * 4, bytemuck::cast_slice(row));
            }
            from_cache(&words, len, cache.format)
        };
        let keys = fill(0, key_len);
        let values = if cache.value_offset == 0 {
            let value_dim = attention.heads.value_dim as usize;
            keys.chunks_exact(key_len).flat_map(|key| &key[..value_dim]).copied().collect()
        } else {
            fill(cache.value_offset, value_len)
        };
        (cached, [keys, values])
    }

    /// Scores of the attention's sinks, and a buffer with them; none if it has no sinks.
    fn sinks(&mut self, attention: &Attention) -> (Vec<f32>, Option<wgpu::Buffer>) {
        let sinks = self.random.floats(if attention.sinks { attention.heads.heads as usize } else { 0 });
        let buffer = attention.sinks.then(|| self.buffer(&sinks));
        (sinks, buffer)
    }

    /// Cosines and sines of test angles of `tokens` at `position`, after zeros for the positions before.
    pub(super) fn angles(&mut self, heads: &HeadShape, position: usize, tokens: usize) -> Vec<[f32; 2]> {
        let pairs = heads.rope_dim as usize / 2;
        let own = self.random.floats((tokens * pairs).max(1));
        let mut angles = vec![[0.0; 2]; position * pairs];
        angles.extend(own.iter().map(|angle| [(3.0 * angle).cos(), (3.0 * angle).sin()]));
        angles
    }
}
