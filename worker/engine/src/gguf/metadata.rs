//! Metadata values and typed lookups.

use std::borrow::Cow;
use std::collections::HashMap;

use super::reader::{ReadError, Reader};
use super::{MAX_ARRAY_LEN, MAX_STRING_BYTES};
use crate::error::{EngineError, Result};

/// A metadata value. Integers are widened; the elements of an array have one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// `f32` or `f64`.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A string.
    String(String),
    /// An array of integers wider than one byte.
    Integers(Vec<i64>),
    /// An array of unsigned bytes or booleans, not widened.
    Bytes(Vec<u8>),
    /// An array of signed bytes, not widened.
    SignedBytes(Vec<i8>),
    /// An array of floats.
    Floats(Vec<f32>),
    /// An array of strings.
    Strings(Vec<String>),
}

/// The type number of a string. Besides arrays, only strings have no fixed size.
const TYPE_STRING: u32 = 8;
/// The type number of an array.
const TYPE_ARRAY: u32 = 9;

impl Value {
    /// Reads a value of type `type_number`.
    pub(super) fn read(reader: &mut Reader<'_>, type_number: u32) -> Result<Self, ReadError> {
        Ok(match type_number {
            0 => Self::Unsigned(reader.u8()?.into()),
            1 => Self::Signed(i64::from(reader.u8()?.cast_signed())),
            2 => Self::Unsigned(reader.u16()?.into()),
            3 => Self::Signed(i64::from(reader.u16()?.cast_signed())),
            4 => Self::Unsigned(reader.u32()?.into()),
            5 => Self::Signed(i64::from(reader.u32()?.cast_signed())),
            6 => Self::Float(f32::from_bits(reader.u32()?).into()),
            7 => Self::Bool(reader.u8()? != 0),
            TYPE_STRING => Self::String(reader.string(MAX_STRING_BYTES)?),
            TYPE_ARRAY => Self::read_array(reader)?,
            10 => Self::Unsigned(reader.u64()?),
            11 => Self::Signed(reader.u64()?.cast_signed()),
            12 => Self::Float(f64::from_bits(reader.u64()?)),
            other => {
                return Err(EngineError::malformed(format!("metadata type {other} does not exist")).into());
            }
        })
    }

    fn read_array(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let element_type = reader.u32()?;
        let len = reader.u64()?;
        if len > MAX_ARRAY_LEN {
            return Err(EngineError::malformed(format!("an array of {len} elements exceeds the limit")).into());
        }
        if element_type == TYPE_STRING {
            // Grows only as elements are read, so a false length cannot cause a large allocation.
            let mut strings = Vec::new();
            for _ in 0..len {
                strings.push(reader.string(MAX_STRING_BYTES)?);
            }
            return Ok(Self::Strings(strings));
        }
        let element_bytes = match element_type {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            TYPE_ARRAY => return Err(EngineError::malformed("an array of arrays is not allowed").into()),
            other => {
                return Err(EngineError::malformed(format!("metadata type {other} does not exist")).into());
            }
        };
        // `len` is at most MAX_ARRAY_LEN, so the product cannot overflow.
        let bytes = reader.take(len * element_bytes)?;
        match element_type {
            0 | 7 => return Ok(Self::Bytes(bytes.to_vec())),
            1 => return Ok(Self::SignedBytes(bytes.iter().map(|byte| byte.cast_signed()).collect())),
            _ => {}
        }
        let elements = bytes.chunks_exact(element_bytes as usize).map(little_endian);
        Ok(match element_type {
            6 => Self::Floats(elements.map(|bits| f32::from_bits(bits as u32)).collect()),
            12 => Self::Floats(elements.map(|bits| f64::from_bits(bits) as f32).collect()),
            3 => Self::Integers(elements.map(|bits| i64::from(bits as u16 as i16)).collect()),
            5 => Self::Integers(elements.map(|bits| i64::from(bits as u32 as i32)).collect()),
            _ => Self::Integers(elements.map(u64::cast_signed).collect()),
        })
    }
}

/// The unsigned integer in `bytes`, at most eight of them.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// A file's metadata by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(HashMap<String, Value>);

impl Metadata {
    /// Sets the value under `key`, and returns the one before.
    pub(crate) fn insert(&mut self, key: String, value: Value) -> Option<Value> {
        self.0.insert(key, value)
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The string under `key`.
    pub fn string(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::String(string) => Some(string),
            _ => None,
        }
    }

    /// The string under `key`.
    ///
    /// # Errors
    /// [`EngineError::MissingMetadata`] if there is none.
    pub fn require_string(&self, key: &str) -> Result<&str> {
        self.string(key).ok_or_else(|| EngineError::MissingMetadata(key.to_owned()))
    }

    /// The non-negative integer under `key`, if it fits `u32`.
    pub fn u32(&self, key: &str) -> Option<u32> {
        match self.get(key)? {
            Value::Unsigned(value) => u32::try_from(*value).ok(),
            Value::Signed(value) => u32::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The non-negative integer under `key`, if it fits `u32`.
    ///
    /// # Errors
    /// [`EngineError::MissingMetadata`] if there is none.
    pub fn require_u32(&self, key: &str) -> Result<u32> {
        self.u32(key).ok_or_else(|| EngineError::MissingMetadata(key.to_owned()))
    }

    /// The float under `key`.
    pub fn f32(&self, key: &str) -> Option<f32> {
        match self.get(key)? {
            Value::Float(value) => Some(*value as f32),
            _ => None,
        }
    }

    /// The boolean under `key`.
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The strings under `key`.
    pub fn strings(&self, key: &str) -> Option<&[String]> {
        match self.get(key)? {
            Value::Strings(strings) => Some(strings),
            _ => None,
        }
    }

    /// The integers under `key`.
    pub fn integers(&self, key: &str) -> Option<Cow<'_, [i64]>> {
        Some(match self.get(key)? {
            Value::Integers(integers) => Cow::Borrowed(integers.as_slice()),
            Value::Bytes(bytes) => bytes.iter().map(|byte| i64::from(*byte)).collect(),
            Value::SignedBytes(bytes) => bytes.iter().map(|byte| i64::from(*byte)).collect(),
            _ => return None,
        })
    }

    /// The bytes under `key`, which some files store as wider integers.
    pub fn bytes(&self, key: &str) -> Option<Cow<'_, [u8]>> {
        match self.get(key)? {
            Value::Bytes(bytes) => Some(Cow::Borrowed(bytes.as_slice())),
            _ => Some(self.integers(key)?.iter().map(|integer| *integer as u8).collect()),
        }
    }

    /// The floats under `key`.
    pub fn floats(&self, key: &str) -> Option<&[f32]> {
        match self.get(key)? {
            Value::Floats(floats) => Some(floats),
            _ => None,
        }
    }
}
