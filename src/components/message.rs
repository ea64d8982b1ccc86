//! One message of a conversation.

use leptos::prelude::*;
use parlance_protocol::library::{Attachment, Role, ToolUse};
use reactive_stores::Field;

use super::answer_footer::AnswerFooter;
use super::citations;
use super::comparison::Comparison;
use super::context_cutoff::ContextCutoff;
use super::digest_note::DigestNote;
use super::edit_box::EditBox;
use super::focus::focus_composer;
use super::markdown::Markdown;
use super::message_actions::MessageActions;
use super::source_dialog::SourceDialog;
use super::streamed_text::StreamedText;
use super::thumbnails::Thumbnails;
use super::units;
use crate::chats::Chats;
use crate::conversation::{
    AnswerState, ChatMessage, ChatMessageStoreFields as _, ConversationStoreFields as _, MessageId,
};
use crate::documents::place_name;
use crate::i18n::{t, tf, tr};

/// A user message as a bubble, an answer as rendered Markdown.
///
/// Fields are read with `try_get`, because a message is removed from the store shortly before its view is disposed.
#[component]
pub(crate) fn MessageView(id: MessageId) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let message: Field<ChatMessage> = chats.current().messages().at_key(id).into();
    let role = message.role().get_untracked();
    let state = {
        let state = message.state();
        Signal::derive(move || state.try_get().unwrap_or(AnswerState::Incomplete))
    };
    let content = {
        let content = message.content();
        Signal::derive(move || content.try_get().unwrap_or_default())
    };
    let is_active = Memo::new(move |_| state.read().is_active());
    let is_editing = RwSignal::new(false);
    let sources = Signal::derive(move || chats.sources_of(id, <[Attachment]>::len));
    // The source that is shown in its file, with the file.
    let shown = RwSignal::new(None::<(Attachment, Option<Attachment>)>);
    let show = move |event: web_sys::MouseEvent| {
        if let Some(number) = citations::clicked(&event) {
            leptos::task::spawn_local(async move { shown.set(chats.source(id, number).await) });
        }
    };
    let speaker = if role == Role::User { "you" } else { "assistant" };
    let body = move || match role {
        Role::User => view! { <UserMessage id content is_editing /> }.into_any(),
        Role::Assistant => view! {
            <Reasoning message />
            <ToolCalls message />
            <Markdown key=id text=content is_active=is_active.into() sources />
            <AnswerFooter id state />
        }
        .into_any(),
    };
    view! {
        <DigestNote id />
        <ContextCutoff id />
        <article
            class="message"
            data-role=role.as_str()
            data-active=move || is_active.get().to_string()
            aria-label=tr(speaker)
            on:click=show
        >
            <Show when=move || state.read().has_no_text()>
                <Waiting state />
            </Show>
            {body}
            <Show when=move || !is_active.get() && !is_editing.get()>
                <MessageActions id role state content on_edit=move || is_editing.set(true) />
            </Show>
            <Show when=move || role == Role::Assistant && !is_active.get()>
                <Comparison id />
            </Show>
        </article>
        {move || {
            shown.get().map(|(passage, file)| view! { <SourceDialog passage file on_close=move || shown.set(None) /> })
        }}
    }
}

/// The user's text and attachments, or the editor.
#[component]
fn UserMessage(id: MessageId, content: Signal<String>, is_editing: RwSignal<bool>) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let attachments = chats.current().messages().at_key(id).attachments();
    let images = chats.current().messages().at_key(id).images();
    let images = Signal::derive(move || images.try_get().unwrap_or_default());
    let files = move || {
        attachments
            .try_get()
            .unwrap_or_default()
            .into_iter()
            .map(|file| view! { <span class="attachment">{file.name}</span> })
            .collect_view()
    };
    view! {
        <Show
            when=move || is_editing.get()
            fallback=move || {
                view! {
                    <div class="bubble">
                        <Thumbnails images />
                        <div class="attachments">{files}</div>
                        <StreamedText text=content />
                    </div>
                    <Sources id />
                }
            }
        >
            <EditBox
                text=content.get_untracked()
                on_save=move |text| {
                    is_editing.set(false);
                    chats.edit(id, text);
                    focus_composer();
                }
                on_cancel=move || {
                    is_editing.set(false);
                    focus_composer();
                }
            />
        </Show>
    }
}

/// The passages that were sent to the model, each with a button that shows it in its file.
#[component]
fn Sources(id: MessageId) -> impl IntoView {
    let sources = expect_context::<Chats>().current().messages().at_key(id).sources();
    let one = |(number, source): (usize, Attachment)| {
        let name = move || match source.sections.first() {
            Some(section) => format!("{}, {}", source.name, place_name(&section.place)),
            None => source.name.clone(),
        };
        view! {
            <li>
                <button class="citation" type="button" data-source=number.to_string()>
                    {name}
                </button>
                <p dir="auto">{source.text.clone()}</p>
            </li>
        }
    };
    move || {
        let sources = sources.try_get().unwrap_or_default();
        (!sources.is_empty()).then(|| {
            view! {
                <details class="sources">
                    <summary>{tr("sources")} " (" {sources.len()} ")"</summary>
                    <ol>{(1..).zip(sources).map(one).collect_view()}</ol>
                </details>
            }
        })
    }
}

/// The model's reasoning, collapsed, with its duration.
#[component]
fn Reasoning(#[prop(into)] message: Field<ChatMessage>) -> impl IntoView {
    let reasoning = {
        let reasoning = message.reasoning();
        Signal::derive(move || reasoning.try_get().unwrap_or_default())
    };
    let has_reasoning = Memo::new(move |_| !reasoning.read().is_empty());
    let seconds = message.reasoning_s();
    let title = move || match seconds.try_get().flatten() {
        Some(seconds) => tf("thought-for", [("time", units::duration(seconds).into())]),
        None => t("thinking"),
    };
    view! {
        <Show when=move || has_reasoning.get()>
            <details class="reasoning">
                <summary>{title}</summary>
                <StreamedText text=reasoning />
            </details>
        </Show>
    }
}

/// Tool calls of the answer, with arguments and results.
#[component]
fn ToolCalls(#[prop(into)] message: Field<ChatMessage>) -> impl IntoView {
    let tools = message.tools();
    let one = |tool: ToolUse| {
        view! {
            <details class="tool-use">
                <summary>{tool.name}</summary>
                <pre tabindex="0">{tool.arguments}</pre>
                <pre tabindex="0">{tool.result}</pre>
            </details>
        }
    };
    move || tools.try_get().unwrap_or_default().into_iter().map(one).collect_view()
}

/// Shown while an answer has no text yet.
#[component]
fn Waiting(state: Signal<AnswerState>) -> impl IntoView {
    let text = move || match state.get() {
        AnswerState::Waiting(Some(share)) => tf("processing-prompt", [("percent", (share * 100.0).round().into())]),
        AnswerState::Seeing(share) => tf("looking-at-images", [("percent", (share * 100.0).round().into())]),
        _ => t("waiting-for-model"),
    };
    view! {
        <p class="waiting">
            <span class="pulse" aria-hidden="true"></span>
            {text}
        </p>
    }
}
