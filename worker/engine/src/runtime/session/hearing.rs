//! The hearing of a projector: from a sound to what stands for it in a prompt. As in mtmd, windows of half a minute are
//! heard one by one, and silence follows the last.

use std::collections::HashMap;

use super::prompt::{EmbeddingSpan, Part};
use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::models::{HEARD_POSITIONS, ProjectorConfig, SOUND_FRAMES, SOUND_POSITIONS, SoundConfig};
use crate::runtime::backend::{Tower, TowerInput};
use crate::speech::{Ending, HOP, MEASURED_FRAMES, MelFilters, Sound, Spectrogram};

/// Frames of a window.
const WINDOW_FRAMES: usize = SOUND_FRAMES as usize;

/// A projector of sounds.
pub(super) struct Hearing {
    pub(super) config: ProjectorConfig,
    sound: SoundConfig,
    filters: MelFilters,
    /// Embeddings of positions: `[SOUND_POSITIONS][width]`.
    positions: Vec<f32>,
    pub(super) tower: Box<dyn Tower>,
}

impl Hearing {
    /// `host` has the tensors that stay on the host.
    pub(super) fn new(
        config: ProjectorConfig,
        sound: SoundConfig,
        tower: Box<dyn Tower>,
        host: &mut HashMap<String, Vec<f32>>,
    ) -> Self {
        let mut positions = host.remove(HEARD_POSITIONS).unwrap_or_default();
        positions.truncate(SOUND_POSITIONS as usize * config.width as usize);
        Self { filters: MelFilters::new(sound.mels as usize), config, sound, positions, tower }
    }

    /// Tables of the host, in which fine-tuned towers differ.
    pub(super) fn tables(&self) -> impl Iterator<Item = &f32> {
        self.positions.iter()
    }

    /// Number of tokens and embeddings in a prompt that stand for a sound of so many samples.
    ///
    /// # Errors
    /// [`EngineError::Prompt`] if there are none, or [`EngineError::Tokenizer`].
    pub(super) fn token_count(&self, chat: &Chat, samples: usize) -> Result<usize> {
        let markers = self.markers(chat)?.iter().map(Vec::len).sum::<usize>();
        Ok(windows(samples)? * self.window_embeddings() as usize + markers)
    }

    /// What stands for a sound in a prompt, as `Projector::hear`.
    pub(super) async fn encode<S: Sound + ?Sized>(
        &mut self,
        chat: &Chat,
        sound: &S,
        id: u64,
        mut on_progress: impl FnMut(usize, usize) -> bool,
    ) -> Result<Vec<Part>> {
        let [before, after] = self.markers(chat)?;
        let (layers, count) = (self.config.layers as usize, windows(sound.sample_count())?);
        let mut spectrogram = Spectrogram::new(sound, &self.filters, Ending::Silent);
        while spectrogram.measure(MEASURED_FRAMES) {
            if !on_progress(0, count * layers) {
                return Err(EngineError::Interrupted);
            }
            self.tower.pause().await?;
        }
        let (embeddings, embedding_len) = (self.window_embeddings(), self.config.embedding_len as usize);
        let mut parts = vec![Part::Tokens(before)];
        for index in 0..count {
            let mel = spectrogram.window(index * WINDOW_FRAMES, WINDOW_FRAMES);
            let input = TowerInput {
                values: &mel,
                shape: [SOUND_POSITIONS, 1],
                added: &self.positions,
                angles: &[[1.0, 0.0]],
                windows: &[],
                embeddings,
            };
            let report = &mut |done: usize| on_progress(index * layers + done, count * layers);
            let rows = self.tower.embeddings(&input, report).await?.rows;
            let position_len = (rows.len() / embedding_len) as u32;
            parts.push(Part::Embeddings(EmbeddingSpan {
                id: Part::id(id, index),
                rows,
                deepstack: Vec::new(),
                positions: Vec::new(),
                position_len,
                two_way: false,
            }));
        }
        if !on_progress(count * layers, count * layers) {
            return Err(EngineError::Interrupted);
        }
        parts.push(Part::Tokens(after));
        parts.retain(|part| !part.is_empty());
        Ok(parts)
    }

    /// Number of embeddings of a window. Positions that are too few for another one are left out.
    fn window_embeddings(&self) -> u32 {
        SOUND_POSITIONS / self.config.merged_rows()
    }

    /// The control tokens before and after a sound.
    fn markers(&self, chat: &Chat) -> Result<[Vec<u32>; 2]> {
        let encode = |text: &str| if text.is_empty() { Ok(Vec::new()) } else { chat.tokenizer().encode(text) };
        let [before, after] = self.sound.markers.map(encode);
        Ok([before?, after?])
    }
}

/// Number of windows of so many samples.
fn windows(samples: usize) -> Result<usize> {
    if samples == 0 {
        return Err(EngineError::Prompt("a sound has no samples".to_owned()));
    }
    Ok((samples / HOP).div_ceil(WINDOW_FRAMES).max(1))
}
