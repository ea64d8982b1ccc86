//! Products in tiles whose tokens share an expert.

use parlance_engine::gguf::TensorType;
use parlance_engine::kernels::experts::{NO_SLOT, reference};
use parlance_engine::kernels::grouped_len;
use parlance_engine::kernels::linear::reference::{matmul, rms_norm, rounded_to_bytes};
use parlance_engine::kernels::linear::{
    Epilogue, ExpertRows, Linear, LinearTuning, Tiles, halve, has_integers, quantise,
};
use parlance_engine::runtime::{Dispatch, Gpu, GpuOptions, Tuning};

use crate::common::{Random, assert_close, device, plain_device};
use crate::linear::{Case, EPS, on_devices};
use crate::{PADDING, UNTOUCHED, gpu_tests, read_padded, run, state};

gpu_tests! {
    tiles_share_experts_in_every_format,
    tiles_share_experts_in_every_layout,
    matrix_units_share_experts_in_every_format,
}

/// Experts, how many of them a token uses, and rows of an expert: an odd number.
const EXPERTS: u32 = 5;
const USED: u32 = 2;
const ROWS: u32 = 35;
/// Tokens of a batch. They fill neither tiles nor units of groups.
const TOKENS: usize = 75;

/// The experts of each slot.
fn choices() -> [Vec<u32>; 3] {
    let slots = 0..TOKENS * USED as usize;
    [
        // One expert has no tokens.
        slots.clone().map(|slot| [4, 0, 2, 4, 1][slot % 5]).collect(),
        // One has nearly all, more than a unit of groups.
        slots.clone().map(|slot| if slot % 30 == 7 { 0 } else { 3 }).collect(),
        // One has all.
        slots.map(|_| 1).collect(),
    ]
}

/// A small layout, for devices with little workgroup memory.
fn small(gpu: &Gpu) -> LinearTuning {
    LinearTuning { workgroup: 32, pairs: 2, tokens: 4, tiles: Tiles::Shared, ..gpu.tuning().prefill }
}

/// The layout for graphics cards, without tiles if the device has too little workgroup memory.
fn hardware(gpu: &Gpu, tiles: Tiles) -> LinearTuning {
    let memory_bytes = gpu.device().limits().max_compute_workgroup_storage_size;
    Tuning::for_hardware(None).with_tiles(memory_bytes, tiles).prefill_large
}

/// A product of tokens and their experts.
struct Grouped<'a> {
    case: &'a Case,
    tuning: LinearTuning,
    shares_input: bool,
    with_norm: bool,
    /// The expert of each slot.
    chosen: &'a [u32],
}

