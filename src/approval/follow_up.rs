//! The worker: processes each order of the queue separately, so that one failure fails one message.
//!
//! A message is a signed [`Order`]. The queue gets no more trust than the public address: a forged message causes no call to Microsoft. While
//! an outcome can still change, the worker sends the next order and the queue deletes this message. The worker puts off an order that is not
//! due. A message fails only if it is no genuine order (poison) or if the worker cannot process it now. A message that arrives twice or late
//! repeats its transitions with the same ids, so receivers can drop them.

use std::time::{Duration, Instant};

use super::admission::{self, Bar, Token};
use super::check::{AssessedCheck, NoCheck};
use super::publish::{self, next_check, requeue};
use super::transition::{Transition, last_statement, statement_since_claim, subject, visible_outcome};
use crate::config::ConfiguredApp;
use crate::consent::claim::Agreement;
use crate::consent::outcome::carry_on;
use crate::consent::{ApprovalState, Outcome};
use crate::entra::verifier::CHECK_VALID_FOR;
use crate::env::moment_of_micros;
use crate::installation::{Installation, KeysUnavailable};
use crate::outbox::{Basis, NotSent, Outbox, Statement};
use crate::panics::unpanicking;
use crate::record::{ApprovalLine, Fate, MessageLine, OutcomeLine, Record, RejectedLine, RejectionLine, VisitLine};
use crate::token::{Flaw, OpenedOrder, Order, PendingEvent};

/// One delivery of a message from any queue.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The message's id, from its queue.
    pub id: &'a str,
    /// A signed order, if it is genuine.
    pub body: &'a str,
    /// The number of deliveries, including this one; 0 if the queue does not report it.
    pub received: u32,
    /// SQS's receipt handle of this delivery. `None` if the queue cannot put a message off.
    pub receipt: Option<&'a str>,
}

/// The result of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// The queue deletes it.
    Done,
    /// The queue keeps it and delivers it again when its order is due. This is no failure.
    PutOff,
    /// The queue delivers it again, and finally moves it to the dead-letter queue.
    Failed,
}

/// Processes one message. A failure leaves a record that names the message.
pub async fn carry_out(installation: &Installation, delivery: Delivery<'_>) -> Handled {
    let handled = match unpanicking(handle(installation, delivery)).await {
        Some(Ok(handled)) => return handled,
        Some(Err(undone)) => undone,
        None => Undone::Failed("panicked"),
    };
    let Undone::Failed(reason) = handled else { return Handled::Failed };
    tracing::error!(message.id = delivery.id, message.received = delivery.received, reason, "a message could not be carried out");
    if let Err(error) = installation.records.write(&Record::Failed { message: delivery.named(Some(reason)) }) {
        tracing::error!(error.kind = %error.kind(), "that could not be recorded");
    }
    Handled::Failed
}

/// Why the queue delivers a message again.
enum Undone {
    /// Not a genuine order. It is already recorded.
    Poison,
    /// It could not be processed now; contains the reason.
    Failed(&'static str),
}

impl From<NotSent> for Undone {
    fn from(_: NotSent) -> Self {
        Self::Failed("order_refused")
    }
}

impl From<std::io::Error> for Undone {
    fn from(error: std::io::Error) -> Self {
        tracing::error!(error.kind = %error.kind(), "a record could not be written; the message is delivered again");
        Self::Failed("not_recorded")
    }
}

impl Delivery<'_> {
    fn named(&self, reason: Option<&'static str>) -> MessageLine {
        MessageLine::new(self.id, self.received, reason)
    }

    /// Records why the worker ignores a message, with the approval if the order is genuine. `kid` names the order's key if
    /// that is a current or former key of this installation.
    fn reject(
        &self,
        installation: &Installation,
        kid: &Option<Box<str>>,
        state: Option<&ApprovalState>,
        Bar { outcome, reason }: Bar,
    ) -> std::io::Result<()> {
        let rejection = RejectionLine { reason, bytes: self.body.len(), unknown_parameters: None };
        let visit = visit(installation, kid);
        let rejected = match state {
            Some(state) => {
                let app = installation.config.app(&state.expectation.app);
                RejectedLine::Approval(ApprovalLine::new(visit, state, app.map(|app| app.profile.client_id)))
            }
            None => RejectedLine::Stranger(visit),
        };
        let (outcome, message) = (OutcomeLine { before: None, after: outcome }, Some(self.named(None)));
        installation.records.write(&Record::Rejected { rejected, transition: None, outcome, rejection, message })
    }
}

fn visit(installation: &Installation, kid: &Option<Box<str>>) -> VisitLine {
    VisitLine::of_message(installation.new_id(), kid.clone())
}

