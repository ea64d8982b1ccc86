//! Preparing a loaded model: kernels are compiled, tested and laid out, and the results are kept for the next load.

use parlance_engine::EngineError;
use parlance_engine::runtime::{Loaded, Model, Projector, SelfTest as TestResult, Verdict};
use parlance_protocol::SelfTest;

use crate::error::WorkerError;
use crate::load::Load;
use crate::source::Part;
use crate::storage::{Entry, TestedKernels};

impl Load<'_> {
    /// Compiles what a model's first answer needs, and makes sure that a GPU computes it correctly.
    pub(crate) async fn prepare(&self, loaded: &mut Loaded, part: Option<&Part>) -> Result<SelfTest, WorkerError> {
        let kept = part.and_then(kept_entry);
        let verdict = match loaded {
            Loaded::Decoder(model) if model.device().is_cpu() => Verdict::Sound,
            Loaded::Decoder(model) => self.prepare_decoder(model, kept).await?,
            Loaded::Encoder(encoder) if encoder.device().is_cpu() => Verdict::Sound,
            Loaded::Encoder(encoder) => {
                let kernels_id = encoder.kernels_id()?;
                let here = || TestedKernels::here(kernels_id, encoder.device().adapter_name());
                match known_verdict(kept, &here()).await {
                    Some(verdict) => verdict,
                    None => keep_verdict(kept, here(), encoder.self_test().await).await?,
                }
            }
            Loaded::Transcriber(transcriber) if transcriber.device().is_cpu() => Verdict::Sound,
            Loaded::Transcriber(transcriber) => {
                let kernels_id = transcriber.kernels_id()?;
                let here = || TestedKernels::here(kernels_id, transcriber.device().adapter_name());
                match known_verdict(kept, &here()).await {
                    Some(verdict) => verdict,
                    None => keep_verdict(kept, here(), transcriber.self_test().await).await?,
                }
            }
        };
        match verdict {
            Verdict::Sound => Ok(SelfTest::Passed),
            Verdict::Plain => Ok(SelfTest::Plain),
            Verdict::Wrong => Err(EngineError::WrongResults.into()),
        }
    }

    /// Makes sure that a GPU computes a projector correctly.
    pub(crate) async fn prepare_projector(&self, projector: &mut Projector, part: &Part) -> Result<(), WorkerError> {
        if projector.device().is_cpu() {
            return Ok(());
        }
        let kept = kept_entry(part);
        let here = TestedKernels::here(projector.kernels_id().await?, projector.device().adapter_name());
        let verdict = match known_verdict(kept, &here).await {
            Some(verdict) => verdict,
            None => keep_verdict(kept, here, projector.self_test().await).await?,
        };
        match verdict {
            Verdict::Sound => Ok(()),
            Verdict::Plain => {
                projector.make_plain();
                Ok(())
            }
            Verdict::Wrong => Err(EngineError::WrongResults.into()),
        }
    }

    /// Applies the kernel layout that was measured, and the result of the self-test, when the model was loaded onto this GPU for the first time; or
    /// measures and tests now.
    async fn prepare_decoder(&self, model: &mut Model, kept: Option<&Entry>) -> Result<Verdict, WorkerError> {
        let adapter = model.device().adapter_name().to_owned();
        let known = match kept {
            Some(entry) => entry.layout(&adapter).await,
            None => Some(Vec::new()),
        };
        model.apply(known.as_deref().unwrap_or_default());
        let verdict = known_verdict(kept, &TestedKernels::here(model.kernels_id()?, &adapter)).await;
        match verdict {
            Some(Verdict::Wrong) => return Ok(Verdict::Wrong),
            Some(Verdict::Plain) => model.make_plain(),
            Some(Verdict::Sound) | None => {}
        }
        model.warm_up().await?;
        let verdict = match verdict {
            Some(verdict) => verdict,
            None => test(model, kept, &adapter).await?,
        };
        // What computes wrongly is not worth measuring.
        let (None, Some(entry), Verdict::Sound) = (known, kept, verdict) else { return Ok(verdict) };
        let changes = self.unless_stopped(model.autotune()).await??;
        // Without room for the layout, it is measured again next time.
        let _ = entry.set_layout(&adapter, &changes).await;
        // Another layout has other kernels.
        if changes.is_empty() { Ok(verdict) } else { test(model, kept, &adapter).await }
    }
}

/// Where results about a file are kept: with the file.
fn kept_entry(part: &Part) -> Option<&Entry> {
    match part {
        Part::Stored(entry) => Some(&**entry),
        Part::Url(_) | Part::File(_) => None,
    }
}

/// The result of an earlier self-test of the same kernels, if it was kept with the model.
async fn known_verdict(kept: Option<&Entry>, here: &TestedKernels) -> Option<Verdict> {
    kept?.self_test(here).await
}

/// Tests a decoder in its present layout.
async fn test(model: &mut Model, kept: Option<&Entry>, adapter: &str) -> Result<Verdict, WorkerError> {
    let here = TestedKernels::here(model.kernels_id()?, adapter);
    keep_verdict(kept, here, model.self_test().await).await
}

/// The result of a self-test, which is kept with the model.
async fn keep_verdict(
    kept: Option<&Entry>,
    here: TestedKernels,
    result: Result<TestResult, EngineError>,
) -> Result<Verdict, WorkerError> {
    let verdict = match result {
        Ok(result) => result.verdict,
        // There is no memory for the test; most adapters compute correctly.
        Err(EngineError::OutOfMemory(_)) => return Ok(Verdict::Sound),
        Err(error) => return Err(error.into()),
    };
    if let Some(entry) = kept {
        // Without room for the result, the next load tests again.
        let _ = entry.set_self_test(here, verdict).await;
    }
    Ok(verdict)
}
