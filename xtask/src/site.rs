//! Building and serving the site.

use crate::model;
use crate::shell::{Fault, run, step};
use crate::toolchain::{self, Toolchain};

/// What building the site needs.
pub(crate) fn set_up() -> Result<Toolchain, Fault> {
    let toolchain = toolchain::set_up()?;
    model::set_up()?;
    Ok(toolchain)
}

/// Leaves a static site in `dist/`.
pub(crate) fn build() -> Result<(), Fault> {
    build_with(&set_up()?)?;
    println!("\nThe site is in dist/. Any static file host can serve it, under any path.");
    Ok(())
}

/// Builds the site with what is set up.
pub(crate) fn build_with(toolchain: &Toolchain) -> Result<(), Fault> {
    step("building the site (the first time takes several minutes)", || {
        run(toolchain.command("trunk", ["build", "--release"]), "read the compiler's message above")
    })
}

/// Serves the app until it is stopped, and opens it where there is a screen.
pub(crate) fn serve() -> Result<(), Fault> {
    let toolchain = set_up()?;
    let has_screen = !cfg!(target_os = "linux")
        || std::env::var_os("DISPLAY").is_some()
        || std::env::var_os("WAYLAND_DISPLAY").is_some();
    println!("==> building and serving the app at http://127.0.0.1:8080/ (the first build takes several minutes)");
    let mut serve = toolchain.command("trunk", ["serve", "--release"]);
    serve.args(has_screen.then_some("--open"));
    run(serve, "read the message above; if the port is taken, run `trunk serve --release --port 8081`")
}
