//! `embed.wgsl`.

use parlance_engine::gguf::TensorType;
use parlance_engine::gguf::dequantize::dequantize;
use parlance_engine::kernels;
use parlance_engine::kernels::Grid;
use parlance_engine::kernels::embed::Embed;
use parlance_engine::runtime::{Dispatch, Matrix};

use crate::common::{Random, note, plain_device};
use crate::{gpu_tests, read, run, state};

gpu_tests! {
    embed_is_bit_exact_in_every_format,
    embed_adds_only_its_part_of_the_table,
}

async fn embed_is_bit_exact_in_every_format() {
    let gpu = plain_device().await;
    let mut random = Random(1);
    for tensor_type in TensorType::supported() {
        let (vocab, cols) = (10, 96usize.next_multiple_of(tensor_type.block_len() as usize));
        let bytes = random.weights(tensor_type, vocab * cols);
        let table = Matrix::from_bytes(&gpu, tensor_type, vocab as u32, cols as u32, &bytes).unwrap();
        let ids = [3u32, 0, 9, 3];
        let id_buffer = gpu.storage_buffer_with("ids", &ids);
        let x = gpu.storage_buffer("x", (ids.len() * cols * 4) as u64);
        let bindings = [
            ("state", &state(&gpu, 0, ids.len() as u32, 0)),
            ("quants", &table.quants),
            ("scales", &table.scales),
            ("ids", &id_buffer),
            ("x", &x),
        ];
        let embed = Embed { tensor_type, first_row: 0, rows: vocab as u32, cols: cols as u32, scale: 1.0, adds: false };
        let shader = embed.shader().unwrap();
        run(&gpu, &[Dispatch::new(&gpu, &shader, &bindings, Grid::TokensInX)], ids.len() as u32);
        let weights = dequantize(tensor_type, &bytes).unwrap();
        let expected = kernels::embed::reference::embed(&weights, cols, &ids, 1.0);
        assert_eq!(read::<f32>(&gpu, &x, expected.len()).await, expected, "{tensor_type}");
        note("formats", &[tensor_type.name(), "", "", "", "bit for bit", "", ""]);
    }
}

async fn embed_adds_only_its_part_of_the_table() {
    let gpu = plain_device().await;
    let bytes = Random(8).weights(TensorType::F32, 3 * 32);
    let table = Matrix::from_bytes(&gpu, TensorType::F32, 3, 32, &bytes).unwrap();
    let ids = [5u32, 4, 7, 8];
    let id_buffer = gpu.storage_buffer_with("ids", &ids);
    let x = gpu.storage_buffer_with("x", &[9.0f32; 4 * 32]);
    let bindings = [
        ("state", &state(&gpu, 0, 4, 0)),
        ("quants", &table.quants),
        ("scales", &table.scales),
        ("ids", &id_buffer),
        ("x", &x),
    ];
    let embed = Embed { tensor_type: TensorType::F32, first_row: 5, rows: 3, cols: 32, scale: 2.0, adds: true };
    run(&gpu, &[Dispatch::new(&gpu, &embed.shader().unwrap(), &bindings, Grid::TokensInX)], 4);
    let weights = dequantize(TensorType::F32, &bytes).unwrap();
    let mut expected = kernels::embed::reference::embed(&weights, 32, &[0, 0, 2, 0], 2.0);
    for value in &mut expected {
        *value += 9.0;
    }
    expected[32..64].fill(9.0);
    expected[96..].fill(9.0);
    assert_eq!(read::<f32>(&gpu, &x, expected.len()).await, expected);
}
