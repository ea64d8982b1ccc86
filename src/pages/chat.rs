//! The chat page: sidebar, header, messages, composer.

use leptos::prelude::*;
use leptos_use::use_media_query;

use crate::chats::Chats;
use crate::client::{Candidate, Client, EngineState};
use crate::components::background_download::BackgroundDownload;
use crate::components::composer::{Composer, attach};
use crate::components::context_gauge::ContextGauge;
use crate::components::files::list;
use crate::components::focus::focus_composer;
use crate::components::header::Header;
use crate::components::linked_model::LinkedModel;
use crate::components::message_list::MessageList;
use crate::components::model_dialog::ModelDialog;
use crate::components::model_status::ModelStatus;
use crate::components::navigation::follow_address;
use crate::components::notice::Notice;
use crate::components::project_note::ProjectNote;
use crate::components::quote_selection::QuoteSelection;
use crate::components::recording_dialog::RecordingDialog;
use crate::components::shortcuts::Shortcuts;
use crate::components::sidebar::Sidebar;
use crate::components::speech_model::SpeechModelDialog;
use crate::components::temporary_note::TemporaryNote;
use crate::components::toast::Toasts;
use crate::components::updates::Updates;
use crate::components::welcome::Welcome;
use crate::dictation::Dictation;
use crate::i18n::tr;
use crate::options::Options;
use crate::storage;

/// Windows in which the sidebar is a drawer; the same as in `sidebar.css`.
const NARROW: &str = "(max-width: 52rem)";

/// Loads the model that a link names, or the one that was used last, if the user has agreed to loading models.
fn start_loading(client: Client) {
    let has_agreed = storage::has_agreed_to_load();
    let has_no_model = matches!(client.engine().get_untracked(), EngineState::Empty);
    if has_no_model && !client.handle_link() && has_agreed {
        client.load_default_unless_loaded();
    }
    client.resume_fetch();
    if has_agreed {
        // Messages offer the other models that are here.
        client.list_stored();
    }
}

/// The chat page.
#[component]
pub(crate) fn ChatPage() -> impl IntoView {
    let client = expect_context::<Client>();
    let chats = expect_context::<Chats>();
    let options = expect_context::<Options>();
    let dictation = expect_context::<Dictation>();
    // Nobody is heard on other pages.
    on_cleanup(move || dictation.stop());
    follow_address();
    start_loading(client);
    if let Some(question) = options.question.filter(|_| chats.take_question()) {
        fill_composer(&chats, &question);
    }
    let is_empty = Memo::new(move |_| chats.branch().read().is_empty());
    // The sidebar starts closed on narrow screens, where it is a drawer, and open on wide ones.
    let is_narrow = use_media_query(NARROW);
    // That signal is only right once the page is mounted, and the sidebar must not flash.
    let is_sidebar_open = RwSignal::new(!is_narrow_now());
    Effect::watch(move || is_narrow.get(), move |is_narrow, _, _| is_sidebar_open.set(!is_narrow), true);
    // The open model dialog, with the model that it shows first.
    let dialog = RwSignal::new_local(None::<Option<Candidate>>);
    let is_dragged_over = RwSignal::new(false);
    let take_dropped = move |event: web_sys::DragEvent| {
        event.prevent_default();
        is_dragged_over.set(false);
        let files = event.data_transfer().and_then(|data| data.files()).map(|files| list(&files));
        let is_model = |file: &web_sys::File| file.name().to_lowercase().ends_with(".gguf");
        let (models, texts): (Vec<_>, Vec<_>) = files.unwrap_or_default().into_iter().partition(is_model);
        if !models.is_empty() {
            // A dialog that is already open starts over with the files.
            dialog.set(None);
            dialog.set(Some(Candidate::of_files(models)));
        }
        attach(&chats, texts);
    };
    let leave_sidebar = move || {
        if is_narrow.get_untracked() {
            is_sidebar_open.set(false);
        }
    };
    let choose_model = move || dialog.set(Some(None));
    let close_dialog = move || {
        dialog.set(None);
        focus_composer();
    };
    view! {
        <div
            class="app"
            data-sidebar=move || if is_sidebar_open.get() { "open" } else { "closed" }
            on:dragover=move |event| {
                event.prevent_default();
                is_dragged_over.set(has_files(&event));
            }
            // Moving between elements has a related target; leaving the window has none.
            on:dragleave=move |event| {
                if event.related_target().is_none() {
                    is_dragged_over.set(false);
                }
            }
            on:drop=take_dropped
        >
            <Sidebar on_leave=leave_sidebar />
            <div class="scrim" aria-hidden="true" on:click=move |_| is_sidebar_open.set(false)></div>
            <div class="chat">
                <Header on_menu=move || is_sidebar_open.update(|open| *open = !*open) on_choose_model=choose_model />
                <main class="main">
                    <Show when=move || is_empty.get() fallback=MessageList>
                        <Welcome />
                    </Show>
                </main>
                <footer class="dock">
                    <Updates />
                    <Notice />
                    <LinkedModel />
                    <BackgroundDownload />
                    <ModelStatus on_choose_model=choose_model />
                    <Toasts />
                    <ProjectNote />
                    <TemporaryNote />
                    <QuoteSelection />
                    <Composer />
                    <div class="dock-foot">
                        <ContextGauge />
                        <p class="fine-print">{tr("fine-print")}</p>
                    </div>
                </footer>
            </div>
            {move || {
                dialog.get().map(|first| view! { <ModelDialog first on_close=close_dialog /> })
            }}
            {move || {
                let close = move || chats.recording().set(None);
                chats.recording().get().map(|file| view! { <RecordingDialog file on_close=close /> })
            }}
            <Show when=move || dictation.needs_model().get()>
                <SpeechModelDialog on_close=move || dictation.needs_model().set(false) />
            </Show>
            <Show when=move || is_dragged_over.get()>
                <div class="drop-zone" data-testid="drop-zone">
                    <p>{tr("drop-files")}</p>
                </div>
            </Show>
            <Shortcuts
                on_sidebar=move |opens| is_sidebar_open.update(|open| *open = opens || !*open)
                on_model=choose_model
            />
        </div>
    }
}

/// Puts the question of a link into the composer, after any existing draft. Only the user sends it.
fn fill_composer(chats: &Chats, question: &str) {
    chats.draft().update(|draft| {
        if draft.trim().is_empty() {
            question.clone_into(draft);
        } else if !draft.contains(question) {
            draft.push_str("\n\n");
            draft.push_str(question);
        }
    });
}

/// Whether files are being dragged, rather than text or a link.
fn has_files(event: &web_sys::DragEvent) -> bool {
    event.data_transfer().is_some_and(|data| data.types().includes(&"Files".into(), 0))
}

fn is_narrow_now() -> bool {
    window().match_media(NARROW).ok().flatten().is_some_and(|query| query.matches())
}
