//! The way out of the function into the store.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hashlink::LruCache;
use tokio::sync::Notify;

use super::{Item, Queue, Store, StoreFault, deliveries, millis_of, orders};
use crate::outbox::{Informed, NotSent, Outbox, OutcomeEvent, Sending};
use crate::sync::locked;
use crate::world::{Clock, millis};

/// How many events a process remembers.
const REMEMBERED: usize = 4_096;

/// What this process knows of the events in the store: those that wait since it put them there, and those that the webhook took.
#[derive(Debug)]
pub(super) struct Deliveries(Mutex<LruCache<String, Informed>>);

impl Default for Deliveries {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Deliveries {
    fn known(&self) -> MutexGuard<'_, LruCache<String, Informed>> {
        locked(&self.0)
    }

    fn of(&self, event: &str) -> Informed {
        self.known().peek(event).copied().unwrap_or_default()
    }

    /// It was kept. The webhook may have answered by now.
    fn waits(&self, event: &str) {
        let mut known = self.known();
        if !known.contains_key(event) {
            known.insert(event.to_owned(), Informed::Underway);
        }
    }

    pub(super) fn delivered(&self, event: &str) {
        self.known().insert(event.to_owned(), Informed::Yes);
    }

    pub(super) fn given_up(&self, event: &str) {
        self.known().remove(event);
    }

    /// Nothing is sent any more, so nothing is said of any event.
    pub(super) fn stopped(&self) {
        *self.known() = LruCache::new(0);
    }
}

/// Keeps orders and events in the store, and wakes whoever carries them out.
#[derive(Debug)]
pub struct StoreOutbox {
    store: Store,
    clock: Clock,
    /// Whether anybody is to be told of outcomes.
    has_webhook: bool,
    orders: Arc<Notify>,
    deliveries: Arc<Notify>,
}

impl StoreOutbox {
    /// Over a store. Without a webhook, events are for nobody: they are taken, and not kept.
    #[must_use]
    pub fn new(store: Store, clock: Clock, has_webhook: bool) -> Self {
        Self { store, clock, has_webhook, orders: Arc::default(), deliveries: Arc::default() }
    }

    /// Rings when something was put into that queue.
    #[must_use]
    pub fn bell(&self, queue: Queue) -> Arc<Notify> {
        Arc::clone(match queue {
            Queue::Orders => &self.orders,
            Queue::Deliveries => &self.deliveries,
        })
    }

    async fn keep(&self, queue: Queue, id: String, body: String, delay: Duration) -> Result<(), NotSent> {
        let now = millis_of(self.clock.now());
        let due = now.saturating_add(millis(delay));
        let item = Item { id, body, failures: 0, since: now };
        let kept = match queue {
            Queue::Orders if orders::is_carrying_out() => self.store.put_following(due, item).await,
            Queue::Orders | Queue::Deliveries => self.store.put(queue, due, item).await,
        };
        kept.map_err(|fault| NotSent(reason(&fault)))?;
        self.bell(queue).notify_one();
        Ok(())
    }
}

/// As a record keeps it: what the operating system said is in the log.
fn reason(fault: &StoreFault) -> Box<str> {
    match fault {
        StoreFault::Full => "store_full",
        StoreFault::TooLarge => "too_large",
        StoreFault::Failed(_) => "store_failed",
    }
    .into()
}

impl Outbox for StoreOutbox {
    fn takes_events(&self) -> bool {
        self.has_webhook
    }

    fn informed(&self, event: &str) -> Informed {
        self.store.deliveries().of(event)
    }

    fn send_order<'a>(&'a self, order: &'a str, delay: Duration) -> Sending<'a> {
        Box::pin(self.keep(Queue::Orders, String::new(), order.to_owned(), delay))
    }

    fn put_event<'a>(&'a self, event: &'a OutcomeEvent) -> Sending<'a> {
        Box::pin(async move {
            if !self.has_webhook {
                return Ok(());
            }
            let payload = deliveries::payload(event).map_err(|_| NotSent("not_serialisable".into()))?;
            self.keep(Queue::Deliveries, event.id.clone(), payload, Duration::ZERO).await?;
            self.store.deliveries().waits(&event.id);
            Ok(())
        })
    }
}
