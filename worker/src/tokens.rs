//! Tokens that hosts ask for before they send files of gated repositories.

use std::cell::RefCell;

use parlance_protocol::HostToken;
use web_sys::Url;

thread_local! {
    /// Each with the origin that it is sent to.
    static TOKENS: RefCell<Vec<HostToken>> = RefCell::default();
}

/// Replaces all tokens.
pub(crate) fn set(tokens: Vec<HostToken>) {
    TOKENS.set(tokens);
}

/// What a request for `url` has in its `Authorization` header; `None` if its host has no token.
pub(crate) fn bearer(url: &str) -> Option<String> {
    let origin = Url::new(url).ok()?.origin();
    TOKENS.with_borrow(|tokens| {
        let known = tokens.iter().find(|known| known.origin == origin && !known.token.is_empty())?;
        Some(format!("Bearer {}", known.token))
    })
}
