//! RoPE angles, computed once in double precision: WGSL guarantees little about `sin` and `cos` of large arguments.

use crate::error::{EngineError, Result};
use crate::gguf::Gguf;

/// The tensor with divisors of RoPE's frequencies (Llama 3's scaling).
pub const ROPE_FREQUENCIES: &str = "rope_freqs.weight";
/// The divisors of `LongRoPE` (Phi 3) for contexts longer than the original one.
pub const ROPE_LONG: &str = "rope_factors_long.weight";
/// The divisors of `LongRoPE` for contexts up to the original one.
pub const ROPE_SHORT: &str = "rope_factors_short.weight";

/// How RoPE's angles depend on positions.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeConfig {
    /// Base of the frequencies.
    pub base: f32,
    /// Positions are divided by this; 1 without scaling.
    pub factor: f32,
    /// `YaRN` scaling, where fast pairs keep their frequencies, see [`Yarn`].
    pub yarn: Option<Yarn>,
    /// Factor of sines and cosines.
    pub magnitude: f32,
    /// Context length before it was extended; `LongRoPE` switches its divisors there.
    pub original_context: Option<u32>,
    /// Multimodal RoPE (M-RoPE): which pairs turn with which component of a position.
    pub sections: Option<Sections>,
}

/// A token's position: time, row and column (multimodal RoPE). In text they are equal.
pub type Position = [u32; 3];

/// Number of pairs that turn with each component of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sections {
    /// For time, row and column.
    pub lens: [u32; 3],
    /// The components alternate from pair to pair. Otherwise the pairs of each follow each other.
    pub alternate: bool,
}

impl Sections {
    /// Reads the sections of `architecture`, if the file has them.
    ///
    /// # Errors
    /// If they do not cover the pairs of `rope_dim` elements.
    pub(super) fn from_gguf(gguf: &Gguf, architecture: &str, rope_dim: u32, alternate: bool) -> Result<Option<Self>> {
        let Some(lens) = gguf.metadata.integers(&format!("{architecture}.rope.dimension_sections")) else {
            return Ok(None);
        };
        let bad = || EngineError::malformed(format!("RoPE sections {lens:?} of {rope_dim} elements"));
        // A fourth one is always empty in published models.
        let [time, height, width, rest @ ..] = &lens[..] else { return Err(bad()) };
        let len = |len: &i64| u32::try_from(*len).ok().filter(|len| *len <= rope_dim).ok_or_else(bad);
        let sections = [len(time)?, len(height)?, len(width)?];
        if rest.iter().any(|len| *len != 0) || sections.iter().sum::<u32>() != rope_dim / 2 {
            return Err(bad());
        }
        Ok(Some(Self { lens: sections, alternate }))
    }
}

/// `YaRN` (Peng et al. 2023, section 3.2): which pairs are interpolated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Yarn {
    /// Pairs before this one keep their frequencies.
    pub first_stretched: f32,
    /// Pairs from this one on are fully interpolated.
    pub fully_stretched: f32,
}

impl RopeConfig {
    /// RoPE without any scaling.
    pub fn plain(base: f32) -> Self {
        Self { base, factor: 1.0, yarn: None, magnitude: 1.0, original_context: None, sections: None }
    }

    /// Reads the settings of `architecture`; `rope_dim` is the rotated part of a head.
    ///
    /// # Errors
    /// An unknown kind of scaling, or invalid numbers.
    pub(super) fn from_gguf(gguf: &Gguf, architecture: &str, rope_dim: u32) -> Result<Self> {
        let metadata = &gguf.metadata;
        let key = |name: &str| format!("{architecture}.rope.{name}");
        let base = metadata.f32(&key("freq_base")).unwrap_or(10_000.0);
        let scaling = metadata.string(&key("scaling.type")).unwrap_or("none");
        let factor = metadata.f32(&key("scaling.factor")).filter(|factor| *factor != 0.0);
        let mut rope = Self::plain(base);
        rope.magnitude = metadata.f32(&key("scaling.attn_factor")).unwrap_or(1.0);
        rope.original_context = metadata.u32(&key("scaling.original_context_length"));
        match scaling {
            // The divisors are tensors.
            "none" | "longrope" => {}
            "linear" => rope.factor = factor.unwrap_or(1.0),
            "yarn" => {
                rope.factor = factor.unwrap_or(1.0);
                let trained = metadata.u32(&format!("{architecture}.context_length")).unwrap_or(0);
                let original = rope.original_context.unwrap_or(trained);
                let beta = |name: &str, default| metadata.f32(&key(name)).unwrap_or(default);
                let betas = [beta("scaling.yarn_beta_fast", 32.0), beta("scaling.yarn_beta_slow", 1.0)];
                rope.yarn = Some(Yarn::new(base, rope_dim, original, betas));
                // Peng et al. 2023, equation 22. Some models divide by the same with a multiplier.
                let multiplier = metadata.f32(&key("scaling.yarn_log_multiplier")).unwrap_or(0.0);
                let growth = 0.1 * rope.factor.ln();
                rope.magnitude *= (1.0 + growth) / (1.0 + multiplier * growth);
            }
            other => {
                return Err(EngineError::UnsupportedArchitecture(format!("{architecture} with {other} RoPE scaling")));
            }
        }
        let numbers = [rope.base, rope.factor, rope.magnitude];
        if numbers.iter().any(|number| !(number.is_finite() && *number > 0.0)) {
            return Err(EngineError::malformed(format!("RoPE with base, factor and magnitude {numbers:?}")));
        }
        Ok(rope)
    }

