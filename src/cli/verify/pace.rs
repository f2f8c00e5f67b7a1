//! How fast Microsoft is asked: when one tenant is asked again, and when all of them are left alone for a while. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many looks are asked about when it is judged whether Microsoft throttles us widely.
const WINDOW: usize = 32;
/// With fewer, it is one tenant's matter.
const LEAST: usize = 8;
/// How long all tenants are left alone where Microsoft throttles widely and does not say for how long.
const PAUSE: Duration = Duration::from_secs(10);
/// However long one answer asks for, the others are not kept waiting for longer than this at once: then a few ask anew.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Before a tenant is asked for the second time, where Microsoft does not say when; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Whether an attempt was throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Throttled {
    No,
    /// With the wish to be left alone, where there was one.
    Yes(Option<Duration>),
}

/// What a tenant that gave no answer is to expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is asked again after this.
    Again(Duration),
    /// It is not asked again in this run.
    GiveUp,
}

/// The limits of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How often a tenant is asked at most.
    pub(super) attempts: u32,
    /// How long a tenant may have waited in all.
    pub(super) patience: Duration,
}

impl Limits {
    /// Decides about a tenant that gave no answer for the `attempt`-th time (from 1) and has waited for `waited` so far.
    ///
    /// * `asked`: how long it wants to be left alone. It never is asked before that.
    /// * `jitter`: any number; it spreads those who wait, up to a quarter later than they would be.
    pub(super) fn next(self, attempt: u32, waited: Duration, asked: Option<Duration>, jitter: u8) -> Next {
        if attempt >= self.attempts {
            return Next::GiveUp;
        }
        let doubled = FIRST_WAIT.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST_WAIT);
        let wait = asked.unwrap_or_default().max(doubled);
        let wait = wait.saturating_add(wait.min(LONGEST_WAIT) / 4 * u32::from(jitter) / 256);
        if waited.saturating_add(wait) > self.patience { Next::GiveUp } else { Next::Again(wait) }
    }
}

/// Holds everybody up where Microsoft throttles widely.
#[derive(Debug, Default)]
pub(super) struct Pace {
    recent: VecDeque<Throttled>,
    paused_until: Option<Instant>,
    /// How often in a row it was held up.
    in_a_row: u32,
}

impl Pace {
    /// Takes in how an attempt went. Looks that were under way when the pause began only lengthen it.
    pub(super) fn note(&mut self, throttled: Throttled, now: Instant) {
        if self.held_until(now).is_some() {
            return;
        }
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(throttled);
        let throttled = self.recent.iter().filter(|one| **one != Throttled::No).count();
        if self.recent.len() == WINDOW && throttled == 0 {
            self.in_a_row = 0;
        }
        if self.recent.len() >= LEAST && throttled * 2 >= self.recent.len() {
            let asked = self.recent.iter().filter_map(|one| if let Throttled::Yes(asked) = one { *asked } else { None }).max();
            let unasked = PAUSE.saturating_mul(1_u32.checked_shl(self.in_a_row).unwrap_or(u32::MAX));
            let pause = asked.unwrap_or(unasked).min(LONGEST_PAUSE);
            tracing::warn!(pause.s = pause.as_secs(), "Microsoft throttles widely: all tenants are left alone for a while");
            self.paused_until = now.checked_add(pause);
            self.in_a_row = self.in_a_row.saturating_add(1);
            self.recent.clear();
        }
    }

    /// Until when nobody is asked.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { attempts: 5, patience: Duration::from_secs(600) };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_tenant_is_never_asked_before_it_wants_to_be_and_waits_double_each_time() {
        let wait = |attempt, asked, jitter| LIMITS.next(attempt, Duration::ZERO, asked, jitter);
        assert_eq!([1, 2, 3, 4].map(|attempt| wait(attempt, None, 0)), [1, 2, 4, 8].map(|wait| Next::Again(seconds(wait))));
        assert_eq!(wait(5, None, 0), Next::GiveUp);
        assert_eq!(wait(1, Some(seconds(90)), 0), Next::Again(seconds(90)));
        for jitter in 0..=255 {
            let Next::Again(waits) = wait(1, Some(seconds(90)), jitter) else { panic!() };
            assert!((seconds(90)..seconds(105)).contains(&waits), "{waits:?}");
        }
    }

    #[test]
    fn who_would_wait_longer_than_the_patience_is_given_up() {
        assert_eq!(LIMITS.next(1, Duration::ZERO, Some(seconds(3600)), 0), Next::GiveUp);
        assert_eq!(LIMITS.next(1, seconds(599), None, 0), Next::Again(seconds(1)));
        assert_eq!(LIMITS.next(1, seconds(600), None, 0), Next::GiveUp);
        let many = Limits { attempts: u32::MAX, patience: Duration::MAX };
        assert_eq!(many.next(u32::MAX - 1, Duration::ZERO, None, 0), Next::Again(LONGEST_WAIT));
    }

    #[test]
    fn all_are_left_alone_only_where_half_of_the_latest_looks_were_throttled() {
        let now = Instant::now();
        let mut pace = Pace::default();
        // One in twenty, for ever.
        for at in 0..10_000 {
            pace.note(if at % 20 == 0 { Throttled::Yes(Some(seconds(30))) } else { Throttled::No }, now);
            assert_eq!(pace.held_until(now), None, "{at}");
        }
        let mut pace = Pace::default();
        for _ in 0..LEAST - 1 {
            pace.note(Throttled::Yes(Some(seconds(30))), now);
            assert_eq!(pace.held_until(now), None);
        }
        pace.note(Throttled::Yes(Some(seconds(3))), now);
        assert_eq!(pace.held_until(now), Some(now + seconds(30)));
        assert_eq!(pace.held_until(now + seconds(30)), None);
    }

    #[test]
    fn a_pause_is_bounded_and_grows_while_nothing_gets_better() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        let mut pause = |pace: &mut Pace, asked| {
            (0..LEAST).for_each(|_| pace.note(Throttled::Yes(asked), now));
            let until = pace.held_until(now).unwrap();
            let pause = until - now;
            now = until;
            pause.as_secs()
        };
        assert_eq!([(); 7].map(|()| pause(&mut pace, None)), [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(pause(&mut pace, Some(seconds(3600))), 300);
        (0..WINDOW).for_each(|_| pace.note(Throttled::No, now + seconds(1)));
        let calm = |pace: &mut Pace| {
            (0..WINDOW).for_each(|_| pace.note(Throttled::Yes(None), now + seconds(1)));
            (pace.held_until(now + seconds(1)).unwrap() - (now + seconds(1))).as_secs()
        };
        assert_eq!(calm(&mut pace), 10);
    }
}
