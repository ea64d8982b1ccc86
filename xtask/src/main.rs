//! `cargo xtask`: everything around the code. `cargo xtask help` lists the commands.

mod browser;
mod check;
mod dependencies;
mod embedding_model;
mod finish_site;
mod model;
mod npm;
mod pip;
mod program;
mod shell;
mod shown;
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
  check        formatting, lints, licences and known faults of dependencies, shipped sizes
  bench        measure the engine; --json for figures to keep, --model FILE for another model, --peer llama.cpp beside it
               (its llama-bench); --browser in Chromium, --peer wllama beside it, --hardware on the graphics card
  profile      where the time of a decoded token goes, kernel by kernel; --model FILE, --context TOKENS
  synth-model  SHAPE FORMAT FILE: write a model of a published shape with made-up weights, to measure with
  model FILE   what a model is, and whether and how it will run
  soak         use the app for two hours (--minutes N) and watch its memory
  tables       write the tables in docs/ (reliability.md, models.md) from what the last run of the tests has shown; faults: that of
               reliability.md only
  screenshots  pictures of every page in both themes and two widths, in target/screenshots/
  setup        only the set-up that serve, build and test do by themselves
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    match run(&command, &arguments.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("\nxtask: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, arguments: &[String]) -> Result<(), Fault> {
    match command {
        "serve" => site::serve(),
        "build" => site::build(),
        "test" => test::run(),
        "check" => check::run_all(),
        "soak" => test::soak(arguments),
        "tables" => shown::write(),
        "faults" => shown::write_faults(),
        "screenshots" => test::screenshots(),
        "finish-site" => finish_site::run(),
        "bench" => test::bench(arguments),
        "profile" => model::example("profile", arguments),
        "synth-model" => model::example("synth_model", arguments),
        "model" => model::describe(arguments),
        "setup" => {
            let toolchain = site::set_up()?;
            templates::set_up()?;
            embedding_model::set_up(&toolchain)?;
            npm::set_up()?;
            browser::set_up().map(drop)
        }
        "" | "help" | "--help" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(Fault::new(format!("there is no command “{other}”"), "cargo xtask help lists them")),
    }
}
