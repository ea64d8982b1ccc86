//! One file a page.

pub(crate) mod chat;
pub(crate) mod not_found;
pub(crate) mod storage;
