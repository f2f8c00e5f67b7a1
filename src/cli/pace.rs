//! How fast Microsoft is asked: when a question is put again, how many at once, and none for as long as it wishes to be left alone.

use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::world::Entropy;

/// How often a question is put that gets no answer.
const ATTEMPTS: u32 = 4;
/// How long a question may wait between its own attempts, in all; and the longest wish to be left alone that is waited for.
const PATIENCE: Duration = Duration::from_secs(300);
/// What a wait is longer than wished for: what was not answered is remembered to the very end of it.
const MARGIN: Duration = Duration::from_millis(20);
/// Before a question is put for the second time, where Microsoft does not say when; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a question that got no answer is to expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is put again after this.
    Again(Duration),
    /// It is not put again in this run.
    GiveUp,
}

/// The limits of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How often a question is put at most.
    attempts: u32,
    /// How long one may have waited in all.
    patience: Duration,
    first_wait: Duration,
}

impl Limits {
    /// So many attempts, and waits of so long in all.
    pub(super) fn new(attempts: u32, patience: Duration) -> Self {
        Self { attempts, patience, first_wait: FIRST_WAIT }
    }

    /// Decides about a question that got no answer for the `attempt`-th time (from 1) and has waited for `waited` so far.
    ///
    /// * `asked`: how long Microsoft wants to be left alone. It never is asked before that.
    /// * `jitter`: any number; it spreads those who wait, up to a quarter later than they would be.
    pub(super) fn next(self, attempt: u32, waited: Duration, asked: Option<Duration>, jitter: u8) -> Next {
        if attempt >= self.attempts {
            return Next::GiveUp;
        }
        let doubled = self.first_wait.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST_WAIT);
        let wait = spread(asked.unwrap_or_default().max(doubled), jitter);
        if waited.saturating_add(wait) > self.patience { Next::GiveUp } else { Next::Again(wait) }
    }
}

/// A wait, up to a quarter longer, and never by more than a quarter of the longest unasked one.
fn spread(wait: Duration, jitter: u8) -> Duration {
    wait.saturating_add(wait.min(LONGEST_WAIT) / 4 * u32::from(jitter) / 256)
}

/// Shared by all questions of one run.
pub(super) struct Pace {
    at_once: Semaphore,
    limits: Limits,
    entropy: Entropy,
    /// Until then nobody asks.
    rest_until: watch::Sender<Option<Instant>>,
}

/// What came of asking once.
pub(super) enum Asked<T> {
    /// An answer, or a failure that asking again does not mend.
    Answered(T),
    /// Nothing that could not come later.
    NotNow {
        /// What is said if it stays at that.
        answer: T,
        /// How long to stay away, where Microsoft says so. Then all questions wait.
        retry_after: Option<Duration>,
    },
}

impl Pace {
    /// So many questions at once.
    pub(super) fn new(at_once: usize) -> Self {
        Self::within(at_once, Limits::new(ATTEMPTS, PATIENCE))
    }

    fn within(at_once: usize, limits: Limits) -> Self {
        Self { at_once: Semaphore::new(at_once), limits, entropy: Entropy::system(), rest_until: watch::Sender::new(None) }
    }

    /// Asks until there is an answer, a few times at most, and never while Microsoft wishes to be left alone: where that is for longer
    /// than the patience, `unasked` says what is said in the place of an answer.
    pub(super) async fn ask<T>(&self, question: impl AsyncFn() -> Asked<T>, unasked: impl Fn(Duration) -> T) -> T {
        let mut attempt = 1;
        let mut waited = Duration::ZERO;
        loop {
            let asked = {
                // A semaphore that is never closed always permits.
                let _permit = self.at_once.acquire().await;
                if let Err(wish) = self.rest().await {
                    return unasked(wish);
                }
                question().await
            };
            let (answer, retry_after) = match asked {
                Asked::Answered(answer) => return answer,
                Asked::NotNow { answer, retry_after } => (answer, retry_after),
            };
            if let Some(wish) = retry_after {
                self.leave_alone(wish);
            }
            let [jitter, ..] = self.entropy.bytes();
            match self.limits.next(attempt, waited, retry_after, jitter) {
                Next::GiveUp => return answer,
                Next::Again(wait) => {
                    tokio::time::sleep(wait + MARGIN).await;
                    waited = waited.saturating_add(wait);
                }
            }
            attempt += 1;
        }
    }

    fn leave_alone(&self, wish: Duration) {
        let until = Instant::now() + wish + MARGIN;
        self.rest_until.send_if_modified(|rest| {
            let longer = rest.is_none_or(|rest| rest < until);
            if longer {
                *rest = Some(until);
            }
            longer
        });
    }

