//! Builds and serves the site.

use crate::model;
use crate::program::Build;
use crate::shell::{Error, run, step};
use crate::toolchain::{self, Toolchain};

/// Installs what building the site needs.
pub(crate) fn set_up() -> Result<Toolchain, Error> {
    let toolchain = toolchain::set_up()?;
    model::set_up()?;
    Ok(toolchain)
}

/// `cargo xtask build`: builds the static site in `dist/`.
pub(crate) fn build() -> Result<(), Error> {
    build_with(&set_up()?, Build::Release)?;
    println!("\nThe site is in {}/. Any static file host can serve it, under any path.", Build::Release.site_dir());
    Ok(())
}

/// Builds the site; everything it needs is set up.
pub(crate) fn build_with(toolchain: &Toolchain, build: Build) -> Result<(), Error> {
    step("building the site (the first time takes several minutes)", || {
        let is_release = (build == Build::Release).to_string();
        let arguments = ["build", "--release", &is_release, "--dist", build.site_dir()];
        run(toolchain.command("trunk", arguments), "see the compiler error above")
    })
}

/// `cargo xtask serve`: serves the app until it is stopped, and opens it in a browser if there is a display.
pub(crate) fn serve() -> Result<(), Error> {
    let toolchain = set_up()?;
    let has_display = !cfg!(target_os = "linux")
        || std::env::var_os("DISPLAY").is_some()
        || std::env::var_os("WAYLAND_DISPLAY").is_some();
    println!("==> building and serving the app at http://127.0.0.1:8080/ (the first build takes several minutes)");
    let mut serve = toolchain.command("trunk", ["serve"]);
    serve.args(has_display.then_some("--open"));
    run(serve, "see the message above; if the port is taken, run `trunk serve --port 8081`")
}

#[cfg(test)]
mod tests {
    use crate::program::Build;
    use crate::shell::root;

    #[test]
    fn serving_does_not_overwrite_builds() -> std::io::Result<()> {
        let trunk = std::fs::read_to_string(root().join("Trunk.toml"))?;
        let served = trunk.lines().find_map(|line| line.strip_prefix("dist = "));
        let built = [Build::Release, Build::Test].map(Build::site_dir);
        assert!(served.is_some_and(|dir| !built.contains(&dir.trim_matches('"'))), "{served:?}");
        Ok(())
    }
}
