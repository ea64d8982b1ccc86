//! Licences and sources of dependencies (`deny.toml`), and known faults of theirs.

use crate::shell::{Fault, command, output, run, step};

const DENY_VERSION: &str = "0.20.2";
const AUDIT_VERSION: &str = "0.22.2";
/// Where known faults of crates are kept (`RustSec`).
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";

/// Checks licences and sources by cargo-deny, and advisories by cargo-audit. The latter needs the database of
/// known faults: without a way to it, the step says so and that nothing was checked.
pub(crate) fn check() -> Result<(), Fault> {
    install("cargo-deny", DENY_VERSION)?;
    step("licences and sources of dependencies: cargo deny", || {
        let arguments = ["deny", "--all-features", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
        run(command("cargo", arguments), "replace the crate that is named, or allow it in deny.toml and say why")
    })?;
    if output(command("git", ["ls-remote", "--heads", ADVISORIES])).is_none() {
        println!("==> NOT CHECKED: known faults of dependencies (cargo audit), since {ADVISORIES} cannot be reached");
        return Ok(());
    }
    install("cargo-audit", AUDIT_VERSION)?;
    step("known faults of dependencies: cargo audit", || {
        run(command("cargo", ["audit", "--deny", "warnings"]), "update the crate that is named")
    })
}

fn install(name: &str, version: &str) -> Result<(), Fault> {
    let found = output(command("cargo", [name.trim_start_matches("cargo-"), "--version"]));
    if found.is_some_and(|text| text.ends_with(version)) {
        return Ok(());
    }
    step(&format!("installing {name} {version} (a few minutes, once)"), || {
        let arguments = ["install", "--quiet", "--locked", name, "--version", version];
        run(
            command("cargo", arguments),
            &format!("read the compiler's message above, or install {name} {version} by hand"),
        )
    })
}
