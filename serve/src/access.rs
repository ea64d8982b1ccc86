//! Who may use the server: host names, origins of pages, and keys.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, AUTHORIZATION, HOST, ORIGIN,
    VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::body::refuse;
use crate::error::{Refusal, StartError};
use crate::queue::Owner;

/// The address of a connection's other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Who may use the server.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) keys: Keys,
    /// Names of this host besides `localhost`, in lower case. A page that makes its own name point here (DNS rebinding)
    /// is told apart by it.
    pub(crate) names: Vec<String>,
    /// Origins whose pages may use the API, in lower case.
    pub(crate) origins: Vec<String>,
}

impl Access {
    /// Checks a request's host and, for the API, its origin. Returns the origin if it is another than this server's.
    fn examine(&self, request: &Request) -> Result<Option<HeaderValue>, Refusal> {
        let host = self.host(request.headers())?;
        if is_api(request.uri().path()) { self.other_origin(request.headers(), host) } else { Ok(None) }
    }

    /// The request's `Host`, if it is one of this server's.
    fn host<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, Refusal> {
        let refusal = || {
            let message = "this server does not have that name; its --name allows others than localhost";
            Refusal::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", message)
        };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).ok_or_else(refusal)?;
        let name = host_name(host).to_lowercase();
        // An address names no other host than the one it reaches.
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let is_own = is_address || name == "localhost" || self.names.contains(&name);
        if is_own { Ok(host) } else { Err(refusal()) }
    }

    /// The origin of the page that sent a request, if it is another than this server's. Other programs send none.
    fn other_origin(&self, headers: &HeaderMap, host: &str) -> Result<Option<HeaderValue>, Refusal> {
        let Some(value) = headers.get(ORIGIN) else { return Ok(None) };
        let origin = value.to_str().unwrap_or_default().to_lowercase();
        if origin.split_once("://").is_some_and(|(_, origin_host)| origin_host == host.to_lowercase()) {
            return Ok(None);
        }
        if self.origins.contains(&origin) {
            return Ok(Some(value.clone()));
        }
        let message = "only pages of this server may use this API; its --cors allows others";
        Err(Refusal::new(StatusCode::FORBIDDEN, "unknown_origin", message))
    }

    /// Who sent a request.
    pub(crate) fn owner(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Owner, Refusal> {
        if self.keys.is_empty() {
            return Ok(Owner::Address(peer));
        }
        let key = bearer(headers).and_then(|key| self.keys.find(key));
        key.map(Owner::Key).ok_or_else(Refusal::bad_key)
    }
}

/// A `Host` without its port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The token of an `Authorization` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Paths that are more than files, on which origins are checked.
fn is_api(path: &str) -> bool {
    path.starts_with("/v1/") || path.starts_with("/lend/")
}

/// Refuses requests to other hosts and, for the API, those of pages of other origins; answers preflights.
pub(crate) async fn check(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let examined = access.examine(&request);
    let origin = match examined {
        Ok(Some(origin)) => origin,
        Ok(None) => return next.run(request).await,
        Err(refusal) => {
            let (parts, mut body) = request.into_parts();
            return refuse(refusal, &parts, &mut body).await;
        }
    };
    let asked = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let methods = HeaderValue::from_static("GET, POST, DELETE");
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        // Clients name themselves in headers of their own.
        response.headers_mut().extend(asked.map(|asked| (ACCESS_CONTROL_ALLOW_HEADERS, asked)));
        response.headers_mut().insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    headers.append(VARY, HeaderValue::from_static("Origin"));
    response
}

/// Secrets that clients prove to know. Only their digests are kept.
#[derive(Default)]
pub(crate) struct Keys(Vec<[u8; 32]>);

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} keys", self.0.len())
    }
}

impl Keys {
    /// The keys of a file, one per line, and another one. Lines that begin with `#` are remarks.
    pub(crate) fn read(file: Option<&Path>, other: Option<&str>) -> Result<Self, StartError> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file).map_err(|error| StartError::File(file.to_owned(), error))?,
            None => String::new(),
        };
        let keys = Self::of(text.lines().filter(|line| !line.starts_with('#')).chain(other));
        match file {
            Some(file) if keys.is_empty() => Err(StartError::Config(file.to_owned(), "it has no keys".to_owned())),
            _ => Ok(keys),
        }
    }

    /// These keys, without spaces around them, and without empty ones.
    pub(crate) fn of<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self(keys.into_iter().map(str::trim).filter(|key| !key.is_empty()).map(digest).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The index of a key. The time that this takes does not depend on how much of a key is right, or which it is.
    pub(crate) fn find(&self, key: &str) -> Option<usize> {
        let digest = digest(key);
        let matches = self.0.iter().map(|own| bool::from(own.as_slice().ct_eq(&digest))).collect::<Vec<_>>();
        matches.iter().position(|is_match| *is_match)
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            keys: Keys::of(["first", " second ", ""]),
            names: vec!["chat.example".to_owned()],
            origins: vec!["https://app.example".to_owned()],
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().unwrap_or(HOST), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_own_hosts_are_served() {
        let is_own = |host| access().host(&headers(&[("host", host)])).is_ok();
        for host in ["localhost:8080", "127.0.0.1", "[::1]:8080", "192.168.1.5:80", "chat.example", "CHAT.example:443"]
        {
            assert!(is_own(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "chat.example.evil", "", "127.0.0.1.evil.example:8080"] {
            assert!(!is_own(host), "{host}");
        }
        assert!(access().host(&HeaderMap::new()).is_err());
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let origin = |origin| {
            let other = access().other_origin(&headers(&[("origin", origin)]), "localhost:8080");
            other.map(|other| other.is_some()).map_err(|refusal| refusal.status())
        };
        assert_eq!(origin("http://localhost:8080"), Ok(false));
        assert_eq!(origin("https://app.example"), Ok(true));
        for other in
            ["null", "http://localhost:9090", "https://app.example:444", "https://evil.example", "localhost:8080"]
        {
            assert_eq!(origin(other), Err(StatusCode::FORBIDDEN), "{other}");
        }
        let none = access().other_origin(&HeaderMap::new(), "localhost:8080");
        assert!(matches!(none, Ok(None)), "programs send none");
    }

    #[test]
    fn keys_are_told_apart() {
        let peer = IpAddr::from([127, 0, 0, 1]);
        let owner = |authorization| access().owner(&headers(&[("authorization", authorization)]), peer).ok();
        assert_eq!(owner("Bearer first"), Some(Owner::Key(0)));
        assert_eq!(owner("bearer second"), Some(Owner::Key(1)));
        for wrong in ["Bearer third", "Bearer ", "Basic first", "first"] {
            assert_eq!(owner(wrong), None, "{wrong}");
        }
        assert!(access().owner(&HeaderMap::new(), peer).is_err());
        let open = Access { keys: Keys::default(), ..access() };
        assert_eq!(open.owner(&HeaderMap::new(), peer).ok(), Some(Owner::Address(peer)));
    }
}
