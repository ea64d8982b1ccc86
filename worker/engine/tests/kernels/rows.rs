//! `add_rows.wgsl`, `clamp.wgsl`, `gate_rows.wgsl` and `mean_rows.wgsl`.

use parlance_engine::kernels::Grid;
use parlance_engine::kernels::rows::{AddRows, Clamp, MeanRows, gate_rows, reference};
use parlance_engine::models::Activation;
use parlance_engine::runtime::Dispatch;

use crate::common::{Random, assert_close, plain_device};
use crate::{PADDING, UNTOUCHED, gpu_tests, padded, read_padded, run, state};

gpu_tests! {
    parts_of_rows_are_added,
    rows_are_averaged,
    rows_are_kept_within_bounds,
    rows_are_gated,
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
    for (len, count, tokens, standard) in [(70, 4, 5usize, false), (64, 9, 2, true), (32, 1, 3, false)] {
        let rows = MeanRows { len, count, scale: 1.7, standard };
        let (len, count) = (len as usize, count as usize);
        let x = random.floats(tokens * count * len);
        let [mean, factor] = [(); 2].map(|()| random.floats(len));
        let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; (tokens + PADDING) * len]);
        let [mean_buffer, factor_buffer] =
            [&mean, &factor].map(|own| gpu.storage_buffer_with("standard", own.as_slice()));
        let state = state(&gpu, 0, tokens as u32, 0);
        let x_buffer = gpu.storage_buffer_with("x", &padded(&x, count * len, f32::NAN));
        let mut bindings = vec![("state", &state), ("x", &x_buffer), ("y", &y)];
        if standard {
            bindings.extend([("mean", &mean_buffer), ("factor", &factor_buffer)]);
        }
        let dispatch = Dispatch::new(&gpu, &rows.shader(), &bindings, Grid::TokensInX);
        run(&gpu, &[dispatch], (tokens + PADDING) as u32);
        let expected = reference::mean_rows(&x, &rows, [&mean, &factor]);
        assert_close(&read_padded(&gpu, &y, tokens * len, len).await, &expected, 1e-6, &format!("{rows:?}"));
    }
}

async fn rows_are_kept_within_bounds() {
    let gpu = plain_device().await;
    let mut random = Random(63);
    let (tokens, bounds) = (3, [-0.2f32, 0.5, -0.6, 0.1]);
    let buffer = gpu.storage_buffer_with("bounds", &bounds);
    for (at, stride, is_output, in_place) in [(0, 100, false, false), (0, 100, false, true), (200, 300, true, true)] {
        let rows = Clamp { len: 100, stride, at, is_output, in_place };
        let row_len = stride as usize;
        let mut expected = random.floats(tokens * row_len);
        let x = gpu.storage_buffer_with("x", &padded(&expected, row_len, UNTOUCHED));
        let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; (tokens + PADDING) * row_len]);
        let state = state(&gpu, 0, tokens as u32, 0);
        let mut bindings = vec![("state", &state), ("y", if in_place { &x } else { &y }), ("bounds", &buffer)];
        bindings.extend((!in_place).then_some(("x", &x)));
        let dispatch = Dispatch::new(&gpu, &rows.shader(), &bindings, Grid::TokensInX);
        run(&gpu, &[dispatch], (tokens + PADDING) as u32);
        reference::clamp(&mut expected, &bounds, &rows);
        let own = read_padded(&gpu, if in_place { &x } else { &y }, tokens * row_len, row_len).await;
        assert_close(&own, &expected, 0.0, &format!("{rows:?}"));
    }
}

async fn rows_are_gated() {
    let gpu = plain_device().await;
    let mut random = Random(64);
    let (len, tokens) = (100, 3);
    let (x, mut expected) = (random.floats(tokens * len), random.floats(tokens * len));
    let y = gpu.storage_buffer_with("y", &padded(&expected, len, UNTOUCHED));
    let x_buffer = gpu.storage_buffer_with("x", &padded(&x, len, 0.0));
    let bindings = [("state", &state(&gpu, 0, tokens as u32, 0)), ("x", &x_buffer), ("y", &y)];
    let shader = gate_rows(len as u32, Activation::GeluTanh);
    run(&gpu, &[Dispatch::new(&gpu, &shader, &bindings, Grid::TokensInX)], (tokens + PADDING) as u32);
    reference::gate_rows(&mut expected, &x, Activation::GeluTanh);
    assert_close(&read_padded(&gpu, &y, tokens * len, len).await, &expected, 1e-5, "gates");
}
