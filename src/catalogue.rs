//! The catalogue of models to choose from, `catalogue.json`.
//!
//! Its sizes are rounded and it has no checksums: the exact size is read from the model's header before loading, and the host
//! reports the checksum with the download.

use serde::Deserialize;
use wasm_bindgen_futures::JsFuture;

use crate::options::fetch_site_file;

/// Memory that a model takes relative to its file size, to account for KV cache and activations.
const OVERHEAD: f64 = 1.25;

/// A model in the catalogue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct CatalogueModel {
    /// Display name.
    pub(crate) name: String,
    /// Model family, such as `Qwen3`.
    pub(crate) family: String,
    /// Licence, by its usual name.
    pub(crate) licence: String,
    /// Number of parameters, in billions.
    pub(crate) parameters: f64,
    /// Quantisation format.
    pub(crate) quant: String,
    /// File size in megabytes, rounded.
    pub(crate) size_mb: f64,
    /// Context length it was trained for, in tokens.
    pub(crate) context: u32,
    /// Its URL, relative to the site, or its path on Hugging Face.
    pub(crate) url: String,
    /// What it is good for: the message id without `about-`.
    pub(crate) about: String,
    /// Whether it sees images. Its size includes the file with which it does.
    #[serde(default)]
    pub(crate) sees: bool,
}

/// Whether a model fits this device, estimated before its header is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It should run.
    Good,
    /// It may run, depending on how much memory other programs use.
    Tight,
    /// It takes more memory than the device reports.
    TooLarge,
    /// The browser does not report the device's memory.
    Unknown,
}

impl CatalogueModel {
    /// Estimated memory use in bytes.
    pub(crate) fn memory_bytes(&self) -> f64 {
        self.size_mb * 1e6 * OVERHEAD
    }

    /// Whether it fits a device with `device_gb` gigabytes of memory. Browsers report at most 8, so 8 means 8 or more.
    pub(crate) fn fit(&self, device_gb: Option<f64>) -> Fit {
        match device_gb.map(|gb| self.memory_bytes() / (gb * 1e9)) {
            None => Fit::Unknown,
            Some(share) if share < 0.4 => Fit::Good,
            Some(share) if share < 0.8 || device_gb >= Some(8.0) => Fit::Tight,
            Some(_) => Fit::TooLarge,
        }
    }

    /// Whether its name, family, licence or format contain all words of a query.
    pub(crate) fn matches(&self, query: &str) -> bool {
        let text = format!("{} {} {} {}", self.name, self.family, self.licence, self.quant).to_lowercase();
        query.to_lowercase().split_whitespace().all(|word| text.contains(word))
    }
}

/// The device's memory in gigabytes, as reported by the browser.
pub(crate) fn device_gb() -> Option<f64> {
    let navigator = leptos::prelude::window().navigator();
    js_sys::Reflect::get(&navigator, &"deviceMemory".into()).ok()?.as_f64()
}

/// Fetches the catalogue.
pub(crate) async fn fetch() -> Option<Vec<CatalogueModel>> {
    let response = fetch_site_file("catalogue.json").await?;
    let json = JsFuture::from(response.json().ok()?).await.ok()?;
    serde_wasm_bindgen::from_value(json).ok()
}

#[cfg(test)]
mod tests {
    use parlance_protocol::hugging_face_url;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn the_catalogue_is_valid() -> serde_json::Result<()> {
        let models: Vec<CatalogueModel> = serde_json::from_str(include_str!("../web/catalogue.json"))?;
        assert!(models.len() >= 20);
        let english = include_str!("../locales/en.ftl");
        for model in &models {
            let is_local = model.url.starts_with("models/");
            assert!(is_local || hugging_face_url(&model.url).is_some(), "{}", model.url);
            assert!(english.contains(&format!("\nabout-{} = ", model.about)), "{}", model.about);
            let bytes_per_weight = model.size_mb / 1e3 / model.parameters;
            assert!((0.5..1.2).contains(&bytes_per_weight), "{}: {bytes_per_weight} bytes per weight", model.name);
        }
        Ok(())
    }

    #[wasm_bindgen_test]
    fn fit_depends_on_device_memory() -> serde_json::Result<()> {
        let models: Vec<CatalogueModel> = serde_json::from_str(include_str!("../web/catalogue.json"))?;
        let large = models.iter().find(|model| model.name == "Qwen3 8B");
        let fits = [None, Some(4.0), Some(8.0), Some(32.0)].map(|gb| large.map(|model| model.fit(gb)));
        assert_eq!(fits, [Fit::Unknown, Fit::TooLarge, Fit::Tight, Fit::Good].map(Some));
        assert!(models[0].matches("smol apache") && !models[0].matches("llama"));
        Ok(())
    }
}
