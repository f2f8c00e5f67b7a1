//! What a transition sends after its record is flushed: the order for the next check and the outcome event, concurrently.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use super::check::SENDING;
use super::transition::{Purpose, Transition, last_statement, subject};
use crate::consent::finding::{Finding, Obstacle};
use crate::consent::outcome::{PROVISIONAL, Severity, span_start};
use crate::consent::permissions::NamedPermission;
use crate::consent::{ApprovalState, BoundKey, DisplayText, Draw, ExpectedTenant, Outcome, Queued, TokenId, aadsts};
use crate::env::{micros, moment};
use crate::installation::Installation;
use crate::outbox::{
    Basis, Correlation, EVENT_SCHEMA, EventApp, EventCut, EventTenant, Informed, LONGEST_DELAY, LONGEST_PUT_OFF, NotSent, Outbox,
    OutcomeEvent,
};
use crate::record::{ApprovalLine, Fate, OutcomeLine, SendsLine, TransitionId, hashed_id};
use crate::token::{Order, PendingEvent};

/// When the worker checks after a press of the button. Most administrators are back from Microsoft by then.
const AFTER_PRESS: Duration = Duration::from_secs(600);

/// How long a process remembers that it sent an order. 20 minutes are enough, because a later use of the link is a new transition with
/// another id.
const REMEMBERED_FOR: Duration = PROVISIONAL;

/// The text of the event which says that further claims are only counted.
const COUNTED: &str = "More claims arrived through this link than 20 minutes allow in full. Further ones are only counted. If nobody at the \
                       customer is at work on this approval, revoke the link.";

/// How long the caller may wait for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendDeadline {
    /// A browser waits: 300 ms for order and event together.
    Browser,
    /// The worker: 5 s for order and event together, and 3 s for the event.
    Worker,
}

impl SendDeadline {
    /// For order and event together.
    fn whole(self) -> Duration {
        match self {
            Self::Browser => SENDING,
            Self::Worker => Duration::from_secs(5),
        }
    }

    /// For the event alone. If the bus refuses the event, the remaining time is for an order that makes the worker send it.
    pub(super) fn for_event(self) -> Duration {
        match self {
            Self::Browser => Duration::from_millis(200),
            Self::Worker => Duration::from_secs(3),
        }
    }
}

