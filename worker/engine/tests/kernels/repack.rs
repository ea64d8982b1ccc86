//! `repack.wgsl`.

use parlance_engine::gguf::{Group, TensorType};
use parlance_engine::kernels::repack::reference::repack;
use parlance_engine::runtime::Matrix;

use crate::common::{Random, note, plain_device};
use crate::{gpu_tests, read};

gpu_tests! {
    repacking_matches_the_reference,
}

/// Bit for bit, for whole groups and for a partial one at the end, and for arbitrary bytes.
async fn repacking_matches_the_reference() {
    let gpu = plain_device().await;
    let mut random = Random(2);
    for tensor_type in TensorType::supported() {
        let group = Group::of(tensor_type);
        let file_block = tensor_type.block_len().div_ceil(32);
        for blocks in [group.blocks * 301, group.blocks * 2 + file_block] {
            let len_bytes = blocks * group.file / group.blocks;
            let bytes: Vec<u8> = (0..len_bytes).map(|_| random.bits() as u8).collect();
            let matrix = Matrix::from_bytes(&gpu, tensor_type, blocks as u32, 32, &bytes).unwrap();
            let (quants, scales) = repack(tensor_type, &bytes);
            let label = format!("{tensor_type}, {blocks} blocks");
            assert_eq!(read::<u8>(&gpu, &matrix.quants, quants.len()).await, quants, "quants of {label}");
            assert_eq!(read::<u8>(&gpu, &matrix.scales, scales.len()).await, scales, "scales of {label}");
        }
        note("formats", &[tensor_type.name(), "", "", "bit for bit", "", "", ""]);
    }
}
