//! A request as the router sees it, whatever carried it.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, Method};

/// What carried the request. Recorded as the event kind; it never decides anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FrontDoor {
    /// API Gateway HTTP API, payload 2.0.
    HttpApi,
    /// API Gateway REST API, payload 1.0.
    RestApi,
    /// A Lambda function URL.
    FunctionUrl,
    /// An Application Load Balancer.
    LoadBalancer,
    /// The local server.
    Local,
    /// An event that is not HTTP: a message of the queue, or something this was never meant for.
    Other,
}

/// One request. Texts are as they came; nothing in here is trusted.
#[derive(Debug, Clone)]
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