impl Transition<'_> {
    /// Sends what an outcome requires while a browser waits: the event, and an order for another check if a check can still change the
    /// outcome and none is queued. The caller has flushed the transition's record. This function writes a second record with the results of
    /// the sends, and returns the state for the next receipt.
    ///
    /// # Errors
    /// The second line cannot be written.
    pub(super) async fn publish(self, installation: &Installation, recorded: &ApprovalLine) -> std::io::Result<ApprovalState> {
        let queued = self.after.queued;
        // Microsoft's Retry-After may be longer than the schedule.
        let least = self.check.and_then(|check| check.timed.retry_after);
        let next = if queued == Queued::Sent { None } else { next_check(installation, &self.after, 0, Duration::ZERO, least) };
        let (sends, event) = Box::pin(self.send_once(installation, recorded, next, SendDeadline::Browser)).await?;
        let queued = match (sends.order, next) {
            (Fate::Refused | Fate::Lost, _) => Queued::Refused,
            (Fate::Sent, _) | (Fate::None, Some(_)) => Queued::Sent,
            (Fate::None, None) if queued == Queued::Refused => Queued::No,
            (Fate::None, None) => queued,
        };
        let event = event.or(self.after.event);
        Ok(ApprovalState { queued, event, ..self.after })
    }

    /// Publishes in the worker, which decides on the next check itself. If `recorded` is `None`, the outcome did not change, so only the order
    /// is sent.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub(super) async fn publish_from_worker(
        &self,
        installation: &Installation,
        recorded: Option<&ApprovalLine>,
        next: Option<NextCheck>,
    ) -> std::io::Result<SendsLine> {
        match (recorded, installation.outbox()) {
            (Some(recorded), _) => Ok(Box::pin(self.send_once(installation, recorded, next, SendDeadline::Worker)).await?.0),
            (None, None) => Ok(SendsLine::NOTHING),
            (None, Some(outbox)) => {
                let next = next.filter(|_| outbox.takes_orders());
                Ok(self.send(installation, outbox, next, None, Instant::now() + SendDeadline::Worker.whole(), SendDeadline::Worker).await)
            }
        }
    }

    /// Sends an order and the event. One process sends the order of a transition once in 20 minutes and an event once, unless it was refused.
    /// Also returns the event's id, as [`ApprovalState::event`] contains it.
    async fn send_once(
        &self,
        installation: &Installation,
        recorded: &ApprovalLine,
        next: Option<NextCheck>,
        send_deadline: SendDeadline,
    ) -> std::io::Result<(SendsLine, Option<Box<str>>)> {
        let Some(outbox) = installation.outbox() else { return Ok((SendsLine::NOTHING, None)) };
        let deadline = Instant::now() + send_deadline.whole();
        let is_final = send_deadline == SendDeadline::Worker && next.is_none() && self.purpose == Purpose::Outcome;
        let next = next.filter(|_| outbox.takes_orders());
        let key = BoundKey::of(&self.after);
        let claim = (self.basis() == Basis::Claim).then_some(&self.after.claim);
        let ordered = installation.recent.ordered(self.id().id, claim);
        let (sends, event) = match timeout_at(deadline, ordered.lock()).await {
            Ok(mut ordered) => {
                let mut next = next.filter(|_| ordered.is_none_or(|at| installation.clock.since(at) >= REMEMBERED_FOR));
                // Only the first order of a chain of checks uses up a limit. The worker's orders continue a chain.
                let chain = self.chain_draw().filter(|_| next.is_some() && send_deadline == SendDeadline::Browser);
                if let Some(chain) = &chain
                    && !installation.draw(&key, chain).await
                {
                    next = None;
                }
                let is_known = self.before.is_some() || self.since.is_none() || self.after.step == 0;
                let now = installation.clock.now();
                let id = self.event_id(now);
                let said = self.said_before(installation, now);
                let published = installation.recent.published(&id);
                let may_send = outbox.takes_events() && is_known && said.is_none() && published == Fate::None;
                let admitted = if may_send { self.admit_event(installation, outbox, &key, &id).await } else { None };
                let event = (admitted.as_ref()).map(|(severity, _)| OutcomeEvent {
                    severity: *severity,
                    ..self.event(installation, recorded.visit.request, now, is_final)
                });
                let sends = self.send(installation, outbox, next, event.as_ref(), deadline, send_deadline).await;
                if chain.is_some() && sends.order == Fate::Sent {
                    installation.draw(&key, &Draw::ChainSent(self.chain_kind())).await;
                }
                if let (Some((_, Some(drawn))), Fate::Refused | Fate::Lost) = (&admitted, sends.event) {
                    installation.give_back(&key, drawn).await;
                }
                if sends.order == Fate::Sent {
                    *ordered = Some(now);
                }
                if matches!(sends.event, Fate::Sent | Fate::Refused) {
                    installation.recent.note_published(id.clone(), sends.event);
                }
                if sends.event == Fate::Sent {
                    installation.recent.say(subject(self.app, &self.after), self.after.outcome, id.clone(), now);
                }
                let id = said.or_else(|| (sends.event == Fate::Sent || published == Fate::Sent).then_some(id));
                (sends, id.filter(|id| outbox.informed(id) != Informed::Unknown).map(Into::into))
            }
            // Another task is sending the same, and takes too long.
            Err(_) => {
                let order = if next.is_some() { Fate::Refused } else { Fate::None };
                (SendsLine { order, reason: Some("busy".into()), ..SendsLine::NOTHING }, None)
            }
        };
        self.record_sends(installation, recorded, &sends)?;
        Ok((sends, event))
    }

    /// The id of an earlier event with the same outcome: the last event about the subject if we know it, else an event of this process from
    /// the last 20 minutes. `None` if this event must be published: its outcome is new or has become final.
    fn said_before(&self, installation: &Installation, now: OffsetDateTime) -> Option<String> {
        let Self { app, before, since, after, purpose, .. } = self;
        match (before, since, &after.event) {
            _ if *purpose != Purpose::Outcome => None,
            // No check verifies these outcomes, so each link has its own events about them.
            (None, Some(_), None) if after.outcome.is_unverifiable() => None,
            (Some(_), ..) if !self.is_change() => None,
            (.., Some(event)) => Some(event.as_ref().to_owned()),
            (None, Some(_), None) => None,
            _ => installation.recent.said(&subject(app, after), after.outcome, now),
        }
    }

    /// Sends an event that the event bus refused before, with the time of its outcome. If a later check has led to another outcome, the event
    /// has the severity `update`, so that it opens and closes no ticket.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub(super) async fn publish_event(
        &self,
        installation: &Installation,
        recorded: &ApprovalLine,
        is_overtaken: bool,
    ) -> std::io::Result<SendsLine> {
        let Some(outbox) = installation.outbox().filter(|outbox| outbox.takes_events()) else { return Ok(SendsLine::NOTHING) };
        let key = BoundKey::of(&self.after);
        let event = self.event(installation, recorded.visit.request, moment(self.at), !self.is_change());
        // The limits admitted the event when it was first sent, so here they decide only the severity.
        let admitted = if is_overtaken { None } else { self.admit_event(installation, outbox, &key, &event.id).await };
        let (severity, drawn) = admitted.unwrap_or((Severity::Update, None));
        let event = OutcomeEvent { severity, ..event };
        let deadline = Instant::now() + SendDeadline::Worker.for_event();
        let sends = match sent_by(deadline, outbox.put_event(&event)).await {
            Ok(()) => SendsLine { event: Fate::Sent, ..SendsLine::NOTHING },
            Err(NotSent(reason)) => SendsLine { event: Fate::Refused, reason: Some(reason), ..SendsLine::NOTHING },
        };
        if let (Some(drawn), Fate::Refused) = (&drawn, sends.event) {
            installation.give_back(&key, drawn).await;
        }
        self.record_sends(installation, recorded, &sends)?;
        Ok(sends)
    }

    /// Publishes, once a day, that a revoked or expired link was used. Later uses on that day cause no event. No use sends an order.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub(super) async fn publish_once_a_day(self, installation: &Installation, recorded: &ApprovalLine) -> std::io::Result<()> {
        if !installation.recent.publishes_ended(self.id().id) {
            return Ok(());
        }
        Box::pin(self.send_once(installation, recorded, None, SendDeadline::Browser)).await?;
        Ok(())
    }

    /// Publishes that further claims of this link are only counted until the span ends.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub(super) async fn publish_counted(&self, installation: &Installation, recorded: &ApprovalLine) -> std::io::Result<()> {
        let Some(outbox) = installation.outbox().filter(|outbox| outbox.takes_events()) else { return Ok(()) };
        let now = installation.clock.now();
        let key = BoundKey::of(&self.after);
        let transition = TransitionId::of_counted(&key, &self.after, installation.clock.now_unix());
        let said = last_statement(installation, self.app, &self.after).await.map(|last| last.outcome);
        let said = said.or_else(|| installation.recent.last_outcome(&subject(self.app, &self.after)));
        let outcome = said.unwrap_or(self.after.outcome);
        let event = OutcomeEvent {
            id: transition.id.clone(),
            // This time is before every check of the span, so this event replaces no finding at a consumer.
            as_of: moment(span_start(installation.clock.now_unix())),
            outcome: OutcomeLine { before: Some(outcome), after: outcome },
            cause: None,
            severity: Severity::Update,
            basis: Basis::Claim,
            counted: true,
            summary: COUNTED.into(),
            ..self.event(installation, recorded.visit.request, now, false)
        };
        let sent = sent_by(Instant::now() + SendDeadline::Browser.for_event(), outbox.put_event(&event)).await;
        if sent.is_err() {
            // One of the next counted claims tries again.
            installation.give_back(&key, &Draw::CountedEvent).await;
        }
        let sends = match sent {
            Ok(()) => SendsLine { event: Fate::Sent, ..SendsLine::NOTHING },
            Err(NotSent(reason)) => SendsLine { event: Fate::Lost, reason: Some(reason), ..SendsLine::NOTHING },
        };
        installation.records.write(&recorded.dispatched(transition, event.outcome, sends))
    }

    /// Returns the severity of the event and the limit that the event uses up, or `None` if the limits do not admit the event. An event that
    /// rests on a claim has at most the severity `update`. Only the event of the day may open a ticket: 20 minutes after the claim, or at once
    /// if no check follows.
    async fn admit_event(
        &self,
        installation: &Installation,
        outbox: &dyn Outbox,
        key: &BoundKey,
        id: &str,
    ) -> Option<(Severity, Option<Draw>)> {
        let own = if self.unknown_refusal().is_some() { Severity::Open } else { self.after.outcome.severity() };
        let (day, event) = (Draw::DayEvent(id.to_owned()), Draw::Event(id.to_owned()));
        if self.basis() == Basis::Finding || self.purpose == Purpose::EndedLink {
            return Some((own, None));
        }
        let is_over = self.after.age(installation.clock.now_unix()) >= PROVISIONAL;
        let is_unchecked = self.after.askable().is_none() || installation.config.verifier_of(self.app).is_none() || !outbox.takes_orders();
        if own == Severity::Open && (is_over || is_unchecked) && installation.draw(key, &day).await {
            return Some((own, Some(day)));
        }
        installation.draw(key, &event).await.then_some((own.at_most_update(), Some(event)))
    }

    fn record_sends(&self, installation: &Installation, recorded: &ApprovalLine, sends: &SendsLine) -> std::io::Result<()> {
        if *sends == SendsLine::NOTHING {
            return Ok(());
        }
        if let SendsLine { order, event, reason: Some(reason) } = sends {
            tracing::warn!(sends.order = ?order, sends.event = ?event, reason = %reason, "an order or an outcome event was not taken");
        }
        installation.records.write(&recorded.dispatched(self.id(), self.outcome(), sends.clone()))
    }

    async fn send(
        &self,
        installation: &Installation,
        outbox: &dyn Outbox,
        next: Option<NextCheck>,
        event: Option<&OutcomeEvent>,
        deadline: Instant,
        send_deadline: SendDeadline,
    ) -> SendsLine {
        let remembered = ApprovalState { queued: Queued::Sent, event: None, ..self.after.clone() };
        let order = async {
            let Some(next) = next else { return (Fate::None, None) };
            match send_order(installation, outbox, &remembered, next, None, deadline).await {
                Ok(()) => (Fate::Sent, None),
                Err(NotSent(reason)) => (Fate::Refused, Some(reason)),
            }
        };
        let event = async {
            let Some(event) = event else { return (Fate::None, None) };
            let in_time = deadline.min(Instant::now() + send_deadline.for_event());
            let Err(NotSent(reason)) = sent_by(in_time, outbox.put_event(event)).await else { return (Fate::Sent, None) };
            let at = u64::try_from(event.at.unix_timestamp()).unwrap_or(0);
            let tell = Some(PendingEvent { before: self.before, at, since: self.since, as_of: Some(micros(self.as_of)) });
            let now = NextCheck { attempt: 0, wait: Duration::ZERO };
            let is_retried = outbox.takes_orders() && self.purpose != Purpose::EndedLink;
            let ordered = is_retried && send_order(installation, outbox, &remembered, now, tell, deadline).await.is_ok();
            (if ordered { Fate::Refused } else { Fate::Lost }, Some(reason))
        };
        let ((order, order_refused), (event, event_refused)) = futures_util::join!(order, event);
        SendsLine { order, event, reason: order_refused.or(event_refused) }
    }

    /// Returns the finding if Microsoft refused the check for an unknown reason and the outcome is `unavailable` because of it.
    fn unknown_refusal(&self) -> Option<&Finding> {
        let finding = self.check.map(|check| &*check.timed.finding)?;
        (finding.obstacle == Some(Obstacle::UnknownRefusal) && self.after.outcome == Outcome::Unavailable).then_some(finding)
    }

    /// The id of the event, which is usually the id of its record too. An unknown refusal hits all customers at once, so its events share one
    /// id for each app, code and hour. One process sends such an event once, and consumers drop an id that they have.
    fn event_id(&self, at: OffsetDateTime) -> String {
        let Some(finding) = self.unknown_refusal() else { return self.id().id };
        let (app, hour) = (self.app.profile.client_id, at.unix_timestamp().div_euclid(3_600));
        let code = finding.code.map_or(0, |code| code.number());
        hashed_id(&format!("refused {app} {code} {hour}"))
    }

    fn event(&self, installation: &Installation, request: TokenId, at: OffsetDateTime, is_final: bool) -> OutcomeEvent {
        let Self { app, after, check, .. } = self;
        let expectation = &after.expectation;
        let tenant = match expectation.tenant {
            ExpectedTenant::Tenant(tenant) => Some(tenant),
            ExpectedTenant::Any => None,
        };
        let seen_name = check.and_then(|check| check.timed.finding.tenant_name.as_ref()).map(DisplayText::as_str);
        let name = seen_name.or_else(|| expectation.label.as_ref().map(|label| label.as_str()));
        let mut cut = EventCut::default();
        let difference = check.map(|check| &check.assessment.difference);
        let missing = difference.map(|difference| listed(difference.missing.iter(), &mut cut.missing)).unwrap_or_default();
        let excess = |difference: &crate::consent::permissions::Difference| {
            difference.forbidden.iter().chain(&difference.unexpected).cloned().collect::<Vec<_>>()
        };
        let unexpected = difference.map(|difference| listed(excess(difference).iter(), &mut cut.unexpected)).unwrap_or_default();
        let (trace_id, correlation_id, obstacle) = match *check {
            Some(check) if !check.assessment.verdict.leaves_it_to_the_claim() => {
                (check.timed.trace_id, check.timed.correlation_id, check.timed.finding.obstacle)
            }
            _ => (after.claim.error())
                .map(|error| (error.trace_id, error.correlation_id, error.code.map(|code| aadsts::lookup(code).token)))
                .unwrap_or_default(),
        };
        let age = after.age(installation.clock.now_unix());
        OutcomeEvent {
            schema: EVENT_SCHEMA,
            id: self.event_id(at),
            at,
            as_of: self.as_of,
            since: after.since,
            callback_at: after.callback_at,
            subject: subject(app, after),
            tenant: EventTenant { id: tenant, name: name.map(Box::from) },
            app: EventApp { id: app.profile.id.clone(), client_id: app.profile.client_id, name: app.profile.name.clone() },
            label: expectation.label.as_ref().map(|label| label.as_str().into()),
            reference: expectation.reference.as_ref().map(|reference| reference.as_str().into()),
            outcome: self.outcome(),
            cause: after.outcome.cause(obstacle),
            severity: Severity::Update,
            basis: self.basis(),
            counted: false,
            provisional: !is_final && after.outcome.can_change(age),
            summary: match self.unknown_refusal().and_then(|finding| finding.code) {
                Some(code) => format!("{code}: {}", aadsts::UNKNOWN.operator()).into(),
                None => after.outcome.msp_line().into(),
            },
            missing,
            unexpected,
            cut,
            correlation: Correlation {
                ticket: after.ticket,
                invitation: expectation.invitation.as_ref().map(|origin| origin.id),
                request: Some(request),
                trace_id,
                correlation_id,
            },
        }
    }
}

