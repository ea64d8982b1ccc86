//! Options in the page's URL: `?model=URL&q=QUESTION&temperature=0&max_tokens=100&seed=1&context=2048&device=cpu`.

use leptos::prelude::window;
use parlance_protocol::{DeviceChoice, hugging_face_url};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Response, UrlSearchParams};

use crate::settings::Sampling;

/// Path of the demo model, relative to the site.
const DEMO_MODEL: &str = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

/// Options for this visit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// Absolute URL of the demo model.
    pub(crate) demo_model: String,
    /// Absolute URL of the model that the link names, unless it is the demo model.
    pub(crate) linked_model: Option<String>,
    /// A message to put into the composer.
    pub(crate) question: Option<String>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<u32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    seed: Option<u32>,
    max_tokens: Option<u32>,
    /// Context length in tokens.
    pub(crate) context_tokens: Option<u32>,
    /// The device that models run on.
    pub(crate) device: Option<DeviceChoice>,
}

impl Options {
    /// Parses the page's URL. Missing or invalid options get their defaults.
    pub(crate) fn from_location() -> Self {
        let search = window().location().search().unwrap_or_default();
        let parameters = UrlSearchParams::new_with_str(&search).ok();
        let text = |name: &str| parameters.as_ref().and_then(|parameters| parameters.get(name));
        let float = |name: &str| text(name).and_then(|value| value.parse::<f32>().ok());
        let number = |name: &str| text(name).and_then(|value| value.parse::<u32>().ok());
        let demo_model = absolute_url(DEMO_MODEL).unwrap_or_default();
        Self {
            linked_model: text("model").and_then(|text| model_url(&text)).filter(|url| *url != demo_model),
            demo_model,
            question: text("q").filter(|text| !text.trim().is_empty()),
            temperature: float("temperature"),
            top_p: float("top_p"),
            top_k: number("top_k"),
            min_p: float("min_p"),
            repetition_penalty: float("repetition_penalty"),
            seed: number("seed"),
            max_tokens: number("max_tokens"),
            context_tokens: number("context"),
            device: match text("device").as_deref() {
                Some("gpu") => Some(DeviceChoice::Gpu),
                Some("cpu") => Some(DeviceChoice::Cpu),
                _ => None,
            },
        }
    }
}

impl Options {
    /// The sampling parameters of the settings, overridden by those in the URL.
    pub(crate) fn sampling(&self, settings: Sampling) -> Sampling {
        Sampling {
            temperature: self.temperature.unwrap_or(settings.temperature),
            top_p: self.top_p.unwrap_or(settings.top_p),
            top_k: self.top_k.unwrap_or(settings.top_k),
            min_p: self.min_p.unwrap_or(settings.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(settings.repetition_penalty),
            max_tokens: self.max_tokens.or(settings.max_tokens),
            seed: self.seed.or(settings.seed),
        }
    }
}

/// The absolute URL of a model given as a URL, a path relative to the site, or `owner/repository/file.gguf` on Hugging Face.
pub(crate) fn model_url(text: &str) -> Option<String> {
    hugging_face_url(text).or_else(|| absolute_url(text)).filter(|_| !text.trim().is_empty())
}

/// Whether two URLs are the same model's; checksums in them do not count.
pub(crate) fn is_same_model(a: &str, b: &str) -> bool {
    let without_sums = |url: &str| url.split('#').next().map(str::to_owned);
    without_sums(a) == without_sums(b)
}

/// Resolves `url` relative to the site; `None` if the result is not an HTTP URL.
pub(crate) fn absolute_url(url: &str) -> Option<String> {
    let base = leptos::prelude::document().base_uri().ok().flatten()?;
    let url = web_sys::Url::new_with_base(url.trim(), &base).ok()?;
    matches!(url.protocol().as_str(), "http:" | "https:").then(|| url.href())
}

/// Fetches a file by its path relative to the site; `None` if that fails.
pub(crate) async fn fetch_site_file(path: &str) -> Option<Response> {
    let fetched = JsFuture::from(window().fetch_with_str(&absolute_url(path)?)).await.ok()?;
    fetched.dyn_into::<Response>().ok().filter(Response::ok)
}

/// The path that the site is served under, with a trailing slash.
pub(crate) fn site_path() -> String {
    let url = absolute_url("./").and_then(|url| web_sys::Url::new(&url).ok());
    url.map_or_else(|| "/".to_owned(), |url| url.pathname())
}
