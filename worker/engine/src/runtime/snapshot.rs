//! A conversation's KV cache as bytes, so that it can be kept and continued later without reading its prompt again.

use super::model::{Compute, Model};
use crate::error::{EngineError, Result};

/// First bytes of a snapshot; the digit is the format's version.
const MAGIC: &[u8; 8] = b"parlkv01";

impl Model {
    /// The cache's tokens, keys and values.
    ///
    /// Layout, little-endian: magic, layers (u32), bytes of a token's keys in a layer (u32), tokens (u32), token ids
    /// (u32 each), then for each layer the keys and the values of all tokens.
    ///
    /// # Errors
    /// Whatever the device reported.
    pub async fn snapshot(&self) -> Result<Vec<u8>> {
        let (layers, row_bytes) = self.cache_shape();
        let mut bytes = MAGIC.to_vec();
        for number in [layers, row_bytes, self.cached.len() as u32].iter().chain(&self.cached) {
            bytes.extend(number.to_le_bytes());
        }
        let half_bytes = u64::from(row_bytes) * self.cached.len() as u64;
        if half_bytes == 0 {
            return Ok(bytes);
        }
        match &self.compute {
            Compute::Gpu(model) => {
                for kv in &model.buffers.kv {
                    for start in [0, u64::from(model.buffers.value_offset) * 4] {
                        bytes.extend(model.gpu.read_range::<u8>(kv, start, half_bytes).await?);
                    }
                }
            }
            Compute::Cpu(model) => model.cache_bytes(self.cached.len()).flatten().for_each(|half| bytes.extend(half)),
        }
        Ok(bytes)
    }

    /// Fills the cache from a snapshot of the same model, with room for it.
    ///
    /// # Errors
    /// [`EngineError::BadSnapshot`] if it is damaged, of another model, or longer than the context.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let (layers, row_bytes) = self.cache_shape();
        let header: Vec<u32> = match bytes.strip_prefix(MAGIC) {
            Some(rest) => rest.as_chunks::<4>().0.iter().take(3).map(|word| u32::from_le_bytes(*word)).collect(),
            None => Vec::new(),
        };
        let [snapshot_layers, snapshot_row_bytes, count] = header[..] else {
            return Err(EngineError::BadSnapshot("it is damaged"));
        };
        if (snapshot_layers, snapshot_row_bytes) != (layers, row_bytes) {
            return Err(EngineError::BadSnapshot("it belongs to another model"));
        }
        if count > self.context {
            return Err(EngineError::BadSnapshot("it is longer than the context"));
        }
        let ids_start = MAGIC.len() + 12;
        let data_start = ids_start + 4 * count as usize;
        let half_bytes = count as usize * row_bytes as usize;
        if bytes.len() != data_start + 2 * half_bytes * layers as usize {
            return Err(EngineError::BadSnapshot("it is damaged"));
        }
        let ids: Vec<u32> =
            bytes[ids_start..data_start].as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        if ids.iter().any(|id| *id >= self.config().vocab) {
            return Err(EngineError::BadSnapshot("it belongs to another model"));
        }
        for layer in 0..layers as usize {
            let (keys, values) = bytes[data_start + 2 * half_bytes * layer..][..2 * half_bytes].split_at(half_bytes);
            match &mut self.compute {
                Compute::Gpu(model) => {
                    let (queue, kv) = (model.gpu.queue(), &model.buffers.kv[layer]);
                    queue.write_buffer(kv, 0, keys);
                    queue.write_buffer(kv, u64::from(model.buffers.value_offset) * 4, values);
                }
                Compute::Cpu(model) => model.restore_layer(layer, [keys, values]),
            }
        }
        self.cached = ids;
        Ok(())
    }

    /// Bytes of a token's keys and values in all layers.
    pub(super) fn token_bytes(&self) -> u64 {
        let (layers, row_bytes) = self.cache_shape();
        2 * u64::from(layers) * u64::from(row_bytes)
    }

    /// Layers, and bytes of a token's keys in one of them: as the cache has them on a GPU, whole floats on the CPU.
    pub(super) fn cache_shape(&self) -> (u32, u32) {
        let kv_len = self.config.kv_len();
        let words = if self.device.is_cpu() { kv_len } else { self.config.cache.row_words(kv_len) };
        (self.config.layers.len() as u32, 4 * words)
    }
}
