//! Loads models from disk.

use std::error::Error;
use std::path::Path;

use parlance_engine::gguf::part_names;
use parlance_engine::runtime::{Device, Loader, LoaderOptions, Model, Source};

/// Loads a file. Also returns its length in bytes.
pub(crate) async fn load(
    device: impl Into<Device>,
    path: &Path,
    options: LoaderOptions,
) -> Result<(Model, u64), Box<dyn Error>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if part_names(&name).is_some() {
        return Err("split models cannot be measured".into());
    }
    let mut file = OnDisk(std::fs::File::open(path)?);
    let len_bytes = file.0.metadata()?.len();
    let mut loader = Loader::new(device, LoaderOptions { file_len_bytes: Some(len_bytes), ..options });
    let mut left_bytes = len_bytes;
    loop {
        match loader.pull(&mut file, left_bytes).await? {
            0 => break,
            taken => left_bytes -= taken,
        }
    }
    Ok((loader.finish().await?, len_bytes))
}

/// A file that a model is read from.
struct OnDisk(std::fs::File);

impl Source for OnDisk {
    type Error = Box<dyn Error>;

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Box<dyn Error>> {
        Ok(std::io::Read::read_exact(&mut self.0, bytes)?)
    }
}
