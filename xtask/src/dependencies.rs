//! Licences and sources of dependencies (`deny.toml`), and security advisories for them.

use crate::shell::{Error, command, output, run, step};

const DENY_VERSION: &str = "0.20.2";
const AUDIT_VERSION: &str = "0.22.2";
/// The `RustSec` advisory database.
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";

/// Checks licences and sources with cargo-deny, and advisories with cargo-audit. If the advisory database cannot be
/// reached, the audit is skipped and the output says so.
pub(crate) fn check() -> Result<(), Error> {
    install("cargo-deny", DENY_VERSION)?;
    step("licences and sources of dependencies (cargo deny)", || {
        let arguments = ["deny", "--all-features", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
        run(command("cargo", arguments), "replace the crate, or allow it in deny.toml and explain why")
    })?;
    if output(command("git", ["ls-remote", "--heads", ADVISORIES])).is_none() {
        println!("==> SKIPPED: security advisories (cargo audit), because {ADVISORIES} cannot be reached");
        return Ok(());
    }
    install("cargo-audit", AUDIT_VERSION)?;
    step("security advisories (cargo audit)", || {
        run(command("cargo", ["audit", "--deny", "warnings"]), "update the crate")
    })
}

fn install(name: &str, version: &str) -> Result<(), Error> {
    let installed = output(command("cargo", [name.trim_start_matches("cargo-"), "--version"]));
    if installed.is_some_and(|text| text.ends_with(version)) {
        return Ok(());
    }
    step(&format!("installing {name} {version} (once; takes a few minutes)"), || {
        let arguments = ["install", "--quiet", "--locked", name, "--version", version];
        run(command("cargo", arguments), &format!("see the compiler error above, or install {name} {version} by hand"))
    })
}
