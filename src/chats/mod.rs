//! The user's conversations: the list and the one on screen.
//!
//! `answers.rs` requests answers and stores them, also for conversations that are not on screen. `request.rs` builds the requests.
//! `models.rs` says which model answers, `context.rs` estimates what fills its context, `statistics.rs` sums up what answers took, and `digest.rs` summarises. `list.rs` lists conversations. `edits.rs` changes
//! conversations, `bulk.rs` several at once, `queue.rs` has messages wait, `temporary.rs` keeps conversations from being saved, `projects.rs` keeps projects, `retrieval.rs` searches long files, `titles.rs` generates titles, `tools.rs` runs tool calls, and `tree.rs` follows
//! branches. Changes are saved to the library at once, active answers once a second.

mod answers;
mod bulk;
mod context;
mod digest;
mod edits;
mod list;
mod models;
mod projects;
mod queue;
mod queued;
mod request;
mod retrieval;
mod starts;
mod statistics;
mod temporary;
mod titles;
mod tools;
mod tree;

pub(crate) use context::ContextUse;
pub(crate) use models::Alternative;
pub(crate) use queued::Queued;
pub(crate) use statistics::Statistics;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::reactive::owner::LocalStorage;
use parlance_protocol::RequestId;
use parlance_protocol::library::{Attachment, ConversationSummary, Found, Id, Image, Message, Project};
use parlance_protocol::openai::ToolCall;
use reactive_stores::Store;
use web_sys::File;

use crate::client::Client;
use crate::conversation::{
    AnswerState, ChatMessageStoreFields as _, Conversation, ConversationStoreFields as _, MessageId,
};
use crate::documents::Readings;
use crate::images::Images;
use crate::library::Library;
use crate::options::Options;
use crate::settings::SettingsContext;
use crate::storage;

/// How often active answers are saved.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How long the user has to pause typing before a draft is saved.
const DRAFT_PAUSE: Duration = Duration::from_millis(500);
/// How long an answer generated in another tab may stall before it counts as incomplete.
const STALL_LIMIT: Duration = Duration::from_secs(5);

/// An answer that is being generated in this tab.
struct ActiveAnswer {
    request: RequestId,
    /// The message on screen that each message of the request belongs to, see [`request::ChatRequest`].
    origins: Vec<MessageId>,
    /// The answer in its stored form.
    message: Message,
    /// Tokens that the answer had before this request.
    earlier_tokens: u32,
    /// Tool calls of this round.
    calls: Vec<ToolCall>,
    /// The state shown on screen.
    state: AnswerState,
    /// When reasoning started, in milliseconds since 1970.
    reasoning_since_ms: Option<f64>,
    /// Whether it has grown since it was last saved.
    is_dirty: bool,
}

/// A brief notification, such as an action that can be undone or an error.
#[derive(Clone)]
pub(crate) struct Toast {
    /// What happened.
    pub(crate) text: String,
    /// Undoes the action. Not a `Callback`, which would be disposed with the view that created it, often that of a deleted message.
    pub(crate) undo: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// The handle to all conversations; cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Chats {
    client: Client,
    library: Library,
    image_urls: Images,
    settings: SettingsContext,
    options: StoredValue<Options>,
    /// Conversations that match `query`; `None` until they have been loaded.
    list: RwSignal<Option<Vec<ConversationSummary>>>,
    query: RwSignal<String>,
    /// Where the first of them have the words of `query`.
    found: RwSignal<HashMap<Id, Found>>,
    /// Those that are chosen for an action.
    selection: RwSignal<Option<BTreeSet<Id>>>,
    /// Conversations that must not be saved.
    temporary: RwSignal<Vec<Id>>,
    /// Messages that wait for the answers before them.
    queue: RwSignal<Vec<Queued>>,
    current: Store<Conversation>,
    /// The conversation that is being loaded for the screen.
    opening: StoredValue<Option<Id>>,
    /// Whether the conversation on screen is in the library, as it is from its first message on.
    is_saved: RwSignal<bool>,
    branch: RwSignal<Vec<MessageId>>,
    context_start: Memo<Option<MessageId>>,
    digest_start: Memo<Option<MessageId>>,
    draft: RwSignal<String>,
    attachments: RwSignal<Vec<Attachment>>,
    images: RwSignal<Vec<Image>>,
    /// How many groups of files are being read for the composer.
    reading: RwSignal<u32>,
    /// The recording that is being looked at.
    recording: RwSignal<Option<File>, LocalStorage>,
    /// The documents among them.
    readings: Readings,
    toast: RwSignal<Option<Toast>>,
    projects: RwSignal<Vec<Project>>,
    project_changes: RwSignal<u32>,
    is_embedding: RwSignal<bool>,
    answering: StoredValue<HashMap<MessageId, ActiveAnswer>, LocalStorage>,
    /// The request for a title that is in progress.
    title_request: StoredValue<Option<RequestId>>,
    /// The request for a summary that is in progress.
    digest_request: RwSignal<Option<RequestId>>,
}

