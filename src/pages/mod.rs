//! The pages, one file each.

pub(crate) mod chat;
pub(crate) mod models;
pub(crate) mod not_found;
pub(crate) mod performance;
pub(crate) mod playground;
pub(crate) mod projects;
pub(crate) mod settings;
pub(crate) mod storage;
