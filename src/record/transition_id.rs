//! The id of a transition in records and events. The same transition has the same id in every process and in every repetition.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::consent::outcome::span_start;
use crate::consent::{ApprovalState, BoundKey, Expectation, ExpectedTenant, Outcome, TokenId};

/// The id of a transition in records.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct TransitionId {
    /// A hash of the parts that make the transition unique.
    #[serde(rename = "transition")]
    pub id: String,
    /// The ticket. Several tickets can share a transition id, and each ticket has its own record.
    #[serde(skip)]
    pub ticket: Option<TokenId>,
}

impl TransitionId {
    /// The id of the transition from `before` to this state. `since` is the second in which `before` was reached. For a first outcome,
    /// `since` is the start of the span in which the callback arrived. A repeated visit, a redelivered message and a second press in the
    /// same span lead to the same id.
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

    /// The id for a state of a subject in the span that contains `at`, if we do not know the last event.
    #[must_use]
    pub fn of_state(subject: &str, state: &ApprovalState, at: u64) -> Self {
        let id = hashed_id(&format!("{subject} {} {}", state.outcome.name(), span_start(at)));
        Self { id, ticket: Some(state.ticket) }
    }

    /// The id for the use of a link that was revoked or has expired. All uses on the day of `at` have the same id.
    pub(crate) fn of_ended_link(link: TokenId, ticket: Option<TokenId>, at: u64) -> Self {
        Self { id: hashed_id(&format!("ended {link} {}", at / 86_400)), ticket }
    }

    /// The id of the event that asks for another link. All requests on the day of `at` have the same id.
    pub(crate) fn of_renewal(link: TokenId, at: u64) -> Self {
        Self { id: hashed_id(&format!("renewal {link} {}", at / 86_400)), ticket: None }
    }

    /// The id of the event about the counted claims of a link, in the span that contains `at`.
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
