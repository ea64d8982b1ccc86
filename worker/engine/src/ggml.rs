//! Files of whisper.cpp, `ggml-*.bin`, described as if they were GGUF.
//!
//! They begin with hyperparameters, filters and the vocabulary, but have no list of tensors: each tensor's data follow its
//! name and shape, so that [`read_header`] has to hop from one to the next. Files are untrusted, as GGUF is.
//!
//! Format: `models/convert-pt-to-ggml.py` in <https://github.com/ggml-org/whisper.cpp>.

use std::collections::HashSet;

use crate::error::EngineError;
use crate::gguf::{Gguf, MAX_DIMENSIONS, MAX_TENSORS, Metadata, TensorInfo, Value};
use crate::speech::{MEL_BINS, SpeechTokens};
use crate::tokenizer::{byte_level_merges, byte_level_texts};

/// The first bytes of a file.
const MAGIC: [u8; 4] = 0x6767_6D6C_u32.to_le_bytes();
/// Bytes to read at once.
const CHUNK_BYTES: u64 = 4 << 10;
/// Maximum length of a token or of a tensor's name in bytes.
const MAX_NAME_BYTES: u32 = 1 << 10;
/// Maximum number of tokens.
const MAX_VOCAB: u32 = 1 << 21;
/// Maximum number of positions. The vocabulary has a token for each of the encoder's, which the file does not contain.
const MAX_CONTEXT: u32 = 1 << 12;
/// Maximum number of bands of a spectrogram.
const MAX_MELS: u32 = 1 << 10;
/// The current version of quantised formats, and its factor in the field that names the file's format.
const QUANTISATION: (u32, u32) = (2, 1000);
/// The text of the first token after those of text.
const END: &[u8] = b"<|endoftext|>";
/// llama.cpp's types of tokens.
const NORMAL: i64 = 1;
const CONTROL: i64 = 3;

/// Whether a file with these first bytes is one of whisper.cpp.
pub fn is_ggml(first_bytes: &[u8]) -> bool {
    first_bytes.starts_with(&MAGIC)
}

/// Describes a file of `len_bytes` bytes; `read` fills a buffer from an offset in the file. Of the tensors only names and
/// shapes are read.
///
/// # Errors
/// Any defect of the file, and errors of `read`.
pub fn read_header<E: From<EngineError>>(
    len_bytes: u64,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
) -> Result<Gguf, E> {
    let mut file = File { read: &mut read, len_bytes, position: 0, chunk: Vec::new(), chunk_start: 0 };
    if !is_ggml(file.take(4)?) {
        return Err(EngineError::malformed("it is no file of whisper.cpp").into());
    }
    let sizes = Hyperparameters::read(&mut file)?;
    let mut metadata = sizes.metadata();
    let mut insert = |key: &str, value| drop(metadata.insert(key.to_owned(), value));
    insert("whisper.mel_filters", Value::Floats(read_filters(&mut file, sizes.mels)?));
    let tokens = read_tokens(&mut file, sizes.vocab)?;
    let end = tokens.len() as u32;
    let special = SpeechTokens::new(sizes.vocab, end, sizes.encoder.context)?;
    let kinds = (0..sizes.vocab).map(|id| if id < end { NORMAL } else { CONTROL });
    insert("tokenizer.ggml.model", Value::String("gpt2".to_owned()));
    insert("tokenizer.ggml.pre", Value::String("gpt-2".to_owned()));
    insert("tokenizer.ggml.merges", Value::Strings(byte_level_merges(&tokens)));
    insert(
        "tokenizer.ggml.tokens",
        Value::Strings(byte_level_texts(&tokens).into_iter().chain(special.names()).collect()),
    );
    insert("tokenizer.ggml.token_type", Value::Integers(kinds.collect()));
    insert("tokenizer.ggml.eos_token_id", Value::Unsigned(end.into()));
    let header_len_bytes = file.position;
    let tensors = read_tensors(&mut file, sizes.format)?;
    Ok(Gguf { metadata, tensors, header_len_bytes, file_len_bytes: file.position })
}

/// Fills a buffer from an offset in a file.
type Read<'r, E> = dyn FnMut(u64, &mut [u8]) -> Result<(), E> + 'r;

/// A file that is read from an offset on.
struct File<'r, E> {
    read: &'r mut Read<'r, E>,
    len_bytes: u64,
    position: u64,
    /// The bytes read last, from `chunk_start` on.
    chunk: Vec<u8>,
    chunk_start: u64,
}

impl<E: From<EngineError>> File<'_, E> {
    /// Moves on by `len` bytes, and returns their end.
    fn advance(&mut self, len: u64) -> Result<u64, E> {
        let end = self.position.checked_add(len).ok_or_else(|| EngineError::malformed("a length overflows"))?;
        if end > self.len_bytes {
            return Err(EngineError::Truncated { len_bytes: self.len_bytes, needed_bytes: end }.into());
        }
        self.position = end;
        Ok(end)
    }

    /// The next `len` bytes. Callers bound `len`.
    fn take(&mut self, len: u64) -> Result<&[u8], E> {
        let start = self.position;
        let end = self.advance(len)?;
        if start < self.chunk_start || end > self.chunk_start + self.chunk.len() as u64 {
            let chunk_len = len.max(CHUNK_BYTES).min(self.len_bytes - start);
            self.chunk.resize(chunk_len as usize, 0);
            (self.read)(start, &mut self.chunk)?;
            self.chunk_start = start;
        }
        let at = (start - self.chunk_start) as usize;
        Ok(&self.chunk[at..at + len as usize])
    }

    /// A number, which must not be negative.
    fn number(&mut self) -> Result<u32, E> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        let number = i32::from_le_bytes(bytes);
        u32::try_from(number).map_err(|_| EngineError::malformed(format!("it has the size {number}")).into())
    }

    /// A number of at most `max`.
    fn count(&mut self, max: u32, what: &str) -> Result<u32, E> {
        let count = self.number()?;
        if count > max {
            return Err(EngineError::malformed(format!("it declares {count} {what}; the limit is {max}")).into());
        }
        Ok(count)
    }
}

