//! Limits how many requests run at once, and pauses all of them.
//!
//! After a pause the limit starts small. It grows by one with each request that is not throttled, so it doubles with each round of
//! requests.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How many of the latest requests decide whether throttling is widespread. With fewer than `LEAST`, no decision is made.
const WINDOW: usize = 32;
const LEAST: usize = 8;
/// The first pause if throttling is widespread and no answer names a time. If a pause changes nothing, the next one is twice as long.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest pause that a request waits for.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Added to every pause, because Retry-After counts whole seconds and clocks differ.
pub(super) const MARGIN: Duration = Duration::from_millis(20);
/// The limit after a pause.
const FIRST_AFTER_PAUSE: usize = 2;

/// Whether a request was throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Throttled {
    No,
    /// Contains the answer's Retry-After.
    Yes(Option<Duration>),
}

/// The party that throttles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Scope {
    /// One service that answers for all tenants. Its Retry-After applies to every request.
    Service,
    /// Each tenant separately. All requests pause only after half of the latest requests were throttled.
    Tenant,
}

/// The limit and the pause that all requests of a run share.
pub(in crate::cli) struct ThrottleController {
    scope: Scope,
    state: RefCell<ThrottleState>,
    changed: Notify,
}

struct ThrottleState {
    in_flight: usize,
    limit: usize,
    /// The limit before any throttling.
    most: usize,
    paused_until: Option<Instant>,
    recent: VecDeque<Throttled>,
    /// The number of pauses for widespread throttling since the last window without it.
    pauses_in_a_row: u32,
}

/// The right to send one request at a time. The caller drops the slot when the answer arrives.
pub(in crate::cli) struct Slot<'t>(&'t ThrottleController);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.state.borrow_mut().in_flight -= 1;
        self.0.changed.notify_one();
    }
}

impl ThrottleController {
    pub(super) fn new(scope: Scope, most: usize) -> Self {
        let state = ThrottleState {
            in_flight: 0,
            limit: most,
            most,
            paused_until: None,
            recent: VecDeque::with_capacity(WINDOW),
            pauses_in_a_row: 0,
        };
        Self { scope, state: RefCell::new(state), changed: Notify::new() }
    }

    /// Waits for the end of a pause and for a free slot. Returns the rest of the pause if that is longer than [`LONGEST_PAUSE`].
    pub(super) async fn slot(&self) -> Result<Slot<'_>, Duration> {
        loop {
            let pause = self.pause();
            match pause {
                Some(pause) if pause > LONGEST_PAUSE + MARGIN => return Err(pause),
                // Another answer may lengthen the pause during this sleep, so the loop checks again.
                Some(pause) => tokio::time::sleep(pause).await,
                None if self.state.borrow_mut().take_slot() => return Ok(Slot(self)),
                None => self.changed.notified().await,
            }
        }
    }

    /// The rest of the pause.
    pub(super) fn pause(&self) -> Option<Duration> {
        let until = self.state.borrow().paused_until?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// Records whether a request was throttled.
    pub(super) fn note(&self, throttled: Throttled) {
        let is_paused = self.pause().is_some();
        let mut state = self.state.borrow_mut();
        match (self.scope, throttled) {
            (Scope::Service, Throttled::Yes(Some(wait))) => state.pause_for(wait),
            // Answers to requests that were in flight when the pause began say nothing new.
            _ if is_paused => {}
            (Scope::Service, _) => state.widen(),
            (Scope::Tenant, _) => state.judge(throttled),
        }
        drop(state);
        self.changed.notify_one();
    }
}

impl ThrottleState {
    fn take_slot(&mut self) -> bool {
        let is_free = self.in_flight < self.limit;
        self.in_flight += usize::from(is_free);
        is_free
    }

    fn widen(&mut self) {
        self.limit = self.most.min(self.limit + 1);
    }

    fn pause_for(&mut self, wait: Duration) {
        self.paused_until = self.paused_until.max(Some(Instant::now() + wait + MARGIN));
        self.limit = self.most.min(FIRST_AFTER_PAUSE);
    }

