//! The page: a Leptos single-page app that talks to the engine's worker.

#![allow(unreachable_pub, reason = "the component macro makes its functions public")]

mod app;
mod catalogue;
mod chats;
mod client;
mod components;
mod conversation;
mod failure;
mod fault;
mod i18n;
mod library;
mod options;
mod pages;
mod settings;
mod sources;
mod storage;
mod transport;

fn main() {
    fault::report_panics();
    leptos::mount::mount_to_body(app::App);
}
