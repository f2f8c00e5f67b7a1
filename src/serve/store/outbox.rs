//! The outbox that writes orders and events to the store.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hashlink::LruCache;
use tokio::sync::Notify;

use super::{Queue, Store, StoreFault, StoredItem, dead_letters, deliveries, millis_of, orders};
use crate::consent::Draw;
use crate::env::{Clock, millis};
use crate::installation::Installation;
use crate::outbox::{Informed, NotSent, Outbox, OutcomeEvent, RenewalEvent, Sending, Statement};
use crate::sync::locked;

/// The number of events whose state a process remembers.
const REMEMBERED: usize = 4_096;

/// What this process knows about events that it has stored: which events still wait, and which events the webhook accepted.
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

    /// Notes that an event was stored, unless the webhook has accepted the event already.
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

    /// Forgets the state of all events, because no further event will be posted.
    pub(super) fn stopped(&self) {
        *self.known() = LruCache::new(0);
    }
}

/// The maximum number of orders and events together in memory, while another process has the store.
const MOST_HELD: usize = 1_000;
/// How many of them are orders of one tenant.
const MOST_ORDERS_HELD: usize = 8;

/// Where this outbox puts orders and events.
#[derive(Debug)]
enum MessagePlace {
    /// In memory, because another process has the store.
    Memory(VecDeque<OutboxMessage>),
    Store(Store),
    /// Nowhere, because the other process kept the store for too long.
    Closed,
}

/// An order or an event.
#[derive(Debug, Clone)]
struct OutboxMessage {
    due: u64,
    item: StoredItem,
    content: MessageContent,
}

impl OutboxMessage {
    /// Whether this order's tenant already has its share of the memory. A visit to a result page repeats an order that is only held.
    fn is_one_too_many(&self, held: &VecDeque<Self>) -> bool {
        let is_order = |message: &Self| matches!(message.content, MessageContent::Order);
        is_order(self) && held.iter().filter(|other| is_order(other) && other.item.id == self.item.id).count() >= MOST_ORDERS_HELD
    }
}

#[derive(Debug, Clone)]
enum MessageContent {
    Order,
    /// With the event's subject and what it states about it; `None` if it states nothing new.
    Event(Option<(String, Statement)>),
}

/// Where this outbox has put a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PutIn {
    Memory,
    Store,
}

/// Stores orders and events, and wakes the tasks that process them.
#[derive(Debug)]
pub struct StoreOutbox {
    place: Mutex<MessagePlace>,
    clock: Clock,
    /// Whether a receiver of outcomes exists.
    has_webhook: bool,
    orders: Arc<Notify>,
    deliveries: Arc<Notify>,
}

impl StoreOutbox {
    /// An outbox that writes to a store. Without a webhook, events have no receiver, so this outbox accepts events but does not store them.
    #[must_use]
    pub fn new(store: Store, clock: Clock, has_webhook: bool) -> Self {
        Self::with(MessagePlace::Store(store), clock, has_webhook)
    }

    /// An outbox without a store, because another process has the store. Keeps orders and events in memory until [`Self::open`].
    #[must_use]
    pub fn in_wait(clock: Clock, has_webhook: bool) -> Self {
        Self::with(MessagePlace::Memory(VecDeque::new()), clock, has_webhook)
    }

    fn with(place: MessagePlace, clock: Clock, has_webhook: bool) -> Self {
        Self { place: Mutex::new(place), clock, has_webhook, orders: Arc::default(), deliveries: Arc::default() }
    }

    /// Stores the messages that are in memory, in their order. Later messages go to the store at once. Returns the number of messages that
    /// were in memory.
    pub async fn open(&self, store: &Store, installation: &Installation) -> usize {
        let mut held = 0;
        loop {
            let next = match &mut *locked(&self.place) {
                MessagePlace::Memory(messages) => messages.front().cloned(),
                MessagePlace::Store(_) | MessagePlace::Closed => return held,
            };
            // We remove a message from memory only after we have stored it, so that a stop signal in between does not lose the message.
            let stored = match &next {
                Some(message) => self.put(store, message.clone()).await,
                None => Ok(()),
            };
            let mut place = locked(&self.place);
            match (&mut *place, next) {
                (MessagePlace::Memory(messages), Some(message)) => {
                    messages.pop_front();
                    held += 1;
                    if stored.is_err() {
                        note_lost(installation, &message);
                    }
                }
                (MessagePlace::Memory(messages), None) if messages.is_empty() => *place = MessagePlace::Store(store.clone()),
                _ => {}
            }
        }
    }

    /// Ends the wait for the store. Records each event that is lost, and refuses further messages. A lost order needs no such record,
    /// because its `dispatched` record already says that it was refused.
    pub fn close(&self, installation: &Installation) {
        let mut place = locked(&self.place);
        if let MessagePlace::Memory(messages) = &mut *place {
            let messages = mem::take(messages);
            *place = MessagePlace::Closed;
            drop(place);
            tracing::warn!(messages.lost = messages.len(), "another process keeps the store: orders and events held in memory are lost");
            messages.iter().for_each(|message| note_lost(installation, message));
        }
    }

    fn store(&self) -> Option<Store> {
        match &*locked(&self.place) {
            MessagePlace::Store(store) => Some(store.clone()),
            MessagePlace::Memory(_) | MessagePlace::Closed => None,
        }
    }

