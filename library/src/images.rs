//! The images of conversations, in the browser's private file system.
//!
//! A file is named after the SHA-256 of its bytes, so an image that is attached twice is stored once. Messages refer to it by
//! that name. What no message refers to any more goes when the library is opened later, because deleting can be undone.

use std::collections::HashSet;

use js_sys::{Promise, Reflect, Uint8Array};
use parlance_pictures::{Drawing, Header, Kind, MAX_BYTES, MAX_SIDE, PictureError, digest, draw, is_plain};
use parlance_protocol::library::Image;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemSyncAccessHandle, WorkerGlobalScope,
};

use crate::error::LibraryError;

/// Unused images that are younger stay: they may be in the composer of another tab, or a deletion may be undone.
const MIN_UNUSED_MS: f64 = 24.0 * 3600.0 * 1000.0;

#[wasm_bindgen]
extern "C" {
    /// A file handle of a worker: web-sys counts the method that opens files in place as unstable.
    type WorkerFileHandle;

    #[wasm_bindgen(method, catch, js_name = createSyncAccessHandle)]
    fn create_sync_access_handle(this: &WorkerFileHandle) -> Result<Promise, JsValue>;
}

/// Width and height in pixels.
type Size = (u32, u32);

/// The folder of images.
#[derive(Clone)]
pub(crate) struct Images(FileSystemDirectoryHandle);

impl Images {
    /// Opens the folder of the site at this path.
    pub(crate) async fn open(site: &str) -> Result<Self, LibraryError> {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let storage = Reflect::get(&scope.navigator(), &"storage".into()).unwrap_or_default();
        let has_folder = storage.is_object() && Reflect::has(&storage, &"getDirectory".into()).unwrap_or_default();
        if !has_folder {
            return Err(LibraryError::NoFiles);
        }
        let root = JsFuture::from(scope.navigator().storage().get_directory()).await;
        let root: FileSystemDirectoryHandle = root.map_err(|_| LibraryError::NoFiles)?.unchecked_into();
        let images = folder(&root, "images").await?;
        // An origin may host several sites.
        Ok(Self(folder(&images, &site.replace('/', "~")).await?))
    }

    /// Stores an image that the user attaches, drawn anew. Also returns its size before it was scaled, if it was.
    pub(crate) async fn add(&self, blob: &Blob, alt: String) -> Result<(Image, Option<Size>), LibraryError> {
        if blob.size() > MAX_BYTES as f64 {
            return Err(PictureError::TooManyBytes(blob.size() as u64).into());
        }
        let bytes = bytes_of(blob).await?;
        let header = Header::read(&bytes)?;
        let drawing = draw(&bytes, &header, MAX_SIDE).await?;
        let image = self.store(&drawing, header.kind, alt).await?;
        let is_scaled = drawing.original != (image.width, image.height);
        Ok((image, is_scaled.then_some(drawing.original)))
    }

    /// Stores an imported image under the name that messages use, if it is the image of that name and one that can be decoded.
    /// One with metadata was not stored by this app. It is drawn anew, and returned, because messages have to refer to that.
    pub(crate) async fn import(&self, name: &str, file: &[u8]) -> Result<Option<Image>, LibraryError> {
        let header = match Header::read(file) {
            Ok(header) if digest(file) == name => header,
            _ => return Ok(None),
        };
        if is_plain(file, header.kind) {
            self.write(name, file).await?;
            return Ok(None);
        }
        match draw(file, &header, MAX_SIDE).await {
            Ok(drawing) => self.store(&drawing, header.kind, String::new()).await.map(Some),
            // It is like one that is missing.
            Err(_) => Ok(None),
        }
    }

    /// Stores the drawing of a file of this kind.
    async fn store(&self, drawing: &Drawing, kind: Kind, alt: String) -> Result<Image, LibraryError> {
        let (file, kind) = drawing.file(kind.stored()).await?;
        let (width, height) = (drawing.width, drawing.height);
        let image = Image { digest: digest(&file), alt, kind: kind.mime().to_owned(), width, height };
        self.write(&image.digest, &file).await?;
        Ok(image)
    }

