//! Requests answers and stores what is generated, also for conversations that are not on screen.

use leptos::prelude::*;
use parlance_protocol::library::{Attachment, Ending, Image, Message, Role, title_from};
use parlance_protocol::openai::{FinishReason, Usage};

use super::request::{self, ChatRequest, Setup};
use super::{ActiveAnswer, Chats, new_id, tools};
use crate::client::AnswerEvent;
use crate::conversation::{
    AnswerState, ChatMessage, ChatMessageStoreFields as _, ConversationStoreFields as _, MessageId,
};

impl Chats {
    /// Sends a message with the current attachments and requests the answer.
    pub(crate) fn send(self, text: String) {
        let (attachments, images) = self.take_attached();
        self.send_with(text, attachments, images);
    }

    /// Empties the composer, and returns the attachments and images that were in it.
    pub(super) fn take_attached(self) -> (Vec<Attachment>, Vec<Image>) {
        self.draft.set(String::new());
        let attachments = self.attachments.try_update(std::mem::take).unwrap_or_default();
        (attachments, self.images.try_update(std::mem::take).unwrap_or_default())
    }

    /// Sends a message with these attachments and images, and requests the answer.
    pub(super) fn send_with(self, text: String, attachments: Vec<Attachment>, images: Vec<Image>) {
        self.ensure_model();
        let parent = self.branch.with_untracked(|branch| branch.last().copied());
        let question = self.new_message(Role::User, parent);
        self.post(ChatMessage { content: text, attachments, images, ..question });
    }

    /// Adds an edited version of message `id` as a sibling and requests the answer.
    pub(crate) fn edit(self, id: MessageId, text: String) {
        let Some(old) = self.find_message(id) else { return };
        self.ensure_model();
        let question = self.new_message(Role::User, old.parent);
        self.post(ChatMessage { content: text, attachments: old.attachments, images: old.images, ..question });
    }

    /// Requests another answer as a sibling of `id`.
    pub(crate) fn regenerate(self, id: MessageId) {
        self.ensure_model();
        self.answer_again(id);
    }

    pub(super) fn answer_again(self, id: MessageId) {
        if let Some(old) = self.find_message(id) {
            let answer = self.new_message(Role::Assistant, old.parent);
            self.add(vec![answer]);
        }
    }

    /// Continues an answer that ended early.
    pub(crate) fn continue_answer(self, id: MessageId) {
        let earlier_tokens = match self.find_message(id).map(|message| message.state) {
            Some(AnswerState::Done(_, usage)) => usage.completion_tokens,
            _ => 0,
        };
        self.ensure_model();
        self.set_state(id, AnswerState::Waiting(None));
        self.request_answer(id, earlier_tokens);
    }

    /// The same, after reloading the model with a larger context.
    pub(crate) fn continue_with_context(self, id: MessageId, context_tokens: u32) {
        self.client.retry_with_context(context_tokens);
        self.continue_answer(id);
    }

    /// Stops the answer that is being generated on screen; its text is kept.
    pub(crate) fn stop(self) {
        let Some(leaf) = self.branch.with_untracked(|branch| branch.last().copied()) else { return };
        let request = self.answering.with_value(|answering| answering.get(&leaf).map(|answer| answer.request));
        if let Some(request) = request {
            self.client.interrupt(request);
        }
    }

    /// Saves active answers that have grown.
    pub(super) fn save_answers(self) {
        let grown = self.answering.try_update_value(|answering| {
            let take = |answer: &mut ActiveAnswer| std::mem::take(&mut answer.is_dirty).then(|| answer.message.clone());
            answering.values_mut().filter_map(take).collect::<Vec<_>>()
        });
        for message in grown.unwrap_or_default() {
            self.put_messages(vec![message]);
        }
    }

    fn new_message(self, role: Role, parent: Option<MessageId>) -> ChatMessage {
        let model = match role {
            Role::User => None,
            Role::Assistant => self.client.ready_model().map(|model| model.name),
        };
        let state = match role {
            Role::User => AnswerState::Done(FinishReason::Stop, Usage::default()),
            Role::Assistant => AnswerState::Waiting(None),
        };
        ChatMessage {
            id: new_id(),
            parent,
            role,
            content: String::new(),
            reasoning: String::new(),
            reasoning_s: None,
            created_ms: js_sys::Date::now(),
            model,
            state,
            attachments: Vec::new(),
            images: Vec::new(),
            sources: Vec::new(),
            tools: Vec::new(),
            context_start: None,
        }
    }

