//! What office files have in common: a title, and in Microsoft's formats parts with relations between them.

use std::collections::HashMap;
use std::io::{Read, Seek};

use crate::archive::Archive;
use crate::error::DocumentError;
use crate::xml::{self, Node};

/// A relation of a part to another one.
pub(crate) struct Relation {
    /// The last segment of its type, such as `slide`.
    pub(crate) kind: String,
    /// The path of the other part.
    pub(crate) part: String,
}

/// The relations of a part, by their ids.
pub(crate) fn relations<R: Read + Seek>(
    archive: &mut Archive<R>,
    part: &str,
) -> Result<HashMap<String, Relation>, DocumentError> {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    let path = format!("{folder}/_rels/{name}.rels");
    let mut relations = HashMap::new();
    archive.read(path.trim_start_matches('/'), |file| {
        xml::parse(file, |node| {
            if let Node::Start(element) = node
                && element.name == "Relationship"
                && element.attribute("TargetMode").as_deref() != Some("External")
                && let (Some(id), Some(target)) = (element.attribute("Id"), element.attribute("Target"))
            {
                let kind = element.attribute("Type").unwrap_or_default();
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                relations.insert(id, Relation { kind, part: resolve(folder, &target) });
            }
            Ok(())
        })
    })?;
    Ok(relations)
}

/// The part with the properties of a file in one of Microsoft's formats.
pub(crate) const PROPERTIES: &str = "docProps/core.xml";

/// The title in the part with the properties of an office file.
pub(crate) fn title<R: Read + Seek>(
    archive: &mut Archive<R>,
    properties: &str,
) -> Result<Option<String>, DocumentError> {
    let (mut title, mut is_in_title) = (String::new(), false);
    archive.read(properties, |file| {
        xml::parse(file, |node| {
            match node {
                Node::Start(element) => is_in_title = element.name == "title",
                Node::End(_) => is_in_title = false,
                Node::Text(text) if is_in_title => title.push_str(text),
                Node::Text(_) => {}
            }
            Ok(())
        })
    })?;
    Ok(Some(title).filter(|title| !title.trim().is_empty()))
}

/// A path relative to a folder, or to the archive if it begins with a slash.
pub(crate) fn resolve(folder: &str, target: &str) -> String {
    let (base, target) = target.strip_prefix('/').map_or((folder, target), |target| ("", target));
    let mut path: Vec<&str> = base.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in target.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                path.pop();
            }
            segment => path.push(segment),
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn targets_stay_in_the_archive() {
        assert_eq!(resolve("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolve("ppt/slides", "../notesSlides/notesSlide1.xml"), "ppt/notesSlides/notesSlide1.xml");
        assert_eq!(resolve("xl", "/xl/styles.xml"), "xl/styles.xml");
        assert_eq!(resolve("a", "../../../../etc/passwd"), "etc/passwd");
    }
}
