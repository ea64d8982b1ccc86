//! `cargo xtask`: everything around the code. `cargo xtask help` lists the commands.

mod browser;
mod check;
mod model;
mod pip;
mod shell;
mod site;
mod templates;
mod test;
mod toolchain;

use std::process::ExitCode;

use shell::Fault;

const HELP: &str = "\
cargo xtask COMMAND

  serve        set up, build and serve the app, with the demo model
  build        set up and leave a static site in dist/
  test         set up and run every test: native, wasm, end to end in a browser
  check        formatting, lints and shipped sizes
  screenshots  pictures of every page in both themes and two widths, in target/screenshots/
  setup        only the set-up that serve, build and test do by themselves
";

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    match run(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("\nxtask: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str) -> Result<(), Fault> {
    match command {
        "serve" => site::serve(),
        "build" => site::build(),
        "test" => test::run(),
        "check" => check::run_all(),
        "screenshots" => test::screenshots(),
        "setup" => {
            site::set_up()?;
            templates::set_up()?;
            browser::set_up().map(drop)
        }
        "" | "help" | "--help" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(Fault::new(format!("there is no command “{other}”"), "cargo xtask help lists them")),
    }
}
