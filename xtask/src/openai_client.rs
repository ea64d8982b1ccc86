//! `OpenAI`'s Python client, for the tests of the native server.

use crate::pip::Package;
use crate::shell::{Error, step};

const PACKAGE: Package = Package { requirement: "openai==3.57.0", folder: "test-data/python" };

/// Fetches the client if it is missing.
pub(crate) fn set_up() -> Result<(), Error> {
    if PACKAGE.is_installed() {
        return Ok(());
    }
    step("fetching OpenAI's Python client (10 MB, once)", || PACKAGE.install())
}