impl Chats {
    /// Starts with a new conversation and loads the list.
    pub(crate) fn new(
        client: Client,
        library: Library,
        image_urls: Images,
        settings: SettingsContext,
        options: Options,
    ) -> Self {
        let current = Store::new(Conversation::default());
        let branch = RwSignal::new(Vec::<MessageId>::new());
        let chats = Self {
            client,
            library,
            image_urls,
            settings,
            options: StoredValue::new(options),
            list: RwSignal::new(None),
            query: RwSignal::new(String::new()),
            found: RwSignal::new(HashMap::new()),
            selection: RwSignal::new(None),
            temporary: RwSignal::new(Vec::new()),
            queue: RwSignal::new(Vec::new()),
            current,
            opening: StoredValue::new(None),
            is_saved: RwSignal::new(false),
            branch,
            context_start: Memo::new(move |_| starts::context_start(current, &branch.read())),
            digest_start: Memo::new(move |_| starts::digest_start(current, &branch.read())),
            draft: RwSignal::new(String::new()),
            attachments: RwSignal::new(Vec::new()),
            images: RwSignal::new(Vec::new()),
            reading: RwSignal::new(0),
            recording: RwSignal::new_local(None),
            readings: Readings::new(),
            toast: RwSignal::new(None),
            projects: RwSignal::new(Vec::new()),
            project_changes: RwSignal::new(0),
            is_embedding: RwSignal::new(false),
            answering: StoredValue::new_local(HashMap::new()),
            title_request: StoredValue::new(None),
            digest_request: RwSignal::new(None),
        };
        chats.show_new();
        leptos::task::spawn_local(async move {
            chats.read_projects().await;
            chats.embed_projects();
        });
        Effect::new(move |_| chats.refresh(chats.query.get()));
        chats.follow_queue();
        Effect::new(move |_| {
            let (count, conversation) = library.changed().get();
            if count > 0 {
                chats.changed_elsewhere(conversation);
            }
        });
        let save_draft = debounce(DRAFT_PAUSE, move |()| chats.save_draft(chats.unsent_text()));
        let save_draft = StoredValue::new_local(std::cell::RefCell::new(save_draft));
        Effect::new(move |_| {
            chats.draft.track();
            save_draft.with_value(|save| (save.borrow_mut())(()));
        });
        set_interval(move || chats.save_answers(), SAVE_EVERY);
        // The last chance before the tab is closed.
        let hidden = window_event_listener(leptos::ev::visibilitychange, move |_| {
            chats.save_answers();
            chats.save_draft(chats.unsent_text());
        });
        on_cleanup(move || hidden.remove());
        chats
    }

    /// The conversation on screen.
    pub(crate) fn current(self) -> Store<Conversation> {
        self.current
    }

    /// The messages on screen, first to last.
    pub(crate) fn branch(self) -> Signal<Vec<MessageId>> {
        self.branch.into()
    }

    /// The id of the conversation on screen, if it is in the library. Reactive.
    pub(crate) fn current_id(self) -> Option<Id> {
        self.is_saved.get().then(|| self.current.summary().read().id)
    }

    /// The first message on screen that is still sent to the model, if the conversation does not fit the context.
    pub(crate) fn context_start(self) -> Signal<Option<MessageId>> {
        self.context_start.into()
    }

    /// The id of the conversation on screen, saved or not.
    fn conversation_id(self) -> Id {
        self.current.summary().read_untracked().id
    }

    /// Whether a saved conversation is the one on screen.
    fn is_current(self, id: Id) -> bool {
        self.is_saved.get_untracked() && self.conversation_id() == id
    }

    /// Whether the link's question has not been put into the composer yet. True only once.
    pub(crate) fn take_question(self) -> bool {
        self.options.try_update_value(|options| options.question.take()).flatten().is_some()
    }

    /// The text in the composer.
    pub(crate) fn draft(self) -> RwSignal<String> {
        self.draft
    }

    /// The files attached in the composer.
    pub(crate) fn attachments(self) -> RwSignal<Vec<Attachment>> {
        self.attachments
    }

    /// The images attached in the composer.
    pub(crate) fn images(self) -> RwSignal<Vec<Image>> {
        self.images
    }

    /// How many groups of files are being read for the composer. The message must not be sent without them.
    pub(crate) fn reading(self) -> RwSignal<u32> {
        self.reading
    }

    /// The recording that is being looked at, in a dialog.
    pub(crate) fn recording(self) -> RwSignal<Option<File>, LocalStorage> {
        self.recording
    }

    /// The text of the last message on screen. Not reactive.
    pub(crate) fn last_text(self) -> String {
        let last = self.branch.with_untracked(|branch| branch.last().copied());
        last.and_then(|id| self.find_message(id)).map(|message| message.content).unwrap_or_default()
    }

    /// The documents that are being read for the composer.
    pub(crate) fn readings(self) -> Readings {
        self.readings
    }

    /// The notification on screen.
    pub(crate) fn toast(self) -> RwSignal<Option<Toast>> {
        self.toast
    }

    /// Whether an answer to the conversation on screen is being generated in this tab.
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

