//! Text that a sequence lacks.

use crate::error::Result;
use crate::runtime::backend::{Batch, Decoder};
use crate::runtime::memory::Sequences;

/// Appends tokens to the selected sequence, batch by batch, without their logits.
pub(super) async fn feed(sequences: &mut Sequences, decoder: &mut dyn Decoder, ids: &[u32]) -> Result<()> {
    for batch in ids.chunks(decoder.batch_len()) {
        decoder.run_batch(sequences.len(), Batch::Tokens(batch)).await?;
        sequences.extend_tokens(batch);
    }
    Ok(())
}
