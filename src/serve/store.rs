//! The store of `serve` on disk: the orders and webhook deliveries that wait, each with a due time, and the dead letters.
//!
//! The store is one [redb](https://docs.rs/redb) file, which one process can open at a time. We commit and flush each change before we
//! report it as done, so that a process may end at any moment. We remove an item only after its work is done. If a process ends during that
//! work, the next process does the work again.

mod background;
mod bounds;
mod dead_letters;
mod deliveries;
mod file;
mod orders;
mod outbox;
mod salvage;
mod turns;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redb::backends::InMemoryBackend;
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageBackend, TableDefinition};
use time::OffsetDateTime;

pub(crate) use self::background::Background;
pub use self::deliveries::{Deliverer, EVENT_TYPE};
pub use self::file::StoreError;
pub use self::orders::OrderWorker;
pub(crate) use self::orders::message_id;
pub use self::outbox::StoreOutbox;
pub(crate) use self::salvage::last_statements;
use self::turns::{Change, OpenedStore};
use crate::outbox::Statement;

/// Due time (in milliseconds since 1970) and number → id, body, number of failures, time of storing.
type WaitingTable = TableDefinition<'static, (u64, u64), (&'static str, &'static str, u32, u64)>;

const ORDERS: WaitingTable = TableDefinition::new("orders");
const DELIVERIES: WaitingTable = TableDefinition::new("deliveries");
/// Number → queue, id, body, number of failures, time of giving up, reason.
const DEAD: TableDefinition<'static, u64, (&str, &str, &str, u32, u64, &str)> = TableDefinition::new("dead_letters");
/// Subject → the last event about the subject, as the JSON of a [`Statement`].
const STATEMENTS: TableDefinition<'static, &str, &str> = TableDefinition::new("statements");
/// Start of a limit's period and key → what claims have used up, as JSON.
const BOUNDS: TableDefinition<'static, (u64, &str), &str> = TableDefinition::new("bounds");
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
const NEXT_NUMBER: &str = "next_number";

/// Longest body in bytes. The value is EventBridge's limit for an event. Every order is far shorter.
const LONGEST_BODY: usize = 256 * 1024;
/// Longest id in bytes.
const LONGEST_ID: usize = 256;
/// The store's capacity.
#[derive(Debug, Clone, Copy)]
struct StoreLimits {
    /// The maximum number of waiting items in one queue. A queue fills only during a long fault, and the disk must not fill up then.
    waiting: u64,
    /// How many follow-up orders of orders in progress a full queue accepts in addition. An order leaves the queue only after we have
    /// stored its follow-up. A full queue that refused follow-ups would therefore stay full for ever.
    following: u64,
    /// The maximum number of dead letters. If there are more, we evict the oldest.
    dead: u64,
}

const LIMITS: StoreLimits = StoreLimits { waiting: 100_000, following: 10_000, dead: 10_000 };

/// The queues of waiting items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Orders for the worker.
    Orders,
    /// Outcome events for the webhook.
    Deliveries,
}

impl Queue {
    fn table(self) -> WaitingTable {
        match self {
            Self::Orders => ORDERS,
            Self::Deliveries => DELIVERIES,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Orders => "order",
            Self::Deliveries => "delivery",
        }
    }

    fn named(word: &str) -> Option<Self> {
        [Self::Orders, Self::Deliveries].into_iter().find(|queue| queue.word() == word)
    }
}

/// A waiting item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// For a delivery: the event's id. For an order: the tenant, because an order's number identifies the order. Earlier versions stored
    /// orders with an empty id.
    pub id: String,
    /// The signed order, or the payload of the delivery.
    pub body: String,
    /// The number of failed attempts.
    pub failures: u32,
    /// When the item was stored, in milliseconds since 1970.
    pub since: u64,
}

/// The position of an item in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSlot {
    queue: Queue,
    due: u64,
    /// The item's number. The store never reuses a number.
    pub number: u64,
}

/// The number of items in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreCounts {
    /// Waiting orders.
    pub orders: u64,
    /// Waiting deliveries.
    pub deliveries: u64,
    /// Dead letters.
    pub dead: u64,
}

