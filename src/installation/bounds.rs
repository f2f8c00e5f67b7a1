//! Applies the limits on claims. With the store of `serve`, the limits are for the whole installation. Without it, they are for this
//! process.

use std::sync::Mutex;
use std::time::Duration;

use hashlink::LruCache;
use tokio::time::timeout;

use super::Installation;
use crate::consent::claim_bound::Spent;
use crate::consent::{BoundKey, Draw};
use crate::sync::locked;

/// The number of keys in memory. Only the operator can make links, so a stranger cannot evict the key of another link.
const CAPACITY: usize = 4_096;

/// Time limit for the store, because a browser waits. After it, the limits of this process apply.
const LONGEST_DRAW: Duration = Duration::from_millis(300);

/// What was drawn in this process, by key and start of the period.
#[derive(Debug)]
pub(super) struct ClaimLimits(Mutex<LruCache<(u64, String), Spent>>);

impl ClaimLimits {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }

    fn with<T>(&self, period: (u64, String), change: impl FnOnce(&mut Spent) -> T) -> T {
        change(locked(&self.0).entry(period).or_insert_with(Spent::default))
    }
}

impl Installation {
    /// Uses up one unit of a limit of a link, tenant and app. Returns whether one was left.
    pub(crate) async fn draw(&self, key: &BoundKey, draw: &Draw) -> bool {
        let period = draw.period(key, self.clock.now_unix());
        let kept = match self.outbox() {
            Some(outbox) => timeout(LONGEST_DRAW, outbox.draw(&period, draw)).await.ok().flatten(),
            None => None,
        };
        kept.unwrap_or_else(|| self.claim_limits.with(period, |spent| spent.draw(draw)))
    }

    /// Gives back the unit of a limit for a message that could not be sent.
    pub(crate) async fn give_back(&self, key: &BoundKey, draw: &Draw) {
        let period = draw.period(key, self.clock.now_unix());
        if let Some(outbox) = self.outbox() {
            outbox.give_back(&period, draw).await;
        }
        self.claim_limits.with(period, |spent| spent.give_back(draw));
    }
}
