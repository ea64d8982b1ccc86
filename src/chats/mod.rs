//! The user's conversations: the list, the one on screen, and what happens to them.
//!
//! `answers.rs` asks the engine and takes what comes, also for conversations that are not on screen; `edits.rs` changes
//! conversations; `documents.rs` reads long files; `titles.rs` has titles made; `tree.rs`
//! follows branches. Everything is kept in the library as it happens; an answer, once a second.

mod answers;
mod documents;
mod edits;
mod request;
mod titles;
mod tools;
mod tree;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::reactive::owner::LocalStorage;
use parlance_protocol::RequestId;
use parlance_protocol::library::{Attachment, ConversationSummary, Id, Message, Role};
use parlance_protocol::openai::ToolCall;
use reactive_stores::Store;

use crate::client::Client;
use crate::conversation::{
    AnswerState, ChatMessage, ChatMessageStoreFields as _, Conversation, ConversationStoreFields as _, MessageId,
};
use crate::library::Library;
use crate::options::Options;
use crate::settings::SettingsContext;
use crate::storage;

/// How often answers under way are kept.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How long the user pauses before what they are writing is kept.
const DRAFT_PAUSE: Duration = Duration::from_millis(500);
/// For how long an answer that another tab is writing may stand still before it counts as cut off.
const ELSEWHERE_LIMIT: Duration = Duration::from_secs(5);

/// An answer under way.
struct Answering {
    request: RequestId,
    /// The message that each one of the request is a part of, see [`request::Question`].
    origins: Vec<MessageId>,
    /// The answer as it is kept.
    message: Message,
    /// Tokens of what the message held before this request.
    earlier_tokens: u32,
    /// Tools that the model has called for in this round.
    calls: Vec<ToolCall>,
    /// What the message on screen shows.
    state: AnswerState,
    /// When the model began to think, in milliseconds since 1970.
    thinking_since_ms: Option<f64>,
    /// Whether it grew since it was kept.
    is_dirty: bool,
}

/// Something that was done and can be undone, or that went wrong.
#[derive(Clone)]
pub(crate) struct Toast {
    /// What happened.
    pub(crate) text: String,
    /// Takes it back. Not a `Callback`: those end with the view that they were made in, here often one of the deleted messages.
    pub(crate) undo: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// The handle to all conversations; copied freely.
#[derive(Clone, Copy)]
pub(crate) struct Chats {
    client: Client,
    library: Library,
    settings: SettingsContext,
    options: StoredValue<Options>,
    /// Conversations that hold the words of `query`; `None` until they have been read.
    list: RwSignal<Option<Vec<ConversationSummary>>>,
    query: RwSignal<String>,
    current: Store<Conversation>,
    /// Whether the conversation on screen is kept, as it is from its first message on.
    is_kept: RwSignal<bool>,
    branch: RwSignal<Vec<MessageId>>,
    context_start: Memo<Option<MessageId>>,
    draft: RwSignal<String>,
    attachments: RwSignal<Vec<Attachment>>,
    toast: RwSignal<Option<Toast>>,
    answering: StoredValue<HashMap<MessageId, Answering>, LocalStorage>,
    /// The title that is being made.
    title_request: StoredValue<Option<RequestId>>,
}

impl Chats {
    /// No conversation yet; the list is read at once.
    pub(crate) fn new(client: Client, library: Library, settings: SettingsContext, options: Options) -> Self {
        let current = Store::new(Conversation::default());
        let branch = RwSignal::new(Vec::<MessageId>::new());
        let chats = Self {
            client,
            library,
            settings,
            options: StoredValue::new(options),
            list: RwSignal::new(None),
            query: RwSignal::new(String::new()),
            current,
            is_kept: RwSignal::new(false),
            branch,
            context_start: Memo::new(move |_| context_start(current, &branch.read())),
            draft: RwSignal::new(String::new()),
            attachments: RwSignal::new(Vec::new()),
            toast: RwSignal::new(None),
            answering: StoredValue::new_local(HashMap::new()),
            title_request: StoredValue::new(None),
        };
        chats.show_new();
        Effect::new(move |_| chats.refresh(chats.query.get()));
        Effect::new(move |_| {
            let (count, conversation) = library.changed().get();
            if count > 0 {
                chats.changed_elsewhere(conversation);
            }
        });
        let keep_draft = debounce(DRAFT_PAUSE, move |draft| chats.keep_draft(draft));
        let keep_draft = StoredValue::new_local(std::cell::RefCell::new(keep_draft));
        Effect::new(move |_| {
            let draft = chats.draft.get();
            keep_draft.with_value(|keep| (keep.borrow_mut())(draft));
        });
        set_interval(move || chats.save_answers(), SAVE_EVERY);
        let hidden = window_event_listener(leptos::ev::visibilitychange, move |_| chats.save_answers());
        on_cleanup(move || hidden.remove());
        chats
    }

