//! The page: a Leptos single-page app that talks to the engine worker and the library worker.

#![allow(unreachable_pub, reason = "the component macro makes its functions public")]

mod allowed_hosts;
mod app;
mod catalogue;
mod chats;
mod client;
mod components;
mod conversation;
mod crash;
mod dictation;
mod documents;
mod failure;
mod file_worker;
mod hub;
mod i18n;
mod images;
mod library;
mod microphone;
mod names;
mod options;
mod pages;
mod scans;
mod settings;
mod storage;
mod transport;

fn main() {
    crash::report_panics();
    leptos::mount::mount_to_body(app::App);
}