/// An item that we gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// `order` or `delivery`.
    pub kind: String,
    /// As [`StoredItem::id`].
    pub id: String,
    /// As [`StoreSlot::number`].
    pub number: u64,
    /// The number of failed attempts.
    pub failures: u32,
    /// The reason of the last failure.
    pub why: String,
}

impl DeadLetter {
    fn of(number: u64, (kind, id, _, failures, _, why): (&str, &str, &str, u32, u64, &str)) -> Self {
        Self { kind: kind.into(), id: id.into(), number, failures, why: why.into() }
    }

    /// The dead letter's id in records: the event's id, or the message id of the order.
    #[must_use]
    pub fn message_id(&self) -> String {
        if self.kind == Queue::Orders.word() { message_id(self.number) } else { self.id.clone() }
    }
}

/// Why the store did not accept or return an item. Contains no part of the stored data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// The queue has reached its limit, which only happens during a long fault.
    #[error("store_full")]
    Full,
    /// The item is larger than any genuine item.
    #[error("too_large")]
    TooLarge,
    /// We cannot read or write the file. Contains the error of the operating system or of redb.
    #[error("store_failed: {0}")]
    Failed(Box<str>),
    /// The file is damaged. The store continues with the readable part of the file.
    #[error("store_damaged: {0}")]
    Damaged(Box<str>),
}

impl<E: Into<redb::Error>> From<E> for StoreFault {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Corrupted(damage) => Self::Damaged(damage.into()),
            other => Self::Failed(other.to_string().into()),
        }
    }
}

/// A handle to the store. All clones of a handle share one store.
#[derive(Clone)]
pub struct Store(Arc<StoredCopy>);

