//! Commands that run the tests or drive a browser: `test`, `soak`, `bench` and `screenshots`.

use std::time::Instant;

use crate::browser::{self, Browsers};
use crate::check;
use crate::embedding_model;
use crate::model;
use crate::npm;
use crate::openai_client;
use crate::package;
use crate::passed::{self, Step};
use crate::program::{self, Build, PACKAGES};
use crate::shell::{self, Error, root, step};
use crate::site;
use crate::speech;
use crate::tables;
use crate::templates;
use crate::toolchain::Toolchain;

/// Files of the page, on which neither the engine nor the worker depend.
fn is_page(file: &str) -> bool {
    ["src/", "style/", "locales/", "index.html"].iter().any(|page| file.starts_with(page)) || is_prose(file)
}

/// Files that only people read, and the test of the commands in them.
fn is_prose(file: &str) -> bool {
    file.starts_with("docs/") || file.strip_suffix(".md").is_some_and(|name| !name.contains('/'))
}

const NATIVE: Step = Step { title: "native tests", name: "native", depends_on: |file| !is_page(file) };
const KERNELS: Step = Step {
    title: "wasm tests: kernels in Chromium",
    name: "kernels",
    depends_on: |file| file.starts_with("worker/engine/"),
};
const PAGE: Step = Step {
    title: "wasm tests: the page's functions",
    name: "page",
    depends_on: |file| is_page(file) || ["web/", "worker/protocol/"].iter().any(|folder| file.starts_with(folder)),
};
const MODULES: Step = Step {
    title: "the ES module in Node, and its type declarations",
    name: "modules",
    depends_on: |file| ["web/", "tests/npm/", "worker/engine/"].iter().any(|folder| file.starts_with(folder)),
};
const END_TO_END: Step = Step { title: "end-to-end tests", name: "end-to-end", depends_on: |_| true };
const FRAME_TIMES: Step = Step {
    title: "end-to-end tests, one at a time: frame times",
    name: "frame-times",
    depends_on: |file| !is_prose(file),
};

/// Runs every test whose inputs have changed; everything they need is set up.
fn run_all(toolchain: &Toolchain, browsers: &Browsers) -> Result<(), Error> {
    let profile = Build::Test.profile();
    let tools = browsers.versions();
    let native = |arguments: &[&str]| {
        let mut test = toolchain.cargo(["test", "--profile", profile]);
        test.args(PACKAGES).args(arguments).env(tables::STEP, NATIVE.name);
        shell::run(test, "see the failed test above")
    };
    NATIVE.run(&tools, || native(&[]))?;
    // The worker is selected for its dependencies' features: then it uses the same build of the engine.
    let kernels = ["-p", "parlance-engine", "-p", "parlance-worker", "--test", "kernels"];
    let in_wasm = |arguments: &[&str]| {
        let mut test = toolchain.cargo(["test", "--profile", profile, "--target", "wasm32-unknown-unknown"]);
        test.args(arguments).env("WASM_BINDGEN_TEST_TIMEOUT", "1800").env("CHROMEDRIVER", &browsers.chromedriver);
        shell::run(test, "see the failed test above")
    };
    step("wasm tests: compiling", || in_wasm(&[kernels.as_slice(), &["--no-run"]].concat()))?;
    // The browser compiles shaders on one core, so the site can be built at the same time, which takes longer.
    std::thread::scope(|scope| {
        let kernels = scope.spawn(|| {
            KERNELS.run(&tools, || in_wasm(&kernels))?;
            MODULES.run(&tools, || npm::check_types().and_then(|()| npm::test_modules()))
        });
        let site = site::build_with(toolchain, Build::Test).and_then(|()| {
            PAGE.run(&tools, || {
                in_wasm(&["-p", "parlance"]).and_then(|()| native(&["--test", "locales", "--test", "modules"]))
            })
        });
        kernels.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(site)
    })?;
    package::assemble(Build::Test)?;
    check::package()?;
    let end_to_end = |step: &Step, arguments: &[&str]| {
        // A run takes minutes, so report all failures at once.
        let mut test = browsers.set_env(toolchain.cargo(["test", "--profile", profile, "--no-fail-fast"]));
        test.args(PACKAGES).args(["--test", "site", "--"]).args(arguments).env(tables::STEP, step.name);
        shell::run(test, "see the failed test above")
    };
    // Three at a time on two cores: they spend some of their time waiting for timers and workers.
    END_TO_END.run(&tools, || end_to_end(&END_TO_END, &["--test-threads=3", "--skip", "smooth::"]))?;
    FRAME_TIMES.run(&tools, || end_to_end(&FRAME_TIMES, &["--test-threads=1", "smooth::"]))?;
    step("tables in docs/", tables::check)
}