/// The order's group in the fair queue: its tenant.
fn group(state: &ApprovalState) -> String {
    match state.expectation.tenant {
        ExpectedTenant::Tenant(tenant) => tenant.to_string(),
        ExpectedTenant::Any => "any".to_owned(),
    }
}

/// Makes the queue deliver a received message again after `wait`, or earlier if `wait` is too long for the queue.
///
/// # Errors
/// [`NotSent`]
pub(super) async fn put_off(installation: &Installation, receipt: &str, wait: Duration) -> Result<(), NotSent> {
    let outbox = orders(installation)?;
    sent_by(Instant::now() + SendDeadline::Worker.for_event(), outbox.put_off(receipt, wait.min(LONGEST_PUT_OFF))).await
}

/// Sends an order again that is not due yet.
///
/// # Errors
/// [`NotSent`]
pub(super) async fn requeue(installation: &Installation, order: &str, state: &ApprovalState, wait: Duration) -> Result<(), NotSent> {
    let outbox = orders(installation)?;
    sent_by(Instant::now() + SendDeadline::Worker.whole(), outbox.send_order(order, &group(state), wait.min(LONGEST_DELAY))).await
}

fn orders(installation: &Installation) -> Result<&dyn Outbox, NotSent> {
    installation.outbox().filter(|outbox| outbox.takes_orders()).ok_or_else(|| NotSent("no_queue".into()))
}

