//! The sandbox's time. It can stop or run faster than real time, and a test can move it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// The clock of all time-dependent behaviour of the sandbox: replication delays, validity of tokens and client assertions, expiry of
/// secrets, duration of faults. Only the delay of a `slow` fault is real time.
///
/// Clones share one clock.
#[derive(Debug, Clone)]
pub struct SandboxClock(Arc<Mutex<Reading>>);

#[derive(Debug)]
struct Reading {
    read_at: Instant,
    shows: OffsetDateTime,
    scale: f64,
}

impl Reading {
    fn now(&self) -> OffsetDateTime {
        let gone = self.read_at.elapsed().mul_f64(self.scale);
        self.shows.saturating_add(gone.try_into().unwrap_or(time::Duration::MAX))
    }
}

impl SandboxClock {
    /// The machine's time.
    #[must_use]
    pub fn system() -> Self {
        Self::scaled(1.0)
    }

    /// Starts at the machine's time and runs `scale` times as fast. A negative or non-finite scale stops the clock.
    #[must_use]
    pub fn scaled(scale: f64) -> Self {
        Self::starting(OffsetDateTime::now_utc(), scale)
    }

    /// Shows `at` until a test advances or sets the clock, so that the machine's speed does not affect the test.
    #[must_use]
    pub fn standing_at(at: OffsetDateTime) -> Self {
        Self::starting(at, 0.0)
    }

    fn starting(shows: OffsetDateTime, scale: f64) -> Self {
        // With a scale above a million, the multiplication below could leave the range of `Duration` within hours.
        let scale = if scale.is_finite() { scale.clamp(0.0, 1e6) } else { 0.0 };
        Self(Arc::new(Mutex::new(Reading { read_at: Instant::now(), shows, scale })))
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.reading(|reading| reading.now())
    }

    /// The current Unix time in whole seconds.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.now().unix_timestamp()
    }

    /// Moves the clock forward at once.
    pub fn advance(&self, by: Duration) {
        self.reading(|reading| reading.shows = reading.shows.saturating_add(by.try_into().unwrap_or(time::Duration::MAX)));
    }

    /// Sets the clock, which may go backwards.
    pub fn set(&self, to: OffsetDateTime) {
        self.reading(|reading| {
            reading.read_at = Instant::now();
            reading.shows = to;
        });
    }

    fn reading<R>(&self, act: impl FnOnce(&mut Reading) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_clock_moves_only_when_set() {
        let clock = SandboxClock::standing_at(OffsetDateTime::UNIX_EPOCH);
        let same = clock.clone();
        assert_eq!(clock.unix_seconds(), 0);
        clock.advance(Duration::from_secs(90));
        assert_eq!(same.unix_seconds(), 90);
        same.set(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(clock.now(), OffsetDateTime::UNIX_EPOCH);
        clock.advance(Duration::MAX);
        assert!(clock.unix_seconds() > 0);
    }

    #[test]
    fn senseless_scales_stand_still() {
        for scale in [-1.0, f64::NAN, f64::INFINITY] {
            let clock = SandboxClock::scaled(scale);
            assert_eq!(clock.now(), clock.now());
        }
    }
}
