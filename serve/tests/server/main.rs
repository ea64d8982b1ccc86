//! The server as its clients see it: a process, with models on the CPU. Most are tiny; where answers have to make sense or to
//! take a while, it is the demo model.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod answers;
mod client;
mod endings;
mod process;
mod python;
mod refusals;
mod responses;
mod site_and_lend;
