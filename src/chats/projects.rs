//! Projects: instructions, files and conversations that belong together. Files are searched by their words as soon as they are added; their
//! vectors come in the background, a few passages at a time, while nobody waits for an answer and the device is not on battery.

use std::time::Duration;

use gloo_timers::future::sleep;
use js_sys::{Function, Promise, Reflect};
use leptos::prelude::*;
use parlance_protocol::library::{Attachment, Id, Project, ProjectQuestion, QuestionVector};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::{Chats, new_id};
use crate::allowed_hosts;
use crate::components::files::{self, Attachable};
use crate::conversation::ConversationStoreFields as _;
use crate::documents::sentence as document_sentence;
use crate::failure::sentence;
use crate::i18n::t;
use crate::options::model_url;
use crate::settings::Settings;

/// Passages that are read of a file at a time: all of its text is, whenever some are.
const READ: u32 = 256;
/// Passages that are embedded at a time.
const BATCH: usize = 16;
/// How many of the passages that were found a ranker reads.
const RANKED: usize = 20;
/// How many of those are sent.
const KEPT: usize = 8;
/// How often it is checked whether vectors may be computed.
const PAUSE: Duration = Duration::from_secs(2);

impl Chats {
    /// All projects, by name.
    pub(crate) fn projects(self) -> Signal<Vec<Project>> {
        self.projects.into()
    }

    /// Counts the changes of projects and their files.
    pub(crate) fn project_changes(self) -> Signal<u32> {
        self.project_changes.into()
    }

    /// Whether vectors of files are being computed, or wait for that.
    pub(crate) fn is_embedding(self) -> Signal<bool> {
        self.is_embedding.into()
    }

    /// The project of the conversation on screen. Reactive.
    pub(crate) fn project(self) -> Option<Project> {
        let id = self.current.summary().read().project?;
        self.projects.read().iter().find(|project| project.id == id).cloned()
    }

    /// The system prompt of the conversation on screen: its own, its project's, or that of the settings. Reactive.
    pub(super) fn system_prompt(self) -> String {
        let own = self.current.summary().read().system_prompt.clone();
        let instructions = self.project().map(|project| project.instructions);
        let instructions = instructions.filter(|instructions| !instructions.trim().is_empty());
        own.or(instructions).unwrap_or_else(|| self.settings.0.read().system_prompt.clone())
    }

    /// Reads the list of projects.
    pub(super) async fn read_projects(self) {
        match self.library.projects().await {
            Ok(projects) => {
                self.projects.set(projects);
                self.project_changes.update(|count| *count += 1);
            }
            Err(message) => self.notify(message),
        }
    }

    /// Creates a project.
    pub(crate) fn new_project(self, name: String) {
        let created_ms = js_sys::Date::now();
        self.put_project(Project { id: new_id(), name, instructions: String::new(), created_ms });
    }

    /// Saves a project.
    pub(crate) fn put_project(self, project: Project) {
        leptos::task::spawn_local(async move {
            if let Err(message) = self.library.put_project(project).await {
                self.notify(message);
            }
            self.read_projects().await;
        });
    }

    /// Deletes a project with its files. Its conversations stay.
    pub(crate) fn delete_project(self, id: Id) {
        leptos::task::spawn_local(async move {
            if let Err(message) = self.library.delete_project(id).await {
                self.notify(message);
            }
            self.read_projects().await;
        });
    }

    /// Shows a new conversation of a project.
    pub(crate) fn open_in_project(self, project: Id) {
        self.open(None);
        self.set_temporary(false);
        self.current.summary().write().project = Some(project);
    }

    /// Adds files to a project. Those that cannot be read get a sentence.
    pub(crate) fn add_to_project(self, project: Id, chosen: Vec<File>) {
        leptos::task::spawn_local(async move {
            for file in chosen {
                if let Err(message) = self.add_file_to_project(project, &file).await {
                    self.notify(message);
                }
                self.project_changes.update(|count| *count += 1);
            }
            self.embed_projects();
        });
    }

    async fn add_file_to_project(self, project: Id, file: &File) -> Result<(), String> {
        let name = file.name();
        let text = match files::attachable(file, 0.0).await {
            Ok(Attachable::Text(text)) => Attachment::new(name, text),
            Ok(Attachable::Document) => match self.readings.read(file).await {
                Some(Ok(document)) => Attachment::of_document(name, document),
                Some(Err(fault)) => return Err(document_sentence(fault, &name)),
                None => return Ok(()),
            },
            Ok(Attachable::Image) => return Err(files::Refusal::Binary.sentence(&name)),
            Err(refusal) => return Err(refusal.sentence(&name)),
        };
        self.library.add_project_file(project, new_id(), text).await
    }

    /// Deletes a file of a project.
    pub(crate) fn delete_project_file(self, id: Id) {
        leptos::task::spawn_local(async move {
            if let Err(message) = self.library.delete_project_file(id).await {
                self.notify(message);
            }
            self.project_changes.update(|count| *count += 1);
        });
    }

