//! What leaves after something was concluded and recorded: the order for another look and the outcome event, beside each other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashlink::LruCache;
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use super::Site;
use crate::config::ConfiguredApp;
use crate::consent::outcome::Severity;
use crate::consent::permissions::NamedPermission;
use crate::consent::{Assessment, Claim, DisplayText, ErrorClass, ExpectedTenant, Outcome, TokenId};
use crate::link::{Order, Queued, Receipt, Tell};
use crate::outbox::{Correlation, EVENT_SCHEMA, EventApp, EventCut, EventTenant, Informed, LONGEST_DELAY, NotSent, Outbox, OutcomeEvent};
use crate::record::{Fate, Line, OutcomeLine, SendsLine, transition_id};
use crate::verify::Look;

/// How long somebody may wait for what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// A browser: 300 ms for both together.
    Browser,
    /// Nobody: what the clients themselves allow.
    Worker,
}

impl Patience {
    /// For order and event together.
    pub(super) const BROWSER: Duration = Duration::from_millis(300);

    fn whole(self) -> Duration {
        match self {
            Self::Browser => Self::BROWSER,
            Self::Worker => Duration::from_secs(5),
        }
    }

    /// For the event alone: what is left is for telling the worker that it has to send it.
    fn for_event(self) -> Duration {
        match self {
            Self::Browser => Duration::from_millis(200),
            Self::Worker => Duration::from_secs(3),
        }
    }
}

/// Something that was concluded. Its line was flushed.
#[derive(Debug, Clone, Copy)]
pub struct Conclusion<'a> {
    /// What is remembered of it from now on: its outcome is the one that was concluded.
    pub remembered: &'a Receipt,
    /// How it stood before; `None` for the first outcome, the same where it has become final as it stood. Where it is `None` of a later
    /// one, nobody is told: what changed is not known.
    pub before: Option<Outcome>,
    /// The app.
    pub app: &'a ConfiguredApp,
    /// The look it was concluded from, and what that amounts to.
    pub seen: Option<(&'a Look, &'a Assessment)>,
    /// When.
    pub at: OffsetDateTime,
}

impl Conclusion<'_> {
    fn transition(&self) -> String {
        let Receipt { ticket, callback_at, step, outcome, .. } = *self.remembered;
        transition_id(ticket, callback_at, step, self.before, outcome)
    }
}

/// How long a process remembers what it sent. A link that is used again after that is a matter of its own.
const REMEMBERED_FOR: Duration = crate::consent::outcome::PROVISIONAL;
/// How many transitions are remembered. Forgetting one costs a message and an event with an id that consumers know.
const REMEMBERED: usize = 4_096;

/// What of a transition was sent, and when that began. Who holds the lock does the sending.
#[derive(Debug)]
struct Sent {
    since: Option<OffsetDateTime>,
    order: bool,
    event: Fate,
}

impl Sent {
    const NOTHING: Self = Self { since: None, order: false, event: Fate::None };
}

/// A transition, and by which kind of claim it came: the looks of one claim do not stand for those of another, which came later and is
/// concluded differently.
type Handover = (String, std::mem::Discriminant<Claim>, Option<ErrorClass>);

/// Whether a message was carried out.
type CarriedOut = Arc<tokio::sync::Mutex<bool>>;

/// What this process sent lately: ten thousand replays of a ticket send one order and one event.
#[derive(Debug)]
pub(super) struct SentLately {
    transitions: Mutex<LruCache<Handover, Arc<tokio::sync::Mutex<Sent>>>>,
    orders: Mutex<LruCache<TokenId, CarriedOut>>,
}

impl SentLately {
    pub(super) fn new() -> Self {
        Self { transitions: Mutex::new(LruCache::new(REMEMBERED)), orders: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    fn of(&self, transition: String, claim: &Claim) -> Arc<tokio::sync::Mutex<Sent>> {
        let handover = (transition, std::mem::discriminant(claim), claim.error().map(|error| error.class));
        let mut transitions = self.transitions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sent) = transitions.peek(&handover) {
            return Arc::clone(sent);
        }
        let sent = Arc::new(tokio::sync::Mutex::new(Sent::NOTHING));
        transitions.insert(handover, Arc::clone(&sent));
        sent
    }
}

impl Site {
    /// Whether orders are kept for a worker.
    #[must_use]
    pub fn has_queue(&self) -> bool {
        self.outbox().is_some_and(Outbox::takes_orders)
    }

