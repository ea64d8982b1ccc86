//! What models are computed on: the GPU through WebGPU, or the CPU where there is none.

use std::sync::Arc;

use futures::future::LocalBoxFuture;
use js_sys::{Promise, Reflect};
use parlance_engine::runtime::{Cpu, Device, Gpu, GpuOptions};
use parlance_protocol::DeviceChoice;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

use crate::crew::Crew;
use crate::error::WorkerError;

/// Opens the device that was chosen. The automatic choice takes the CPU where WebGPU is missing, gives no adapter, or one that
/// computes on the CPU: doing so without WebGPU in between is several times as fast.
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

/// The CPU, with all of its threads where the page is isolated from others.
async fn cpu() -> Device {
    let cpu = Cpu::new(pause);
    match Crew::open().await {
        Some(crew) => cpu.with_crew(Arc::new(crew)).into(),
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

/// Lets messages and timers in. A message to oneself is the soonest task; a timer would wait four milliseconds.
fn pause() -> LocalBoxFuture<'static, ()> {
    Box::pin(async {
        let Ok(channel) = MessageChannel::new() else { return };
        let arrived = Promise::new(&mut |resolve, _| channel.port1().set_onmessage(Some(&resolve)));
        if channel.port2().post_message(&JsValue::NULL).is_ok() {
            // A promise that is only ever resolved.
            drop(JsFuture::from(arrived).await);
        }
        channel.port1().close();
    })
}
