//! Reduces a flood of rejections without a genuine token to a few lines and a count, never to silence.

/// How many rejections get their own line in each minute of a process.
const LINES_A_MINUTE: u64 = 20;
const MINUTE: u64 = 60;

#[derive(Debug, Default)]
pub(super) struct Flood {
    minute: u64,
    lines: u64,
    held: u64,
    held_in_all: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum FloodVerdict {
    /// Write the line.
    Write,
    /// Write nothing: it was counted.
    Count,
    /// Write the count instead of the line.
    CountBecomesLine(u64),
    /// Write the count of a flood that is over, then the line.
    WriteAfterCount(u64),
}

impl Flood {
    /// Decides about one line at `now` (seconds since 1970).
    pub(super) fn admit(&mut self, now: u64, is_rejection: bool) -> FloodVerdict {
        if now / MINUTE != self.minute {
            self.minute = now / MINUTE;
            self.lines = 0;
            self.held_in_all = 0;
            let held = self.take_held();
            self.lines += u64::from(is_rejection);
            return if held > 0 { FloodVerdict::WriteAfterCount(held) } else { FloodVerdict::Write };
        }
        if !is_rejection {
            return FloodVerdict::Write;
        }
        if self.lines < LINES_A_MINUTE {
            self.lines += 1;
            return FloodVerdict::Write;
        }
        self.held += 1;
        self.held_in_all += 1;
        // During a long flood, write a line at 10, 100, 1 000 … so that its size is visible before it ends.
        if self.held_in_all >= 10 && is_power_of_ten(self.held_in_all) {
            FloodVerdict::CountBecomesLine(self.take_held())
        } else {
            FloodVerdict::Count
        }
    }

    /// Returns the count that has no line yet and resets it.
    pub(super) fn take_held(&mut self) -> u64 {
        std::mem::take(&mut self.held)
    }
}

pub(super) fn is_power_of_ten(mut number: u64) -> bool {
    while number.is_multiple_of(10) && number > 1 {
        number /= 10;
    }
    number == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_to_the_last_rejection() {
        let mut flood = Flood::default();
        let (mut lines, mut counted) = (0, 0);
        for _ in 0..12_345 {
            match flood.admit(6_000, true) {
                FloodVerdict::Write => lines += 1,
                FloodVerdict::Count => {}
                FloodVerdict::CountBecomesLine(count) => counted += count,
                FloodVerdict::WriteAfterCount(_) => unreachable!(),
            }
        }
        assert_eq!(lines, LINES_A_MINUTE);
        match flood.admit(6_060, false) {
            FloodVerdict::WriteAfterCount(rest) => assert_eq!(lines + counted + rest, 12_345),
            other => panic!("{other:?}"),
        }
        assert_eq!(flood.admit(6_061, true), FloodVerdict::Write, "a new minute has lines again");
    }

    #[test]
    fn the_size_of_a_flood_shows_in_every_minute_from_the_tenth_that_is_held_back() {
        let mut flood = Flood::default();
        for minute in [100, 101, 102] {
            let verdicts: Vec<_> = (0..LINES_A_MINUTE + 10).map(|_| flood.admit(minute * MINUTE, true)).collect();
            assert_eq!(verdicts.last(), Some(&FloodVerdict::CountBecomesLine(10)), "minute {minute}");
            assert_eq!(verdicts.iter().filter(|verdict| **verdict == FloodVerdict::Write).count(), 20, "minute {minute}");
        }
    }

    #[test]
    fn claims_and_conclusions_are_never_held_back() {
        let mut flood = Flood::default();
        for _ in 0..100 {
            flood.admit(60, true);
        }
        assert_eq!(flood.admit(61, false), FloodVerdict::Write);
    }
}
