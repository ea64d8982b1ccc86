//! `add_rows.wgsl` and `mean_rows.wgsl`.

use parlance_engine::kernels::Grid;
use parlance_engine::kernels::rows::{AddRows, mean_rows, reference};
use parlance_engine::runtime::Dispatch;

use crate::common::{Random, assert_close, plain_device};
use crate::{PADDING, UNTOUCHED, gpu_tests, padded, read_padded, run, state};

gpu_tests! {
    parts_of_rows_are_added,
    rows_are_averaged,
}

async fn parts_of_rows_are_added() {
    let gpu = plain_device().await;
    let mut random = Random(61);
    let tokens = 3;
    for (stride, at, scaled) in [(100, 0, false), (300, 200, false), (100, 0, true)] {
        let rows = AddRows { len: 100, stride, at, scaled };
        let (x, mut expected) = (random.floats(tokens * stride as usize), random.floats(tokens * 100));
        let scale = if scaled { random.floats(100) } else { Vec::new() };
        let y = gpu.storage_buffer_with("y", &padded(&expected, 100, UNTOUCHED));
        let [x_buffer, scale_buffer] = [&x, &scale].map(|values| gpu.storage_buffer_with("values", values.as_slice()));
        let state = state(&gpu, 0, tokens as u32, 0);
        let mut bindings = vec![("state", &state), ("x", &x_buffer), ("y", &y)];
        bindings.extend(scaled.then_some(("scale", &scale_buffer)));
        let dispatch = Dispatch::new(&gpu, &rows.shader(), &bindings, Grid::TokensInX);
        run(&gpu, &[dispatch], (tokens + PADDING) as u32);
        reference::add_rows(&mut expected, &x, &scale, &rows);
        assert_close(&read_padded(&gpu, &y, tokens * 100, 100).await, &expected, 1e-6, &format!("{rows:?}"));
    }
}

async fn rows_are_averaged() {
    let gpu = plain_device().await;
    let mut random = Random(62);
    for (len, count, tokens) in [(70usize, 4usize, 5usize), (64, 9, 2), (32, 1, 3)] {
        let x = random.floats(tokens * count * len);
        let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; (tokens + PADDING) * len]);
        let buffers = [
            ("state", &state(&gpu, 0, tokens as u32, 0)),
            ("x", &gpu.storage_buffer_with("x", &padded(&x, count * len, f32::NAN))),
            ("y", &y),
        ];
        let dispatch = Dispatch::new(&gpu, &mean_rows(len as u32, count as u32), &buffers, Grid::TokensInX);
        run(&gpu, &[dispatch], (tokens + PADDING) as u32);
        let expected = reference::mean_rows(&x, len, count);
        assert_close(&read_padded(&gpu, &y, tokens * len, len).await, &expected, 1e-6, &format!("{count} of {len}"));
    }
}
