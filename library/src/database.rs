//! Conversations, messages and file handles in `IndexedDB`.
//!
//! Version 1 has two object stores: `conversations` (summaries by `id`) and `messages` (by `id`, with an index on `conversation`).
//! Version 2 adds `files`: `{name, handles}` by `name`, where `handles` are `FileSystemFileHandle`s.
//! Version 3 adds projects: `projects` (by `id`), `project_files` (without texts, by `id`), `project_texts` (a file with its passages, by
//! `id`) and `vectors` (those of passages that follow each other, by `id`), the latter three with an index on `project`.
//! Records are the types of `parlance_protocol::library` as JavaScript objects. Missing fields take their defaults, so a new optional
//! field needs no new version.

use std::collections::HashSet;

use idb::{
    Database, DatabaseEvent as _, Factory, IndexParams, KeyPath, ObjectStoreParams, Query, Transaction, TransactionMode,
};
use js_sys::{Object, Promise, Reflect};
use parlance_protocol::library::{Conversation, ConversationSummary, HANDLES_KEY, Id, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::error::LibraryError;

const VERSION: u32 = 3;
const SUMMARIES: &str = "conversations";
const MESSAGES: &str = "messages";
const FILES: &str = "files";
pub(crate) const PROJECTS: &str = "projects";
pub(crate) const PROJECT_FILES: &str = "project_files";
pub(crate) const PROJECT_TEXTS: &str = "project_texts";
pub(crate) const VECTORS: &str = "vectors";
const BY_CONVERSATION: &str = "conversation";
const BY_PROJECT: &str = "project";

/// A connection to the database. Once the browser has closed it, every method fails with [`LibraryError::Closed`].
pub(crate) struct LibraryDatabase(Database);

impl Drop for LibraryDatabase {
    fn drop(&mut self) {
        // An open connection would block an upgrade by another tab.
        self.0.close();
    }
}

impl LibraryDatabase {
    /// Opens the database of the site at this path, and upgrades it if necessary.
    pub(crate) async fn open(site: &str) -> Result<Self, LibraryError> {
        let mut request = Factory::new()?.open(&format!("parlance:{site}"), Some(VERSION))?;
        request.on_upgrade_needed(|event| {
            let upgraded = event.database().and_then(|database| upgrade(&database, event.old_version().unwrap_or(0)));
            if let Err(error) = upgraded {
                // This aborts the transaction, so the request fails.
                wasm_bindgen::throw_str(&error.to_string());
            }
        });
        let mut database = request.await?;
        // Another tab wants to upgrade or delete the database. The next request of this tab opens it again, or reports that the page
        // must be reloaded.
        database.on_version_change(|event| {
            if let Ok(database) = event.database() {
                database.close();
            }
        });
        Ok(Self(database))
    }

    /// All summaries.
    pub(crate) async fn summaries(&self) -> Result<Vec<ConversationSummary>, LibraryError> {
        let transaction = self.0.transaction(&[SUMMARIES], TransactionMode::ReadOnly)?;
        let records = transaction.object_store(SUMMARIES)?.get_all(None, None)?.await?;
        from_records(records)
    }

    /// A conversation with its messages in chronological order.
    pub(crate) async fn conversation(&self, id: Id) -> Result<Option<Conversation>, LibraryError> {
        let transaction = self.0.transaction(&[SUMMARIES, MESSAGES], TransactionMode::ReadOnly)?;
        let summary = transaction.object_store(SUMMARIES)?.get(key(id))?.await?;
        let Some(summary) = summary else { return Ok(None) };
        let summary = serde_wasm_bindgen::from_value(summary)?;
        let index = transaction.object_store(MESSAGES)?.index(BY_CONVERSATION)?;
        let mut messages: Vec<Message> = from_records(index.get_all(Some(Query::Key(key(id))), None)?.await?)?;
        messages.sort_by(Message::chronological);
        Ok(Some(Conversation { summary, messages }))
    }

    /// All messages of all conversations.
    pub(crate) async fn messages(&self) -> Result<Vec<Message>, LibraryError> {
        let transaction = self.0.transaction(&[MESSAGES], TransactionMode::ReadOnly)?;
        let records = transaction.object_store(MESSAGES)?.get_all(None, None)?.await?;
        from_records(records)
    }

    /// The ids of those messages whose id is in the database already.
    pub(crate) async fn existing_ids(&self, messages: &[Message]) -> Result<HashSet<Id>, LibraryError> {
        let transaction = self.0.transaction(&[MESSAGES], TransactionMode::ReadOnly)?;
        let store = transaction.object_store(MESSAGES)?;
        let mut existing = HashSet::new();
        for Message { id, .. } in messages {
            if store.get_key(key(*id))?.await?.is_some() {
                existing.insert(*id);
            }
        }
        Ok(existing)
    }

    /// Saves a summary and messages, all or none.
    pub(crate) async fn put(
        &self,
        summary: Option<&ConversationSummary>,
        messages: &[Message],
    ) -> Result<(), LibraryError> {
        let transaction = self.0.transaction(&[SUMMARIES, MESSAGES], TransactionMode::ReadWrite)?;
        if let Some(summary) = summary {
            transaction.object_store(SUMMARIES)?.put(&to_record(summary)?, None)?;
        }
        let store = transaction.object_store(MESSAGES)?;
        for message in messages {
            store.put(&to_record(message)?, None)?;
        }
        commit(transaction).await
    }

    /// Deletes messages.
    pub(crate) async fn delete_messages(&self, ids: &[Id]) -> Result<(), LibraryError> {
        let transaction = self.0.transaction(&[MESSAGES], TransactionMode::ReadWrite)?;
        let store = transaction.object_store(MESSAGES)?;
        for id in ids {
            store.delete(key(*id))?;
        }
        commit(transaction).await
    }

    /// Deletes a conversation with its messages.
    pub(crate) async fn delete(&self, id: Id) -> Result<(), LibraryError> {
        let transaction = self.0.transaction(&[SUMMARIES, MESSAGES], TransactionMode::ReadWrite)?;
        transaction.object_store(SUMMARIES)?.delete(key(id))?;
        let store = transaction.object_store(MESSAGES)?;
        let messages = store.index(BY_CONVERSATION)?.get_all(Some(Query::Key(key(id))), None)?.await?;
        for message in from_records::<Message>(messages)? {
            store.delete(key(message.id))?;
        }
        commit(transaction).await
    }

    /// Saves file handles under a name.
    pub(crate) async fn put_files(&self, name: &str, handles: &JsValue) -> Result<(), LibraryError> {
        let record = Object::new();
        for (key, value) in [("name", &name.into()), (HANDLES_KEY, handles)] {
            // Setting a property of a plain object cannot fail.
            let _ = Reflect::set(&record, &key.into(), value);
        }
        let transaction = self.0.transaction(&[FILES], TransactionMode::ReadWrite)?;
        transaction.object_store(FILES)?.put(&record, None)?;
        commit(transaction).await
    }

    /// The names of all saved files, with their handles.
    pub(crate) async fn files(&self) -> Result<Vec<(String, JsValue)>, LibraryError> {
        let transaction = self.0.transaction(&[FILES], TransactionMode::ReadOnly)?;
        let records = transaction.object_store(FILES)?.get_all(None, None)?.await?;
        let field = |record: &JsValue, key: &str| Reflect::get(record, &key.into()).unwrap_or_default();
        Ok(records
            .iter()
            .map(|record| (field(record, "name").as_string().unwrap_or_default(), field(record, HANDLES_KEY)))
            .collect())
    }

    /// Deletes the file handles saved under a name.
    pub(crate) async fn delete_files(&self, name: &str) -> Result<(), LibraryError> {
        let transaction = self.0.transaction(&[FILES], TransactionMode::ReadWrite)?;
        transaction.object_store(FILES)?.delete(JsValue::from(name))?;
        commit(transaction).await
    }

    /// All records of a store.
    pub(crate) async fn all<T: DeserializeOwned>(&self, store: &str) -> Result<Vec<T>, LibraryError> {
        let transaction = self.0.transaction(&[store], TransactionMode::ReadOnly)?;
        let records = transaction.object_store(store)?.get_all(None, None)?.await?;
        from_records(records)
    }

    /// A record of a store.
    pub(crate) async fn one<T: DeserializeOwned>(&self, store: &str, id: Id) -> Result<Option<T>, LibraryError> {
        let transaction = self.0.transaction(&[store], TransactionMode::ReadOnly)?;
        let record = transaction.object_store(store)?.get(key(id))?.await?;
        Ok(record.map(serde_wasm_bindgen::from_value).transpose()?)
    }

    /// The records of a store that belong to a project, as JavaScript objects.
    pub(crate) async fn of_project(&self, store: &str, project: Id) -> Result<Vec<JsValue>, LibraryError> {
        let transaction = self.0.transaction(&[store], TransactionMode::ReadOnly)?;
        let index = transaction.object_store(store)?.index(BY_PROJECT)?;
        Ok(index.get_all(Some(Query::Key(key(project))), None)?.await?)
    }

    /// The keys of those records.
    pub(crate) async fn keys_of_project(&self, store: &str, project: Id) -> Result<Vec<String>, LibraryError> {
        let transaction = self.0.transaction(&[store], TransactionMode::ReadOnly)?;
        let index = transaction.object_store(store)?.index(BY_PROJECT)?;
        let keys = index.get_all_keys(Some(Query::Key(key(project))), None)?.await?;
        Ok(keys.iter().filter_map(JsValue::as_string).collect())
    }

    /// Saves records in these stores, all or none.
    pub(crate) async fn put_records(&self, records: &[(&str, JsValue)]) -> Result<(), LibraryError> {
        let stores: Vec<&str> = records.iter().map(|(store, _)| *store).collect();
        let transaction = self.0.transaction(&stores, TransactionMode::ReadWrite)?;
        for (store, record) in records {
            transaction.object_store(store)?.put(record, None)?;
        }
        commit(transaction).await
    }

    /// Deletes records of these stores by their keys, all or none.
    pub(crate) async fn delete_records(&self, keys: &[(&str, JsValue)]) -> Result<(), LibraryError> {
        let mut stores: Vec<&str> = keys.iter().map(|(store, _)| *store).collect();
        stores.dedup();
        if stores.is_empty() {
            return Ok(());
        }
        let transaction = self.0.transaction(&stores, TransactionMode::ReadWrite)?;
        for (store, key) in keys {
            transaction.object_store(store)?.delete(key.clone())?;
        }
        commit(transaction).await
    }

    /// Deletes all conversations.
    pub(crate) async fn clear(&self) -> Result<(), LibraryError> {
        let transaction = self.0.transaction(&[SUMMARIES, MESSAGES], TransactionMode::ReadWrite)?;
        transaction.object_store(SUMMARIES)?.clear()?;
        transaction.object_store(MESSAGES)?.clear()?;
        commit(transaction).await
    }
}

/// Commits a transaction and waits for it to complete. Awaiting the transaction itself would also succeed if it was aborted, for
/// example because the quota is exceeded.
async fn commit(transaction: Transaction) -> Result<(), LibraryError> {
    let mut transaction = transaction.commit()?;
    let is_complete = Promise::new(&mut |resolve, _| {
        let resolve_aborted = resolve.clone();
        // A promise's own functions do not throw.
        transaction.on_complete(move |_| drop(resolve.call1(&JsValue::NULL, &JsValue::TRUE)));
        transaction.on_abort(move |_| drop(resolve_aborted.call1(&JsValue::NULL, &JsValue::FALSE)));
    });
    if JsFuture::from(is_complete).await.is_ok_and(|is_complete| is_complete.is_truthy()) {
        return Ok(());
    }
    let name = transaction.error().map(|exception| exception.name()).unwrap_or_default();
    Err(LibraryError::from_exception_name(&name).unwrap_or(LibraryError::Aborted(name)))
}

/// Upgrades a database, one version at a time.
fn upgrade(database: &Database, old_version: u32) -> Result<(), idb::Error> {
    if old_version < 1 {
        let mut by_id = ObjectStoreParams::new();
        by_id.key_path(Some(KeyPath::new_single("id")));
        database.create_object_store(SUMMARIES, by_id.clone())?;
        let messages = database.create_object_store(MESSAGES, by_id)?;
        messages.create_index(BY_CONVERSATION, KeyPath::new_single("conversation"), Some(IndexParams::new()))?;
    }
    if old_version < 2 {
        let mut by_name = ObjectStoreParams::new();
        by_name.key_path(Some(KeyPath::new_single("name")));
        database.create_object_store(FILES, by_name)?;
    }
    if old_version < 3 {
        let mut by_id = ObjectStoreParams::new();
        by_id.key_path(Some(KeyPath::new_single("id")));
        database.create_object_store(PROJECTS, by_id.clone())?;
        for name in [PROJECT_FILES, PROJECT_TEXTS, VECTORS] {
            let store = database.create_object_store(name, by_id.clone())?;
            store.create_index(BY_PROJECT, KeyPath::new_single(BY_PROJECT), Some(IndexParams::new()))?;
        }
    }
    Ok(())
}

/// The key of a record.
pub(crate) fn key(id: Id) -> JsValue {
    id.to_string().into()
}

/// A record as a JavaScript object.
pub(crate) fn to_record(value: &impl Serialize) -> Result<JsValue, LibraryError> {
    Ok(value.serialize(&serde_wasm_bindgen::Serializer::json_compatible())?)
}

/// Records from JavaScript objects.
pub(crate) fn from_records<T: DeserializeOwned>(records: Vec<JsValue>) -> Result<Vec<T>, LibraryError> {
    Ok(records.into_iter().map(serde_wasm_bindgen::from_value).collect::<Result<_, _>>()?)
}
