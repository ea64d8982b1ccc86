//! Stands in for memory shared by host and GPU in builds without the feature `gpu`. No value of these types exists.

use crate::error::Result;
use crate::runtime::device::{Buffer, Dispatch, Gpu};

/// Number of bytes of a file that would go to a GPU at once.
pub(super) const WINDOW_BYTES: u64 = 8 << 20;

/// Staging buffers.
pub(super) enum Staging {}

/// A mapped buffer.
pub(super) enum SharedMemory {}

impl Staging {
    pub(super) fn new(gpu: &Gpu) -> Self {
        match *gpu {}
    }

    pub(super) fn file(&self) -> &Buffer {
        match *self {}
    }

    pub(super) async fn open(&mut self) -> Result<SharedMemory> {
        match *self {}
    }

    pub(super) fn submit(&mut self, memory: SharedMemory, _len_bytes: u64, _dispatches: &[Dispatch]) {
        match memory {}
    }
}

impl SharedMemory {
    pub(super) fn write(&mut self, _at: u64, _bytes: &[u8]) {
        match *self {}
    }

    #[cfg(target_family = "wasm")]
    pub(super) fn part(&self, _at: u64, _len_bytes: u64) -> js_sys::Uint8Array {
        match *self {}
    }
}
