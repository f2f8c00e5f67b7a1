//! The audit records: one JSON line per event, flushed before the event has any further effect (law 2).
//!
//! The schema is `docs/record.schema.json`. No line contains a secret, a token, a raw `state` or a control character.

mod flood;
mod front_door;
mod line;
mod privacy;
mod repeats;

use std::io::{self, Write as _};
use std::sync::Mutex;

use hashlink::LruCache;

pub use front_door::FrontDoor;
pub use line::{
    Before, CheckLine, ClaimLine, Cut, Event, ExpiryLine, Fate, FindingLine, Line, MAX_BYTES, MessageLine, OutcomeLine, RejectionLine,
    SCHEMA, SendsLine, UpstreamLine, expiry_id, transition_id,
};
pub use privacy::{browser_family, kept_address, kept_browser};

use self::flood::{Flood, FloodVerdict};
use self::line::TransitionKey;
use self::repeats::{Repeats, Token};
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
    flood: Mutex<Flood>,
    repeats: Mutex<Repeats>,
    written: Mutex<LruCache<TransitionKey, ()>>,
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
        let flood = Mutex::new(Flood::default());
        let written = Mutex::new(LruCache::new(REMEMBERED_TRANSITIONS));
        Self { sink, clock, flood, repeats: Mutex::default(), written }
    }

    /// Writes a line and returns after the flush. In a flood, it only counts rejections without a genuine token and repetitions about one
    /// token. The count gets its own line.
    ///
    /// # Errors
    /// Those of the sink. Then the caller must not report the event as recorded, and must not call Microsoft.
    pub fn write(&self, line: &Line) -> io::Result<()> {
        let now = self.clock.now_unix();
        self.put_counts(locked(&self.repeats).of_ended_minute(now))?;
        let verdict = locked(&self.flood).admit(now, line.event == Event::Rejected && !line.is_genuine() && !line.is_of_message());
        match verdict {
            FloodVerdict::Write => self.put_transition(line),
            FloodVerdict::Count => Ok(()),
            FloodVerdict::CountBecomesLine(count) => self.put(&Line::suppressed(self.clock.now(), count)),
            FloodVerdict::WriteAfterCount(count) => {
                self.put(&Line::suppressed(self.clock.now(), count))?;
                self.put_transition(line)
            }
        }
    }

    /// Writes a line, and remembers its transition.
    fn put_transition(&self, line: &Line) -> io::Result<()> {
        self.put_unless_repeated(line)?;
        // A `dispatched` line has the id of a transition with its own line, so it does not count as that line.
        if let Some(transition_key) = line.transition_key().filter(|_| line.event != Event::Dispatched) {
            locked(&self.written).insert(transition_key, ());
        }
        Ok(())
    }

    fn put_unless_repeated(&self, line: &Line) -> io::Result<()> {
        let Some(repeatable) = line.repeatable() else {
            return self.put(line);
        };
        let verdict = locked(&self.repeats).admit(&repeatable);
        match verdict {
            repeats::RepeatVerdict::Write => {
                self.put(line)?;
                locked(&self.repeats).wrote(repeatable);
                Ok(())
            }
            repeats::RepeatVerdict::Count => Ok(()),
            repeats::RepeatVerdict::CountBecomesLine(count) => self.put_counts([(repeatable.token, count)]),
        }
    }

    fn put_counts(&self, counts: impl IntoIterator<Item = (Token, u64)>) -> io::Result<()> {
        counts.into_iter().try_for_each(|(token, count)| self.put(&Line::suppressed(self.clock.now(), count).about(token)))
    }

    /// As [`Self::write`], unless this process has already written the line's transition: then it writes nothing.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_transition_once(&self, line: &Line) -> io::Result<()> {
        let is_written = line.transition_key().is_some_and(|transition_key| locked(&self.written).contains_key(&transition_key));
        if is_written { Ok(()) } else { self.write(line) }
    }

    /// Writes the counts that a flood still withholds, for an orderly shutdown of the local server.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn settle(&self) -> io::Result<()> {
        let (strangers, repetitions) = (locked(&self.flood).take_held(), locked(&self.repeats).take_held());
        self.put_counts(repetitions)?;
        if strangers == 0 { Ok(()) } else { self.put(&Line::suppressed(self.clock.now(), strangers)) }
    }

    fn put(&self, line: &Line) -> io::Result<()> {
        (self.sink.0)(line.to_json_line().as_bytes())
    }
}
