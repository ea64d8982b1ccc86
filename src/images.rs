//! The images of conversations on this page: their URLs, by digest. A URL is made when an image is first shown or sent, and
//! lasts as long as the page, because a request may be repeated.

use std::collections::HashMap;

use leptos::prelude::*;
use parlance_protocol::library::Image;
use web_sys::Url;

use crate::library::Library;

/// The handle; cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Images {
    library: Library,
    urls: RwSignal<HashMap<String, Result<String, Missing>>>,
}

/// An image is not on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing;

impl Images {
    pub(crate) fn new(library: Library) -> Self {
        Self { library, urls: RwSignal::new(HashMap::new()) }
    }

    /// The URL of an image, once it is known. Reactive.
    pub(crate) fn url(self, digest: &str) -> Option<Result<String, Missing>> {
        self.urls.read().get(digest).cloned()
    }

    /// The URL of an image that was loaded before, if it is on this device. Not reactive.
    pub(crate) fn known_url(self, digest: &str) -> Option<String> {
        self.urls.read_untracked().get(digest)?.clone().ok()
    }

    /// Those of some images whose URL is not known yet.
    pub(crate) fn unknown<'a>(self, images: impl IntoIterator<Item = &'a Image>) -> Vec<String> {
        let urls = self.urls.read_untracked();
        let digests = images.into_iter().map(|image| &image.digest);
        digests.filter(|digest| !urls.contains_key(*digest)).cloned().collect()
    }

    /// Makes the URLs of images.
    pub(crate) async fn load(self, digests: Vec<String>) {
        for digest in digests {
            if self.urls.read_untracked().contains_key(&digest) {
                continue;
            }
            let file = self.library.image(digest.clone()).await;
            let url = file.and_then(|file| Url::create_object_url_with_blob(&file).ok());
            self.urls.update(|urls| {
                // Somebody else may have made one meanwhile.
                urls.entry(digest).or_insert(url.ok_or(Missing));
            });
        }
    }
}
