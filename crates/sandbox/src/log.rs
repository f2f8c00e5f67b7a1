//! The sandbox's request log, for tests that count calls and for users who are curious.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use time::OffsetDateTime;

use super::ids::{ClientId, TenantId};

/// The purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The discovery document of a tenant.
    Discovery,
    /// The consent page was shown, or refused with an error page.
    ConsentPage,
    /// A decision on the consent page.
    Decision,
    /// The token endpoint.
    Token,
    /// A Graph `$batch`, with any number of parts.
    Batch,
    /// A single Graph call, outside a batch.
    Graph,
    /// AWS STS, or the discovery and key documents of its token issuer.
    Sts,
    /// The control address.
    Control,
    /// Anything else: the favicon of a browser, a wrong address.
    Other,
}

impl Kind {
    /// Whether the product's backend sends this request to Microsoft. Browser, control and AWS STS requests do not count.
    #[must_use]
    pub fn is_upstream(self) -> bool {
        matches!(self, Self::Discovery | Self::Token | Self::Batch | Self::Graph)
    }
}

/// One received request. Contains no secret, assertion, token or `state`.
#[derive(Debug, Clone, Serialize)]
pub struct LoggedRequest {
    /// The time, by the sandbox's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The purpose.
    pub kind: Kind,
    /// The method.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The tenant. A request to the authority names its tenant in the path, a Graph call in the token.
    pub tenant: Option<TenantId>,
    /// The app that requested a token or consent.
    pub app: Option<ClientId>,
    /// Bytes of the body.
    pub body_bytes: usize,
    /// The ids of the batch's parts, as sent.
    pub parts: Vec<String>,
    /// Path and query of each Graph call. In a batch, they are in the order of `parts`.
    pub graph_paths: Vec<String>,
    /// The scope of a token request.
    pub scope: Option<String>,
    /// The header `client-request-id`.
    pub client_request_id: Option<String>,
    /// The status of the answer. `None` before the answer is made, and if the connection was reset.
    pub status: Option<u16>,
}

/// The last requests, and the number of requests of each kind.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    last: VecDeque<LoggedRequest>,
    /// The number of the oldest entry in `last`. Evictions do not change an entry's number, so that a finished answer finds its entry.
    first: usize,
    counts: BTreeMap<Kind, u64>,
}

impl RequestLog {
    /// The maximum number of entries. The counts include older requests.
    const KEPT: usize = 20_000;

    pub(super) fn add(&mut self, request: LoggedRequest) -> usize {
        *self.counts.entry(request.kind).or_default() += 1;
        if self.last.len() == Self::KEPT {
            self.last.pop_front();
            self.first += 1;
        }
        self.last.push_back(request);
        self.first + self.last.len() - 1
    }

    pub(super) fn entry(&mut self, number: usize) -> Option<&mut LoggedRequest> {
        self.last.get_mut(number.checked_sub(self.first)?)
    }

    pub(super) fn all(&self) -> Vec<LoggedRequest> {
        self.last.iter().cloned().collect()
    }

    pub(super) fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    pub(super) fn counts(&self) -> &BTreeMap<Kind, u64> {
        &self.counts
    }

    pub(super) fn clear(&mut self) {
        self.first += self.last.len();
        self.last.clear();
        self.counts.clear();
    }
}
