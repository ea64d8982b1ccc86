//! Parses the header: metadata and the list of tensors.

use std::collections::HashSet;

use super::metadata::{Metadata, Value};
use super::reader::{ReadError, Reader};
use super::tensor_type::TensorType;
use super::{MAX_ALIGNMENT, MAX_DIMENSIONS, MAX_HEADER_BYTES, MAX_METADATA_ENTRIES, MAX_NAME_BYTES, MAX_TENSORS};
use crate::error::{EngineError, Result};

const DEFAULT_ALIGNMENT: u64 = 32;

/// Name, format, shape and place of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// Name, for example `blk.0.attn_q.weight`.
    pub name: String,
    /// Storage format.
    pub tensor_type: TensorType,
    /// Dimensions, innermost first: `[cols, rows]` for a matrix.
    pub dimensions: Vec<u64>,
    /// Offset from the start of the file in bytes.
    pub offset_bytes: u64,
    /// Length in bytes.
    pub len_bytes: u64,
}

impl TensorInfo {
    /// A tensor of the format with this number.
    ///
    /// # Errors
    /// [`EngineError::Malformed`] for an unknown format or impossible dimensions.
    pub(crate) fn new(name: String, dimensions: Vec<u64>, type_number: u32, offset_bytes: u64) -> Result<Self> {
        let tensor_type = TensorType::from_number(type_number)
            .ok_or_else(|| EngineError::malformed(format!("the tensor “{name}” has the unknown type {type_number}")))?;
        let len_bytes = tensor_len_bytes(&dimensions, tensor_type).ok_or_else(|| {
            EngineError::malformed(format!("the tensor “{name}” has impossible dimensions {dimensions:?}"))
        })?;
        Ok(Self { name, tensor_type, dimensions, offset_bytes, len_bytes })
    }

    /// Number of elements in a row.
    pub fn cols(&self) -> u64 {
        // The parser rejects tensors without dimensions.
        self.dimensions[0]
    }

    /// Offset of its end from the start of the file in bytes.
    pub fn end_bytes(&self) -> u64 {
        // The parser checked for overflow.
        self.offset_bytes + self.len_bytes
    }

    /// Number of rows: the product of all dimensions but the innermost.
    pub fn rows(&self) -> u64 {
        // The parser checked that the product of all dimensions does not overflow.
        self.dimensions[1..].iter().product()
    }
}

/// A parsed header.
#[derive(Debug, Clone, PartialEq)]
pub struct Gguf {
    /// Metadata by key.
    pub metadata: Metadata,
    /// Tensors, sorted by offset.
    pub tensors: Vec<TensorInfo>,
    /// Length of the header; the data section starts at the next multiple of the alignment.
    pub header_len_bytes: u64,
    /// Minimum length of a complete file.
    pub file_len_bytes: u64,
}

/// The outcome of parsing a prefix of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed {
    /// The header is complete.
    Complete(Box<Gguf>),
    /// The prefix is too short: at least this many bytes are needed.
    NeedMore(u64),
}

impl Gguf {
    /// Parses the header from `bytes`, the start of a file of `file_len_bytes` (if known).
    ///
    /// # Errors
    /// Any defect of the file. A prefix that is merely too short gives [`Parsed::NeedMore`] instead.
    pub fn parse(bytes: &[u8], file_len_bytes: Option<u64>) -> Result<Parsed> {
        let mut reader = Reader::new(bytes, file_len_bytes);
        match parse_header(&mut reader) {
            Ok(gguf) => {
                if let Some(len_bytes) = file_len_bytes
                    && gguf.file_len_bytes > len_bytes
                {
                    return Err(EngineError::Truncated { len_bytes, needed_bytes: gguf.file_len_bytes });
                }
                Ok(Parsed::Complete(Box::new(gguf)))
            }
            Err(ReadError::NeedMore(needed)) if needed > MAX_HEADER_BYTES => {
                Err(EngineError::malformed("its header is larger than 256 MiB"))
            }
            Err(ReadError::NeedMore(needed)) => Ok(Parsed::NeedMore(needed)),
            Err(ReadError::Invalid(error)) => Err(error),
        }
    }

    /// The tensor with this name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// The tensor with this name.
    ///
    /// # Errors
    /// [`EngineError::MissingTensor`].
    pub fn require_tensor(&self, name: &str) -> Result<&TensorInfo> {
        self.tensor(name).ok_or_else(|| EngineError::MissingTensor(name.to_owned()))
    }
}

