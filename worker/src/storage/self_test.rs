//! The result of a model's self-test, kept with the model: the same kernels on the same adapter, in the same browser, need no second test.

use parlance_engine::runtime::Verdict;
use parlance_worker_core::FileError;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast as _;
use web_sys::WorkerGlobalScope;

use super::Entry;

const SELF_TEST: &str = "self-test";

/// Which kernels were tested, and where.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TestedKernels {
    kernels: u64,
    adapter: String,
    browser: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
struct KeptResult {
    tested: TestedKernels,
    /// The name of a [`Verdict`].
    verdict: String,
}

impl TestedKernels {
    /// These kernels on an adapter, in this browser and version.
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
    /// The result of the self-test, if the same was tested.
    pub(crate) async fn self_test(&self, tested: &TestedKernels) -> Option<Verdict> {
        let kept: KeptResult = serde_json::from_slice(&self.folder().read(SELF_TEST).await?).ok()?;
        Verdict::from_name(&kept.verdict).filter(|_| kept.tested == *tested)
    }

    /// Keeps the result of the self-test.
    pub(crate) async fn set_self_test(&self, tested: TestedKernels, verdict: Verdict) -> Result<(), FileError> {
        let kept = KeptResult { tested, verdict: verdict.name().to_owned() };
        self.folder().write(SELF_TEST, &serde_json::to_vec(&kept).unwrap_or_default()).await
    }
}