/// The check after number `attempt`, if another check can change the outcome. `since` is the age of the check whose result number `attempt`
/// used. The age is more than zero if that was an earlier check. `least` is the shortest wait.
pub(super) fn next_check(
    installation: &Installation,
    state: &ApprovalState,
    attempt: u32,
    since: Duration,
    least: Option<Duration>,
) -> Option<NextCheck> {
    let age = state.age(installation.clock.now_unix());
    if state.askable().is_none() || !state.outcome.can_change(age) {
        return None;
    }
    let wait = installation.config.worker.schedule.next(age.saturating_sub(since), installation.jitter())?.saturating_sub(since);
    let wait = wait.max(least.unwrap_or_default());
    Some(NextCheck { attempt: attempt.saturating_add(1), wait })
}

/// Sends the order for the one check after a press: the callback may get lost. Presses of one button within 20 minutes send one. A refused
/// order only costs that check, so the button leads to Microsoft all the same.
pub(super) async fn order_after_press(installation: &Installation, state: &ApprovalState) {
    let Some(outbox) = installation.outbox().filter(|outbox| outbox.takes_orders() && state.askable().is_some()) else { return };
    let (key, deadline) = (BoundKey::of(state), Instant::now() + SendDeadline::Browser.whole());
    if !installation.draw(&key, &Draw::Press).await {
        return;
    }
    let once = NextCheck { attempt: 0, wait: AFTER_PRESS };
    if let Err(NotSent(reason)) = send_order(installation, outbox, state, once, None, deadline).await {
        tracing::warn!(reason = %reason, "the order for the check after a press was not taken");
        installation.give_back(&key, &Draw::Press).await;
    }
}

