//! The only place that changes an approval. State, claim and check determine the outcome. The outcome determines the record, the order, the
//! event and the state of the next receipt.
//!
//! A caller writes [`Transition::record`] before it publishes the transition, because we flush a record before we send a message (law 2).

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::check::AssessedCheck;
use crate::config::ConfiguredApp;
use crate::consent::claim::Agreement;
use crate::consent::outcome::{PROVISIONAL, carry_on, conclude_unbound, span_start};
use crate::consent::{ApprovalState, ExpectedTenant, Outcome, Verdict};
use crate::env::{millis, moment, moment_of_micros};
use crate::installation::Installation;
use crate::outbox::{Basis, OutcomeEvent, Statement};
use crate::record::{ApprovalLine, ClaimedLine, ConclusionLine, Durations, OutcomeLine, Record, TransitionId, VisitLine};

/// One change of an approval.
#[derive(Debug, Clone)]
pub(super) struct Transition<'a> {
    pub(super) app: &'a ConfiguredApp,
    /// The outcome that we published last, as far as we know. `None` for the first outcome. The same as the new outcome, if the outcome
    /// does not change but becomes final.
    pub(super) before: Option<Outcome>,
    /// When `before` was reached, in seconds since 1970. `None` if we do not know the outcome that was published last. The event then
    /// reports the current outcome without a previous one.
    pub(super) since: Option<u64>,
    /// When we concluded the new outcome, in seconds since 1970.
    pub(super) at: u64,
    /// When the check began. Without a check: when the claim arrived.
    pub(super) as_of: OffsetDateTime,
    /// The state after the transition, with its outcome.
    pub(super) after: ApprovalState,
    /// The check that led to the transition.
    pub(super) check: Option<&'a AssessedCheck>,
    pub(super) purpose: Purpose,
}

/// Why we publish a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To report the outcome.
    Outcome,
    /// To remind of an outcome that still rests on a claim 20 minutes later. This is the event of the day, which has the outcome's own
    /// severity.
    Reminder,
    /// To report a callback from a link that was revoked or has expired.
    EndedLink,
}

impl<'a> Transition<'a> {
    /// The first outcome of a claim. `last` is the last event about the claim's subject, if we know that event.
    pub(super) fn first(
        installation: &Installation,
        app: &'a ConfiguredApp,
        state: ApprovalState,
        agreement: Agreement,
        last: Option<&Statement>,
        check: Option<&'a AssessedCheck>,
    ) -> Self {
        let outcome = match (agreement, check) {
            (Agreement::OtherTenant { .. }, _) => Outcome::WrongTenant,
            (Agreement::Unbound(_), _) => conclude_unbound(&state.claim),
            // There was no check: only the worker may check this app, or the next check may not start yet. A claim alone does not show that
            // an approval exists. An error claim does not show that an earlier approval is gone.
            (Agreement::Agrees(_), None) => Outcome::Pending,
            (Agreement::Agrees(_), Some(check)) => state.conclude(check.assessment.verdict, None, Duration::ZERO, state.callback_at),
        };
        let at = state.callback_at;
        let same = last.filter(|last| last.outcome == outcome && !outcome.is_unverifiable());
        let event = same.map(|last| last.event.clone());
        let after = ApprovalState { outcome, since: at, event, ..state };
        let first = match last.filter(|last| last.outcome != outcome && !outcome.rests_on_a_claim()) {
            Some(last) => Self { since: Some(last.since), ..Self::concluded(app, after, Some(last.outcome), at, check) },
            None => Self::concluded(app, after, None, at, check),
        };
        let mut first = first.reached(installation);
        first.after.since = same.map_or(first.after.since, |last| last.since);
        first
    }