impl Grouped<'_> {
    fn inputs(&self) -> usize {
        if self.shares_input { self.chosen.len() / USED as usize } else { self.chosen.len() }
    }

    async fn actual(&self, gpu: &Gpu) -> Vec<f32> {
        let tokens = (self.chosen.len() / USED as usize) as u32;
        let state = state(gpu, 0, tokens, 0);
        let x = gpu.storage_buffer_with("x", &self.case.x[..self.inputs() * self.case.matrix.cols as usize]);
        let norm = gpu.storage_buffer_with("norm", &self.case.norm);
        let experts = gpu.storage_buffer_with("experts", self.chosen);
        let padded_tokens = tokens + PADDING as u32;
        let mut groups = reference::group(self.chosen, EXPERTS);
        groups.resize(grouped_len(padded_tokens * USED, EXPERTS) as usize, NO_SLOT);
        let groups = gpu.storage_buffer_with("groups", &groups);
        let row_len = (USED * ROWS) as usize;
        let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; padded_tokens as usize * row_len]);
        let rows = ExpertRows { rows: ROWS, used: USED, shares_input: self.shares_input };
        let norm_eps = self.with_norm.then_some(EPS);
        let prepare = match self.tuning.tiles {
            Tiles::Packed => Some(quantise(rows.inputs(), self.case.matrix.cols, norm_eps)),
            Tiles::Cooperative => Some(halve(rows.inputs(), self.case.matrix.cols, norm_eps)),
            Tiles::Shared | Tiles::None => None,
        };
        // Takes fewer bytes than floats.
        let prepared = gpu.storage_buffer("prepared", x.size());
        let linear = Linear {
            out_rows: ROWS,
            norm_eps: norm_eps.filter(|_| prepare.is_none()),
            experts: Some(rows),
            ..self.case.linear(self.tuning, Epilogue::STORE)
        };
        let with_norm = |eps: Option<f32>| eps.map(|_| ("norm_weight", &norm));
        let mut bindings = self.case.bindings(&state, if prepare.is_some() { &prepared } else { &x });
        bindings.extend([("y", &y), ("experts", &experts), ("groups", &groups)]);
        bindings.extend(with_norm(linear.norm_eps));
        let mut dispatches = vec![Dispatch::new(gpu, &linear.shader().unwrap(), &bindings, linear.grid())];
        if let Some((shader, grid)) = prepare {
            let mut bindings = vec![("state", &state), ("x", &x), ("y", &prepared)];
            bindings.extend(with_norm(norm_eps));
            dispatches.insert(0, Dispatch::new(gpu, &shader, &bindings, grid));
        }
        run(gpu, &dispatches, padded_tokens);
        read_padded(gpu, &y, tokens as usize * row_len, row_len).await
    }

    fn expected(&self) -> Vec<f32> {
        let (case, cols) = (self.case, self.case.matrix.cols as usize);
        let x = if self.with_norm { rms_norm(&case.x, &case.norm, EPS) } else { case.x.clone() };
        let x = if self.tuning.tiles == Tiles::Packed { rounded_to_bytes(&x) } else { x };
        let all = matmul(&case.weights, &x, cols);
        let row_of = |(slot, expert): (usize, &u32)| {
            let input = if self.shares_input { slot / USED as usize } else { slot };
            &all[(input * EXPERTS as usize + *expert as usize) * ROWS as usize..][..ROWS as usize]
        };
        self.chosen.iter().enumerate().flat_map(row_of).copied().collect()
    }

    async fn check(&self, gpu: &Gpu) {
        let Self { case, tuning, shares_input, with_norm, chosen } = self;
        let what = format!(
            "{}, shared input: {shares_input}, norm: {with_norm}, {tuning:?}, {chosen:?}",
            case.matrix.tensor_type
        );
        let tolerance = match tuning.tiles {
            // The kernel and the reference may round an element differently if it is nearly halfway.
            Tiles::Packed => 1e-3,
            // Inputs and weights are rounded to 11 bits.
            Tiles::Cooperative => 2e-3,
            Tiles::Shared | Tiles::None => 1e-5,
        };
        assert_close(&self.actual(gpu).await, &self.expected(), tolerance, &what);
    }
}

fn case(gpu: &Gpu, random: &mut Random, tensor_type: TensorType) -> Case {
    Case::new(gpu, random, tensor_type, EXPERTS * ROWS, 256, TOKENS * USED as usize)
}

async fn tiles_share_experts_in_every_format() {
    let gpu = plain_device().await;
    let mut random = Random(41);
    let [chosen, ..] = choices();
    for tensor_type in TensorType::supported() {
        let case = case(&gpu, &mut random, tensor_type);
        let integers = has_integers(tensor_type).then(|| small(&gpu).packed());
        for (tuning, shares_input) in [(Some(small(&gpu)), true), (integers, false)] {
            let Some(tuning) = tuning else { continue };
            Grouped { case: &case, tuning, shares_input, with_norm: true, chosen: &chosen }.check(&gpu).await;
        }
    }
}

async fn tiles_share_experts_in_every_layout() {
    let mut random = Random(42);
    let layouts =
        |gpu: &Gpu| vec![small(gpu), small(gpu).packed(), hardware(gpu, Tiles::Shared), hardware(gpu, Tiles::Packed)];
    for (gpu, tuning) in on_devices(layouts).await {
        if tuning.tiles == Tiles::None {
            continue;
        }
        let case = case(&gpu, &mut random, TensorType::Q8_0);
        for (chosen, (shares_input, with_norm)) in choices().iter().zip([(true, true), (false, false), (true, false)]) {
            Grouped { case: &case, tuning, shares_input, with_norm, chosen }.check(&gpu).await;
        }
    }
}

/// Only on adapters that have them.
async fn matrix_units_share_experts_in_every_format() {
    let gpu = device(GpuOptions::default()).await;
    if !gpu.has_matrix_units() {
        println!("{} has no matrix units", gpu.adapter_name());
        return;
    }
    let mut random = Random(43);
    let wide = hardware(&gpu, Tiles::Cooperative);
    let narrow = LinearTuning { prefetch: true, ..gpu.tuning().prefill_narrow };
    assert_eq!([wide.tiles, narrow.tiles], [Tiles::Cooperative; 2]);
    for tensor_type in TensorType::supported() {
        let case = case(&gpu, &mut random, tensor_type);
        for (chosen, (shares_input, with_norm)) in choices().iter().zip([(true, true), (false, false), (true, false)]) {
            for tuning in [wide, narrow] {
                Grouped { case: &case, tuning, shares_input, with_norm, chosen }.check(&gpu).await;
            }
        }
    }
}