async fn send_order(
    installation: &Installation,
    outbox: &dyn Outbox,
    state: &ApprovalState,
    next: NextCheck,
    tell: Option<PendingEvent>,
    deadline: Instant,
) -> Result<(), NotSent> {
    let keys = installation.cached_keys().await.map_err(|_| NotSent("keys_unavailable".into()))?;
    let signer = installation.signer(&keys);
    // Rounds up to whole seconds, because the due time is compared with a clock of whole seconds.
    let wait = Duration::from_secs(next.wait.as_secs() + u64::from(next.wait.subsec_nanos() > 0));
    let not_before = signer.now.saturating_add(wait.as_secs());
    let order = Order { remembered: state.clone(), attempt: next.attempt, not_before, tell };
    let body = order.issue(order.id(), installation.config.links.order.as_secs(), signer).map_err(|_| NotSent("too_long".into()))?;
    sent_by(deadline, outbox.send_order(&body, &group(state), wait.min(LONGEST_DELAY))).await
}

/// The next check of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextCheck {
    /// Its number, from 1.
    pub(super) attempt: u32,
    /// The wait before it.
    pub(super) wait: Duration,
}

/// Most permissions in one list of an event, and most characters of each. These limits keep an event far below EventBridge's limit of 256
/// KB, with any characters in the permissions.
const MOST_LISTED: usize = 60;
const LONGEST_LISTED: usize = 200;

