//! The only place that changes an approval: state, claim and check determine the outcome. The outcome determines the record line, the
//! order, the event and the state of the next receipt.
//!
//! A caller writes [`Transition::record`] before it publishes: a record is flushed before anything is sent (law 2).

use std::time::{Duration, Instant};

use super::check::AssessedCheck;
use crate::config::ConfiguredApp;
use crate::consent::claim::Agreement;
use crate::consent::outcome::{carry_on, conclude, conclude_unbound};
use crate::consent::{ApprovalState, Outcome};
use crate::env::millis;
use crate::installation::Installation;
use crate::record::{ApprovalLine, ClaimedLine, ConclusionLine, Durations, OutcomeLine, Record, TransitionId, VisitLine};

/// One change of an approval.
#[derive(Debug, Clone)]
pub(super) struct Transition<'a> {
    pub(super) app: &'a ConfiguredApp,
    /// The previous outcome: `None` for the first, and the same as after if it has become final. If it is `None` for a later transition, no
    /// event is sent, because the change is unknown.
    pub(super) before: Option<Outcome>,
    /// The state after the transition, with its outcome.
    pub(super) after: ApprovalState,
    /// The check that led to it.
    pub(super) check: Option<&'a AssessedCheck>,
}

impl<'a> Transition<'a> {
    /// The first outcome of a claim.
    pub(super) fn first(app: &'a ConfiguredApp, state: ApprovalState, agreement: Agreement, check: Option<&'a AssessedCheck>) -> Self {
        let outcome = match (agreement, check) {
            (Agreement::OtherTenant { .. }, _) => Outcome::WrongTenant,
            (Agreement::Unbound(_), _) => conclude_unbound(&state.claim),
            // Only the worker verifies the app, or a check may not start yet. Until then there is only the claim, which says nothing about
            // an approval: neither that it exists nor, for an error claim, that an earlier one is gone.
            (Agreement::Agrees(_), None) => Outcome::Pending,
            (Agreement::Agrees(_), Some(check)) => conclude(&state.claim, check.assessment.verdict, Duration::ZERO, None),
        };
        Self { app, before: None, after: ApprovalState { outcome, ..state }, check }
    }

    /// Applies another check to a state. `is_last`: no check follows.
    pub(super) fn next(
        installation: &Installation,
        app: &'a ConfiguredApp,
        state: &ApprovalState,
        check: &'a AssessedCheck,
        is_last: bool,
    ) -> Self {
        let outcome =
            carry_on(state.outcome, visible_outcome(installation, state, Some(check)), state.age(installation.clock.now_unix()), is_last);
        let after = if outcome == state.outcome { state.clone() } else { state.changed_to(outcome) };
        Self { app, before: Some(state.outcome), after, check: Some(check) }
    }

    /// An outcome that was concluded before, or that needs no check.
    pub(super) fn concluded(
        app: &'a ConfiguredApp,
        state: ApprovalState,
        before: Option<Outcome>,
        check: Option<&'a AssessedCheck>,
    ) -> Self {
        Self { app, before, after: state, check }
    }

    pub(super) fn is_change(&self) -> bool {
        self.before != Some(self.after.outcome)
    }

    /// The id that record and event share.
    pub(super) fn id(&self) -> TransitionId {
        TransitionId::of(&self.after, self.before)
    }

    pub(super) fn outcome(&self) -> OutcomeLine {
        OutcomeLine { before: self.before, after: self.after.outcome }
    }

    /// The remembered claim, for a visit without a callback.
    pub(super) fn claimed(&self, visit: VisitLine) -> ClaimedLine {
        let approval = ApprovalLine::new(visit, &self.after, Some(self.app.profile.client_id));
        ClaimedLine::new(approval, &self.after.claim, false, None)
    }

    /// Its record, for a request that arrived at `started`.
    pub(super) fn record(&self, claimed: ClaimedLine, started: Instant) -> Record {
        let durations_ms = Durations { total: millis(started.elapsed()), verify: self.check.map(|check| check.timed.took_millis) };
        Record::Concluded { conclusion: self.conclusion(claimed), durations_ms }
    }

    pub(super) fn conclusion(&self, claimed: ClaimedLine) -> ConclusionLine {
        let check = self.check.map(|check| (check.timed.finding.as_ref(), &check.assessment, check.timed.measured()));
        ConclusionLine::new(self.id(), self.outcome(), claimed, check)
    }
}

/// The outcome for a page: what this check alone shows. One check is not a transition, so it may say less than the outcome after it.
/// Without a check, the page never says that an approval was seen.
pub(super) fn visible_outcome(installation: &Installation, state: &ApprovalState, check: Option<&AssessedCheck>) -> Outcome {
    match check {
        Some(check) => conclude(&state.claim, check.assessment.verdict, state.age(installation.clock.now_unix()), Some(state.outcome)),
        None if state.outcome.was_seen() => Outcome::Pending,
        None => state.outcome,
    }
}
