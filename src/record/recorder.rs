//! Writes records. It reduces a flood to a few lines and a count, never to silence: rejections without a genuine token, and repetitions
//! about one genuine token, because the holder of a link can replay it endlessly.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write as _};
use std::sync::Mutex;

use hashlink::LruCache;

use super::line::{Record, Repeatable, RepeatedToken};
use super::transition_id::TransitionId;
use crate::env::Clock;
use crate::sync::locked;

/// The destination of lines. It takes a whole line with its newline, and returns after the flush.
pub struct Sink(Box<Write>);

type Write = dyn Fn(&[u8]) -> io::Result<()> + Send + Sync;

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

impl Sink {
    /// Standard output: CloudWatch in a Lambda, the terminal or a file locally.
    #[must_use]
    pub fn stdout() -> Self {
        Self::new(|line| {
            let mut out = io::stdout().lock();
            out.write_all(line)?;
            out.flush()
        })
    }

    /// Any other destination. The function must not return before the line is durable there.
    pub fn new(write: impl Fn(&[u8]) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Box::new(write))
    }
}

/// Capacity of the memory of written transitions, which keeps repeated visits from repeating a line. An evicted one costs a repeated line
/// with the same id.
const REMEMBERED_TRANSITIONS: usize = 4_096;

/// Writes records, and counts instead of writing in a flood.
pub struct Recorder {
    sink: Sink,
    clock: Clock,
    limits: Mutex<Limits>,
    written: Mutex<LruCache<TransitionId, ()>>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// A recorder with empty memories.
    #[must_use]
    pub fn new(sink: Sink, clock: Clock) -> Self {
        Self { sink, clock, limits: Mutex::default(), written: Mutex::new(LruCache::new(REMEMBERED_TRANSITIONS)) }
    }

    /// Writes a record with the current time and returns after the flush. In a flood, it only counts rejections without a genuine token and
    /// repetitions about one token. The count gets its own line.
    ///
    /// # Errors
    /// Those of the sink. Then the caller must not report the event as recorded, and must not call Microsoft.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        let counts = locked(&self.limits).of_ended_minute(self.clock.now_unix());
        self.put_counts(counts)?;
        let repeatable = record.repeatable();
        let (token, verdict) = match &repeatable {
            Some(line) => (Some(line.token), locked(&self.limits).admit(line)),
            None if record.is_of_stranger() => (None, locked(&self.limits).admit_stranger()),
            None => (None, LineVerdict::Write),
        };
        match verdict {
            LineVerdict::Write => self.put(record)?,
            LineVerdict::Count => {}
            LineVerdict::CountBecomesLine(count) => self.put_counts([(token, count)])?,
        }
        if let (LineVerdict::Write, Some(line)) = (verdict, repeatable) {
            locked(&self.limits).wrote(line);
        }
        if let Some(transition) = record.transition() {
            locked(&self.written).insert(transition.clone(), ());
        }
        Ok(())
    }

    /// As [`Self::write`], unless this process has already written the record's transition: then it writes nothing.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_transition_once(&self, record: &Record) -> io::Result<()> {
        let is_written = record.transition().is_some_and(|transition| locked(&self.written).contains_key(transition));
        if is_written { Ok(()) } else { self.write(record) }
    }

    /// Writes the counts that a flood still withholds, for an orderly shutdown of the local server.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn settle(&self) -> io::Result<()> {
        let counts = locked(&self.limits).take_held();
        self.put_counts(counts)
    }

    fn put_counts(&self, counts: impl IntoIterator<Item = (Option<RepeatedToken>, u64)>) -> io::Result<()> {
        counts.into_iter().try_for_each(|(token, count)| self.put(&Record::Suppressed { token, count }))
    }

    fn put(&self, record: &Record) -> io::Result<()> {
        (self.sink.0)(record.to_json_line(self.clock.now()).as_bytes())
    }
}

/// How many rejections of strangers, and how many lines about one token, are written in each minute of a process. Beyond that, a line about
/// a token is written only if its content is new in this minute.
const LINES_A_MINUTE: u64 = 20;
const MINUTE: u64 = 60;
/// How many tokens are tracked in one minute. Every line about any further token is written.
const MOST_TOKENS: usize = 4_096;

#[derive(Debug, Default)]
struct Limits {
    minute: u64,
    strangers: Budget,
    tokens: HashMap<RepeatedToken, (Budget, HashSet<String>)>,
}

/// The lines of one minute.
#[derive(Debug, Default)]
struct Budget {
    lines: u64,
    held: u64,
    held_in_all: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineVerdict {
    /// Write the line, and confirm a repeatable one with [`Limits::wrote`].
    Write,
    /// Write nothing: it was counted.
    Count,
    /// Write the count instead of the line.
    CountBecomesLine(u64),
}

impl Budget {
    fn admit(&mut self, is_new: bool) -> LineVerdict {
        if self.lines < LINES_A_MINUTE || is_new {
            self.lines += 1;
            return LineVerdict::Write;
        }
        self.held += 1;
        self.held_in_all += 1;
        // During a long flood, write a line at 10, 100, 1 000 … so that its size is visible before it ends.
        if self.held_in_all >= 10 && is_power_of_ten(self.held_in_all) {
            LineVerdict::CountBecomesLine(std::mem::take(&mut self.held))
        } else {
            LineVerdict::Count
        }
    }
}

impl Limits {
    /// Counts from a minute that has ended at `now` (seconds since 1970) and have no line yet.
    fn of_ended_minute(&mut self, now: u64) -> Vec<(Option<RepeatedToken>, u64)> {
        if now / MINUTE == self.minute {
            return Vec::new();
        }
        let held = self.take_held();
        *self = Self { minute: now / MINUTE, ..Self::default() };
        held
    }

