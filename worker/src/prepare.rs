//! Preparing a loaded model: kernels are compiled, tested and laid out, and the results are kept for the next load.

use parlance_engine::EngineError;
use parlance_engine::runtime::{Loaded, Model, Projector, SelfTest as TestResult, Verdict};
use parlance_protocol::SelfTest;

use crate::error::WorkerError;
use crate::storage::{Entry, TestedKernels};

/// A conversation in memory that takes more than this is computed again after tuning, rather than copied.
const MAX_COPIED_BYTES: u64 = 64 << 20;

/// A model that can answer.
pub(crate) struct Prepared {
    pub(crate) self_test: SelfTest,
    /// The kept file of a model whose kernel layout has yet to be measured on this adapter.
    pub(crate) untuned: Option<Entry>,
}

/// Compiles what a model's first answer needs, and makes sure that a GPU computes it correctly. `kept` is its first file.
pub(crate) async fn prepare(loaded: &mut Loaded, kept: Option<&Entry>) -> Result<Prepared, WorkerError> {
    let mut untuned = None;
    let verdict = match loaded {
        Loaded::Decoder(model) if model.device().is_cpu() => Verdict::Sound,
        Loaded::Decoder(model) => {
            let verdict;
            (verdict, untuned) = prepare_decoder(model, kept).await?;
            verdict
        }
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
    let self_test = match verdict {
        Verdict::Sound => SelfTest::Passed,
        Verdict::Plain => SelfTest::Plain,
        Verdict::Wrong => return Err(EngineError::WrongResults.into()),
    };
    Ok(Prepared { self_test, untuned })
}

/// Makes sure that a GPU computes a projector correctly. `kept` is its file.
pub(crate) async fn prepare_projector(projector: &mut Projector, kept: Option<&Entry>) -> Result<(), WorkerError> {
    if projector.device().is_cpu() {
        return Ok(());
    }
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

/// Applies the kernel layout that was measured on this GPU, or else the default, and the result of the self-test; or tests now. The entry is that of
/// a model whose layout is worth measuring.
async fn prepare_decoder(model: &mut Model, kept: Option<&Entry>) -> Result<(Verdict, Option<Entry>), WorkerError> {
    let adapter = model.device().adapter_name().to_owned();
    let known = match kept {
        Some(entry) => entry.layout(&adapter).await,
        None => Some(Vec::new()),
    };
    model.apply(known.as_deref().unwrap_or_default());
    let verdict = known_verdict(kept, &TestedKernels::here(model.kernels_id()?, &adapter)).await;
    match verdict {
        Some(Verdict::Wrong) => return Ok((Verdict::Wrong, None)),
        Some(Verdict::Plain) => model.make_plain(),
        Some(Verdict::Sound) | None => {}
    }
    model.warm_up().await?;
    let verdict = match verdict {
        Some(verdict) => verdict,
        None => test(model, kept, &adapter).await?,
    };
    // What computes wrongly is not worth measuring.
    let is_untuned = known.is_none() && verdict == Verdict::Sound;
    Ok((verdict, kept.filter(|_| is_untuned).cloned()))
}

/// Measures kernel layouts on this GPU and notes the fastest with the model, unless `is_idle` says meanwhile that somebody waits. Says whether it
/// was done. The conversation in memory is still there afterwards, unless it is long.
///
/// # Errors
/// A layout that computes wrongly is in use: the model has to be loaded again, which does without it.
pub(crate) async fn tune(model: &mut Model, kept: &Entry, is_idle: &dyn Fn() -> bool) -> Result<bool, WorkerError> {
    let adapter = model.device().adapter_name().to_owned();
    let tokens = model.cached_len();
    let is_copied = tokens > 0 && model.config().kv_bytes(tokens as u32) <= MAX_COPIED_BYTES;
    let copy = if is_copied { Some(model.snapshot().await?) } else { None };
    let changes = model.autotune_while(is_idle).await?;
    if let Some(changes) = &changes {
        // Another layout has other kernels.
        let is_sound = changes.is_empty() || test(model, Some(kept), &adapter).await? == Verdict::Sound;
        // Without room for the layout, it is measured again after the next load.
        let _ = kept.set_layout(&adapter, if is_sound { changes.as_slice() } else { &[] }).await;
        if !is_sound {
            return Err(EngineError::WrongResults.into());
        }
    }
    if let Some(copy) = copy {
        model.restore(&copy)?;
    }
    Ok(changes.is_some())
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
