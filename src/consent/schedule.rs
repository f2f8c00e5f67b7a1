//! When the worker checks an approval again while it can still change.

use std::time::Duration;

use super::outcome::{GIVE_UP, PROVISIONAL};

/// The times of the checks after a callback, each counted from the callback.
///
/// Checks are frequent while Microsoft's replicas catch up, then repeat every `every` until the 20 provisional minutes end. Late checks
/// follow for an approval that an administrator gives in the portal or at the end of a workflow. The last check comes one day after the
/// callback, when a missing approval becomes final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The first times, ascending. Default 5, 15, 30 and 60 s.
    pub first: Vec<Duration>,
    /// The interval of the checks after `first`, until [`PROVISIONAL`]. Default 100 s.
    pub every: Duration,
    /// The times of the checks after [`PROVISIONAL`], ascending; the last is [`GIVE_UP`]. Default 1, 6, 15 and
    /// 24 h, so that SQS puts each wait off at once.
    pub late: Vec<Duration>,
}

impl Default for Schedule {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3_600);
        Self {
            first: [5, 15, 30, 60].map(Duration::from_secs).into(),
            every: Duration::from_secs(100),
            late: vec![HOUR, HOUR * 6, HOUR * 15, GIVE_UP],
        }
    }
}

impl Schedule {
    fn moments(&self) -> Vec<Duration> {
        let mut moments: Vec<Duration> = self.first.iter().copied().filter(|moment| *moment < PROVISIONAL).collect();
        let mut moment = moments.last().copied().unwrap_or_default();
        // An interval of zero would never reach the end.
        let every = self.every.max(Duration::from_secs(1));
        while moment + every < PROVISIONAL {
            moment += every;
            moments.push(moment);
        }
        moments.push(PROVISIONAL);
        moments.extend(self.late.iter().copied().filter(|moment| *moment > PROVISIONAL));
        moments
    }

    /// How long to wait for the next check. `None` after the last one.
    ///
    /// * `age`: the time since the callback. Times that have passed are skipped: checks that a queue delayed are not repeated.
    /// * `jitter`: 0 to 255. It moves the check by up to a twentieth of its interval in either direction, so that links sent at the same
    ///   moment are not checked at the same moment. The checks stay near their times, so that no jitter adds one. It never moves a check to
    ///   just before the moment when an outcome becomes final.
    pub(crate) fn next(&self, age: Duration, jitter: u8) -> Option<Duration> {
        let moments = self.moments();
        let mut before = Duration::ZERO;
        for moment in &moments {
            let is_boundary = *moment == PROVISIONAL || Some(moment) == moments.last();
            // A check that ran slightly before this time counts as the check of this time.
            let interval = moment.saturating_sub(before);
            let early = if is_boundary { Duration::ZERO } else { interval / 5 };
            before = *moment;
            if *moment <= age + early {
                continue;
            }
            let wait = moment.saturating_sub(age);
            let share = f64::from(jitter) / 127.5 - 1.0;
            if is_boundary {
                return Some(wait.mul_f64(1.0 + share.abs() / 10.0));
            }
            let moved = interval.mul_f64(share.abs() / 20.0);
            let wait = if share < 0.0 { wait.saturating_sub(moved) } else { wait + moved };
            // An early check does not lengthen the interval after it.
            return Some(if *moment < PROVISIONAL { wait.min(self.every.mul_f64(1.1)) } else { wait });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u8 = 127;
    /// SQS delays a message that is sent no longer.
    const LONGEST_DELAY: Duration = Duration::from_secs(900);

    fn wait(age: u64, jitter: u8) -> Option<u64> {
        Schedule::default().next(Duration::from_secs(age), jitter).map(|wait| (wait + Duration::from_millis(500)).as_secs())
    }

    #[test]
    fn the_looks_are_those_of_the_design() {
        let expected: Vec<u64> =
            [5, 15, 30, 60].into_iter().chain((160..1_200).step_by(100)).chain([1_200, 3_600, 21_600, 54_000, 86_400]).collect();
        let moments: Vec<u64> = Schedule::default().moments().iter().map(Duration::as_secs).collect();
        assert_eq!(moments, expected);
        let mut age = 0;
        for moment in expected {
            age += wait(age, MIDDLE).unwrap();
            assert!(age.abs_diff(moment) <= moment / 100, "{age} for {moment}");
        }
        assert_eq!(wait(86_400, MIDDLE), None);
        assert_eq!(wait(200, MIDDLE), Some(60), "what was delayed is not made up for");
        assert_eq!((wait(60, 0), wait(60, 255)), (Some(95), Some(105)));
    }

    #[test]
    fn from_look_to_look_it_is_never_two_minutes_within_the_provisional_time_whatever_the_dice() {
        for early in [0, MIDDLE, 255] {
            for late in [0, MIDDLE, 255] {
                let (mut age, mut checks, mut invocations, mut ended_provisional) = (Duration::ZERO, 0, 0, false);
                while let Some(wait) = Schedule::default().next(age, if checks % 2 == 0 { early } else { late }) {
                    assert!(age >= PROVISIONAL || wait <= Duration::from_secs(111), "{wait:?} at {age:?}");
                    assert!(wait < Duration::from_secs(12 * 3_600), "{wait:?}: SQS puts an order off for 12 h");
                    invocations += if wait > LONGEST_DELAY { 2 } else { 1 };
                    ended_provisional |= (PROVISIONAL..PROVISIONAL + Duration::from_secs(60)).contains(&(age + wait));
                    (age, checks) = (age + wait, checks + 1);
                }
                assert!(ended_provisional);
                assert!((GIVE_UP..GIVE_UP.mul_f64(1.1)).contains(&age), "the last look is not before the day is over: {age:?}");
                assert_eq!((checks, invocations), (20, 24), "on AWS");
            }
        }
    }
}
