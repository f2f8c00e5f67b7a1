//! Retries: how often and when a request is sent, under a [`ThrottleController`] that all requests of a run share.
//!
//! We don't use the crate backon, because its limit of the total delay excludes the waits from Retry-After. Here, a waiting request also
//! gives its slot to another request.

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt as _};

use super::throttle::{MARGIN, Scope, Slot, ThrottleController, Throttled};
use crate::cli::exit::{CommandError, unusable};
use crate::cli::{is_read_enough, serve};
use crate::env::Rng;

/// The wait before the second attempt if no answer names a time. The wait doubles with each further attempt.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The limits for retries of one request.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct RetryPolicy {
    pub(in crate::cli) attempts: u32,
    /// The longest total of the waits.
    pub(in crate::cli) patience: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 4, patience: Duration::from_secs(300) }
    }
}

impl RetryPolicy {
    /// The wait after attempt number `attempt`, from 1; `None` if that was the last attempt. Never shorter than Retry-After. `jitter` adds
    /// up to a quarter, so that waiting requests do not retry at the same time.
    fn wait(self, attempt: u32, waited: Duration, retry_after: Option<Duration>, jitter: u8) -> Option<Duration> {
        let doubled = FIRST_WAIT.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST_WAIT);
        let wait = retry_after.unwrap_or_default().max(doubled);
        let wait = wait.saturating_add(wait.min(LONGEST_WAIT) / 4 * u32::from(jitter) / 256);
        (attempt < self.attempts && waited.saturating_add(wait) <= self.patience).then_some(wait)
    }
}

/// The result of one attempt.
pub(in crate::cli) struct Attempt<T> {
    /// The answer, or what to report if no further attempt follows.
    pub(in crate::cli) answer: T,
    pub(in crate::cli) throttled: Throttled,
    pub(in crate::cli) retry: Retry,
}

/// Whether a further attempt could return more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Retry {
    No,
    Yes,
    /// This attempt returned a part of the answer, so it does not count as an attempt.
    Uncounted,
}

impl<T> Attempt<T> {
    /// The result of an attempt whose answer no retry changes.
    pub(in crate::cli) fn answered(answer: T) -> Self {
        Self { answer, throttled: Throttled::No, retry: Retry::No }
    }

    /// The result of an attempt without an answer. If the service named a time, it is throttling.
    pub(in crate::cli) fn unanswered(answer: T, retry_after: Option<Duration>) -> Self {
        let throttled = retry_after.map_or(Throttled::No, |wait| Throttled::Yes(Some(wait)));
        Self { answer, throttled, retry: Retry::Yes }
    }
}

/// Sends the requests of one run.
pub(in crate::cli) struct Runner {
    throttle: ThrottleController,
    policy: RetryPolicy,
    rng: Rng,
    waiting: Cell<usize>,
}

/// The current state of a run, for a progress bar.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Going {
    /// The number of requests that wait for their next attempt.
    pub(in crate::cli) waiting: usize,
    /// The rest of a pause that all requests share.
    pub(in crate::cli) pause: Option<Duration>,
}

/// A slot, or the rest of a pause that is longer than a request waits.
pub(in crate::cli) type Admission<'r> = Result<Slot<'r>, Duration>;

impl Runner {
    pub(in crate::cli) fn new(scope: Scope, concurrency: usize, policy: RetryPolicy) -> Self {
        Self { throttle: ThrottleController::new(scope, concurrency), policy, rng: Rng::system(), waiting: Cell::new(0) }
    }

    /// Waits until a request may be sent.
    pub(in crate::cli) async fn admission(&self) -> Admission<'_> {
        self.throttle.slot().await
    }

    /// Sends a request until it has an answer or no attempts left.
    ///
    /// # Errors
    /// The rest of a pause that is too long to wait for. The request was then not sent.
    pub(in crate::cli) async fn send<T>(&self, attempt: impl AsyncFnMut() -> Attempt<T>) -> Result<T, Duration> {
        self.send_admitted(self.admission().await, attempt).await
    }

    /// As [`Self::send`], for a caller that already has the first slot.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(in crate::cli) async fn send_admitted<T>(
        &self,
        mut admission: Admission<'_>,
        mut attempt: impl AsyncFnMut() -> Attempt<T>,
    ) -> Result<T, Duration> {
        let (mut attempts, mut waited) = (0, Duration::ZERO);
        loop {
            let slot = admission?;
            // Boxed, so that a request that waits for its retry takes little memory.
            let Attempt { answer, throttled, retry } = Box::pin(attempt()).await;
            self.throttle.note(throttled);
            drop(slot);
            attempts += u32::from(retry != Retry::Uncounted);
            let retry_after = if let Throttled::Yes(wish) = throttled { wish } else { None };
            let [jitter, ..] = self.rng.bytes();
            let Some(wait) = self.policy.wait(attempts, waited, retry_after, jitter).filter(|_| retry != Retry::No) else {
                return Ok(answer);
            };
            self.waiting.set(self.waiting.get() + 1);
            tokio::time::sleep(wait + MARGIN).await;
            self.waiting.set(self.waiting.get() - 1);
            waited = waited.saturating_add(wait);
            admission = self.admission().await;
        }
    }

    pub(in crate::cli) fn going(&self) -> Going {
        Going { waiting: self.waiting.get(), pause: self.throttle.pause() }
    }
}