    /// Applies another check to a state. `is_last` says that no check follows. `last` is the last event about the subject, if we know that
    /// event. If we do not know it, the state may be older than the last event. A check later than 20 minutes after the callback then leads
    /// to an event, even if the outcome does not change.
    pub(super) fn next(
        installation: &Installation,
        app: &'a ConfiguredApp,
        state: &ApprovalState,
        last: Option<&Statement>,
        check: &'a AssessedCheck,
        is_last: bool,
    ) -> Self {
        let now = installation.clock.now_unix();
        let is_unknown = last.is_none();
        let last = not_after(check, last);
        let age = age(state, last, now);
        let visible = visible_outcome(installation, state, last, Some(check));
        // If the last event and this outcome both rest on claims, we ignore the event. One claim must not change the outcome of another
        // claim.
        let said = match last.filter(|last| !(last.outcome.rests_on_a_claim() && visible.rests_on_a_claim())) {
            Some(Statement { outcome, since, event, .. }) => {
                ApprovalState { since: *since, event: Some(event.clone()), ..state.changed_to(*outcome, *since) }
            }
            None => state.clone(),
        };
        let outcome = carry_on(said.outcome, visible, age, is_last);
        // The last event stays true for its subject. But this approval changes to the event's outcome only if its own check shows that
        // outcome.
        let (said, outcome) = if visible == outcome || outcome == state.outcome {
            (said, outcome)
        } else {
            (state.clone(), carry_on(state.outcome, visible, age, is_last))
        };
        let changes = outcome != said.outcome;
        let is_statement = is_unknown && age >= PROVISIONAL && (changes || (visible == outcome && outcome != Outcome::Unavailable));
        let after = match (changes, outcome == state.outcome) {
            // The receipt already contains this outcome. A new step would give each visit a new address, and redirect the browser for ever.
            (true, true) => ApprovalState { step: state.step, ..said.changed_to(outcome, now) },
            (true, false) => said.changed_to(outcome, now),
            (false, true) => ApprovalState { step: state.step, event: said.event.clone().filter(|_| !is_statement), ..said.clone() },
            (false, false) => said.clone(),
        };
        // If an event has already reported this outcome, the record shows the change of this ticket alone, and we send no event.
        let (before, since) = if changes { (said.outcome, said.since) } else { (state.outcome, state.since) };
        let before = (changes || !is_statement).then_some(before);
        let since = (!is_statement).then_some(since);
        let as_of = check.timed.at;
        let next = Self { app, before, since, at: now, as_of, after, check: Some(check), purpose: Purpose::Outcome };
        if changes { next.reached(installation) } else { next }
    }

    /// Sets the time at which the outcome was reached. If this process made the same transition before, this is the time of that first
    /// transition.
    fn reached(mut self, installation: &Installation) -> Self {
        self.after.since = installation.recent.reached(self.id().id, self.at);
        self
    }

    /// A transition to the outcome of `state`, which we concluded in the second `at`.
    pub(super) fn concluded(
        app: &'a ConfiguredApp,
        state: ApprovalState,
        before: Option<Outcome>,
        at: u64,
        check: Option<&'a AssessedCheck>,
    ) -> Self {
        let since = span_start(state.callback_at);
        // `at` is the beginning of the second in which the claim arrived, and `counts_from` may be later in that second.
        let as_of = check.map_or_else(|| moment(at).max(moment_of_micros(state.counts_from)), |check| check.timed.at);
        Self { app, before, since: Some(since), at, as_of, after: state, check, purpose: Purpose::Outcome }
    }

    /// A transition that makes the same outcome final: no automatic check follows.
    pub(super) fn settled(&self) -> Self {
        Self { before: Some(self.after.outcome), since: Some(self.after.since), ..self.clone() }
    }

    pub(super) fn is_change(&self) -> bool {
        self.before != Some(self.after.outcome)
    }

    /// A reminder that the same outcome still rests on a claim.
    pub(super) fn reminder(&self) -> Self {
        Self { before: None, since: None, purpose: Purpose::Reminder, ..self.clone() }
    }

    /// What the outcome rests on: a finding if Microsoft showed the outcome, in this check or an earlier one, else the claim. A service
    /// principal alone shows nothing, because the sign-in of one user creates it.
    pub(super) fn basis(&self) -> Basis {
        let outcome = self.after.outcome;
        let shown = self
            .check
            .map(|check| check.assessment.verdict)
            .is_some_and(|verdict| verdict == Verdict::RequestOpen || !(verdict.leaves_it_to_the_claim() || verdict == Verdict::NoAnswer));
        if shown || (outcome.rests_on_a_sight() && !outcome.rests_on_a_claim()) { Basis::Finding } else { Basis::Claim }
    }

