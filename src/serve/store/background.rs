//! The tasks that run next to the HTTP server. They process due orders and post due events until the stop signal.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::{Deliverer, OrderWorker, Queue, Store, StoreFault, StoreOutbox};
use crate::env::Rng;
use crate::installation::Installation;
use crate::serve::webhook::Webhook;

/// How often a task looks for due items. A task cannot sleep until the next due time, because the installation's clock may run faster than
/// the machine's, and both clocks may be changed.
const TICK: Duration = Duration::from_millis(500);

/// The running tasks. Dropping this value aborts the tasks.
#[derive(Debug)]
pub(crate) struct Background {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Background {
    /// Starts the task of the worker, and that of the deliverer if there is a webhook.
    pub(crate) fn start(installation: &Arc<Installation>, store: &Store, outbox: &StoreOutbox, webhook: Option<Webhook>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let worker = OrderWorker::new(Arc::clone(installation), store.clone());
        let (notify, told) = (outbox.notify_of(Queue::Orders), stopped.clone());
        tasks.spawn(async move { until_stopped(worker, notify, told).await });
        if let Some(webhook) = webhook {
            let deliverer = Deliverer::new(Arc::clone(installation), store.clone(), webhook, Rng::system());
            let notify = outbox.notify_of(Queue::Deliveries);
            tasks.spawn(async move { until_stopped(deliverer, notify, stopped).await });
        }
        Self { tasks, stop }
    }

    /// Resolves if a task has ended, which is a fault: a task only ends after the stop signal.
    pub(crate) async fn broken(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Finishes the work in progress and starts no further work.
    pub(crate) async fn stop(mut self) {
        // `send` fails only if all tasks have ended.
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The longest pause while the store fails. Without pauses, a task that cannot store its results would repeat the same work endlessly, for
/// example while the disk is full for a day.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The pause after a number of consecutive failures of the store.
fn pause_after(failures: u32) -> Duration {
    TICK.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE)
}

/// A task that processes a few items at a time.
trait Poller: Send + 'static {
    /// Processes a few items, and returns their number.
    fn step(&mut self) -> impl Future<Output = Result<usize, StoreFault>> + Send;
}

impl Poller for OrderWorker {
    fn step(&mut self) -> impl Future<Output = Result<usize, StoreFault>> + Send {
        Self::step(self)
    }
}

impl Poller for Deliverer {
    fn step(&mut self) -> impl Future<Output = Result<usize, StoreFault>> + Send {
        Self::step(self)
    }
}

async fn until_stopped(mut poller: impl Poller, notify: Arc<Notify>, mut stop: watch::Receiver<bool>) {
    let mut failures = 0_u32;
    while !*stop.borrow() {
        match poller.step().await {
            Ok(0) => failures = 0,
            Ok(_) => {
                failures = 0;
                continue;
            }
            // The store has logged the failure.
            Err(_) => failures = failures.saturating_add(1),
        }
        tokio::select! {
            // `changed` fails if the sender of the stop signal no longer exists.
            changed = stop.changed() => if changed.is_err() { return },
            // The store has accepted a new item, so it works, and the pause can end.
            () = notify.notified() => {}
            () = tokio::time::sleep(pause_after(failures)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_fails_is_tried_more_and_more_rarely_and_once_a_minute_at_least() {
        let pauses: Vec<_> = (0..5).map(|failures| pause_after(failures).as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000]);
        assert_eq!((pause_after(7), pause_after(u32::MAX)), (LONGEST_PAUSE, LONGEST_PAUSE));
    }
}
