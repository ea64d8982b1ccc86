//! Translates the chunks of a chat completion to the items of a response, and to the events in which they are streamed.

#[cfg(test)]
mod tests;

use parlance_protocol::openai::{
    ChatChunk, ChunkChoice, FinishReason, IncompleteDetails, ItemStatus, OutputItem, OutputPart, Response,
    ResponseError, ResponseEvent, ResponseEventKind as Kind, ResponseStatus, TokenLogProb, ToolCallDelta,
};

/// Items have one part.
const PART: u32 = 0;

/// A response that grows, with the events that tell so.
#[derive(Debug)]
pub(super) struct Translator {
    response: Response,
    /// For the ids of items.
    random: u64,
    /// When the response was created, in seconds since 1970.
    created: u64,
    has_begun: bool,
    /// Whether the last item may still grow.
    is_open: bool,
    /// Log probabilities of tokens whose text is held back.
    logprobs: Vec<TokenLogProb>,
    finish: Option<FinishReason>,
    events: Vec<ResponseEvent>,
    /// Number of events so far.
    event_count: u32,
}

impl Translator {
    /// The translator of a response without output.
    pub(super) fn new(response: Response, random: u64, created: u64) -> Self {
        Self {
            response,
            random,
            created,
            has_begun: false,
            is_open: false,
            logprobs: Vec::new(),
            finish: None,
            events: Vec::new(),
            event_count: 0,
        }
    }

    /// The response so far.
    pub(super) fn response(&self) -> &Response {
        &self.response
    }

    /// Whether there was an event.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The events since the last call.
    pub(super) fn take_events(&mut self) -> Vec<ResponseEvent> {
        std::mem::take(&mut self.events)
    }

