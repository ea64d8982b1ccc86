//! Choices of layout that are measured on the adapter instead of guessed: what is best on one graphics card may not be on another.

use web_time::Instant;

use super::decoder::GpuDecoder;
use super::programs::Programs;
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::linear::Tiles;
use crate::runtime::device::{Dispatch, Gpu, Tuning};
use crate::runtime::measuring::Change;

/// What a change is measured by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Decode,
    Prefill,
}

/// A change is worth it from this share of the time on: less may be chance.
const WORTH: f64 = 0.97;
/// The position of the token that is measured, where the context has room for it: that of an answer in a chat.
const POSITION: usize = 768;
/// Tokens of the prompt that is measured.
const PROMPT_TOKENS: usize = 64;
/// Seconds that a measurement should take at least, if that is not too many tokens.
const MEASURED_SECONDS: f64 = 0.015;
const MOST_REPEATS: f64 = 32.0;
/// Measurements of both layouts, in turn: a device that has just woken up becomes faster, and one that is hot slower.
const RUNS: usize = 5;
/// Seconds after which nothing more is tried.
const BUDGET_SECONDS: f64 = 3.0;

fn phase(change: Change) -> Phase {
    if change == Change::FloatTiles { Phase::Prefill } else { Phase::Decode }
}

impl Tuning {
    /// This with a change; the same where the change makes no sense.
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
                for linear in [&mut self.decode, &mut self.decode_large] {
                    linear.workgroup = (linear.workgroup / 2).max(2 * linear.lanes);
                }
            }
            Change::FewerLanes if self.decode.has_lanes() => {
                for linear in [&mut self.decode, &mut self.decode_large] {
                    linear.lanes = (linear.lanes / 2).max(8);
                }
            }
            Change::FloatTiles if self.prefill_large.tiles == Tiles::Packed => {
                self.prefill_large = self.prefill_large.unpacked();
            }
            Change::SmallWorkgroups | Change::FewerLanes | Change::FloatTiles => {}
        }
        self
    }
}

/// Tries the changes on a model and keeps those that make it faster.
pub(super) async fn run(decoder: &mut GpuDecoder, context: usize) -> Result<Vec<Change>> {
    let start = Instant::now();
    let mut kept = Vec::new();
    for change in Change::ALL {
        if start.elapsed().as_secs_f64() < BUDGET_SECONDS && decoder.make_if_faster(change, context).await? {
            kept.push(change);
        }
    }
    Ok(kept)
}

impl GpuDecoder {
    /// Makes a change if it is worth it; says whether.
    async fn make_if_faster(&mut self, change: Change, context: usize) -> Result<bool> {
        let tuning = self.gpu.tuning();
        if tuning.with(change) == tuning {
            return Ok(false);
        }
        let measured = Measured::new(self, phase(change), context);
        let kernels = measured.kernels(self)?;
        let mut other = (self.gpu.with_tuning(tuning.with(change)), Programs::default());
        self.swap(&mut other);
        // Many models have nothing that a change concerns.
        let is_worth_it = measured.kernels(self)? != kernels && {
            self.gpu.compile().await;
            // What is compiled may be finished when it runs for the first time.
            measured.run(self, 1).await?;
            let once = measured.run(self, 1).await?;
            let repeats = (MEASURED_SECONDS / once).clamp(1.0, MOST_REPEATS) as usize;
            let mut seconds = [Vec::new(), Vec::new()];
            for _ in 0..RUNS {
                for own in &mut seconds {
                    self.swap(&mut other);
                    own.push(measured.run(self, repeats).await?);
                }
            }
            // The old layout was first. What else the machine does only adds to a time, so the least says most; but it must not be alone.
            let [old, new] = seconds.map(|mut own| {
                own.sort_by(f64::total_cmp);
                [own[0], own[RUNS / 2]]
            });
            new.iter().zip(old).all(|(new, old)| *new < WORTH * old)
        };
        if !is_worth_it {
            self.swap(&mut other);
        }
        Ok(is_worth_it)
    }

    /// Changes places with another layout.
    fn swap(&mut self, (gpu, programs): &mut (Gpu, Programs)) {
        std::mem::swap(&mut self.gpu, gpu);
        std::mem::swap(&mut self.programs, programs);
    }
}

/// What is measured: so many tokens at a position.
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
            Phase::Prefill => model.prefill_program(),
        }
    }

    fn kernels(&self, model: &GpuDecoder) -> Result<Vec<(usize, Grid)>> {
        Ok(self.program(model)?.iter().map(Dispatch::identity).collect())
    }

    /// Seconds of one of `repeats` runs. What the tokens are makes no difference.
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
    fn changes_are_kept_by_name_and_matter_on_graphics_cards() {
        let tuning = Tuning::for_hardware(Some(32)).with_tiles(48 << 10, Tiles::Packed);
        for change in Change::ALL {
            assert_eq!(Change::from_name(change.name()), Some(change));
            assert_ne!(tuning.with(change), tuning, "{}", change.name());
            assert!(tuning.with(change).max_splits() <= tuning.max_splits(), "buffers have room for no more");
        }
        assert_eq!(Change::from_name("of another version"), None);
        let tiles_of_floats = Tuning::for_hardware(Some(32)).with_tiles(48 << 10, Tiles::Shared);
        assert_eq!(tuning.with(Change::FloatTiles), tiles_of_floats);
    }
}
