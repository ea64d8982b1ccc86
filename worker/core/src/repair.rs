//! What happens to kept files when no model could be made of them.

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Load once more: what was damaged has been removed and is fetched again.
    FetchAgain,
    /// Keep the files: their checksums are right, so another download would give the same bytes.
    Keep,
    /// Remove the files: what cannot become a model must not take up space.
    Remove,
}

/// What is known about the files of a model that could not be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// Whether any of the files that had been kept did not match its checksum, or had none, and was removed.
    pub was_damaged: bool,
    /// Whether the model can be fetched, rather than having been copied from the user's disk.
    pub can_be_fetched: bool,
    /// Whether all of its files had been kept before, and the engine refused their contents rather than their checksums.
    pub is_refused_copy: bool,
}

/// Decides what to do about a model that could not be loaded for the first time.
pub fn remedy(evidence: Evidence) -> Remedy {
    match evidence {
        Evidence { was_damaged: true, can_be_fetched: true, .. } => Remedy::FetchAgain,
        Evidence { was_damaged: false, is_refused_copy: true, .. } => Remedy::Keep,
        _ => Remedy::Remove,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COPY: Evidence = Evidence { was_damaged: false, can_be_fetched: true, is_refused_copy: true };

    #[test]
    fn damaged_files_are_fetched_again_if_they_can_be() {
        assert_eq!(remedy(Evidence { was_damaged: true, ..COPY }), Remedy::FetchAgain);
        assert_eq!(remedy(Evidence { was_damaged: true, is_refused_copy: false, ..COPY }), Remedy::FetchAgain);
        assert_eq!(remedy(Evidence { was_damaged: true, can_be_fetched: false, ..COPY }), Remedy::Remove);
    }

    #[test]
    fn only_intact_copies_stay() {
        assert_eq!(remedy(COPY), Remedy::Keep);
        assert_eq!(remedy(Evidence { can_be_fetched: false, ..COPY }), Remedy::Keep);
        let refused = Evidence { is_refused_copy: false, ..COPY };
        assert_eq!(remedy(refused), Remedy::Remove, "it came just now, or its checksum is wrong");
    }
}