/// Installs what tests need, except packages from npm and `OpenAI`'s Python client.
fn set_up_tools() -> Result<(Toolchain, Browsers), Error> {
    let toolchain = site::set_up()?;
    templates::set_up()?;
    embedding_model::set_up(&toolchain)?;
    Ok((toolchain, browser::set_up()?))
}

/// `cargo xtask test`; with `--all`, also tests whose inputs have not changed since they passed.
pub(crate) fn run(arguments: &[String]) -> Result<(), Error> {
    let start = Instant::now();
    if arguments.iter().any(|argument| argument == "--all") {
        passed::forget()?;
    }
    npm::set_up_npm()?;
    // One waits for the network, the other for the processor.
    let (packages, tools) = std::thread::scope(|scope| {
        let packages = scope.spawn(|| npm::set_up().and_then(|()| openai_client::set_up()));
        let tools = set_up_tools();
        (packages.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), tools)
    });
    packages?;
    let (toolchain, browsers) = tools?;
    let result = run_all(&toolchain, &browsers);
    shell::print_times(start);
    result
}

/// `cargo xtask screenshots`.
pub(crate) fn screenshots() -> Result<(), Error> {
    let toolchain = site::set_up()?;
    let browsers = browser::set_up()?;
    site::build_with(&toolchain, Build::Test)?;
    step("taking screenshots", || {
        let screenshots = program::example(&toolchain, Build::Test, "screenshots")?;
        shell::run(browsers.set_env(screenshots), "see the message above")
    })?;
    println!("\nThe screenshots are in {}.", root().join("target/screenshots").display());
    Ok(())
}

/// `cargo xtask soak`.
pub(crate) fn soak(arguments: &[String]) -> Result<(), Error> {
    let toolchain = site::set_up()?;
    let browsers = browser::set_up()?;
    site::build_with(&toolchain, Build::Test)?;
    let mut soak = browsers.set_env(program::example(&toolchain, Build::Test, "soak")?);
    soak.args(arguments);
    shell::run(soak, "see the message above")
}

/// `cargo xtask bench`: native, or in the browser with `--browser` or `--peer wllama`; of models that see with `--pictures`,
/// and that hear with `--speech`.
pub(crate) fn bench(arguments: &[String]) -> Result<(), Error> {
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let (sees, hears) = (has("--pictures"), has("--speech"));
    if hears {
        speech::set_up()?;
    }
    let choose = |[writes, seeing, hearing]: [&'static str; 3]| match (sees, hears) {
        (true, _) => seeing,
        (_, true) => hearing,
        _ => writes,
    };
    if !has("--browser") && !has("wllama") {
        if has("whisper.cpp") {
            npm::set_up_whisper_cpp()?;
        }
        return model::example(choose(["bench", "vision_bench", "speech_bench"]), arguments);
    }
    let toolchain = site::set_up()?;
    let browsers = browser::set_up()?;
    npm::set_up_wllama()?;
    let build = Build::from_env();
    // The tests have built theirs, and others may be using it.
    if build == Build::Release {
        site::build_with(&toolchain, build)?;
    }
    let name = choose(["browser_bench", "browser_vision_bench", "browser_speech_bench"]);
    let mut bench = browsers.set_env(program::example(&toolchain, build, name)?);
    bench.env("PARLANCE_SITE", root().join(build.site_dir()));
    bench.args(arguments);
    shell::run(bench, "see the message above")
}
