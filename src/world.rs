//! What a site stands on, passed in: time and randomness, so that every rule can be tested at any moment, and whom it trusts.

use std::sync::Arc;
use std::time::Duration;

use time::{OffsetDateTime, PrimitiveDateTime};

/// The wall clock. Everything with a life (tokens, looks, provisional outcomes) is judged by it; only measured durations are not.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> OffsetDateTime + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(OffsetDateTime::now_utc))
    }

    /// Any other: a test's, or the sandbox's scaled one.
    pub fn new(now: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now, in UTC.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        (self.0)()
    }

    /// Now, in seconds since 1970 (the `NumericDate` of RFC 7519 §2). Before 1970 it is 0.
    #[must_use]
    pub fn now_unix(&self) -> u64 {
        u64::try_from(self.now().unix_timestamp()).unwrap_or(0)
    }

    /// The time since `earlier`, zero if that lies ahead: clocks go backwards.
    #[must_use]
    pub fn since(&self, earlier: OffsetDateTime) -> Duration {
        Duration::try_from(self.now() - earlier).unwrap_or_default()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// The moment that many seconds after 1970. `None` where no calendar has it.
#[must_use]
pub fn from_unix(seconds: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()
}

/// The same for a moment that was judged before, such as a token's that was opened: what lies beyond the calendar is its end.
#[must_use]
pub fn moment(seconds: u64) -> OffsetDateTime {
    from_unix(seconds).unwrap_or(PrimitiveDateTime::MAX.assume_utc())
}

/// A moment in microseconds since 1970. Before 1970 it is 0.
#[must_use]
pub fn micros(moment: OffsetDateTime) -> u64 {
    u64::try_from(moment.unix_timestamp_nanos() / 1_000).unwrap_or(0)
}

/// The moment that many microseconds after 1970; what lies beyond the calendar is its end.
#[must_use]
pub fn moment_of_micros(micros: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap_or(PrimitiveDateTime::MAX.assume_utc())
}

/// A span in whole milliseconds, as records and stores keep it.
#[must_use]
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Random bytes for token ids.
#[derive(Clone)]
pub struct Entropy(Arc<dyn Fn() -> [u8; 16] + Send + Sync>);

impl Entropy {
    /// The operating system's.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(|| *uuid::Uuid::new_v4().as_bytes()))
    }

    /// Any other, for tests.
    pub fn new(bytes: impl Fn() -> [u8; 16] + Send + Sync + 'static) -> Self {
        Self(Arc::new(bytes))
    }

    /// Sixteen random bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 16] {
        (self.0)()
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roots {
    /// Mozilla's, compiled in, and no proxy from the environment: the Lambdas. Reading the platform's costs 4 ms of each cold start.
    Embedded,
    /// The platform's, and its proxy settings: the command line, which may sit behind a company's inspecting proxy.
    Platform,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_beyond_the_calendar_is_its_end() {
        assert_eq!(moment(1_795_183_402), time::macros::datetime!(2026-11-20 14:03:22 UTC));
        assert_eq!(moment(u64::MAX).year(), 9999);
        assert_eq!(from_unix(u64::MAX), None);
    }
}
