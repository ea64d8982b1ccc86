//! What a model perceives: its projector, which encodes the images and sounds of requests once.

use std::rc::Rc;

use futures::FutureExt as _;
use parlance_engine::EngineError;
use parlance_engine::chat::Chat;
use parlance_engine::runtime::{Part, Projector};
use parlance_engine::speech::SAMPLE_RATE;
use parlance_protocol::openai::Capability;
use web_time::Instant;

use crate::control::{Control, unless_stopped};
use crate::error::RequestError;
use crate::media::{Medium, PromptMedium};

/// Maximum floats of embeddings that are kept for images and sounds of other conversations: 64 MB.
const MAX_KEPT_FLOATS: usize = 16 << 20;
/// Steps of progress for each image.
const STEPS: usize = 1000;

/// What lets a model see or hear: its projector, and what it encoded lately.
pub struct Senses {
    projector: Projector,
    /// By the digests of images and sounds; what was used last comes last.
    kept: Vec<(u64, Rc<[Part]>)>,
    max_kept_floats: usize,
}

impl Senses {
    /// The senses of a model that this projector belongs to.
    pub fn new(projector: Projector) -> Self {
        Self { projector, kept: Vec::new(), max_kept_floats: MAX_KEPT_FLOATS }
    }

    /// The same with another limit for embeddings of what the latest request does not have. The others are kept
    /// in any case, since the next one will have them, too.
    #[must_use]
    pub fn with_max_kept_floats(self, max_kept_floats: usize) -> Self {
        Self { max_kept_floats, ..self }
    }

    /// The projector.
    pub fn projector(&self) -> &Projector {
        &self.projector
    }

    /// What a model can do with it.
    pub fn capabilities(&self) -> impl Iterator<Item = Capability> + use<> {
        let (sees, hears) = (self.projector.sight().is_some(), self.projector.hearing().is_some());
        let found = [sees.then_some(Capability::Vision), hears.then_some(Capability::Hearing)];
        found.into_iter().flatten()
    }

    /// Encodes the images and sounds that were not encoded yet, unless the request is stopped first.
    pub(crate) async fn encode(
        &mut self,
        media: &[Rc<PromptMedium>],
        chat: &Chat,
        control: &impl Control,
    ) -> Result<(), RequestError> {
        let named: Vec<u64> = media.iter().map(|medium| self.id(medium.medium().digest())).collect();
        for (index, medium) in media.iter().enumerate().filter(|(_, medium)| !medium.is_encoded()) {
            let report = |done: usize, total: usize| {
                match medium.medium() {
                    Medium::Image(_) => {
                        control.seeing(index * STEPS + done * STEPS / total.max(1), media.len() * STEPS);
                    }
                    Medium::Sound(sound) => {
                        let seconds = sound.sample_count as f64 / SAMPLE_RATE as f64;
                        control.listening(seconds * done as f64 / total.max(1) as f64, seconds);
                    }
                }
                // Natively, nothing waits between layers, so `unless_stopped` would notice only at the end.
                control.stopped().now_or_never().is_none()
            };
            match unless_stopped(control, self.parts(medium, chat, report)).await {
                None | Some(Err(RequestError::Engine(EngineError::Interrupted))) => return Ok(()),
                Some(parts) => {
                    let (parts, seconds) = parts?;
                    medium.set_parts(parts, seconds);
                }
            }
            self.forget_others(&named);
        }
        Ok(())
    }

    /// What stands in the place of an image or a sound, and how long encoding it took, in seconds. What was encoded lately is
    /// not encoded again.
    async fn parts(
        &mut self,
        medium: &PromptMedium,
        chat: &Chat,
        report: impl FnMut(usize, usize) -> bool,
    ) -> Result<(Rc<[Part]>, f64), RequestError> {
        let id = self.id(medium.medium().digest());
        if let Some(index) = self.kept.iter().position(|(kept, _)| *kept == id) {
            self.kept[index..].rotate_left(1);
            return Ok((self.kept.last().map(|(_, parts)| Rc::clone(parts)).unwrap_or_default(), 0.0));
        }
        let (parts, start): (Rc<[Part]>, Instant) = match medium.medium() {
            Medium::Image(image) => {
                let picture = (image.picture)().await?;
                let start = Instant::now();
                (self.projector.encode(chat, &picture, id, report).await?.into(), start)
            }
            Medium::Sound(sound) => {
                let samples = (sound.samples)().await?;
                let start = Instant::now();
                (self.projector.hear(chat, &*samples, id, report).await?.into(), start)
            }
        };
        self.kept.push((id, Rc::clone(&parts)));
        Ok((parts, start.elapsed().as_secs_f64()))
    }

    /// Forgets what was used longest ago, except these images, while there is too much.
    fn forget_others(&mut self, named: &[u64]) {
        let mut floats: usize = self.kept.iter().map(|(_, parts)| float_count(parts)).sum();
        self.kept.retain(|(id, parts)| {
            let stays = floats <= self.max_kept_floats || named.contains(id);
            if !stays {
                floats -= float_count(parts);
            }
            stays
        });
    }

    /// Identifies an image or a sound as this projector perceives it, also in saved conversations. FNV-1a.
    fn id(&self, digest: u64) -> u64 {
        let bytes = self.projector.id().to_le_bytes().into_iter().chain(digest.to_le_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

fn float_count(parts: &[Part]) -> usize {
    let floats = parts.iter().map(|part| match part {
        Part::Tokens(_) => 0,
        Part::Embeddings(span) => span.rows.len() + span.deepstack.len(),
    });
    floats.sum()
}
