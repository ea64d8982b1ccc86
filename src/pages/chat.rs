//! The chat: header, conversation, composer.

use leptos::prelude::*;

use crate::client::Client;
use crate::components::composer::Composer;
use crate::components::header::Header;
use crate::components::message_list::MessageList;
use crate::components::model_dialog::ModelDialog;
use crate::components::model_status::ModelStatus;
use crate::components::welcome::Welcome;
use crate::conversation::ConversationStoreFields as _;
use crate::options::Options;
use crate::storage;

/// The chat page.
#[component]
pub(crate) fn ChatPage() -> impl IntoView {
    let client = expect_context::<Client>();
    if storage::has_agreed_to_load() || expect_context::<Options>().model_was_chosen {
        client.load_default();
    }
    let is_empty = Memo::new(move |_| client.conversation().messages().read().is_empty());
    let is_dialog_open = RwSignal::new(false);
    view! {
        <div class="app">
            <Header on_choose_model=move || is_dialog_open.set(true) />
            <main class="main">
                <Show when=move || is_empty.get() fallback=MessageList>
                    <Welcome />
                </Show>
            </main>
            <footer class="dock">
                <ModelStatus on_choose_model=move || is_dialog_open.set(true) />
                <Composer />
                <p class="fine-print">"Runs on this device. Nothing you write leaves it."</p>
            </footer>
            <Show when=move || is_dialog_open.get()>
                <ModelDialog on_close=move || is_dialog_open.set(false) />
            </Show>
        </div>
    }
}
