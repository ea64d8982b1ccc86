//! The browser's private file system (OPFS), as far as it is needed: folders, and files that are read and written in place.

use js_sys::{Promise, Reflect, Uint8Array};
use parlance_worker_core::FileError;
use parlance_worker_core::kept::Usage;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemGetFileOptions,
    FileSystemReadWriteOptions, FileSystemRemoveOptions, FileSystemSyncAccessHandle, StorageEstimate,
    WorkerGlobalScope,
};

use crate::error::{name_of, storage_error};

#[wasm_bindgen]
extern "C" {
    /// A file handle of a worker: web-sys counts the method that opens files in place as unstable.
    type WorkerFileHandle;

    #[wasm_bindgen(method, catch, js_name = createSyncAccessHandle)]
    fn create_sync_access_handle(this: &WorkerFileHandle) -> Result<Promise, JsValue>;
}

/// A folder.
#[derive(Clone)]
pub(crate) struct Folder(FileSystemDirectoryHandle);

impl Folder {
    /// The site's own folder; `None` where the browser gives none, as in some private windows.
    pub(crate) async fn root() -> Option<Self> {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let storage = Reflect::get(&scope.navigator(), &"storage".into()).ok()?;
        if storage.is_undefined() || !Reflect::has(&storage, &"getDirectory".into()).ok()? {
            return None;
        }
        let folder = JsFuture::from(scope.navigator().storage().get_directory()).await.ok()?;
        Some(Self(folder.unchecked_into()))
    }

    /// A folder in this one, created if it is missing.
    pub(crate) async fn folder(&self, name: &str) -> Result<Self, FileError> {
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(true);
        let folder = JsFuture::from(self.0.get_directory_handle_with_options(name, &options)).await;
        Ok(Self(folder.map_err(|error| storage_error(&error))?.unchecked_into()))
    }

    /// A folder in this one, if it is there.
    pub(crate) async fn existing_folder(&self, name: &str) -> Option<Self> {
        let folder = JsFuture::from(self.0.get_directory_handle(name)).await.ok()?;
        Some(Self(folder.unchecked_into()))
    }

    /// Opens a file in place, created if it is missing. Nobody else can open it until it is dropped.
    pub(crate) async fn open(&self, name: &str) -> Result<OpenFile, FileError> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let storage = |error: JsValue| storage_error(&error);
        let handle = JsFuture::from(self.0.get_file_handle_with_options(name, &options)).await.map_err(storage)?;
        let handle: WorkerFileHandle = handle.unchecked_into();
        let opened = JsFuture::from(handle.create_sync_access_handle().map_err(storage)?).await.map_err(storage)?;
        Ok(OpenFile(opened.unchecked_into()))
    }

    /// The content of a small file, if it is there.
    pub(crate) async fn read(&self, name: &str) -> Option<Vec<u8>> {
        let buffer = JsFuture::from(self.file(name).await?.array_buffer()).await.ok()?;
        Some(Uint8Array::new(&buffer).to_vec())
    }

    /// A file, if it is there. It can be read while others use it.
    pub(crate) async fn file(&self, name: &str) -> Option<File> {
        let handle = JsFuture::from(self.0.get_file_handle(name)).await.ok()?;
        let file = JsFuture::from(handle.unchecked_into::<FileSystemFileHandle>().get_file()).await.ok()?;
        Some(file.unchecked_into())
    }

    /// Its files: name, length in bytes, and when it was written, in milliseconds since 1970.
    pub(crate) async fn files(&self) -> Vec<(String, u64, f64)> {
        let mut files = Vec::new();
        for name in self.names().await {
            if let Some(file) = self.file(&name).await {
                files.push((name, file.size() as u64, file.last_modified()));
            }
        }
        files
    }

    /// Writes a whole small file.
    pub(crate) async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let file = self.open(name).await?;
        file.truncate(0)?;
        file.write_at(bytes, 0)?;
        file.flush()
    }

    /// Names of its files and folders.
    pub(crate) async fn names(&self) -> Vec<String> {
        let keys = self.0.keys();
        let mut names = Vec::new();
        while let Ok(next) = keys.next() {
            let Ok(entry) = JsFuture::from(next).await else { break };
            match Reflect::get(&entry, &"value".into()).ok().and_then(|name| name.as_string()) {
                Some(name) => names.push(name),
                None => break,
            }
        }
        names
    }

    /// Deletes a file or folder, if it is there.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), FileError> {
        let options = FileSystemRemoveOptions::new();
        options.set_recursive(true);
        match JsFuture::from(self.0.remove_entry_with_options(name, &options)).await {
            Err(error) if name_of(&error).as_deref() != Some("NotFoundError") => Err(storage_error(&error)),
            _ => Ok(()),
        }
    }
}

