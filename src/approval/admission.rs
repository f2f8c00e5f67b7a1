//! Admits or refuses a visitor's token, in one place for all kinds of tokens. A token is refused if its link was revoked, has expired or
//! names an app that is not configured. This file also decides whether a claim gets records of its own.

use std::net::IpAddr;

use crate::config::ConfiguredApp;
use crate::consent::claim_bound::{ClaimClass, FULL_CLAIMS};
use crate::consent::{ApprovalState, BoundKey, Draw, ExpectedTenant, Outcome, ProfileId};
use crate::installation::{Installation, KeysUnavailable};
use crate::record::{AddressSource, FrontDoor, OutcomeLine, Record, RejectedLine, RejectionLine, TransitionId, VisitLine, WRONG_PATH};
use crate::token::signer::kid_unchecked;
use crate::token::ticket::Life;
use crate::token::{Flaw, Invitation, Signer, Ticket};

/// The visitor behind a request, and the door that delivered it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor<'a> {
    /// The service that delivered the request.
    pub(crate) front_door: FrontDoor,
    /// The address that the front door reports. It never comes from a header that the visitor can write.
    pub(crate) address: Option<(IpAddr, AddressSource)>,
    /// The `User-Agent` header.
    pub(crate) browser: Option<&'a str>,
    /// The size of query and body together.
    pub(crate) bytes: usize,
    /// Whether the visitor is a program, which reads the answer to this request and follows no redirect.
    pub(crate) is_program: bool,
    /// The secret in the browser's cookie.
    pub(crate) secret: Option<&'a str>,
    /// The cookie that says this browser claimed to have approved a verifier.
    pub(crate) verifier_claim: Option<&'a str>,
}

/// Why a visitor gets no result. Each refusal has been recorded, except for [`Refusal::NotRecorded`].
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The page of this outcome explains the refusal. All flaws of a token lead to the same page, so that a forger never learns which part
    /// failed.
    Outcome(Outcome),
    /// The invitation has expired, and its page may ask the operator for another link.
    Renewable,
    /// The key secret cannot be read: a fault of the installation.
    KeysUnavailable,
    /// We could not write the record, so we stopped.
    NotRecorded,
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        tracing::error!(error.kind = %error.kind(), "a record could not be written; nothing more was asked and nothing is said");
        Self::NotRecorded
    }
}

impl Visitor<'_> {
    /// `kid` names the key that signed the visitor's token.
    pub(super) fn visit(&self, installation: &Installation, kid: Option<Box<str>>) -> VisitLine {
        let mut visit = VisitLine::new(installation.config.records, installation.new_id(), self.front_door, self.address, self.browser);
        visit.kid = kid;
        visit
    }

    /// Records a request that has no genuine token, and returns the refusal. `unknown` is the number of parameters with unknown names.
    pub(crate) fn refuse(&self, installation: &Installation, outcome: Outcome, reason: &'static str, unknown: Option<usize>) -> Refusal {
        let rejected = RejectedLine::Stranger(self.visit(installation, None));
        self.refuse_link(installation, rejected, Bar { outcome, reason }, None, unknown)
    }

    /// Records a refused request, and returns the refusal.
    pub(super) fn refuse_link(
        &self,
        installation: &Installation,
        rejected: RejectedLine,
        bar: Bar,
        transition: Option<TransitionId>,
        unknown: Option<usize>,
    ) -> Refusal {
        let rejection = RejectionLine { reason: bar.reason, bytes: self.bytes, unknown_parameters: unknown };
        let outcome = OutcomeLine { before: None, after: bar.outcome };
        match installation.records.write(&Record::Rejected { rejected, transition, outcome, rejection, message: None }) {
            Ok(()) => Refusal::Outcome(bar.outcome),
            Err(error) => error.into(),
        }
    }

    pub(super) fn refuse_without_keys(&self, installation: &Installation) -> Refusal {
        match self.refuse(installation, Outcome::Unavailable, "keys_unavailable", None) {
            Refusal::Outcome(_) => Refusal::KeysUnavailable,
            refusal => refusal,
        }
    }

    /// Verifies and decodes a visitor's token. Also returns the name of the key that signed the token.
    pub(super) async fn open<T>(
        &self,
        installation: &Installation,
        unknown: Option<usize>,
        token: &str,
        read: impl Fn(&str, Signer<'_>) -> Result<T, Flaw>,
    ) -> Result<(T, Option<Box<str>>), Refusal> {
        match open(installation, token, read).await {
            Ok((Ok(opened), kid)) => Ok((opened, kid)),
            Ok((Err(flaw), kid)) => {
                let rejected = RejectedLine::Stranger(self.visit(installation, kid));
                Err(self.refuse_link(installation, rejected, Bar::of(flaw), None, unknown))
            }
            Err(KeysUnavailable(_)) => Err(self.refuse_without_keys(installation)),
        }
    }
}

