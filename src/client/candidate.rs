//! A model to inspect and possibly load.

use parlance_protocol::ModelSource;
use parlance_protocol::library::ChatModel;
use web_sys::File;

use crate::names::friendly;

/// A model, with what is loaded beside it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) source: ModelSource,
    pub(crate) files: Vec<File>,
    /// The URL of its projector; empty for none. If absent, it is looked for beside the model.
    pub(crate) projector: Option<String>,
    /// The URL of the model that drafts its answers.
    pub(crate) draft: Option<String>,
}

impl Candidate {
    /// A model at a URL.
    pub(crate) fn of_url(url: String) -> Self {
        Self::of_source(ModelSource::Url { url }, Vec::new())
    }

    /// A model with these files, if it has any, of which nothing else is known.
    pub(crate) fn of_source(source: ModelSource, files: Vec<File>) -> Self {
        Self { source, files, projector: None, draft: None }
    }

    /// A model that was chosen by name.
    pub(crate) fn of_model(model: ChatModel) -> Self {
        let ChatModel { url, projector, draft, .. } = model;
        Self { projector, draft, ..Self::of_url(url) }
    }

    /// How it is loaded again on later visits; `None` for files of the user's.
    pub(crate) fn chosen(&self) -> Option<ChatModel> {
        let ModelSource::Url { url } = &self.source else { return None };
        let name = friendly(url.split(['#', '?']).next().unwrap_or_default());
        Some(ChatModel { name, url: url.clone(), projector: self.projector.clone(), draft: self.draft.clone() })
    }

    /// A model in files on this device, maybe with the file with which it sees images; `None` if there are none.
    pub(crate) fn of_files(files: Vec<File>) -> Option<Self> {
        let is_projector = |file: &&File| file.name().to_lowercase().contains("mmproj");
        let name = files.iter().find(|file| !is_projector(file)).or(files.first())?.name();
        Some(Self::of_source(ModelSource::File { name }, files))
    }

    /// Where the model that drafts its answers comes from.
    pub(super) fn draft_source(&self) -> Option<ModelSource> {
        self.draft.clone().map(|url| ModelSource::Url { url })
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn later_visits_load_the_same_model_with_the_same_draft_model() {
        let model = ChatModel {
            name: "M".to_owned(),
            url: "https://host/m.gguf#sha256=0a".to_owned(),
            projector: Some(String::new()),
            draft: Some("https://host/small.gguf".to_owned()),
        };
        let candidate = Candidate::of_model(model.clone());
        assert_eq!(candidate.draft_source(), Some(ModelSource::Url { url: "https://host/small.gguf".to_owned() }));
        let again = candidate.chosen().map(|again| (again.url, again.projector, again.draft));
        assert_eq!(again, Some((model.url, model.projector, model.draft)));
        assert_eq!(Candidate::of_source(ModelSource::File { name: String::new() }, Vec::new()).chosen(), None);
    }
}