    /// Returns when nobody wishes to be left alone any more: a wish may grow while it is waited for. Those who waited go on one after the
    /// other, not all at once. The rest of the wish where it is too long to be waited for.
    async fn rest(&self) -> Result<(), Duration> {
        loop {
            let until = *self.rest_until.borrow();
            let Some(left) = until.map(|until| until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero()) else {
                return Ok(());
            };
            if left > self.limits.patience {
                return Err(left);
            }
            let [jitter, ..] = self.entropy.bytes();
            tokio::time::sleep(spread(left, jitter)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::StreamExt as _;

    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
    }

    const LIMITS: Limits = Limits { attempts: 5, patience: Duration::from_secs(600), first_wait: FIRST_WAIT };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn pace(at_once: usize) -> Pace {
        Pace::within(at_once, Limits { attempts: 4, patience: Duration::from_millis(200), first_wait: Duration::from_millis(5) })
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
        let many = Limits::new(u32::MAX, Duration::MAX);
        assert_eq!(many.next(u32::MAX - 1, Duration::ZERO, None, 0), Next::Again(LONGEST_WAIT));
    }

    #[test]
    fn a_wish_to_be_left_alone_holds_for_every_question() {
        run(async {
            let (pace, started, count) = (pace(4), Instant::now(), AtomicU32::new(0));
            let throttled = async || match count.fetch_add(1, Ordering::Relaxed) {
                0 => Asked::NotNow { answer: Duration::MAX, retry_after: Some(Duration::from_millis(80)) },
                _ => Asked::Answered(started.elapsed()),
            };
            let other = async || Asked::Answered(started.elapsed());
            let later = async {
                tokio::task::yield_now().await;
                pace.ask(other, |_| Duration::ZERO).await
            };
            let (first, second) = tokio::join!(pace.ask(throttled, |_| Duration::ZERO), later);
            assert!(first >= Duration::from_millis(80) && second >= Duration::from_millis(80), "{first:?} {second:?}");
        });
    }

    #[test]
    fn a_shorter_wish_shortens_no_longer_one() {
        run(async {
            let (pace, started) = (pace(1), Instant::now());
            pace.leave_alone(Duration::from_millis(80));
            pace.leave_alone(Duration::from_millis(1));
            assert!(pace.ask(async || Asked::Answered(started.elapsed()), |_| Duration::ZERO).await >= Duration::from_millis(80));
        });
    }

    #[test]
    fn a_wish_that_is_too_long_to_be_waited_for_is_kept_and_nobody_asks_meanwhile() {
        run(async {
            let (pace, count) = (pace(4), AtomicU32::new(0));
            let throttled = async || {
                count.fetch_add(1, Ordering::Relaxed);
                Asked::NotNow { answer: None, retry_after: Some(seconds(3_600)) }
            };
            assert_eq!(pace.ask(throttled, Some).await, None);
            let told = pace.ask(throttled, Some).await.unwrap();
            assert!(told > seconds(3_000) && told <= seconds(3_601), "{told:?}");
            assert_eq!(count.into_inner(), 1);
        });
    }

    #[test]
    fn a_question_without_an_answer_is_put_four_times_ever_slower() {
        run(async {
            let (pace, started, count) = (pace(1), Instant::now(), AtomicU32::new(0));
            let silent = async || Asked::NotNow { answer: count.fetch_add(1, Ordering::Relaxed) + 1, retry_after: None };
            assert_eq!(pace.ask(silent, |_| 0).await, 4);
            assert!(started.elapsed() >= Duration::from_millis(5 + 10 + 20));
        });
    }

    #[test]
    fn all_waits_of_a_question_together_are_no_longer_than_the_patience() {
        run(async {
            let limits = Limits { attempts: 9, patience: Duration::from_millis(30), first_wait: Duration::from_millis(5) };
            let (pace, count) = (Pace::within(1, limits), AtomicU32::new(0));
            let silent = async || Asked::NotNow { answer: count.fetch_add(1, Ordering::Relaxed) + 1, retry_after: None };
            // 5 and 10 ms and up to a quarter each; with another 20 ms they would be too long.
            assert_eq!(pace.ask(silent, |_| 0).await, 3);
        });
    }

    #[test]
    fn no_more_questions_are_open_than_allowed() {
        run(async {
            let (pace, open, most) = (pace(3), AtomicU32::new(0), AtomicU32::new(0));
            let question = async || {
                most.fetch_max(open.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
                open.fetch_sub(1, Ordering::Relaxed);
                Asked::Answered(())
            };
            let questions: futures_util::stream::FuturesUnordered<_> = (0..20).map(|_| pace.ask(question, |_| ())).collect();
            questions.collect::<Vec<_>>().await;
            assert_eq!(most.into_inner(), 3);
        });
    }
}