    async fn keep(&self, message: OutboxMessage) -> Result<PutIn, NotSent> {
        let store = match &mut *locked(&self.place) {
            MessagePlace::Store(store) => store.clone(),
            MessagePlace::Memory(messages) if messages.len() < MOST_HELD && !message.is_one_too_many(messages) => {
                messages.push_back(message);
                return Ok(PutIn::Memory);
            }
            MessagePlace::Memory(_) => return Err(NotSent("store_full".into())),
            MessagePlace::Closed => return Err(NotSent("store_in_use".into())),
        };
        self.put(&store, message).await.map_err(|fault| NotSent(reason(&fault)))?;
        Ok(PutIn::Store)
    }

    async fn put(&self, store: &Store, OutboxMessage { due, item, content }: OutboxMessage) -> Result<(), StoreFault> {
        match content {
            MessageContent::Event(statement) => {
                let event = item.id.clone();
                match statement {
                    Some((subject, said)) => store.put_event(due, item, subject, said).await?,
                    None => store.put(Queue::Deliveries, due, item).await?,
                }
                self.deliveries.notify_one();
                store.deliveries().waits(&event);
            }
            MessageContent::Order => {
                if orders::is_carrying_out() {
                    store.put_following(due, item).await?;
                } else {
                    store.put(Queue::Orders, due, item).await?;
                }
                self.orders.notify_one();
            }
        }
        Ok(())
    }

    /// Returns a [`Notify`] that wakes when an item was added to the queue.
    pub(crate) fn notify_of(&self, queue: Queue) -> Arc<Notify> {
        Arc::clone(match queue {
            Queue::Orders => &self.orders,
            Queue::Deliveries => &self.deliveries,
        })
    }

    async fn keep_event(
        &self,
        id: String,
        payload: serde_json::Result<String>,
        statement: Option<(String, Statement)>,
    ) -> Result<(), NotSent> {
        if !self.has_webhook {
            return Ok(());
        }
        let body = payload.map_err(|_| NotSent("not_serialisable".into()))?;
        let now = millis_of(self.clock.now());
        let item = StoredItem { id, body, failures: 0, since: now };
        self.keep(OutboxMessage { due: now, item, content: MessageContent::Event(statement) }).await.map(drop)
    }

    async fn keep_order(&self, body: String, group: String, delay: Duration) -> Result<(), NotSent> {
        let now = millis_of(self.clock.now());
        let item = StoredItem { id: group, body, failures: 0, since: now };
        match self.keep(OutboxMessage { due: now.saturating_add(millis(delay)), item, content: MessageContent::Order }).await? {
            PutIn::Store => Ok(()),
            // We report the order as not sent. The check happens only if another process ends, so the page must not promise it.
            PutIn::Memory => Err(NotSent("held".into())),
        }
    }
}

/// Records that an event was accepted and is lost.
fn note_lost(installation: &Installation, OutboxMessage { item, content, .. }: &OutboxMessage) {
    if matches!(content, MessageContent::Order) {
        return;
    }
    if let Err(error) = dead_letters::record(installation, &item.id, 0, dead_letters::NOT_STORED) {
        tracing::error!(message.id = item.id, error.kind = %error.kind(), "that an event is lost could not be recorded");
    }
}

/// The reason in one word, for a record. The log has the message of the operating system.
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
        self.store().is_some_and(|store| store.was_damaged())
    }

    fn informed(&self, event: &str) -> Informed {
        self.store().map_or(Informed::Unknown, |store| store.deliveries().of(event))
    }

    fn last_statement<'a>(&'a self, subject: &'a str) -> Pin<Box<dyn Future<Output = Option<Statement>> + Send + 'a>> {
        // If the store fails, the last event is unknown. This is safe, because the check then leads to an event of its own. The log has the
        // failure.
        Box::pin(async move { self.store()?.last_statement(subject.to_owned()).await.ok().flatten() })
    }

    fn draw<'a>(&'a self, period: &'a (u64, String), draw: &'a Draw) -> Pin<Box<dyn Future<Output = Option<bool>> + Send + 'a>> {
        // While the store fails, the limits of this process apply. The log has the failure.
        Box::pin(async move { self.store()?.draw(period.clone(), draw.clone()).await.ok() })
    }

    fn give_back<'a>(&'a self, period: &'a (u64, String), draw: &'a Draw) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            // If we cannot give the unit back, it stays used up, and we send one message less.
            if let Some(store) = self.store() {
                let _ = store.give_back(period.clone(), draw.clone()).await;
            }
        })
    }

    fn send_order<'a>(&'a self, order: &'a str, group: &'a str, delay: Duration) -> Sending<'a> {
        Box::pin(self.keep_order(order.to_owned(), group.to_owned(), delay))
    }

    fn put_event<'a>(&'a self, event: &'a OutcomeEvent) -> Sending<'a> {
        let statement = (!event.counted).then(|| (event.subject.clone(), event.statement()));
        Box::pin(self.keep_event(event.id.clone(), deliveries::payload(deliveries::EVENT_TYPE, event.at, event), statement))
    }

    fn put_renewal<'a>(&'a self, event: &'a RenewalEvent) -> Sending<'a> {
        Box::pin(self.keep_event(event.id.clone(), deliveries::payload(deliveries::RENEWAL_TYPE, event.at, event), None))
    }
}
