//! The wasm compiler, and the tools that turn its output into a site.

use std::path::Path;
use std::process::Command;

use crate::shell::{Error, command, exists, install_packages, output, root, run, step};

/// Must equal the version of the `wasm-bindgen` crate in Cargo.toml.
const WASM_BINDGEN_VERSION: &str = "0.2.130";
const TRUNK_VERSION: &str = "0.21.14";
const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// What reads and writes whole modules in these tools.
const WASM_READERS: [&str; 6] = ["gimli", "sha2", "walrus", "wasm-bindgen-cli-support", "wasm-encoder", "wasmparser"];

/// The name in rustup of Debian's own compiler, the fallback where rustup cannot download the wasm target.
const SYSTEM_TOOLCHAIN: &str = "debian-web";
const SYSTEM_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];

/// The toolchain that builds this project: the active one, or Debian's.
#[derive(Debug, Clone)]
pub(crate) struct Toolchain(Option<&'static str>);

impl Toolchain {
    /// The toolchain that rustup selects in this folder, as it is.
    pub(crate) fn active() -> Self {
        Self(None)
    }

    /// A command that runs this toolchain's cargo.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        self.command("cargo", arguments)
    }

    /// A command for a program that calls cargo, so that it uses this toolchain.
    pub(crate) fn command<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = command(program, arguments);
        if let Some(name) = self.0 {
            command.env("RUSTUP_TOOLCHAIN", name);
        }
        command
    }

    /// Whether the toolchain has the standard library for wasm.
    fn has_wasm(&self) -> bool {
        let libdir = output(self.command("rustc", ["--print", "target-libdir", "--target", WASM_TARGET]));
        libdir.is_some_and(|folder| has_std(Path::new(&folder)))
    }
}

/// Installs the wasm target and the build tools where they are missing, and returns the toolchain to use.
pub(crate) fn set_up() -> Result<Toolchain, Error> {
    let toolchain = wasm_toolchain()?;
    let wasm_bindgen_found = output(command("wasm-bindgen", ["--version"]));
    if wasm_bindgen_found.as_deref() != Some(&format!("wasm-bindgen {WASM_BINDGEN_VERSION}")) {
        install_tool(&toolchain, "wasm-bindgen-cli", WASM_BINDGEN_VERSION, false)?;
    }
    if output(command("trunk", ["--version"])).as_deref() != Some(&format!("trunk {TRUNK_VERSION}")) {
        install_tool(&toolchain, "trunk", TRUNK_VERSION, true)?;
    }
    Ok(toolchain)
}

fn install_tool(toolchain: &Toolchain, name: &str, version: &str, locked: bool) -> Result<(), Error> {
    step(&format!("installing {name} {version} (once; takes two minutes)"), || {
        let mut install = toolchain.cargo(["install", "--quiet", name, "--version", version]);
        install.args(locked.then_some("--locked"));
        // Their own release profiles take several times as long to build, for tools that run for seconds. Where packages of
        // build scripts are not optimised either, they are built once.
        for package in WASM_READERS {
            install.args(["--config", &format!("profile.release.package.{package}.opt-level=2")]);
        }
        install.envs([
            ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
            ("CARGO_PROFILE_RELEASE_LTO", "off"),
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
        ]);
        // The tools share many dependencies.
        install.env("CARGO_TARGET_DIR", root().join("target/tools"));
        run(install, &format!("see the compiler error above, or install {name} {version} by hand"))?;
        if exists(name.trim_end_matches("-cli")) {
            return Ok(());
        }
        Err(Error::new(
            format!("{name} is installed, but not in a folder of PATH"),
            "add cargo's folder for programs to PATH, usually ~/.cargo/bin",
        ))
    })
}