    /// A stored image, if it is there. Its bytes are in memory: those of a file that was just written could not be read if the
    /// browser noted its time later.
    pub(crate) async fn get(&self, digest: &str) -> Option<Blob> {
        let bytes = Uint8Array::from(self.read(digest).await?.as_slice());
        Blob::new_with_u8_array_sequence(&js_sys::Array::of1(&bytes)).ok()
    }

    /// The bytes of a stored image, if it is there.
    pub(crate) async fn read(&self, digest: &str) -> Option<Vec<u8>> {
        let file = self.file(digest).await?;
        if let Ok(bytes) = bytes_of(&file).await {
            return Some(bytes);
        }
        let file = self.file(digest).await?;
        bytes_of(&file).await.ok()
    }

    async fn file(&self, digest: &str) -> Option<File> {
        let handle = JsFuture::from(self.0.get_file_handle(digest)).await.ok()?;
        Some(JsFuture::from(handle.unchecked_into::<FileSystemFileHandle>().get_file()).await.ok()?.unchecked_into())
    }

    /// How many images are stored, and their bytes.
    pub(crate) async fn count(&self) -> (u32, f64) {
        let (mut count, mut len_bytes) = (0, 0.0);
        for name in self.names().await {
            if let Some(file) = self.file(&name).await {
                count += 1;
                len_bytes += file.size();
            }
        }
        (count, len_bytes)
    }

    /// Names of the images that are old enough to be deleted if no message refers to them.
    pub(crate) async fn old(&self) -> Vec<String> {
        let mut old = Vec::new();
        for name in self.names().await {
            let modified = self.file(&name).await.map_or(0.0, |file| file.last_modified());
            if js_sys::Date::now() - modified >= MIN_UNUSED_MS {
                old.push(name);
            }
        }
        old
    }

    /// Deletes those of some images that are not used.
    pub(crate) async fn delete_unused(&self, names: Vec<String>, used: &HashSet<String>) {
        for name in names.into_iter().filter(|name| !used.contains(name)) {
            // One that is being read stays until the next time.
            let _ = JsFuture::from(self.0.remove_entry(&name)).await;
        }
    }

    /// Deletes all images.
    pub(crate) async fn clear(&self) {
        self.delete_unused(self.names().await, &HashSet::new()).await;
    }

    async fn names(&self) -> Vec<String> {
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

    /// Writes a file, unless it is there: its name stands for its bytes. One that was cut off when it was written is not.
    async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), LibraryError> {
        if self.file(name).await.is_some_and(|file| file.size() as usize == bytes.len()) {
            return Ok(());
        }
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let write = async || -> Result<bool, JsValue> {
            let handle = JsFuture::from(self.0.get_file_handle_with_options(name, &options)).await?;
            let opened = handle.unchecked_into::<WorkerFileHandle>().create_sync_access_handle()?;
            let file: FileSystemSyncAccessHandle = JsFuture::from(opened).await?.unchecked_into();
            let written = file.truncate_with_f64(0.0).and_then(|()| file.write_with_u8_array(bytes));
            let flushed = file.flush();
            file.close();
            flushed?;
            Ok(written? as usize == bytes.len())
        };
        let result = write().await;
        if matches!(result, Ok(true)) {
            return Ok(());
        }
        // Part of an image is of no use. If it cannot be removed either, its length tells.
        let _ = JsFuture::from(self.0.remove_entry(name)).await;
        Err(result.err().map_or(LibraryError::StorageFull, |error| LibraryError::of_files(&error)))
    }
}

async fn folder(parent: &FileSystemDirectoryHandle, name: &str) -> Result<FileSystemDirectoryHandle, LibraryError> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(true);
    let folder = JsFuture::from(parent.get_directory_handle_with_options(name, &options)).await;
    Ok(folder.map_err(|error| LibraryError::of_files(&error))?.unchecked_into())
}

async fn bytes_of(blob: &Blob) -> Result<Vec<u8>, LibraryError> {
    let buffer = JsFuture::from(blob.array_buffer()).await.map_err(|error| LibraryError::of_files(&error))?;
    Ok(Uint8Array::new(&buffer).to_vec())
}