struct StoredCopy {
    open: Box<dyn Fn() -> Result<OpenedStore, StoreError> + Send + Sync>,
    /// Whether the file was damaged when this process opened it.
    was_damaged: Arc<AtomicBool>,
    limits: StoreLimits,
    /// The opened file. `None` after a failure, until we have opened the file again.
    opened: RwLock<Option<OpenedStore>>,
    deliveries: outbox::Deliveries,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens the store at a path. If there is none, creates one that only its owner can read.
    ///
    /// # Errors
    /// [`StoreError`] with path and remedy, for example if another process has the store open or if the file is not a store.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let at = path.to_owned();
        let was_damaged = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&was_damaged);
        let open = move || {
            let (database, was_damaged) = salvage::open_sound(&at)?;
            noted.fetch_or(was_damaged, Ordering::Relaxed);
            OpenedStore::new(database).map_err(|error| StoreError::of(&at, error))
        };
        let opened = tokio::task::spawn_blocking(move || Self::opened_by(open, LIMITS, was_damaged)).await;
        opened.unwrap_or_else(|_| Err(StoreError::damaged(path, "reading it fails")))
    }

    /// A store in memory, for the demonstration. Its content is lost when the process ends.
    ///
    /// # Errors
    /// [`StoreError`] if there is not enough memory.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::opened_by(in_memory, LIMITS, Arc::default())
    }

    /// A store in memory with limits for the items in each queue and for dead letters.
    ///
    /// # Errors
    /// As [`Self::in_memory`].
    pub fn in_memory_for(waiting: u64, dead: u64) -> Result<Self, StoreError> {
        Self::opened_by(in_memory, StoreLimits { waiting, dead, ..LIMITS }, Arc::default())
    }

    fn opened_by(
        open: impl Fn() -> Result<OpenedStore, StoreError> + Send + Sync + 'static,
        limits: StoreLimits,
        was_damaged: Arc<AtomicBool>,
    ) -> Result<Self, StoreError> {
        let opened = RwLock::new(Some(open()?));
        Ok(Self(Arc::new(StoredCopy { open: Box::new(open), was_damaged, limits, opened, deliveries: Default::default() })))
    }

    /// Whether the file was damaged when this process opened it, so that a part of its content may be lost.
    #[must_use]
    pub fn was_damaged(&self) -> bool {
        self.0.was_damaged.load(Ordering::Relaxed)
    }

    fn deliveries(&self) -> &outbox::Deliveries {
        &self.0.deliveries
    }

    /// Stores an item that becomes due at `due`. The item is on disk when this method returns.
    ///
    /// # Errors
    /// [`StoreFault`]: the item was not stored, or we don't know whether it was stored.
    pub async fn put(&self, queue: Queue, due: u64, item: StoredItem) -> Result<(), StoreFault> {
        self.put_up_to(self.0.limits.waiting, queue, due, item).await
    }

    /// Stores an event for the webhook, and remembers the event as the last one about its subject. If the remembered event rests on a later
    /// check, it stays the last event.
    pub(crate) async fn put_event(&self, due: u64, item: StoredItem, subject: String, said: Statement) -> Result<(), StoreFault> {
        let most = self.0.limits.waiting;
        self.put_with(most, Queue::Deliveries, due, item, move |write| {
            let mut statements = write.open_table(STATEMENTS)?;
            let last = statements.get(subject.as_str())?.and_then(|last| serde_json::from_str::<Statement>(last.value()).ok());
            if last.is_none_or(|last| last.as_of <= said.as_of) {
                statements.insert(subject.as_str(), serde_json::to_string(&said).unwrap_or_default().as_str())?;
            }
            Ok(())
        })
        .await
    }

    /// The last event about a subject.
    pub(crate) async fn last_statement(&self, subject: String) -> Result<Option<Statement>, StoreFault> {
        self.on(move |opened| {
            let table = opened.database.begin_read()?.open_table(STATEMENTS)?;
            Ok(table.get(subject.as_str())?.and_then(|last| serde_json::from_str(last.value()).ok()))
        })
        .await
    }

    /// As [`Self::put`], for a follow-up of an order in progress. A full queue accepts follow-ups.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub(crate) async fn put_following(&self, due: u64, item: StoredItem) -> Result<(), StoreFault> {
        let StoreLimits { waiting, following, .. } = self.0.limits;
        self.put_up_to(waiting.saturating_add(following), Queue::Orders, due, item).await
    }

    async fn put_up_to(&self, most: u64, queue: Queue, due: u64, item: StoredItem) -> Result<(), StoreFault> {
        self.put_with(most, queue, due, item, |_| Ok(())).await
    }

    async fn put_with(
        &self,
        most: u64,
        queue: Queue,
        due: u64,
        item: StoredItem,
        also: impl FnOnce(&redb::WriteTransaction) -> Result<(), StoreFault> + Send + 'static,
    ) -> Result<(), StoreFault> {
        if item.body.len() > LONGEST_BODY || item.id.len() > LONGEST_ID {
            return Err(StoreFault::TooLarge);
        }
        self.change(move |change| {
            if change.write.open_table(queue.table())?.len()? >= most {
                return Err(StoreFault::Full);
            }
            change.insert(StoreSlot { queue, due, number: next_number(&change.write)? }, &item)?;
            also(&change.write)
        })
        .await
    }

    /// Returns at most `most` due items: one of each tenant or subject in turn. Of each tenant or subject, the item that is overdue for
    /// longest comes first. The items stay in the store until the caller calls [`Self::done`], [`Self::put_off`] or [`Self::give_up`].
    ///
    /// # Errors
    /// [`StoreFault::Failed`].
    pub async fn due(&self, queue: Queue, now: u64, most: usize) -> Result<Vec<(StoreSlot, StoredItem)>, StoreFault> {
        self.on(move |opened| opened.due(queue, now, most)).await
    }

    /// Removes an item whose work is done.
    ///
    /// # Errors
    /// [`StoreFault::Failed`]: the item stays, and its work will be done again.
    pub async fn done(&self, slot: StoreSlot) -> Result<(), StoreFault> {
        self.change(move |change| change.remove(slot)).await
    }

    /// Reschedules a failed item.
    ///
    /// # Errors
    /// As [`Self::done`].
    pub async fn put_off(&self, slot: StoreSlot, due: u64, item: StoredItem) -> Result<(), StoreFault> {
        self.change(move |change| {
            change.remove(slot)?;
            change.insert(StoreSlot { due, ..slot }, &item)
        })
        .await
    }

    /// Moves a failed item to the dead letters. If there are too many dead letters then, evicts the oldest and returns it. The evicted item
    /// is lost, so the caller must report it.
    ///
    /// # Errors
    /// As [`Self::done`].
    pub async fn give_up(&self, slot: StoreSlot, item: StoredItem, now: u64, why: &str) -> Result<Option<DeadLetter>, StoreFault> {
        let (why, most) = (why.to_owned(), self.0.limits.dead);
        self.change(move |change| {
            change.remove(slot)?;
            let mut dead = change.write.open_table(DEAD)?;
            let row = (slot.queue.word(), item.id.as_str(), item.body.as_str(), item.failures, now, why.as_str());
            dead.insert(slot.number, row)?;
            let full = dead.len()? > most;
            let oldest = if full { dead.pop_first()? } else { None };
            Ok(oldest.map(|(number, letter)| DeadLetter::of(number.value(), letter.value())))
        })
        .await
    }

    /// Requeues all dead letters with no failures and due at `now`. Returns the number of dead letters.
    ///
    /// # Errors
    /// [`StoreFault::Failed`]: no dead letter was requeued.
    pub async fn revive(&self, now: u64) -> Result<u64, StoreFault> {
        self.change(move |change| {
            let mut dead = change.write.open_table(DEAD)?;
            let mut revived = 0;
            while let Some((number, letter)) = dead.pop_first()? {
                let (kind, id, body, _, _, _) = letter.value();
                if let Some(queue) = Queue::named(kind) {
                    let item = StoredItem { id: id.to_owned(), body: body.to_owned(), failures: 0, since: now };
                    change.insert(StoreSlot { queue, due: now, number: number.value() }, &item)?;
                    revived += 1;
                }
            }
            Ok(revived)
        })
        .await
    }

    /// Counts the items.
    ///
    /// # Errors
    /// [`StoreFault::Failed`].
    pub async fn counts(&self) -> Result<StoreCounts, StoreFault> {
        self.on(|opened| {
            let read = opened.database.begin_read()?;
            Ok(StoreCounts {
                orders: read.open_table(ORDERS)?.len()?,
                deliveries: read.open_table(DELIVERIES)?.len()?,
                dead: read.open_table(DEAD)?.len()?,
            })
        })
        .await
    }

    /// Returns at most `most` dead letters, the newest first.
    ///
    /// # Errors
    /// [`StoreFault::Failed`].
    pub async fn dead_letters(&self, most: usize) -> Result<Vec<DeadLetter>, StoreFault> {
        self.on(move |opened| {
            let table = opened.database.begin_read()?.open_table(DEAD)?;
            let mut letters = Vec::new();
            for entry in table.iter()?.rev().take(most) {
                let (number, letter) = entry?;
                letters.push(DeadLetter::of(number.value(), letter.value()));
            }
            Ok(letters)
        })
        .await
    }

    async fn change<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Change) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        self.on(move |opened| opened.change(act)).await
    }

    /// Runs `act` outside the threads that answer browsers, because a flush may take long.
    async fn on<T: Send + 'static>(
        &self,
        act: impl FnOnce(&OpenedStore) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let kept = Arc::clone(&self.0);
        let acted = tokio::task::spawn_blocking(move || kept.on(act)).await;
        acted.unwrap_or_else(|_| Err(StoreFault::Failed("reading or writing it failed in a way that it should not".into())))
    }
}