    /// Shows a conversation, or a new one if `id` is `None` or the conversation no longer exists.
    pub(crate) fn open(self, id: Option<Id>) {
        // The draft stays with the conversation that leaves the screen.
        self.save_draft(self.draft.get_untracked());
        self.opening.set_value(id);
        let Some(id) = id else {
            // The address follows a temporary conversation that was opened, too.
            if !self.is_blank_temporary() {
                self.show_new();
            }
            return;
        };
        if self.is_current(id) {
            return;
        }
        leptos::task::spawn_local(async move {
            let loaded = self.library.open(id).await;
            if self.opening.get_value() != Some(id) {
                // The user has opened another one since.
                return;
            }
            match loaded {
                Ok(Some(conversation)) => {
                    self.draft.set(conversation.summary.draft.clone());
                    self.show(Conversation::from_record(conversation, &AnswerState::Incomplete), true);
                }
                Ok(None) => self.show_new(),
                Err(message) => self.notify(message),
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

    /// Puts a conversation on screen, including its active answers.
    fn show(self, mut conversation: Conversation, is_saved: bool) {
        self.leave_temporary(conversation.summary.id);
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
            // Dispose the views of the old messages before their fields.
            self.branch.set(Vec::new());
        }
        self.is_saved.set(is_saved);
        if conversation.summary.model.is_some() && self.client.stored().read_untracked().is_none() {
            // To know whether that model is on this device.
            self.client.list_stored();
        }
        if self.conversation_id() != conversation.summary.id {
            self.attachments.update(Vec::clear);
            self.images.update(Vec::clear);
        }
        self.current.summary().set(conversation.summary);
        // Through the keyed field: setting the whole store would leave the keys of the old messages in place.
        *self.current.messages().write() = conversation.messages;
        if !is_same {
            self.branch.set(branch);
        }
    }

    /// Shows the branch that ends at `leaf` and saves that choice.
    fn show_branch(self, leaf: Option<MessageId>) {
        self.current.summary().write().leaf = leaf;
        self.branch.set(tree::branch(&self.current.messages().read_untracked(), leaf));
        self.save_summary();
    }

    /// Another tab changed a conversation, or all of them.
    fn changed_elsewhere(self, conversation: Option<Id>) {
        self.refresh_list();
        let id = self.conversation_id();
        let is_answering = self.is_answering().get_untracked();
        if is_answering || !self.is_saved.get_untracked() || conversation.is_some_and(|changed| changed != id) {
            return;
        }
        leptos::task::spawn_local(async move {
            match self.library.open(id).await {
                Ok(Some(conversation)) => {
                    self.show(Conversation::from_record(conversation, &AnswerState::Elsewhere), true);
                    self.watch_elsewhere(id);
                }
                Ok(None) => self.show_new(),
                Err(message) => self.notify(message),
            }
        });
    }

    /// Marks answers that another tab was generating as incomplete once they stall.
    fn watch_elsewhere(self, id: Id) {
        let (seen, _) = self.library.changed().get_untracked();
        set_timeout(
            move || {
                let has_stalled = self.library.changed().get_untracked().0 == seen;
                if !has_stalled || self.conversation_id() != id {
                    return;
                }
                for message in self.branch.get_untracked() {
                    let state = self.current.messages().at_key(message).state();
                    if *state.read_untracked() == AnswerState::Elsewhere {
                        state.set(AnswerState::Incomplete);
                    }
                }
            },
            STALL_LIMIT,
        );
    }

    /// Shows a notification.
    fn notify(self, text: String) {
        self.toast.set(Some(Toast { text, undo: None }));
    }

    /// Saves the summary of the conversation on screen, if it has been started.
    fn save_summary(self) {
        if self.is_saved.get_untracked() {
            let summary = self.current.summary().get_untracked();
            self.put_summary(summary);
        }
    }

    fn put_summary(self, summary: ConversationSummary) {
        if !self.is_kept(summary.id) {
            return;
        }
        leptos::task::spawn_local(async move {
            if let Err(message) = self.library.put_summary(summary).await {
                self.notify(message);
            }
            self.refresh_list();
        });
    }

    fn put_messages(self, messages: Vec<Message>) {
        if messages.iter().any(|message| !self.is_kept(message.conversation)) {
            return;
        }
        leptos::task::spawn_local(async move {
            if let Err(message) = self.library.put_messages(messages).await {
                self.notify(message);
            }
        });
    }

    /// Saves the draft of the conversation on screen.
    fn save_draft(self, draft: String) {
        if !self.is_kept(self.conversation_id()) {
            return;
        }
        if !self.is_saved.get_untracked() {
            return storage::set_new_chat_draft(&draft);
        }
        if self.current.summary().read_untracked().draft != draft {
            self.current.summary().write().draft = draft;
            self.put_summary(self.current.summary().get_untracked());
        }
    }
}

/// A random id for a message or conversation.
fn new_id() -> Id {
    let half = || (js_sys::Math::random() * f64::from(u32::MAX)) as u64;
    Id(half() << 32 | half())
}