async fn handle(installation: &Installation, delivery: Delivery<'_>) -> Result<Handled, Undone> {
    let started = Instant::now();
    let (OpenedOrder { order, id, ends }, kid) = match admission::open(installation, delivery.body, Order::open).await {
        Ok((Ok(opened), kid)) => (opened, kid),
        Ok((Err(flaw), kid)) => {
            delivery.reject(installation, &kid, None, Bar::of(flaw))?;
            // After the operator revokes a stolen key, every order that the key signed ends here. The records still show its claim without a
            // final outcome, and `verify --from-records` checks that approval.
            return if flaw == Flaw::RevokedKey { Ok(Handled::Done) } else { Err(Undone::Poison) };
        }
        Err(KeysUnavailable(_)) => return Err(Undone::Failed("keys_unavailable")),
    };
    let (now, state) = (installation.clock.now_unix(), &order.remembered);
    let admitted = admission::admit(installation, Token::Order(state, ends));
    // A pending event is delivered even after expiry or revocation; only checks stop.
    let bar = admitted.err().filter(|_| order.tell.is_none());
    if let Some(bar) = bar.filter(|bar| *bar == Bar::ORDER_EXPIRED) {
        delivery.reject(installation, &kid, Some(state), bar)?;
        return Ok(Handled::Done);
    }
    if now < order.not_before {
        // SQS delays a message that is sent for 15 minutes at most, so an order that waits longer is put off when it arrives.
        return Ok(put_off(installation, delivery, state, Duration::from_secs(order.not_before.saturating_sub(now))).await?);
    }
    if let Some(bar) = bar {
        delivery.reject(installation, &kid, Some(state), bar)?;
        return Ok(Handled::Done);
    }
    // A message that arrives twice must not send two orders, each of which would send another.
    let handled = installation.recent.handled(id);
    let mut handled = handled.lock().await;
    if *handled {
        return Ok(Handled::Done);
    }
    let app = match admission::app(installation, &state.expectation.app) {
        Ok(app) => app,
        Err(bar) => {
            delivery.reject(installation, &kid, Some(state), bar)?;
            return Ok(Handled::Done);
        }
    };
    match order.tell {
        Some(tell) => {
            let check = if admitted == Err(Bar::REVOKED) { None } else { AssessedCheck::in_worker(installation, app, state).await.ok() };
            publish_pending(installation, app, state, &kid, tell, check.as_ref()).await?;
        }
        None => {
            if let OrderProgress::Waits(handled) = check_again(installation, delivery, app, &order, &kid, started).await? {
                return Ok(handled);
            }
        }
    }
    *handled = true;
    Ok(Handled::Done)
}

/// Makes the queue deliver an order again that is not due yet: the same message, or a new one if the queue cannot put the message off.
async fn put_off(installation: &Installation, delivery: Delivery<'_>, state: &ApprovalState, wait: Duration) -> Result<Handled, NotSent> {
    if let Some(receipt) = delivery.receipt {
        let Err(NotSent(reason)) = publish::put_off(installation, receipt, wait).await else { return Ok(Handled::PutOff) };
        tracing::warn!(message.id = delivery.id, reason = %reason, "the queue did not put an order off; the worker sends it again");
    }
    requeue(installation, delivery.body, state, wait).await?;
    Ok(Handled::Done)
}

/// The result of processing an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OrderProgress {
    /// It is processed: the same message again changes nothing.
    CarriedOut,
    /// The same order is in the queue, for later.
    Waits(Handled),
}

/// Checks, records a change, publishes it, and orders the next check or writes the final record.
async fn check_again(
    installation: &Installation,
    delivery: Delivery<'_>,
    app: &ConfiguredApp,
    order: &Order,
    kid: &Option<Box<str>>,
    started: Instant,
) -> Result<OrderProgress, Undone> {
    let before = &order.remembered;
    if !installation.outbox().is_some_and(Outbox::takes_orders) {
        return Err(Undone::Failed("no_queue"));
    }
    let check = match AssessedCheck::in_worker(installation, app, before).await {
        Ok(check) => check,
        // A check that began before the claim says nothing about it. The order waits until this process may check again.
        Err(NoCheck::TooSoon(wait)) => {
            return Ok(OrderProgress::Waits(put_off(installation, delivery, before, wait).await?));
        }
        Err(NoCheck::Never | NoCheck::NotHere) => {
            delivery.reject(installation, kid, Some(before), Bar::NO_TENANT)?;
            return Ok(OrderProgress::CarriedOut);
        }
    };
    // If the result comes from an earlier check, the interval counts from that check.
    let since = if check.timed.fresh { Duration::ZERO } else { installation.clock.since(check.timed.at) };
    let last = statement_since_claim(installation, app, before).await;
    if order.follows_a_press() {
        return publish_found(installation, app, before, kid, last.as_ref(), &check, started).await;
    }
    let mut transition = Transition::next(installation, app, before, last.as_ref(), &check, false);
    if next_check(installation, &transition.after, order.attempt, since, None).is_none() {
        // A last check without an answer makes the outcome unknown. An unknown outcome can change for a day, so another check may follow after
        // all.
        transition = Transition::next(installation, app, before, last.as_ref(), &check, true);
    }
    // The next check waits until the cached check has expired, and at least for Microsoft's Retry-After.
    let shared = if check.timed.fresh { Duration::ZERO } else { CHECK_VALID_FOR.saturating_sub(since) };
    let least = shared.max(check.timed.retry_after.unwrap_or_default());
    let next = next_check(installation, &transition.after, order.attempt, since, Some(least));
    // The final record, in case no automatic check follows.
    let settled = transition.settled();
    if next.is_none() && transition.before.is_none() {
        transition = settled.clone();
    }
    let mut recorded = None;
    if transition.is_change() {
        let claimed = transition.claimed(visit(installation, kid));
        recorded = Some(claimed.approval.clone());
        installation.records.write_transition_once(&transition.record(claimed, started))?;
    }
    let claimed = settled.claimed(visit(installation, kid));
    let settled_by = claimed.approval.clone();
    let settled = Record::Settled(settled.conclusion(claimed));
    // A claim of another link does not finish this approval.
    let is_open = |last: &Statement| last.provisional || (last.outcome != transition.after.outcome && last.outcome.rests_on_a_claim());
    // The outcome was published as provisional and is now final. Receivers wait for the final event, so we publish a transition from this
    // outcome to itself.
    if recorded.is_none() && next.is_none() && last.as_ref().is_none_or(is_open) {
        installation.records.write_transition_once(&settled)?;
        recorded = Some(settled_by);
    }
    let reminder = transition.reminder();
    if recorded.is_none() && next.is_some() && reminder.is_due(installation).await {
        let claimed = reminder.claimed(visit(installation, kid));
        let approval = claimed.approval.clone();
        installation.records.write_transition_once(&reminder.record(claimed, started))?;
        reminder.publish_from_worker(installation, Some(&approval), None).await?;
    }
    if visible_outcome(installation, before, last.as_ref(), Some(&check)) != transition.after.outcome {
        transition.check = None;
    }
    let sends = transition.publish_from_worker(installation, recorded.as_ref(), next).await?;
    if sends.order == Fate::Refused {
        return Err(Undone::Failed("order_refused"));
    }
    if sends.event == Fate::Lost {
        return Err(Undone::Failed("event_lost"));
    }
    if next.is_none() {
        installation.records.write_transition_once(&settled)?;
    }
    Ok(OrderProgress::CarriedOut)
}

