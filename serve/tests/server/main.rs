//! The server as its clients see it: a process, with the demo model on the CPU.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod answers;
mod client;
mod endings;
mod process;
mod python;
mod refusals;
mod site_and_lend;
