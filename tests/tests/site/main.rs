//! The built site in real browsers. `cargo xtask test` builds the site; then
//! `cargo test --profile checked -p parlance-tests --test site NAME` runs some of the tests. They are one program, so
//! that it is linked once.

mod actions;
mod attachments;
mod attacks;
mod chat;
mod composing;
mod console;
mod conversations;
mod docs;
mod drafts;
mod empty_states;
mod failures;
mod firefox;
mod first_load;
mod hearing;
mod hub;
mod images;
mod injections;
mod lifecycle;
mod memory;
mod motion;
mod openai;
mod organising;
mod package;
mod pages;
mod palette;
mod projects;
mod responses;
mod sight;
mod smooth;
mod storage;
mod switching;
mod upgrades;
