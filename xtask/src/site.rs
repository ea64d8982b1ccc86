//! Building and serving the site.

use crate::model;
use crate::program::Build;
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
    let build = Build::asked_for();
    build_with(&set_up()?, build)?;
    println!("\nThe site is in {}/. Any static file host can serve it, under any path.", build.site());
    Ok(())
}

/// Builds the site with what is set up.
pub(crate) fn build_with(toolchain: &Toolchain, build: Build) -> Result<(), Fault> {
    step("building the site (the first time takes several minutes)", || {
        let is_release = (build == Build::Shipped).to_string();
        let arguments = ["build", "--release", &is_release, "--dist", build.site()];
        run(toolchain.command("trunk", arguments), "read the compiler's message above")
    })
}

/// Serves the app until it is stopped, and opens it where there is a screen.
pub(crate) fn serve() -> Result<(), Fault> {
    let toolchain = set_up()?;
    let has_screen = !cfg!(target_os = "linux")
        || std::env::var_os("DISPLAY").is_some()
        || std::env::var_os("WAYLAND_DISPLAY").is_some();
    println!("==> building and serving the app at http://127.0.0.1:8080/ (the first build takes several minutes)");
    let mut serve = toolchain.command("trunk", ["serve"]);
    serve.args(has_screen.then_some("--open"));
    run(serve, "read the message above; if the port is taken, run `trunk serve --port 8081`")
}

#[cfg(test)]
mod tests {
    use crate::program::Build;
    use crate::shell::root;

    #[test]
    fn serving_leaves_the_built_site_alone() -> std::io::Result<()> {
        let trunk = std::fs::read_to_string(root().join("Trunk.toml"))?;
        let served = trunk.lines().find_map(|line| line.strip_prefix("dist = "));
        assert!(
            served.is_some_and(|folder| [Build::Shipped, Build::Tested]
                .iter()
                .all(|build| folder.trim_matches('"') != build.site())),
            "{served:?}"
        );
        Ok(())
    }
}
