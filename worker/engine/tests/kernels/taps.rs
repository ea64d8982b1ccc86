//! `taps.wgsl`.

use parlance_engine::kernels::Grid;
use parlance_engine::kernels::taps::Taps;
use parlance_engine::kernels::taps::reference::taps;
use parlance_engine::runtime::Dispatch;

use crate::common::{Random, plain_device};
use crate::{PADDING, UNTOUCHED, gpu_tests, read_padded, run, state};

gpu_tests! {
    rows_hold_frames_and_their_neighbours,
}

async fn rows_hold_frames_and_their_neighbours() {
    let gpu = plain_device().await;
    let mut random = Random(40);
    // Rows that end with padding and one that does not, and more rows than frames.
    for (frames, channels, stride, rows, row_len) in [(30, 80, 1, 30, 256), (30, 64, 2, 15, 192), (7, 5, 1, 9, 32)] {
        let kernel = Taps { frames, channels, taps: 3, stride, row_len };
        let x = random.floats((frames * channels) as usize);
        let x_buffer = gpu.storage_buffer_with("x", &x);
        let len = (rows * row_len) as usize;
        let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; len + PADDING * row_len as usize]);
        let buffers = [("state", &state(&gpu, 0, rows, 0)), ("x", &x_buffer), ("y", &y)];
        let dispatch = Dispatch::new(&gpu, &kernel.shader(), &buffers, Grid::TokensInX);
        run(&gpu, &[dispatch], rows + PADDING as u32);
        assert_eq!(read_padded(&gpu, &y, len, row_len as usize).await, taps(&x, rows, &kernel), "{kernel:?}");
    }
}
