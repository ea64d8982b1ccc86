//! One engine for all tabs of a site, as a state machine: [`Event`]s go in, [`Command`]s come out.
//!
//! A lock elects the worker that leads: it holds the engine. The others follow: they pass their page's requests on to it, and its events back. When
//! the leader is gone, the lock goes to a follower. Whoever had a request without an answer then asks the new leader, and the models of its page are
//! loaded again.
//!
//! There are no heartbeats: a browser releases the locks of a worker that ends, however it ends.

mod memory;
#[cfg(test)]
mod tests;

use parlance_protocol::RequestId;

pub use memory::{Topic, Update};

use memory::{Memory, Replay};

/// What happened. `M` is a message of the page or of the leader.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<M> {
    /// The browser has no locks, as on plain HTTP: each tab is on its own.
    NoLocks,
    /// The leader's lock is this worker's, at once or after [`Command::AwaitLock`].
    LockGranted,
    /// Another worker holds the leader's lock.
    LockTaken,
    /// The channels to the leader are open, in answer to [`Command::Join`].
    Joined,
    /// They cannot be opened.
    CannotJoin,
    /// A worker says that it leads now.
    LeaderChanged,
    /// The page sent a message.
    FromPage {
        /// Its request, if an event will end that.
        id: Option<RequestId>,
        /// What it is about.
        topic: Topic,
        /// The message.
        message: M,
    },
    /// The leader sent an event for the page.
    FromLeader {
        /// The request that it is about, and what it says.
        about: Option<(RequestId, Update)>,
        /// The event.
        message: M,
    },
}

/// What the driver has to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Command<M> {
    /// Open the channels to the leader.
    Join,
    /// Wait for the leader's lock.
    AwaitLock,
    /// Start the engine, serve other tabs and tell them.
    Lead,
    /// Introduce this client to the leader.
    Greet,
    /// Send a message of the page to the leader.
    Ask(M),
    /// Give a message of the page to the engine here.
    Serve(M),
    /// Pass an event on to the page.
    Tell(M),
    /// Tell the page that a request failed: its leader is gone after a part of the answer, so it cannot be repeated.
    Fail(RequestId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It is not known yet whether another worker leads.
    Undecided,
    Following,
    Leading,
}

/// A worker's part in the election.
pub struct Election<M> {
    role: Role,
    memory: Memory<M>,
}

impl<M> Default for Election<M> {
    fn default() -> Self {
        Self { role: Role::Undecided, memory: Memory::default() }
    }
}

impl<M: Clone> Election<M> {
    /// Takes an event and says what to do about it.
    pub fn handle(&mut self, event: Event<M>) -> Vec<Command<M>> {
        match (self.role, event) {
            (Role::Leading, Event::FromPage { message, .. }) => vec![Command::Serve(message)],
            // A leader never steps down, and whatever an earlier leader still answers was asked again here.
            (Role::Leading, _) | (Role::Undecided, Event::LeaderChanged | Event::FromLeader { .. }) => Vec::new(),
            (_, Event::NoLocks | Event::LockGranted | Event::CannotJoin) => {
                self.role = Role::Leading;
                self.replay(vec![Command::Lead])
            }
            (_, Event::LockTaken) => vec![Command::Join, Command::AwaitLock],
            (_, Event::Joined) => {
                self.role = Role::Following;
                self.replay(vec![Command::Greet])
            }
            (_, Event::LeaderChanged) => self.replay(Vec::new()),
            (role, Event::FromPage { id, topic, message }) => {
                self.memory.note_request(id, topic, message.clone());
                // Before the election is decided, the memory keeps it.
                if role == Role::Following { vec![Command::Ask(message)] } else { Vec::new() }
            }
            (_, Event::FromLeader { about, message }) => {
                let is_expected = about.is_none_or(|(id, update)| self.memory.note_update(id, update));
                // Anything else comes late, from a leader that is gone: the page already heard that the request failed.
                if is_expected { vec![Command::Tell(message)] } else { Vec::new() }
            }
        }
    }

    /// Asks the current leader for everything that is still open.
    fn replay(&mut self, mut commands: Vec<Command<M>>) -> Vec<Command<M>> {
        let is_leading = self.role == Role::Leading;
        let Replay { messages, lost } = self.memory.replay(is_leading);
        commands.extend(lost.into_iter().map(Command::Fail));
        commands.extend(messages.into_iter().map(if is_leading { Command::Serve } else { Command::Ask }));
        commands
    }
}
