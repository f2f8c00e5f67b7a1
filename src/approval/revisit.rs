//! Answers a visit to a receipt: shows the state of an approval and checks again. The receipt contains the state, so we need no session.

use std::time::Instant;

use super::admission::{self, Refusal, Token, Visitor};
use super::chain::{self, ChainReport};
use super::check::AssessedCheck;
use super::transition::{Transition, statement_since_claim, visible_outcome};
use super::view::ApprovalView;
use crate::config::ConfiguredApp;
use crate::consent::{ApprovalState, Outcome, Queued};
use crate::installation::Installation;
use crate::outbox::Basis;
use crate::record::{ApprovalLine, Record, RejectedLine, TransitionId};
use crate::token::receipt;
use crate::token::ticket::binding;

/// What a visit to a receipt shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// The result page of one app.
    Result,
    /// The watch page of a companion app. An administrator approves the app in another tab.
    Watch,
    /// The report of all apps of a chain.
    Chain,
}

/// The result of a visit.
#[derive(Debug)]
pub(crate) enum RevisitReply<'a> {
    /// Redirects to an address whose receipt contains the new state. The next visit then starts from the new outcome. A program never gets
    /// this reply.
    Renewed(String),
    /// The state of one approval.
    Approval(Box<ApprovalView<'a>>),
    /// The state of all apps of a chain.
    Chain(ChainReport<'a>),
}

/// Answers a visit. `token` is the last part of the page's path.
///
/// # Errors
/// [`Refusal`]
pub(crate) async fn revisit<'s>(
    installation: &'s Installation,
    visitor: &Visitor<'_>,
    token: &str,
    view: View,
    started: Instant,
) -> Result<RevisitReply<'s>, Refusal> {
    let ((mut state, ends), kid) = visitor.open(installation, None, token, receipt::open).await?;
    // The browser of this visit may not be the browser that pressed the button.
    state.binding = binding(state.browser.as_deref(), state.ticket, visitor.secret);
    let app = match admission::admit(installation, Token::Receipt(&state, ends))
        .and_then(|()| admission::app(installation, &state.expectation.app))
    {
        Ok(app) => app,
        Err(bar) => {
            let rejected = RejectedLine::Approval(ApprovalLine::new(visitor.visit(installation, kid), &state, None));
            let transition = TransitionId::of_ended_link(state.link(), Some(state.ticket), installation.clock.now_unix());
            return Err(visitor.refuse_link(installation, rejected, bar, Some(transition), None));
        }
    };
    let chain = state.expectation.invitation.as_ref().and_then(|origin| installation.config.chain(origin.chain.as_ref()?));
    let chain = chain.filter(|_| state.askable().is_some());
    if let (View::Chain, Some(chain)) = (view, chain) {
        let report = chain::report(installation, &state, chain, started).await;
        if let Some(own) = report.steps.iter().find(|step| step.state.expectation.app == state.expectation.app) {
            let next = own.check.as_ref().map(|check| Transition::next(installation, own.app, &own.state, None, check, false));
            if next.is_some_and(|next| next.after.outcome == own.state.outcome) {
                record_less(installation, (visitor, kid), own.app, &own.state, own.outcome, own.check.as_ref())?;
            }
        }
        return Ok(RevisitReply::Chain(report));
    }
    let check = AssessedCheck::again(installation, app, &state, started).await.ok();
    let last = statement_since_claim(installation, app, &state).await;
    let outcome = visible_outcome(installation, &state, last.as_ref(), check.as_ref());
    let next = check.as_ref().map(|check| Transition::next(installation, app, &state, last.as_ref(), check, false));
    let renewed = match next {
        Some(transition) if transition.is_change() => {
            let claimed = transition.claimed(visitor.visit(installation, kid.clone()));
            let recorded = claimed.approval.clone();
            if transition.basis() == Basis::Finding || transition.may_record_visit(installation).await {
                installation.records.write_transition_once(&transition.record(claimed, started))?;
                transition.publish(installation, &recorded).await?
            } else {
                installation.records.count(&recorded)?;
                transition.after
            }
        }
        // We retry an order that the queue refused. Apart from that, a visit publishes only changes, because it is repeatable (law 4).
        _ if waits_for_queue(installation, &state) => {
            let transition = Transition::concluded(app, state.clone(), None, installation.clock.now_unix(), check.as_ref());
            let approval = ApprovalLine::new(visitor.visit(installation, kid.clone()), &state, Some(app.profile.client_id));
            transition.publish(installation, &approval).await?
        }
        next => next.map_or_else(|| state.clone(), |transition| transition.after),
    };
    record_less(installation, (visitor, kid), app, &renewed, outcome, check.as_ref())?;
    let room = if view == View::Watch { "w" } else { "r" };
    let address = if renewed == state { None } else { installation.receipt_address(room, &renewed).await };
    if let (false, Some(address)) = (visitor.is_program, &address) {
        return Ok(RevisitReply::Renewed(address.clone()));
    }
    let invitation = installation.invitation_again(&state.expectation).await;
    let chain = match chain.filter(|_| check.is_some()) {
        Some(chain) => Some(chain::progress(installation, &renewed, chain, token, started).await),
        None => None,
    };
    Ok(RevisitReply::Approval(Box::new(ApprovalView { app, state: renewed, outcome, check, address, invitation, chain })))
}

/// Records that a page shows less than the remembered outcome, if the check of this visit saw less.
fn record_less(
    installation: &Installation,
    (visitor, kid): (&Visitor<'_>, Option<Box<str>>),
    app: &ConfiguredApp,
    state: &ApprovalState,
    outcome: Outcome,
    check: Option<&AssessedCheck>,
) -> std::io::Result<()> {
    let Some(check) = check.filter(|check| check.timed.fresh && outcome != state.outcome) else { return Ok(()) };
    let (now, after) = (installation.clock.now_unix(), ApprovalState { outcome, ..state.clone() });
    let shown = Transition::concluded(app, after, Some(state.outcome), now, Some(check));
    installation.records.write(&Record::shown(shown.conclusion(shown.claimed(visitor.visit(installation, kid)))))
}

/// Whether we must retry an order that the queue refused. A final outcome needs no order, because no check can change the outcome.
fn waits_for_queue(installation: &Installation, state: &ApprovalState) -> bool {
    state.queued == Queued::Refused && state.outcome.can_change(state.age(installation.clock.now_unix()))
}
