//! The outside world: time, randomness, and the trusted certificate authorities. Callers pass it in, so that tests can run every rule at
//! any moment.

use std::sync::Arc;
use std::time::Duration;

use time::{OffsetDateTime, PrimitiveDateTime};

/// The wall clock. It decides whether something with a lifetime has ended (tokens, cached checks, provisional outcomes), but does not
/// measure durations.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> OffsetDateTime + Send + Sync>);

impl Clock {
    /// The machine's own clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(OffsetDateTime::now_utc))
    }

    /// Any other clock, such as a test's, or the sandbox's accelerated one.
    pub fn new(now: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current time in UTC.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        (self.0)()
    }

    /// The current time in seconds since 1970 (the `NumericDate` of RFC 7519 §2). 0 before 1970.
    #[must_use]
    pub fn now_unix(&self) -> u64 {
        u64::try_from(self.now().unix_timestamp()).unwrap_or(0)
    }

    /// The time since `earlier`, or zero if `earlier` is in the future: a clock can be set back.
    pub(crate) fn since(&self, earlier: OffsetDateTime) -> Duration {
        Duration::try_from(self.now() - earlier).unwrap_or_default()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// Converts seconds since 1970. `None` beyond the calendar's range.
pub(crate) fn from_unix(seconds: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()
}

/// Like [`from_unix`], for a time that was checked before, such as that of an opened token. Beyond the calendar's range, it returns
/// the last moment.
pub(crate) fn moment(seconds: u64) -> OffsetDateTime {
    from_unix(seconds).unwrap_or(PrimitiveDateTime::MAX.assume_utc())
}

/// Converts to microseconds since 1970. 0 before 1970.
pub(crate) fn micros(moment: OffsetDateTime) -> u64 {
    u64::try_from(moment.unix_timestamp_nanos() / 1_000).unwrap_or(0)
}

/// Converts microseconds since 1970. Beyond the calendar's range, it returns the last moment.
pub(crate) fn moment_of_micros(micros: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap_or(PrimitiveDateTime::MAX.assume_utc())
}

/// Whole milliseconds, the unit of records and stores.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Days, rounded to the nearest. Negative for the past.
pub(crate) fn days(span: time::Duration) -> i64 {
    let half_a_day = time::Duration::seconds(if span.is_negative() { -43_199 } else { 43_199 });
    (span + half_a_day).whole_days()
}

/// Random bytes for token ids, 16 at a time: a UUID of version 4, of which 122 bits are random.
#[derive(Clone)]
pub struct Rng(Arc<dyn Fn() -> [u8; 16] + Send + Sync>);

impl Rng {
    /// The operating system's random numbers.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(|| *uuid::Uuid::new_v4().as_bytes()))
    }

    /// Any other source of random bytes, for tests.
    pub fn new(bytes: impl Fn() -> [u8; 16] + Send + Sync + 'static) -> Self {
        Self(Arc::new(bytes))
    }

    /// Draws new bytes at every call.
    pub(crate) fn bytes(&self) -> [u8; 16] {
        (self.0)()
    }
}

impl std::fmt::Debug for Rng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rng")
    }
}

/// The certificate authorities to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roots {
    /// Mozilla's authorities, compiled in, and no proxy from the environment. For the Lambdas: reading the platform's authorities would add
    /// 4 ms to each cold start.
    Embedded,
    /// The platform's authorities, with its proxy settings. For the command line, which may run behind a company's inspecting proxy.
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
