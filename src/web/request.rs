//! A request as the router sees it, from every front door.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderName, Method};

use crate::approval::Visitor;
use crate::record::FrontDoor;

/// One request. Texts are as they came; nothing in here is trusted, and `Debug` shows none of it: a path, a query, a cookie or a
/// body may hold a ticket.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path below the stage prefix, percent-encoded as it came, starting with `/`.
    pub path: String,
    /// The query without `?`, bytes as they came on the wire.
    pub query: Vec<u8>,
    /// The headers. Only `accept`, `content-type`, `cookie` and `user-agent` are ever read; Host and X-Forwarded-* never are.
    pub headers: HeaderMap,
    /// The body, decoded from base64 where the event said so.
    pub body: Bytes,
    /// The caller's address from the request context or the socket, never from a header.
    pub source: Option<IpAddr>,
    /// What carried it.
    pub front_door: FrontDoor,
}

impl Request {
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A request for JSON. A browser's `Accept` names `text/html`, and then the page is meant.
    pub(super) fn wants_json(&self) -> bool {
        let accept = self.header(&ACCEPT).unwrap_or_default().to_ascii_lowercase();
        accept.contains("application/json") && !accept.contains("text/html")
    }

    pub(super) fn visitor(&self) -> Visitor<'_> {
        Visitor {
            front_door: self.front_door,
            address: self.source,
            browser: self.header(&USER_AGENT),
            bytes: self.query.len().saturating_add(self.body.len()),
            is_program: self.wants_json(),
        }
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (query, body) = (self.query.len(), self.body.len());
        f.debug_struct("Request").field("front_door", &self.front_door).field("query", &query).field("body", &body).finish_non_exhaustive()
    }
}
