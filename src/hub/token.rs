//! The token for gated repositories. It stays on this device, and is sent to the server that it was entered for, and to no other host.

use parlance_protocol::HostToken;

use crate::storage;

/// The `localStorage` key of the token, with the origin that it belongs to.
const KEY: &str = "parlance.hub-token";

/// The tokens, for the worker.
pub(crate) fn tokens() -> Vec<HostToken> {
    storage::read(KEY).and_then(|json| serde_json::from_str(&json).ok()).into_iter().collect()
}

/// Whether there is a token for `origin`.
pub(crate) fn has_token(origin: &str) -> bool {
    of(origin).is_some()
}

/// Keeps a token for `origin`, in place of the one before. Returns whether it can be one.
pub(crate) fn save_token(origin: &str, token: &str) -> bool {
    let token = token.trim();
    // What is not printable cannot be in a header.
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if is_token {
        let token = HostToken { origin: origin.to_owned(), token: token.to_owned() };
        // Two strings always serialise.
        storage::write(KEY, &serde_json::to_string(&token).unwrap_or_default());
    }
    is_token
}

/// Forgets the token.
pub(crate) fn forget_token() {
    storage::write(KEY, "");
}

/// The token for `origin`.
pub(super) fn of(origin: &str) -> Option<String> {
    tokens().into_iter().find(|known| known.origin == origin && !known.token.is_empty()).map(|known| known.token)
}
