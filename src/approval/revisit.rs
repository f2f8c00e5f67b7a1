//! A visit to a receipt: shows the state of an approval, checks again, and needs no session for either.

use std::time::Instant;

use super::admission::{self, Refusal, Token, Visitor};
use super::chain::{self, ChainReport};
use super::check::AssessedCheck;
use super::transition::{Transition, about, visible_outcome};
use super::view::ApprovalView;
use crate::env::millis;
use crate::installation::Installation;
use crate::record::Event;
use crate::token::{Queued, Receipt};

/// What a visit to a receipt shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// One app.
    Result,
    /// A companion app, while it is approved in another tab.
    Watch,
    /// Every app of a chain.
    Chain,
}

/// What a visit led to.
#[derive(Debug)]
pub enum RevisitReply<'a> {
    /// To the address that remembers a change: the next check is compared with the new outcome. Never for a program.
    Renewed(String),
    /// One approval.
    Approval(Box<ApprovalView<'a>>),
    /// Every app of a chain.
    Chain(ChainReport<'a>),
}

/// Answers a visit. `token` is the last part of the page's path.
///
/// # Errors
/// [`Refusal`]
pub async fn revisit<'s>(
    installation: &'s Installation,
    visitor: &Visitor<'_>,
    token: &str,
    view: View,
    started: Instant,
) -> Result<RevisitReply<'s>, Refusal> {
    let (state, ends) = visitor.open(installation, None, |signer| Receipt::open(token, signer)).await?;
    let app = match admission::admit(installation, Token::Receipt(&state, ends))
        .and_then(|()| admission::app(installation, &state.expectation.app))
    {
        Ok(app) => app,
        Err(bar) => return Err(visitor.refuse_link(installation, about(visitor.line(installation, Event::Rejected), &state), bar, None)),
    };
    let chain = state.expectation.invitation.as_ref().and_then(|origin| installation.config.chain(origin.chain.as_ref()?));
    let chain = chain.filter(|_| state.askable().is_some());
    if let (View::Chain, Some(chain)) = (view, chain) {
        return Ok(RevisitReply::Chain(chain::report(installation, &state, chain, started).await));
    }
    let check = AssessedCheck::again(installation, app, &state, started).await.ok();
    let outcome = visible_outcome(installation, &state, check.as_ref());
    let changed = check.as_ref().map(|check| (Transition::next(installation, app, &state, check, false), check.timed.took_millis));
    let renewed = match changed.filter(|(transition, _)| transition.is_change()) {
        Some((transition, took)) => {
            let line = transition.line(visitor.line(installation, Event::Concluded)).took(millis(started.elapsed()), Some(took));
            installation.records.write_transition_once(&line)?;
            transition.publish(installation, &line).await?
        }
        // An order that the queue refused is sent again; otherwise only changes are published (law 4: a visit can be repeated at will).
        None if waits_for_queue(installation, &state) => {
            let transition = Transition::concluded(app, state.clone(), None, check.as_ref());
            let line = transition.line(visitor.line(installation, Event::Concluded));
            transition.publish(installation, &line).await?
        }
        None => state.clone(),
    };
    if renewed != state
        && !visitor.is_program
        && let Some(address) = installation.receipt_address(if view == View::Watch { "w" } else { "r" }, &renewed).await
    {
        return Ok(RevisitReply::Renewed(address));
    }
    let invitation = installation.invitation_again(&state.expectation).await;
    let chain = match chain.filter(|_| check.is_some()) {
        Some(chain) => Some(chain::progress(installation, &renewed, chain, token, started).await),
        None => None,
    };
    Ok(RevisitReply::Approval(Box::new(ApprovalView { app, state: renewed, outcome, check, invitation, chain })))
}

/// Whether the queue refused an order that is to be sent again. A final outcome never had an order; a receipt that claims one was forged,
/// so nothing is sent.
fn waits_for_queue(installation: &Installation, state: &Receipt) -> bool {
    state.queued == Queued::Refused && state.outcome.can_change(state.age(installation.clock.now_unix()))
}
