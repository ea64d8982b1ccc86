//! A conversation's KV cache as bytes, so that it can be kept and continued later without reading its prompt again.

use super::model::Model;
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
    /// Whatever the GPU reported.
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
        for kv in &self.buffers.kv {
            for start in [0, u64::from(self.buffers.value_offset) * 4] {
                bytes.extend(self.gpu.read_range::<u8>(kv, start, half_bytes).await?);
            }
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
        if count > self.context_tokens() {
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
        let mut rest = &bytes[data_start..];
        for kv in &self.buffers.kv {
            for start in [0, u64::from(self.buffers.value_offset) * 4] {
                let (half, after) = rest.split_at(half_bytes);
                self.gpu.queue().write_buffer(kv, start, half);
                rest = after;
            }
        }
        self.cached = ids;
        Ok(())
    }

    /// Layers, and bytes of a token's keys in one of them.
    fn cache_shape(&self) -> (u32, u32) {
        let row_bytes = self.config().kv_bytes_per_token_and_layer() / 2;
        (self.buffers.kv.len() as u32, row_bytes as u32)
    }
}
