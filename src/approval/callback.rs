//! Processes a callback: opens and admits the ticket, records the claim, checks, concludes and records the outcome, and publishes the
//! outcome. Cheap steps come first and outbound calls last. We flush a record before we call Microsoft, send a message or answer (laws 2
//! and 3).

use std::num::NonZeroUsize;
use std::time::Instant;

use futures_util::join;
use time::OffsetDateTime;

use super::admission::{self, Bar, Refusal, Token, Visitor};
use super::check::{AssessedCheck, occasion_of};
use super::transition::{Purpose, Transition, last_statement};
use super::verifier_claim::{VerifierClaim, verifier_claimed_at};
use super::view::ApprovalView;
use crate::consent::callback::{Callback, RawState};
use crate::consent::claim::Agreement;
use crate::consent::claim_bound::ClaimClass;
use crate::consent::query::AMPERSAND;
use crate::consent::{ApprovalState, Claim, Outcome, Queued};
use crate::env::{micros, millis, moment};
use crate::installation::Installation;
use crate::outbox::Basis;
use crate::record::{ApprovalLine, ClaimedLine, Durations, ManglingLine, Record, RejectedLine, TransitionId};
use crate::token::Ticket;
use crate::token::recovery::{self, Mangling};
use crate::token::ticket::Life;

/// A callback that carried a `state`.
#[derive(Debug)]
pub(crate) struct CallbackRequest<'a> {
    /// The value of `state`, which should be a ticket.
    pub(crate) state: &'a RawState,
    /// The claim and the other parameters of the query.
    pub(crate) callback: &'a Callback,
    /// When the request arrived.
    pub(crate) started: Instant,
}

/// The result of a callback.
#[derive(Debug)]
pub(crate) struct CallbackReply<'a> {
    /// The address of the result page. `None` if the visitor is a program, or if no key can sign a receipt.
    pub(crate) address: Option<String>,
    /// The result. If there is no address, the visitor cannot ask for another check of this result.
    pub(crate) view: ApprovalView<'a>,
    /// The value of the cookie that remembers the claim of a verifier, if the callback contains such a claim.
    pub(crate) verifier_claim: Option<VerifierClaim>,
}

/// Processes a callback.
///
/// # Errors
/// [`Refusal`]
pub(crate) async fn receive<'s>(
    installation: &'s Installation,
    visitor: &Visitor<'_>,
    request: CallbackRequest<'_>,
) -> Result<CallbackReply<'s>, Refusal> {
    let CallbackRequest { state, callback, started } = request;
    let (arrived, claim, unknown) = (installation.clock.now(), &callback.claim, Some(callback.unknown));
    let (token, appended) = recovery::split(state.unverified());
    let opening = visitor.open(installation, unknown, token, Ticket::open);
    let (opened, ()) = join!(opening, installation.read_credential_early(token));
    let (ticket, kid) = opened?;
    let mangling = mangling(appended, callback.ampersands);
    let expectation = &ticket.expectation;
    let mut state = state_of(installation, visitor, &ticket);
    let app = match admission::admit(installation, Token::Ticket(&ticket)).and_then(|()| admission::app(installation, &expectation.app)) {
        Ok(app) => app,
        Err(bar) => {
            state.outcome = bar.outcome;
            let approval = ApprovalLine { mangling, ..ApprovalLine::new(visitor.visit(installation, kid), &state, None) };
            let transition = Some(TransitionId::of_ended_link(state.link(), Some(state.ticket), state.callback_at));
            let refusal = visitor.refuse_link(installation, RejectedLine::Approval(approval.clone()), bar, transition, unknown);
            // The event reports to the sender of the link that an administrator tried to use the link.
            if let (Refusal::Outcome(_), Some(app)) = (&refusal, installation.config.app(&expectation.app)) {
                let at = state.callback_at;
                let ended = Transition { purpose: Purpose::EndedLink, ..Transition::concluded(app, state, None, at, None) };
                ended.publish_once_a_day(installation, &approval).await?;
            }
            return Err(refusal);
        }
    };

    let visit = visitor.visit(installation, kid);
    let approval = ApprovalLine { mangling, ..ApprovalLine::new(visit, &state, Some(app.profile.client_id)) };
    let mut claimed = ClaimedLine::new(approval, claim, callback.carried_secret, callback.tenant);
    claimed.unknown_parameters = NonZeroUsize::new(callback.unknown);
    let agreement = Agreement::of(expectation.tenant, callback.tenant, claim);
    let is_in_full = admission::is_in_full(installation, &state, ClaimClass::of(claim, agreement)).await;
    if is_in_full {
        let durations_ms = Durations { total: millis(started.elapsed()), verify: None };
        installation.records.write(&Record::Claimed { claimed: claimed.clone(), durations_ms })?;
    }

    let from = counts_from(&ticket, claim, arrived);
    state.callback_at = installation.clock.now_unix();
    let check = match agreement {
        Agreement::Agrees(tenant) if is_in_full => {
            let first = installation.recent.first_arrival(ticket.id, claim, arrived);
            AssessedCheck::in_browser(installation, app, tenant, occasion_of(claim, from, first), started).await.ok()
        }
        Agreement::Agrees(tenant) => AssessedCheck::joined(installation, app, tenant, from, started).await.ok(),
        Agreement::OtherTenant { .. } | Agreement::Unbound(_) => None,
    };
    state.counts_from = micros(check.as_ref().map_or(from, |check| from.min(check.timed.at)));
    state.claim = claim.clone();
    if let (Claim::Error(error), Agreement::Agrees(tenant)) = (&mut state.claim, agreement) {
        error.other_tenant = callback.tenant.is_some_and(|returned| returned != tenant);
    }
    let verifier_claim = if matches!(agreement, Agreement::Agrees(_)) { VerifierClaim::note(installation, &state) } else { None };
    let last = last_statement(installation, app, &state).await;
    let transition = Transition::first(installation, app, state, agreement, last.as_ref(), check.as_ref());
    let recorded = claimed.approval.clone();
    let state = if is_in_full || transition.basis() == Basis::Finding {
        let record = transition.record(claimed, started);
        if is_in_full {
            installation.records.write_admitted(&record)?
        } else {
            installation.records.write(&record)?
        }
        transition.publish(installation, &recorded).await?
    } else {
        transition.count(installation, &recorded).await?
    };
    let address = installation.receipt_address("r", &state).await;
    let view = ApprovalView { app, outcome: state.outcome, state, check, address: address.clone(), invitation: None, chain: None };
    Ok(CallbackReply { address: address.filter(|_| !visitor.is_program), view, verifier_claim })
}

