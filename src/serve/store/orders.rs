//! The worker inside `serve`: processes the orders that are due.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{Queue, Store, StoreFault, StoreSlot, StoredItem, dead_letters, millis_of};
use crate::approval::follow_up::{Delivery, Handled, carry_out};
use crate::installation::Installation;

/// The wait after each failure of an order. The sum is shorter than 2 days, the default lifetime of an order.
const SCHEDULE_SECONDS: [u64; 8] = [10, 60, 5 * 60, 15 * 60, 3600, 2 * 3600, 4 * 3600, 8 * 3600];

/// How many orders we process concurrently. A check mostly waits for Microsoft, and the callbacks of 500 tenants may arrive on one morning.
const AT_ONCE: usize = 8;

tokio::task_local! {
    /// Set in a task that processes an order, so that the outbox recognises follow-up orders. The code that processes an order must not
    /// send a follow-up from another task.
    static CARRYING_OUT: ();
}

/// Whether the current task processes an order.
pub(super) fn is_carrying_out() -> bool {
    CARRYING_OUT.try_with(|()| ()).is_ok()
}

/// The id of an order's message in records: `store-` and the order's number.
pub(crate) fn message_id(number: u64) -> String {
    format!("store-{number}")
}

/// Processes each order at least once. If a process ends during an order, the next process starts the order again. The transition ids stay
/// the same.
#[derive(Debug)]
pub struct OrderWorker {
    installation: Arc<Installation>,
    store: Store,
}

impl OrderWorker {
    /// A worker, which processes nothing until [`Self::step`].
    #[must_use]
    pub fn new(installation: Arc<Installation>, store: Store) -> Self {
        Self { installation, store }
    }

    /// Processes a few due orders, and returns their number.
    ///
    /// # Errors
    /// [`StoreFault`]: a later step may process some of the orders again.
    pub async fn step(&self) -> Result<usize, StoreFault> {
        let due = self.store.due(Queue::Orders, millis_of(self.installation.clock.now()), AT_ONCE).await?;
        // Each order has a task of its own, so that a panic makes only that order fail.
        let tasks = due.iter().map(|(slot, item)| {
            let (installation, id, item) = (Arc::clone(&self.installation), message_id(slot.number), item.clone());
            tokio::spawn(CARRYING_OUT.scope((), async move {
                let received = item.failures.saturating_add(1);
                carry_out(&installation, Delivery { id: &id, body: &item.body, received, receipt: None }).await
            }))
        });
        let done = join_all(tasks).await;
        let carried_out = due.len();
        for ((slot, item), done) in due.into_iter().zip(done) {
            if matches!(done, Ok(Handled::Done)) {
                self.store.done(slot).await?;
            } else {
                self.put_off(slot, item).await?;
            }
        }
        Ok(carried_out)
    }

    async fn put_off(&self, slot: StoreSlot, mut item: StoredItem) -> Result<(), StoreFault> {
        item.failures = item.failures.saturating_add(1);
        let now = millis_of(self.installation.clock.now());
        let index = usize::try_from(item.failures.saturating_sub(1)).unwrap_or(usize::MAX);
        match SCHEDULE_SECONDS.get(index) {
            Some(delay) => self.store.put_off(slot, now.saturating_add(delay * 1_000), item).await,
            None => {
                tracing::error!(
                    message.id = message_id(slot.number),
                    order.attempts = item.failures,
                    "an order could not be carried out and was given up; `serve --retry-dead-letters` tries it again"
                );
                dead_letters::note_dropped(
                    &self.installation,
                    self.store.give_up(slot, item, now, "the worker failed it each time").await?,
                );
                Ok(())
            }
        }
    }
}
