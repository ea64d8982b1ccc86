//! The root component: contexts, routes, and settings that apply to the whole page.

use leptos::prelude::*;
use leptos_router::components::{Route, Router, Routes};
use leptos_router::path;
use leptos_use::use_preferred_dark;
use wasm_bindgen::JsValue;

use crate::chats::Chats;
use crate::client::Client;
use crate::components::beside_sidebar::BesideSidebar;
use crate::components::palette::Palette;
use crate::dictation::Dictation;
use crate::i18n::{best_locale, use_locale};
use crate::images::Images;
use crate::library::Library;
use crate::options::{Options, site_path};
use crate::pages::chat::ChatPage;
use crate::pages::models::ModelsPage;
use crate::pages::not_found::NotFoundPage;
use crate::pages::performance::PerformancePage;
use crate::pages::playground::PlaygroundPage;
use crate::pages::projects::ProjectsPage;
use crate::pages::settings::SettingsPage;
use crate::pages::storage::StoragePage;
use crate::settings::{SettingsContext, Theme};

/// The app. Provides [`Options`], [`SettingsContext`], [`Client`], [`Library`], [`Images`], [`Chats`] and [`Dictation`] to
/// all pages.
#[component]
pub(crate) fn App() -> impl IntoView {
    strip_trailing_slash();
    let options = Options::from_location();
    let settings = SettingsContext::new();
    let client = Client::new(options.clone(), settings);
    let library = Library::new();
    provide_context(options.clone());
    provide_context(settings);
    provide_context(client);
    provide_context(library);
    let images = Images::new(library);
    provide_context(images);
    let chats = Chats::new(client, library, images, settings, options);
    provide_context(chats);
    provide_context(Dictation::new(client, chats));
    apply_appearance(settings);
    view! {
        <Router base=base_path()>
            <Routes fallback=NotFoundPage>
                <Route path=path!("") view=ChatPage />
                <Route path=path!("index.html") view=ChatPage />
                <Route path=path!("catalogue") view=|| beside_sidebar(ModelsPage) />
                // An alias; also the folder of the demo model.
                <Route path=path!("models") view=|| beside_sidebar(ModelsPage) />
                <Route path=path!("performance") view=|| beside_sidebar(PerformancePage) />
                <Route path=path!("playground") view=|| beside_sidebar(PlaygroundPage) />
                <Route path=path!("projects") view=|| beside_sidebar(ProjectsPage) />
                <Route path=path!("settings") view=|| beside_sidebar(SettingsPage) />
                <Route path=path!("storage") view=|| beside_sidebar(StoragePage) />
            </Routes>
            <Palette />
        </Router>
    }
}

/// A page in the layout that all but the chat have.
fn beside_sidebar<P: IntoView + 'static>(page: fn() -> P) -> impl IntoView {
    view! { <BesideSidebar>{page()}</BesideSidebar> }
}

/// Keeps the root element's language, theme and density in step with the settings.
fn apply_appearance(settings: SettingsContext) {
    let prefers_dark = use_preferred_dark();
    let set = |name: &str, value: &str| {
        if let Some(root) = document().document_element() {
            // Fails only for invalid attribute names.
            let _ = root.set_attribute(name, value);
        }
    };
    let is_dark = Memo::new(move |_| match settings.0.read().theme {
        Theme::System => prefers_dark.get(),
        Theme::Light => false,
        Theme::Dark => true,
    });
    let is_compact = Memo::new(move |_| settings.0.read().is_compact);
    let language = Memo::new(move |_| settings.0.read().language.clone());
    Effect::new(move |_| set("data-theme", if is_dark.get() { "dark" } else { "light" }));
    Effect::new(move |_| set("data-density", if is_compact.get() { "compact" } else { "comfortable" }));
    Effect::new(move |_| {
        let browser: Vec<String> =
            window().navigator().languages().iter().filter_map(|language| language.as_string()).collect();
        let locale = best_locale(language.get().as_deref(), &browser);
        leptos::task::spawn_local(use_locale(locale));
    });
}

/// Removes the trailing slash that static hosts add to a page's URL because its file is `<page>/index.html`.
fn strip_trailing_slash() {
    let location = window().location();
    let (Ok(path), Ok(search), Ok(hash)) = (location.pathname(), location.search(), location.hash()) else { return };
    let Some(page) = path.strip_suffix('/').filter(|_| path != site_path()) else { return };
    // The page also works with the slash if the browser refuses.
    let address = format!("{page}{search}{hash}");
    let replace = |history: web_sys::History| history.replace_state_with_url(&JsValue::NULL, "", Some(&address));
    let _ = window().history().and_then(replace);
}

/// The path that the site is served under, without a trailing slash.
fn base_path() -> String {
    let path =
        document().base_uri().ok().flatten().and_then(|uri| web_sys::Url::new(&uri).ok()).map(|url| url.pathname());
    path.as_deref().and_then(|path| path.rsplit_once('/')).map(|(folder, _)| folder.to_owned()).unwrap_or_default()
}
