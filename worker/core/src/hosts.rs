//! Hosts from which a client lets models be fetched.

use std::rc::Rc;

use serde::Deserialize;

/// The origins that models may be fetched from; `*.` stands for any name below a domain, as in a Content-Security-Policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<String>")]
pub struct AllowedHosts(Rc<[String]>);

impl From<Vec<String>> for AllowedHosts {
    fn from(origins: Vec<String>) -> Self {
        Self(origins.into())
    }
}

impl AllowedHosts {
    /// The origins, as they were given.
    pub fn origins(&self) -> &[String] {
        &self.0
    }

    /// Whether something may be fetched from `origin`.
    pub fn permits(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| matches(allowed, origin))
    }
}

fn matches(allowed: &str, origin: &str) -> bool {
    let Some((scheme, domain)) = allowed.split_once("*.") else { return allowed == origin };
    let below = origin.strip_prefix(scheme).and_then(|host| host.strip_suffix(domain));
    scheme.ends_with("://") && below.is_some_and(|name| name.len() > 1 && name.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_allowed_by_its_origin() {
        let hosts = ["https://models.example.org", "https://*.hf.co", "http://*.local:8080", "*.bare.org"];
        let allowed = AllowedHosts::from(hosts.map(str::to_owned).to_vec());
        let permitted =
            ["https://models.example.org", "https://cdn.hf.co", "https://a.b.hf.co", "http://nas.local:8080"];
        for origin in permitted {
            assert!(allowed.permits(origin), "{origin}");
        }
        for origin in [
            "http://models.example.org",
            "https://models.example.org:444",
            "https://example.org",
            "https://models.example.org.evil.net",
            "https://hf.co",
            "https://.hf.co",
            "https://evilhf.co",
            "http://cdn.hf.co",
            "https://cdn.hf.co:444",
            "http://nas.local",
            "https://a.bare.org",
            "null",
            "",
        ] {
            assert!(!allowed.permits(origin), "{origin}");
        }
        assert!(!AllowedHosts::default().permits("https://models.example.org"), "nothing is allowed by default");
    }
}
