//! Helper threads for native builds. In the browser they are web workers, which the worker crate starts.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::{hint, thread};

use super::thread_pool::{COMMAND_WORDS, Helper, HelperThreads};
use crate::error::{EngineError, Result};

/// How often to poll a channel before blocking on it.
const POLLS: u32 = 4000;

/// A command and its payload.
type Message = ([u32; COMMAND_WORDS], Arc<[u8]>);
/// A command's result.
type Reply = Result<Vec<f32>>;

/// Native helper threads. They end when this is dropped.
pub struct NativeThreads {
    threads: Vec<(Sender<Message>, Mutex<Receiver<Reply>>)>,
    min_shared_weights: usize,
}

impl NativeThreads {
    /// Starts `count` threads in addition to the caller's. Matrices with at least `min_shared_weights` weights are
    /// shared.
    pub fn start(count: usize, min_shared_weights: usize) -> Self {
        let start = |index| {
            let (commands, received) = channel::<Message>();
            let (done, replies) = channel();
            thread::spawn(move || {
                let mut helper = Helper::new(index, count);
                // The channels close when `NativeThreads` is dropped.
                while let Some((command, payload)) = receive(&received) {
                    let mut reply = Vec::new();
                    let result = helper.execute(command, &payload, &mut reply);
                    if done.send(result.map(|()| reply)).is_err() {
                        return;
                    }
                }
            });
            (commands, Mutex::new(replies))
        };
        Self { threads: (0..count).map(start).collect(), min_shared_weights }
    }
}

/// The next message. Products follow each other closely, and polling for a while is faster than waking up.
fn receive<T>(channel: &Receiver<T>) -> Option<T> {
    (0..POLLS).find_map(|_| channel.try_recv().inspect_err(|_| hint::spin_loop()).ok()).or_else(|| channel.recv().ok())
}

impl HelperThreads for NativeThreads {
    fn count(&self) -> usize {
        self.threads.len()
    }

    fn min_shared_weights(&self) -> usize {
        self.min_shared_weights
    }

    fn post(&self, command: [u32; COMMAND_WORDS], payload: &[u8]) {
        let payload: Arc<[u8]> = payload.into();
        for (commands, _) in &self.threads {
            // If the thread has ended, `wait` reports it.
            let _ = commands.send((command, Arc::clone(&payload)));
        }
    }

    fn wait(&self, helper: usize, reply: &mut [f32]) -> Result<()> {
        let ended = || EngineError::Threads("it has ended".to_owned());
        let replies = self.threads[helper].1.lock().map_err(|_| ended())?;
        let values = receive(&replies).ok_or_else(ended)??;
        let len = reply.len().min(values.len());
        reply[..len].copy_from_slice(&values[..len]);
        Ok(())
    }
}
