//! What goes on beside the server: orders are carried out and events posted, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::{Deliverer, OrderWorker, Queue, Store, StoreFault, StoreOutbox};
use crate::cli::webhook::Webhook;
use crate::site::Site;
use crate::world::Entropy;

/// How often the clock is looked at: the site's clock may run faster than the machine's, and either may be set.
const TICK: Duration = Duration::from_millis(500);

/// The running tasks. Dropping it ends them where they are.
#[derive(Debug)]
pub struct Background {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Background {
    /// Starts the worker, and the posting of events where there is a webhook.
    #[must_use]
    pub fn start(site: &Arc<Site>, store: &Store, outbox: &StoreOutbox, webhook: Option<Webhook>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let worker = OrderWorker::new(Arc::clone(site), store.clone());
        let (bell, told) = (outbox.bell(Queue::Orders), stopped.clone());
        tasks.spawn(async move { until_stopped(worker, bell, told).await });
        if let Some(webhook) = webhook {
            let deliverer = Deliverer::new(Arc::clone(site), store.clone(), webhook, Entropy::system());
            let bell = outbox.bell(Queue::Deliveries);
            tasks.spawn(async move { until_stopped(deliverer, bell, stopped).await });
        }
        Self { tasks, stop }
    }

    /// Resolves when one of the tasks has ended, which none does by itself.
    pub async fn broken(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Ends what is at hand, and nothing more.
    pub async fn stop(mut self) {
        // It fails only when all have ended.
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The longest pause while the store fails: what cannot be kept is not done over and over, such as on a disk that is full for a day.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long nothing is done after so many failures of the store, one after the other.
fn pause_after(failures: u32) -> Duration {
    TICK.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE)
}

/// Somebody who takes a handful at a time.
trait Hand: Send + 'static {
    /// Says how many there were.
    fn step(&mut self) -> impl Future<Output = Result<usize, StoreFault>> + Send;
}

impl Hand for OrderWorker {
    fn step(&mut self) -> impl Future<Output = Result<usize, StoreFault>> + Send {
        Self::step(self)
    }
}

impl Hand for Deliverer {
    fn step(&mut self) -> impl Future<Output = Result<usize, StoreFault>> + Send {
        Self::step(self)
    }
}

async fn until_stopped(mut hand: impl Hand, bell: Arc<Notify>, mut stop: watch::Receiver<bool>) {
    let mut failures = 0_u32;
    while !*stop.borrow() {
        match hand.step().await {
            Ok(0) => failures = 0,
            Ok(_) => {
                failures = 0;
                continue;
            }
            // The store has said so in the log.
            Err(_) => failures = failures.saturating_add(1),
        }
        tokio::select! {
            // An error means that nobody is left who could tell to stop.
            changed = stop.changed() => if changed.is_err() { return },
            // Somebody could put something into the store, so it may work again.
            () = bell.notified() => {}
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
