//! `parlance-serve`: the `OpenAI` API over HTTP from the native engine.
//!
//! The path of a request: a connection (`server.rs`) → host, origin and key (`access.rs`) → its endpoint (`routes.rs`) and
//! its JSON (`api.rs`, `body.rs`) → the queue (`queue.rs`) → the engine's thread (`engine.rs`), which answers with the
//! same jobs of `parlance-api` as the worker in a browser → events in a bounded channel → the response. If the client
//! leaves, the channel closes, and the job stops. `responses.rs` has what clients may continue.
//!
//! With `--site` it serves the built site, too (`site.rs`), and with `--lend` it lends its pages what a browser cannot do
//! (`lend/`).

mod access;
mod api;
mod body;
mod engine;
mod error;
mod images;
mod lend;
mod log;
mod models;
mod options;
mod queue;
mod responses;
mod routes;
mod server;
mod site;

use std::process::ExitCode;

use options::Command;

fn main() -> ExitCode {
    let command = options::parse(std::env::args().skip(1));
    let result = command.and_then(|command| match command {
        Command::Help => {
            print!("{}", options::HELP);
            Ok(())
        }
        Command::Serve(options) => server::run(*options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
