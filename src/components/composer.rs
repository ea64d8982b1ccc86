//! The composer: the message field with attachments, images, prompts and the send button.

use leptos::html::{Input, Textarea};
use leptos::prelude::*;
use parlance_protocol::documents::DocumentFault;
use parlance_protocol::library::Attachment;
use parlance_protocol::scans::ScanFault;
use web_sys::{Blob, ClipboardEvent, File, KeyboardEvent};

use super::dictation::{DictationButtons, DictationStatus};
use super::files::{self, Attachable, MAX_TEXT_BYTES, Refusal};
use super::focus::{COMPOSER, element, focus_composer};
use super::icon_button::IconButton;
use super::icons::Icon;
use super::prompt_menu::{PromptMenu, matching, placeholder};
use super::queued_messages::QueuedMessages;
use super::readings_list::ReadingsList;
use super::recording_dialog::is_recording;
use super::seeing_model::{BlindModel, is_blind};
use super::thumbnails::Thumbnails;
use crate::chats::{Chats, Toast};
use crate::client::{Client, EngineState};
use crate::documents;
use crate::i18n::{tf, tr};
use crate::scans::{self, Scanned};
use crate::settings::SettingsContext;
use crate::storage;

/// Longest text whose tokens are counted with the model's tokenizer; longer ones are searched rather than sent in full.
const MAX_COUNTED_BYTES: usize = 1_000_000;

/// Maximum bytes of a PDF file whose pages are drawn: it is in memory three times meanwhile.
const MAX_SCAN_BYTES: f64 = 128e6;

/// Characters per token, for estimates.
const CHARS_PER_TOKEN: f64 = 4.0;

/// Attaches files that are pasted.
fn attach_pasted(chats: Chats, event: &ClipboardEvent) {
    let Some(data) = event.clipboard_data() else { return };
    let pasted = data.files().map(|files| files::list(&files)).unwrap_or_default();
    // What is also text, such as cells of a table, is pasted as text.
    if !pasted.is_empty() && !data.types().includes(&"text/plain".into(), 0) {
        event.prevent_default();
        attach(&chats, pasted);
    }
}

/// A text field that grows with its text, attached files, messages that wait, and buttons that send the message or stop the active answer.
#[component]
pub(crate) fn Composer() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let settings = expect_context::<SettingsContext>().0;
    let is_answering = chats.is_answering();
    let draft = chats.draft();
    let field = NodeRef::<Textarea>::new();
    let client = expect_context::<Client>();
    let (images, reading) = (chats.images(), chats.reading());
    let has_blind_model = Memo::new(move |_| !images.read().is_empty() && is_blind(client));
    let can_send = move || {
        let has_content = !draft.read().trim().is_empty() || !images.read().is_empty();
        has_content && !has_blind_model.get() && reading.get() == 0
    };
    let send = move || {
        if can_send() {
            // Sending implies consent to load the model.
            storage::agree_to_load();
            let text = draft.get_untracked().trim().to_owned();
            // During an answer, the message waits for its end.
            if is_answering.get_untracked() {
                chats.enqueue(text);
                // The button disappears with the text and would lose the focus.
                focus_composer();
            } else {
                chats.send(text);
            }
        }
    };
    let prompts = Memo::new(move |_| matching(&settings.read().prompts, &draft.read()));
    let chosen = RwSignal::new(0_usize);
    let insert = move |text: String| {
        draft.set(text);
        select_placeholder(field);
    };
    let on_key = move |event: KeyboardEvent| {
        // Enter also ends an input method's composition, which must not send.
        if event.is_composing() {
            return;
        }
        let count = prompts.read_untracked().len();
        let is_sending_key = if settings.read_untracked().enter_sends {
            !event.shift_key()
        } else {
            event.ctrl_key() || event.meta_key()
        };
        match event.key().as_str() {
            "ArrowDown" if count > 0 => chosen.update(|chosen| *chosen = (*chosen + 1) % count),
            "ArrowUp" if count > 0 => chosen.update(|chosen| *chosen = (*chosen + count - 1) % count),
            "Enter" | "Tab" if count > 0 => {
                let prompt = prompts.with_untracked(|prompts| prompts.get(chosen.get_untracked()).cloned());
                if let Some(prompt) = prompt {
                    insert(prompt.text);
                }
            }
            // To the prompt's next placeholder.
            "Tab" if placeholder(&draft.read_untracked()).is_some() => select_placeholder(field),
            "Enter" if is_sending_key => send(),
            _ => return,
        }
        event.prevent_default();
    };
    let conversation = Memo::new(move |_| chats.current_id());
    Effect::new(move |_| {
        // Whenever another conversation is shown.
        conversation.track();
        if field.get().is_some() {
            focus_composer();
        }
    });
    view! {
        <form class="composer" on:submit=move |event| { event.prevent_default(); send(); }>
            <PromptMenu prompts=prompts.into() chosen on_choose=insert />
            <Show when=move || has_blind_model.get()>
                <BlindModel />
            </Show>
            <Thumbnails images editable=images />
            <Attachments />
            <DictationStatus />
            <FilesBeingRead />
            <QueuedMessages />
            <div class="composer-row">
                <AttachButton />
                // A hidden copy of the text makes the grid cell as tall as the text.
                <div class="autogrow" data-copy=move || format!("{}\n", draft.get())>
                    <textarea
                        id=COMPOSER
                        node_ref=field
                        rows="1"
                        dir="auto"
                        placeholder=tr("message")
                        aria-label=tr("message")
                        prop:value=draft
                        on:input:target=move |event| {
                            chosen.set(0);
                            draft.set(event.target().value());
                        }
                        on:keydown=on_key
                        on:paste=move |event| attach_pasted(chats, &event)
                    ></textarea>
                </div>
                <DictationButtons />
                <SendButton can_send=Signal::derive(can_send) />
            </div>
        </form>
    }
}

