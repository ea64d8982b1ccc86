//! The chat: header, conversation, composer.

use leptos::prelude::*;

use crate::client::{Client, EngineState};
use crate::components::composer::Composer;
use crate::components::header::Header;
use crate::components::message_list::MessageList;
use crate::components::model_dialog::{ModelDialog, list};
use crate::components::model_status::ModelStatus;
use crate::components::notice::Notice;
use crate::components::updates::Updates;
use crate::components::welcome::Welcome;
use crate::conversation::ConversationStoreFields as _;
use crate::options::Options;
use crate::storage;

/// The chat page.
#[component]
pub(crate) fn ChatPage() -> impl IntoView {
    let client = expect_context::<Client>();
    let has_no_model = matches!(client.engine().get_untracked(), EngineState::Empty);
    if has_no_model && (storage::has_agreed_to_load() || expect_context::<Options>().model_was_chosen) {
        client.load_default_unless_loaded();
    }
    let is_empty = Memo::new(move |_| client.conversation().messages().read().is_empty());
    let is_dialog_open = RwSignal::new(false);
    let dropped = RwSignal::new_local(Vec::new());
    let take_dropped = move |event: web_sys::DragEvent| {
        event.prevent_default();
        let files = event.data_transfer().and_then(|data| data.files()).map(|files| list(&files));
        if let Some(files) = files.filter(|files| !files.is_empty()) {
            // A dialog that is open already begins anew with the files.
            is_dialog_open.set(false);
            dropped.set(files);
            is_dialog_open.set(true);
        }
    };
    let close = move || {
        is_dialog_open.set(false);
        dropped.set(Vec::new());
    };
    view! {
        <div class="app" on:dragover=move |event| event.prevent_default() on:drop=take_dropped>
            <Header on_choose_model=move || is_dialog_open.set(true) />
            <main class="main">
                <Show when=move || is_empty.get() fallback=MessageList>
                    <Welcome />
                </Show>
            </main>
            <footer class="dock">
                <Updates />
                <Notice />
                <ModelStatus on_choose_model=move || is_dialog_open.set(true) />
                <Composer />
                <p class="fine-print">"Runs on this device. Nothing you write leaves it."</p>
            </footer>
            <Show when=move || is_dialog_open.get()>
                <ModelDialog dropped=dropped.get_untracked() on_close=close />
            </Show>
        </div>
    }
}
