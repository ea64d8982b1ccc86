//! Fields of messages that other apps name differently, or not at all.

use parlance_protocol::library::{Ending, Role};
use parlance_protocol::openai::{FinishReason, Usage};

/// The ending of a complete answer.
pub(super) fn complete() -> Ending {
    Ending::Done { reason: FinishReason::Stop, usage: Usage::default() }
}

/// The role of this name; `None` for system and tool messages, which are not imported.
pub(super) fn role(name: &str) -> Option<Role> {
    [Role::User, Role::Assistant].into_iter().find(|role| role.as_str() == name)
}
