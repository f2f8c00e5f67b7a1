//! The only place that changes an approval: state, claim and check determine the outcome. The outcome determines the record line, the
//! order, the event and the state of the next receipt.
//!
//! A caller writes [`Transition::record`] before it publishes: a record is flushed before anything is sent (law 2).

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
    /// What we said last, as far as we know it: `None` for the first outcome, and the same as after if it has become final.
    pub(super) before: Option<Outcome>,
    /// When `before` was reached, in seconds since 1970. `None` if we do not know what was said last: then this is a statement of state.
    pub(super) since: Option<u64>,
    /// When it was concluded, in seconds since 1970.
    pub(super) at: u64,
    /// When its check began; for a claim alone, when that arrived.
    pub(super) as_of: OffsetDateTime,
    /// The state after the transition, with its outcome.
    pub(super) after: ApprovalState,
    /// The check that led to it.
    pub(super) check: Option<&'a AssessedCheck>,
    pub(super) purpose: Purpose,
}

/// What a transition is published for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its outcome.
    Outcome,
    /// Its outcome still rests on a claim 20 minutes later: the one event of the day with the outcome's own severity.
    Reminder,
    /// The link was revoked or has expired.
    EndedLink,
}

impl<'a> Transition<'a> {
    /// The first outcome of a claim. `last` is what was said about its subject before, if we know it.
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
            // Only the worker verifies the app, or a check may not start yet. Until then there is only the claim, which says nothing about
            // an approval: neither that it exists nor, for an error claim, that an earlier one is gone.
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

    /// Applies another check to a state. `is_last`: no check follows. `last` is what was said about the subject, if we know it. If we do not,
    /// a check after the 20 minutes is a statement of its own: this state may be older than the last one.
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
        // What another claim led to is not held against this one.
        let said = match last.filter(|last| !(last.outcome.rests_on_a_claim() && visible.rests_on_a_claim())) {
            Some(Statement { outcome, since, event, .. }) => {
                ApprovalState { since: *since, event: Some(event.clone()), ..state.changed_to(*outcome, *since) }
            }
            None => state.clone(),
        };
        let outcome = carry_on(said.outcome, visible, age, is_last);
        // What was said last stays true for its subject. An approval moves there only with a check of its own that shows it.
        let (said, outcome) = if visible == outcome || outcome == state.outcome {
            (said, outcome)
        } else {
            (state.clone(), carry_on(state.outcome, visible, age, is_last))
        };
        let changes = outcome != said.outcome;
        let is_statement = is_unknown && age >= PROVISIONAL && (changes || (visible == outcome && outcome != Outcome::Unavailable));
        let after = match (changes, outcome == state.outcome) {
            // The address remembers the outcome already: a browser that is sent to the next one must not be sent on for ever.
            (true, true) => ApprovalState { step: state.step, ..said.changed_to(outcome, now) },
            (true, false) => said.changed_to(outcome, now),
            (false, true) => ApprovalState { step: state.step, event: said.event.clone().filter(|_| !is_statement), ..said.clone() },
            (false, false) => said.clone(),
        };
        // If this was said already, the record is about the ticket, and there is no event.
        let (before, since) = if changes { (said.outcome, said.since) } else { (state.outcome, state.since) };
        let before = (changes || !is_statement).then_some(before);
        let since = (!is_statement).then_some(since);
        let as_of = check.timed.at;
        let next = Self { app, before, since, at: now, as_of, after, check: Some(check), purpose: Purpose::Outcome };
        if changes { next.reached(installation) } else { next }
    }

    /// A repetition reaches the outcome when the first one in this process did.
    fn reached(mut self, installation: &Installation) -> Self {
        self.after.since = installation.recent.reached(self.id().id, self.at);
        self
    }

    /// An outcome that was concluded before in the second `at`, or that needs no check.
    pub(super) fn concluded(
        app: &'a ConfiguredApp,
        state: ApprovalState,
        before: Option<Outcome>,
        at: u64,
        check: Option<&'a AssessedCheck>,
    ) -> Self {
        let since = span_start(state.callback_at);
        // A claim arrives within its second.
        let as_of = check.map_or_else(|| moment(at).max(moment_of_micros(state.counts_from)), |check| check.timed.at);
        Self { app, before, since: Some(since), at, as_of, after: state, check, purpose: Purpose::Outcome }
    }

    /// The same outcome as final: no automatic check follows.
    pub(super) fn settled(&self) -> Self {
        Self { before: Some(self.after.outcome), since: Some(self.after.since), ..self.clone() }
    }

    pub(super) fn is_change(&self) -> bool {
        self.before != Some(self.after.outcome)
    }

    /// The same outcome, as a reminder that it still rests on a claim.
    pub(super) fn reminder(&self) -> Self {
        Self { before: None, since: None, purpose: Purpose::Reminder, ..self.clone() }
    }

    /// Whether Microsoft showed the outcome, now or before. A service principal alone shows nothing: one user's sign-in creates it.
    pub(super) fn basis(&self) -> Basis {
        let outcome = self.after.outcome;
        let shown = self
            .check
            .map(|check| check.assessment.verdict)
            .is_some_and(|verdict| verdict == Verdict::RequestOpen || !(verdict.leaves_it_to_the_claim() || verdict == Verdict::NoAnswer));
        if shown || (outcome.rests_on_a_sight() && !outcome.rests_on_a_claim()) { Basis::Finding } else { Basis::Claim }
    }

    /// The id that record and event share.
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

/// The last statement, unless it rests on a later check than this one, which then changes nothing about it.
fn not_after<'s>(check: &AssessedCheck, last: Option<&'s Statement>) -> Option<&'s Statement> {
    last.filter(|last| last.as_of <= check.timed.at)
}

/// The time since the latest callback about the subject, as far as we know it.
fn age(state: &ApprovalState, last: Option<&Statement>, now: u64) -> Duration {
    let since_last = last.map(|last| Duration::from_secs(now.saturating_sub(last.callback_at)));
    state.age(now).min(since_last.unwrap_or(Duration::MAX))
}

/// The subject of an approval's events.
pub(super) fn subject(app: &ConfiguredApp, state: &ApprovalState) -> String {
    let tenant = match state.expectation.tenant {
        ExpectedTenant::Tenant(tenant) => Some(tenant),
        ExpectedTenant::Any => None,
    };
    OutcomeEvent::subject_of(tenant, app.profile.client_id)
}

/// What was said last about the approval's subject, if we can know it.
pub(super) async fn last_statement(installation: &Installation, app: &ConfiguredApp, state: &ApprovalState) -> Option<Statement> {
    installation.outbox()?.last_statement(&subject(app, state)).await
}

/// The same for another check of this approval. A statement that is older than its claim says nothing about the claim.
pub(super) async fn statement_since_claim(installation: &Installation, app: &ConfiguredApp, state: &ApprovalState) -> Option<Statement> {
    let claimed = moment_of_micros(state.counts_from).max(moment(state.callback_at));
    last_statement(installation, app, state).await.filter(|last| last.as_of >= claimed)
}