    /// Cosine and sine for each position and pair: `[positions][rope_dim / 2]`. `divisors` as in [`RopeTable::new`].
    pub fn angles(&self, rope_dim: u32, positions: u32, divisors: Option<&[f32]>) -> Vec<[f32; 2]> {
        let table = RopeTable::new(self, rope_dim, divisors);
        (0..positions).flat_map(|position| table.row([position; 3]).collect::<Vec<_>>()).collect()
    }

    /// The component of a position (time, row, column) that turns each pair.
    ///
    /// Formula: the M-RoPE of Wang et al. 2024, "Qwen2-VL"; interleaved, that of Bai et al. 2025, "Qwen3-VL Technical
    /// Report".
    fn components(&self, pairs: u32) -> Vec<usize> {
        let Some(Sections { lens: [time, height, width], alternate }) = self.sections else {
            return vec![0; pairs as usize];
        };
        let component = |pair: u32| match pair % 3 {
            _ if !alternate => usize::from(pair >= time) + usize::from(pair >= time + height),
            1 if pair < 3 * height => 1,
            2 if pair < 3 * width => 2,
            _ => 0,
        };
        (0..pairs).map(component).collect()
    }
}

/// Computes the angles of any position.
#[derive(Debug, Clone)]
pub(crate) struct RopeTable {
    /// Radians per position, and the component of the position that counts, of each pair.
    pairs: Vec<(f64, usize)>,
    magnitude: f64,
}

impl RopeTable {
    /// Formula: Su et al. 2021, equation 15. `divisors` has one per pair, from [`ROPE_FREQUENCIES`] or similar tensors
    /// if the file has them.
    pub(crate) fn new(rope: &RopeConfig, rope_dim: u32, divisors: Option<&[f32]>) -> Self {
        let frequency = |pair: u32| {
            let divisor = divisors.and_then(|divisors| divisors.get(pair as usize)).copied().unwrap_or(1.0);
            let exponent = -2.0 * f64::from(pair) / f64::from(rope_dim);
            let frequency = f64::from(rope.base).powf(exponent) / f64::from(divisor);
            let kept = rope.yarn.map_or(0.0, |yarn| yarn.kept(pair));
            frequency * (kept + (1.0 - kept) / f64::from(rope.factor))
        };
        let pairs = rope_dim / 2;
        let pairs = (0..pairs).map(frequency).zip(rope.components(pairs)).collect();
        Self { pairs, magnitude: f64::from(rope.magnitude) }
    }

    /// Number of pairs.
    pub(crate) fn pair_count(&self) -> usize {
        self.pairs.len()
    }

    /// Cosine and sine of each pair's angle at a position.
    pub(crate) fn row(&self, position: Position) -> impl Iterator<Item = [f32; 2]> {
        self.pairs.iter().map(move |(frequency, component)| {
            let (sin, cos) = (f64::from(position[*component]) * frequency).sin_cos();
            [(cos * self.magnitude) as f32, (sin * self.magnitude) as f32]
        })
    }
}

impl Yarn {
    /// `betas`: the number of rotations over the original context above which a pair is kept, and below which it is
    /// fully interpolated.
    fn new(base: f32, rope_dim: u32, original_context: u32, betas: [f32; 2]) -> Self {
        let pair_of = |turns: f32| {
            let wavelength = original_context as f32 / (turns * std::f32::consts::TAU);
            rope_dim as f32 * wavelength.ln() / (2.0 * base.ln())
        };
        Self {
            first_stretched: pair_of(betas[0]).floor().max(0.0),
            fully_stretched: pair_of(betas[1]).ceil().min(rope_dim as f32 - 1.0),
        }
    }

    /// The fraction of its frequency that a pair keeps, from 0 to 1.
    fn kept(self, pair: u32) -> f64 {
        let width = (self.fully_stretched - self.first_stretched).max(0.001);
        let ramp = (pair as f32 - self.first_stretched) / width;
        f64::from(1.0 - ramp.clamp(0.0, 1.0))
    }
}
