//! What measurements on a device find. How they are made is up to the device.

/// A departure from what a device's layout of kernels is by default. It changes speed, and results no more than by rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Attention leaves its query to a dispatch of its own.
    SeparateQuery,
    /// Half as many workgroups share a head of attention.
    FewerSplits,
    /// Workgroups of one token's products have half as many threads.
    SmallWorkgroups,
    /// Half as many threads share a row of one token's products.
    FewerLanes,
    /// Prompts are multiplied as floats, where they would be as integers.
    FloatTiles,
}

impl Change {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 5] =
        [Self::SeparateQuery, Self::FewerSplits, Self::SmallWorkgroups, Self::FewerLanes, Self::FloatTiles];

    /// Its name in stored results.
    pub fn name(self) -> &'static str {
        match self {
            Self::SeparateQuery => "separate-query",
            Self::FewerSplits => "fewer-splits",
            Self::SmallWorkgroups => "small-workgroups",
            Self::FewerLanes => "fewer-lanes",
            Self::FloatTiles => "float-tiles",
        }
    }

    /// The change of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.name() == name)
    }
}

/// What the self-test says of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All kernels agree with their references.
    Sound,
    /// Some do not, but their plain forms do, see [`Tuning::plain`](super::Tuning::plain).
    Plain,
    /// Plain forms do not either: nothing that the adapter computes can be trusted.
    Wrong,
}

impl Verdict {
    const ALL: [Self; 3] = [Self::Sound, Self::Plain, Self::Wrong];

    /// Its name in stored results.
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

/// The result of a self-test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfTest {
    /// The verdict.
    pub verdict: Verdict,
    /// Names of the kernels that did not agree with their references at first.
    pub wrong: Vec<String>,
}

/// The time of all dispatches of one kernel in a token, or in a batch of prompt tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelTime {
    /// File, format, epilogue and shape.
    pub kernel: String,
    /// Dispatches.
    pub count: usize,
    /// Seconds of all of them, without the gaps between dispatches.
    pub seconds: f64,
    /// Bytes of matrices that they read.
    pub weight_bytes: u64,
}

/// Where the time of a token or a batch goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The longest first.
    pub kernels: Vec<KernelTime>,
    /// Seconds of the GPU for all dispatches in one pass, as in normal operation.
    pub pass_seconds: f64,
    /// Seconds of the host to encode and submit that pass.
    pub encode_seconds: f64,
}
