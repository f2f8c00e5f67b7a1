//! Posts the outcome events that are due, and retries failed posts.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use time::OffsetDateTime;

use super::{Queue, Store, StoreFault, StoreSlot, StoredItem, dead_letters, millis_of};
use crate::env::{Rng, millis};
use crate::installation::Installation;
use crate::serve::webhook::{DeliveryAttempt, SigningSecrets, Webhook};

/// The type of every posted outcome event; its schema is `docs/outcome.schema.json`.
pub const EVENT_TYPE: &str = "consent.outcome";
/// The type of every posted request for another link; its schema is `docs/renewal.schema.json`.
pub(super) const RENEWAL_TYPE: &str = "consent.renewal_requested";

/// The wait after each failure, as Standard Webhooks suggests (section "Deliverability and reliability"). The sum is a little more than 3
/// days.
const SCHEDULE_SECONDS: [u64; 9] = [5, 300, 1_800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600];

/// How many events we post concurrently.
const AT_ONCE: usize = 4;
/// The wait before the next attempt, if we want to give up an event but cannot write the audit record.
const UNRECORDED: Duration = Duration::from_secs(60);
/// The pause if we cannot read the secret that signs events.
const WITHOUT_SECRET: Duration = Duration::from_secs(60);

/// Returns the wait after this number of failures, or `None` if we give up then. `jitter` changes the wait by up to ± 10 %, so that events
/// that failed at the same time are not retried at the same time.
pub(crate) fn delay_after(failures: u32, jitter: u8) -> Option<Duration> {
    let index = usize::try_from(failures.checked_sub(1)?).ok()?;
    SCHEDULE_SECONDS.get(index).map(|delay| Duration::from_secs(*delay).mul_f64(0.9 + 0.2 * f64::from(jitter) / 255.0))
}

#[derive(Serialize)]
struct WebhookPayload<'a, E> {
    r#type: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    timestamp: OffsetDateTime,
    data: &'a E,
}

pub(super) fn payload(r#type: &'static str, timestamp: OffsetDateTime, data: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(&WebhookPayload { r#type, timestamp, data })
}

/// Posts each due event at least once. If the process ends after it has posted an event and before it has removed the event, the next
/// process posts the event again, with the same id.
#[derive(Debug)]
pub struct Deliverer {
    installation: Arc<Installation>,
    store: Store,
    webhook: Webhook,
    rng: Rng,
    /// Events that we have delivered but not removed from the store yet. While the disk is full, each step retries the removal and posts
    /// nothing.
    posted: Vec<StoreSlot>,
    /// We post no event before this time, in milliseconds since 1970.
    held_until: u64,
    /// Whether the receiver has answered that it wants no more events.
    is_gone: bool,
}

impl Deliverer {
    /// A deliverer, which posts nothing until [`Self::step`].
    #[must_use]
    pub fn new(installation: Arc<Installation>, store: Store, webhook: Webhook, rng: Rng) -> Self {
        Self { installation, store, webhook, rng, posted: Vec::new(), held_until: 0, is_gone: false }
    }

    /// Tries to post a few due events, and returns their number.
    ///
    /// # Errors
    /// [`StoreFault`]: a later step may post some of the events again.
    pub async fn step(&mut self) -> Result<usize, StoreFault> {
        self.forget_posted().await?;
        let now = millis_of(self.installation.clock.now());
        if self.is_gone || now < self.held_until {
            return Ok(0);
        }
        let due = self.store.due(Queue::Deliveries, now, AT_ONCE).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let Some(secrets) = self.secrets().await else {
            self.hold(WITHOUT_SECRET);
            return Ok(0);
        };
        let at = self.installation.clock.now();
        let posts = due.iter().map(|(_, item)| self.webhook.post(&secrets, &item.id, &item.body, at));
        let attempts = join_all(posts).await;
        let tried = due.len();
        let delivered = due.iter().zip(&attempts).filter(|(_, attempt)| **attempt == DeliveryAttempt::Delivered);
        self.posted.extend(delivered.map(|((slot, item), _)| {
            self.store.deliveries().delivered(&item.id);
            *slot
        }));
        self.forget_posted().await?;
        for ((slot, item), attempt) in due.into_iter().zip(attempts) {
            self.settle(slot, item, attempt).await?;
        }
        Ok(tried)
    }

