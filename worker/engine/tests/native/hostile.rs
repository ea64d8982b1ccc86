//! Damaged and malicious files: each is rejected with a specific error, and no false count determines an allocation.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_engine::EngineError;
use parlance_engine::fit::ProjectorDescription;
use parlance_engine::gguf::{Gguf, Parsed, TensorType, Value};
use parlance_engine::models::ProjectorConfig;
use parlance_engine::runtime::{Cpu, Device};
use parlance_engine::vision::Cut;

use crate::common::{Described, build_file};
use crate::hearing;
use crate::vision::described_projectors;

/// Writes GGUF files, valid or not.
#[derive(Clone)]
struct Builder {
    version: u32,
    tensor_count: Option<u64>,
    metadata_count: Option<u64>,
    metadata: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    data_len: usize,
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

impl Builder {
    /// A valid file with one `Q4_0` tensor of 2 rows by 64.
    fn valid() -> Self {
        Self {
            version: 3,
            tensor_count: None,
            metadata_count: None,
            metadata: Vec::new(),
            tensors: Vec::new(),
            data_len: 72,
        }
        .metadata("general.architecture", 8, &string("llama"))
        .tensor("w", &[64, 2], 2, 0)
    }

    fn metadata(mut self, key: &str, type_number: u32, value: &[u8]) -> Self {
        self.metadata.push([&string(key), &type_number.to_le_bytes()[..], value].concat());
        self
    }