    /// Adds a question and its answer to the conversation.
    fn post(self, question: ChatMessage) {
        let answer = self.new_message(Role::Assistant, Some(question.id));
        if self.current.summary().read_untracked().title.is_empty() {
            let alt = question.images.first().map_or("", |image| &image.alt);
            let title = title_from(if question.content.is_empty() { alt } else { &question.content });
            self.current.summary().write().title = title;
        }
        self.add(vec![question, answer]);
    }

    /// Adds messages, the last of which is an empty answer, shows the branch that ends with them, and requests the answer.
    fn add(self, messages: Vec<ChatMessage>) {
        let Some(answer) = messages.last().map(|message| message.id) else { return };
        self.cancel_title();
        self.cancel_digest();
        let id = self.conversation_id();
        let records = messages.iter().map(|message| message.to_record(id)).collect();
        let has_project = untrack(|| self.project()).is_some();
        let is_searched = |message: &&ChatMessage| {
            message.role == Role::User && (has_project || self.is_too_long(&message.attachments))
        };
        let searched = messages.iter().find(is_searched).map(|message| message.id);
        self.current.messages().write().extend(messages);
        let draft = self.unsent_text();
        {
            let summary = self.current.summary();
            let mut summary = summary.write();
            summary.updated_ms = js_sys::Date::now();
            summary.draft = draft;
        }
        if !self.is_saved.get_untracked() && self.is_kept(id) {
            crate::storage::set_new_chat_draft("");
            self.is_saved.set(true);
        }
        self.put_messages(records);
        self.show_branch(Some(answer));
        match searched {
            Some(question) => self.search_files(question, answer),
            None => self.request_answer(answer, 0),
        }
    }

    /// Finds the relevant passages of a question's long files and of its project's, then requests the answer.
    fn search_files(self, question: MessageId, answer: MessageId) {
        let Some(message) = self.find_message(question) else { return };
        let project = untrack(|| self.project()).map(|project| project.id);
        leptos::task::spawn_local(async move {
            match self.find_sources(message.attachments, message.content, project).await {
                Ok(sources) if self.is_shown(answer) => {
                    self.current.messages().at_key(question).sources().set(sources);
                    if let Some(message) = self.find_message(question) {
                        let conversation = self.conversation_id();
                        self.put_messages(vec![message.to_record(conversation)]);
                    }
                    self.request_answer(answer, 0);
                }
                Ok(_) => {}
                Err(message) => {
                    self.set_state(answer, AnswerState::Incomplete);
                    self.notify(message);
                }
            }
        });
    }

    /// Requests the answer for a message on screen. Text that it already has, of `earlier_tokens` tokens, is continued.
    fn request_answer(self, id: MessageId, earlier_tokens: u32) {
        let unknown = self
            .with_branch(Some(id), |branch| self.image_urls.unknown(branch.iter().flat_map(|message| &message.images)));
        if unknown.is_empty() {
            return self.request_loaded_answer(id, earlier_tokens);
        }
        leptos::task::spawn_local(async move {
            self.image_urls.load(unknown).await;
            if self.is_shown(id) {
                self.request_loaded_answer(id, earlier_tokens);
            }
        });
    }

    /// The same, once the URLs of the conversation's images are known.
    fn request_loaded_answer(self, id: MessageId, earlier_tokens: u32) {
        let Some(message) = self.find_message(id) else { return };
        let record = message.to_record(self.conversation_id());
        let Some(ChatRequest { request, origins }) = self.request_for(Some(id)) else { return };
        let request = self.client.ask(request, move |event| self.handle(id, event));
        let answer = ActiveAnswer {
            request,
            origins,
            message: record,
            state: message.state,
            reasoning_since_ms: None,
            earlier_tokens,
            calls: Vec::new(),
            is_dirty: false,
        };
        self.answering.update_value(|answering| {
            answering.insert(id, answer);
        });
    }

