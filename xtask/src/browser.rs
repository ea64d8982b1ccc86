//! The browsers and the Vulkan driver that the tests need.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Error, command, install_packages, output};

/// Paths of the browsers and of Chromium's WebDriver.
pub(crate) struct Browsers {
    pub(crate) chromium: PathBuf,
    pub(crate) chromedriver: PathBuf,
    pub(crate) firefox: PathBuf,
}

impl Browsers {
    /// Passes the browsers' paths to a command in its environment.
    pub(crate) fn set_env(&self, mut command: Command) -> Command {
        command.env("CHROME", &self.chromium).env("FIREFOX", &self.firefox);
        command
    }

    /// The browsers' versions, as they print them.
    pub(crate) fn versions(&self) -> String {
        let version = |browser| output(command(browser, ["--version"])).unwrap_or_default();
        [&self.chromium, &self.firefox].map(version).join("\n")
    }
}

/// Installs Chromium, its driver, Firefox and a Vulkan driver where they are missing.
pub(crate) fn set_up() -> Result<Browsers, Error> {
    if cfg!(target_os = "linux") && !has_vulkan() {
        let hint = "install a Vulkan driver, for example the package mesa-vulkan-drivers";
        install_packages(&["mesa-vulkan-drivers", "libvulkan1"], hint)?;
    }
    if find(CHROMIUM_NAMES).is_none() || find(DRIVER_NAMES).is_none() {
        let hint = "install Chromium (or Chrome) and its chromedriver, or set CHROME and CHROMEDRIVER to their paths";
        install_packages(&["chromium", "chromium-driver"], hint)?;
    }
    if find(FIREFOX_NAMES).is_none() {
        install_packages(&["firefox-esr"], "install Firefox, or set FIREFOX to its path")?;
    }
    let missing = |what: &str| Error::new(format!("{what} is not installed"), format!("install {what}"));
    Ok(Browsers {
        chromium: find(CHROMIUM_NAMES).ok_or_else(|| missing("Chromium"))?,
        chromedriver: find(DRIVER_NAMES).ok_or_else(|| missing("chromedriver"))?,
        firefox: find(FIREFOX_NAMES).ok_or_else(|| missing("Firefox"))?,
    })
}

const CHROMIUM_NAMES: (&str, &[&str]) = ("CHROME", &["chromium", "chromium-browser", "google-chrome", "chrome"]);
const FIREFOX_NAMES: (&str, &[&str]) = ("FIREFOX", &["firefox-esr", "firefox"]);
const DRIVER_NAMES: (&str, &[&str]) = ("CHROMEDRIVER", &["chromedriver"]);

/// The path in an environment variable, or else the first of the names that is in `PATH`.
fn find((variable, names): (&str, &[&str])) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).or_else(|| names.iter().find_map(|name| shell::find(name)))
}

/// Whether the system has a Vulkan loader and a driver.
fn has_vulkan() -> bool {
    let has_driver = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
        .iter()
        .any(|folder| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()));
    has_driver && output(command("sh", ["-c", "ldconfig -p | grep libvulkan.so.1"])).is_some()
}
