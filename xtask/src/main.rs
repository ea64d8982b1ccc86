//! `cargo xtask`: setup, builds, tests and benchmarks. `cargo xtask help` lists the commands.

mod browser;
mod check;
mod compared_model;
mod dependencies;
mod documents;
mod embedding_model;
mod finish_site;
mod model;
mod npm;
mod openai_client;
mod package;
mod passed;
mod pip;
mod program;
mod shell;
mod site;
mod speech;
mod tables;
mod templates;
mod test;
mod toolchain;

use std::process::ExitCode;

use shell::Error;

const HELP: &str = "\
cargo xtask COMMAND

  serve        build the app and serve it with the demo model at http://127.0.0.1:8080/
  build        build the static site in dist/
  package      build the site, and of it the npm package in target/package/
  test         run every test: native, wasm, and end to end in the browsers; those whose files have not changed since
               they passed are skipped, except with --all
  check        check formatting, lints, licences, security advisories and download sizes
  bench        benchmark the engine; --json, --model FILE, --callers 1,8, --draft FILE for a draft model, --peer llama.cpp
               to compare with llama-bench; --browser to benchmark in Chromium, --hardware on the graphics card, --peer
               wllama to compare with wllama; --pictures all to benchmark how models see, --write FOLDER for files that
               other programs can measure, --profile for the time per kernel; --speech all to benchmark how they hear,
               --peer whisper.cpp to compare with that
  profile      show how long each kernel takes to decode a token; --model FILE, --context TOKENS
  synth-model  SHAPE FORMAT FILE: write a model of a published shape with synthetic weights, for benchmarks
  model FILE   describe a GGUF file and say whether it will run
  compare-documents  compare the text of documents with pdftotext's and LibreOffice's
  compare-model  compare greedy answers of a model of 1.5 billion weights with llama.cpp's
  compare-speech  compare transcripts of recordings with faster-whisper's, by published weights; --cpu
  bench-search measure how well and how fast files of projects are searched
  soak         use the app for two hours (or --minutes N) and watch its memory
  tables       regenerate the tables in docs/models.md and docs/reliability.md from the last test run
  faults       regenerate the table in docs/reliability.md only
  screenshots  take screenshots of every page in both themes and two widths, in target/screenshots/
  setup        install what serve, build and test need; they also do this themselves
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    match run(&command, &arguments.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, arguments: &[String]) -> Result<(), Error> {
    match command {
        "serve" => site::serve(),
        "build" => site::build(),
        "package" => package::run(),
        "test" => test::run(arguments),
        "check" => check::run_all(),
        "compare-documents" => documents::compare(),
        "compare-model" => compared_model::compare(),
        "compare-speech" => speech::compare(arguments),
        "bench-search" => documents::bench_search(),
        "soak" => test::soak(arguments),
        "tables" => tables::write_all(),
        "faults" => tables::write_failure_modes(),
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
            openai_client::set_up()?;
            browser::set_up().map(drop)
        }
        "" | "help" | "--help" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(Error::new(format!("unknown command `{other}`"), "run `cargo xtask help` for a list")),
    }
}
