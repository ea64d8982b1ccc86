//! Range checks of hyperparameters.

use crate::error::{EngineError, Result};

/// A range check: name, value, minimum, maximum, and what the value must be a multiple of.
pub(super) type Check = (&'static str, u32, u32, u32, u32);

/// Limits on hyperparameters, far above any published model, so that damaged files cannot cause large allocations.
pub(super) const MAX_WIDTH: u32 = 1 << 18;
pub(super) const MAX_VOCAB: u64 = 1 << 21;
pub(super) const MAX_EXPERTS: u32 = 512;

/// Checks that numbers are in range.
pub(super) fn check_ranges(checks: &[Check]) -> Result<()> {
    for (what, value, min, max, multiple) in checks {
        if value < min || value > max || !value.is_multiple_of(*multiple) {
            return Err(EngineError::malformed(format!(
                "{what}: {value}, but only multiples of {multiple} from {min} to {max} are supported"
            )));
        }
    }
    Ok(())
}