/// Records a callback that arrived under a path without a route, if its ticket is genuine. A stranger leaves nothing.
///
/// # Errors
/// [`Refusal::NotRecorded`]
pub(crate) async fn note_wrong_path(installation: &Installation, visitor: &Visitor<'_>, callback: &Callback) -> Result<(), Refusal> {
    let Some(state) = &callback.state else { return Ok(()) };
    let (token, appended) = recovery::split(state.unverified());
    let Ok((Ok(ticket), kid)) = admission::open(installation, token, Ticket::open).await else { return Ok(()) };
    let app = installation.config.app(&ticket.expectation.app);
    let state = state_of(installation, visitor, &ticket);
    let approval = ApprovalLine::new(visitor.visit(installation, kid), &state, app.map(|app| app.profile.client_id));
    let rejected = RejectedLine::Approval(ApprovalLine { mangling: mangling(appended, callback.ampersands), ..approval });
    match visitor.refuse_link(installation, rejected, Bar::WRONG_PATH, None, Some(callback.unknown)) {
        Refusal::Outcome(_) => Ok(()),
        refusal => Err(refusal),
    }
}

/// Lists the damage to a callback that we could still read.
fn mangling(appended: &str, ampersands: usize) -> Vec<ManglingLine> {
    let appended = (Mangling::of(appended), appended.len());
    let found = [appended, (Mangling::EscapedAmpersand, ampersands * AMPERSAND.len())];
    found.into_iter().filter(|(_, bytes)| *bytes > 0).map(|(kind, bytes)| ManglingLine { kind, bytes }).collect()
}

/// Returns the earliest beginning of a check that counts for a claim. A success claim needs a check that began after the claim arrived. So
/// does every claim of a direct link, because people use a direct link for weeks. For other claims, the check only has to begin after the
/// second in which the ticket was issued.
fn counts_from(ticket: &Ticket, claim: &Claim, arrived: OffsetDateTime) -> OffsetDateTime {
    let by_arrival = *claim == Claim::Success || ticket.expectation.invitation.is_none();
    if by_arrival { arrived } else { moment(ticket.issued_at.saturating_add(1)).min(arrived) }
}

/// The state of an approval whose ticket has just come back, before we conclude an outcome.
fn state_of(installation: &Installation, visitor: &Visitor<'_>, ticket: &Ticket) -> ApprovalState {
    let links = &installation.config.links;
    let life = ticket.life(installation.clock.now_unix(), links.leeway.as_secs(), links.late.as_secs());
    ApprovalState {
        ticket: ticket.id,
        expectation: ticket.expectation.clone(),
        claim: Claim::NoFlag,
        outcome: Outcome::Pending,
        since: installation.clock.now_unix(),
        callback_at: installation.clock.now_unix(),
        counts_from: micros(installation.clock.now()),
        binding: ticket.binding(visitor.secret),
        browser: ticket.mark(),
        late: life != Life::Valid,
        signed_at: ticket.issued_at,
        step: 0,
        queued: Queued::No,
        event: None,
        verifier_claimed_at: verifier_claimed_at(installation, visitor, &ticket.expectation),
    }
}