    /// Pauses all tenants if at least half of the latest answers were throttled.
    fn judge(&mut self, throttled: Throttled) {
        if throttled == Throttled::No {
            self.widen();
        }
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(throttled);
        let wishes = self.recent.iter().filter_map(|one| if let Throttled::Yes(wish) = one { Some(*wish) } else { None });
        let (count, longest) = wishes.fold((0, None), |(count, longest), wish| (count + 1, wish.max(longest)));
        if self.recent.len() == WINDOW && count == 0 {
            self.pauses_in_a_row = 0;
        }
        if self.recent.len() >= LEAST && count * 2 >= self.recent.len() {
            let unasked = PAUSE.saturating_mul(1_u32.checked_shl(self.pauses_in_a_row).unwrap_or(u32::MAX));
            let pause = longest.unwrap_or(unasked).min(LONGEST_PAUSE);
            tracing::warn!(pause.s = pause.as_secs(), "Microsoft throttles widely: all tenants are left alone for a while");
            self.pause_for(pause);
            self.pauses_in_a_row = self.pauses_in_a_row.saturating_add(1);
            self.recent.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn controller(scope: Scope) -> ThrottleController {
        ThrottleController::new(scope, 32)
    }

    /// Measures the limit by taking every slot.
    fn limit(throttle: &ThrottleController) -> usize {
        std::iter::from_fn(|| throttle.slot().now_or_never()).map(Result::unwrap).collect::<Vec<_>>().len()
    }

    fn throttled(throttle: &ThrottleController, count: usize, retry_after: Option<u64>) {
        (0..count).for_each(|_| throttle.note(Throttled::Yes(retry_after.map(seconds))));
    }

    async fn pause(throttle: &ThrottleController, retry_after: Option<u64>) -> u64 {
        throttled(throttle, LEAST, retry_after);
        let pause = throttle.pause().unwrap();
        tokio::time::advance(pause).await;
        pause.as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn all_tenants_pause_once_half_of_the_latest_are_throttled() {
        let throttle = controller(Scope::Tenant);
        for at in 0..10_000 {
            throttle.note(if at % 20 == 0 { Throttled::Yes(Some(seconds(30))) } else { Throttled::No });
            assert_eq!(throttle.pause(), None, "one in twenty, {at}");
        }
        let throttle = controller(Scope::Tenant);
        throttled(&throttle, LEAST - 1, Some(30));
        assert_eq!(throttle.pause(), None);
        throttled(&throttle, 1, Some(3));
        assert_eq!(throttle.pause(), Some(seconds(30) + MARGIN));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_starts_small_after_a_pause_and_grows() {
        let throttle = controller(Scope::Tenant);
        assert_eq!(limit(&throttle), 32);
        pause(&throttle, Some(3)).await;
        assert_eq!(limit(&throttle), 2);
        throttle.note(Throttled::No);
        throttle.note(Throttled::Yes(None));
        assert_eq!(limit(&throttle), 3);
        (0..40).for_each(|_| throttle.note(Throttled::No));
        assert_eq!(limit(&throttle), 32);
        let narrow = ThrottleController::new(Scope::Service, 1);
        throttled(&narrow, 1, Some(1));
        tokio::time::advance(seconds(2)).await;
        assert_eq!(limit(&narrow), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_bounded_and_doubles_until_a_window_is_calm() {
        let throttle = controller(Scope::Tenant);
        for expected in [10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(pause(&throttle, None).await, expected);
        }
        assert_eq!(pause(&throttle, Some(3_600)).await, 300);
        (0..WINDOW).for_each(|_| throttle.note(Throttled::No));
        throttled(&throttle, WINDOW, None);
        assert_eq!(throttle.pause(), Some(seconds(10) + MARGIN));
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_after_of_the_service_pauses_all_and_none_shortens_it() {
        let throttle = controller(Scope::Service);
        throttled(&throttle, 1, Some(80));
        throttled(&throttle, 1, Some(1));
        let started = Instant::now();
        assert!(throttle.slot().await.is_ok());
        assert!(started.elapsed() >= seconds(80), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_is_too_long_is_reported_instead_of_waited_for() {
        let throttle = controller(Scope::Service);
        throttled(&throttle, 1, Some(3_600));
        assert_eq!(throttle.slot().now_or_never().unwrap().err(), Some(seconds(3_600) + MARGIN));
    }

    #[tokio::test(start_paused = true)]
    async fn a_freed_slot_goes_to_the_next_in_line() {
        let throttle = ThrottleController::new(Scope::Service, 1);
        let first = throttle.slot().await.ok().unwrap();
        let mut second = std::pin::pin!(throttle.slot());
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.now_or_never().unwrap().is_ok());
    }
}