/// A file open in place. Dropping it closes it.
pub(crate) struct OpenFile(FileSystemSyncAccessHandle);

impl OpenFile {
    /// Its length.
    pub(crate) fn len_bytes(&self) -> Result<u64, FileError> {
        self.0.get_size().map(|len| len as u64).map_err(|error| storage_error(&error))
    }

    /// Fills `buffer` from byte `offset` on; an error if the file ends earlier.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), FileError> {
        let read = self.0.read_with_u8_array_and_options(buffer, &at(offset));
        all_of(read, buffer.len())
    }

    /// As [`OpenFile::read_at`], into memory that does not belong to wasm.
    pub(crate) fn read_to(&self, buffer: &Uint8Array, offset: u64) -> Result<(), FileError> {
        let read = self.0.read_with_js_u8_array_and_options(buffer, &at(offset));
        all_of(read, buffer.length() as usize)
    }

    /// Writes `bytes` from byte `offset` on.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), FileError> {
        let written = self.0.write_with_u8_array_and_options(bytes, &at(offset));
        all_written(written, bytes.len())
    }

    /// As [`OpenFile::write_at`], of memory that does not belong to wasm.
    pub(crate) fn write_from(&self, bytes: &Uint8Array, offset: u64) -> Result<(), FileError> {
        let written = self.0.write_with_js_u8_array_and_options(bytes, &at(offset));
        all_written(written, bytes.length() as usize)
    }

    /// Cuts the file, or extends it with zeros.
    pub(crate) fn truncate(&self, len_bytes: u64) -> Result<(), FileError> {
        self.0.truncate_with_f64(len_bytes as f64).map_err(|error| storage_error(&error))
    }

    /// Waits until what was written is safely stored.
    pub(crate) fn flush(&self) -> Result<(), FileError> {
        self.0.flush().map_err(|error| storage_error(&error))
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Checks that as many bytes were read as were requested: fewer mean that the file is damaged.
fn all_of(read: Result<f64, JsValue>, len: usize) -> Result<(), FileError> {
    match read.map_err(|error| storage_error(&error))? as usize {
        read if read == len => Ok(()),
        _ => Err(FileError::Damaged),
    }
}

/// Checks that as many bytes were written as there were: fewer mean that there is no more room.
fn all_written(written: Result<f64, JsValue>, len: usize) -> Result<(), FileError> {
    match written.map_err(|error| storage_error(&error))? as usize {
        written if written == len => Ok(()),
        _ => Err(FileError::StorageFull { needed_bytes: len as u64, free_bytes: None }),
    }
}

fn at(offset: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(offset as f64);
    options
}

/// What the browser says about this site's storage, if anything.
pub(crate) async fn usage() -> Option<Usage> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let storage = Reflect::get(&scope.navigator(), &"storage".into()).ok()?;
    if storage.is_undefined() {
        return None;
    }
    let estimate: StorageEstimate =
        JsFuture::from(scope.navigator().storage().estimate().ok()?).await.ok()?.unchecked_into();
    Some(Usage { used_bytes: estimate.get_usage()? as u64, quota_bytes: estimate.get_quota()? as u64 })
}
