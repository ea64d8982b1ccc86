//! The name that a worker is started with (`web/start-worker.js`): its site and build, and where models may be fetched from.

use serde::Deserialize;

use crate::hosts::AllowedHosts;

/// A worker's name, parsed.
#[derive(Debug, Default, Deserialize)]
pub struct Identity {
    /// The site's folder; with its origin, where that is not the page's.
    site: String,
    /// The site's build.
    build: String,
    /// Hosts from which the page lets models be fetched.
    pub allowed_hosts: AllowedHosts,
}

impl Identity {
    /// Parses a worker's name. Workers that were started in another way have the site's folder as their name, and fetch nothing.
    pub fn parse(name: &str) -> Self {
        serde_json::from_str(name).unwrap_or_else(|_| Self { site: name.to_owned(), ..Self::default() })
    }

    /// Distinguishes this site's locks and channels from those of other sites on its origin, and from those of other builds, which may speak
    /// another version of the protocol.
    pub fn scope(&self) -> String {
        format!("{}@{}", self.site, self.build)
    }
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
    fn a_worker_that_was_started_in_another_way_fetches_nothing() {
        let identity = Identity::parse("/a/");
        assert_eq!(identity.scope(), "/a/@");
        assert_eq!(identity.allowed_hosts, AllowedHosts::default());
    }
}
