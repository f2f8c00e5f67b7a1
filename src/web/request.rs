//! A request as the router sees it, from any front door.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ACCEPT, COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, Method};

use crate::approval::Visitor;
use crate::consent::Query;
use crate::record::{AddressSource, FrontDoor};

/// One request. Texts are as received, and none of them is trusted. `Debug` shows none of them: a path, query, cookie or body may contain a
/// ticket.
#[derive(Clone)]
pub struct Request {
    /// The method that the front door reported.
    pub method: Method,
    /// The path below the stage prefix, percent-encoded as received. Starts with `/`.
    pub path: String,
    /// The query, decoded by the door.
    pub query: Query,
    /// The headers. Code reads only `accept`, `content-type`, `cookie`, `sec-fetch-site` and `user-agent`, and never Host or
    /// X-Forwarded-Host.
    pub headers: HeaderMap,
    /// The body. If the event marked the body as base64, the door has decoded it.
    pub body: Bytes,
    /// The caller's address as the front door knows it, never from a header that the caller can write.
    pub source: Option<IpAddr>,
    /// Where `source` comes from.
    pub source_from: AddressSource,
    /// The service that delivered the request.
    pub front_door: FrontDoor,
}

impl Request {
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether a program asks for JSON. A browser's `Accept` contains `text/html`, and the browser then gets the page.
    pub(super) fn wants_json(&self) -> bool {
        let accept = self.header(&ACCEPT).unwrap_or_default().to_ascii_lowercase();
        accept.contains("application/json") && !accept.contains("text/html")
    }

    /// Whether the browser reports that a page of another site sent the request.
    pub(super) fn is_cross_site(&self) -> bool {
        self.header(&SEC_FETCH_SITE) == Some("cross-site")
    }

    /// Whether the reader followed [`STOP_RELOADING`].
    pub(super) fn stops_reloading(&self) -> bool {
        self.query.first("reload") == Some("off")
    }

    pub(super) fn visitor(&self) -> Visitor<'_> {
        Visitor {
            front_door: self.front_door,
            address: self.source.map(|address| (address, self.source_from)),
            browser: self.header(&USER_AGENT),
            bytes: self.query.bytes().saturating_add(self.body.len()),
            is_program: self.wants_json(),
            secret: self.cookie(SECRET),
            verifier_claim: self.cookie(VERIFIER_CLAIM),
        }
    }
}

/// The names of our cookies. Browsers refuse a cookie with this prefix if it lacks `Secure` or `Path=/`, or has a `Domain`.
pub(super) const SECRET: &str = "__Host-entra-consent";
pub(super) const VERIFIER_CLAIM: &str = "__Host-entra-consent-verifier";

/// Where a browser reports the site of the page that sent a request.
pub(crate) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The link to a waiting page that does not reload.
pub(super) const STOP_RELOADING: &str = "?reload=off";

impl Request {
    fn cookie(&self, name: &str) -> Option<&str> {
        // Over HTTP/2 a browser may send each cookie in its own header (RFC 9113 §8.2.3). Cookies of other hosts on the domain arrive too,
        // and these may contain any bytes (RFC 6265 §5.4).
        let cookies = self.headers.get_all(COOKIE).into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
        let ours = cookies.filter_map(|cookie| cookie.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        ours.filter_map(|value| std::str::from_utf8(value).ok()).next()
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = self.body.len();
        f.debug_struct("Request")
            .field("front_door", &self.front_door)
            .field("query", &self.query)
            .field("body", &body)
            .finish_non_exhaustive()
    }
}
