//! Fetches pages of public hosts. A page that a model chose must not reach what only this device or its network can
//! (SSRF), so each address is checked after its name is resolved, also for redirects, and the connection goes to the
//! address that was checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error, ResponseExt as _};

/// From the name to the last byte.
const TIME: Duration = Duration::from_secs(30);
const MAX_REDIRECTS: u32 = 5;
const MAX_PAGE_BYTES: u64 = 8 << 20;
const MAX_URL_BYTES: usize = 4096;

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    /// The HTTP status.
    pub(super) status: String,
    /// Where it was found, after redirects.
    pub(super) url: String,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

/// Why a page was not fetched.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum FetchError {
    #[error("url: it must be an http or https URL without a user name")]
    BadUrl,
    #[error("only public hosts may be fetched, on the ports 80, 443 and those from 1024")]
    NotPublic,
    #[error("the page is longer than {max} bytes", max = MAX_PAGE_BYTES)]
    TooLarge,
    #[error("the page could not be fetched: {0}")]
    Failed(String),
}

impl From<Error> for FetchError {
    fn from(error: Error) -> Self {
        match error {
            Error::BodyExceedsLimit(_) => Self::TooLarge,
            Error::Other(error) if error.is::<Self>() => Self::NotPublic,
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Fetches a page of a public host. Waits for it.
pub(super) fn fetch(url: &str) -> Result<Page, FetchError> {
    fetch_from(url, is_public)
}

fn fetch_from(url: &str, is_allowed: fn(&SocketAddr) -> bool) -> Result<Page, FetchError> {
    if !is_plain_url(url) {
        return Err(FetchError::BadUrl);
    }
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // A proxy would resolve names by itself.
        .proxy(None)
        .max_redirects(MAX_REDIRECTS)
        .timeout_global(Some(TIME))
        .user_agent("Mozilla/5.0 (compatible; Parlance)")
        .build();
    let resolver = Checked { resolver: DefaultResolver::default(), is_allowed };
    let agent = Agent::with_parts(config, DefaultConnector::new(), resolver);
    let mut response = agent.get(url).call()?;
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    Ok(Page {
        status: response.status().as_u16().to_string(),
        url: response.get_uri().to_string(),
        content_type: content_type.unwrap_or_default().to_owned(),
        body: response.body_mut().with_config().limit(MAX_PAGE_BYTES).read_to_vec()?,
    })
}

fn is_plain_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let has_plain_host = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    url.len() <= MAX_URL_BYTES && matches!(uri.scheme_str(), Some("http" | "https")) && has_plain_host
}

/// Resolves names to allowed addresses only.
#[derive(Debug)]
struct Checked {
    resolver: DefaultResolver,
    is_allowed: fn(&SocketAddr) -> bool,
}

impl Resolver for Checked {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let resolved = self.resolver.resolve(uri, config, timeout)?;
        let mut allowed = self.empty();
        for address in resolved.iter().filter(|address| (self.is_allowed)(address)) {
            allowed.push(*address);
        }
        if allowed.is_empty() { Err(Error::Other(Box::new(FetchError::NotPublic))) } else { Ok(allowed) }
    }
}

fn is_public(address: &SocketAddr) -> bool {
    matches!(address.port(), 80 | 443 | 1024..) && is_public_ip(address.ip().to_canonical())
}

/// Whether an address belongs to the public internet (IANA's registries of special-purpose addresses).
fn is_public_ip(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    /// Networks that are not, with the lengths of their prefixes.
    const SPECIAL: [([u8; 4], u32); 15] = [
        ([0, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([127, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 88, 99, 0], 24),
        ([192, 168, 0, 0], 16),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        ([224, 0, 0, 0], 4),
        ([240, 0, 0, 0], 4),
    ];
    let is_in = |(network, len): &([u8; 4], u32)| {
        let differing = u32::from(address) ^ u32::from_be_bytes(*network);
        differing.leading_zeros() >= *len
    };
    !SPECIAL.iter().any(is_in)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Protocols such as Teredo, and documentation; 6to4, which has an IPv4 address in it; more documentation.
        [0x2001, 0..0x200 | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..0x1000, ..] => false,
        // All that has been given out so far.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicU16, Ordering};

    use super::*;

    fn is_public_text(address: &str) -> bool {
        address.parse().is_ok_and(|address: SocketAddr| is_public(&address))
    }

    #[test]
    fn only_public_addresses_are_allowed() {
        for address in [
            "1.1.1.1:443",
            "93.184.215.14:80",
            "172.15.0.1:80",
            "172.32.0.1:8080",
            "100.128.0.1:80",
            "[2606:4700::1111]:443",
            "[2001:4860::8888]:443",
            "[::ffff:1.1.1.1]:443",
        ] {
            assert!(is_public_text(address), "{address}");
        }
        for address in [
            "127.0.0.1:80",
            "127.9.9.9:80",
            "0.0.0.0:80",
            "10.1.2.3:80",
            "172.16.0.1:80",
            "172.31.255.255:80",
            "192.168.0.1:80",
            "169.254.169.254:80",
            "100.64.0.1:80",
            "100.127.255.255:80",
            "192.0.0.8:80",
            "198.19.0.1:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "1.1.1.1:25",
            "1.1.1.1:0",
            "[::1]:80",
            "[::]:80",
            "[fe80::1]:80",
            "[fd00::1]:80",
            "[ff02::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[::ffff:10.0.0.1]:80",
            "[64:ff9b::7f00:1]:80",
            "[2002:7f00:1::1]:80",
            "[2001::1]:80",
            "[2001:db8::1]:80",
            "[3fff::1]:80",
        ] {
            assert!(!is_public_text(address), "{address}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for url in [
            "",
            "example.org",
            "file:///etc/passwd",
            "ftp://example.org/",
            "http:///x",
            "https://user@example.org/",
            "https://user:password@example.org/",
            "javascript:alert(1)",
            "http://exa mple.org/",
        ] {
            assert_eq!(fetch(url).err(), Some(FetchError::BadUrl), "{url}");
        }
        let long = format!("http://example.org/{}", "x".repeat(MAX_URL_BYTES));
        assert_eq!(fetch(&long).err(), Some(FetchError::BadUrl));
    }

    #[test]
    fn hosts_of_this_device_are_refused_by_any_name() {
        for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "127.1"] {
            let result = fetch(&format!("http://{host}:8080/"));
            assert!(matches!(result, Err(FetchError::NotPublic | FetchError::Failed(_))), "{host}: {result:?}");
        }
        assert_eq!(fetch("http://127.0.0.1:8080/").err(), Some(FetchError::NotPublic));
    }

    /// A server that answers `count` requests with these bytes. Returns its port.
    fn serve(count: usize, response: Vec<u8>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let port = listener.local_addr().map_or(0, |address| address.port());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().take(count).flatten() {
                if stream.read(&mut [0; 4096]).is_ok_and(|len| len > 0) {
                    let _ = stream.write_all(&response);
                }
            }
        });
        port
    }

    /// The only port that may be reached by the test below.
    static ALLOWED: AtomicU16 = AtomicU16::new(0);

    #[test]
    fn pages_are_fetched_within_their_limits() {
        let allowed = |address: &SocketAddr| address.port() == ALLOWED.load(Ordering::Relaxed);
        let get = |response: Vec<u8>| {
            let port = serve(10, response);
            ALLOWED.store(port, Ordering::Relaxed);
            fetch_from(&format!("http://127.0.0.1:{port}/page"), allowed)
        };
        let with_body = |head: &str, body: &[u8]| {
            let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            [head.as_bytes(), body].concat()
        };
        let page = get(with_body("404 Not Found\r\nContent-Type: text/plain", b"none")).ok();
        let parts = page.map(|page| (page.status, page.content_type, page.body));
        assert_eq!(parts, Some(("404".to_owned(), "text/plain".to_owned(), b"none".to_vec())));
        let secret = serve(1, with_body("200 OK", b"secret"));
        let redirect = with_body(&format!("302 Found\r\nLocation: http://127.0.0.1:{secret}/"), b"");
        assert_eq!(get(redirect).err(), Some(FetchError::NotPublic), "a redirect leads to another port");
        let circle = get(with_body("302 Found\r\nLocation: /page", b""));
        assert!(matches!(circle, Err(FetchError::Failed(_))), "{circle:?}");
        let long = get(with_body("200 OK", &vec![b'x'; MAX_PAGE_BYTES as usize + 1]));
        assert_eq!(long.err(), Some(FetchError::TooLarge));
    }
}