    /// Announces the response. Only the first call has an effect.
    pub(super) fn begin(&mut self) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let response = Box::new(self.response.clone());
        self.emit(Kind::Created { response: response.clone() });
        self.emit(Kind::InProgress { response });
    }

    /// Adds the next chunk.
    pub(super) fn push(&mut self, chunk: ChatChunk) {
        self.begin();
        self.response.dropped_messages = self.response.dropped_messages.or(chunk.dropped_messages);
        for ChunkChoice { delta, logprobs, finish_reason, .. } in chunk.choices {
            let reasoning = delta.reasoning_content.unwrap_or_default();
            let content = delta.content.unwrap_or_default();
            let calls = delta.tool_calls.unwrap_or_default();
            // Those of other tokens have no place.
            if !content.is_empty() || reasoning.is_empty() && calls.is_empty() {
                self.logprobs.extend(logprobs.into_iter().flat_map(|logprobs| logprobs.content));
            }
            if !reasoning.is_empty() {
                self.reasoning(&reasoning);
            }
            if !content.is_empty() {
                self.text(&content);
            }
            for call in calls {
                self.call(call);
            }
            self.finish = self.finish.or(finish_reason);
        }
        self.response.usage = self.response.usage.or(chunk.usage.map(Into::into));
    }

    /// Ends the response `seconds` after it was created.
    pub(super) fn end(&mut self, seconds: u64) {
        self.begin();
        let is_whole = matches!(self.finish, Some(FinishReason::Stop | FinishReason::ToolCalls));
        if self.response.output.is_empty() {
            self.open_message();
        }
        self.close(if is_whole { ItemStatus::Completed } else { ItemStatus::Incomplete });
        match self.finish {
            Some(FinishReason::Stop | FinishReason::ToolCalls) => {
                self.response.status = ResponseStatus::Completed;
                self.response.completed_at = Some(self.created + seconds);
                self.emit(Kind::Completed { response: Box::new(self.response.clone()) });
                return;
            }
            Some(FinishReason::Length) => {
                self.response.status = ResponseStatus::Incomplete;
                let reason = "max_output_tokens".to_owned();
                self.response.incomplete_details = Some(IncompleteDetails { reason });
            }
            Some(FinishReason::Abort) | None => self.response.status = ResponseStatus::Cancelled,
        }
        self.emit(Kind::Incomplete { response: Box::new(self.response.clone()) });
    }

    /// Ends the response with an error.
    pub(super) fn fail(&mut self, message: &str) {
        self.close(ItemStatus::Incomplete);
        self.response.status = ResponseStatus::Failed;
        self.response.error = Some(ResponseError { code: "server_error".to_owned(), message: message.to_owned() });
        self.emit(Kind::Failed { response: Box::new(self.response.clone()) });
    }

    fn reasoning(&mut self, delta: &str) {
        if !matches!(self.open_item(), Some(OutputItem::Reasoning { .. })) {
            self.close(ItemStatus::Completed);
            let (id, status) = (self.next_id("rs"), ItemStatus::InProgress);
            self.open(OutputItem::Reasoning { id, status, summary: Vec::new(), content: Vec::new() });
            self.open_part(if self.response.reasoning.summary.is_some() {
                OutputPart::SummaryText { text: String::new() }
            } else {
                OutputPart::ReasoningText { text: String::new() }
            });
        }
        let (item_id, output_index) = self.place();
        let Some(OutputItem::Reasoning { summary, content, .. }) = self.response.output.last_mut() else { return };
        let has_summary = !summary.is_empty();
        summary.iter_mut().chain(content).for_each(|part| part.text_mut().push_str(delta));
        let delta = delta.to_owned();
        self.emit(if has_summary {
            Kind::SummaryTextDelta { item_id, output_index, summary_index: PART, delta }
        } else {
            Kind::ReasoningDelta { item_id, output_index, content_index: PART, delta }
        });
    }

    fn text(&mut self, delta: &str) {
        if !matches!(self.open_item(), Some(OutputItem::Message { .. })) {
            self.close(ItemStatus::Completed);
            self.open_message();
        }
        let (item_id, output_index) = self.place();
        let Some(OutputItem::Message { content, .. }) = self.response.output.last_mut() else { return };
        let Some(OutputPart::OutputText { text, logprobs, .. }) = content.last_mut() else { return };
        let new_logprobs = std::mem::take(&mut self.logprobs);
        text.push_str(delta);
        logprobs.extend_from_slice(&new_logprobs);
        let (delta, logprobs) = (delta.to_owned(), new_logprobs);
        self.emit(Kind::TextDelta { item_id, output_index, content_index: PART, delta, logprobs });
    }

    fn call(&mut self, call: ToolCallDelta) {
        // Only the first addition to a call has its name.
        if let Some(name) = call.function.name {
            self.close(ItemStatus::Completed);
            let (id, status) = (self.next_id("fc"), ItemStatus::InProgress);
            let call_id = call.id.unwrap_or_default();
            self.open(OutputItem::FunctionCall { id, status, call_id, name, arguments: String::new() });
        }
        let delta = call.function.arguments;
        let (item_id, output_index) = self.place();
        if let Some(OutputItem::FunctionCall { arguments, .. }) = self.response.output.last_mut()
            && !delta.is_empty()
        {
            arguments.push_str(&delta);
            self.emit(Kind::ArgumentsDelta { item_id, output_index, delta });
        }
    }

    fn open_message(&mut self) {
        let (id, status) = (self.next_id("msg"), ItemStatus::InProgress);
        self.open(OutputItem::Message { id, status, role: "assistant".to_owned(), content: Vec::new() });
        self.open_part(OutputPart::output_text());
    }

    /// Adds an item.
    fn open(&mut self, item: OutputItem) {
        self.is_open = true;
        self.response.output.push(item.clone());
        let (_, output_index) = self.place();
        self.emit(Kind::ItemAdded { output_index, item });
    }

    /// Adds a part to the last item.
    fn open_part(&mut self, part: OutputPart) {
        let (item_id, output_index) = self.place();
        let is_summary = matches!(part, OutputPart::SummaryText { .. });
        match self.response.output.last_mut() {
            Some(OutputItem::Reasoning { summary, .. }) if is_summary => summary.push(part.clone()),
            Some(OutputItem::Reasoning { content, .. } | OutputItem::Message { content, .. }) => {
                content.push(part.clone());
            }
            Some(OutputItem::FunctionCall { .. }) | None => return,
        }
        self.emit(if is_summary {
            Kind::SummaryAdded { item_id, output_index, summary_index: PART, part }
        } else {
            Kind::PartAdded { item_id, output_index, content_index: PART, part }
        });
    }

    /// Ends the last item, unless it has ended.
    fn close(&mut self, status: ItemStatus) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let (item_id, output_index) = self.place();
        let Some(item) = self.response.output.last_mut() else { return };
        *item.status_mut() = status;
        if let OutputItem::Message { content, .. } = item
            && let Some(OutputPart::OutputText { logprobs, .. }) = content.last_mut()
        {
            logprobs.append(&mut self.logprobs);
        }
        let item = item.clone();
        match &item {
            OutputItem::Reasoning { summary, content, .. } => {
                for part in summary.iter().chain(content) {
                    self.part_done(&item_id, output_index, part);
                }
            }
            OutputItem::Message { content, .. } => {
                for part in content {
                    self.part_done(&item_id, output_index, part);
                }
            }
            OutputItem::FunctionCall { name, arguments, .. } => {
                let (name, arguments) = (name.clone(), arguments.clone());
                self.emit(Kind::ArgumentsDone { item_id, output_index, name, arguments });
            }
        }
        self.emit(Kind::ItemDone { output_index, item });
    }

    fn part_done(&mut self, item_id: &str, output_index: u32, part: &OutputPart) {
        let (item_id, part, text) = (item_id.to_owned(), part.clone(), part.text().to_owned());
        match &part {
            OutputPart::SummaryText { .. } => {
                let summary_index = PART;
                self.emit(Kind::SummaryTextDone { item_id: item_id.clone(), output_index, summary_index, text });
                self.emit(Kind::SummaryDone { item_id, output_index, summary_index, part });
                return;
            }
            OutputPart::ReasoningText { .. } => {
                self.emit(Kind::ReasoningDone { item_id: item_id.clone(), output_index, content_index: PART, text });
            }
            OutputPart::OutputText { logprobs, .. } => {
                let logprobs = logprobs.clone();
                let item_id = item_id.clone();
                self.emit(Kind::TextDone { item_id, output_index, content_index: PART, text, logprobs });
            }
        }
        self.emit(Kind::PartDone { item_id, output_index, content_index: PART, part });
    }

    /// The last item, if it may grow.
    fn open_item(&self) -> Option<&OutputItem> {
        self.response.output.last().filter(|_| self.is_open)
    }

    /// Id and index of the last item.
    fn place(&self) -> (String, u32) {
        let id = self.response.output.last().map(OutputItem::id).unwrap_or_default();
        (id.to_owned(), self.response.output.len().saturating_sub(1) as u32)
    }

    fn next_id(&self, prefix: &str) -> String {
        format!("{prefix}_{:016x}_{}", self.random, self.response.output.len())
    }

    fn emit(&mut self, kind: Kind) {
        self.events.push(ResponseEvent { kind, sequence_number: self.event_count });
        self.event_count += 1;
    }
}
