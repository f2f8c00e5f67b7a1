//! Writes records. In a flood, it writes a few lines and a count instead of each line. Two kinds of lines can be a flood: rejections
//! without a genuine token, and repetitions about one link, whose holder can use the link endlessly. The records of claims have limits of
//! their own ([`crate::consent::claim_bound`]).

use std::io::{self, Write as _};
use std::sync::Mutex;

use hashlink::LruCache;

use super::line::{ApprovalLine, CountedLink, Record, Repeatable};
use super::transition_id::TransitionId;
use crate::consent::outcome::span_start;
use crate::env::Clock;
use crate::sync::locked;

/// The destination of lines. A sink takes a whole line with its newline, and returns after the flush.
pub struct Sink(Box<Write>);

type Write = dyn Fn(&[u8]) -> io::Result<()> + Send + Sync;

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

impl Sink {
    /// Standard output: CloudWatch in a Lambda, the terminal or a file locally.
    pub(crate) fn stdout() -> Self {
        Self::new(|line| {
            let mut out = io::stdout().lock();
            out.write_all(line)?;
            out.flush()
        })
    }

    /// Any other destination. `write` must not return before the line is durable.
    pub fn new(write: impl Fn(&[u8]) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Box::new(write))
    }
}

/// How many written transitions we remember, so that repeated visits write no line again. Evicting one costs a repeated line with the same
/// id.
const REMEMBERED_TRANSITIONS: usize = 4_096;

/// Writes records. In a flood, counts them instead.
pub struct Recorder {
    sink: Sink,
    clock: Clock,
    written: Mutex<Written>,
}

/// What was written. A writer holds the lock until its line is flushed, so two first visits at the same time write one line.
struct Written {
    limits: Limits,
    transitions: LruCache<TransitionId, ()>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// A recorder that has written nothing yet.
    #[must_use]
    pub fn new(sink: Sink, clock: Clock) -> Self {
        let written = Written { limits: Limits::default(), transitions: LruCache::new(REMEMBERED_TRANSITIONS) };
        Self { sink, clock, written: Mutex::new(written) }
    }

    /// Writes a record with the current time and returns after the flush. In a flood, it only counts rejections without a genuine token and
    /// repetitions about one link. The count gets its own line: for rejections after the minute, for repetitions after the span.
    ///
    /// # Errors
    /// The sink's error. The caller must then treat the step as not recorded, and must not call Microsoft.
    pub(crate) fn write(&self, record: &Record) -> io::Result<()> {
        self.write_unless_repeated(&mut locked(&self.written), record, record.repeatable())
    }

    /// As [`Self::write`], for a record that the limit on its claim has admitted: no other limit holds it back.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(crate) fn write_admitted(&self, record: &Record) -> io::Result<()> {
        self.write_unless_repeated(&mut locked(&self.written), record, None)
    }

    fn write_unless_repeated(&self, written: &mut Written, record: &Record, repeatable: Option<Repeatable>) -> io::Result<()> {
        self.put_ended_counts(written)?;
        let verdict = match &repeatable {
            Some(line) => written.limits.admit(line, self.clock.now_unix()),
            None if record.is_of_stranger() => written.limits.admit_stranger(),
            None => LineVerdict::Write,
        };
        match verdict {
            LineVerdict::Write => self.put(record)?,
            LineVerdict::Count => {}
            LineVerdict::CountBecomesLine(count) => self.put_counts([(None, count)])?,
        }
        if let (LineVerdict::Write, Some(line)) = (verdict, repeatable) {
            written.limits.wrote(line, self.clock.now_unix());
        }
        if let Some(transition) = record.transition() {
            written.transitions.insert(transition.clone(), ());
        }
        Ok(())
    }

    /// Counts a use of an approval's link that gets no record of its own.
    ///
    /// # Errors
    /// As [`Self::write`]: this method may write the count of earlier uses.
    pub(crate) fn count(&self, approval: &ApprovalLine) -> io::Result<()> {
        let mut written = locked(&self.written);
        self.put_ended_counts(&mut written)?;
        written.limits.hold(Record::link_of(approval));
        Ok(())
    }

    /// As [`Self::write`], but writes nothing if this process has already written the record's transition.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_transition_once(&self, record: &Record) -> io::Result<()> {
        let mut written = locked(&self.written);
        let is_written = record.transition().is_some_and(|transition| written.transitions.contains_key(transition));
        if is_written { Ok(()) } else { self.write_unless_repeated(&mut written, record, record.repeatable()) }
    }

    /// Writes the counts that have no line yet, before the local server stops.
    ///
    /// # Errors
    /// The sink's error.
    pub fn settle(&self) -> io::Result<()> {
        let counts = locked(&self.written).limits.take_held();
        self.put_counts(counts)
    }

    fn put_ended_counts(&self, written: &mut Written) -> io::Result<()> {
        let counts = written.limits.of_ended_periods(self.clock.now_unix());
        self.put_counts(counts)
    }

    fn put_counts(&self, counts: impl IntoIterator<Item = (Option<CountedLink>, u64)>) -> io::Result<()> {
        counts.into_iter().try_for_each(|(link, count)| self.put(&Record::Suppressed { link, count }))
    }

    fn put(&self, record: &Record) -> io::Result<()> {
        (self.sink.0)(record.to_json_line(self.clock.now()).as_bytes())
    }
}

