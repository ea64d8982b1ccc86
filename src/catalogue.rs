//! The catalogue of models to choose from, `catalogue.json`.
//!
//! Each entry names the page that its address and size were taken from. Where other public records give the same size and checksum, the
//! URL is pinned to the checksum and the entry counts as checked. In any case the exact size is read from the model's header before
//! loading, and the host reports the checksum with the download.

use parlance_protocol::hugging_face_url;
use parlance_protocol::library::ChatModel;
use serde::Deserialize;
use wasm_bindgen_futures::JsFuture;

use crate::options::{fetch_site_file, is_same_model, model_url};

/// Memory that a model takes relative to its file size, to account for KV cache and activations.
const OVERHEAD: f64 = 1.25;

/// The share of the device's memory that a model may take so that it should run.
const GOOD_SHARE: f64 = 0.4;

/// The memory that devices are assumed to have whose browser does not tell, in gigabytes.
const ASSUMED_GB: f64 = 4.0;

/// The largest download in bytes that is pleasant to use on a CPU.
const MAX_CPU_BYTES: f64 = 1e9;

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
    /// The URL of that file; empty if the one beside the model is not wanted.
    pub(crate) projector: Option<String>,
    /// The name of another model in the catalogue, smaller and with the same vocabulary, that drafts its answers.
    pub(crate) draft: Option<String>,
    /// Whether it turns speech into text, instead of answering.
    #[serde(default)]
    pub(crate) hears: bool,
    /// What it is proposed for.
    #[serde(default)]
    pub(crate) tasks: Vec<Task>,
    /// The page that its address and size were taken from.
    #[serde(default)]
    pub(crate) source: String,
    /// Whether other public records give the same size and checksum. If not, its size is approximate.
    #[serde(default)]
    pub(crate) checked: bool,
}

/// What someone wants a model for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Everyday questions and texts.
    #[default]
    Chat,
    /// Programs.
    Code,
    /// Mathematics and logic.
    Reasoning,
    /// Questions about images.
    Images,
}

impl Task {
    /// All tasks, with the names by which pages know them and their message ids.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Chat, "chat", "task-chat"),
        (Self::Code, "code", "task-code"),
        (Self::Reasoning, "reasoning", "task-reasoning"),
        (Self::Images, "images", "task-images"),
    ];
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

impl Fit {
    /// Whether a model of `len_bytes` fits a device with `device_gb` gigabytes of memory. Many browsers report at most 8, so 8 means 8 or
    /// more.
    pub(crate) fn of(len_bytes: f64, device_gb: Option<f64>) -> Self {
        match device_gb.map(|gb| len_bytes * OVERHEAD / (gb * 1e9)) {
            None => Self::Unknown,
            Some(share) if share < GOOD_SHARE => Self::Good,
            Some(share) if share < 0.8 || device_gb >= Some(8.0) => Self::Tight,
            Some(_) => Self::TooLarge,
        }
    }

    /// Its name for styles, and its message id.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Good => ("good", "fit-good"),
            Self::Tight => ("tight", "fit-tight"),
            Self::TooLarge => ("too-large", "fit-too-large"),
            Self::Unknown => ("unknown", "fit-unknown"),
        }
    }
}

/// The largest download in bytes that should run well on this device.
pub(crate) fn room_bytes(device_gb: Option<f64>, uses_gpu: bool) -> f64 {
    let room = device_gb.unwrap_or(ASSUMED_GB) * 1e9 * GOOD_SHARE / OVERHEAD;
    if uses_gpu { room } else { room.min(MAX_CPU_BYTES) }
}

/// The model to propose for a task: the largest of those that take at most `limit_bytes`, or else the smallest.
pub(crate) fn propose(models: &[CatalogueModel], task: Task, limit_bytes: f64) -> Option<&CatalogueModel> {
    let mut suitable: Vec<&CatalogueModel> = models.iter().filter(|model| model.tasks.contains(&task)).collect();
    suitable.sort_by(|a, b| a.size_mb.total_cmp(&b.size_mb));
    let fits = |model: &&&CatalogueModel| model.size_mb * 1e6 <= limit_bytes;
    suitable.iter().rfind(fits).or(suitable.first()).copied()
}

/// The model at a URL, and the one that drafts for it, if the catalogue proposes one.
pub(crate) fn draft_for(models: &[CatalogueModel], url: &str) -> Option<(CatalogueModel, CatalogueModel)> {
    // Models with drafts are on Hugging Face.
    let url_of = |model: &CatalogueModel| hugging_face_url(&model.url).unwrap_or_else(|| model.url.clone());
    let mut paired = models.iter().filter(|model| model.draft.is_some());
    let model = paired.find(|model| is_same_model(&url_of(model), url))?;
    let draft = models.iter().find(|other| Some(&other.name) == model.draft.as_ref())?;
    Some((model.clone(), draft.clone()))
}