/// Publishes what the check after a press found, as the callback would have done, unless `said` says it already. If the check shows
/// nothing, it leaves nothing: we cannot know whether the administrator approved or even decided.
async fn publish_found(
    installation: &Installation,
    app: &ConfiguredApp,
    state: &ApprovalState,
    kid: &Option<Box<str>>,
    said: Option<&Statement>,
    check: &AssessedCheck,
    started: Instant,
) -> Result<OrderProgress, Undone> {
    let Some(tenant) = state.askable() else { return Ok(OrderProgress::CarriedOut) };
    let last = last_statement(installation, app, state).await;
    let transition = Transition::first(installation, app, state.clone(), Agreement::Agrees(tenant), last.as_ref(), Some(check));
    let outcome = transition.after.outcome;
    let is_of_approval = outcome.rests_on_a_sight() || outcome == Outcome::ApprovalRequested;
    let said_here = installation.recent.said(&subject(app, state), outcome, installation.clock.now());
    let is_said = said.is_some_and(|said| said.outcome == outcome) || said_here.is_some();
    if transition.basis() == Basis::Claim || !is_of_approval || is_said {
        return Ok(OrderProgress::CarriedOut);
    }
    let claimed = transition.claimed(visit(installation, kid));
    let approval = claimed.approval.clone();
    installation.records.write_transition_once(&transition.record(claimed, started))?;
    match transition.publish_from_worker(installation, Some(&approval), None).await?.event {
        Fate::Lost => Err(Undone::Failed("event_lost")),
        Fate::Sent | Fate::Refused | Fate::None => Ok(OrderProgress::CarriedOut),
    }
}

/// Publishes an outcome that the event bus did not accept when it was concluded. The event includes the current finding if the finding shows
/// the same outcome. If the current finding leads to another outcome, the event has the severity `update`, so that it does not undo a later
/// event.
async fn publish_pending(
    installation: &Installation,
    app: &ConfiguredApp,
    state: &ApprovalState,
    kid: &Option<Box<str>>,
    tell: PendingEvent,
    check: Option<&AssessedCheck>,
) -> Result<(), Undone> {
    let shown = check.map(|check| (check, visible_outcome(installation, state, None, Some(check))));
    let carried_on = |(_, shown)| carry_on(state.outcome, shown, state.age(installation.clock.now_unix()), false);
    let is_overtaken = shown.map(carried_on).is_some_and(|outcome| outcome != state.outcome);
    let seen = shown.filter(|(_, shown)| *shown == state.outcome).map(|(check, _)| check);
    let mut transition = Transition { since: tell.since, ..Transition::concluded(app, state.clone(), tell.before, tell.at, seen) };
    if seen.is_none() {
        transition.as_of = tell.as_of.map_or(transition.as_of, moment_of_micros);
    }
    let approval = ApprovalLine::new(visit(installation, kid), state, Some(app.profile.client_id));
    match transition.publish_event(installation, &approval, is_overtaken).await?.event {
        Fate::Refused | Fate::Lost => Err(Undone::Failed("event_refused")),
        Fate::Sent | Fate::None => Ok(()),
    }
}
