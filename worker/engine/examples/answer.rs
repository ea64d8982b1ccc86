//! Answers a question, on the GPU if there is one:
//!
//!     cargo run --release --example answer -- MODEL.gguf "What is the capital of France?"

use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Write as _, stdout};

use parlance_engine::chat::Message;
use parlance_engine::runtime::{Cpu, Device, Loader, LoaderOptions, Source};
use parlance_engine::sampling::SamplingParams;

/// Maximum length of the answer, in tokens.
const MAX_TOKENS: usize = 200;

/// A model's file, which the loader reads piece by piece.
struct ModelFile(File);

impl Source for ModelFile {
    type Error = Box<dyn Error>;

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        Ok(self.0.read_exact(bytes)?)
    }
}

/// The GPU, unless it is one in software.
#[cfg(feature = "gpu")]
async fn device() -> Device {
    use parlance_engine::runtime::{Gpu, GpuOptions};
    match Gpu::new(GpuOptions::default()).await {
        Ok(gpu) if !gpu.is_software() => gpu.into(),
        _ => Cpu::blocking().into(),
    }
}

#[cfg(not(feature = "gpu"))]
async fn device() -> Device {
    Cpu::blocking().into()
}

async fn answer(path: &str, question: &str) -> Result<(), Box<dyn Error>> {
    let mut file = ModelFile(File::open(path)?);
    let mut left_bytes = file.0.metadata()?.len();
    let options = LoaderOptions { file_len_bytes: Some(left_bytes), ..LoaderOptions::default() };
    let mut loader = Loader::new(device().await, options);
    loop {
        match loader.pull(&mut file, left_bytes).await? {
            0 => break,
            taken => left_bytes -= taken,
        }
    }
    let mut model = loader.finish().await?;

    let chat = model.chat_handle();
    let prompt = chat.prompt(&[Message::new("user", question)])?;
    model.prefill(&prompt, |_, _| true).await?;
    let mut generation = model.generate(&prompt, &SamplingParams::GREEDY, MAX_TOKENS)?;
    let mut detokenizer = chat.detokenizer();
    while let Some(token) = generation.next().await? {
        if chat.is_stop(token) {
            break;
        }
        print!("{}", detokenizer.push(token));
        stdout().flush()?;
    }
    println!("{}", detokenizer.finish());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, question] = &arguments[..] else { return Err("usage: answer MODEL.gguf QUESTION".into()) };
    pollster::block_on(answer(path, question))
}
