//! `add_norm.wgsl` and `layer_norm.wgsl`.

use parlance_engine::kernels::norm::{add_norm, layer_norm};
use parlance_engine::reference;
use parlance_engine::runtime::{Binding, Dispatch, Grid};

use crate::common::{Random, assert_close, plain_device};
use crate::linear::EPS;
use crate::{gpu_tests, read, run, state};

gpu_tests! {
    norms_are_added,
    layers_are_normed_in_place,
}

async fn norms_are_added() {
    let gpu = plain_device().await;
    let mut random = Random(12);
    let (len, tokens) = (100usize, 3usize);
    let (x, weight) = (random.floats(len * tokens), random.floats(len));
    let y = gpu.storage_buffer_with("y", &vec![1.0f32; len * tokens]);
    let bindings = [
        (0, Binding::Uniform(&state(&gpu, 0, tokens as u32, 0))),
        (1, Binding::Read(&gpu.storage_buffer_with("x", &x))),
        (2, Binding::Read(&gpu.storage_buffer_with("weight", &weight))),
        (3, Binding::Write(&y)),
    ];
    let shader = add_norm(len as u32, EPS, 0.25);
    run(&gpu, &[Dispatch::new(&gpu, &shader, &bindings, Grid::TokensInX)], tokens as u32);
    let normed = reference::linear::rms_norm(&x, &weight, EPS);
    let expected: Vec<f32> = normed.iter().map(|value| 1.0 + 0.25 * value).collect();
    assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, "norm");
}

async fn layers_are_normed_in_place() {
    let gpu = plain_device().await;
    let mut random = Random(16);
    let (len, tokens) = (100usize, 3usize);
    let (mut x, weight, bias) = (random.floats(len * tokens), random.floats(len), random.floats(len));
    for value in &mut x {
        *value += 5.0;
    }
    let buffer = gpu.storage_buffer_with("x", &x);
    let bindings = [
        (0, Binding::Uniform(&state(&gpu, 0, tokens as u32, 0))),
        (1, Binding::Write(&buffer)),
        (2, Binding::Read(&gpu.storage_buffer_with("weight", &weight))),
        (3, Binding::Read(&gpu.storage_buffer_with("bias", &bias))),
    ];
    let shader = layer_norm(len as u32, EPS);
    run(&gpu, &[Dispatch::new(&gpu, &shader, &bindings, Grid::TokensInX)], tokens as u32);
    let expected = reference::linear::layer_norm(&x, &weight, &bias, EPS);
    assert_close(&read(&gpu, &buffer, expected.len()).await, &expected, 1e-5, "norm");
}