/// Opens a token of any kind. If the token names an unknown key, this key may be newer than our copy of the key secret. We then read the
/// key secret again, at most once a minute, and retry once. Also returns the name of the token's key, if that is a current or former key of
/// this installation.
///
/// # Errors
/// [`KeysUnavailable`] if the key secret cannot be read. A [`Flaw`] of the token is the inner result.
pub async fn open<T>(
    installation: &Installation,
    token: &str,
    read: impl Fn(&str, Signer<'_>) -> Result<T, Flaw>,
) -> Result<(Result<T, Flaw>, Option<Box<str>>), KeysUnavailable> {
    let keys = installation.keys().await?;
    let opened = match read(token, installation.signer(&keys)) {
        Err(Flaw::UnknownKey) => {
            let keys = installation.refreshed_keys().await?;
            read(token, installation.signer(&keys))
        }
        opened => opened,
    };
    let is_of_known_key = opened.as_ref().err().is_none_or(|flaw| flaw.is_of_known_key());
    Ok((opened, if is_of_known_key { kid_unchecked(token) } else { None }))
}

/// Why we refuse a request: the outcome for its page, and the reason for its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) outcome: Outcome,
    /// The reason in one word, for the record. The word never changes.
    pub(super) reason: &'static str,
}

impl Bar {
    pub(super) const REVOKED: Self = Self { outcome: Outcome::LinkRevoked, reason: "link_revoked" };
    pub(super) const NOT_CONFIGURED: Self = Self { outcome: Outcome::LinkRevoked, reason: "app_not_configured" };
    pub(super) const ORDER_EXPIRED: Self = Self { outcome: Outcome::LinkExpired, reason: "order_expired" };
    pub(super) const NO_TENANT: Self = Self { outcome: Outcome::LinkRevoked, reason: "order_without_tenant" };
    pub(super) const WRONG_PATH: Self = Self { outcome: Outcome::LinkDamaged, reason: WRONG_PATH };

    /// The bar for a token that is not genuine. All flaws have the same outcome.
    pub(super) fn of(flaw: Flaw) -> Self {
        Self { outcome: Outcome::LinkDamaged, reason: flaw.reason() }
    }
}

/// A genuine token. The number is the token's expiry in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token<'a> {
    Invitation(&'a Invitation),
    Ticket(&'a Ticket),
    Receipt(&'a ApprovalState, u64),
    /// The state that an order contains.
    Order(&'a ApprovalState, u64),
}

/// Returns an error if a token was revoked or has expired. A token that was revoked and has expired counts as revoked.
pub(super) fn admit(installation: &Installation, token: Token<'_>) -> Result<(), Bar> {
    let (links, now) = (&installation.config.links, installation.clock.now_unix());
    let has_ended = |ends: u64| now > ends.saturating_add(links.leeway.as_secs());
    let is_revoked = |state: &ApprovalState| installation.is_revoked(state.ticket, &state.expectation, state.signed_at);
    let (is_revoked, has_ended, reason) = match token {
        Token::Invitation(invitation) => {
            (installation.is_taken_back(&[invitation.id], invitation.issued_at), has_ended(invitation.expires_at), "link_expired")
        }
        Token::Ticket(ticket) => {
            let life = ticket.life(now, links.leeway.as_secs(), links.late.as_secs());
            (installation.is_revoked(ticket.id, &ticket.expectation, ticket.issued_at), life == Life::Expired, "link_expired")
        }
        Token::Receipt(state, ends) => (is_revoked(state), has_ended(ends), "receipt_expired"),
        Token::Order(state, ends) => (is_revoked(state), has_ended(ends), Bar::ORDER_EXPIRED.reason),
    };
    match (is_revoked, has_ended) {
        (true, _) => Err(Bar::REVOKED),
        (false, true) => Err(Bar { outcome: Outcome::LinkExpired, reason }),
        (false, false) => Ok(()),
    }
}

/// The app that a token names.
pub(super) fn app<'s>(installation: &'s Installation, id: &ProfileId) -> Result<&'s ConfiguredApp, Bar> {
    installation.config.app(id).ok_or(Bar::NOT_CONFIGURED)
}

/// Whether a claim of this approval gets records, an order and an event of its own. If so, this call uses up one claim of the limit. If not,
/// the claim is a counted claim, which starts no check.
pub(super) async fn is_in_full(installation: &Installation, state: &ApprovalState, class: ClaimClass) -> bool {
    let most = match state.expectation.tenant {
        ExpectedTenant::Tenant(_) => FULL_CLAIMS,
        ExpectedTenant::Any => installation.config.links.any_tenant_claims,
    };
    installation.draw(&BoundKey::of(state), &Draw::Claim { class, most }).await
}
