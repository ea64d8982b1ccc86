//! Localisation. Texts are Fluent messages in `locales/`: English is compiled into the page, the others are fetched when selected.

use std::cell::RefCell;

pub(crate) use fluent_bundle::FluentValue;
use fluent_bundle::{FluentArgs, FluentBundle, FluentResource};
use leptos::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::options::fetch_site_file;

/// Language tag, native name and text direction.
pub(crate) const LOCALES: [(&str, &str, &str); 7] = [
    ("en", "English", "ltr"),
    ("de", "Deutsch", "ltr"),
    ("es", "Español", "ltr"),
    ("fr", "Français", "ltr"),
    ("ja", "日本語", "ltr"),
    ("zh-Hans", "简体中文", "ltr"),
    ("ar", "العربية", "rtl"),
];

const ENGLISH: &str = include_str!("../locales/en.ftl");

type Bundle = FluentBundle<FluentResource>;

struct Language {
    tag: &'static str,
    /// `None` for English.
    bundle: Option<Bundle>,
    english: Bundle,
}

thread_local! {
    static LANGUAGE: RefCell<Language> =
        RefCell::new(Language { tag: "en", bundle: None, english: bundle("en", ENGLISH.to_owned()) });
    static CHANGED: ArcTrigger = ArcTrigger::new();
}

/// The text of a message in the current language. Reactive.
pub(crate) fn t(key: &str) -> String {
    format_message(key, None)
}

/// The same, with arguments.
pub(crate) fn tf<const N: usize>(key: &str, arguments: [(&'static str, FluentValue<'_>); N]) -> String {
    format_message(key, Some(&arguments.into_iter().collect()))
}

/// The text of a message as a reactive view.
pub(crate) fn tr(key: &'static str) -> impl Fn() -> String + Copy + Send + Sync + 'static {
    move || t(key)
}

fn format_message(key: &str, arguments: Option<&FluentArgs<'_>>) -> String {
    CHANGED.with(ArcTrigger::track);
    LANGUAGE.with_borrow(|language| {
        let bundles = language.bundle.iter().chain([&language.english]);
        bundles.into_iter().find_map(|bundle| message(bundle, key, arguments)).unwrap_or_else(|| key.to_owned())
    })
}

fn message(bundle: &Bundle, key: &str, arguments: Option<&FluentArgs<'_>>) -> Option<String> {
    let pattern = bundle.get_message(key)?.value()?;
    // Errors are missing arguments; the text then shows their names in braces.
    Some(bundle.format_pattern(pattern, arguments, &mut Vec::new()).into_owned())
}

/// The current language's tag, for number formatting. Reactive.
pub(crate) fn language_tag() -> &'static str {
    CHANGED.with(ArcTrigger::track);
    LANGUAGE.with_borrow(|language| language.tag)
}

/// The language to use: the one chosen in the settings, or the browser's first supported one.
pub(crate) fn best_locale(chosen: Option<&str>, browser: &[String]) -> &'static str {
    let wanted = chosen.into_iter().chain(browser.iter().map(String::as_str));
    wanted.into_iter().find_map(known).unwrap_or("en")
}

/// The supported language that matches a tag such as `de-AT`.
fn known(tag: &str) -> Option<&'static str> {
    let base = tag.split('-').next().unwrap_or_default();
    LOCALES.iter().map(|(known, ..)| *known).find(|known| known.split('-').next() == Some(base))
}

/// Switches the interface to a language. If its texts cannot be fetched, the language does not change.
pub(crate) async fn use_locale(tag: &'static str) {
    let bundle = if tag == "en" {
        None
    } else {
        match fetch_texts(tag).await {
            Some(texts) => Some(bundle(tag, texts)),
            None => return,
        }
    };
    LANGUAGE.with_borrow_mut(|language| {
        language.tag = tag;
        language.bundle = bundle;
    });
    if let Some(root) = document().document_element() {
        let direction = LOCALES.iter().find(|(known, ..)| *known == tag).map_or("ltr", |(.., direction)| direction);
        // Fails only for invalid attribute names.
        let _ = root.set_attribute("lang", tag);
        let _ = root.set_attribute("dir", direction);
    }
    CHANGED.with(ArcTrigger::notify);
}

async fn fetch_texts(tag: &str) -> Option<String> {
    let response = fetch_site_file(&format!("locales/{tag}.ftl")).await?;
    JsFuture::from(response.text().ok()?).await.ok()?.as_string()
}

fn bundle(tag: &str, texts: String) -> Bundle {
    let mut bundle = FluentBundle::new(vec![tag.parse().unwrap_or_default()]);
    // Inserted values need no bidi isolation marks.
    bundle.set_use_isolating(false);
    // Messages that cannot be parsed are left out and shown in English.
    let resource = FluentResource::try_new(texts).unwrap_or_else(|(resource, _)| resource);
    bundle.add_resource_overriding(resource);
    bundle
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn the_browsers_first_supported_language_is_used() {
        let browser = ["pt-BR", "zh-CN", "de"].map(str::to_owned);
        assert_eq!(best_locale(None, &browser), "zh-Hans");
        assert_eq!(best_locale(Some("ar"), &browser), "ar");
        assert_eq!(best_locale(None, &[]), "en");
    }
}