fn listed<'p>(permissions: impl ExactSizeIterator<Item = &'p NamedPermission>, cut: &mut usize) -> Vec<String> {
    *cut = permissions.len().saturating_sub(MOST_LISTED);
    permissions.take(MOST_LISTED).map(|permission| permission.to_string().chars().take(LONGEST_LISTED).collect()).collect()
}

pub(super) async fn sent_by(deadline: Instant, sending: impl Future<Output = Result<(), NotSent>>) -> Result<(), NotSent> {
    timeout_at(deadline, sending).await.unwrap_or_else(|_| Err(NotSent("no_answer_in_time".into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::permission_table::PermissionKind;

    #[test]
    fn the_lists_of_an_event_are_bounded_and_what_is_left_out_is_counted() {
        // A control character takes six bytes of JSON, the maximum.
        let permission = NamedPermission { resource: "\u{1}".repeat(500).into(), kind: PermissionKind::Delegated, value: "x".into() };
        for count in [0, 3, MOST_LISTED, 5_000] {
            let permissions = vec![permission.clone(); count];
            let mut cut = 0;
            let list = listed(permissions.iter(), &mut cut);
            assert_eq!(list.len() + cut, count);
            // Two such lists, plus some kilobytes for the rest.
            assert!(2 * serde_json::to_string(&list).unwrap().len() + 16 * 1024 < 256 * 1024);
        }
    }
}
