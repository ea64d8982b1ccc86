//! Whether an adapter computes what it should: a model's kernels, on fixed inputs, against their twins in `reference`.
//!
//! Browsers and drivers are known to compute wrongly without a word. So before a model answers on an adapter for the first time, each kernel that
//! multiplies, looks up, attends or samples at an answer's beginning runs as it will: the same pipeline, of the same format, shape, layout and
//! epilogue. Only its matrix is one of its own, of which a few rows are filled, and few workgroups of its grid run (`bench.rs`).

mod bench;
mod twins;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use self::bench::Bench;
use super::device::Device;
use super::encoder::Encoder;
use super::gpu::Gpu;
use super::gpu_model::{GpuModel, Programs};
use super::model::{Compute, Model};
use super::program::Dispatch;
use crate::error::{EngineError, Result};

/// What the self-test says of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All kernels agree with their twins.
    Sound,
    /// Some do not, but their plain forms do, see [`Tuning::plain`](super::Tuning::plain).
    Plain,
    /// Plain forms do not either: nothing that the adapter computes can be trusted.
    Wrong,
}

/// What the self-test found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfTest {
    /// What it comes to.
    pub verdict: Verdict,
    /// The kernels that did not agree with their twins at first, for people.
    pub wrong: Vec<String>,
}

impl Verdict {
    const ALL: [Self; 3] = [Self::Sound, Self::Plain, Self::Wrong];

    /// Its name, for keeping.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Plain => "plain",
            Self::Wrong => "wrong",
        }
    }

    /// The verdict of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }
}

impl Model {
    /// Compares the model's kernels with their twins. If one is wrong, all are laid out plainly and compared again; what is in use
    /// afterwards is right unless the verdict is [`Verdict::Wrong`]. On the CPU there is nothing to compare. Forgets all sequences.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`] if there is no room for the test, or whatever the GPU reported.
    pub async fn self_test(&mut self) -> Result<SelfTest> {
        self.reset();
        let wrong = self.wrong_kernels().await?;
        if wrong.is_empty() {
            return Ok(SelfTest { verdict: Verdict::Sound, wrong });
        }
        self.make_plain();
        if let Compute::Gpu(model) = &self.compute {
            model.prepare().await?;
        }
        let verdict = if self.wrong_kernels().await?.is_empty() { Verdict::Plain } else { Verdict::Wrong };
        Ok(SelfTest { verdict, wrong })
    }

    /// Lays kernels out plainly, see [`Tuning::plain`](super::Tuning::plain).
    pub fn make_plain(&mut self) {
        if let Compute::Gpu(model) = &mut self.compute {
            model.gpu = model.gpu.with_tuning(model.gpu.tuning().plain());
            model.programs = Programs::default();
            self.device = Device::Gpu(model.gpu.clone());
        }
    }

    /// Tells the kernels that [`Model::self_test`] compares from those of other formats, shapes and layouts.
    ///
    /// # Errors
    /// As [`Model::generate`]: what was not needed yet is prepared for it.
    pub fn kernels_id(&self) -> Result<u64> {
        match &self.compute {
            Compute::Gpu(model) => Ok(kernels_id(model.first_dispatches()?.chain(&model.sampler))),
            Compute::Cpu(_) => Ok(0),
        }
    }

    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        match &self.compute {
            Compute::Gpu(model) => model.wrong_kernels().await,
            Compute::Cpu(_) => Ok(Vec::new()),
        }
    }
}

impl GpuModel {
    /// What an answer begins with, but the sampler.
    fn first_dispatches(&self) -> Result<impl Iterator<Item = &Dispatch>> {
        Ok(self.prefill_program()?.iter().chain(self.decode_program(0)?))
    }

    /// The kernels of an answer's beginning that do not agree with their twins.
    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        wrong_kernels(&self.gpu, &self.buffers.kv[0], self.first_dispatches()?, Some(self)).await
    }
}

impl Encoder {
    /// The same as [`Model::self_test`], but that these kernels have no plain form.
    ///
    /// # Errors
    /// As [`Model::self_test`].
    pub async fn self_test(&self) -> Result<SelfTest> {
        let wrong = match self.program() {
            Some((gpu, kv, program)) => {
                gpu.compile().await;
                wrong_kernels(gpu, kv, program.iter(), None).await?
            }
            None => Vec::new(),
        };
        Ok(SelfTest { verdict: if wrong.is_empty() { Verdict::Sound } else { Verdict::Wrong }, wrong })
    }

    /// The same as [`Model::kernels_id`].
    pub fn kernels_id(&self) -> u64 {
        self.program().map_or(0, |(_, _, program)| kernels_id(program.iter()))
    }
}

/// Tells the kernels of dispatches from others.
fn kernels_id<'d>(dispatches: impl Iterator<Item = &'d Dispatch>) -> u64 {
    let mut hasher = DefaultHasher::new();
    dispatches.map(Dispatch::shader).collect::<BTreeSet<_>>().hash(&mut hasher);
    hasher.finish()
}

/// The kernels of dispatches, and of a decoder's sampler, that do not agree with their twins. `kv` is the cache of a layer.
async fn wrong_kernels<'d>(
    gpu: &Gpu,
    kv: &wgpu::Buffer,
    mut dispatches: impl Iterator<Item = &'d Dispatch>,
    decoder: Option<&GpuModel>,
) -> Result<Vec<String>> {
    // What was not allocated cannot be bound either, which is no fault of the device.
    let scopes = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation];
    let [out_of_memory, validation] = scopes.map(|filter| gpu.device().push_error_scope(filter));
    let mut bench = Bench::new(gpu, kv);
    let done = dispatches.try_for_each(|dispatch| bench.test(dispatch));
    if let Some(decoder) = decoder {
        bench.sample(decoder);
    }
    let (invalid, out_of_memory) = (validation.pop(), out_of_memory.pop());
    if let Some(error) = out_of_memory.await {
        return Err(EngineError::OutOfMemory(error.to_string()));
    }
    if let Some(error) = invalid.await {
        return Err(EngineError::Gpu(error.to_string()));
    }
    done?;
    bench.finish().await
}
