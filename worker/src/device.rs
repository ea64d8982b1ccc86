//! The device that computes models: the GPU through WebGPU, or the CPU where there is none.

use std::sync::Arc;

use futures::future::LocalBoxFuture;
use js_sys::{Promise, Reflect};
use parlance_engine::runtime::{Cpu, Device, Gpu, GpuOptions};
use parlance_protocol::DeviceChoice;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

use crate::error::WorkerError;
use crate::threads::ThreadPool;

/// Opens the chosen device. The automatic choice takes the CPU where WebGPU is missing, or has no adapter, or one that computes on the CPU: without
/// WebGPU in between, that is several times as fast.
pub(crate) async fn open(choice: DeviceChoice) -> Result<Device, WorkerError> {
    if choice == DeviceChoice::Cpu {
        return Ok(cpu().await);
    }
    match open_gpu().await {
        Ok(gpu) if choice == DeviceChoice::Gpu || !gpu.is_software() => Ok(gpu.into()),
        Err(error) if choice == DeviceChoice::Gpu => Err(error),
        Ok(_) | Err(_) => Ok(cpu().await),
    }
}

/// The CPU, with several threads where the page is cross-origin isolated.
async fn cpu() -> Device {
    let cpu = Cpu::new(pause);
    match ThreadPool::open().await {
        Some(threads) => cpu.with_threads(Arc::new(threads)).into(),
        None => cpu.into(),
    }
}

async fn open_gpu() -> Result<Gpu, WorkerError> {
    if has_webgpu() { Ok(Gpu::new(GpuOptions::default()).await?) } else { Err(WorkerError::NoWebGpu) }
}

/// Whether the browser has WebGPU in workers at all.
fn has_webgpu() -> bool {
    Reflect::get(&js_sys::global(), &"navigator".into())
        .and_then(|navigator| Reflect::get(&navigator, &"gpu".into()))
        .is_ok_and(|gpu| gpu.is_truthy())
}

/// Lets messages and timers run. A message to oneself is the soonest possible task; a timer would wait four milliseconds.
fn pause() -> LocalBoxFuture<'static, ()> {
    Box::pin(async {
        let Ok(channel) = MessageChannel::new() else { return };
        let arrived = Promise::new(&mut |resolve, _| channel.port1().set_onmessage(Some(&resolve)));
        if channel.port2().post_message(&JsValue::NULL).is_ok() {
            // A promise that is never rejected.
            drop(JsFuture::from(arrived).await);
        }
        channel.port1().close();
    })
}
