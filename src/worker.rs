//! What the queue sees: orders, each by itself, and one failure fails one message.
//!
//! A message is a signed [`Order`]. The queue is trusted no more than the public address: a forged message makes nobody ask
//! Microsoft. An order whose outcome can still change sends the next one and succeeds; only poison and a refused send fail. Whatever is
//! delivered twice or out of order repeats transitions with the same ids.

use std::time::{Duration, Instant};

use crate::config::ConfiguredApp;
use crate::consent::Outcome;
use crate::consent::outcome::carry_on;
use crate::link::{OpenedOrder, Order, Receipt, Tell};
use crate::panics::unpanicking;
use crate::record::{Event, Fate, FrontDoor, Line, MessageLine, RejectionLine};
use crate::site::{Again, Conclusion, KeysUnavailable, NoLook, Patience, Site};
use crate::verify::LOOK_STANDS;
use crate::world::moment;

/// One delivery of a message, whatever queue it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The message's id in its queue.
    pub id: &'a str,
    /// Its body: a signed order, if it is genuine.
    pub body: &'a str,
    /// How often it was delivered, this time included; 0 where the queue does not say.
    pub received: u32,
}

/// What becomes of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// Deleted from the queue.
    Done,
    /// Delivered again, and in the end to the dead-letter queue.
    Failed,
}

/// Carries out one message. What fails leaves a record that names the message.
pub async fn carry_out(site: &Site, delivery: Delivery<'_>) -> Handled {
    let handled = match unpanicking(handle(site, delivery)).await {
        Some(Ok(())) => return Handled::Done,
        Some(Err(undone)) => undone,
        None => Undone::Failed("panicked"),
    };
    let Undone::Failed(reason) = handled else { return Handled::Failed };
    let line = Line::new(Event::Failed, site.clock.now()).of_message(delivery.named(Some(reason)));
    tracing::error!(message.id = delivery.id, message.received = delivery.received, reason, "a message could not be carried out");
    if let Err(error) = site.records.write(&line) {
        tracing::error!(error.kind = %error.kind(), "that could not be recorded");
    }
    Handled::Failed
}

/// Why a message is delivered again.
enum Undone {
    /// It is none of ours; the record of that is written.
    Poison,
    /// It could not be carried out now, for this reason.
    Failed(&'static str),
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

    fn line(&self, site: &Site, event: Event) -> Line {
        Line::new(event, site.clock.now()).from_visitor(site.new_id(), FrontDoor::Other, None, None)
    }

    /// Records that nothing is done about a message, and about what it was where it is an order of ours.
    fn reject(&self, site: &Site, order: Option<&Order>, outcome: Outcome, reason: &'static str) -> std::io::Result<()> {
        let rejection = RejectionLine { reason, bytes: self.body.len(), unknown_parameters: None };
        let line = self.line(site, Event::Rejected).with_rejection(outcome, rejection).of_message(self.named(None));
        let line = match order.map(|order| &order.remembered) {
            Some(Receipt { ticket, expectation, binding, late, .. }) => {
                let line = line.of_ticket(*ticket, expectation, *binding, *late);
                let app = site.config.app(&expectation.app);
                app.map_or(line.clone(), |app| line.of_client(app.profile.client_id))
            }
            None => line,
        };
        site.records.write(&line)
    }
}

async fn handle(site: &Site, delivery: Delivery<'_>) -> Result<(), Undone> {
    let started = Instant::now();
    let OpenedOrder { order, id, ends } = match site.open(|seal| Order::open(delivery.body, seal)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(flaw)) => {
            delivery.reject(site, None, Outcome::LinkDamaged, flaw.reason())?;
            return Err(Undone::Poison);
        }
        Err(KeysUnavailable(_)) => return Err(Undone::Failed("keys_unavailable")),
    };
    let now = site.clock.now_unix();
    let remembered = &order.remembered;
    // What was concluded is told all the same, and be it days late or the link taken back: only looks stop.
    if order.tell.is_none() && now > ends.saturating_add(site.config.links.leeway.as_secs()) {
        return Ok(delivery.reject(site, Some(&order), Outcome::LinkExpired, "order_expired")?);
    }
    if now < order.not_before {
        // No queue delays for longer than 15 minutes, so an order that waits for hours comes by now and then.
        let wait = Duration::from_secs(order.not_before.saturating_sub(now));
        return site.put_back(delivery.body, wait).await.map_err(|_| Undone::Failed("order_refused"));
    }
    let may_look = !site.is_revoked(remembered.ticket, &remembered.expectation, remembered.signed_at);
    if order.tell.is_none() && !may_look {
        return Ok(delivery.reject(site, Some(&order), Outcome::LinkRevoked, "link_revoked")?);
    }
    // A message that is delivered twice must not send two orders, each of which would send another.
    let carried_out = site.carried_out(id);
    let mut carried_out = carried_out.lock().await;
    if *carried_out {
        return Ok(());
    }
    let Some(app) = site.config.app(&remembered.expectation.app) else {
        return Ok(delivery.reject(site, Some(&order), Outcome::LinkRevoked, "app_not_configured")?);
    };
    match order.tell {
        Some(tell) => {
            let again = if may_look { site.look_as_ordered(remembered, started).await.ok() } else { None };
            tell_outcome(site, delivery, app, remembered, tell, again.as_ref()).await?;
        }
        None => {
            if look(site, delivery, app, &order, started).await? == Progress::Requeued {
                return Ok(());
            }
        }
    }
    *carried_out = true;
    Ok(())
}