    /// Builds the request for an answer, or for the whole branch on screen if `answer` is `None`.
    pub(super) fn request_for(self, answer: Option<MessageId>) -> Option<ChatRequest> {
        let summary = self.current.summary().get_untracked();
        let settings = self.settings.0.get_untracked();
        let sampling = summary.sampling.unwrap_or(settings.sampling);
        let system = untrack(|| self.system_prompt());
        let setup = Setup {
            system: &system,
            digest: summary.digest.as_ref(),
            sampling: self.options.with_value(|options| options.sampling(sampling)),
        };
        // Before a model is loaded, nobody knows; the engine says so if it cannot see.
        let can_see = self.client.ready_model().is_none_or(|model| model.can_see);
        let url = |digest: &str| self.image_urls.known_url(digest).filter(|_| can_see);
        self.with_branch(answer, |branch| (!branch.is_empty()).then(|| request::build(branch, &setup, &settings, &url)))
    }

    /// Calls `read` with the messages of the branch that ends with `leaf`, or of the one on screen.
    fn with_branch<T>(self, leaf: Option<MessageId>, read: impl FnOnce(&[&ChatMessage]) -> T) -> T {
        let shown = self.current.summary().read_untracked().leaf;
        let messages = self.current.messages();
        let messages = messages.read_untracked();
        let branch = super::tree::branch(&messages, leaf.or(shown));
        let branch: Vec<&ChatMessage> =
            branch.iter().filter_map(|id| messages.iter().find(|message| message.id == *id)).collect();
        read(&branch)
    }

    /// Handles an event of an active answer.
    fn handle(self, id: MessageId, event: AnswerEvent) {
        match event {
            AnswerEvent::Prefill(share) => self.wait(id, AnswerState::Waiting(share)),
            AnswerEvent::See(share) => self.wait(id, AnswerState::Seeing(share)),
            AnswerEvent::Started { dropped_messages } => self.set_context_start(id, dropped_messages as usize),
            AnswerEvent::Delta { content, reasoning, calls } => {
                self.append(id, &content, &reasoning);
                self.answering.update_value(|answering| {
                    if let Some(answer) = answering.get_mut(&id) {
                        tools::add(&mut answer.calls, calls);
                    }
                });
            }
            AnswerEvent::Finished { reason: FinishReason::ToolCalls, usage } => {
                self.run_tools(id, usage.completion_tokens);
            }
            AnswerEvent::Finished { reason, mut usage } => {
                usage.completion_tokens = usage.completion_tokens.saturating_add(self.earlier_tokens(id));
                self.finish(id, Ending::Done { reason, usage }, AnswerState::Done(reason, usage));
                if reason == FinishReason::Stop {
                    self.make_title_when_idle(id);
                }
            }
            AnswerEvent::Failed(failure) => {
                self.finish(id, Ending::Failed { failure: failure.clone() }, AnswerState::Failed(failure));
            }
            AnswerEvent::Lost => self.resume(id),
        }
    }

    /// Shows what happens before the first token.
    fn wait(self, id: MessageId, state: AnswerState) {
        let is_waiting =
            self.answering.with_value(|answering| answering.get(&id).is_some_and(|answer| answer.state.has_no_text()));
        if is_waiting {
            self.set_state(id, state);
        }
    }

    /// Records the first message that was sent to the model, if older ones did not fit the context.
    fn set_context_start(self, id: MessageId, dropped_messages: usize) {
        let start = self.answering.try_update_value(|answering| {
            let answer = answering.get_mut(&id)?;
            let start = answer.origins.get(dropped_messages).filter(|_| dropped_messages > 0).copied();
            answer.is_dirty |= answer.message.context_start != start;
            answer.message.context_start = start;
            start
        });
        if self.is_shown(id) {
            self.current.messages().at_key(id).context_start().set(start.flatten());
        }
    }

