//! What a site stands on, passed in: time and randomness, so that every rule can be tested at any moment, and whom it trusts.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

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
