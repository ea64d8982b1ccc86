//! Models on Hugging Face, through its public JSON API: searching repositories, listing their files, and the token for gated ones.
//!
//! Nothing is requested before the user has allowed the host. Another server with the same API, such as a mirror, may take its place.

mod api;
mod files;
mod token;

pub(crate) use api::{HubError, Repository, files_of, search};
pub(crate) use files::{ModelFile, Projector, RepositoryFiles, format_of};
pub(crate) use token::{forget_token, has_token, save_token, tokens};

use crate::allowed_hosts;
use crate::storage;

/// Where models are searched unless the user names another server.
pub(crate) const HUGGING_FACE: &str = "https://huggingface.co";

/// The `localStorage` key of the server that the user named.
const SERVER_KEY: &str = "parlance.hub";

/// The origin of the server that models are searched on.
pub(crate) fn server() -> String {
    storage::read(SERVER_KEY).and_then(|url| server_origin(&url)).unwrap_or_else(|| HUGGING_FACE.to_owned())
}

/// Searches another server from now on, or Hugging Face if `address` is empty. Returns whether it is an address.
pub(crate) fn set_server(address: &str) -> bool {
    let origin = server_origin(address);
    let is_address = origin.is_some() || address.trim().is_empty();
    if is_address {
        storage::write(SERVER_KEY, &origin.unwrap_or_default());
    }
    is_address
}

/// Whether this page may connect to the server, since the user allowed it before the page was opened.
pub(crate) fn may_connect() -> bool {
    allowed_hosts::is_in_force(&server())
}

/// The page of a repository, for people.
pub(crate) fn page_of(repository: &str) -> String {
    format!("{}/{repository}", server())
}

/// The origin in an address that a user entered.
fn server_origin(address: &str) -> Option<String> {
    let url = web_sys::Url::new(address.trim()).ok()?;
    matches!(url.protocol().as_str(), "http:" | "https:").then(|| url.origin())
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::server_origin;

    #[wasm_bindgen_test]
    fn a_server_is_an_origin() {
        assert_eq!(server_origin(" https://hub.example.org/models ").as_deref(), Some("https://hub.example.org"));
        for other in ["", "hub.example.org", "ftp://hub.example.org", "javascript:alert(1)"] {
            assert_eq!(server_origin(other), None, "{other}");
        }
    }
}
