//! Results of measurements on a device. The devices implement the measurements themselves.

/// A deviation from a device's default kernel layout. It affects speed, and results only by rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Attention does not multiply its own query; a separate dispatch does.
    SeparateQuery,
    /// Half as many workgroups share an attention head.
    FewerSplits,
    /// Workgroups of single-token products have half as many threads.
    SmallWorkgroups,
    /// Half as many threads share a row of single-token products.
    FewerLanes,
    /// Prompts are multiplied on matrix units that a browser offers as an experiment. Rounds their inputs to f16.
    MatrixUnits,
    /// Prompts are multiplied in floating point instead of packed integers.
    FloatTiles,
    /// Single tokens are multiplied as integers with matrices of few bits. Rounds their inputs to 8 bits.
    Integers,
    /// Single-token products read codebooks from workgroup memory.
    SharedCodebooks,
}

impl Change {
    /// All changes, in the order in which they are tried.
    pub const ALL: [Self; 8] = [
        Self::Integers,
        Self::SharedCodebooks,
        Self::SeparateQuery,
        Self::FewerSplits,
        Self::SmallWorkgroups,
        Self::FewerLanes,
        Self::MatrixUnits,
        Self::FloatTiles,
    ];

    /// The name under which results are stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::SeparateQuery => "separate-query",
            Self::FewerSplits => "fewer-splits",
            Self::SmallWorkgroups => "small-workgroups",
            Self::FewerLanes => "fewer-lanes",
            Self::MatrixUnits => "matrix-units",
            Self::FloatTiles => "float-tiles",
            Self::Integers => "integers",
            Self::SharedCodebooks => "shared-codebooks",
        }
    }

    /// The change with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.name() == name)
    }
}

/// Outcome of an adapter's self-test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All kernels agree with their reference implementations.
    Sound,
    /// Some do not, but their plain versions do, see [`Tuning::plain`](super::Tuning::plain).
    Plain,
    /// The plain versions do not agree either: no result of the adapter can be trusted.
    Wrong,
}

impl Verdict {
    const ALL: [Self; 3] = [Self::Sound, Self::Plain, Self::Wrong];

    /// The name under which results are stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Plain => "plain",
            Self::Wrong => "wrong",
        }
    }

    /// The outcome with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }
}

/// The result of a self-test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfTest {
    /// The outcome.
    pub verdict: Verdict,
    /// Names of the kernels that did not agree with their references in the tuned layout.
    pub wrong: Vec<String>,
}

/// Total time of one kernel's dispatches, for one token or one batch of prompt tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelTime {
    /// File, format, epilogue and shape.
    pub kernel: String,
    /// Number of dispatches.
    pub count: usize,
    /// Total seconds, without the gaps between dispatches.
    pub seconds: f64,
    /// Bytes of weight matrices read.
    pub weight_bytes: u64,
}

/// Where the time of a token or a batch is spent.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Kernels by time, slowest first.
    pub kernels: Vec<KernelTime>,
    /// GPU seconds of all dispatches in one pass, as in normal operation.
    pub pass_seconds: f64,
    /// Host seconds to encode and submit that pass.
    pub encode_seconds: f64,
}
