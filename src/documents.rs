//! Documents as text, which a worker reads. Each file gets a worker of its own.

use futures::future::{AbortHandle, Abortable};
use leptos::prelude::*;
use parlance_protocol::documents::{Document, DocumentEvent, DocumentFault, FILE_KEY, LimitUnit, Place, SectionKind};
use web_sys::File;

use crate::components::units;
use crate::file_worker::FileWorker;
use crate::i18n::tf;
use crate::transport::SiteWorker;

/// A file that is being read.
#[derive(Clone)]
pub(crate) struct Reading {
    /// Tells it apart from others of the same name.
    id: u32,
    pub(crate) name: String,
    /// The share that is done, from 0 to 1.
    pub(crate) share: f64,
    stop: AbortHandle,
}

impl Reading {
    /// Stops reading the file.
    pub(crate) fn stop(&self) {
        self.stop.abort();
    }
}

/// The files that are being read; cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Readings {
    files: RwSignal<Vec<Reading>>,
    last_id: StoredValue<u32>,
}

impl Readings {
    pub(crate) fn new() -> Self {
        Self { files: RwSignal::new(Vec::new()), last_id: StoredValue::new(0) }
    }

    /// The files, oldest first.
    pub(crate) fn files(self) -> Signal<Vec<Reading>> {
        self.files.into()
    }

    /// Reads a document; `None` if it was stopped.
    pub(crate) async fn read(self, file: &File) -> Option<Result<Document, DocumentFault>> {
        let (stop, registration) = AbortHandle::new_pair();
        let id = self.last_id.get_value() + 1;
        self.last_id.set_value(id);
        self.files.update(|files| files.push(Reading { id, name: file.name(), share: 0.0, stop }));
        let on_progress = |share: f64| {
            self.files.update(|files| {
                if let Some(reading) = files.iter_mut().find(|reading| reading.id == id) {
                    reading.share = share;
                }
            });
        };
        let document = Abortable::new(read(file, on_progress), registration).await;
        self.files.update(|files| files.retain(|reading| reading.id != id));
        document.ok()
    }
}

async fn read(file: &File, on_progress: impl Fn(f64)) -> Result<Document, DocumentFault> {
    let mut worker = FileWorker::start(SiteWorker::Reader, FILE_KEY, file).ok_or(DocumentFault::Damaged)?;
    loop {
        match worker.next().await.ok_or(DocumentFault::Damaged)?.0 {
            DocumentEvent::Ready => worker.started().ok_or(DocumentFault::Damaged)?,
            DocumentEvent::Progress { share } => on_progress(share),
            DocumentEvent::Done { document } => return Ok(document),
            DocumentEvent::Failed { fault } => return Err(fault),
        }
    }
}

/// An error message about the file `name`.
pub(crate) fn sentence(fault: DocumentFault, name: &str) -> String {
    let key = match fault {
        DocumentFault::Encrypted => "document-encrypted",
        DocumentFault::Damaged => "document-damaged",
        DocumentFault::Unknown => "document-unknown",
        DocumentFault::Encoding => "file-not-utf8",
        DocumentFault::Empty => "document-empty",
        DocumentFault::TooLarge { unit, limit } => {
            let (unit, limit) = match unit {
                LimitUnit::Bytes => ("bytes", units::rounded_bytes(limit)),
                LimitUnit::Text => ("text", units::rounded_bytes(limit)),
                LimitUnit::Files => ("files", units::count(limit)),
                LimitUnit::Pages => ("pages", units::count(limit)),
                LimitUnit::Cells => ("cells", units::count(limit)),
                LimitUnit::Nesting => ("nesting", units::count(limit)),
            };
            let arguments = [("name", name.into()), ("unit", unit.into()), ("limit", limit.into())];
            return tf("document-too-large", arguments);
        }
    };
    tf(key, [("name", name.into())])
}

/// A place in the interface's language, such as `page 3`. Reactive.
pub(crate) fn place_name(place: &Place) -> String {
    let key = match place.kind {
        SectionKind::File => return place.name.clone(),
        SectionKind::Page => "place-page",
        SectionKind::Sheet => "place-sheet",
        SectionKind::Slide => "place-slide",
        SectionKind::Chapter => "place-chapter",
    };
    let place_name = tf(key, [("number", f64::from(place.number).into())]);
    if place.name.is_empty() { place_name } else { format!("{place_name}: {}", place.name) }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn faults_name_the_file_and_the_limit() {
        let units = [
            LimitUnit::Bytes,
            LimitUnit::Text,
            LimitUnit::Files,
            LimitUnit::Pages,
            LimitUnit::Cells,
            LimitUnit::Nesting,
        ];
        let others = [
            DocumentFault::Encrypted,
            DocumentFault::Damaged,
            DocumentFault::Unknown,
            DocumentFault::Encoding,
            DocumentFault::Empty,
        ];
        let limits = units.map(|unit| DocumentFault::TooLarge { unit, limit: 5000.0 });
        let sentences: Vec<String> = others.into_iter().chain(limits).map(|fault| sentence(fault, "a.pdf")).collect();
        assert!(sentences.iter().all(|sentence| sentence.contains("a.pdf")), "{sentences:?}");
        assert!(sentences.iter().any(|sentence| sentence.contains("5,000 pages")), "{sentences:?}");
        assert_eq!(sentences.iter().collect::<std::collections::HashSet<_>>().len(), sentences.len());
    }

    #[wasm_bindgen_test]
    fn places_are_named() {
        let place = |kind, name: &str| place_name(&Place { kind, number: 3, name: name.to_owned() });
        assert_eq!(place(SectionKind::Page, ""), "page 3");
        assert_eq!(place(SectionKind::Sheet, "Costs"), "sheet 3: Costs");
        assert_eq!(place(SectionKind::File, "src/main.rs"), "src/main.rs");
    }
}
