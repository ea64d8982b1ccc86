//! Layout choices that are benchmarked on the adapter, because what is best on one GPU may not be on another.

use web_time::Instant;

use super::decoder::GpuDecoder;
use super::decoder::Programs;
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::linear::Tiles;
use crate::runtime::device::{Dispatch, Gpu, Tuning};
use crate::runtime::measuring::Change;

/// What a change is benchmarked with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Decode,
    Prefill,
}

/// A change is kept if it reduces the time to this fraction; smaller gains may be noise.
const MAX_TIME_RATIO: f64 = 0.97;
/// Position of the benchmarked token, if the context is long enough: typical of an answer in a chat.
const POSITION: usize = 768;
/// Number of tokens in the benchmarked prompt.
const PROMPT_TOKENS: usize = 64;
/// Minimum duration of a measurement in seconds, subject to [`MAX_REPEATS`].
const MEASURED_SECONDS: f64 = 0.015;
const MAX_REPEATS: f64 = 32.0;
/// Measurements of each layout. They alternate, because a device that has just woken up gets faster, and a hot one
/// slower.
const RUNS: usize = 5;
/// Seconds after which no further change is tried.
const BUDGET_SECONDS: f64 = 3.0;

fn phase(change: Change) -> Phase {
    if matches!(change, Change::FloatTiles | Change::MatrixUnits) { Phase::Prefill } else { Phase::Decode }
}

impl Tuning {
    /// Applies a change; no effect if it does not apply to this layout.
    #[must_use]
    pub fn with(mut self, change: Change) -> Self {
        match change {
            Change::SeparateQuery => self.projected_weights = 0,
            Change::FewerSplits => {
                for step in &mut self.attention_splits {
                    step.splits = (step.splits / 2).max(1);
                }
            }
            Change::SmallWorkgroups if self.decode.has_lanes() => {
                for linear in [&mut self.decode, &mut self.decode_large].into_iter().chain(&mut self.decode_integers) {
                    linear.workgroup = (linear.workgroup / 2).max(2 * linear.lanes);
                }
            }
            Change::FewerLanes if self.decode.has_lanes() => {
                for linear in [&mut self.decode, &mut self.decode_large].into_iter().chain(&mut self.decode_integers) {
                    linear.lanes = (linear.lanes / 2).max(8);
                }
            }
            Change::MatrixUnits if self.untried_units => {
                // Buffers have room for the batches of before.
                let prefill_batch = self.prefill_batch;
                self = Self { prefill_batch, ..self.with_tiles(u32::MAX, Tiles::Cooperative) };
            }
            Change::FloatTiles if self.prefill_large.tiles == Tiles::Packed => {
                self.prefill_large = self.prefill_large.unpacked();
            }
            Change::Integers => self = self.with_integers(),
            Change::SharedCodebooks => self = self.with_shared_codebooks(),
            Change::SmallWorkgroups | Change::FewerLanes | Change::MatrixUnits | Change::FloatTiles => {}
        }
        self
    }
}