    /// Hands over what an outcome that a browser waits for calls for: the order for another look where that can still change it and none is
    /// under way, and the event. `line` is the conclusion's own line; another one says what became of both. Gives what the receipt has to
    /// remember of both.
    ///
    /// # Errors
    /// The sink's, where the second line cannot be written.
    pub async fn hand_over(&self, line: &Line, done: Conclusion<'_>) -> std::io::Result<(Queued, Option<Box<str>>)> {
        let queued = done.remembered.queued;
        // Microsoft may want to be left alone for longer than the schedule would.
        let least = done.seen.and_then(|(look, _)| look.retry_after);
        let next = if queued == Queued::Sent { None } else { self.next_look(done.remembered, 0, Duration::ZERO, least) };
        let (dispatched, event) = self.dispatch(Some(line), done, next, Patience::Browser).await?;
        let queued = match (dispatched.order, next) {
            (Fate::Refused | Fate::Lost, _) => Queued::Refused,
            (Fate::Sent, _) | (Fate::None, Some(_)) => Queued::Sent,
            (Fate::None, None) if queued == Queued::Refused => Queued::No,
            (Fate::None, None) => queued,
        };
        Ok((queued, event.or_else(|| done.remembered.event.clone())))
    }

    /// Hands over an order for the look that is `next`, where there is one, and the event of a conclusion that has a line, beside each
    /// other. Nothing of one conclusion is handed over twice by one process within 20 minutes, unless it was refused. Gives the event's id
    /// too, as [`Receipt::event`] keeps it.
    ///
    /// # Errors
    /// The sink's, where the line that says what became of both cannot be written.
    pub(crate) async fn dispatch(
        &self,
        line: Option<&Line>,
        done: Conclusion<'_>,
        next: Option<NextLook>,
        patience: Patience,
    ) -> std::io::Result<(SendsLine, Option<Box<str>>)> {
        let Some(outbox) = self.outbox() else { return Ok((SendsLine::NOTHING, None)) };
        let deadline = Instant::now() + patience.whole();
        let is_final = patience == Patience::Worker && next.is_none();
        let next = next.filter(|_| outbox.takes_orders());
        let Some(line) = line else {
            return Ok((self.send(outbox, next, None, done, deadline, patience).await, None));
        };
        let transition = done.transition();
        let sent = self.sent_lately.of(transition.clone(), &done.remembered.claim);
        let (dispatched, event) = match timeout_at(deadline, sent.lock()).await {
            Ok(mut sent) => {
                if sent.since.is_none_or(|since| self.clock.since(since) >= REMEMBERED_FOR) {
                    *sent = Sent { since: Some(self.clock.now()), ..Sent::NOTHING };
                }
                let next = next.filter(|_| !sent.order);
                let is_known = done.before.is_some() || done.remembered.step == 0;
                let event = (outbox.takes_events() && is_known && sent.event == Fate::None)
                    .then(|| self.event(transition.clone(), line.request(), &done, is_final));
                let sends = self.send(outbox, next, event.as_ref(), done, deadline, patience).await;
                sent.order |= sends.order == Fate::Sent;
                if matches!(sends.event, Fate::Sent | Fate::Refused) {
                    sent.event = sends.event;
                }
                let informs = sent.event == Fate::Sent && outbox.informed(&transition) != Informed::Unknown;
                (sends, informs.then(|| transition.into()))
            }
            // Somebody else is sending the very same, and it takes too long.
            Err(_) => {
                let order = if next.is_some() { Fate::Refused } else { Fate::None };
                (SendsLine { order, reason: Some("busy".into()), ..SendsLine::NOTHING }, None)
            }
        };
        self.record_dispatch(line, &dispatched)?;
        Ok((dispatched, event))
    }

    /// Tells an outcome that the event bus did not take before. One that has been overtaken opens and closes nothing any more.
    ///
    /// # Errors
    /// As [`Self::dispatch`].
    pub(crate) async fn tell(&self, line: &Line, done: Conclusion<'_>, is_overtaken: bool) -> std::io::Result<SendsLine> {
        let Some(outbox) = self.outbox().filter(|outbox| outbox.takes_events()) else { return Ok(SendsLine::NOTHING) };
        let is_final = done.before == Some(done.remembered.outcome);
        let mut event = self.event(done.transition(), line.request(), &done, is_final);
        if is_overtaken {
            event.severity = Severity::Update;
        }
        let deadline = Instant::now() + Patience::Worker.for_event();
        let dispatched = match sent_by(deadline, outbox.put_event(&event)).await {
            Ok(()) => SendsLine { event: Fate::Sent, ..SendsLine::NOTHING },
            Err(NotSent(reason)) => SendsLine { event: Fate::Refused, reason: Some(reason), ..SendsLine::NOTHING },
        };
        self.record_dispatch(line, &dispatched)?;
        Ok(dispatched)
    }

