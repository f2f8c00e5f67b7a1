//! What a run does where Microsoft throttles widely: all tenants are left alone for a while, and few are asked at a time afterwards. Pure. When one
//! tenant is asked again is [`crate::cli::pace::Limits`].

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
/// How many are asked at a time when a pause is over. Each look that was not throttled lets one more in, so that a round of them doubles it.
const FIRST_AFTER_PAUSE: usize = 2;

/// Whether an attempt was throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Throttled {
    No,
    /// With the wish to be left alone, where there was one.
    Yes(Option<Duration>),
}

/// Holds everybody up where Microsoft throttles widely.
#[derive(Debug, Default)]
pub(super) struct Brake {
    recent: VecDeque<Throttled>,
    paused_until: Option<Instant>,
    /// How often in a row it was held up.
    in_a_row: u32,
    /// How many may be asked at a time; `None` where it was never held up.
    width: Option<usize>,
}

impl Brake {
    /// Takes in how an attempt went. Looks that were under way when a pause began say nothing new.
    pub(super) fn note(&mut self, throttled: Throttled, now: Instant) {
        if self.held_until(now).is_some() {
            return;
        }
        if throttled == Throttled::No {
            self.width = self.width.map(|width| width.saturating_add(1));
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
            self.width = Some(FIRST_AFTER_PAUSE);
        }
    }

    /// How many tenants may be asked at a time where `most` are wished for.
    pub(super) fn at_a_time(&self, most: usize) -> usize {
        self.width.map_or(most, |width| width.min(most))
    }

    /// Until when nobody is asked.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn all_are_left_alone_only_where_half_of_the_latest_looks_were_throttled() {
        let now = Instant::now();
        let mut brake = Brake::default();
        // One in twenty, for ever.
        for at in 0..10_000 {
            brake.note(if at % 20 == 0 { Throttled::Yes(Some(seconds(30))) } else { Throttled::No }, now);
            assert_eq!(brake.held_until(now), None, "{at}");
        }
        let mut brake = Brake::default();
        for _ in 0..LEAST - 1 {
            brake.note(Throttled::Yes(Some(seconds(30))), now);
            assert_eq!(brake.held_until(now), None);
        }
        brake.note(Throttled::Yes(Some(seconds(3))), now);
        assert_eq!(brake.held_until(now), Some(now + seconds(30)));
        assert_eq!(brake.held_until(now + seconds(30)), None);
    }

    #[test]
    fn after_a_pause_few_are_asked_and_more_while_nothing_is_throttled() {
        let mut now = Instant::now();
        let mut brake = Brake::default();
        assert_eq!(brake.at_a_time(32), 32);
        (0..LEAST).for_each(|_| brake.note(Throttled::Yes(Some(seconds(3))), now));
        assert_eq!(brake.at_a_time(32), 2);
        now += seconds(3);
        brake.note(Throttled::No, now);
        brake.note(Throttled::Yes(None), now);
        assert_eq!((brake.at_a_time(32), brake.at_a_time(1)), (3, 1));
        (0..40).for_each(|_| brake.note(Throttled::No, now));
        assert_eq!(brake.at_a_time(32), 32);
    }

    #[test]
    fn a_pause_is_bounded_and_grows_while_nothing_gets_better() {
        let mut brake = Brake::default();
        let mut now = Instant::now();
        let mut pause = |brake: &mut Brake, asked| {
            (0..LEAST).for_each(|_| brake.note(Throttled::Yes(asked), now));
            let until = brake.held_until(now).unwrap();
            let pause = until - now;
            now = until;
            pause.as_secs()
        };
        assert_eq!([(); 7].map(|()| pause(&mut brake, None)), [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(pause(&mut brake, Some(seconds(3600))), 300);
        (0..WINDOW).for_each(|_| brake.note(Throttled::No, now + seconds(1)));
        let calm = |brake: &mut Brake| {
            (0..WINDOW).for_each(|_| brake.note(Throttled::Yes(None), now + seconds(1)));
            (brake.held_until(now + seconds(1)).unwrap() - (now + seconds(1))).as_secs()
        };
        assert_eq!(calm(&mut brake), 10);
    }
}
