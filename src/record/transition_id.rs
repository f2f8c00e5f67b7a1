//! The id of a transition in records and events. The same transition has the same id in every process and however often it is noticed.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::consent::outcome::span_start;
use crate::consent::{ApprovalState, BoundKey, Expectation, ExpectedTenant, Outcome, TokenId};

/// The id of a transition in records.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct TransitionId {
    /// A hash: [`TransitionId::of`], [`TransitionId::of_state`], or the id of a warning.
    #[serde(rename = "transition")]
    pub id: String,
    /// Tickets can share a transition. Each has its own record.
    #[serde(skip)]
    pub ticket: Option<TokenId>,
}

impl TransitionId {
    /// The transition from `before` to this state. `before` was reached in the second `since`; for a first outcome, it is the start of the
    /// claim's 20-minute span. A repeated visit, a redelivered message and a second press within the span lead to the same id.
    #[must_use]
    pub fn of(state: &ApprovalState, before: Option<Outcome>, since: u64) -> Self {
        let Expectation { app, tenant, .. } = &state.expectation;
        let link = state.link();
        let tenant = match tenant {
            ExpectedTenant::Tenant(tenant) => tenant.to_string(),
            ExpectedTenant::Any => "any".into(),
        };
        let before = before.map_or("none", Outcome::name);
        let ticket = Some(state.ticket);
        Self { id: hashed_id(&format!("{link} {tenant} {app} {before} {} {since}", state.outcome.name())), ticket }
    }

    /// The state of a subject in the 20 minutes around `at`, where we do not know what was published last.
    #[must_use]
    pub fn of_state(subject: &str, state: &ApprovalState, at: u64) -> Self {
        let id = hashed_id(&format!("{subject} {} {}", state.outcome.name(), span_start(at)));
        Self { id, ticket: Some(state.ticket) }
    }

    /// The use of a link that was revoked or has expired, on the day of `at`: one id for a day, however often it is used.
    pub(crate) fn of_ended_link(link: TokenId, ticket: Option<TokenId>, at: u64) -> Self {
        Self { id: hashed_id(&format!("ended {link} {}", at / 86_400)), ticket }
    }

    /// The report that further claims of a link are only counted in the 20 minutes around `at`.
    pub(crate) fn of_counted(key: &BoundKey, state: &ApprovalState, at: u64) -> Self {
        Self { id: hashed_id(&format!("counted {} {}", key.as_str(), span_start(at))), ticket: Some(state.ticket) }
    }
}

/// The hash of a text as an id: the same text always has the same id.
#[must_use]
pub fn hashed_id(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..18).unwrap_or_default())
}
