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
    while !*stop.borrow() {
        match hand.step().await {
            Ok(0) => {}
            Ok(_) => continue,
            // The store has said so in the log.
            Err(_) => tokio::time::sleep(TICK).await,
        }
        tokio::select! {
            // An error means that nobody is left who could tell to stop.
            changed = stop.changed() => if changed.is_err() { return },
            () = bell.notified() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
}
