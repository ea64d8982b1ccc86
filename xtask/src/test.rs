//! Every test, and the screenshots that the end-to-end driver takes.

use crate::browser::{self, Browser};
use crate::embedding_model;
use crate::model;
use crate::npm;
use crate::program::{self, Build, PACKAGES};
use crate::shell::{self, Fault, root, step};
use crate::shown;
use crate::site;
use crate::templates;
use crate::toolchain::Toolchain;

/// Modules of the end-to-end tests that measure, or build.
const ALONE: [&str; 3] = ["docs::", "smooth::", "soak::"];

/// Runs every test with what is set up.
fn run_all(toolchain: &Toolchain, browser: &Browser) -> Result<(), Fault> {
    let profile = Build::Tested.profile();
    shown::forget()?;
    step("native tests: engine on Vulkan, protocol, page, tasks", || {
        let mut test = toolchain.cargo(["test", "--profile", profile]);
        test.args(PACKAGES);
        shell::run(test, "read the failed test's message above")
    })?;
    let kernels = |arguments: &[&str]| {
        let mut test = toolchain.cargo(["test", "--profile", profile, "--target", "wasm32-unknown-unknown"]);
        test.args(["-p", "parlance-engine", "--test", "kernels"])
            .args(arguments)
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", "wasm-bindgen-test-runner")
            .env("WASM_BINDGEN_TEST_TIMEOUT", "900")
            .env("CHROMEDRIVER", &browser.chromedriver);
        shell::run(test, "read the failed test's message above")
    };
    step("wasm tests: compiling them", || kernels(&["--no-run"]))?;
    // The browser compiles shaders on one core meanwhile.
    std::thread::scope(|scope| {
        let kernels = scope.spawn(|| step("wasm tests: the engine's kernels in the browser", || kernels(&[])));
        let site = site::build_with(toolchain, Build::Tested);
        kernels.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(site)
    })?;
    step("types of the ES module, by TypeScript", npm::check_types)?;
    let end_to_end = |arguments: &[&str]| {
        // All failures at once: a run takes minutes.
        let mut test = browser.given_to(toolchain.cargo(["test", "--profile", profile, "--no-fail-fast"]));
        test.args(PACKAGES).args(["--test", "site", "--"]).args(arguments);
        shell::run(test, "read the failed test's message above")
    };
    step("end-to-end tests: the built site in the browsers, with the demo model", || {
        // Three at a time on two cores: they wait for the driver, for timers and for workers as much as for a processor.
        let others = ALONE.iter().flat_map(|module| ["--skip", module]);
        end_to_end(&["--test-threads=3"].into_iter().chain(others).collect::<Vec<_>>())
    })?;
    step("end-to-end tests that need the machine for themselves: frames, memory, the guides' commands", || {
        end_to_end(&["--test-threads=1"].into_iter().chain(ALONE).collect::<Vec<_>>())
    })?;
    step("the tables in docs/", shown::check)
}

/// `cargo xtask test`.
pub(crate) fn run() -> Result<(), Fault> {
    let toolchain = site::set_up()?;
    templates::set_up()?;
    embedding_model::set_up(&toolchain)?;
    npm::set_up()?;
    let browser = browser::set_up()?;
    let result = run_all(&toolchain, &browser);
    shell::print_times();
    result
}

/// `cargo xtask screenshots`.
pub(crate) fn screenshots() -> Result<(), Fault> {
    let toolchain = site::set_up()?;
    let browser = browser::set_up()?;
    site::build_with(&toolchain, Build::Tested)?;
    step("taking screenshots", || {
        let screenshots = program::example(&toolchain, Build::Tested, "screenshots")?;
        shell::run(browser.given_to(screenshots), "read the message above")
    })?;
    println!("\nThe pictures are in {}.", root().join("target/screenshots").display());
    Ok(())
}

/// `cargo xtask soak`.
pub(crate) fn soak(arguments: &[String]) -> Result<(), Fault> {
    let toolchain = site::set_up()?;
    let browser = browser::set_up()?;
    site::build_with(&toolchain, Build::Tested)?;
    let mut soak = browser.given_to(program::example(&toolchain, Build::Tested, "soak")?);
    soak.args(arguments);
    shell::run(soak, "read the message above")
}

/// `cargo xtask bench`: natively, or with `--browser` or beside wllama in the browser.
pub(crate) fn bench(arguments: &[String]) -> Result<(), Fault> {
    if !arguments.iter().any(|argument| argument == "--browser" || argument == "wllama") {
        return model::example("bench", arguments);
    }
    let toolchain = site::set_up()?;
    let browser = browser::set_up()?;
    npm::set_up_peer()?;
    let build = Build::asked_for();
    site::build_with(&toolchain, build)?;
    let mut bench = browser.given_to(program::example(&toolchain, build, "browser_bench")?);
    bench.env("PARLANCE_SITE", root().join(build.site()));
    bench.args(arguments);
    shell::run(bench, "read the message above")
}
