//! Prints what a model file contains, and whether and how the engine will run it, from its header alone:
//!
//!     cargo run --release -p parlance-engine --example inspect -- FILE.gguf

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use parlance_engine::fit::{Description, DeviceLimits};
use parlance_engine::gguf::{Gguf, Metadata, Parsed, TensorInfo, part_names};
use parlance_engine::runtime::{Gpu, GpuOptions};

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in std::env::args().skip(1) {
        if let Err(error) = inspect(Path::new(&file)) {
            println!("{file}: {error}");
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn inspect(path: &Path) -> Result<(), Box<dyn Error>> {
    let paths = parts(path);
    let headers = paths.iter().map(|path| header(path)).collect::<Result<Vec<_>, _>>()?;
    let gguf = Gguf::merge(&headers)?;
    let text = |key: &str| gguf.metadata.string(key).unwrap_or("unknown").to_owned();
    println!("file          {} ({})", path.display(), size(headers.iter().map(|part| part.file_len_bytes).sum()));
    if paths.len() > 1 {
        println!("parts         {}", paths.len());
    }
    println!("name          {}", text("general.name"));
    println!("architecture  {}", text("general.architecture"));
    println!("parameters    {}", count(gguf.tensors.iter().map(|tensor| tensor.rows() * tensor.cols()).sum()));
    print_formats(&gguf.tensors);
    print_language(&gguf.metadata);
    print_fit(&gguf);
    Ok(())
}

/// All parts of a split model; of other models the file itself.
fn parts(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    part_names(&name)
        .map_or_else(|| vec![path.to_owned()], |names| names.iter().map(|name| path.with_file_name(name)).collect())
}

fn header(path: &Path) -> Result<Gguf, Box<dyn Error>> {
    let with_path = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = File::open(path).map_err(with_path)?;
    let len_bytes = file.metadata().map_err(with_path)?.len();
    let mut bytes = Vec::new();
    let mut needed = 1 << 20;
    loop {
        file.by_ref().take(needed - bytes.len() as u64).read_to_end(&mut bytes).map_err(with_path)?;
        match Gguf::parse(&bytes, Some(len_bytes))? {
            Parsed::Complete(gguf) => return Ok(*gguf),
            Parsed::NeedMore(more) => needed = more.max(2 * needed).min(len_bytes),
        }
    }
}

fn print_formats(tensors: &[TensorInfo]) {
    let mut formats: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for tensor in tensors {
        let (count, bytes) = formats.entry(tensor.tensor_type.name()).or_default();
        *count += 1;
        *bytes += tensor.len_bytes;
    }
    for (index, (name, (count, bytes))) in formats.iter().enumerate() {
        let label = if index == 0 { "formats" } else { "" };
        println!("{label:<13} {name}: {count} tensors, {}", size(*bytes));
    }
}

fn print_language(metadata: &Metadata) {
    let text = |key: &str| metadata.string(key).unwrap_or("unknown");
    let tokens = metadata.strings("tokenizer.ggml.tokens").map_or(0, <[String]>::len);
    println!(
        "tokenizer     {}, pre-tokenizer {}, {tokens} tokens",
        text("tokenizer.ggml.model"),
        text("tokenizer.ggml.pre")
    );
    let template = metadata.string("tokenizer.chat_template");
    let described = template.map_or_else(
        || "none".to_owned(),
        |source| {
            let uses =
                ["tools", "enable_thinking"].into_iter().filter(|word| source.contains(word)).collect::<Vec<_>>();
            let uses = if uses.is_empty() { String::new() } else { format!(", supports {}", uses.join(" and ")) };
            format!("{} characters{uses}", source.chars().count())
        },
    );
    println!("template      {described}");
}

fn print_fit(gguf: &Gguf) {
    let devices = [("every WebGPU device", Ok(DeviceLimits::DEFAULT)), ("this device", this_device())];
    for (whose, limits) in devices {
        let result = limits.and_then(|limits| {
            let mut description = Description::new(gguf, limits)?;
            if let Some(chat) = description.chat_mut() {
                chat.try_template()?;
            }
            let fit = description.fit(None, limits)?;
            Ok((description, fit))
        });
        match result {
            Err(error) => println!("on {whose}: will not run: {error}"),
            Ok((description, fit)) => {
                let kind = match &description {
                    Description::Decoder { chat, .. } => match chat.template_warning() {
                        Some(warning) => format!("chats ({warning})"),
                        None => "chats".to_owned(),
                    },
                    Description::Encoder(_) => "embeds texts".to_owned(),
                    Description::Speech(_) => "transcribes speech".to_owned(),
                };
                println!(
                    "on {whose}: runs; {kind}; {} = weights {} in {} matrices + KV cache {} for {} tokens + scratch {}; \
                     context up to {} tokens; up to {} more sequences, {} each",
                    size(fit.total_bytes()),
                    size(fit.weight_bytes),
                    description.weights().matrices.len(),
                    size(fit.kv_bytes),
                    fit.context_tokens,
                    size(fit.scratch_bytes),
                    fit.max_context_tokens,
                    fit.max_further_sequences,
                    size(fit.further_sequence_bytes)
                );
            }
        }
    }
}

fn this_device() -> parlance_engine::Result<DeviceLimits> {
    pollster::block_on(Gpu::new(GpuOptions::default())).map(|gpu| gpu.limits())
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        10_000_000..10_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

fn count(parameters: u64) -> String {
    if parameters >= 1_000_000_000 {
        format!("{:.2} billion", parameters as f64 / 1e9)
    } else {
        format!("{:.1} million", parameters as f64 / 1e6)
    }
}
