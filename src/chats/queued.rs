//! A message that waits until the answer before it is complete (`queue.rs`).

use parlance_protocol::library::{Attachment, Id, Image};

use crate::conversation::MessageId;

/// A message that waits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queued {
    /// Its conversation.
    pub(super) conversation: Id,
    /// The answer that was on screen when it was written: on another branch, it would be about something else.
    pub(super) answer: Option<MessageId>,
    /// Its text.
    pub(crate) text: String,
    pub(super) attachments: Vec<Attachment>,
    pub(super) images: Vec<Image>,
}