/// That files are being read, and how far documents are.
#[component]
fn FilesBeingRead() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let reading = chats.reading();
    view! {
        <Show when=move || { reading.get() > 0 }>
            <p class="muted" role="status">{tr("reading-files")}</p>
        </Show>
        <ReadingsList readings=chats.readings() />
    }
}

/// A button that sends the message; during an answer, one that stops it, and one that has the message wait for its end.
#[component]
fn SendButton(can_send: Signal<bool>) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let is_answering = chats.is_answering();
    // The button disappears with the answer and would lose the focus.
    let stop = move |_| {
        chats.stop();
        focus_composer();
    };
    let send = move || {
        view! {
            <button class="send" type="submit" title=tr("send") aria-label=tr("send") disabled=move || !can_send.get()>
                <Icon name="send" />
            </button>
        }
    };
    view! {
        <Show when=move || is_answering.get() fallback=send>
            <Show when=move || can_send.get()>
                <button
                    class="send"
                    type="submit"
                    data-testid="queue"
                    title=tr("queue-message")
                    aria-label=tr("queue-message")
                >
                    <Icon name="send" />
                </button>
            </Show>
            <button
                class="send"
                type="button"
                data-testid="stop"
                title=tr("stop")
                aria-label=tr("stop")
                on:click=stop
            >
                <Icon name="stop" />
            </button>
        </Show>
    }
}

/// Selects the first placeholder of the text, so that typing replaces it.
fn select_placeholder(field: NodeRef<Textarea>) {
    // The field shows the text in the next frame.
    request_animation_frame(move || {
        let Some(field) = element(field) else { return };
        let _ = field.focus();
        if let Some((start, end)) = placeholder(&field.value()) {
            // Fails only for fields without text.
            let _ = field.set_selection_range(start, end);
        }
    });
}

/// The files attached to the message.
#[component]
fn Attachments() -> impl IntoView {
    let attachments = expect_context::<Chats>().attachments();
    let client = expect_context::<Client>();
    let is_ready = Memo::new(move |_| matches!(&*client.engine().read(), EngineState::Ready(_)));
    let one = move |(index, file): (usize, Attachment)| {
        let estimate = (file.text.chars().count() as f64 / CHARS_PER_TOKEN).ceil();
        // The exact count, as soon as a model is ready.
        let counted = LocalResource::new(move || {
            let is_counted = is_ready.get() && file.text.len() <= MAX_COUNTED_BYTES;
            let text = if is_counted { file.text.clone() } else { String::new() };
            async move { if text.is_empty() { None } else { client.count_tokens(text).await } }
        });
        let tokens = move || match counted.get().flatten() {
            Some(tokens) => tf("exact-tokens", [("count", super::units::count(tokens.into()).into())]),
            None => tf("estimated-tokens", [("count", super::units::count(estimate).into())]),
        };
        view! {
            <span class="attachment">
                {file.name} <span class="muted">{tokens}</span>
                <IconButton
                    icon="close"
                    label="remove"
                    on_press=move || {
                        attachments.update(|files| drop(files.remove(index)));
                    }
                />
            </span>
        }
    };
    view! {
        <Show when=move || !attachments.read().is_empty()>
            <div class="attachments">{move || attachments.get().into_iter().enumerate().map(one).collect_view()}</div>
        </Show>
    }
}

