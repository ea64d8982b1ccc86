//! The page: a Leptos single-page app that talks to the engine's worker.

#![allow(unreachable_pub, reason = "the component macro makes its functions public")]

mod app;
mod client;
mod components;
mod conversation;
mod options;
mod pages;
mod storage;

fn main() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(app::App);
}