/// How many rejections without a genuine token a process writes in each minute.
const LINES_A_MINUTE: u64 = 20;
const MINUTE: u64 = 60;
/// The capacity for links, and for kinds of lines about them. Only the operator can make links, so a stranger cannot evict one. Evicting a
/// link costs repeated lines.
const MOST_LINKS: usize = 4_096;

#[derive(Debug)]
struct Limits {
    minute: u64,
    span: u64,
    strangers: Budget,
    /// How many uses of a link got no line in this span.
    held: LruCache<CountedLink, u64>,
    /// For a link and a kind of line: the period of the last line, and the number of lines in that period.
    written: LruCache<(CountedLink, String), (u64, u32)>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { minute: 0, span: 0, strangers: Budget::default(), held: LruCache::new(MOST_LINKS), written: LruCache::new(MOST_LINKS) }
    }
}

/// The rejections without a genuine token in one minute.
#[derive(Debug, Default)]
struct Budget {
    lines: u64,
    held: u64,
    held_in_all: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineVerdict {
    /// Write the line. If it is repeatable, confirm it with [`Limits::wrote`].
    Write,
    /// Write nothing, because the line is part of the count.
    Count,
    /// Write the count instead of the line.
    CountBecomesLine(u64),
}

impl Limits {
    /// Returns the counts of a minute or a span that has ended at `now` (seconds since 1970), if these counts have no line yet.
    fn of_ended_periods(&mut self, now: u64) -> Vec<(Option<CountedLink>, u64)> {
        let (minute, span) = (now / MINUTE, span_start(now));
        let mut counts = Vec::new();
        if minute != self.minute {
            counts.extend(self.take_strangers());
            (self.minute, self.strangers) = (minute, Budget::default());
        }
        if span != self.span {
            counts.extend(self.take_links());
            self.span = span;
        }
        counts
    }

    fn admit_stranger(&mut self) -> LineVerdict {
        let budget = &mut self.strangers;
        if budget.lines < LINES_A_MINUTE {
            budget.lines += 1;
            return LineVerdict::Write;
        }
        budget.held += 1;
        budget.held_in_all += 1;
        // During a long flood, write a line at 10, 100, 1 000 … rejections, so that the size of the flood is visible before it ends.
        if budget.held_in_all >= 10 && is_power_of_ten(budget.held_in_all) {
            LineVerdict::CountBecomesLine(std::mem::take(&mut budget.held))
        } else {
            LineVerdict::Count
        }
    }

    fn admit(&mut self, line: &Repeatable, now: u64) -> LineVerdict {
        let written = self.written.peek(&(line.link, line.says.clone())).filter(|(period, _)| *period == now / line.period);
        if written.is_none_or(|(_, lines)| *lines < line.most) {
            return LineVerdict::Write;
        }
        self.hold(line.link);
        LineVerdict::Count
    }

    /// Notes that a line has been flushed. A line that could not be flushed uses up nothing of the limit.
    fn wrote(&mut self, line: Repeatable, now: u64) {
        let period = now / line.period;
        let written = self.written.entry((line.link, line.says)).or_insert((period, 0));
        let lines = if written.0 == period { written.1 } else { 0 };
        *written = (period, lines.saturating_add(1));
    }