impl StoredCopy {
    fn on<T>(&self, act: impl FnOnce(&OpenedStore) -> Result<T, StoreFault>) -> Result<T, StoreFault> {
        let acted = match &*self.opened.read().unwrap_or_else(PoisonError::into_inner) {
            // redb panics on some damaged files.
            Some(opened) => catch_unwind(AssertUnwindSafe(|| act(opened)))
                .unwrap_or_else(|_| Err(StoreFault::Damaged("reading or writing it panicked".into()))),
            None => Err(StoreFault::Failed("it could not be opened again".into())),
        };
        if let Err(StoreFault::Failed(reason) | StoreFault::Damaged(reason)) = &acted {
            tracing::error!(reason = &**reason, "the store failed");
            self.open_again();
        }
        acted
    }

    /// Opens the file again. After a failed write, for example on a full disk, redb refuses every call until we do.
    fn open_again(&self) {
        let mut current = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        // We close the file first, because redb does not open a file twice. redb may panic while it closes a damaged file.
        let _ = catch_unwind(AssertUnwindSafe(|| *current = None));
        match (self.open)() {
            Ok(opened) => *current = Some(opened),
            Err(error) => tracing::error!(%error, "the store could not be opened again"),
        }
    }
}

impl StoredItem {
    fn row(&self) -> (&str, &str, u32, u64) {
        (&self.id, &self.body, self.failures, self.since)
    }

