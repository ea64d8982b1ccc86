//! `cooperative.wgsl`, `halve.wgsl` and `attention_cooperative.wgsl`.

use parlance_engine::gguf::TensorType;
use parlance_engine::kernels::linear::{LinearTuning, Tiles, halve};
use parlance_engine::runtime::GpuOptions;

use crate::common::{Random, assert_close, device};
use crate::gpu_tests;
use crate::linear::{Case, EPS};

gpu_tests! {
    matrix_units_multiply_in_every_format,
}

/// Few adapters have matrix units, so the kernels for them are at least validated. Those in Chromium's dialect are written
/// to files, which `tests/npm/unit/kernels.test.mjs` compiles with Chromium's compiler.
#[cfg(not(target_family = "wasm"))]
#[test]
fn kernels_for_matrix_units_are_valid() {
    use naga::valid::{Capabilities, ValidationFlags, Validator};
    use parlance_engine::kernels::attention::{Attention, AttentionLayout};
    use parlance_engine::kernels::linear::{Epilogue, ExpertRows, Linear};
    use parlance_engine::kernels::{CacheLayout, expand, in_chromium};
    use parlance_engine::models::{Activation, HeadShape};
    use parlance_engine::runtime::Tuning;

    let hardware = Tuning::for_hardware(None).with_tiles(u32::MAX, Tiles::Cooperative);
    let tunings = [
        hardware.prefill_large,
        hardware.prefill_narrow,
        LinearTuning { prefetch: true, ..hardware.prefill_large },
        LinearTuning { prefetch: true, pairs: 2, ..hardware.prefill_narrow },
        hardware.encode_large,
        LinearTuning { prefetch: true, ..hardware.encode_slim },
    ];
    assert!(tunings.iter().all(|tuning| tuning.tiles == Tiles::Cooperative));
    let experts = ExpertRows { rows: 60, used: 2, shares_input: true };
    let shaders = TensorType::supported().flat_map(|tensor_type| [(tensor_type, None), (tensor_type, Some(experts))]);
    let shaders = shaders.flat_map(|(tensor_type, experts)| tunings.map(|tuning| (tensor_type, experts, tuning)));
    let shaders = shaders.flat_map(|(tensor_type, experts, tuning)| {
        let linear = Linear {
            tensor_type,
            rows: 300,
            cols: 512,
            first_row: 0,
            out_rows: 300,
            norm_eps: None,
            bias: true,
            experts,
            heads: None,
            merge: None,
            epilogue: Epilogue::Gated(Activation::Silu),
            tuning,
        };
        let epilogues = [linear.epilogue, Epilogue::ADD, Epilogue::ActivateHalves(Activation::GeluTanh)];
        let used = if experts.is_some() { 1 } else { epilogues.len() };
        epilogues[..used]
            .iter()
            .map(|epilogue| Linear { epilogue: *epilogue, ..linear }.shader().unwrap())
            .collect::<Vec<_>>()
    });
    let heads = HeadShape { heads: 9, kv_heads: 3, head_dim: 64, value_dim: 64, rope_dim: 64, rope_half: true };
    let attention = Attention {
        heads,
        cache: CacheLayout { ring: Some(200), ..CacheLayout::f16(64) },
        scale: 0.125,
        temperature: None,
        softcap: Some(30.0),
        window: Some(100),
        bidirectional: false,
        ahead: None,
        alibi: false,
        sinks: true,
        layout: AttentionLayout::Cooperative,
        splits: 1,
        workgroup: 128,
        halves: false,
    };
    let patches = Attention {
        heads: HeadShape { heads: 16, kv_heads: 16, head_dim: 72, value_dim: 72, rope_dim: 0, rope_half: false },
        cache: CacheLayout::f16(64),
        window: None,
        softcap: None,
        bidirectional: true,
        sinks: false,
        ..attention
    };
    let [normed, plain] = [Some(EPS), None].map(|norm_eps| halve(1, 512, norm_eps).0);
    let with_halves = Attention { halves: true, ..patches };
    let attentions = [attention.shader(), patches.shader(), with_halves.shader(), with_halves.shader_in_blocks()];
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("chromium-kernels");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for (index, shader) in shaders.chain([normed, plain]).chain(attentions).enumerate() {
        let text = expand(&shader);
        let path = folder.join(format!("{} {index}.wgsl", shader.name()));
        std::fs::write(path, in_chromium(&text).as_ref().unwrap_or(&text)).unwrap();
        let module =
            naga::front::wgsl::parse_str(&text).unwrap_or_else(|error| panic!("{}", error.emit_to_string(&text)));
        if let Err(error) = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module) {
            panic!("{}", error.emit_to_string(&text));
        }
    }
}

/// Only on adapters with matrix units, whose inputs are rounded to f16: 11 bits.
async fn matrix_units_multiply_in_every_format() {
    let gpu = device(GpuOptions::default()).await;
    if !gpu.has_matrix_units() {
        println!("{} has no matrix units", gpu.adapter_name());
        return;
    }
    let mut random = Random(31);
    let tuning = gpu.tuning().prefill_large;
    assert_eq!(tuning.tiles, Tiles::Cooperative);
    let prefetching = LinearTuning { prefetch: true, ..tuning };
    let (large, slim) = (gpu.tuning().encode_large, gpu.tuning().encode_slim);
    for tensor_type in TensorType::supported() {
        // Rows and tokens that do not fill tiles, and an odd number of blocks if the format allows it.
        let cols = 480u32.next_multiple_of(tensor_type.block_len() as u32);
        let shapes = [
            (tuning, 21, 9, true),
            (tuning, 300, 130, false),
            (prefetching, 300, 130, false),
            (large, 300, 130, false),
            (slim, 300, 130, false),
            (LinearTuning { prefetch: true, ..slim }, 21, 9, true),
        ];
        for (tuning, rows, tokens, with_norm) in shapes {
            let case = Case::new(&gpu, &mut random, tensor_type, rows, cols, tokens);
            let expected = case.expected(with_norm);
            let prepare = halve(1, cols, with_norm.then_some(EPS));
            let actual = case.prepared_product(&gpu, tuning, prepare, case.x.len() * 2).await;
            assert_close(&actual, &expected, 2e-3, &format!("{tensor_type}, {rows} rows, {tokens} tokens, {tuning:?}"));
        }
    }
}
