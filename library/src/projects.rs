//! The files of projects: cut into passages once, which can be found by their words at once, and by their vectors as these come.
//!
//! What was read of a project stays in memory, so that a question takes no reading. Another tab may change it, so the lists of files
//! and vectors are compared before each search.

use std::cell::RefCell;
use std::collections::HashMap;

use js_sys::{Float32Array, Reflect};
use parlance_protocol::library::{Attachment, Id, PassageRun, Project, ProjectFile, ProjectQuestion};
use parlance_text::index::Index;
use parlance_text::passages;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast as _, JsValue};

use crate::database::{LibraryDatabase, PROJECT_FILES, PROJECT_TEXTS, PROJECTS, VECTORS, from_records, key, to_record};
use crate::error::LibraryError;

/// The property of a record of vectors that has them, one after the other.
const VALUES: &str = "values";
/// How many passages are ranked; those that fit are taken from the top.
const CANDIDATES: usize = 60;

/// A file with its passages, as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredText {
    id: Id,
    project: Id,
    file: Attachment,
    passages: Vec<Attachment>,
}

/// What the key of a record says about the vectors in it, which are of passages that follow each other.
#[derive(Debug, Clone, PartialEq)]
struct VectorRun {
    file: Id,
    first: u32,
    count: u32,
    model: String,
}

impl VectorRun {
    fn key(&self) -> String {
        format!("{}:{}:{}:{}", self.file, self.first, self.count, self.model)
    }

    fn of_key(key: &str) -> Option<Self> {
        let mut parts = key.splitn(4, ':');
        let (file, first) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (count, model) = (parts.next()?.parse().ok()?, parts.next()?.to_owned());
        Some(Self { file, first, count, model })
    }
}

/// The vectors of passages that follow each other, without the property [`VALUES`].
#[derive(Serialize, Deserialize)]
struct StoredVectors {
    id: String,
    project: Id,
}

/// A project in memory.
struct Loaded {
    /// Keys of the files.
    files: Vec<String>,
    runs: Vec<VectorRun>,
    passages: Vec<Attachment>,
    index: Index,
}

/// The projects that were searched or changed lately: at most one is in memory.
#[derive(Default)]
pub(crate) struct Projects {
    loaded: RefCell<Option<(Id, String, Loaded)>>,
}

/// All projects, by name.
pub(crate) async fn list(database: &LibraryDatabase) -> Result<Vec<Project>, LibraryError> {
    let mut projects: Vec<Project> = database.all(PROJECTS).await?;
    projects.sort_by(|a, b| a.name.to_lowercase().cmp(&b.name.to_lowercase()).then(a.id.cmp(&b.id)));
    Ok(projects)
}

/// Saves a project.
pub(crate) async fn put(database: &LibraryDatabase, project: &Project) -> Result<(), LibraryError> {
    database.put_records(&[(PROJECTS, to_record(project)?)]).await
}

/// Deletes a project with its files.
pub(crate) async fn delete(database: &LibraryDatabase, id: Id) -> Result<(), LibraryError> {
    let runs = runs(database, id).await?;
    let files: Vec<ProjectFile> = from_records(database.of_project(PROJECT_FILES, id).await?)?;
    let mut keys: Vec<_> = files.iter().flat_map(|file| keys_of(file.id, &runs)).collect();
    keys.push((PROJECTS, key(id)));
    database.delete_records(&keys).await
}

/// The files of a project, with how many of their passages have vectors of a model.
pub(crate) async fn files(
    database: &LibraryDatabase,
    project: Id,
    model: &str,
) -> Result<Vec<ProjectFile>, LibraryError> {
    let runs = runs(database, project).await?;
    files_with(database, project, model, &runs).await
}

/// The same, with what is known of the project's vectors.
async fn files_with(
    database: &LibraryDatabase,
    project: Id,
    model: &str,
    runs: &[VectorRun],
) -> Result<Vec<ProjectFile>, LibraryError> {
    let mut files: Vec<ProjectFile> = from_records(database.of_project(PROJECT_FILES, project).await?)?;
    for file in &mut files {
        let own = runs.iter().filter(|run| run.file == file.id && run.model == model);
        file.embedded = own.map(|run| run.count).sum();
    }
    files.sort_by(|a, b| a.added_ms.total_cmp(&b.added_ms).then(a.id.cmp(&b.id)));
    Ok(files)
}

/// Cuts a file into passages and stores both.
pub(crate) async fn add_file(
    database: &LibraryDatabase,
    project: Id,
    id: Id,
    file: &Attachment,
) -> Result<(), LibraryError> {
    let file = Attachment { file: Some(id), ..file.clone() };
    let passages = passages::cut(&file);
    let listed = ProjectFile {
        id,
        project,
        name: file.name.clone(),
        added_ms: js_sys::Date::now(),
        len_bytes: file.text.len() as f64,
        passages: passages.len() as u32,
        embedded: 0,
    };
    let text = StoredText { id, project, file, passages };
    database.put_records(&[(PROJECT_FILES, to_record(&listed)?), (PROJECT_TEXTS, to_record(&text)?)]).await
}

/// Deletes a file with its vectors.
pub(crate) async fn delete_file(database: &LibraryDatabase, id: Id) -> Result<(), LibraryError> {
    let Some(file) = database.one::<ProjectFile>(PROJECT_FILES, id).await? else { return Ok(()) };
    let runs = runs(database, file.project).await?;
    database.delete_records(&keys_of(id, &runs)).await
}