    /// The id that the record and the event share.
    pub(super) fn id(&self) -> TransitionId {
        match self.since {
            _ if self.purpose == Purpose::EndedLink => TransitionId::of_ended_link(self.after.link(), Some(self.after.ticket), self.at),
            Some(since) => TransitionId::of(&self.after, self.before, since),
            None => TransitionId::of_state(&subject(self.app, &self.after), &self.after, self.at),
        }
    }

    pub(super) fn outcome(&self) -> OutcomeLine {
        OutcomeLine { before: self.before, after: self.after.outcome }
    }

    /// The remembered claim, for the record of a visit without a callback.
    pub(super) fn claimed(&self, visit: VisitLine) -> ClaimedLine {
        let approval = ApprovalLine::new(visit, &self.after, Some(self.app.profile.client_id));
        ClaimedLine::new(approval, &self.after.claim, false, None)
    }

    /// The record of this transition, for a request that arrived at `started`.
    pub(super) fn record(&self, claimed: ClaimedLine, started: Instant) -> Record {
        let durations_ms = Durations { total: millis(started.elapsed()), verify: self.check.map(|check| check.timed.took_millis) };
        Record::Concluded { conclusion: self.conclusion(claimed), durations_ms }
    }

    pub(super) fn conclusion(&self, claimed: ClaimedLine) -> ConclusionLine {
        let check = self.check.map(|check| (check.timed.finding.as_ref(), &check.assessment, check.timed.measured()));
        ConclusionLine::new(self.id(), self.outcome(), claimed, check)
    }
}

/// Returns the outcome for a page: the outcome that this check alone shows. It may be less than the remembered outcome. Without a check, a
/// page never says that Microsoft showed an approval.
pub(super) fn visible_outcome(
    installation: &Installation,
    state: &ApprovalState,
    last: Option<&Statement>,
    check: Option<&AssessedCheck>,
) -> Outcome {
    let Some(check) = check else { return if state.outcome.was_seen() { Outcome::Pending } else { state.outcome } };
    let last = not_after(check, last);
    let before = last.map(|last| last.outcome).filter(|outcome| outcome.rests_on_a_sight()).unwrap_or(state.outcome);
    let now = installation.clock.now_unix();
    state.conclude(check.assessment.verdict, Some(before), age(state, last, now), now)
}

/// Returns the last event, if the check of that event began no later than `check`. Else returns `None`, because the result of an older
/// check must not replace the result of a newer check.
fn not_after<'s>(check: &AssessedCheck, last: Option<&'s Statement>) -> Option<&'s Statement> {
    last.filter(|last| last.as_of <= check.timed.at)
}

/// The time since the latest callback about the subject, as far as we know.
fn age(state: &ApprovalState, last: Option<&Statement>, now: u64) -> Duration {
    let since_last = last.map(|last| Duration::from_secs(now.saturating_sub(last.callback_at)));
    state.age(now).min(since_last.unwrap_or(Duration::MAX))
}

/// The subject of the events about an approval.
pub(super) fn subject(app: &ConfiguredApp, state: &ApprovalState) -> String {
    let tenant = match state.expectation.tenant {
        ExpectedTenant::Tenant(tenant) => Some(tenant),
        ExpectedTenant::Any => None,
    };
    OutcomeEvent::subject_of(tenant, app.profile.client_id)
}

/// The last event about the approval's subject, if we can know that event.
pub(super) async fn last_statement(installation: &Installation, app: &ConfiguredApp, state: &ApprovalState) -> Option<Statement> {
    installation.outbox()?.last_statement(&subject(app, state)).await
}

/// As [`last_statement`], for another check of this approval. Returns `None` if the last event is older than the approval's claim, because
/// such an event says nothing about the claim.
pub(super) async fn statement_since_claim(installation: &Installation, app: &ConfiguredApp, state: &ApprovalState) -> Option<Statement> {
    let claimed = moment_of_micros(state.counts_from).max(moment(state.callback_at));
    last_statement(installation, app, state).await.filter(|last| last.as_of >= claimed)
}
