//! `attention.wgsl` when it projects query, key and value itself (`projected_head.wgsl`).

use parlance_engine::gguf::TensorType;
use parlance_engine::kernels::attention::cache::{from_cache, in_cache_order, into_cache};
use parlance_engine::kernels::attention::{Attention, AttentionLayout, can_project};
use parlance_engine::kernels::linear::{Epilogue, LinearTuning};
use parlance_engine::kernels::{self, CacheLayout};
use parlance_engine::models::{CacheFormat, RopeConfig};
use parlance_engine::runtime::Dispatch;

use crate::attention::placed;
use crate::common::{Random, assert_close, devices};
use crate::heads::{assert_cached, from_cache_order, head_shapes, rotate};
use crate::linear::Case as Product;
use crate::{gpu_tests, read, run, state};

gpu_tests! {
    attention_projects_its_own_query_key_and_value,
}

/// An attention's position, splits, window and cap, and the matrix that projects its input.
struct Case {
    position: usize,
    splits: u32,
    window: Option<u32>,
    /// Positions that the cache has rows for, if these are not all.
    ring: Option<u32>,
    softcap: Option<f32>,
    sinks: bool,
    /// Threads of a workgroup.
    workgroup: u32,
    tensor_type: TensorType,
    cols: u32,
    with_norm: bool,
}

const PLAIN: Case = Case {
    position: 300,
    splits: 5,
    window: None,
    ring: None,
    softcap: None,
    sinks: false,
    workgroup: 256,
    tensor_type: TensorType::Q4_1,
    cols: 576,
    with_norm: true,
};

const CASES: [Case; 10] = [
    PLAIN,
    // Nothing is cached yet.
    Case { position: 0, splits: 2, ..PLAIN },
    // More splits than positions, and threads that have no block.
    Case { position: 3, splits: 9, workgroup: 128, cols: 96, ..PLAIN },
    Case { window: Some(33), tensor_type: TensorType::Q6_K, cols: 256, ..PLAIN },
    // The window only contains the token itself.
    Case { window: Some(1), with_norm: false, ..PLAIN },
    Case { softcap: Some(0.5), splits: 2, tensor_type: TensorType::Q8_0, cols: 160, ..PLAIN },
    Case { position: 0, splits: 2, sinks: true, ..PLAIN },
    Case { window: Some(33), sinks: true, ..PLAIN },
    // The token's own row is the first again, or the last.
    Case { window: Some(33), ring: Some(50), ..PLAIN },
    Case { position: 307, window: Some(44), ring: Some(44), splits: 2, workgroup: 128, ..PLAIN },
];

async fn attention_projects_its_own_query_key_and_value() {
    for (index, gpu) in devices().await.into_iter().enumerate() {
        let mut random = Random(21);
        let shapes = head_shapes().into_iter().filter(|shape| can_project(shape, CacheFormat::F16));
        // Each case runs on one device only, because emulated GPUs take a second to compile a kernel.
        let cases = CASES.iter().enumerate().filter(|(number, _)| number % 2 != index);
        let pairs = shapes.enumerate().flat_map(|shape| cases.clone().map(move |case| (shape, case)));
        for ((shape_number, shape), (number, case)) in pairs {
            // What the others vary does not depend on the shape of heads.
            if shape_number > 0 && number > 1 {
                continue;
            }
            let subgroup = if gpu.has_subgroups() && number % 2 == 0 { 4 } else { 1 };
            let tuning = LinearTuning { workgroup: 64, subgroup, ..gpu.tuning().decode };
            let Case { position, splits, window, ring, softcap, sinks, workgroup, .. } = *case;
            let (q_len, kv_len) = ((shape.heads * shape.head_dim) as usize, (shape.kv_heads * shape.head_dim) as usize);
            let rows = (q_len + 2 * kv_len) as u32;
            let product = Product::new(&gpu, &mut random, case.tensor_type, rows, case.cols, 1);
            let angles = RopeConfig::plain(10_000.0).angles(shape.rope_dim, position as u32 + 1, None);
            let [cached_keys, cached_values] =
                [(); 2].map(|()| into_cache(&random.floats(position * kv_len), kv_len, CacheFormat::F16));
            let layout = CacheLayout { ring, ..CacheLayout::f16(0) };
            let cache = [&cached_keys, &cached_values].map(|rows| placed(rows, kv_len, &layout)).concat();
            let layout = CacheLayout { value_offset: cache.len() as u32 / 2, ..layout };
            let attention = Attention {
                heads: shape,
                cache: layout,
                scale: 0.3,
                temperature: None,
                softcap,
                window,
                bidirectional: false,
                ahead: None,
                alibi: false,
                sinks,
                layout: AttentionLayout::Token,
                splits,
                workgroup,
                halves: false,
            };
            let kv = gpu.storage_buffer_with("kv", &cache);
            let parts = gpu.storage_buffer("parts", attention.split_len() * 4);
            let y = gpu.storage_buffer("y", q_len as u64 * 4);
            let rope = gpu.storage_buffer_with("rope", &angles);
            let state = state(&gpu, position as u32, 1, 0);
            let sinks = random.floats(if sinks { shape.heads as usize } else { 0 });
            let sinks_buffer = attention.sinks.then(|| gpu.storage_buffer_with("sinks", &sinks));
            let mut outputs = vec![("y", &parts), ("kv", &kv), ("rope", &rope)];
            outputs.extend(sinks_buffer.iter().map(|buffer| ("sinks", buffer)));
            let epilogue = Epilogue::Qkv { heads: shape, cache: layout };
            let [_, merge_grid] = attention.grids();
            let projected = product.within(&gpu, tuning, case.with_norm, epilogue, (&outputs, &state), |linear| {
                (attention.projected_shader(linear).unwrap(), attention.projected_grid())
            });
            let bindings = [("state", &state), ("parts", &parts), ("y", &y)];
            let merge = Dispatch::new(&gpu, &attention.merge_shader(), &bindings, merge_grid);
            run(&gpu, &[projected, merge], 1);

            let what = format!("{attention:?} at {position} with {tuning:?}");
            let mut expected = product.expected(case.with_norm);
            rotate(&mut expected, &shape, &angles, position);
            let (query, own) = expected.split_at(q_len);
            let (key, value) = own.split_at(kv_len);
            let (mut after, row_words): (Vec<u32>, _) = (read(&gpu, &kv, cache.len()).await, kv_len / 2);
            let floats = |words: &[u32]| from_cache(words, kv_len, CacheFormat::F16);
            let own = [0, layout.value_offset as usize].map(|start| start + layout.row(0, position) * row_words);
            let [own_key, own_value] = own.map(|start| floats(&after[start..][..row_words]));
            assert_cached(&own_key, &in_cache_order(key, &shape), CacheFormat::F16, &format!("key, {what}"));
            assert_cached(&own_value, value, CacheFormat::F16, &format!("value, {what}"));
            for start in own {
                after[start..][..row_words].copy_from_slice(&cache[start..][..row_words]);
            }
            assert_eq!(after, cache, "nothing else has changed: {what}");
            let keys = from_cache_order(&[floats(&cached_keys), own_key].concat(), &shape);
            let values = [floats(&cached_values), own_value].concat();
            let rows = [&keys[..], &values];
            let expected = kernels::attention::reference::attention(query, rows, &sinks, position, &attention);
            assert_close(&read(&gpu, &y, q_len).await, &expected, 1e-5, &what);
        }
    }
}