/// Why a run ended early.
#[derive(Debug)]
pub(in crate::cli) enum Stopped {
    /// The person pressed Ctrl-C.
    Interrupted,
    /// The reader of the results closed the pipe (`| head`).
    ReadEnough,
    Failed(CommandError),
}

impl From<CommandError> for Stopped {
    fn from(error: CommandError) -> Self {
        Self::Failed(error)
    }
}

impl Stopped {
    /// The output that `what` names cannot be written.
    pub(in crate::cli) fn unwritten(what: &str, error: &io::Error) -> Self {
        if is_read_enough(error) { Self::ReadEnough } else { unusable(what, error).into() }
    }
}

/// Processes every item of a stream, until an error or Ctrl-C.
///
/// # Errors
/// The first error of the items or of `take`, and [`Stopped::Interrupted`].
pub(in crate::cli) async fn for_each<T>(
    items: impl Stream<Item = Result<T, Stopped>>,
    mut take: impl FnMut(T) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    let (mut items, mut stop) = (pin!(items), pin!(serve::stop_signal()));
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return Err(Stopped::Interrupted),
            item = items.next() => match item {
                Some(item) => take(item?)?,
                None => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { attempts: 5, patience: Duration::from_secs(600) };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn runner(concurrency: usize) -> Runner {
        Runner::new(Scope::Service, concurrency, RetryPolicy::default())
    }

    #[test]
    fn waits_double_and_are_never_shorter_than_retry_after() {
        let wait = |attempt, retry_after, jitter| POLICY.wait(attempt, Duration::ZERO, retry_after, jitter);
        assert_eq!([1, 2, 3, 4].map(|attempt| wait(attempt, None, 0)), [1, 2, 4, 8].map(|wait| Some(seconds(wait))));
        assert_eq!(wait(5, None, 0), None);
        assert_eq!(wait(1, Some(seconds(90)), 0), Some(seconds(90)));
        for jitter in 0..=255 {
            assert!((seconds(90)..seconds(105)).contains(&wait(1, Some(seconds(90)), jitter).unwrap()), "{jitter}");
        }
    }

    #[test]
    fn a_wait_beyond_the_patience_ends_the_attempts() {
        assert_eq!(POLICY.wait(1, Duration::ZERO, Some(seconds(3_600)), 0), None);
        assert_eq!(POLICY.wait(1, seconds(599), None, 0), Some(seconds(1)));
        assert_eq!(POLICY.wait(1, seconds(600), None, 0), None);
        let many = RetryPolicy { attempts: u32::MAX, patience: Duration::MAX };
        assert_eq!(many.wait(u32::MAX - 1, Duration::ZERO, None, 0), Some(LONGEST_WAIT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_after_holds_for_every_request() {
        let (runner, started, count) = (runner(4), Instant::now(), Cell::new(0));
        let throttled = async || {
            count.set(count.get() + 1);
            if count.get() == 1 { Attempt::unanswered(Duration::MAX, Some(seconds(80))) } else { Attempt::answered(started.elapsed()) }
        };
        let later = async {
            tokio::task::yield_now().await;
            runner.send(async || Attempt::answered(started.elapsed())).await
        };
        let (first, second) = tokio::join!(runner.send(throttled), later);
        assert!(first.unwrap() >= seconds(80) && second.unwrap() >= seconds(80));
    }

    #[tokio::test(start_paused = true)]
    async fn no_request_is_sent_in_a_pause_that_is_too_long() {
        let (runner, count) = (runner(4), Cell::new(0));
        let throttled = async || {
            count.set(count.get() + 1);
            Attempt::unanswered((), Some(seconds(3_600)))
        };
        assert_eq!(runner.send(throttled).await, Ok(()));
        assert_eq!(runner.send(throttled).await, Err(seconds(3_600) + MARGIN));
        assert_eq!(count.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unanswered_request_is_sent_four_times_ever_slower() {
        let (runner, started, count) = (runner(1), Instant::now(), Cell::new(0));
        let silent = async || {
            count.set(count.get() + 1);
            Attempt::unanswered(count.get(), None)
        };
        assert_eq!(runner.send(silent).await, Ok(4));
        assert!(started.elapsed() >= seconds(1 + 2 + 4));
        assert_eq!(runner.going().waiting, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_brought_a_part_does_not_count() {
        let (runner, count) = (runner(1), Cell::new(0));
        let parts = async || {
            count.set(count.get() + 1);
            let retry = if count.get() <= 6 { Retry::Uncounted } else { Retry::Yes };
            Attempt { answer: count.get(), throttled: Throttled::No, retry }
        };
        assert_eq!(runner.send(parts).await, Ok(10));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_requests_run_than_allowed() {
        let (runner, open, most) = (runner(3), Cell::new(0), Cell::new(0));
        let request = async || {
            open.set(open.get() + 1);
            most.set(open.get().max(most.get()));
            tokio::time::sleep(seconds(1)).await;
            open.set(open.get() - 1);
            Attempt::answered(())
        };
        let requests: futures_util::stream::FuturesUnordered<_> = (0..20).map(|_| runner.send(request)).collect();
        assert_eq!(requests.collect::<Vec<_>>().await.len(), 20);
        assert_eq!(most.get(), 3);
    }
}
