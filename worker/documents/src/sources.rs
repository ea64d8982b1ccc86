//! Archives of texts, such as source trees. Archives and documents in them are left out, like all that is no text.

use std::io::{Read, Seek};

use parlance_protocol::documents::{LimitUnit, MAX_TEXT_BYTES, SectionKind};

use crate::archive::Archive;
use crate::error::DocumentError;
use crate::output::Output;
use crate::text::decode;

/// Folders of what programs have made, which nobody asks about.
const LEFT_OUT: [&str; 4] = [".git", "__MACOSX", "node_modules", "target"];

/// Reads all texts.
pub(crate) fn read<R: Read + Seek>(archive: &mut Archive<R>, output: &mut Output<'_>) -> Result<(), DocumentError> {
    let names = archive.names().to_vec();
    for (index, name) in names.iter().enumerate() {
        output.progress(index, names.len());
        if name.ends_with('/') {
            continue;
        }
        if name.split('/').any(|folder| LEFT_OUT.contains(&folder)) {
            output.file_left_out();
            continue;
        }
        let bytes = archive.read_at(index, |file| {
            let mut bytes = Vec::new();
            file.take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        })?;
        if bytes.len() > MAX_TEXT_BYTES && !bytes.contains(&0) {
            return Err(DocumentError::too_large(LimitUnit::Text, MAX_TEXT_BYTES as u64));
        }
        match decode(bytes) {
            Ok(text) => output.section(SectionKind::File, name, text)?,
            Err(_) => output.file_left_out(),
        }
    }
    Ok(())
}
