//! The state of an approval after its ticket came back. Receipts and orders carry it from one request to the next.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::{PROVISIONAL, conclude, span_start};
use super::{Claim, Expectation, ExpectedTenant, Outcome, TenantId, TokenId, Verdict};

/// The state of an approval after its ticket came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalState {
    /// The ticket's `jti`.
    pub ticket: TokenId,
    /// The approval that the link asks for.
    pub expectation: Expectation,
    /// What the callback said.
    pub claim: Claim,
    /// The outcome at the time of signing.
    pub outcome: Outcome,
    /// When the outcome was reached, in seconds since 1970. The id of the next transition contains this time.
    pub since: u64,
    /// When the callback arrived, in seconds since 1970. The 20 provisional minutes start here.
    pub callback_at: u64,
    /// A check counts only if it began at this time or later, in microseconds since 1970. For a claim of success, a direct link's claim or
    /// a press of the button, it is the arrival. For any other claim, it is the end of the second in which the ticket was signed.
    pub counts_from: u64,
    /// Whether the button was pressed in the browser of the callback, and later whether it was pressed in the browser of the visit.
    pub binding: Binding,
    /// The mark of the browser that pressed the button, to compare with a visitor's cookie; `None` in older receipts and in orders.
    pub browser: Option<Box<str>>,
    /// Whether the ticket had expired when the callback arrived.
    pub late: bool,
    /// When the ticket was signed, in seconds since 1970. An operator can revoke all links that were signed before a certain time.
    pub signed_at: u64,
    /// How often the outcome has changed since the callback.
    pub step: u32,
    /// Whether another check is in the queue.
    pub queued: Queued,
    /// The id of the event about this outcome, if a configured receiver has the event or will get it.
    pub event: Option<Box<str>>,
    /// When a person claimed to have approved the verifier of this app, in seconds since 1970. Set only if that claim came within the
    /// 20 minutes before this approval's own claim or press.
    pub verifier_claimed_at: Option<u64>,
}

/// Whether the browser that came back is the one that pressed the button. Records contain the binding. Apart from that, it decides only
/// whether the page shows the organisation's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// The cookie's secret matches the ticket.
    Browser,
    /// The browser sent a cookie that does not match.
    Mismatch,
    /// A direct link, no cookie, or a cross-site form post.
    None,
}

/// The state of the order for another check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queued {
    /// No check was needed, or this installation has no queue.
    #[default]
    No,
    /// The order is in the queue.
    Sent,
    /// The queue did not accept the order: a later visit tries again.
    Refused,
}

impl ApprovalState {
    /// The state after a change to `outcome`, reached at `since` in seconds since 1970.
    #[must_use]
    pub fn changed_to(&self, outcome: Outcome, since: u64) -> Self {
        Self { outcome, since, step: self.step.saturating_add(1), event: None, ..self.clone() }
    }

    /// The start of the second that follows the callback. A check that began later certainly began after the callback.
    pub(crate) fn counts_from_next_second(callback_at: u64) -> u64 {
        callback_at.saturating_add(1).saturating_mul(1_000_000)
    }

    /// The state without label, reference and the exact second of its outcome, for a token that would otherwise be too long.
    #[must_use]
    pub fn bare(&self) -> Self {
        let expectation = Expectation { label: None, reference: None, ..self.expectation.clone() };
        Self { expectation, since: span_start(self.callback_at), ..self.clone() }
    }

    /// The tenant in which another check may find more. `None` if the tenant is unknown, and for an outcome that no check can verify.
    pub(crate) fn askable(&self) -> Option<TenantId> {
        match self.expectation.tenant {
            ExpectedTenant::Tenant(tenant) if !self.outcome.is_unverifiable() => Some(tenant),
            ExpectedTenant::Tenant(_) | ExpectedTenant::Any => None,
        }
    }

    /// The outcome that a verdict means for this approval; `before` and `age` as in [`conclude`], `now` in seconds since 1970. If Microsoft
    /// does not show the verifier within 20 minutes after a person claimed to have approved it, that is replication lag.
    pub(crate) fn conclude(&self, verdict: Verdict, before: Option<Outcome>, age: Duration, now: u64) -> Outcome {
        match conclude(&self.claim, verdict, age, before) {
            Outcome::ReportedUnverified if self.awaits_verifier(now) => Outcome::Pending,
            outcome => outcome,
        }
    }

    /// Whether replication lag can explain that Microsoft does not show the verifier; `now` is in seconds since 1970.
    pub(crate) fn awaits_verifier(&self, now: u64) -> bool {
        self.verifier_claimed_at.is_some_and(|at| now.saturating_sub(at) < PROVISIONAL.as_secs())
    }

    /// The time since the callback; `now` is in seconds since 1970.
    pub(crate) fn age(&self, now: u64) -> Duration {
        Duration::from_secs(now.saturating_sub(self.callback_at))
    }
}