/// Tries the changes on a model and keeps those that are faster. `None` if `is_wanted` turns false meanwhile: then, and
/// after an error, the layout is as before.
pub(super) async fn run(
    decoder: &mut GpuDecoder,
    context: usize,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<Vec<Change>>> {
    let before = decoder.gpu.tuning();
    let kept = keep_faster(decoder, context, is_wanted).await;
    if !matches!(kept, Ok(Some(_))) && decoder.gpu.tuning() != before {
        decoder.lay_out(&before);
    }
    kept
}

/// The same, but leaves any layout behind if there is no result.
async fn keep_faster(
    decoder: &mut GpuDecoder,
    context: usize,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<Vec<Change>>> {
    let start = Instant::now();
    let mut kept = Vec::new();
    for change in Change::ALL {
        let has_time = start.elapsed().as_secs_f64() < BUDGET_SECONDS;
        if has_time && is_wanted() && decoder.apply_if_faster(change, context, is_wanted).await? {
            kept.push(change);
        }
        if !is_wanted() {
            return Ok(None);
        }
    }
    Ok(Some(kept))
}

impl GpuDecoder {
    /// Applies a change if it is faster; returns whether it is. Stops measuring once it is not wanted any more.
    async fn apply_if_faster(&mut self, change: Change, context: usize, is_wanted: &dyn Fn() -> bool) -> Result<bool> {
        let tuning = self.gpu.tuning();
        let is_possible = change != Change::Integers || self.gpu.has_packed_products();
        if tuning.with(change) == tuning || !is_possible {
            return Ok(false);
        }
        let measured = Measured::new(self, phase(change), context);
        let kernels = measured.kernels(self)?;
        let mut other = (self.gpu.with_tuning(tuning.with(change)), Programs::default());
        self.swap(&mut other);
        // Many models have no kernel that a given change affects.
        let is_worth_it = measured.kernels(self)? != kernels && {
            self.gpu.compile().await;
            // Compilation may only finish on the first run.
            measured.run(self, 1).await?;
            let once = measured.run(self, 1).await?;
            let repeats = (MEASURED_SECONDS / once).clamp(1.0, MAX_REPEATS) as usize;
            let mut seconds = [Vec::new(), Vec::new()];
            for _ in 0..RUNS {
                if !is_wanted() {
                    break;
                }
                for own in &mut seconds {
                    self.swap(&mut other);
                    own.push(measured.run(self, repeats).await?);
                }
            }
            // The old layout comes first.
            seconds[1].len() == RUNS && is_faster(seconds)
        };
        if !is_worth_it {
            self.swap(&mut other);
        }
        Ok(is_worth_it)
    }

    /// Swaps the current layout with another one.
    fn swap(&mut self, (gpu, programs): &mut (Gpu, Programs)) {
        std::mem::swap(&mut self.gpu, gpu);
        std::mem::swap(&mut self.programs, programs);
    }
}

/// Whether the second layout is faster. Interference only adds time, so the minimum says most; the median has to agree.
fn is_faster(seconds: [Vec<f64>; 2]) -> bool {
    let [old, new] = seconds.map(|mut own| {
        own.sort_by(f64::total_cmp);
        [own[0], own[RUNS / 2]]
    });
    new.iter().zip(old).all(|(new, old)| *new < MAX_TIME_RATIO * old)
}

/// A benchmark: a number of tokens at a position.
struct Measured {
    phase: Phase,
    position: usize,
    tokens: u32,
}

impl Measured {
    fn new(model: &GpuDecoder, phase: Phase, context: usize) -> Self {
        let (position, tokens) = match phase {
            Phase::Decode => (POSITION.min(context - 1), 1),
            Phase::Prefill => (0, PROMPT_TOKENS.min(context).min(model.max_batch as usize) as u32),
        };
        Self { phase, position, tokens }
    }

    fn program<'a>(&self, model: &'a GpuDecoder) -> Result<&'a [Dispatch]> {
        match self.phase {
            Phase::Decode => model.decode_program(self.position),
            Phase::Prefill => model.prefill_program(false),
        }
    }

    fn kernels(&self, model: &GpuDecoder) -> Result<Vec<(usize, Grid)>> {
        Ok(self.program(model)?.iter().map(Dispatch::identity).collect())
    }

    /// Seconds per run, averaged over `repeats` runs. The token IDs do not matter.
    async fn run(&self, model: &GpuDecoder, repeats: usize) -> Result<f64> {
        let program = self.program(model)?;
        model.write_state(self.position, self.tokens, 0);
        let start = Instant::now();
        model.submit(|pass| {
            for dispatch in std::iter::repeat_n(program, repeats).flatten() {
                dispatch.encode(pass, self.tokens);
            }
        });
        model.wait().await?;
        Ok(start.elapsed().as_secs_f64() / repeats as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_round_trip_by_name_and_affect_gpus() {
        let tuning = Tuning::for_hardware(Some(32)).with_tiles(48 << 10, Tiles::Packed);
        let tuning = tuning.with_untried_units(48 << 10);
        for change in Change::ALL {
            assert_eq!(Change::from_name(change.name()), Some(change));
            assert_ne!(tuning.with(change), tuning, "{}", change.name());
            assert!(tuning.with(change).max_splits() <= tuning.max_splits(), "buffers have room for no more");
        }
        assert_eq!(Change::from_name("of another version"), None);
        let tiles_of_floats = Tuning::for_hardware(Some(32)).with_tiles(48 << 10, Tiles::Shared);
        assert_eq!(tuning.with(Change::FloatTiles), Tuning { untried_units: true, ..tiles_of_floats });
        let with_units = tuning.with(Change::MatrixUnits);
        assert_eq!(with_units.prefill_large.tiles, Tiles::Cooperative);
        assert_eq!(with_units.prefill_batch, tuning.prefill_batch);
        assert_eq!(tiles_of_floats.with(Change::MatrixUnits), tiles_of_floats, "there are none");
    }
}