impl CatalogueModel {
    /// Estimated memory use in bytes.
    pub(crate) fn memory_bytes(&self) -> f64 {
        self.size_mb * 1e6 * OVERHEAD
    }

    /// Whether it fits a device with `device_gb` gigabytes of memory.
    pub(crate) fn fit(&self, device_gb: Option<f64>) -> Fit {
        Fit::of(self.size_mb * 1e6, device_gb)
    }

    /// How to load it; `None` if its URL is not one.
    pub(crate) fn chosen(&self) -> Option<ChatModel> {
        let (name, projector) = (self.name.clone(), self.projector.clone());
        Some(ChatModel { name, url: model_url(&self.url)?, projector, draft: None })
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

/// Fetches the models of the catalogue that answer.
pub(crate) async fn fetch() -> Option<Vec<CatalogueModel>> {
    Some(fetch_all().await?.into_iter().filter(|model| !model.hears).collect())
}

/// Fetches those that turn speech into text.
pub(crate) async fn fetch_hearing() -> Option<Vec<CatalogueModel>> {
    Some(fetch_all().await?.into_iter().filter(|model| model.hears).collect())
}

async fn fetch_all() -> Option<Vec<CatalogueModel>> {
    let response = fetch_site_file("catalogue.json").await?;
    let json = JsFuture::from(response.json().ok()?).await.ok()?;
    serde_wasm_bindgen::from_value(json).ok()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn the_catalogue_is_valid() -> serde_json::Result<()> {
        let models: Vec<CatalogueModel> = serde_json::from_str(include_str!("../web/catalogue.json"))?;
        assert!(models.len() >= 20);
        assert!(models.iter().filter(|model| model.hears).all(|model| model.tasks.is_empty() && !model.sees));
        assert!(models.iter().any(|model| model.hears));
        let english = include_str!("../locales/en.ftl");
        for model in &models {
            let is_local = model.url.starts_with("models/");
            let is_pinned = model.url.starts_with("https://huggingface.co/") && model.url.contains("/resolve/");
            assert!(is_local || is_pinned || hugging_face_url(&model.url).is_some(), "{}", model.url);
            assert!(model.source.starts_with("https://"), "{} has no source", model.name);
            assert!(!model.checked || is_local || model.url.contains("#sha256="), "{} has no checksum", model.name);
            assert!(english.contains(&format!("\nabout-{} = ", model.about)), "{}", model.about);
            let bytes_per_weight = model.size_mb / 1e3 / model.parameters;
            assert!((0.5..1.25).contains(&bytes_per_weight), "{}: {bytes_per_weight} bytes per weight", model.name);
        }
        Ok(())
    }

    #[wasm_bindgen_test]
    fn a_model_is_proposed_for_every_task_and_size() -> serde_json::Result<()> {
        let models: Vec<CatalogueModel> = serde_json::from_str(include_str!("../web/catalogue.json"))?;
        for (task, ..) in Task::ALL {
            for limit in [0.0, 1e9, 3e9, 1e10] {
                let Some(model) = propose(&models, task, limit) else { panic!("nothing for {task:?}") };
                let smallest = propose(&models, task, 0.0).map(|model| model.size_mb);
                let fits = model.size_mb * 1e6 <= limit;
                assert!(fits || Some(model.size_mb) == smallest, "{} for {task:?} in {limit}", model.name);
                assert!(task != Task::Images || model.sees, "{}", model.name);
            }
        }
        let name = |limit| propose(&models, Task::Chat, limit).map(|model| model.name.as_str());
        assert_eq!([1e9, 2.6e9, 3.5e9].map(name), ["Qwen3.5 0.8B", "Qwen3 4B Instruct 2507", "Qwen3.5 4B"].map(Some));
        assert!(room_bytes(Some(8.0), false) < room_bytes(Some(8.0), true));
        assert!(room_bytes(None, true) < room_bytes(Some(8.0), true));
        Ok(())
    }

    #[wasm_bindgen_test]
    fn draft_models_are_much_smaller_ones_of_the_same_family() -> serde_json::Result<()> {
        let models: Vec<CatalogueModel> = serde_json::from_str(include_str!("../web/catalogue.json"))?;
        let paired: Vec<_> = models.iter().filter(|model| model.draft.is_some()).collect();
        assert!(paired.len() >= 4);
        for model in paired {
            let url = hugging_face_url(&model.url).unwrap_or_else(|| model.url.clone());
            let Some((found, draft)) = draft_for(&models, &url) else { panic!("{} has no draft model", model.name) };
            assert_eq!((&found.name, &found.family), (&model.name, &draft.family));
            assert!(url.starts_with("https://") && 3.5 * draft.size_mb < model.size_mb, "{}", model.name);
        }
        assert_eq!(draft_for(&models, "https://huggingface.co/a/b/resolve/main/c.gguf"), None);
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
