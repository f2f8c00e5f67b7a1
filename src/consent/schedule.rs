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
    /// The times of the checks after [`PROVISIONAL`], ascending; the last is [`GIVE_UP`]. Default 1, 6 and 24 h.
    pub late: Vec<Duration>,
}

impl Default for Schedule {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3_600);
        Self {
            first: [5, 15, 30, 60].map(Duration::from_secs).into(),
            every: Duration::from_secs(100),
            late: vec![HOUR, HOUR * 6, GIVE_UP],
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
    /// * `jitter`: 0 to 255. It moves the wait by up to a tenth in either direction, so that links sent at the same moment are not checked
    ///   at the same moment. It never moves a check to just before the moment when an outcome becomes final.
    pub(crate) fn next(&self, age: Duration, jitter: u8) -> Option<Duration> {
        let moments = self.moments();
        let mut before = Duration::ZERO;
        for moment in &moments {
            let is_boundary = *moment == PROVISIONAL || Some(moment) == moments.last();
            // A check that ran slightly before this time counts as the check of this time.
            let early = if is_boundary { Duration::ZERO } else { moment.saturating_sub(before) / 5 };
            before = *moment;
            if *moment <= age + early {
                continue;
            }
            let wait = moment.saturating_sub(age);
            let share = (f64::from(jitter) / 127.5 - 1.0) / 10.0;
            if is_boundary {
                return Some(wait.mul_f64(1.0 + share.abs()));
            }
            // An early check does not lengthen the interval after it.
            let most = if *moment < PROVISIONAL { self.every } else { wait };
            return Some(wait.min(most).mul_f64(1.0 + share));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u8 = 127;

    fn wait(age: u64, jitter: u8) -> Option<u64> {
        Schedule::default().next(Duration::from_secs(age), jitter).map(|wait| (wait + Duration::from_millis(500)).as_secs())
    }

    #[test]
    fn the_looks_are_those_of_the_design() {
        let expected: Vec<u64> =
            [5, 15, 30, 60].into_iter().chain((160..1_200).step_by(100)).chain([1_200, 3_600, 21_600, 86_400]).collect();
        let moments: Vec<u64> = Schedule::default().moments().iter().map(Duration::as_secs).collect();
        assert_eq!(moments, expected);
        let mut age = 0;
        for moment in expected {
            age += wait(age, MIDDLE).unwrap();
            assert!(age.abs_diff(moment) <= moment / 100, "{age} for {moment}");
        }
        assert_eq!(wait(86_400, MIDDLE), None);
        assert_eq!(wait(200, MIDDLE), Some(60), "what was delayed is not made up for");
        assert_eq!((wait(60, 0), wait(60, 255)), (Some(90), Some(110)));
    }

    #[test]
    fn from_look_to_look_it_is_never_two_minutes_within_the_provisional_time_whatever_the_dice() {
        for early in [0, MIDDLE, 255] {
            for late in [0, MIDDLE, 255] {
                let (mut age, mut checks, mut ended_provisional) = (Duration::ZERO, 0, false);
                while let Some(wait) = Schedule::default().next(age, if checks % 2 == 0 { early } else { late }) {
                    assert!(age >= PROVISIONAL || wait <= Duration::from_secs(111), "{wait:?} at {age:?}");
                    ended_provisional |= (PROVISIONAL..PROVISIONAL + Duration::from_secs(60)).contains(&(age + wait));
                    (age, checks) = (age + wait, checks + 1);
                }
                assert!(ended_provisional);
                assert!((GIVE_UP..GIVE_UP.mul_f64(1.1)).contains(&age), "the last look is not before the day is over: {age:?}");
                assert!(checks < 25, "{checks}");
            }
        }
    }
}