    /// Puts an order back whose time has not come.
    ///
    /// # Errors
    /// [`NotSent`]
    pub(crate) async fn put_back(&self, order: &str, wait: Duration) -> Result<(), NotSent> {
        let Some(outbox) = self.outbox().filter(|outbox| outbox.takes_orders()) else { return Err(NotSent("no_queue".into())) };
        sent_by(Instant::now() + Patience::Worker.whole(), outbox.send_order(order, wait.min(LONGEST_DELAY))).await
    }

    /// Whether this process has carried out that very message to its end. Who holds the lock carries it out; who waits for it finds it
    /// done.
    pub(crate) fn carried_out(&self, order: TokenId) -> CarriedOut {
        let mut orders = self.sent_lately.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = orders.peek(&order) {
            return Arc::clone(known);
        }
        let new = CarriedOut::default();
        orders.insert(order, Arc::clone(&new));
        new
    }

    /// The look after number `attempt`, where another one can change the outcome. `since` is how long ago that one really looked: where it
    /// showed an earlier look, the interval counts from there. `least` is the least time to wait.
    pub(crate) fn next_look(&self, remembered: &Receipt, attempt: u32, since: Duration, least: Option<Duration>) -> Option<NextLook> {
        let age = remembered.age(self.clock.now_unix());
        if remembered.askable().is_none() || !remembered.outcome.can_change(age) {
            return None;
        }
        let [dice, ..] = self.entropy.bytes();
        let wait = self.config.worker.schedule.next(age.saturating_sub(since), dice)?.saturating_sub(since);
        let wait = wait.max(least.unwrap_or_default());
        Some(NextLook { attempt: attempt.saturating_add(1), wait })
    }

    async fn send(
        &self,
        outbox: &dyn Outbox,
        next: Option<NextLook>,
        event: Option<&OutcomeEvent>,
        done: Conclusion<'_>,
        deadline: Instant,
        patience: Patience,
    ) -> SendsLine {
        let remembered = Receipt { queued: Queued::Sent, event: None, ..done.remembered.clone() };
        let order = async {
            let Some(next) = next else { return (Fate::None, None) };
            match self.send_order(outbox, &remembered, next, None, deadline).await {
                Ok(()) => (Fate::Sent, None),
                Err(NotSent(reason)) => (Fate::Refused, Some(reason)),
            }
        };
        let event = async {
            let Some(event) = event else { return (Fate::None, None) };
            let in_time = deadline.min(Instant::now() + patience.for_event());
            let Err(NotSent(reason)) = sent_by(in_time, outbox.put_event(event)).await else { return (Fate::Sent, None) };
            let at = u64::try_from(done.at.unix_timestamp()).unwrap_or(0);
            let tell = Some(Tell { before: done.before, at });
            let now = NextLook { attempt: 0, wait: Duration::ZERO };
            let told = outbox.takes_orders() && self.send_order(outbox, &remembered, now, tell, deadline).await.is_ok();
            (if told { Fate::Refused } else { Fate::Lost }, Some(reason))
        };
        let ((order, not_queued), (event, not_told)) = futures_util::join!(order, event);
        SendsLine { order, event, reason: not_queued.or(not_told) }
    }

    async fn send_order(
        &self,
        outbox: &dyn Outbox,
        remembered: &Receipt,
        next: NextLook,
        tell: Option<Tell>,
        deadline: Instant,
    ) -> Result<(), NotSent> {
        let keys = self.keys_at_hand().await.map_err(|_| NotSent("keys_unavailable".into()))?;
        let seal = self.seal(&keys);
        // Whole seconds, and none too few: the moment is compared with a clock of whole seconds.
        let wait = Duration::from_secs(next.wait.as_secs() + u64::from(next.wait.subsec_nanos() > 0));
        let not_before = seal.now.saturating_add(wait.as_secs());
        let order = Order { remembered: remembered.clone(), attempt: next.attempt, not_before, tell };
        let body = order.issue(order.id(), self.config.links.order.as_secs(), seal).map_err(|_| NotSent("too_long".into()))?;
        sent_by(deadline, outbox.send_order(&body, wait.min(LONGEST_DELAY))).await
    }

