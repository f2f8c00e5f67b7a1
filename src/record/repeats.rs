//! Reduces repetitions about one genuine token to a few lines and a count. The holder of a link can replay it endlessly, and the records
//! already contain what a replay says.

use std::collections::{HashMap, HashSet};

use crate::consent::TokenId;

/// How many lines about one token are written in each minute of a process. Beyond that, a line is written only if its content is new in
/// this minute.
const LINES_A_MINUTE: u64 = 20;
const MINUTE: u64 = 60;
/// How many tokens are tracked in one minute. Every line about any further token is written.
const MOST_TOKENS: usize = 4_096;

/// The token that lines are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Token {
    /// The ticket's id.
    Ticket(TokenId),
    /// The id of an invitation that has no ticket yet.
    Invitation(TokenId),
}

/// A line that may repeat an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repeatable {
    pub(super) token: Token,
    /// The line's content without the parts that differ between visits: a line with the same content says nothing new.
    pub(super) says: String,
}

#[derive(Debug, Default)]
pub(super) struct Repeats {
    minute: u64,
    tokens: HashMap<Token, TokenLines>,
}

#[derive(Debug, Default)]
struct TokenLines {
    lines: u64,
    flushed: HashSet<String>,
    held: u64,
    held_in_all: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum RepeatVerdict {
    /// Write the line, and confirm it with [`Repeats::wrote`].
    Write,
    /// Write nothing: it was counted.
    Count,
    /// Write the count instead of the line.
    CountBecomesLine(u64),
}

impl Repeats {
    /// Counts from a minute that has ended at `now` (seconds since 1970) and have no line yet.
    pub(super) fn of_ended_minute(&mut self, now: u64) -> Vec<(Token, u64)> {
        if now / MINUTE == self.minute {
            return Vec::new();
        }
        self.minute = now / MINUTE;
        let held = self.take_held();
        self.tokens.clear();
        held
    }

    pub(super) fn admit(&mut self, line: &Repeatable) -> RepeatVerdict {
        let full = self.tokens.len() >= MOST_TOKENS;
        let said = match self.tokens.get_mut(&line.token) {
            Some(said) => said,
            None if full => return RepeatVerdict::Write,
            None => self.tokens.entry(line.token).or_default(),
        };
        if said.lines < LINES_A_MINUTE || !said.flushed.contains(&line.says) {
            said.lines += 1;
            return RepeatVerdict::Write;
        }
        said.held += 1;
        said.held_in_all += 1;
        // During a long flood, write a line at 10, 100, 1 000 … so that its size is visible before it ends.
        if said.held_in_all >= 10 && super::flood::is_power_of_ten(said.held_in_all) {
            RepeatVerdict::CountBecomesLine(std::mem::take(&mut said.held))
        } else {
            RepeatVerdict::Count
        }
    }

    /// Notes that a line has been flushed. Only then may a repetition go without its own line: no check at Microsoft may follow from a
    /// claim without a flushed line (law 2).
    pub(super) fn wrote(&mut self, line: Repeatable) {
        if let Some(said) = self.tokens.get_mut(&line.token) {
            said.flushed.insert(line.says);
        }
    }

    /// Returns the counts that have no line yet and resets them.
    pub(super) fn take_held(&mut self) -> Vec<(Token, u64)> {
        let held = self.tokens.iter_mut().map(|(token, said)| (*token, std::mem::take(&mut said.held)));
        held.filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(token: u128, says: &str) -> Repeatable {
        Repeatable { token: Token::Ticket(TokenId::from_random(token.to_be_bytes())), says: says.into() }
    }

    fn visit(repeats: &mut Repeats, line: &Repeatable) -> RepeatVerdict {
        let verdict = repeats.admit(line);
        if verdict == RepeatVerdict::Write {
            repeats.wrote(line.clone());
        }
        verdict
    }

    #[test]
    fn every_repetition_is_counted_and_whatever_is_new_is_written() {
        let mut repeats = Repeats::default();
        assert!(repeats.of_ended_minute(6_000).is_empty());
        let (mut lines, mut counted) = (0, 0);
        for visit_ in 0..12_345_u64 {
            match visit(&mut repeats, &line(1, "same")) {
                RepeatVerdict::Write => lines += 1,
                RepeatVerdict::Count => {}
                RepeatVerdict::CountBecomesLine(count) => counted += count,
            }
            if visit_ % 1_000 == 999 {
                assert_eq!(visit(&mut repeats, &line(1, &visit_.to_string())), RepeatVerdict::Write, "new in the middle of a flood");
                assert_eq!(visit(&mut repeats, &line(u128::from(visit_), "same")), RepeatVerdict::Write, "another token");
            }
        }
        assert_eq!(lines, LINES_A_MINUTE);
        assert!(repeats.of_ended_minute(6_059).is_empty());
        let rest = repeats.of_ended_minute(6_060);
        assert_eq!(rest, [(line(1, "").token, 12_345 - lines - counted)]);
        assert_eq!(visit(&mut repeats, &line(1, "same")), RepeatVerdict::Write, "a new minute has lines again");
        assert!(repeats.take_held().is_empty());
    }

    #[test]
    fn a_line_that_was_not_flushed_is_repeated_until_one_is() {
        let mut repeats = Repeats::default();
        for _ in 0..100 {
            assert_eq!(repeats.admit(&line(1, "claimed")), RepeatVerdict::Write);
        }
        repeats.wrote(line(1, "claimed"));
        assert_eq!(repeats.admit(&line(1, "claimed")), RepeatVerdict::Count);
    }

    #[test]
    fn more_tokens_than_are_followed_lose_no_line() {
        let mut repeats = Repeats::default();
        for token in 0..u128::try_from(MOST_TOKENS).unwrap() {
            assert_eq!(visit(&mut repeats, &line(token, "x")), RepeatVerdict::Write);
        }
        for _ in 0..100 {
            assert_eq!(visit(&mut repeats, &line(u128::MAX, "x")), RepeatVerdict::Write);
        }
        assert_eq!(repeats.tokens.len(), MOST_TOKENS);
    }
}
