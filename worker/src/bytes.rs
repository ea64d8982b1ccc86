//! Bytes outside the wasm heap. What comes from the network or is read from this device goes to the GPU, to storage and to the helper that hashes it
//! without a copy in wasm.

use js_sys::Uint8Array;
use parlance_engine::runtime::Source;
use parlance_worker_core::FileError;
use parlance_worker_core::download::Bytes;

use crate::error::WorkerError;

/// Bytes in a buffer of their own. Clones share them.
#[derive(Clone)]
pub(crate) struct JsBytes(Uint8Array);

impl JsBytes {
    /// The bytes of an array whose buffer nobody else uses.
    pub(crate) fn new(array: Uint8Array) -> Self {
        Self(array)
    }

    /// The array.
    pub(crate) fn array(&self) -> &Uint8Array {
        &self.0
    }

    /// A copy in wasm.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl Bytes for JsBytes {
    fn len_bytes(&self) -> u64 {
        u64::from(self.0.length())
    }

    fn first(&self, count: usize) -> Vec<u8> {
        self.0.subarray(0, self.0.length().min(count as u32)).to_vec()
    }
}

/// Bytes that a loader takes little by little.
pub(crate) struct Piece {
    array: Uint8Array,
    /// How many it has taken.
    taken: u32,
}

impl Piece {
    /// All of `bytes`.
    pub(crate) fn of(bytes: &JsBytes) -> Self {
        Self { array: bytes.0.clone(), taken: 0 }
    }

    /// How many are left.
    pub(crate) fn left_bytes(&self) -> u64 {
        u64::from(self.array.length() - self.taken)
    }

    fn take(&mut self, len: usize) -> Result<Uint8Array, WorkerError> {
        if len as u64 > self.left_bytes() {
            return Err(FileError::Damaged.into());
        }
        let start = self.taken;
        self.taken += len as u32;
        Ok(self.array.subarray(start, self.taken))
    }
}

impl Source for Piece {
    type Error = WorkerError;

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), WorkerError> {
        self.take(bytes.len())?.copy_to(bytes);
        Ok(())
    }

    #[cfg(target_family = "wasm")]
    fn read_to(&mut self, bytes: &Uint8Array) -> Result<(), WorkerError> {
        let piece = self.take(bytes.length() as usize)?;
        bytes.set(&piece, 0);
        Ok(())
    }
}