    fn of((id, body, failures, since): (&str, &str, u32, u64)) -> Self {
        Self { id: id.to_owned(), body: body.to_owned(), failures, since }
    }
}

fn in_memory() -> Result<OpenedStore, StoreError> {
    let path = Path::new("in memory");
    on_backend(InMemoryBackend::new(), path)
}

fn on_backend(backend: impl StorageBackend, path: &Path) -> Result<OpenedStore, StoreError> {
    OpenedStore::new(file::on(backend, path)?).map_err(|error| StoreError::of(path, error))
}

fn next_number(write: &redb::WriteTransaction) -> Result<u64, StoreFault> {
    let mut meta = write.open_table(META)?;
    let number = meta.get(NEXT_NUMBER)?.map_or(1, |number| number.value());
    meta.insert(NEXT_NUMBER, number.saturating_add(1))?;
    Ok(number)
}

/// Converts a time to the store's unit: milliseconds since 1970. A time before 1970 becomes 0.
#[must_use]
pub fn millis_of(moment: OffsetDateTime) -> u64 {
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::config::Config;
    use crate::env::{Rng, Roots};
    use crate::installation::{Dependencies, Installation};
    use crate::record::Sink;
    use crate::serve::webhook::Webhook;

    /// A disk that keeps its content when the database closes, and that can be full.
    #[derive(Debug, Clone)]
    struct Disk {
        content: Arc<InMemoryBackend>,
        is_full: Arc<AtomicBool>,
    }

    impl Disk {
        fn room(&self) -> Result<(), Error> {
            if self.is_full.load(Ordering::SeqCst) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    impl StorageBackend for Disk {
        fn len(&self) -> Result<u64, Error> {
            self.content.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
            self.content.read(offset, out)
        }
        fn set_len(&self, len: u64) -> Result<(), Error> {
            self.room()?;
            self.content.set_len(len)
        }
        fn sync_data(&self) -> Result<(), Error> {
            self.room()?;
            self.content.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
            self.room()?;
            self.content.write(offset, data)
        }
    }

    fn order(body: &str) -> StoredItem {
        StoredItem { id: String::new(), body: body.into(), failures: 0, since: 0 }
    }

    #[tokio::test]
    async fn a_full_queue_takes_no_more_until_something_is_done() {
        let store = Store::opened_by(in_memory, StoreLimits { waiting: 2, following: 1, dead: 1 }, Arc::default()).unwrap();
        for body in ["one", "two"] {
            store.put(Queue::Orders, 1, order(body)).await.unwrap();
        }
        assert_eq!(store.put(Queue::Orders, 1, order("three")).await, Err(StoreFault::Full));
        store.put_following(1, order("what follows from one")).await.unwrap();
        assert_eq!(store.put_following(1, order("one too many")).await, Err(StoreFault::Full));
        store.put(Queue::Deliveries, 1, order("in the other queue")).await.unwrap();
        let due = store.due(Queue::Orders, 1, 1).await.unwrap();
        store.done(due[0].0).await.unwrap();
        let due = store.due(Queue::Orders, 1, 1).await.unwrap();
        store.done(due[0].0).await.unwrap();
        store.put(Queue::Orders, 1, order("three")).await.unwrap();
    }

    #[tokio::test]
    async fn of_too_many_dead_letters_the_latest_are_kept() {
        let store = Store::opened_by(in_memory, StoreLimits { waiting: 9, following: 0, dead: 2 }, Arc::default()).unwrap();
        for (body, dropped) in [("one", None), ("two", None), ("three", Some("one"))] {
            store.put(Queue::Orders, 1, order(body)).await.unwrap();
            let (slot, item) = store.due(Queue::Orders, 1, 1).await.unwrap().remove(0);
            let gone = store.give_up(slot, item, 1, body).await.unwrap();
            assert_eq!(gone.map(|letter| letter.why).as_deref(), dropped);
        }
        let kept: Vec<_> = store.dead_letters(9).await.unwrap().into_iter().map(|letter| letter.why).collect();
        assert_eq!(kept, ["three", "two"]);
    }

    #[tokio::test]
    async fn a_full_disk_refuses_loses_nothing_and_is_used_again_once_there_is_room() {
        let disk = Disk { content: Arc::new(InMemoryBackend::new()), is_full: Arc::default() };
        let same = disk.clone();
        let store = Store::opened_by(move || on_backend(same.clone(), Path::new("a disk")), LIMITS, Arc::default()).unwrap();
        store.put(Queue::Orders, 1, order("before")).await.unwrap();
        disk.is_full.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            assert!(matches!(store.put(Queue::Orders, 2, order("while")).await, Err(StoreFault::Failed(_))));
        }
        disk.is_full.store(false, Ordering::SeqCst);
        // The first call fails, because the database is not open, and opens it again.
        let _ = store.counts().await;
        store.put(Queue::Orders, 3, order("after")).await.unwrap();
        let bodies: Vec<_> = store.due(Queue::Orders, 9, 9).await.unwrap().into_iter().map(|(_, item)| item.body).collect();
        assert_eq!(bodies, ["before", "after"]);
    }

    fn environment(name: &str) -> Option<String> {
        let secret = match name {
            "KEY" => r#"{"kid":"k1","key":"canary-secret-8sW1xK7dR4tY9uB3nC6fG0hJ"}"#,
            "SIGN" => "whsec_Y2FuYXJ5LXNlY3JldC1vZi10aGUtd2ViaG9vaw==",
            _ => return None,
        };
        Some(secret.to_owned())
    }

    fn installation(webhook: std::net::SocketAddr) -> Arc<Installation> {
        let text = format!(
            r#"
[site]
name = "Northwind"
base_url = "https://consent.northwind.example"
support = "support@northwind.example"
privacy_url = "https://northwind.example/privacy"
[keys]
secret = {{ env = "KEY" }}
[store]
path = "unused.redb"
[webhook]
url = "http://{webhook}/"
secret = {{ env = "SIGN" }}
[[apps]]
id = "mail-backup"
client_id = "0a1b0000-0000-4000-8000-0000000000a1"
name = "Northwind Mail Backup"
credential = {{ client_secret = {{ env = "KEY" }} }}
[apps.permissions."Microsoft Graph"]
application = {{ required = ["Mail.Read"] }}
"#
        );
        let config = Config::parse(&text, Path::new("test.toml"), &environment).unwrap();
        let sink = Sink::new(|_| Ok(()));
        Arc::new(Installation::new(config, Dependencies { environment, sink, ..Dependencies::real(Roots::Embedded) }))
    }

    #[tokio::test]
    async fn what_was_posted_when_the_disk_was_full_is_not_posted_over_and_over() {
        let disk = Disk { content: Arc::new(InMemoryBackend::new()), is_full: Arc::default() };
        let same = disk.clone();
        let store = Store::opened_by(move || on_backend(same.clone(), Path::new("a disk")), LIMITS, Arc::default()).unwrap();
        store.put(Queue::Deliveries, 1, StoredItem { id: "e1".into(), ..order("{}") }).await.unwrap();
        let posts = Arc::new(AtomicUsize::new(0));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let installation = installation(listener.local_addr().unwrap());
        let (count, is_full) = (Arc::clone(&posts), Arc::clone(&disk.is_full));
        // The disk fills up while the first event is posted.
        let taken = async move || {
            count.fetch_add(1, Ordering::SeqCst);
            is_full.store(true, Ordering::SeqCst);
            http::StatusCode::NO_CONTENT
        };
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(taken)).await });
        let webhook = Webhook::new(installation.config.webhook.clone().unwrap()).unwrap();
        let mut deliverer = Deliverer::new(installation, store.clone(), webhook, Rng::system());
        assert!(deliverer.step().await.is_err(), "that it was posted cannot be kept");
        disk.is_full.store(false, Ordering::SeqCst);
        // The first call fails, because the database is not open, and opens it again.
        for _ in 0..3 {
            let _ = deliverer.step().await;
        }
        assert_eq!((posts.load(Ordering::SeqCst), store.counts().await.unwrap().deliveries), (1, 0));
    }
}