/// How far an order came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It was carried out: the same message again changes nothing.
    CarriedOut,
    /// The same message is in the queue again, and is carried out then.
    Requeued,
}

/// Looks, records what changed, tells it, and orders the next look or writes the final record.
async fn look(site: &Site, delivery: Delivery<'_>, app: &ConfiguredApp, order: &Order, started: Instant) -> Result<Progress, Undone> {
    let before = &order.remembered;
    if !site.has_queue() {
        return Err(Undone::Failed("no_queue"));
    }
    let mut again = match site.look_as_ordered(before, started).await {
        Ok(again) => again,
        // A look that began before the claim says nothing about it: the order waits until this process may look again.
        Err(NoLook::TooSoon(wait)) => {
            site.put_back(delivery.body, wait).await.map_err(|_| Undone::Failed("order_refused"))?;
            return Ok(Progress::Requeued);
        }
        Err(NoLook::Never | NoLook::NotHere) => {
            delivery.reject(site, Some(order), Outcome::LinkRevoked, "order_without_tenant")?;
            return Ok(Progress::CarriedOut);
        }
    };
    let stands = |outcome| if outcome == before.outcome { before.clone() } else { before.changed_to(outcome) };
    let since = since_look(site, &again);
    if site.next_look(&stands(again.outcome), order.attempt, since, None).is_none() {
        // Where nobody knows in the end, that is said. It can change for a day, so a look may follow all the same.
        let age = before.age(site.clock.now_unix());
        again.outcome = carry_on(before.outcome, again.seen, age, true);
    }

    let changed = site.record_again(delivery.line(site, Event::Concluded), before, &again)?;
    let now = stands(again.outcome);
    let next = site.next_look(&now, order.attempt, since, Some(least_wait(site, &again)));
    let settled = settled_line(site, delivery, app, &now, &again);
    let write_settled = || site.records.write_transition_once(&settled);
    let (line, stood) = match (&changed, next) {
        (Some(line), _) => (Some(line), Some(before.outcome)),
        // It was told as provisional, and now it is final: whoever waits for that is told, as a transition to what it was.
        (None, None) => {
            write_settled()?;
            (Some(&settled), Some(now.outcome))
        }
        (None, Some(_)) => (None, None),
    };
    let seen = (again.seen == now.outcome).then_some((&*again.look, &again.assessment));
    let done = Conclusion { remembered: &now, before: stood, app, seen, at: site.clock.now() };
    let (sent, _) = site.dispatch(line, done, next, Patience::Worker).await?;
    if sent.order == Fate::Refused {
        return Err(Undone::Failed("order_refused"));
    }
    if sent.event == Fate::Lost {
        return Err(Undone::Failed("event_lost"));
    }
    if next.is_none() {
        write_settled()?;
    }
    Ok(Progress::CarriedOut)
}

/// How long the next look has to wait at least: until this process would ask again, and as long as Microsoft wants to be left alone.
fn least_wait(site: &Site, again: &Again) -> Duration {
    let look = &again.look;
    let stands = if look.fresh { Duration::ZERO } else { LOOK_STANDS.saturating_sub(since_look(site, again)) };
    stands.max(look.retry_after.unwrap_or_default())
}

/// How old the look is that was shown again; nothing where this one looked itself.
fn since_look(site: &Site, again: &Again) -> Duration {
    if again.look.fresh { Duration::ZERO } else { site.clock.since(again.look.at) }
}

/// The final record: so it stands, and nobody looks again unasked.
fn settled_line(site: &Site, delivery: Delivery<'_>, app: &ConfiguredApp, now: &Receipt, again: &Again) -> Line {
    let line = delivery
        .line(site, Event::Settled)
        .of_ticket(now.ticket, &now.expectation, now.binding, now.late)
        .of_client(app.profile.client_id)
        .with_claim(&now.claim, false, None);
    let line = again.look.recorded_on(line, &again.assessment);
    line.with_outcome(now.ticket, now.callback_at, now.step, Some(now.outcome), now.outcome)
}

/// Tells an outcome that the event bus did not take from whoever concluded it, with what is seen now where it still stands so. Where it
/// does not, it is only news: a later state may have been told since, and must not be undone.
async fn tell_outcome(
    site: &Site,
    delivery: Delivery<'_>,
    app: &ConfiguredApp,
    remembered: &Receipt,
    tell: Tell,
    again: Option<&Again>,
) -> Result<(), Undone> {
    let is_overtaken = again.is_some_and(|again| again.outcome != remembered.outcome);
    let line = delivery
        .line(site, Event::Concluded)
        .of_ticket(remembered.ticket, &remembered.expectation, remembered.binding, remembered.late)
        .of_client(app.profile.client_id)
        .with_outcome(remembered.ticket, remembered.callback_at, remembered.step, tell.before, remembered.outcome);
    let seen = again.filter(|again| again.seen == remembered.outcome).map(|again| (&*again.look, &again.assessment));
    let done = Conclusion { remembered, before: tell.before, app, seen, at: moment(tell.at) };
    match site.tell(&line, done, is_overtaken).await?.event {
        Fate::Refused | Fate::Lost => Err(Undone::Failed("event_refused")),
        Fate::Sent | Fate::None => Ok(()),
    }
}
