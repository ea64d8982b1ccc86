//! What whoever started this worker has said by its name (`web/start-worker.js`): which site and build it belongs to, and where models may come
//! from.

use serde::Deserialize;
use wasm_bindgen::JsCast as _;
use web_sys::DedicatedWorkerGlobalScope;

use crate::policy::AllowedHosts;

/// The worker's name, read.
#[derive(Debug, Default, Deserialize)]
struct Identity {
    /// The folder of the site; with its origin, where that is not the page's.
    site: String,
    /// The build of the site.
    build: String,
    allowed_hosts: AllowedHosts,
}

impl Identity {
    /// Workers that were started in another way have the site's folder as their name, and fetch from nowhere.
    fn parse(name: &str) -> Self {
        serde_json::from_str(name).unwrap_or_else(|_| Self { site: name.to_owned(), ..Self::default() })
    }

    /// Tells channels and locks of this site from those of others on its origin, and those of this build from those of others, which may speak
    /// another protocol.
    fn scope(&self) -> String {
        format!("{}@{}", self.site, self.build)
    }
}

thread_local! {
    static IDENTITY: Identity = {
        let worker: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        Identity::parse(&worker.name())
    };
}

/// What the names of this worker's channels and locks hold.
pub(crate) fn scope() -> String {
    IDENTITY.with(Identity::scope)
}

/// Where the page that started this worker lets models be fetched from.
pub(crate) fn allowed_hosts() -> AllowedHosts {
    IDENTITY.with(|identity| identity.allowed_hosts.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_and_builds_do_not_meet() {
        let scope = |name: &str| Identity::parse(name).scope();
        let name = |site: &str, build: &str| format!(r#"{{"site":"{site}","build":"{build}","allowed_hosts":[]}}"#);
        assert_eq!(scope(&name("/a/", "1")), "/a/@1");
        assert_ne!(scope(&name("/a/", "1")), scope(&name("/b/", "1")));
        assert_ne!(scope(&name("/a/", "1")), scope(&name("/a/", "2")));
    }

    #[test]
    fn a_worker_that_was_started_in_another_way_fetches_from_nowhere() {
        let identity = Identity::parse("/a/");
        assert_eq!(identity.scope(), "/a/@");
        assert_eq!(identity.allowed_hosts, AllowedHosts::default());
    }
}
