//! Models to choose from: a data file of the site, `catalogue.json`.
//!
//! Sizes there are rounded, and checksums are not in it: the exact size is read from the model's header before it loads, and the host
//! tells the checksum with the download.

use serde::Deserialize;
use wasm_bindgen_futures::JsFuture;

use crate::options::fetch_site_file;

/// What a model takes on the GPU beside its file, as a share: KV cache and activations.
const OVERHEAD: f64 = 1.25;

/// A model of the catalogue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct CatalogueModel {
    /// Its name.
    pub(crate) name: String,
    /// Which models it is related to.
    pub(crate) family: String,
    /// Its licence, by its usual name.
    pub(crate) licence: String,
    /// Weights, in billions.
    pub(crate) parameters: f64,
    /// How weights are stored.
    pub(crate) quant: String,
    /// Size of the file in megabytes, rounded.
    pub(crate) size_mb: f64,
    /// Tokens of context that it was trained for.
    pub(crate) context: u32,
    /// Where it is: an address, relative to the site, or a name on Hugging Face.
    pub(crate) url: String,
    /// What it is good for: the last part of a message's key.
    pub(crate) about: String,
}

/// What can be said of a model and this device before the model's header is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It should run.
    Good,
    /// It may, if other programs leave the memory.
    Tight,
    /// It takes more memory than this device says it has.
    TooLarge,
    /// The browser does not say how much memory there is.
    Unknown,
}

impl CatalogueModel {
    /// Bytes of memory that it takes.
    pub(crate) fn memory_bytes(&self) -> f64 {
        self.size_mb * 1e6 * OVERHEAD
    }

    /// Whether it fits a device of so many gigabytes of memory. Browsers say no more than 8, so that 8 means 8 or more.
    pub(crate) fn fit(&self, device_gb: Option<f64>) -> Fit {
        match device_gb.map(|gb| self.memory_bytes() / (gb * 1e9)) {
            None => Fit::Unknown,
            Some(share) if share < 0.4 => Fit::Good,
            Some(share) if share < 0.8 || device_gb >= Some(8.0) => Fit::Tight,
            Some(_) => Fit::TooLarge,
        }
    }

    /// Whether the words of a query are in its name, family, licence or format.
    pub(crate) fn matches(&self, query: &str) -> bool {
        let text = format!("{} {} {} {}", self.name, self.family, self.licence, self.quant).to_lowercase();
        query.to_lowercase().split_whitespace().all(|word| text.contains(word))
    }
}

/// Gigabytes of memory that the browser says this device has.
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
    use super::*;
    use parlance_protocol::hugging_face_url;

    #[test]
    fn the_catalogue_is_sound() -> serde_json::Result<()> {
        let models: Vec<CatalogueModel> = serde_json::from_str(include_str!("../web/catalogue.json"))?;
        assert!(models.len() >= 20);
        let english = include_str!("../locales/en.ftl");
        for model in &models {
            let is_local = model.url.starts_with("models/");
            assert!(is_local || hugging_face_url(&model.url).is_some(), "{}", model.url);
            assert!(english.contains(&format!("\nabout-{} = ", model.about)), "{}", model.about);
            let bytes_per_weight = model.size_mb / 1e3 / model.parameters;
            assert!((0.5..1.2).contains(&bytes_per_weight), "{}: {bytes_per_weight} bytes a weight", model.name);
        }
        Ok(())
    }

    #[test]
    fn what_fits_depends_on_the_device() -> serde_json::Result<()> {
        let models: Vec<CatalogueModel> = serde_json::from_str(include_str!("../web/catalogue.json"))?;
        let large = models.iter().find(|model| model.name == "Qwen3 8B");
        let fits = [None, Some(4.0), Some(8.0), Some(32.0)].map(|gb| large.map(|model| model.fit(gb)));
        assert_eq!(fits, [Fit::Unknown, Fit::TooLarge, Fit::Tight, Fit::Good].map(Some));
        assert!(models[0].matches("smol apache") && !models[0].matches("llama"));
        Ok(())
    }
}
