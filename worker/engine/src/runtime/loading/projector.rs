//! Turns a stream of bytes into a projector on a device.

use super::header::Header;
use super::source::Source;
use super::upload::Upload;
use crate::error::{EngineError, Result};
use crate::gguf::Gguf;
use crate::models::TowerTensors;
use crate::runtime::device::Device;
use crate::runtime::fit::ProjectorDescription;
use crate::runtime::session::{PlannedTower, Projector};

/// Receives the bytes of a projector's file in order and builds the projector.
pub struct ProjectorLoader {
    device: Device,
    file_len_bytes: Option<u64>,
    received_bytes: u64,
    stage: Stage,
}

enum Stage {
    Header(Header),
    Tensors(Box<(ProjectorDescription, Upload)>),
}

impl ProjectorLoader {
    /// A loader for a file of this length, if known.
    pub fn new(device: impl Into<Device>, file_len_bytes: Option<u64>) -> Self {
        Self { device: device.into(), file_len_bytes, received_bytes: 0, stage: Stage::Header(Header::default()) }
    }

    /// Consumes the next bytes of the file.
    ///
    /// # Errors
    /// A malformed file, or a projector that is not supported or does not fit the device.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.received_bytes += bytes.len() as u64;
        let header = match &mut self.stage {
            Stage::Tensors(stage) => return stage.1.push(bytes).await,
            Stage::Header(header) => header,
        };
        if let Some(gguf) = header.push(bytes, self.file_len_bytes)? {
            let start = header.take();
            let (description, mut upload) = self.prepare(&gguf).await?;
            upload.push(&start).await?;
            self.stage = Stage::Tensors(Box::new((description, upload)));
        }
        Ok(())
    }

    /// Reads from a file with `left_bytes` bytes left, directly to where they are needed, and returns how many bytes it
    /// consumed: 0 if no more are needed. Faster than [`ProjectorLoader::push`].
    ///
    /// # Errors
    /// As [`ProjectorLoader::push`], and errors of the file.
    pub async fn pull<S: Source>(&mut self, source: &mut S, left_bytes: u64) -> std::result::Result<u64, S::Error> {
        match &mut self.stage {
            Stage::Header(header) => {
                let mut bytes = vec![0; header.missing().min(left_bytes) as usize];
                source.read(&mut bytes)?;
                self.push(&bytes).await?;
                Ok(bytes.len() as u64)
            }
            Stage::Tensors(stage) => {
                let taken = stage.1.pull(source, left_bytes).await?;
                self.received_bytes += taken;
                Ok(taken)
            }
        }
    }

    /// Finishes after the last byte.
    ///
    /// # Errors
    /// [`EngineError::Truncated`] if bytes are missing.
    pub fn finish(self) -> Result<Projector> {
        let (description, mut upload) = match self.stage {
            Stage::Tensors(stage) => *stage,
            Stage::Header(header) => {
                let needed_bytes = header.needed_bytes();
                return Err(EngineError::Truncated { len_bytes: self.received_bytes, needed_bytes });
            }
        };
        upload.end_file()?;
        let (placed, host) = upload.finish()?;
        let ProjectorDescription { towers, weights } = description;
        let towers = towers.into_iter().map(|(config, plan)| {
            let tower = placed.tower((&config, &plan), &TowerTensors::new(&plan, &host));
            (config, plan, tower)
        });
        let towers: Vec<PlannedTower> = towers.collect();
        Ok(Projector::new(self.device, towers, weights.len_bytes(), host))
    }

    async fn prepare(&self, gguf: &Gguf) -> Result<(ProjectorDescription, Upload)> {
        let description = ProjectorDescription::new(gguf, self.device.limits())?;
        let weights = &description.weights;
        if let Some(gpu) = self.device.gpu() {
            Upload::prepare(gpu, weights).await?;
        }
        let files = std::slice::from_ref(gguf);
        let upload = self.device.allocating(|| Upload::new(&self.device, weights, files)).await?;
        Ok((description, upload))
    }
}
