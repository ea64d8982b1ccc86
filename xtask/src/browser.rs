//! The browser and the Vulkan driver that tests need.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Fault, command, install_packages, output};

/// The browsers, and Chromium's WebDriver.
pub(crate) struct Browser {
    pub(crate) chromium: PathBuf,
    pub(crate) chromedriver: PathBuf,
    pub(crate) firefox: PathBuf,
}

impl Browser {
    /// A command that is told where the browsers are.
    pub(crate) fn given_to(&self, mut command: Command) -> Command {
        command.env("CHROME", &self.chromium).env("FIREFOX", &self.firefox);
        command
    }
}

/// Makes sure that a Chromium, its driver, a Firefox and a Vulkan adapter are there.
pub(crate) fn set_up() -> Result<Browser, Fault> {
    if cfg!(target_os = "linux") && !has_vulkan() {
        let mend = "install a Vulkan driver, for example the package mesa-vulkan-drivers";
        install_packages(&["mesa-vulkan-drivers", "libvulkan1"], mend)?;
    }
    if find(CHROMIUM_NAMES).is_none() || find(DRIVER_NAMES).is_none() {
        let mend = "install Chromium (or Chrome) and its chromedriver, or set CHROME and CHROMEDRIVER to their paths";
        install_packages(&["chromium", "chromium-driver"], mend)?;
    }
    if find(FIREFOX_NAMES).is_none() {
        install_packages(&["firefox-esr"], "install Firefox, or set FIREFOX to its path")?;
    }
    let missing = |what: &str| Fault::new(format!("{what} is not installed"), format!("install {what}"));
    Ok(Browser {
        chromium: find(CHROMIUM_NAMES).ok_or_else(|| missing("Chromium"))?,
        chromedriver: find(DRIVER_NAMES).ok_or_else(|| missing("chromedriver"))?,
        firefox: find(FIREFOX_NAMES).ok_or_else(|| missing("Firefox"))?,
    })
}

const CHROMIUM_NAMES: (&str, &[&str]) = ("CHROME", &["chromium", "chromium-browser", "google-chrome", "chrome"]);
const FIREFOX_NAMES: (&str, &[&str]) = ("FIREFOX", &["firefox-esr", "firefox"]);
const DRIVER_NAMES: (&str, &[&str]) = ("CHROMEDRIVER", &["chromedriver"]);

/// The program that an environment variable names, or the first name that is on the search path.
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