/// Sizes of the encoder or the decoder.
struct Stack {
    context: u32,
    width: u32,
    heads: u32,
    layers: u32,
}

impl Stack {
    fn read<E: From<EngineError>>(file: &mut File<'_, E>) -> Result<Self, E> {
        let context = file.count(MAX_CONTEXT, "positions")?;
        Ok(Self { context, width: file.number()?, heads: file.number()?, layers: file.number()? })
    }
}

struct Hyperparameters {
    vocab: u32,
    encoder: Stack,
    decoder: Stack,
    mels: u32,
    /// The file's format, with the version of quantised formats.
    format: u32,
}

impl Hyperparameters {
    fn read<E: From<EngineError>>(file: &mut File<'_, E>) -> Result<Self, E> {
        Ok(Self {
            vocab: file.count(MAX_VOCAB, "tokens")?,
            encoder: Stack::read(file)?,
            decoder: Stack::read(file)?,
            mels: file.count(MAX_MELS, "bands")?,
            format: file.number()?,
        })
    }

    /// The entries that GGUF has for Whisper, see `docs/gguf.md` in the ggml repository.
    fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::default();
        let mut insert = |key: String, value| drop(metadata.insert(key, value));
        insert("general.architecture".to_owned(), Value::String("whisper".to_owned()));
        insert("general.name".to_owned(), Value::String(self.name()));
        insert("whisper.encoder.mels_count".to_owned(), Value::Unsigned(self.mels.into()));
        for (side, stack) in [("encoder", &self.encoder), ("decoder", &self.decoder)] {
            let entries = [
                ("context_length", stack.context),
                ("embedding_length", stack.width),
                ("attention.head_count", stack.heads),
                ("block_count", stack.layers),
            ];
            for (key, number) in entries {
                insert(format!("whisper.{side}.{key}"), Value::Unsigned(number.into()));
            }
        }
        metadata
    }

    /// The name of the published model with this number of layers.
    fn name(&self) -> String {
        let size = match (self.encoder.layers, self.decoder.layers) {
            (4, _) => " tiny",
            (6, _) => " base",
            (12, _) => " small",
            (24, _) => " medium",
            (32, 4) => " large turbo",
            (32, _) => " large",
            _ => "",
        };
        format!("Whisper{size}")
    }
}

/// The filters of the spectrogram: `[mels][MEL_BINS]`.
fn read_filters<E: From<EngineError>>(file: &mut File<'_, E>, mels: u32) -> Result<Vec<f32>, E> {
    let (rows, cols) = (file.number()?, file.number()?);
    if (rows, cols as usize) != (mels, MEL_BINS) {
        let message = format!("its filters are {rows} by {cols}, but {mels} by {MEL_BINS} are expected");
        return Err(EngineError::malformed(message).into());
    }
    let bytes = file.take(u64::from(rows) * u64::from(cols) * 4)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

/// The bytes of the tokens of text. Some files also name the token that follows them.
fn read_tokens<E: From<EngineError>>(file: &mut File<'_, E>, vocab: u32) -> Result<Vec<Vec<u8>>, E> {
    let mut tokens = Vec::new();
    for _ in 0..file.count(vocab, "tokens")? {
        let len = file.count(MAX_NAME_BYTES, "bytes in a token")?;
        tokens.push(file.take(len.into())?.to_vec());
    }
    let end = tokens.iter().position(|token| token == END);
    tokens.truncate(end.unwrap_or(tokens.len()));
    Ok(tokens)
}

fn read_tensors<E: From<EngineError>>(file: &mut File<'_, E>, format: u32) -> Result<Vec<TensorInfo>, E> {
    let (current, factor) = QUANTISATION;
    let mut tensors = Vec::new();
    let mut names = HashSet::new();
    while file.position < file.len_bytes {
        let tensor = read_tensor(file)?;
        let is_quantised = tensor.tensor_type.block_len() > 1;
        if is_quantised && format / factor != current {
            let name = "whisper in an old quantised format; convert the original model again".to_owned();
            return Err(EngineError::UnsupportedArchitecture(name).into());
        }
        if !names.insert(tensor.name.clone()) {
            return Err(EngineError::malformed(format!("the tensor “{}” appears twice", tensor.name)).into());
        }
        if tensors.len() as u64 == MAX_TENSORS {
            return Err(EngineError::malformed(format!("it has more than {MAX_TENSORS} tensors")).into());
        }
        tensors.push(tensor);
    }
    Ok(tensors)
}

/// Reads a tensor's name and shape, and skips its data.
fn read_tensor<E: From<EngineError>>(file: &mut File<'_, E>) -> Result<TensorInfo, E> {
    let dimension_count = file.count(MAX_DIMENSIONS, "dimensions of a tensor")?;
    let name_len = file.count(MAX_NAME_BYTES, "bytes in a tensor's name")?;
    let type_number = file.number()?;
    let mut dimensions = Vec::with_capacity(dimension_count as usize);
    for _ in 0..dimension_count {
        dimensions.push(u64::from(file.number()?));
    }
    let name = String::from_utf8_lossy(file.take(name_len.into())?).into_owned();
    if dimensions.is_empty() {
        return Err(EngineError::malformed(format!("the tensor “{name}” has no dimensions")).into());
    }
    let tensor = TensorInfo::new(name, dimensions, type_number, file.position)?;
    file.advance(tensor.len_bytes)?;
    Ok(tensor)
}
