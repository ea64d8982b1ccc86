//! Where the user writes.

use leptos::html::{Input, Textarea};
use leptos::prelude::*;
use parlance_protocol::library::Attachment;
use web_sys::{File, KeyboardEvent};

use super::files;
use super::focus::{COMPOSER, element, focus_composer};
use super::icon_button::IconButton;
use super::icons::Icon;
use super::prompt_menu::{PromptMenu, matching, variable};
use crate::chats::{Chats, Toast};
use crate::client::{Client, EngineState};
use crate::i18n::{tf, tr};
use crate::settings::SettingsContext;
use crate::storage;

/// Longest text whose tokens the model's tokenizer counts; a longer one is searched rather than read as a whole.
const MAX_COUNTED_BYTES: usize = 1_000_000;

/// Characters of a token, in most languages and with most tokenizers.
const CHARS_PER_TOKEN: f64 = 4.0;

/// A text field that grows with its text, files that go with it, and a button that sends, or stops the answer under way.
#[component]
pub(crate) fn Composer() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let settings = expect_context::<SettingsContext>().0;
    let is_answering = chats.is_answering();
    let draft = chats.draft();
    let field = NodeRef::<Textarea>::new();
    let can_send = move || !is_answering.get() && !draft.read().trim().is_empty();
    let send = move || {
        if can_send() {
            // Sending is agreeing: the model that answers has to be loaded.
            storage::agree_to_load();
            chats.send(draft.get_untracked().trim().to_owned());
        }
    };
    let prompts = Memo::new(move |_| matching(&settings.read().prompts, &draft.read()));
    let chosen = RwSignal::new(0_usize);
    let insert = move |text: String| {
        draft.set(text);
        select_variable(field);
    };
    let on_key = move |event: KeyboardEvent| {
        // Enter also ends the composition of an input method; that must not send.
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
            // From one variable of a prompt to the next.
            "Tab" if variable(&draft.read_untracked()).is_some() => select_variable(field),
            "Enter" if is_sending_key => send(),
            _ => return,
        }
        event.prevent_default();
    };
    let conversation = Memo::new(move |_| chats.current_id());
    Effect::new(move |_| {
        // Whenever another conversation comes on screen.
        conversation.track();
        if field.get().is_some() {
            focus_composer();
        }
    });
    view! {
        <form class="composer" on:submit=move |event| { event.prevent_default(); send(); }>
            <PromptMenu prompts=prompts.into() chosen on_choose=insert />
            <Attachments />
            <div class="composer-row">
                <AttachButton />
                // The hidden copy gives the grid cell the height of the text.
                <div class="grow" data-copy=move || format!("{}\n", draft.get())>
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
                    ></textarea>
                </div>
                <SendButton can_send=Signal::derive(can_send) />
            </div>
        </form>
    }
}

/// Sends, or stops the answer under way.
#[component]
fn SendButton(can_send: Signal<bool>) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let is_answering = chats.is_answering();
    // The button goes with the answer, and the focus with it.
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

/// Marks the first variable of the text, so that what is typed takes its place.
fn select_variable(field: NodeRef<Textarea>) {
    // The field shows the text in the next frame.
    request_animation_frame(move || {
        let Some(field) = element(field) else { return };
        let _ = field.focus();
        if let Some((start, end)) = variable(&field.value()) {
            // Fails only in fields without text.
            let _ = field.set_selection_range(start, end);
        }
    });
}

/// The files that go with the message.
#[component]
fn Attachments() -> impl IntoView {
    let attachments = expect_context::<Chats>().attachments();
    let client = expect_context::<Client>();
    let is_ready = Memo::new(move |_| matches!(&*client.engine().read(), EngineState::Ready(_)));
    let one = move |(index, file): (usize, Attachment)| {
        let estimate = (file.text.chars().count() as f64 / CHARS_PER_TOKEN).ceil();
        // The model's own count, as soon as there is a model and it has time.
        let counted = LocalResource::new(move || {
            let is_counted = is_ready.get() && file.text.len() <= MAX_COUNTED_BYTES;
            let text = if is_counted { file.text.clone() } else { String::new() };
            async move { if text.is_empty() { None } else { client.count_tokens(text).await } }
        });
        let tokens = move || match counted.get().flatten() {
            Some(tokens) => tf("exact-tokens", [("count", super::units::count(tokens.into()).into())]),
            None => tf("about-tokens", [("count", super::units::count(estimate).into())]),
        };
        view! {
            <span class="attachment">
                {file.name} <span class="soft">{tokens}</span>
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

#[component]
fn AttachButton() -> impl IntoView {
    let chats = expect_context::<Chats>();
    let field = NodeRef::<Input>::new();
    let open = move || {
        if let Some(field) = element(field) {
            field.click();
        }
    };
    let take = move |_| {
        if let Some(field) = element(field) {
            let chosen = field.files().map(|chosen| files::list(&chosen)).unwrap_or_default();
            attach(chats, chosen);
            // The same file can be chosen again.
            field.set_value("");
        }
    };
    view! {
        <IconButton icon="clip" label="attach" on_press=open />
        <input id="attach-file" node_ref=field type="file" multiple hidden aria-label=tr("attach") on:change=take />
    }
}

/// Reads text files and adds them to the message that is being written.
pub(crate) fn attach(chats: Chats, chosen: Vec<File>) {
    leptos::task::spawn_local(async move {
        for file in chosen {
            let name = file.name();
            let others = chats.attachments();
            let other_bytes: usize = others.with_untracked(|files| files.iter().map(|file| file.text.len()).sum());
            match files::attachable_text(&file, other_bytes as f64).await {
                Ok(text) => others.update(|files| files.push(Attachment { name, text })),
                Err(refusal) => {
                    let text = refusal.sentence(&name);
                    chats.toast().set(Some(Toast { text, undo: None }));
                }
            }
        }
    });
}