    fn record_dispatch(&self, line: &Line, sends: &SendsLine) -> std::io::Result<()> {
        if *sends == SendsLine::NOTHING {
            return Ok(());
        }
        if let SendsLine { order, event, reason: Some(reason) } = sends {
            tracing::warn!(sends.order = ?order, sends.event = ?event, reason = %reason, "an order or an outcome event was not taken");
        }
        self.records.write(&line.dispatched(self.clock.now(), sends.clone()))
    }

    fn event(&self, id: String, request: Option<TokenId>, done: &Conclusion<'_>, is_final: bool) -> OutcomeEvent {
        let Conclusion { remembered, before, app, seen, at } = *done;
        let expectation = &remembered.expectation;
        let tenant = match expectation.tenant {
            ExpectedTenant::Tenant(tenant) => Some(tenant),
            ExpectedTenant::Any => None,
        };
        let seen_name = seen.and_then(|(look, _)| look.finding.tenant_name.as_ref()).map(DisplayText::as_str);
        let name = seen_name.or_else(|| expectation.label.as_ref().map(|label| label.as_str()));
        let mut cut = EventCut::default();
        let difference = seen.map(|(_, assessment)| &assessment.difference);
        let missing = difference.map(|difference| listed(difference.missing.iter(), &mut cut.missing)).unwrap_or_default();
        let excess = |difference: &crate::consent::permissions::Difference| {
            difference.forbidden.iter().chain(&difference.unexpected).cloned().collect::<Vec<_>>()
        };
        let unexpected = difference.map(|difference| listed(excess(difference).iter(), &mut cut.unexpected)).unwrap_or_default();
        let (trace_id, correlation_id) = match seen {
            Some((look, assessment)) if !assessment.verdict.leaves_it_to_the_claim() => (look.trace_id, look.correlation_id),
            _ => remembered.claim.error().map(|error| (error.trace_id, error.correlation_id)).unwrap_or_default(),
        };
        let age = remembered.age(self.clock.now_unix());
        OutcomeEvent {
            schema: EVENT_SCHEMA,
            id,
            at,
            subject: OutcomeEvent::subject_of(tenant, app.profile.client_id),
            tenant: EventTenant { id: tenant, name: name.map(Box::from) },
            app: EventApp { id: app.profile.id.clone(), client_id: app.profile.client_id, name: app.profile.name.clone() },
            label: expectation.label.as_ref().map(|label| label.as_str().into()),
            reference: expectation.reference.as_ref().map(|reference| reference.as_str().into()),
            outcome: OutcomeLine { before, after: remembered.outcome },
            severity: remembered.outcome.severity(),
            provisional: !is_final && remembered.outcome.can_change(age),
            summary: remembered.outcome.msp_line().into(),
            missing,
            unexpected,
            cut,
            correlation: Correlation {
                ticket: remembered.ticket,
                invitation: expectation.invitation.as_ref().map(|origin| origin.id),
                request,
                trace_id,
                correlation_id,
            },
        }
    }
}

/// The next look at something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextLook {
    /// Its number, from 1.
    pub(crate) attempt: u32,
    /// How long to wait for it.
    pub(crate) wait: Duration,
}

/// Most permissions of one list of an event, and most characters of each: with them an event stays far below the 256 KB that EventBridge
/// takes, whatever characters somebody's permissions are made of.
const MOST_LISTED: usize = 60;
const LONGEST_LISTED: usize = 200;

fn listed<'p>(permissions: impl ExactSizeIterator<Item = &'p NamedPermission>, cut: &mut usize) -> Vec<String> {
    *cut = permissions.len().saturating_sub(MOST_LISTED);
    permissions.take(MOST_LISTED).map(|permission| permission.to_string().chars().take(LONGEST_LISTED).collect()).collect()
}

async fn sent_by(deadline: Instant, sending: impl Future<Output = Result<(), NotSent>>) -> Result<(), NotSent> {
    timeout_at(deadline, sending).await.unwrap_or_else(|_| Err(NotSent("no_answer_in_time".into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::permission_table::PermissionKind;

    #[test]
    fn the_lists_of_an_event_are_bounded_and_what_is_left_out_is_counted() {
        // A control character takes six bytes of JSON, the most that any does.
        let permission = NamedPermission { resource: "\u{1}".repeat(500).into(), kind: PermissionKind::Delegated, value: "x".into() };
        for count in [0, 3, MOST_LISTED, 5_000] {
            let permissions = vec![permission.clone(); count];
            let mut cut = 0;
            let list = listed(permissions.iter(), &mut cut);
            assert_eq!(list.len() + cut, count);
            // Two such lists, and some kilobytes for the rest.
            assert!(2 * serde_json::to_string(&list).unwrap().len() + 16 * 1024 < 256 * 1024);
        }
    }
}
