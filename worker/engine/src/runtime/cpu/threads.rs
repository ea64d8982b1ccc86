//! A crew of native threads. The browser's is in the worker: it has other ways to wait.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::{hint, thread};

use super::crew::{Link, Member, ORDER_WORDS};
use crate::error::{EngineError, Result};

/// Looks at a channel before waiting.
const LOOKS: u32 = 4000;

/// An order on its way.
type Message = ([u32; ORDER_WORDS], Arc<[u8]>);
/// What came of it.
type Reply = Result<Vec<f32>>;

/// Threads that end with it.
pub struct Threads {
    members: Vec<(Sender<Message>, Mutex<Receiver<Reply>>)>,
    min_shared_weights: usize,
}

impl Threads {
    /// Starts so many threads beside the caller's, which share matrices of so many weights and more.
    pub fn start(members: usize, min_shared_weights: usize) -> Self {
        let start = |index| {
            let (orders, received) = channel::<Message>();
            let (done, replies) = channel();
            thread::spawn(move || {
                let mut member = Member::new(index, members);
                // The channels close when the crew is gone.
                while let Some((order, payload)) = soon(&received) {
                    let mut reply = Vec::new();
                    let result = member.follow(order, &payload, &mut reply);
                    if done.send(result.map(|()| reply)).is_err() {
                        return;
                    }
                }
            });
            (orders, Mutex::new(replies))
        };
        Self { members: (0..members).map(start).collect(), min_shared_weights }
    }
}

/// The next message. Products follow each other closely, and waking up takes longer than looking a while.
fn soon<T>(channel: &Receiver<T>) -> Option<T> {
    (0..LOOKS).find_map(|_| channel.try_recv().inspect_err(|_| hint::spin_loop()).ok()).or_else(|| channel.recv().ok())
}

impl Link for Threads {
    fn members(&self) -> usize {
        self.members.len()
    }

    fn min_shared_weights(&self) -> usize {
        self.min_shared_weights
    }

    fn post(&self, order: [u32; ORDER_WORDS], payload: &[u8]) {
        let payload: Arc<[u8]> = payload.into();
        for (orders, _) in &self.members {
            // One that is gone is noticed by `wait`.
            let _ = orders.send((order, Arc::clone(&payload)));
        }
    }

    fn wait(&self, member: usize, reply: &mut [f32]) -> Result<()> {
        let gone = || EngineError::Threads("it ended".to_owned());
        let replies = self.members[member].1.lock().map_err(|_| gone())?;
        let values = soon(&replies).ok_or_else(gone)??;
        let len = reply.len().min(values.len());
        reply[..len].copy_from_slice(&values[..len]);
        Ok(())
    }
}