    fn admit_stranger(&mut self) -> LineVerdict {
        self.strangers.admit(false)
    }

    fn admit(&mut self, line: &Repeatable) -> LineVerdict {
        let full = self.tokens.len() >= MOST_TOKENS;
        let (budget, flushed) = match self.tokens.get_mut(&line.token) {
            Some(known) => known,
            None if full => return LineVerdict::Write,
            None => self.tokens.entry(line.token).or_default(),
        };
        budget.admit(!flushed.contains(&line.says))
    }

    /// Notes that a line has been flushed. Only then may a repetition go without its own line: no check at Microsoft may follow from a
    /// claim without a flushed line (law 2).
    fn wrote(&mut self, line: Repeatable) {
        if let Some((_, flushed)) = self.tokens.get_mut(&line.token) {
            flushed.insert(line.says);
        }
    }

    /// Returns the counts that have no line yet and resets them.
    fn take_held(&mut self) -> Vec<(Option<RepeatedToken>, u64)> {
        let tokens = self.tokens.iter_mut().map(|(token, (budget, _))| (Some(*token), budget));
        let held = tokens.chain([(None, &mut self.strangers)]).map(|(token, budget)| (token, std::mem::take(&mut budget.held)));
        held.filter(|(_, count)| *count > 0).collect()
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

    fn line(token: u128, says: &str) -> Repeatable {
        Repeatable { token: RepeatedToken::Ticket(TokenId::from_random(token.to_be_bytes())), says: says.into() }
    }

    fn visit(limits: &mut Limits, line: &Repeatable) -> LineVerdict {
        let verdict = limits.admit(line);
        if verdict == LineVerdict::Write {
            limits.wrote(line.clone());
        }
        verdict
    }

    #[test]
    fn a_flood_is_counted_to_the_last_rejection() {
        let mut limits = Limits::default();
        assert!(limits.of_ended_minute(6_000).is_empty());
        let (mut lines, mut counted) = (0, 0);
        for _ in 0..12_345 {
            match limits.admit_stranger() {
                LineVerdict::Write => lines += 1,
                LineVerdict::Count => {}
                LineVerdict::CountBecomesLine(count) => counted += count,
            }
        }
        assert_eq!(lines, LINES_A_MINUTE);
        assert_eq!(limits.of_ended_minute(6_060), [(None, 12_345 - lines - counted)]);
        assert_eq!(limits.admit_stranger(), LineVerdict::Write, "a new minute has lines again");
    }

    #[test]
    fn the_size_of_a_flood_shows_in_every_minute_from_the_tenth_that_is_held_back() {
        let mut limits = Limits::default();
        for minute in [100, 101, 102] {
            limits.of_ended_minute(minute * MINUTE);
            let verdicts: Vec<_> = (0..LINES_A_MINUTE + 10).map(|_| limits.admit_stranger()).collect();
            assert_eq!(verdicts.last(), Some(&LineVerdict::CountBecomesLine(10)), "minute {minute}");
            assert_eq!(verdicts.iter().filter(|verdict| **verdict == LineVerdict::Write).count(), 20, "minute {minute}");
        }
    }

    #[test]
    fn claims_and_conclusions_are_never_held_back() {
        let mut limits = Limits::default();
        for _ in 0..100 {
            limits.admit_stranger();
        }
        assert_eq!(visit(&mut limits, &line(1, "claimed")), LineVerdict::Write);
    }

    #[test]
    fn every_repetition_is_counted_and_whatever_is_new_is_written() {
        let mut limits = Limits::default();
        assert!(limits.of_ended_minute(6_000).is_empty());
        let (mut lines, mut counted) = (0, 0);
        for visit_ in 0..12_345_u64 {
            match visit(&mut limits, &line(1, "same")) {
                LineVerdict::Write => lines += 1,
                LineVerdict::Count => {}
                LineVerdict::CountBecomesLine(count) => counted += count,
            }
            if visit_ % 1_000 == 999 {
                assert_eq!(visit(&mut limits, &line(1, &visit_.to_string())), LineVerdict::Write, "new in the middle of a flood");
                assert_eq!(visit(&mut limits, &line(u128::from(visit_), "same")), LineVerdict::Write, "another token");
            }
        }
        assert_eq!(lines, LINES_A_MINUTE);
        assert!(limits.of_ended_minute(6_059).is_empty());
        let rest = limits.of_ended_minute(6_060);
        assert_eq!(rest, [(Some(line(1, "").token), 12_345 - lines - counted)]);
        assert_eq!(visit(&mut limits, &line(1, "same")), LineVerdict::Write, "a new minute has lines again");
        assert!(limits.take_held().is_empty());
    }

    #[test]
    fn a_line_that_was_not_flushed_is_repeated_until_one_is() {
        let mut limits = Limits::default();
        for _ in 0..100 {
            assert_eq!(limits.admit(&line(1, "claimed")), LineVerdict::Write);
        }
        limits.wrote(line(1, "claimed"));
        assert_eq!(limits.admit(&line(1, "claimed")), LineVerdict::Count);
    }

    #[test]
    fn more_tokens_than_are_followed_lose_no_line() {
        let mut limits = Limits::default();
        for token in 0..u128::try_from(MOST_TOKENS).unwrap() {
            assert_eq!(visit(&mut limits, &line(token, "x")), LineVerdict::Write);
        }
        for _ in 0..100 {
            assert_eq!(visit(&mut limits, &line(u128::MAX, "x")), LineVerdict::Write);
        }
        assert_eq!(limits.tokens.len(), MOST_TOKENS);
    }
}