fn wasm_toolchain() -> Result<Toolchain, Error> {
    let active = Toolchain::active();
    if active.has_wasm() {
        return Ok(active);
    }
    let system = Toolchain(Some(SYSTEM_TOOLCHAIN));
    if !system.has_wasm() {
        let added = step("adding the wasm target to the Rust toolchain", || {
            run(command("rustup", ["target", "add", WASM_TARGET]), "see below")
        });
        if added.is_ok() && active.has_wasm() {
            return Ok(active);
        }
        println!("    rustup cannot add the wasm target; trying Debian's Rust instead");
        build_system_toolchain()?;
    }
    // So that plain `trunk serve` and `cargo` in this folder use it too.
    run(
        command(
            "rustup",
            ["override", "set", SYSTEM_TOOLCHAIN, "--path"]
                .map(str::to_owned)
                .into_iter()
                .chain([root().display().to_string()]),
        ),
        "install rustup",
    )?;
    Ok(system)
}

/// Builds the standard library for wasm with Debian's compiler, from the sources that Debian packages, and registers
/// that compiler with rustup.
fn build_system_toolchain() -> Result<(), Error> {
    let hint = "run `rustup target add wasm32-unknown-unknown` where the network allows it";
    let rustc = "/usr/bin/rustc";
    if SYSTEM_PACKAGES.iter().any(|package| output(command("dpkg", ["-s", package])).is_none()) {
        install_packages(&SYSTEM_PACKAGES, hint)?;
    }
    let sysroot = output(command(rustc, ["--print", "sysroot"]))
        .ok_or_else(|| Error::new("Debian's rustc does not run", hint))?;
    let rustlib = Path::new(&sysroot).join("lib/rustlib");
    let linker = rustlib.join("x86_64-unknown-linux-gnu/bin/rust-lld");
    let io = |error: std::io::Error| Error::new(format!("could not set up the wasm toolchain: {error}"), hint);
    if !linker.exists() {
        std::fs::create_dir_all(linker.parent().unwrap_or(&rustlib)).map_err(io)?;
        run(command("ln", ["-sf".as_ref(), "/usr/bin/lld-19".as_ref(), linker.as_os_str()]), hint)?;
    }
    let libdir = rustlib.join(WASM_TARGET).join("lib");
    if !has_std(&libdir) {
        step("building the standard library for wasm (once; takes a minute)", || {
            let package = root().join("target/wasm-std");
            std::fs::create_dir_all(package.join("src")).map_err(io)?;
            std::fs::write(package.join("src/lib.rs"), "").map_err(io)?;
            let manifest = "[package]\nname = \"wasm-std\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
                            [profile.release]\npanic = \"abort\"\n\n[workspace]\n";
            std::fs::write(package.join("Cargo.toml"), manifest).map_err(io)?;
            let mut build = command("/usr/bin/cargo", ["build", "--release", "--quiet", "--target", WASM_TARGET]);
            build
                .arg("-Zbuild-std=std,panic_abort,panic_unwind,test")
                .current_dir(&package)
                .env("RUSTC", rustc)
                .env("RUSTC_BOOTSTRAP", "1")
                // Link-time optimisation of the site needs bitcode in every library.
                .env("RUSTFLAGS", "-Cembed-bitcode=yes")
                .env_remove("RUSTUP_TOOLCHAIN")
                .env_remove("CARGO_TARGET_DIR");
            run(build, hint)?;
            std::fs::create_dir_all(&libdir).map_err(io)?;
            for entry in std::fs::read_dir(package.join(format!("target/{WASM_TARGET}/release/deps"))).map_err(io)? {
                let file = entry.map_err(io)?.path();
                if let (Some("rlib"), Some(name)) = (file.extension().and_then(|e| e.to_str()), file.file_name()) {
                    std::fs::copy(&file, libdir.join(name)).map_err(io)?;
                }
            }
            Ok(())
        })?;
    }
    if !exists("rustup") {
        return Err(Error::new("rustup is not installed", "install rustup"));
    }
    run(command("rustup", ["toolchain", "link", SYSTEM_TOOLCHAIN, &sysroot]), hint)
}

fn has_std(libdir: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(libdir) else { return false };
    entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}
