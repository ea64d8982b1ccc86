//! A loaded projector: from pictures and sounds to what stands for them in a prompt.

use std::collections::HashMap;

use super::hearing::Hearing;
use super::model::Model;
use super::prompt::Part;
use super::sight::Sight;
use crate::chat::Chat;
use crate::error::{EngineError, Result};
use crate::models::{ProjectorConfig, ProjectorPlan, Sense};
use crate::runtime::backend::Tower;
use crate::runtime::device::Device;
use crate::runtime::measuring::{Profile, SelfTest, Verdict};
use crate::speech::Sound;
use crate::vision::Picture;

/// A projector in memory. It sees, or hears, or both.
pub struct Projector {
    device: Device,
    name: String,
    id: u64,
    weight_bytes: u64,
    sight: Option<Sight>,
    hearing: Option<Hearing>,
}

/// A tower with its description.
pub(in crate::runtime) type PlannedTower = (ProjectorConfig, ProjectorPlan, Box<dyn Tower>);

impl Projector {
    /// `towers` has at most one for each sense, and at least one; `host` the tensors that stay on the host.
    pub(in crate::runtime) fn new(
        device: Device,
        towers: Vec<PlannedTower>,
        weight_bytes: u64,
        mut host: HashMap<String, Vec<f32>>,
    ) -> Self {
        let max_binding_bytes = device.limits().max_binding_bytes;
        let (mut name, mut sight, mut hearing) = (String::new(), None, None);
        for (config, plan, tower) in towers {
            name.clone_from(&config.name);
            match config.sense {
                Sense::Sight(pictures) => {
                    sight = Some(Sight::new((config, &plan), pictures, tower, max_binding_bytes, &mut host));
                }
                Sense::Hearing(sound) => hearing = Some(Hearing::new(config, sound, tower, &mut host)),
            }
        }
        let tables = sight.iter().flat_map(Sight::tables).chain(hearing.iter().flat_map(Hearing::tables));
        Self { id: id(&name, weight_bytes, tables), device, name, weight_bytes, sight, hearing }
    }

    /// Its name, from `general.name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells it from other projectors, whose embeddings of a picture or a sound are others: by its name, its size, and the
    /// weights that are on the host, in which fine-tuned towers differ.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The hyperparameters of its sight, if it sees.
    pub fn sight(&self) -> Option<&ProjectorConfig> {
        self.sight.as_ref().map(|sight| &sight.config)
    }

