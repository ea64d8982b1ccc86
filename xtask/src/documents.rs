//! Commands that measure documents: `compare-documents` and `bench-search`.

use crate::embedding_model;
use crate::program::{self, Build};
use crate::shell::{self, Error, exists};
use crate::site;
use crate::toolchain::Toolchain;

/// Programs that `compare-documents` needs, with their Debian packages.
const PROGRAMS: [(&str, &str); 2] = [("soffice", "libreoffice"), ("pdftotext", "poppler-utils")];

/// `cargo xtask compare-documents`.
pub(crate) fn compare() -> Result<(), Error> {
    let missing: Vec<&str> = PROGRAMS.iter().filter(|(name, _)| !exists(name)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        shell::install_packages(&missing, "install LibreOffice and Poppler; LaTeX is used if it is there")?;
    }
    example("compare_documents", &site::set_up()?)
}

/// `cargo xtask bench-search`.
pub(crate) fn bench_search() -> Result<(), Error> {
    let toolchain = site::set_up()?;
    embedding_model::set_up(&toolchain)?;
    example("search_bench", &toolchain)
}

fn example(name: &str, toolchain: &Toolchain) -> Result<(), Error> {
    shell::run(program::example(toolchain, Build::from_env(), name)?, "see the message above")
}