    fn hold(&mut self, link: CountedLink) {
        let held = self.held.entry(link).or_insert(0);
        *held = held.saturating_add(1);
    }

    /// Returns the counts that have no line yet and resets them.
    fn take_held(&mut self) -> Vec<(Option<CountedLink>, u64)> {
        self.take_strangers().into_iter().chain(self.take_links()).collect()
    }

    fn take_strangers(&mut self) -> Option<(Option<CountedLink>, u64)> {
        let held = std::mem::take(&mut self.strangers.held);
        (held > 0).then_some((None, held))
    }

    fn take_links(&mut self) -> Vec<(Option<CountedLink>, u64)> {
        self.held.drain().map(|(link, count)| (Some(link), count)).collect()
    }
}

fn is_power_of_ten(mut number: u64) -> bool {
    while number.is_multiple_of(10) && number > 1 {
        number /= 10;
    }
    number == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::TokenId;

    fn line(link: u128, says: &str) -> Repeatable {
        let link = CountedLink::Ticket(TokenId::from_random(link.to_be_bytes()));
        Repeatable { link, says: says.into(), most: 5, period: 1_200 }
    }

    fn visit(limits: &mut Limits, line: &Repeatable, now: u64) -> LineVerdict {
        let verdict = limits.admit(line, now);
        if verdict == LineVerdict::Write {
            limits.wrote(line.clone(), now);
        }
        verdict
    }

    #[test]
    fn a_flood_is_counted_to_the_last_rejection() {
        let mut limits = Limits::default();
        assert!(limits.of_ended_periods(6_000).is_empty());
        let (mut lines, mut counted) = (0, 0);
        for _ in 0..12_345 {
            match limits.admit_stranger() {
                LineVerdict::Write => lines += 1,
                LineVerdict::Count => {}
                LineVerdict::CountBecomesLine(count) => counted += count,
            }
        }
        assert_eq!(lines, LINES_A_MINUTE);
        assert_eq!(limits.of_ended_periods(6_060), [(None, 12_345 - lines - counted)]);
        assert_eq!(limits.admit_stranger(), LineVerdict::Write, "a new minute has lines again");
    }

    #[test]
    fn the_size_of_a_flood_shows_in_every_minute_from_the_tenth_that_is_held_back() {
        let mut limits = Limits::default();
        for minute in [100, 101, 102] {
            limits.of_ended_periods(minute * MINUTE);
            let verdicts: Vec<_> = (0..LINES_A_MINUTE + 10).map(|_| limits.admit_stranger()).collect();
            assert_eq!(verdicts.last(), Some(&LineVerdict::CountBecomesLine(10)), "minute {minute}");
            assert_eq!(verdicts.iter().filter(|verdict| **verdict == LineVerdict::Write).count(), 20, "minute {minute}");
        }
    }

    #[test]
    fn each_kind_of_line_about_a_link_has_its_own_bound() {
        let mut limits = Limits::default();
        limits.of_ended_periods(1_200);
        for says in ["seen", "started"] {
            let lines = (0..1_000).filter(|_| visit(&mut limits, &line(1, says), 1_200) == LineVerdict::Write).count();
            assert_eq!(lines, 5, "{says}");
        }
        assert_eq!(visit(&mut limits, &line(2, "seen"), 1_200), LineVerdict::Write, "another link");
        assert!(limits.of_ended_periods(2_399).iter().all(|(link, _)| link.is_none()), "the span lasts");
        assert_eq!(limits.of_ended_periods(2_400), [(Some(line(1, "").link), 2 * 995)], "one count for a link");
        assert_eq!(visit(&mut limits, &line(1, "seen"), 2_400), LineVerdict::Write, "a new span has lines again");
    }

    #[test]
    fn a_line_that_was_not_flushed_is_repeated_until_one_is() {
        let mut limits = Limits::default();
        let once = Repeatable { most: 1, ..line(1, "rejected") };
        for _ in 0..100 {
            assert_eq!(limits.admit(&once, 0), LineVerdict::Write);
        }
        limits.wrote(once.clone(), 0);
        assert_eq!(limits.admit(&once, 0), LineVerdict::Count);
    }
}
