//! The chat: conversations, header, messages, composer.

use leptos::prelude::*;
use leptos_use::use_media_query;

use crate::chats::Chats;
use crate::client::{Client, EngineState};
use crate::components::composer::{Composer, attach};
use crate::components::files::list;
use crate::components::focus::focus_composer;
use crate::components::header::Header;
use crate::components::linked_model::LinkedModel;
use crate::components::message_list::MessageList;
use crate::components::model_choice::Choice;
use crate::components::model_dialog::ModelDialog;
use crate::components::model_status::ModelStatus;
use crate::components::navigation::follow_address;
use crate::components::notice::Notice;
use crate::components::shortcuts::Shortcuts;
use crate::components::sidebar::Sidebar;
use crate::components::toast::Toasts;
use crate::components::updates::Updates;
use crate::components::welcome::Welcome;
use crate::i18n::tr;
use crate::options::Options;
use crate::storage;

/// Windows in which the list of conversations is a drawer, as `sidebar.css` has it.
const NARROW: &str = "(max-width: 52rem)";

/// The chat page.
#[component]
pub(crate) fn ChatPage() -> impl IntoView {
    let client = expect_context::<Client>();
    let chats = expect_context::<Chats>();
    let options = expect_context::<Options>();
    follow_address();
    let has_agreed = storage::has_agreed_to_load();
    let has_no_model = matches!(client.engine().get_untracked(), EngineState::Empty);
    if has_no_model && !client.begin_with_link() && has_agreed {
        client.load_default_unless_loaded();
    }
    if let Some(question) = options.question.filter(|_| chats.take_question()) {
        fill_field(chats, &question);
    }
    let is_empty = Memo::new(move |_| chats.branch().read().is_empty());
    // On narrow screens the list is a drawer, which begins closed; on wide ones it begins open.
    let is_narrow = use_media_query(NARROW);
    // That signal is right only once the page stands; the list must not show for a moment.
    let is_list_open = RwSignal::new(!is_narrow_now());
    // A window that changes its width changes between the list and the drawer.
    Effect::watch(move || is_narrow.get(), move |is_narrow, _, _| is_list_open.set(!is_narrow), true);
    let looked_at = RwSignal::new_local(None::<Option<Choice>>);
    let is_dragged_over = RwSignal::new(false);
    let take_dropped = move |event: web_sys::DragEvent| {
        event.prevent_default();
        is_dragged_over.set(false);
        let files = event.data_transfer().and_then(|data| data.files()).map(|files| list(&files));
        let is_model = |file: &web_sys::File| file.name().to_lowercase().ends_with(".gguf");
        let (models, texts): (Vec<_>, Vec<_>) = files.unwrap_or_default().into_iter().partition(is_model);
        if !models.is_empty() {
            // A dialog that is open already begins anew with the files.
            looked_at.set(None);
            looked_at.set(Some(Choice::of_files(models)));
        }
        attach(chats, texts);
    };
    let leave_list = move || {
        if is_narrow.get_untracked() {
            is_list_open.set(false);
        }
    };
    let choose_model = move || looked_at.set(Some(None));
    let close_dialog = move || {
        looked_at.set(None);
        focus_composer();
    };
    view! {
        <div
            class="app"
            data-list=move || if is_list_open.get() { "open" } else { "closed" }
            on:dragover=move |event| {
                event.prevent_default();
                is_dragged_over.set(has_files(&event));
            }
            // From one element to the next there is one to go to; out of the window there is none.
            on:dragleave=move |event| {
                if event.related_target().is_none() {
                    is_dragged_over.set(false);
                }
            }
            on:drop=take_dropped
        >
            <Sidebar on_leave=leave_list />
            <div class="scrim" aria-hidden="true" on:click=move |_| is_list_open.set(false)></div>
            <div class="chat">
                <Header on_menu=move || is_list_open.update(|open| *open = !*open) on_choose_model=choose_model />
                <main class="main">
                    <Show when=move || is_empty.get() fallback=MessageList>
                        <Welcome />
                    </Show>
                </main>
                <footer class="dock">
                    <Updates />
                    <Notice />
                    <LinkedModel />
                    <ModelStatus on_choose_model=choose_model />
                    <Toasts />
                    <Composer />
                    <p class="fine-print">{tr("fine-print")}</p>
                </footer>
            </div>
            {move || {
                looked_at.get().map(|first| view! { <ModelDialog first on_close=close_dialog /> })
            }}
            <Show when=move || is_dragged_over.get()>
                <div class="drop-here" data-testid="drop-here">
                    <p>{tr("drop-here")}</p>
                </div>
            </Show>
            <Shortcuts on_sidebar=move |opens| is_list_open.update(|open| *open = opens || !*open) />
        </div>
    }
}

/// Writes the question of a link into the field, where only the user sends it. What is there already stays.
fn fill_field(chats: Chats, question: &str) {
    chats.draft().update(|draft| {
        if draft.trim().is_empty() {
            question.clone_into(draft);
        } else if !draft.contains(question) {
            draft.push_str("\n\n");
            draft.push_str(question);
        }
    });
}

/// Whether files are dragged, rather than a text or a link of the page.
fn has_files(event: &web_sys::DragEvent) -> bool {
    event.data_transfer().is_some_and(|data| data.types().includes(&"Files".into(), 0))
}

fn is_narrow_now() -> bool {
    window().match_media(NARROW).ok().flatten().is_some_and(|query| query.matches())
}
