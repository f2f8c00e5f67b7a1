//! How fast Microsoft is asked: so many questions at once, and none for as long as it wishes to be left alone.

use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// How often a question is put that gets no answer.
const ATTEMPTS: u32 = 4;
/// What a wait is longer than wished for: what was not answered is remembered to the very end of it.
const MARGIN: Duration = Duration::from_millis(20);

/// How long is waited.
#[derive(Debug, Clone, Copy)]
struct Waits {
    /// The first time where Microsoft names none; each further one is twice as long.
    first: Duration,
    /// At most, also where Microsoft wishes more: then the question is put once more and may stay open.
    longest: Duration,
}

/// Shared by all questions of one run.
#[derive(Debug)]
pub(super) struct Pace {
    at_once: Semaphore,
    waits: Waits,
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
        Self::waiting(at_once, Waits { first: Duration::from_millis(500), longest: Duration::from_secs(60) })
    }

    fn waiting(at_once: usize, waits: Waits) -> Self {
        Self { at_once: Semaphore::new(at_once), waits, rest_until: watch::Sender::new(None) }
    }

    /// Asks until there is an answer, a few times at most.
    pub(super) async fn ask<T>(&self, question: impl AsyncFn() -> Asked<T>) -> T {
        let mut attempt = 1;
        loop {
            let asked = {
                // A semaphore that is never closed always permits.
                let _permit = self.at_once.acquire().await;
                self.rest().await;
                question().await
            };
            match asked {
                Asked::Answered(answer) => return answer,
                Asked::NotNow { answer, .. } if attempt >= ATTEMPTS => return answer,
                Asked::NotNow { retry_after: Some(wish), .. } => self.leave_alone(wish.min(self.waits.longest)),
                Asked::NotNow { retry_after: None, .. } => {
                    let wait = self.waits.first.saturating_mul(1 << (attempt - 1));
                    tokio::time::sleep(wait.min(self.waits.longest)).await;
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

    /// Returns when nobody wishes to be left alone any more: a wish may grow while it is waited for.
    async fn rest(&self) {
        loop {
            let until = *self.rest_until.borrow();
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
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

    fn pace(at_once: usize) -> Pace {
        Pace::waiting(at_once, Waits { first: Duration::from_millis(5), longest: Duration::from_millis(80) })
    }

    #[test]
    fn a_wish_to_be_left_alone_holds_for_every_question_and_is_cut() {
        run(async {
            let (pace, started, count) = (pace(4), Instant::now(), AtomicU32::new(0));
            let throttled = async || match count.fetch_add(1, Ordering::Relaxed) {
                0 => Asked::NotNow { answer: Duration::MAX, retry_after: Some(Duration::from_secs(86_400)) },
                _ => Asked::Answered(started.elapsed()),
            };
            let other = async || Asked::Answered(started.elapsed());
            let later = async {
                tokio::task::yield_now().await;
                pace.ask(other).await
            };
            let (first, second) = tokio::join!(pace.ask(throttled), later);
            assert!(first >= Duration::from_millis(80) && second >= Duration::from_millis(80), "{first:?} {second:?}");
            assert!(first < Duration::from_secs(3_600), "not a day");
        });
    }

    #[test]
    fn a_question_without_an_answer_is_put_four_times_ever_slower() {
        run(async {
            let (pace, started, count) = (pace(1), Instant::now(), AtomicU32::new(0));
            let silent = async || Asked::NotNow { answer: count.fetch_add(1, Ordering::Relaxed) + 1, retry_after: None };
            assert_eq!(pace.ask(silent).await, 4);
            assert!(started.elapsed() >= Duration::from_millis(5 + 10 + 20));
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
            let questions: futures_util::stream::FuturesUnordered<_> = (0..20).map(|_| pace.ask(question)).collect();
            questions.collect::<Vec<_>>().await;
            assert_eq!(most.into_inner(), 3);
        });
    }
}