    async fn forget_posted(&mut self) -> Result<(), StoreFault> {
        while let Some(slot) = self.posted.last() {
            self.store.done(*slot).await?;
            self.posted.pop();
        }
        Ok(())
    }

    async fn secrets(&self) -> Option<SigningSecrets> {
        let place = &self.webhook.config().secret;
        let secret = match self.installation.secret(place).await {
            Ok(secret) => secret,
            Err(error) => {
                tracing::error!(%error, "the webhook's secret is unavailable; events wait");
                return None;
            }
        };
        match SigningSecrets::parse(&secret) {
            Ok(secrets) => Some(secrets),
            Err(error) => {
                tracing::error!(secret.kept_in = %place, %error, "the webhook's secret cannot be used; events wait");
                None
            }
        }
    }

    async fn settle(&mut self, slot: StoreSlot, mut item: StoredItem, attempt: DeliveryAttempt) -> Result<(), StoreFault> {
        let host = self.webhook.config().address.host().to_owned();
        let (why, pause) = match attempt {
            DeliveryAttempt::Delivered => return Ok(()),
            DeliveryAttempt::Gone => {
                if !self.is_gone {
                    tracing::error!(
                        webhook.host = host,
                        "the webhook answered 410 Gone: nothing more is sent there, and events wait. Mend the receiver or webhook.url, and \
                         start again"
                    );
                }
                self.is_gone = true;
                self.store.deliveries().stopped();
                return Ok(());
            }
            DeliveryAttempt::Failed { why, pause } => (why, pause),
        };
        if let Some(pause) = pause {
            self.hold(pause);
        }
        item.failures = item.failures.saturating_add(1);
        let [jitter, ..] = self.rng.bytes();
        let now = millis_of(self.installation.clock.now());
        let (id, failures) = (item.id.clone(), item.failures);
        let Some(delay) = delay_after(failures, jitter) else {
            tracing::error!(
                webhook.host = host,
                event.id = id,
                webhook.attempts = failures,
                webhook.failure = &*why,
                "an event could not be posted for three days and was given up; `serve --retry-dead-letters` tries it again"
            );
            if let Err(error) = dead_letters::record(&self.installation, &id, failures, dead_letters::NOT_DELIVERED) {
                tracing::error!(event.id = id, error.kind = %error.kind(), "that could not be recorded; the event is tried once more");
                item.failures = failures.saturating_sub(1);
                return self.store.put_off(slot, now.saturating_add(millis(UNRECORDED)), item).await;
            }
            self.store.deliveries().given_up(&id);
            dead_letters::note_dropped(&self.installation, self.store.give_up(slot, item, now, &why).await?);
            return Ok(());
        };
        let delay = pause.map_or(delay, |pause| pause.max(delay));
        tracing::warn!(
            webhook.host = host,
            event.id = id,
            webhook.attempts = failures,
            webhook.failure = &*why,
            webhook.again_in_s = delay.as_secs(),
            "an event could not be posted"
        );
        self.store.put_off(slot, now.saturating_add(millis(delay)), item).await
    }

    fn hold(&mut self, pause: Duration) {
        let until = millis_of(self.installation.clock.now()).saturating_add(millis(pause));
        self.held_until = self.held_until.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_span_three_days_and_then_it_is_given_up() {
        let whole: Duration = (1..=9).map(|failures| delay_after(failures, 127).unwrap()).sum();
        let expected = 75.0 * 3600.0 + 35.0 * 60.0 + 5.0;
        assert!((whole.as_secs_f64() / expected - 1.0).abs() < 0.001, "{whole:?}");
        assert_eq!((delay_after(10, 0), delay_after(0, 0), delay_after(u32::MAX, 0)), (None, None, None));
    }

    #[test]
    fn waits_differ_by_at_most_a_tenth() {
        for (jitter, seconds) in [(0, 270.0), (255, 330.0)] {
            assert!((delay_after(2, jitter).unwrap().as_secs_f64() - seconds).abs() < 0.01);
        }
    }
}