fn parse_header(reader: &mut Reader<'_>) -> Result<Gguf, ReadError> {
    check_magic(reader)?;
    let tensor_count = read_count(reader, MAX_TENSORS, "tensors")?;
    let metadata_count = read_count(reader, MAX_METADATA_ENTRIES, "metadata entries")?;
    let mut metadata = Metadata::default();
    for _ in 0..metadata_count {
        let key = reader.string(MAX_NAME_BYTES)?;
        let type_number = reader.u32()?;
        let value = Value::read(reader, type_number)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(EngineError::malformed(format!("the metadata key “{key}” appears twice")).into());
        }
    }
    let mut tensors = Vec::new();
    let mut names = HashSet::new();
    for _ in 0..tensor_count {
        let tensor = read_tensor(reader)?;
        if !names.insert(tensor.name.clone()) {
            return Err(EngineError::malformed(format!("the tensor “{}” appears twice", tensor.name)).into());
        }
        tensors.push(tensor);
    }
    let header_len_bytes = reader.position();
    let alignment = alignment(&metadata)?;
    let file_len_bytes = place(&mut tensors, header_len_bytes.next_multiple_of(alignment), alignment)?;
    Ok(Gguf { metadata, tensors, header_len_bytes, file_len_bytes })
}

fn check_magic(reader: &mut Reader<'_>) -> Result<(), ReadError> {
    let magic = reader.take(4)?;
    if magic != b"GGUF" {
        let found = if magic.iter().any(|byte| matches!(byte, b'<')) {
            "text that looks like a web page".to_owned()
        } else if magic == b"vers" {
            "text that looks like a pointer to a file (Git LFS)".to_owned()
        } else {
            format!("the bytes “{}”", magic.escape_ascii())
        };
        return Err(EngineError::NotGguf { found }.into());
    }
    match reader.u32()? {
        2 | 3 => Ok(()),
        // A big-endian file has its version in the upper bytes.
        version if version.trailing_zeros() >= 16 => {
            Err(EngineError::malformed("it is a big-endian GGUF file; only little-endian ones are read").into())
        }
        version => Err(EngineError::UnsupportedVersion(version).into()),
    }
}

fn read_count(reader: &mut Reader<'_>, max: u64, what: &str) -> Result<u64, ReadError> {
    let count = reader.u64()?;
    if count > max {
        return Err(EngineError::malformed(format!("it declares {count} {what}; the limit is {max}")).into());
    }
    Ok(count)
}

/// Reads one entry of the tensor list, with an offset relative to the data section.
fn read_tensor(reader: &mut Reader<'_>) -> Result<TensorInfo, ReadError> {
    let name = reader.string(MAX_NAME_BYTES)?;
    let dimension_count = reader.u32()?;
    if dimension_count == 0 || dimension_count > MAX_DIMENSIONS {
        return Err(EngineError::malformed(format!("the tensor “{name}” has {dimension_count} dimensions")).into());
    }
    let mut dimensions = Vec::with_capacity(dimension_count as usize);
    for _ in 0..dimension_count {
        dimensions.push(reader.u64()?);
    }
    let type_number = reader.u32()?;
    Ok(TensorInfo::new(name, dimensions, type_number, reader.u64()?)?)
}

/// The size of a tensor in bytes, or `None` if a dimension is zero, a row is not a whole number of blocks or the size
/// overflows.
fn tensor_len_bytes(dimensions: &[u64], tensor_type: TensorType) -> Option<u64> {
    let elements = dimensions.iter().try_fold(1u64, |product, dimension| product.checked_mul(*dimension))?;
    if elements == 0 || !dimensions.first()?.is_multiple_of(tensor_type.block_len()) {
        return None;
    }
    (elements / tensor_type.block_len()).checked_mul(tensor_type.block_bytes())
}

fn alignment(metadata: &Metadata) -> Result<u64, EngineError> {
    match metadata.get("general.alignment") {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(Value::Unsigned(alignment)) if alignment.is_power_of_two() && *alignment <= MAX_ALIGNMENT => {
            Ok(*alignment)
        }
        Some(other) => Err(EngineError::malformed(format!("its alignment is {other:?}"))),
    }
}

/// Makes the offsets absolute, sorts the tensors by them and returns the end of the last one.
fn place(tensors: &mut [TensorInfo], data_start: u64, alignment: u64) -> Result<u64, EngineError> {
    for tensor in &mut *tensors {
        let misplaced = || EngineError::malformed(format!("the tensor “{}” is misplaced", tensor.name));
        if !tensor.offset_bytes.is_multiple_of(alignment) {
            return Err(misplaced());
        }
        tensor.offset_bytes = data_start.checked_add(tensor.offset_bytes).ok_or_else(misplaced)?;
        tensor.offset_bytes.checked_add(tensor.len_bytes).ok_or_else(misplaced)?;
    }
    tensors.sort_by_key(|tensor| tensor.offset_bytes);
    let mut end = data_start;
    for tensor in tensors {
        if tensor.offset_bytes < end {
            return Err(EngineError::malformed(format!("the tensor “{}” overlaps another", tensor.name)));
        }
        end = tensor.end_bytes();
    }
    Ok(end)
}