    /// Appends generated text, updating only the fields that change.
    fn append(self, id: MessageId, content: &str, reasoning: &str) {
        self.set_state(id, AnswerState::Streaming);
        let now_ms = js_sys::Date::now();
        let reasoning_s = self.answering.try_update_value(|answering| {
            let answer = answering.get_mut(&id)?;
            answer.message.content.push_str(content);
            answer.message.reasoning.push_str(reasoning);
            answer.is_dirty = true;
            if !reasoning.is_empty() {
                answer.reasoning_since_ms.get_or_insert(now_ms);
            }
            let is_done = !content.is_empty() && answer.message.reasoning_s.is_none();
            let since_ms = answer.reasoning_since_ms.filter(|_| is_done)?;
            answer.message.reasoning_s = Some((now_ms - since_ms) / 1000.0);
            answer.message.reasoning_s
        });
        if !self.is_shown(id) {
            return;
        }
        let message = self.current.messages().at_key(id);
        if let Some(seconds) = reasoning_s.flatten() {
            message.reasoning_s().set(Some(seconds));
        }
        if !content.is_empty() {
            message.content().update(|text| text.push_str(content));
        }
        if !reasoning.is_empty() {
            message.reasoning().update(|text| text.push_str(reasoning));
        }
    }

    /// Tokens that an active answer had before its current request.
    fn earlier_tokens(self, id: MessageId) -> u32 {
        let tokens = self.answering.with_value(|answering| answering.get(&id).map(|answer| answer.earlier_tokens));
        tokens.unwrap_or_default()
    }

    /// Removes an answer from the active ones.
    fn remove_active(self, id: MessageId) -> Option<ActiveAnswer> {
        self.answering.try_update_value(|answering| answering.remove(&id)).flatten()
    }

    /// Records how an answer ended and saves it.
    fn finish(self, id: MessageId, ending: Ending, state: AnswerState) {
        self.set_state(id, state);
        if let Some(answer) = self.remove_active(id) {
            let model = self.client.ready_model().map(|model| model.name).or(answer.message.model.clone());
            if self.is_shown(id) {
                self.current.messages().at_key(id).model().set(model.clone());
            }
            self.put_messages(vec![Message { ending: Some(ending), model, ..answer.message }]);
        }
    }

    /// Runs the tools that the model called and requests the rest of the answer with their results. If the conversation is no longer on
    /// screen, the answer ends here.
    fn run_tools(self, id: MessageId, tokens: u32) {
        let Some(answer) = self.remove_active(id) else { return };
        let earlier_tokens = answer.earlier_tokens.saturating_add(tokens);
        leptos::task::spawn_local(async move {
            let mut message = answer.message;
            for call in answer.calls {
                message.tools.push(tools::run(self.library, call).await);
            }
            self.put_messages(vec![message.clone()]);
            if self.is_shown(id) {
                self.current.messages().at_key(id).tools().set(message.tools);
                self.set_state(id, AnswerState::Waiting(None));
                self.request_answer(id, earlier_tokens);
            }
        });
    }

    /// Requests the rest of an answer after the engine was replaced. If its conversation is no longer on screen, the answer ends here.
    fn resume(self, id: MessageId) {
        self.save_answers();
        if let Some(answer) = self.remove_active(id).filter(|_| self.is_shown(id)) {
            self.request_answer(id, answer.earlier_tokens);
        }
    }

    pub(super) fn set_state(self, id: MessageId, state: AnswerState) {
        self.answering.update_value(|answering| {
            if let Some(answer) = answering.get_mut(&id) {
                answer.state = state.clone();
            }
        });
        if self.is_shown(id) {
            let field = self.current.messages().at_key(id).state();
            if *field.read_untracked() != state {
                field.set(state);
            }
        }
    }

    /// Finds a message in the conversation on screen.
    pub(super) fn find_message(self, id: MessageId) -> Option<ChatMessage> {
        self.current.messages().read_untracked().iter().find(|message| message.id == id).cloned()
    }

    /// Stops and discards active answers whose messages are about to be deleted.
    pub(super) fn discard(self, is_meant: impl Fn(&Message) -> bool) {
        let stopped = self.answering.try_update_value(|answering| {
            let meant = answering.extract_if(|_, answer| is_meant(&answer.message));
            meant.map(|(_, answer)| answer.request).collect::<Vec<_>>()
        });
        for request in stopped.unwrap_or_default() {
            self.client.interrupt(request);
        }
    }
}