/// The records of a file, of whose project these vectors are.
fn keys_of(file: Id, runs: &[VectorRun]) -> Vec<(&'static str, JsValue)> {
    let mut keys = vec![(PROJECT_FILES, key(file)), (PROJECT_TEXTS, key(file))];
    keys.extend(runs.iter().filter(|run| run.file == file).map(|run| (VECTORS, JsValue::from(run.key()))));
    keys
}

/// The text of a file.
pub(crate) async fn file(database: &LibraryDatabase, id: Id) -> Result<Option<Attachment>, LibraryError> {
    Ok(database.one::<StoredText>(PROJECT_TEXTS, id).await?.map(|stored| stored.file))
}

/// The next passages of a project that have no vector of a model. Vectors of other models are deleted.
pub(crate) async fn unembedded(
    database: &LibraryDatabase,
    project: Id,
    model: &str,
    count: u32,
) -> Result<Option<PassageRun>, LibraryError> {
    let runs = runs(database, project).await?;
    let others = runs.iter().filter(|run| run.model != model).map(|run| (VECTORS, JsValue::from(run.key())));
    database.delete_records(&others.collect::<Vec<_>>()).await?;
    for listed in files_with(database, project, model, &runs).await? {
        if listed.embedded >= listed.passages {
            continue;
        }
        let Some(text) = database.one::<StoredText>(PROJECT_TEXTS, listed.id).await? else { continue };
        // Runs follow each other from the beginning.
        let texts = text.passages.into_iter().skip(listed.embedded as usize).take(count as usize);
        let texts = texts.map(|passage| passage.text).collect();
        return Ok(Some(PassageRun { file: listed.id, first: listed.embedded, texts }));
    }
    Ok(None)
}

/// Saves the vectors of passages that follow each other. Those of a file that was deleted meanwhile are dropped.
pub(crate) async fn put_vectors(
    database: &LibraryDatabase,
    file: Id,
    first: u32,
    model: &str,
    vectors: &[Vec<f32>],
) -> Result<(), LibraryError> {
    let Some(listed) = database.one::<ProjectFile>(PROJECT_FILES, file).await? else { return Ok(()) };
    let run = VectorRun { file, first, count: vectors.len() as u32, model: model.to_owned() };
    let record = to_record(&StoredVectors { id: run.key(), project: listed.project })?;
    // Setting a property of a plain object cannot fail.
    let _ = Reflect::set(&record, &VALUES.into(), &Float32Array::from(vectors.concat().as_slice()));
    database.put_records(&[(VECTORS, record)]).await
}

/// What is known of a project's vectors, without them.
async fn runs(database: &LibraryDatabase, project: Id) -> Result<Vec<VectorRun>, LibraryError> {
    let keys = database.keys_of_project(VECTORS, project).await?;
    Ok(keys.iter().filter_map(|key| VectorRun::of_key(key)).collect())
}

impl Projects {
    /// The passages that match a question best, best first, as many as fit.
    pub(crate) async fn search(
        &self,
        database: &LibraryDatabase,
        project: Id,
        question: &ProjectQuestion,
    ) -> Result<Vec<Attachment>, LibraryError> {
        let model = question.vector.as_ref().map_or("", |vector| vector.model.as_str());
        self.load(database, project, model).await?;
        let loaded = self.loaded.borrow();
        let Some((_, _, Loaded { passages, index, .. })) = &*loaded else { return Ok(Vec::new()) };
        let vector = question.vector.as_ref().map(|vector| vector.values.as_slice());
        let mut left_chars = question.max_chars as usize;
        let mut found = Vec::new();
        for place in index.search(&question.text, vector, CANDIDATES) {
            let Some(passage) = passages.get(place) else { continue };
            let Some(left) = left_chars.checked_sub(passage.text.chars().count()) else { break };
            left_chars = left;
            found.push(passage.clone());
        }
        Ok(found)
    }

    /// Reads a project, unless it is in memory as it is stored.
    async fn load(&self, database: &LibraryDatabase, project: Id, model: &str) -> Result<(), LibraryError> {
        let files = database.keys_of_project(PROJECT_FILES, project).await?;
        let mut runs = runs(database, project).await?;
        runs.retain(|run| run.model == model);
        let is_current = self.loaded.borrow().as_ref().is_some_and(|(known, known_model, loaded)| {
            (*known, known_model.as_str()) == (project, model) && loaded.files == files && loaded.runs == runs
        });
        if is_current {
            return Ok(());
        }
        let texts: Vec<StoredText> = from_records(database.of_project(PROJECT_TEXTS, project).await?)?;
        let mut starts = HashMap::new();
        let mut passages = Vec::new();
        for text in texts {
            starts.insert(text.id, passages.len());
            passages.extend(text.passages);
        }
        let texts: Vec<&str> = passages.iter().map(|passage: &Attachment| passage.text.as_str()).collect();
        let mut index = Index::new(&texts);
        let records = if runs.is_empty() { Vec::new() } else { database.of_project(VECTORS, project).await? };
        for record in records {
            let stored: StoredVectors = serde_wasm_bindgen::from_value(record.clone())?;
            let run = VectorRun::of_key(&stored.id).filter(|run| run.model == model);
            let place =
                run.and_then(|run| Some((starts.get(&run.file)? + run.first as usize, run.count.max(1) as usize)));
            let Some((start, count)) = place else { continue };
            let values = Reflect::get(&record, &VALUES.into()).ok().and_then(|values| values.dyn_into().ok());
            let values = values.map(|values: Float32Array| values.to_vec()).unwrap_or_default();
            for (offset, vector) in values.chunks_exact((values.len() / count).max(1)).enumerate() {
                index.set_vector(start + offset, vector);
            }
        }
        let loaded = Loaded { files, runs, passages, index };
        self.loaded.replace(Some((project, model.to_owned(), loaded)));
        Ok(())
    }
}
