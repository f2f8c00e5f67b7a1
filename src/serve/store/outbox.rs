//! The outbox that writes orders and events to the store.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hashlink::LruCache;
use tokio::sync::Notify;

use super::{Queue, Store, StoreFault, StoredItem, deliveries, millis_of, orders};
use crate::consent::{Draw, Drawn};
use crate::env::{Clock, millis};
use crate::outbox::{Informed, NotSent, Outbox, OutcomeEvent, Sending, Statement};
use crate::sync::locked;

/// How many events a process tracks.
const REMEMBERED: usize = 4_096;

/// What this process knows about events in the store: which ones it stored and still wait, and which ones the webhook accepted.
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

    /// Notes that the event was stored. The webhook may already have accepted it.
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

    /// Deliveries have ended, so the state of every event is unknown.
    pub(super) fn stopped(&self) {
        *self.known() = LruCache::new(0);
    }
}

/// Stores orders and events, and wakes the tasks that process them.
#[derive(Debug)]
pub struct StoreOutbox {
    store: Store,
    clock: Clock,
    /// Whether a receiver of outcomes exists.
    has_webhook: bool,
    orders: Arc<Notify>,
    deliveries: Arc<Notify>,
}

impl StoreOutbox {
    /// An outbox over a store. Without a webhook, events have no receiver: they are accepted and not stored.
    #[must_use]
    pub fn new(store: Store, clock: Clock, has_webhook: bool) -> Self {
        Self { store, clock, has_webhook, orders: Arc::default(), deliveries: Arc::default() }
    }

    /// Notified when an item was added to that queue.
    #[must_use]
    pub(crate) fn notify_of(&self, queue: Queue) -> Arc<Notify> {
        Arc::clone(match queue {
            Queue::Orders => &self.orders,
            Queue::Deliveries => &self.deliveries,
        })
    }

    async fn keep_order(&self, body: String, group: String, delay: Duration) -> Result<(), NotSent> {
        let now = millis_of(self.clock.now());
        let (due, item) = (now.saturating_add(millis(delay)), StoredItem { id: group, body, failures: 0, since: now });
        let kept = if orders::is_carrying_out() {
            self.store.put_following(due, item).await
        } else {
            self.store.put(Queue::Orders, due, item).await
        };
        kept.map_err(|fault| NotSent(reason(&fault)))?;
        self.orders.notify_one();
        Ok(())
    }
}

/// The reason as a record contains it: the log has the operating system's message.
fn reason(fault: &StoreFault) -> Box<str> {
    match fault {
        StoreFault::Full => "store_full",
        StoreFault::TooLarge => "too_large",
        StoreFault::Failed(_) => "store_failed",
        StoreFault::Damaged(_) => "store_damaged",
    }
    .into()
}

impl Outbox for StoreOutbox {
    fn takes_events(&self) -> bool {
        self.has_webhook
    }

    fn has_lost_messages(&self) -> bool {
        self.store.was_damaged()
    }

    fn informed(&self, event: &str) -> Informed {
        self.store.deliveries().of(event)
    }

    fn last_statement<'a>(&'a self, subject: &'a str) -> Pin<Box<dyn Future<Output = Option<Statement>> + Send + 'a>> {
        // A store that fails knows nothing, which is safe: the check is then a statement of its own. The failure is in the log.
        Box::pin(async move { self.store.last_statement(subject.to_owned()).await.ok().flatten() })
    }

    fn draw<'a>(&'a self, period: &'a (u64, String), draw: &'a Draw) -> Pin<Box<dyn Future<Output = Option<Drawn>> + Send + 'a>> {
        // While the store fails, the bounds of this process apply. The failure is in the log.
        Box::pin(async move { self.store.draw(period.clone(), draw.clone()).await.ok() })
    }

    fn give_back<'a>(&'a self, period: &'a (u64, String), draw: &'a Draw) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            // What cannot be given back stays drawn: then one message less is sent.
            let _ = self.store.give_back(period.clone(), draw.clone()).await;
        })
    }

    fn send_order<'a>(&'a self, order: &'a str, group: &'a str, delay: Duration) -> Sending<'a> {
        Box::pin(self.keep_order(order.to_owned(), group.to_owned(), delay))
    }

    fn put_event<'a>(&'a self, event: &'a OutcomeEvent) -> Sending<'a> {
        Box::pin(async move {
            if !self.has_webhook {
                return Ok(());
            }
            let payload = deliveries::payload(event).map_err(|_| NotSent("not_serialisable".into()))?;
            let now = millis_of(self.clock.now());
            let item = StoredItem { id: event.id.clone(), body: payload, failures: 0, since: now };
            let kept = if event.counted {
                self.store.put(Queue::Deliveries, now, item).await
            } else {
                self.store.put_event(now, item, event.subject.clone(), event.statement()).await
            };
            kept.map_err(|fault| NotSent(reason(&fault)))?;
            self.deliveries.notify_one();
            self.store.deliveries().waits(&event.id);
            Ok(())
        })
    }
}
