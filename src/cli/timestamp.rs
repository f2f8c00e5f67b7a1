//! Formats times and durations for people.

use time::OffsetDateTime;
use time::macros::format_description;

use crate::env;

/// The time as RFC 3339 in UTC, to the second.
pub(super) fn exact(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    at.to_offset(time::UtcOffset::UTC).format(form).unwrap_or_default()
}

/// The time and its distance from now: `2026-11-20 12:00 UTC, in 30 days`.
pub(super) fn in_words(at: OffsetDateTime, now: OffsetDateTime) -> String {
    format!("{} UTC, {}", minute(at), distance(at, now))
}

/// The time to the minute, in UTC: `2026-11-20 12:00`.
pub(super) fn minute(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(format_description!("[year]-[month]-[day] [hour]:[minute]")).unwrap_or_default()
}

/// The distance from now: `in 30 days`, `2 hours ago`, `now`.
pub(super) fn distance(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let span = at - now;
    let seconds = span.whole_seconds().unsigned_abs();
    if seconds < 1 {
        return "now".into();
    }
    // Rounds to the nearest unit, and rounds days as records do: an invitation made just now for 30 days ends "in 30 days", not in 29.
    let (count, unit) = match seconds {
        ..60 => (seconds, "second"),
        60..5_400 => ((seconds + 30) / 60, "minute"),
        5_400..129_600 => ((seconds + 1_800) / 3_600, "hour"),
        _ => (env::days(span).unsigned_abs(), "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if span.is_positive() { format!("in {count} {unit}{plural}") } else { format!("{count} {unit}{plural} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

    #[test]
    fn distances_are_rounded_to_what_people_say() {
        let now = datetime!(2026-11-20 12:00 UTC);
        for (span, words) in [
            (Duration::ZERO, "now"),
            (Duration::seconds(1), "in 1 second"),
            (Duration::seconds(-59), "59 seconds ago"),
            (Duration::minutes(89), "in 89 minutes"),
            (Duration::minutes(-120), "2 hours ago"),
            (Duration::hours(35), "in 35 hours"),
            (Duration::days(30) - Duration::seconds(1), "in 30 days"),
            (Duration::days(-2), "2 days ago"),
        ] {
            assert_eq!(distance(now + span, now), words);
        }
        assert_eq!(in_words(now + Duration::days(3), now), "2026-11-23 12:00 UTC, in 3 days");
        assert_eq!(exact(now), "2026-11-20T12:00:00Z");
    }
}