    fn tensor(mut self, name: &str, dimensions: &[u64], type_number: u32, offset: u64) -> Self {
        let mut bytes = string(name);
        bytes.extend((dimensions.len() as u32).to_le_bytes());
        bytes.extend(dimensions.iter().flat_map(|dimension| dimension.to_le_bytes()));
        bytes.extend(type_number.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        self.tensors.push(bytes);
        self
    }

    fn without_tensors(mut self) -> Self {
        self.tensors.clear();
        self
    }

    fn build(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        bytes.extend(self.metadata_count.unwrap_or(self.metadata.len() as u64).to_le_bytes());
        self.metadata.iter().chain(&self.tensors).for_each(|part| bytes.extend(part));
        bytes.resize(bytes.len().next_multiple_of(32) + self.data_len, 0);
        bytes
    }
}

/// Parses a file whose length is known.
fn parse(bytes: &[u8]) -> Result<Parsed, EngineError> {
    Gguf::parse(bytes, Some(bytes.len() as u64))
}

#[test]
fn valid_files_are_read() {
    let bytes = Builder::valid()
        .metadata(
            "a.list",
            9,
            &[&4u32.to_le_bytes()[..], &2u64.to_le_bytes(), &7u32.to_le_bytes(), &8u32.to_le_bytes()].concat(),
        )
        .metadata("a.negative", 1, &[0xFE])
        .build();
    let Ok(Parsed::Complete(gguf)) = parse(&bytes) else { panic!("{:?}", parse(&bytes)) };
    assert_eq!(gguf.metadata.string("general.architecture"), Some("llama"));
    assert_eq!(gguf.metadata.get("a.list"), Some(&Value::Integers(vec![7, 8])));
    assert_eq!(gguf.metadata.get("a.negative"), Some(&Value::Signed(-2)));
    let tensor = gguf.tensor("w").unwrap();
    assert_eq!((tensor.tensor_type, tensor.cols(), tensor.rows(), tensor.len_bytes), (TensorType::Q4_0, 64, 2, 72));
    assert_eq!(gguf.file_len_bytes, bytes.len() as u64);
}

#[test]
fn prefixes_need_more_bytes_and_cut_files_are_truncated() {
    let bytes = Builder::valid().build();
    let Ok(Parsed::Complete(gguf)) = parse(&bytes) else { panic!("valid") };
    for len in 0..gguf.header_len_bytes as usize {
        match Gguf::parse(&bytes[..len], None) {
            Ok(Parsed::NeedMore(needed)) => assert!(needed > len as u64, "at {len}"),
            other => panic!("at {len}: {other:?}"),
        }
    }
    for len in 0..bytes.len() {
        let result = parse(&bytes[..len]);
        assert!(matches!(result, Err(EngineError::Truncated { .. })), "at {len}: {result:?}");
    }
}

/// Asserts that each file is rejected with an error that contains the words.
fn check(cases: &[(&str, Vec<u8>)]) {
    for (words, bytes) in cases {
        match parse(bytes) {
            Err(error) => assert!(error.to_string().contains(words), "expected “{words}”, got “{error}”"),
            Ok(parsed) => panic!("expected “{words}”, but it parsed: {parsed:?}"),
        }
    }
}

#[test]
fn files_that_are_not_gguf_are_named() {
    check(&[
        ("web page", b"<!doctype html><html></html>".to_vec()),
        ("starts with", b"PK\x03\x04 and so on, long enough".to_vec()),
        ("version 1", Builder { version: 1, ..Builder::valid() }.build()),
        ("big-endian", Builder { version: 3u32.swap_bytes(), ..Builder::valid() }.build()),
    ]);
}

#[test]
fn false_counts_and_sizes_are_rejected() {
    let valid = Builder::valid;
    let one =
        |dimensions: &[u64], type_number| valid().without_tensors().tensor("w", dimensions, type_number, 0).build();
    let array = |element_type: u32, len: u64| [&element_type.to_le_bytes()[..], &len.to_le_bytes()].concat();
    check(&[
        // CVE-2024-21802 and CVE-2025-53630: counts that overflow an allocation.
        ("tensors", Builder { tensor_count: Some(u64::MAX), ..valid() }.build()),
        ("metadata entries", Builder { metadata_count: Some(u64::MAX / 48), ..valid() }.build()),
        // CVE-2024-23605: lengths of strings and arrays.
        ("string of", valid().metadata("k", 8, &u64::MAX.to_le_bytes()).build()),
        ("array of", valid().metadata("k", 9, &array(8, u64::MAX)).build()),
        ("array of", valid().metadata("k", 9, &array(4, 1 << 62)).build()),
        ("cut short", valid().metadata("k", 9, &array(10, 4 << 20)).build()),
        // Here the bytes that follow are read as a string's length.
        ("string of", valid().metadata("k", 9, &array(8, 4 << 20)).build()),
        // Types that do not exist or may not nest.
        ("metadata type 13", valid().metadata("k", 13, &[0; 8]).build()),
        ("metadata type 99", valid().metadata("k", 9, &array(99, 1)).build()),
        ("array of arrays", valid().metadata("k", 9, &array(9, 1)).build()),
        ("unknown type 4", one(&[64], 4)),
        ("unknown type 4294967295", one(&[64], u32::MAX)),
        // Dimensions: none, too many, zero, overflowing, not a whole number of blocks.
        ("has 0 dimensions", one(&[], 2)),
        ("has 5 dimensions", one(&[32, 1, 1, 1, 1], 2)),
        ("impossible dimensions", one(&[0, 2], 2)),
        ("impossible dimensions", one(&[64, 0], 2)),
        ("impossible dimensions", one(&[1 << 33, 1 << 33], 0)),
        ("impossible dimensions", one(&[1 << 62, 2], 1)),
        ("impossible dimensions", one(&[33, 2], 2)),
        ("cut short", one(&[1 << 40], 0)),
    ]);
}

#[test]
fn false_offsets_and_alignments_are_rejected() {
    let valid = Builder::valid;
    let alignment = |value: u32| valid().metadata("general.alignment", 4, &value.to_le_bytes()).build();
    check(&[
        ("misplaced", valid().without_tensors().tensor("w", &[64, 2], 2, u64::MAX - 31).build()),
        ("misplaced", valid().without_tensors().tensor("w", &[64, 2], 2, 7).build()),
        ("cut short", valid().without_tensors().tensor("w", &[64, 2], 2, 1 << 40).build()),
        ("overlaps", valid().tensor("v", &[64, 2], 2, 32).build()),
        ("alignment", alignment(0)),
        ("alignment", alignment(48)),
        ("alignment", alignment(1 << 30)),
        ("alignment", valid().metadata("general.alignment", 8, &string("32")).build()),
        ("appears twice", valid().metadata("general.architecture", 8, &string("llama")).build()),
        ("appears twice", valid().tensor("w", &[64, 2], 2, 96).build()),
    ]);
}

#[test]
fn arrays_of_bytes_take_no_more_memory_than_in_the_file() {
    const LEN: usize = 4 << 20;
    let array =
        |element_type: u32| [&element_type.to_le_bytes()[..], &(LEN as u64).to_le_bytes(), &vec![0xFE; LEN]].concat();
    let bytes = Builder::valid()
        .metadata("a.bytes", 9, &array(0))
        .metadata("a.signed", 9, &array(1))
        .metadata("a.booleans", 9, &array(7))
        .build();
    let Ok(Parsed::Complete(gguf)) = parse(&bytes) else { panic!("valid") };
    for (key, expected) in [("a.bytes", 0xFE), ("a.signed", -2), ("a.booleans", 0xFE)] {
        let held_bytes = match gguf.metadata.get(key) {
            Some(Value::Bytes(bytes)) => size_of_val(bytes.as_slice()),
            Some(Value::SignedBytes(bytes)) => size_of_val(bytes.as_slice()),
            other => panic!("{key}: {:?}", other.map(std::mem::discriminant)),
        };
        assert_eq!(held_bytes, LEN, "{key}");
        assert_eq!(gguf.metadata.integers(key).unwrap()[LEN - 1], expected, "{key}");
        assert_eq!(gguf.metadata.bytes(key).unwrap()[0], 0xFE, "{key}");
    }
}

#[test]
fn no_flipped_byte_makes_the_parser_panic() {
    let bytes = Builder::valid()
        .metadata("a.list", 9, &[&8u32.to_le_bytes()[..], &2u64.to_le_bytes(), &string("x"), &string("yz")].concat())
        .build();
    for position in 0..bytes.len() {
        for flip in 1..=255u8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= flip;
            // Any result is fine; a panic, a hang or an endless allocation is not.
            let _ = parse(&damaged);
            let _ = Gguf::parse(&damaged, None);
        }
    }
}

/// The header of a projector.
fn header(projector: &Described) -> Gguf {
    match parse(&build_file(projector, &[])) {
        Ok(Parsed::Complete(gguf)) => *gguf,
        other => panic!("{}: {other:?}", projector.name),
    }
}

#[test]
fn extreme_numbers_of_projectors_are_refused_or_harmless() {
    const EXTREMES: [u32; 6] = [0, 1, 2, 255, 4096, u32::MAX];
    let limits = Device::from(Cpu::blocking()).limits();
    let mut refused = 0;
    for projector in described_projectors().chain(hearing::described_projectors()) {
        for index in 0..projector.metadata.len() {
            let (key, kind, _) = &projector.metadata[index];
            if kind != "u32" {
                continue;
            }
            for extreme in EXTREMES {
                let mut changed = projector.clone();
                changed.metadata[index].2 = extreme.into();
                let Ok(description) = ProjectorDescription::new(&header(&changed), limits) else {
                    refused += 1;
                    continue;
                };
                let fit = description.fit(limits);
                assert!(fit.context_tokens > 0, "{}, {key} = {extreme}: {fit:?}", projector.name);
                let (config, _) = &description.towers[0];
                let Some(pictures) = config.pictures() else { continue };
                for size in [[1, 1], [1 << 15, 1], [1, 1 << 15], [2048, 1536]] {
                    let cut = Cut::new(pictures, size, config.patch * config.merge, u32::MAX);
                    let pixels: u64 = cut.sizes().map(|[width, height]| u64::from(width) * u64::from(height)).sum();
                    assert!(pixels <= 1 << 27, "{}, {key} = {extreme}: {pixels} of {size:?}", projector.name);
                }
            }
        }
    }
    assert!(refused > 100, "only {refused} are refused");
}

#[test]
fn a_small_picture_is_not_blown_up_to_billions_of_pixels() {
    let with_squares = |fewest: u32| {
        let mut projector = described_projectors().find(|projector| projector.name == "internvl").unwrap().clone();
        for (key, _, value) in &mut projector.metadata {
            if key.ends_with("image_size") {
                *value = 2044.into();
            }
        }
        for (name, count) in [("min", fewest), ("max", 64)] {
            let key = format!("clip.vision.preproc_{name}_tiles");
            projector.metadata.push((key, "u32".to_owned(), count.into()));
        }
        ProjectorConfig::all_from_gguf(&header(&projector)).map(|_| ())
    };
    assert_eq!(with_squares(1), Ok(()));
    let found = with_squares(64);
    assert!(found.as_ref().is_err_and(|error| error.to_string().contains("the fewest squares")), "{found:?}");
}
