//! The built site in real browsers. `cargo xtask test` builds the site first; then `cargo test --profile checked -p parlance-tests --test site NAME` runs a
//! part of it. It is one program, so that it is linked once.

mod attacks;
mod chat;
mod conversations;
mod docs;
mod faults;
mod firefox;
mod lifecycle;
mod menus;
mod openai;
mod pages;
mod smooth;
mod soak;
mod storage;
mod upgrades;
