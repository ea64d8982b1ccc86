//! What the self-test of a model's kernels said, kept with the model: the same kernels on the same adapter, in the same browser, need no second
//! test.

use parlance_engine::runtime::Verdict;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast as _;
use web_sys::WorkerGlobalScope;

use super::Entry;
use crate::error::WorkerError;

const SELF_TEST: &str = "self-test";

/// Which kernels were tested, and where.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tested {
    kernels: u64,
    adapter: String,
    browser: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    tested: Tested,
    /// The name of a [`Verdict`].
    verdict: String,
}

impl Tested {
    /// These kernels on an adapter, here.
    pub(crate) fn here(kernels: u64, adapter: &str) -> Self {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        Self {
            kernels,
            adapter: adapter.to_owned(),
            browser: scope.navigator().user_agent().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl Entry {
    /// What the self-test said, if it was made of the same.
    pub(crate) async fn verdict(&self, tested: &Tested) -> Option<Verdict> {
        let kept: Kept = serde_json::from_slice(&self.folder().read(SELF_TEST).await?).ok()?;
        Verdict::from_name(&kept.verdict).filter(|_| kept.tested == *tested)
    }

    /// Keeps what the self-test said.
    pub(crate) async fn set_verdict(&self, tested: Tested, verdict: Verdict) -> Result<(), WorkerError> {
        let kept = Kept { tested, verdict: verdict.name().to_owned() };
        self.folder().write(SELF_TEST, &serde_json::to_vec(&kept).unwrap_or_default()).await
    }
}
