//! Models in several files, as written by llama.cpp's `gguf-split`: `NAME-00001-of-00003.gguf` and so on. Each is a
//! valid GGUF file; the first has the metadata.

use std::borrow::Cow;

use super::Gguf;
use crate::error::{EngineError, Result};

/// Maximum number of parts of a model.
const MAX_PARTS: usize = 1000;

/// The names of all parts, in order, of the model that `name` is a part of; `None` if it is not named like a part.
/// `name` is a file name, a path, or a URL without a query.
pub fn part_names(name: &str) -> Option<Vec<String>> {
    let stem = name.strip_suffix(".gguf")?;
    let (before, count) = stem.rsplit_once("-of-")?;
    let (prefix, number) = before.rsplit_once('-')?;
    let parse = |digits: &str| (digits.len() == 5).then(|| digits.parse::<usize>().ok()).flatten();
    let (number, count) = (parse(number)?, parse(count)?);
    if number == 0 || number > count || count > MAX_PARTS {
        return None;
    }
    Some((1..=count).map(|number| format!("{prefix}-{number:05}-of-{count:05}.gguf")).collect())
}

impl Gguf {
    /// Merges the headers of a model's parts, in order.
    ///
    /// # Errors
    /// [`EngineError::Malformed`] for parts that are missing, out of order or from different models.
    pub fn merge(parts: &[Self]) -> Result<Cow<'_, Self>> {
        let mut parts_in_order = parts.iter().zip(0u64..);
        let Some((first, _)) = parts_in_order.next() else {
            return Err(EngineError::malformed("the model has no parts"));
        };
        // Avoids copying a vocabulary of a hundred thousand strings if there is only one part.
        let mut merged = Cow::Borrowed(first);
        merged.check_part(0, parts.len())?;
        for (part, number) in parts_in_order {
            part.check_part(number, parts.len())?;
            if let Some(tensor) = part.tensors.iter().find(|tensor| merged.tensor(&tensor.name).is_some()) {
                return Err(EngineError::malformed(format!("the tensor “{}” is in two parts", tensor.name)));
            }
            merged.to_mut().tensors.extend(part.tensors.iter().cloned());
        }
        let planned = first.metadata.u32("split.tensors.count");
        if parts.len() > 1 && planned.is_some_and(|planned| planned as usize != merged.tensors.len()) {
            return Err(EngineError::malformed("some of the model's tensors are in none of its parts"));
        }
        Ok(merged)
    }

    /// Checks that this is part `number` of `count`.
    fn check_part(&self, number: u64, count: usize) -> Result<()> {
        let own_count = self.metadata.u32("split.count").unwrap_or(1).max(1);
        let own_number = self.metadata.u32("split.no").unwrap_or(0);
        if own_count as usize == count && u64::from(own_number) == number {
            return Ok(());
        }
        Err(EngineError::malformed(format!(
            "it is part {} of a model in {own_count} files, but part {} of {count} is expected; all parts are needed",
            u64::from(own_number) + 1,
            number + 1
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{Parsed, TensorType, Value, Writer};

    #[test]
    fn any_part_name_yields_all_part_names() {
        let expected = ["a/m-00001-of-00003.gguf", "a/m-00002-of-00003.gguf", "a/m-00003-of-00003.gguf"];
        assert_eq!(part_names("a/m-00002-of-00003.gguf").as_deref(), Some(&expected.map(str::to_owned)[..]));
        for other in
            ["m.gguf", "m-00004-of-00003.gguf", "m-00000-of-00003.gguf", "m-1-of-3.gguf", "m-00001-of-99999.gguf"]
        {
            assert_eq!(part_names(other), None, "{other}");
        }
    }

    fn part(number: u64, count: u64, tensor: &str) -> Gguf {
        let mut writer = Writer::default();
        writer
            .metadata("split.no", &Value::Unsigned(number))
            .metadata("split.count", &Value::Unsigned(count))
            .metadata("split.tensors.count", &Value::Unsigned(2))
            .tensor(tensor, TensorType::F32, &[8]);
        match Gguf::parse(&writer.header(), None) {
            Ok(Parsed::Complete(gguf)) => *gguf,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parts_are_merged_and_errors_named() {
        let parts = [part(0, 2, "a"), part(1, 2, "b")];
        let merged = Gguf::merge(&parts);
        let names: Vec<_> = merged.iter().flat_map(|gguf| &gguf.tensors).map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let invalid = [
            (vec![], "no parts"),
            (vec![part(0, 2, "a")], "all parts are needed"),
            (vec![part(1, 2, "a"), part(0, 2, "b")], "part 2 of a model in 2 files"),
            (vec![part(0, 2, "a"), part(1, 2, "a")], "in two parts"),
        ];
        for (parts, expected) in invalid {
            let message = Gguf::merge(&parts).map_err(|error| error.to_string());
            assert!(message.as_ref().is_err_and(|message| message.contains(expected)), "{expected}: {message:?}");
        }
    }
}