    /// The passages of a project that fit a question best, as many as the context has room for: as they were found, or as a ranker orders
    /// the first of them.
    pub(super) async fn project_passages(self, project: Id, text: String) -> Result<Vec<Attachment>, String> {
        let max_chars = self.budget_chars();
        let vector = match self.usable_embedding_model() {
            Some(model) => match self.client.embed(model.clone(), std::slice::from_ref(&text)).await {
                Ok(vectors) => vectors.into_iter().next().map(|values| QuestionVector { model, values }),
                Err(failure) => {
                    // Words alone, and why.
                    self.notify(sentence(&failure));
                    None
                }
            },
            None => None,
        };
        let Some(ranker) = self.usable_model(|settings| &settings.ranker) else {
            let question = ProjectQuestion { text, vector, max_chars: max_chars as u32 };
            return self.library.search_project(project, question).await;
        };
        let question = ProjectQuestion { text: text.clone(), vector, max_chars: u32::MAX };
        let mut passages = self.library.search_project(project, question).await?;
        passages.truncate(RANKED);
        let texts: Vec<String> = passages.iter().map(|passage| passage.text.clone()).collect();
        if texts.is_empty() {
            return Ok(passages);
        }
        let order = self.client.rank(ranker, text, &texts).await.unwrap_or_else(|failure| {
            // As they were found, and why.
            self.notify(sentence(&failure));
            (0..texts.len()).collect()
        });
        Ok(best(&passages, &order, max_chars))
    }

    /// The URL of the embedding model, if there is one that may be fetched.
    fn usable_embedding_model(self) -> Option<String> {
        self.usable_model(|settings| &settings.embedding_model)
    }

    /// The URL of a model in the settings, if there is one that may be fetched.
    fn usable_model(self, of: fn(&Settings) -> &str) -> Option<String> {
        let model = self.settings.0.with_untracked(|settings| model_url(of(settings)))?;
        allowed_hosts::is_in_force(&model).then_some(model)
    }

    /// Computes the vectors that files of projects lack, unless that goes on already. Continues what an earlier visit has begun.
    pub(crate) fn embed_projects(self) {
        let Some(model) = self.usable_embedding_model() else { return };
        if self.is_embedding.get_untracked() {
            return;
        }
        self.is_embedding.set(true);
        leptos::task::spawn_local(async move {
            for project in self.projects.get_untracked() {
                if let Err(message) = self.embed_project(project.id, &model).await {
                    self.notify(message);
                    break;
                }
            }
            self.is_embedding.set(false);
        });
    }

    async fn embed_project(self, project: Id, model: &str) -> Result<(), String> {
        while let Some(run) = self.library.unembedded(project, model.to_owned(), READ).await? {
            if run.texts.is_empty() {
                return Err(t("embedding-failed"));
            }
            for (first, texts) in (run.first..).step_by(BATCH).zip(run.texts.chunks(BATCH)) {
                while self.is_busy() || is_on_battery().await {
                    sleep(PAUSE).await;
                }
                // The user may have chosen another one meanwhile.
                if self.usable_embedding_model().as_deref() != Some(model) {
                    return Ok(());
                }
                let vectors = self.client.embed(model.to_owned(), texts).await;
                let vectors = vectors.map_err(|failure| sentence(&failure))?;
                if vectors.len() != texts.len() {
                    return Err(t("embedding-failed"));
                }
                self.library.put_vectors((run.file, first), model.to_owned(), vectors).await?;
                self.project_changes.update(|count| *count += 1);
            }
        }
        Ok(())
    }

    /// Whether somebody waits for an answer.
    fn is_busy(self) -> bool {
        let is_answering = self.answering.with_value(|answering| !answering.is_empty());
        is_answering || self.client.is_loading().get_untracked()
    }
}

/// The first passages in this order, as many as are sent and have room.
fn best(passages: &[Attachment], order: &[usize], max_chars: usize) -> Vec<Attachment> {
    let mut left_chars = max_chars;
    let ordered = order.iter().filter_map(|index| passages.get(*index)).take(KEPT);
    let fitting = ordered.take_while(|passage| {
        let left = left_chars.checked_sub(passage.text.chars().count());
        left_chars = left.unwrap_or(0);
        left.is_some()
    });
    fitting.cloned().collect()
}

/// Whether the device runs on battery, where browsers tell.
async fn is_on_battery() -> bool {
    let battery = async {
        let navigator = window().navigator();
        let ask: Function = Reflect::get(&navigator, &"getBattery".into()).ok()?.dyn_into().ok()?;
        let answer: Promise = ask.call0(&navigator).ok()?.dyn_into().ok()?;
        let battery = JsFuture::from(answer).await.ok()?;
        Reflect::get(&battery, &"charging".into()).ok()?.as_bool()
    };
    battery.await == Some(false)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn the_best_passages_that_fit_are_sent_in_the_order_of_the_ranker() {
        let passages: Vec<Attachment> = (0..20).map(|index| Attachment::new(format!("{index}"), "words")).collect();
        let names = |order: &[usize], max_chars| {
            best(&passages, order, max_chars).into_iter().map(|passage| passage.name).collect::<Vec<_>>()
        };
        // An index that does not exist is left out.
        assert_eq!(names(&[7, 99, 3, 0], 1000), ["7", "3", "0"]);
        assert_eq!(names(&[7, 3, 0], 14), ["7", "3"]);
        let all: Vec<usize> = (0..20).rev().collect();
        assert_eq!(names(&all, 1000).len(), KEPT);
        assert_eq!(names(&all, 4).len(), 0);
    }
}
