//! What a response says of itself.

/// Metadata of a response, and a random number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// A random number for ids, and for the seed if the request has none.
    pub random: u64,
    /// Time of creation, in seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: String,
}