    /// Conversations that hold the words that are looked for; `None` until they have been read.
    pub(crate) fn list(self) -> Signal<Option<Vec<ConversationSummary>>> {
        self.list.into()
    }

    /// The words that are looked for.
    pub(crate) fn query(self) -> RwSignal<String> {
        self.query
    }

    /// The conversation on screen.
    pub(crate) fn current(self) -> Store<Conversation> {
        self.current
    }

    /// Its messages on screen, first to last.
    pub(crate) fn branch(self) -> Signal<Vec<MessageId>> {
        self.branch.into()
    }

    /// Its name, if it is kept.
    pub(crate) fn current_id(self) -> Option<Id> {
        self.is_kept.get().then(|| self.current.summary().read().id)
    }

    /// The message on screen above which the model is not given anything any more, if the conversation does not fit the context.
    pub(crate) fn context_start(self) -> Signal<Option<MessageId>> {
        self.context_start.into()
    }

    /// The name of the conversation on screen, kept or not.
    fn shown_id(self) -> Id {
        self.current.summary().read_untracked().id
    }

    /// Whether a kept conversation is the one on screen.
    fn is_current(self, id: Id) -> bool {
        self.is_kept.get_untracked() && self.shown_id() == id
    }

    /// Whether the question of the address is still to be asked; once.
    pub(crate) fn take_question(self) -> bool {
        self.options.try_update_value(|options| options.question.take()).flatten().is_some()
    }

    /// What the user is writing.
    pub(crate) fn draft(self) -> RwSignal<String> {
        self.draft
    }

    /// Files that go with what the user is writing.
    pub(crate) fn attachments(self) -> RwSignal<Vec<Attachment>> {
        self.attachments
    }

    /// Something to tell.
    pub(crate) fn toast(self) -> RwSignal<Option<Toast>> {
        self.toast
    }

    /// Whether the conversation on screen is being answered in this tab.
    pub(crate) fn is_answering(self) -> Signal<bool> {
        Signal::derive(move || {
            let leaf = self.branch.read().last().copied();
            leaf.is_some_and(|id| self.message_state(id).is_some_and(|state| state.is_active()))
        })
    }

    fn message_state(self, id: MessageId) -> Option<AnswerState> {
        self.is_shown(id).then(|| self.current.messages().at_key(id).state().try_get()).flatten()
    }

    /// Whether a message is in the conversation on screen.
    fn is_shown(self, id: MessageId) -> bool {
        self.current.messages().read_untracked().iter().any(|message| message.id == id)
    }

    /// Shows a conversation; a new one if there is no name. One that is not there any more gives a new one, too.
    pub(crate) fn open(self, id: Option<Id>) {
        // What is written in the conversation that goes off screen is kept with it.
        self.keep_draft(self.draft.get_untracked());
        let Some(id) = id else { return self.show_new() };
        if self.is_current(id) {
            return;
        }
        leptos::task::spawn_local(async move {
            match self.library.open(id).await {
                Ok(Some(conversation)) => {
                    self.draft.set(conversation.summary.draft.clone());
                    self.show(Conversation::from_record(conversation, &AnswerState::CutOff), true);
                }
                Ok(None) => self.show_new(),
                Err(message) => self.tell(message),
            }
        });
    }

    fn show_new(self) {
        let now_ms = js_sys::Date::now();
        let summary =
            ConversationSummary { id: new_id(), created_ms: now_ms, updated_ms: now_ms, ..Default::default() };
        self.show(Conversation { summary, messages: Vec::new() }, false);
        self.draft.set(storage::new_chat_draft());
    }

    /// Puts a conversation on screen, with the answers to it that are under way.
    fn show(self, mut conversation: Conversation, is_kept: bool) {
        self.answering.with_value(|answering| {
            for message in &mut conversation.messages {
                if let Some(answer) = answering.get(&message.id) {
                    message.content.clone_from(&answer.message.content);
                    message.reasoning.clone_from(&answer.message.reasoning);
                    message.context_start = answer.message.context_start;
                    message.state = answer.state.clone();
                }
            }
        });
        let branch = tree::branch(&conversation.messages, conversation.summary.leaf);
        let is_same = self.branch.with_untracked(|shown| *shown == branch);
        if !is_same {
            // The views of the old messages go before their fields do.
            self.branch.set(Vec::new());
        }
        self.is_kept.set(is_kept);
        if self.shown_id() != conversation.summary.id {
            self.attachments.update(Vec::clear);
        }
        self.current.summary().set(conversation.summary);
        // Through the field that has the keys: setting the whole store would leave it with the keys of the old messages.
        *self.current.messages().write() = conversation.messages;
        if !is_same {
            self.branch.set(branch);
        }
    }