/// Chooses files, or takes a photo where there is a camera to hold.
#[component]
fn AttachButton() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let (field, camera) = (NodeRef::<Input>::new(), NodeRef::<Input>::new());
    view! {
        <IconButton icon="clip" label="attach" on_press=move || choose(field) />
        <input
            id="attach-file"
            node_ref=field
            type="file"
            multiple
            hidden
            aria-label=tr("attach")
            on:change=move |_| take(&chats, field)
        />
        <span class="camera">
            <IconButton icon="camera" label="take-photo" on_press=move || choose(camera) />
            <input
                node_ref=camera
                type="file"
                accept="image/*"
                capture="environment"
                hidden
                aria-label=tr("take-photo")
                on:change=move |_| take(&chats, camera)
            />
        </span>
    }
}

/// Lets the user choose files.
fn choose(field: NodeRef<Input>) {
    if let Some(field) = element(field) {
        field.click();
    }
}

/// Attaches the files that were chosen.
fn take(chats: &Chats, field: NodeRef<Input>) {
    if let Some(field) = element(field) {
        let chosen = field.files().map(|chosen| files::list(&chosen)).unwrap_or_default();
        attach(chats, chosen);
        // So that the same file can be chosen again.
        field.set_value("");
    }
}

/// Attaches texts and images to the message in the composer. A recording becomes a text first.
pub(crate) fn attach(chats: &Chats, chosen: Vec<File>) {
    let chats = *chats;
    let (mut recordings, chosen): (Vec<_>, Vec<_>) = chosen.into_iter().partition(is_recording);
    if let Some(recording) = recordings.pop() {
        chats.recording().set(Some(recording));
    }
    if chosen.is_empty() {
        return;
    }
    chats.reading().update(|count| *count += 1);
    leptos::task::spawn_local(async move {
        for file in chosen {
            attach_one(&chats, &file).await;
        }
        chats.reading().update(|count| *count -= 1);
    });
}

async fn attach_one(chats: &Chats, file: &File) {
    let (others, name) = (chats.attachments(), file.name());
    let other_bytes: usize = others.with_untracked(|files| files.iter().map(|file| file.text.len()).sum());
    match files::attachable(file, other_bytes as f64).await {
        Ok(Attachable::Text(text)) => others.update(|files| files.push(Attachment::new(name, text))),
        Ok(Attachable::Image) => chats.attach_image(file, name).await,
        Ok(Attachable::Document) => attach_document(chats, file, &name).await,
        Err(refusal) => notify(chats, refusal.sentence(&name)),
    }
}

fn notify(chats: &Chats, text: String) {
    chats.toast().set(Some(Toast { text, undo: None }));
}

/// Attaches a document: its text, and its pages without text as images.
async fn attach_document(chats: &Chats, file: &File, name: &str) {
    let document = match chats.readings().read(file).await {
        None => return,
        Some(Err(fault)) => return notify(chats, documents::sentence(fault, name)),
        Some(Ok(document)) => document,
    };
    let has_scans = document.pages_without_text > 0;
    let text = Attachment::of_document(name, document);
    let others = chats.attachments();
    let other_bytes: usize = others.with_untracked(|files| files.iter().map(|file| file.text.len()).sum());
    let len_bytes = text.text.len() as f64;
    if len_bytes + other_bytes as f64 > MAX_TEXT_BYTES {
        let refusal = Refusal::TooLarge { len_bytes, limit_bytes: MAX_TEXT_BYTES };
        return notify(chats, refusal.sentence(name));
    }
    if !text.text.is_empty() {
        others.update(|files| files.push(text));
    }
    if has_scans {
        attach_scan(chats, file, name).await;
    }
}

/// Attaches the pages of a PDF file that have no text as images. Says so if there are more than are drawn.
async fn attach_scan(chats: &Chats, file: &File, name: &str) {
    if file.size() > MAX_SCAN_BYTES {
        let refusal = Refusal::TooLarge { len_bytes: file.size(), limit_bytes: MAX_SCAN_BYTES };
        return notify(chats, refusal.sentence(name));
    }
    let attach_page = async |number: u32, page: Blob| {
        let description = tf("page-of", [("name", name.into()), ("page", f64::from(number).into())]);
        chats.attach_image(&page, description).await;
    };
    let text = match scans::read(file, attach_page).await {
        Ok(Scanned { images, is_cut_off: true, .. }) => {
            tf("pdf-cut-off", [("name", name.into()), ("count", f64::from(images).into())])
        }
        Ok(_) => return,
        Err(ScanFault::Encrypted) => documents::sentence(DocumentFault::Encrypted, name),
        Err(ScanFault::Damaged) => documents::sentence(DocumentFault::Damaged, name),
    };
    notify(chats, text);
}
