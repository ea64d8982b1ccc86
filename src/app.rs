//! The root: contexts and routes.

use leptos::prelude::*;
use leptos_router::components::{Route, Router, Routes};
use leptos_router::path;

use crate::client::Client;
use crate::options::Options;
use crate::pages::chat::ChatPage;
use crate::pages::not_found::NotFoundPage;
use crate::pages::storage::StoragePage;

/// The app. Provides [`Options`] and the [`Client`] to all pages.
#[component]
pub(crate) fn App() -> impl IntoView {
    let options = Options::from_location();
    provide_context(options.clone());
    provide_context(Client::new(options));
    view! {
        <Router base=base_path()>
            <Routes fallback=NotFoundPage>
                <Route path=path!("") view=ChatPage />
                <Route path=path!("index.html") view=ChatPage />
                <Route path=path!("storage") view=StoragePage />
            </Routes>
        </Router>
    }
}

/// The path that the site is served under, without a slash at its end: the folder of the first page.
fn base_path() -> String {
    let path =
        document().base_uri().ok().flatten().and_then(|uri| web_sys::Url::new(&uri).ok()).map(|url| url.pathname());
    path.as_deref().and_then(|path| path.rsplit_once('/')).map(|(folder, _)| folder.to_owned()).unwrap_or_default()
}