    /// Shows the branch that ends at `leaf`, and keeps that choice.
    fn show_branch(self, leaf: Option<MessageId>) {
        self.current.summary().write().leaf = leaf;
        self.branch.set(tree::branch(&self.current.messages().read_untracked(), leaf));
        self.keep_summary();
    }

    /// Reads the list again.
    fn refresh(self, query: String) {
        leptos::task::spawn_local(async move {
            match self.library.list(query.clone()).await {
                // Another query may have been typed by now.
                Ok(list) if self.query.with_untracked(|now| *now == query) => self.list.set(Some(list)),
                Ok(_) => {}
                Err(message) => {
                    self.list.set(Some(Vec::new()));
                    self.tell(message);
                }
            }
        });
    }

    fn refresh_list(self) {
        self.refresh(self.query.get_untracked());
    }

    /// Another tab changed a conversation, or all.
    fn changed_elsewhere(self, conversation: Option<Id>) {
        self.refresh_list();
        let id = self.shown_id();
        let is_answering = self.is_answering().get_untracked();
        if is_answering || !self.is_kept.get_untracked() || conversation.is_some_and(|changed| changed != id) {
            return;
        }
        leptos::task::spawn_local(async move {
            match self.library.open(id).await {
                Ok(Some(conversation)) => {
                    self.show(Conversation::from_record(conversation, &AnswerState::Elsewhere), true);
                    self.watch_elsewhere(id);
                }
                Ok(None) => self.show_new(),
                Err(message) => self.tell(message),
            }
        });
    }

    /// An answer that another tab was writing is cut off if nothing more comes.
    fn watch_elsewhere(self, id: Id) {
        let (seen, _) = self.library.changed().get_untracked();
        set_timeout(
            move || {
                let is_still = self.library.changed().get_untracked().0 == seen;
                if !is_still || self.shown_id() != id {
                    return;
                }
                for message in self.branch.get_untracked() {
                    let state = self.current.messages().at_key(message).state();
                    if *state.read_untracked() == AnswerState::Elsewhere {
                        state.set(AnswerState::CutOff);
                    }
                }
            },
            ELSEWHERE_LIMIT,
        );
    }

    fn tell(self, text: String) {
        self.toast.set(Some(Toast { text, undo: None }));
    }

    /// Keeps the summary of the conversation on screen, if it has been begun.
    fn keep_summary(self) {
        if self.is_kept.get_untracked() {
            let summary = self.current.summary().get_untracked();
            self.put_summary(summary);
        }
    }

    fn put_summary(self, summary: ConversationSummary) {
        leptos::task::spawn_local(async move {
            if let Err(message) = self.library.put_summary(summary).await {
                self.tell(message);
            }
            self.refresh_list();
        });
    }

    fn put_messages(self, messages: Vec<Message>) {
        leptos::task::spawn_local(async move {
            if let Err(message) = self.library.put_messages(messages).await {
                self.tell(message);
            }
        });
    }

    /// Keeps what the user is writing.
    fn keep_draft(self, draft: String) {
        if !self.is_kept.get_untracked() {
            return storage::set_new_chat_draft(&draft);
        }
        if self.current.summary().read_untracked().draft != draft {
            self.current.summary().write().draft = draft;
            self.put_summary(self.current.summary().get_untracked());
        }
    }
}

/// Where the newest answer of a branch that has begun says that its context starts. Reactive.
fn context_start(current: Store<Conversation>, branch: &[MessageId]) -> Option<MessageId> {
    let messages = current.messages();
    let is_answer = |message: &ChatMessage| message.role == Role::Assistant;
    for id in branch.iter().rev() {
        // A message that has left the store has no fields.
        if messages.read_untracked().iter().any(|message| message.id == *id && is_answer(message)) {
            let message = messages.at_key(*id);
            let start = message.context_start().try_get()?;
            if !matches!(message.state().try_get()?, AnswerState::Waiting(_) | AnswerState::Failed(_)) {
                return start;
            }
        }
    }
    None
}

/// A name that no other message or conversation has.
fn new_id() -> Id {
    let half = || (js_sys::Math::random() * f64::from(u32::MAX)) as u64;
    Id(half() << 32 | half())
}