    /// The hyperparameters of its hearing, if it hears.
    pub fn hearing(&self) -> Option<&ProjectorConfig> {
        self.hearing.as_ref().map(|hearing| &hearing.config)
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Size of the weights in bytes.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Checks that it belongs to a model.
    ///
    /// # Errors
    /// [`EngineError::WrongProjector`].
    pub fn check(&self, model: &Model) -> Result<()> {
        self.sight().into_iter().chain(self.hearing()).try_for_each(|config| config.check_for(model.config()))
    }

    fn towers(&mut self) -> impl Iterator<Item = &mut (dyn Tower + 'static)> {
        let sight = self.sight.iter_mut().map(|sight| sight.tower.as_mut());
        sight.chain(self.hearing.iter_mut().map(|hearing| hearing.tower.as_mut()))
    }

    /// Like [`Model::self_test`].
    ///
    /// # Errors
    /// As [`Model::self_test`].
    pub async fn self_test(&mut self) -> Result<SelfTest> {
        let wrong = self.wrong_kernels().await?;
        if wrong.is_empty() {
            return Ok(SelfTest { verdict: Verdict::Sound, wrong });
        }
        self.make_plain();
        let is_plain_right = self.wrong_kernels().await?.is_empty();
        Ok(SelfTest { verdict: if is_plain_right { Verdict::Plain } else { Verdict::Wrong }, wrong })
    }

    async fn wrong_kernels(&mut self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for tower in self.towers() {
            wrong.extend(tower.wrong_kernels().await?);
        }
        Ok(wrong)
    }

    /// Like [`Model::make_plain`].
    pub fn make_plain(&mut self) {
        for tower in self.towers() {
            tower.make_plain();
        }
    }

    /// Like [`Model::kernels_id`].
    ///
    /// # Errors
    /// As [`Model::kernels_id`].
    pub async fn kernels_id(&mut self) -> Result<u64> {
        let mut id = 0u64;
        for tower in self.towers() {
            id = id.rotate_left(1) ^ tower.kernels_id().await?;
        }
        Ok(id)
    }

    /// Number of tokens and embeddings in a prompt that stand for a picture of `width` by `height` pixels.
    ///
    /// # Errors
    /// [`EngineError::WrongProjector`] if it sees nothing, [`EngineError::Prompt`] if the picture is too large, or
    /// [`EngineError::Tokenizer`].
    pub fn token_count(&self, chat: &Chat, width: u32, height: u32) -> Result<usize> {
        self.sight.as_ref().ok_or_else(blind)?.token_count(chat, width, height)
    }

    /// What stands for a picture in a prompt of the model whose tokens `chat` knows. `id` identifies the picture, as a
    /// digest does: equal parts are reused in the KV cache.
    ///
    /// `on_progress` is called with (layers done, layers in total) and returns whether to continue.
    ///
    /// # Errors
    /// [`EngineError::WrongProjector`] if it sees nothing, [`EngineError::Interrupted`] if `on_progress` returned `false`,
    /// [`EngineError::Tokenizer`], or whatever the device reported.
    pub async fn encode(
        &mut self,
        chat: &Chat,
        picture: &Picture,
        id: u64,
        on_progress: impl FnMut(usize, usize) -> bool,
    ) -> Result<Vec<Part>> {
        self.sight.as_mut().ok_or_else(blind)?.encode(chat, picture, id, on_progress).await
    }

    /// Times the kernels of its sight on the part of a picture that was encoded last: medians of `runs` runs.
    ///
    /// # Errors
    /// [`EngineError::WrongProjector`] if it sees nothing, [`EngineError::NoGpu`] if it is on the CPU or the GPU has no
    /// timestamps, [`EngineError::Prompt`] if nothing was encoded yet, or whatever the GPU reported.
    pub async fn profile(&self, runs: usize) -> Result<Profile> {
        self.sight.as_ref().ok_or_else(blind)?.tower.profile(runs).await
    }

    /// Number of tokens and embeddings in a prompt that stand for a sound of so many samples, see [`Sound`].
    ///
    /// # Errors
    /// [`EngineError::WrongProjector`] if it hears nothing, [`EngineError::Prompt`] if there are no samples, or
    /// [`EngineError::Tokenizer`].
    pub fn sound_token_count(&self, chat: &Chat, samples: usize) -> Result<usize> {
        self.hearing.as_ref().ok_or_else(deaf)?.token_count(chat, samples)
    }

    /// The same as [`Projector::encode`], for a sound.
    ///
    /// # Errors
    /// [`EngineError::WrongProjector`] if it hears nothing, [`EngineError::Prompt`] if there are no samples,
    /// [`EngineError::Interrupted`] if `on_progress` returned `false`, [`EngineError::Tokenizer`], or whatever the device
    /// reported.
    pub async fn hear<S: Sound + ?Sized>(
        &mut self,
        chat: &Chat,
        sound: &S,
        id: u64,
        on_progress: impl FnMut(usize, usize) -> bool,
    ) -> Result<Vec<Part>> {
        self.hearing.as_mut().ok_or_else(deaf)?.encode(chat, sound, id, on_progress).await
    }
}

fn blind() -> EngineError {
    EngineError::WrongProjector("it sees nothing".to_owned())
}

fn deaf() -> EngineError {
    EngineError::WrongProjector("it hears nothing".to_owned())
}

/// FNV-1a, of whole words.
fn id<'f>(name: &str, weight_bytes: u64, tables: impl Iterator<Item = &'f f32>) -> u64 {
    let floats = tables.map(|float| u64::from(float.to_bits()));
    let words = name.bytes().map(u64::from).chain([weight_bytes]).chain(floats);
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3))
}
