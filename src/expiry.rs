//! Warns about credentials that expire: 30, 14 and 3 days before, and after the expiry. Runs once a day.
//!
//! When a credential expires, verification stops for every tenant at once. Nothing fails before the expiry, so only this task can warn.

use std::io;

use futures_util::stream::{self, StreamExt as _};
use time::{Duration, OffsetDateTime};

use crate::config::{ConfiguredApp, CredentialSource};
use crate::consent::{ClientId, ProfileId};
use crate::env::days;
use crate::installation::{CredentialEnd, Installation, ToldBy};
use crate::record::{ExpiryLine, Record};

/// The nearest expiry threshold that a credential has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// Within 30 days.
    ThirtyDays,
    /// Within 14 days.
    FourteenDays,
    /// Within 3 days.
    ThreeDays,
    /// After the end.
    Ended,
}

impl Warning {
    /// Returns the nearest threshold that `end` has reached, or `None` if the end is more than 30 days away.
    pub(crate) fn of(end: OffsetDateTime, now: OffsetDateTime) -> Option<Self> {
        let left = end - now;
        [Self::Ended, Self::ThreeDays, Self::FourteenDays, Self::ThirtyDays]
            .into_iter()
            .find(|warning| left <= Duration::days(i64::from(warning.days())))
    }

    /// The threshold in days. 0 after the end.
    #[must_use]
    pub fn days(self) -> u8 {
        match self {
            Self::ThirtyDays => 30,
            Self::FourteenDays => 14,
            Self::ThreeDays => 3,
            Self::Ended => 0,
        }
    }
}

/// The expiry check's result for one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryFinding {
    /// The app with the credential.
    pub app: ProfileId,
    /// The application (client) id.
    pub(crate) client_id: ClientId,
    /// `secret`, `certificate` or `federated`.
    pub(crate) credential: &'static str,
    /// When the credential ends, if it is known.
    pub end: CredentialEnd,
    /// The threshold that the credential has reached. `None` if the end is not near or not known.
    pub warning: Option<Warning>,
}

/// How long [`warn`] may take in a function that Lambda stops after 20 s. The remaining 5 s are enough to report the apps that we have not
/// checked.
pub const WITHIN_FUNCTION: std::time::Duration = std::time::Duration::from_secs(15);

/// The maximum number of concurrent checks. A check mostly waits for an answer.
const AT_ONCE: usize = 8;

/// Checks the credential of each app that has one. Records and logs a near expiry as soon as we know it. Credentials whose end is in the
/// configuration come first, then certificates, then credentials whose end only Microsoft knows. A process records each threshold of a
/// credential once. Another process may record the same threshold again, with the same id.
///
/// # Errors
/// The sink's error, or [`io::ErrorKind::TimedOut`] if `budget` ended before all checks. The records from before the error stay.
pub async fn warn(installation: &Installation, budget: std::time::Duration) -> io::Result<Vec<ExpiryFinding>> {
    let deadline = tokio::time::sleep(budget);
    let mut round = Round { installation, findings: Vec::new(), written: Ok(()) };
    let mut asked = Vec::new();
    for app in &installation.config.apps {
        let Some(source) = &app.credential else { continue };
        match Installation::credential_end_configured(app) {
            Some(end) => round.note(app, source, end),
            None => asked.push((app, source)),
        }
    }
    asked.sort_by_key(|(_, source)| !matches!(source, CredentialSource::Certificate(_)));
    let mut unseen = asked.len();
    let mut each = Vec::with_capacity(unseen);
    for (app, source) in asked {
        each.push(async move { (app, source, installation.credential_end(app).await) });
    }
    let mut answers = stream::iter(each).buffer_unordered(AT_ONCE);
    let mut deadline = std::pin::pin!(deadline);
    loop {
        tokio::select! {
            biased;
            answer = answers.next() => match answer {
                Some((app, source, end)) => {
                    unseen -= 1;
                    if let Some(end) = end {
                        round.note(app, source, end);
                    }
                }
                None => break,
            },
            () = &mut deadline => {
                tracing::error!(credentials.unseen = unseen, "there was no time left to find out when some credentials end");
                let late = io::Error::new(io::ErrorKind::TimedOut, format!("there was no time left to look at {unseen} credentials"));
                round.written = round.written.and(Err(late));
                break;
            }
        }
    }
    round.written.map(|()| round.findings)
}

/// The results of one run so far.
struct Round<'s> {
    installation: &'s Installation,
    findings: Vec<ExpiryFinding>,
    /// The first failure to write a record.
    written: io::Result<()>,
}

impl Round<'_> {
    fn note(&mut self, app: &ConfiguredApp, source: &CredentialSource, end: CredentialEnd) {
        let credential = match source {
            CredentialSource::ClientSecret(_) => "secret",
            CredentialSource::Certificate(_) => "certificate",
            CredentialSource::Federated { .. } => "federated",
        };
        let warning = match &end {
            CredentialEnd::At(end, _) => Warning::of(*end, self.installation.clock.now()),
            CredentialEnd::Never | CredentialEnd::Unseen(_) => None,
        };
        let finding = ExpiryFinding { app: app.profile.id.clone(), client_id: app.profile.client_id, credential, end, warning };
        let recorded = match (&finding.end, warning) {
            (CredentialEnd::At(end, told_by), Some(warning)) => say(self.installation, &finding, *end, *told_by, warning),
            (CredentialEnd::Unseen(why), _) => {
                tracing::info!(app.id = %finding.app, credential.kind = credential, reason = %why, "no source says when a credential ends");
                Ok(())
            }
            (CredentialEnd::At(..) | CredentialEnd::Never, _) => Ok(()),
        };
        if self.written.is_ok() {
            self.written = recorded;
        }
        self.findings.push(finding);
    }
}

fn say(installation: &Installation, finding: &ExpiryFinding, end: OffsetDateTime, told_by: ToldBy, warning: Warning) -> io::Result<()> {
    let days_left = days(end - installation.clock.now());
    let what = match warning {
        Warning::Ended => "a credential has ended, and what it verifies is not verified: make a new one (docs/credentials.md)",
        _ => "a credential ends soon: make a new one and put it beside the old (docs/credentials.md)",
    };
    if warning >= Warning::ThreeDays {
        tracing::error!(app.id = %finding.app, credential.kind = finding.credential, credential.days_left = days_left, "{what}");
    } else {
        tracing::warn!(app.id = %finding.app, credential.kind = finding.credential, credential.days_left = days_left, "{what}");
    }
    let expiry =
        ExpiryLine { credential: finding.credential, ends: end, threshold_days: warning.days(), days_left, told_by: told_by.name() };
    installation.records.write_transition_once(&Record::expiring(finding.app.clone(), finding.client_id, expiry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn an_end_is_near_from_thirty_days_on() {
        let now = datetime!(2026-11-20 12:00 UTC);
        for (left, expected) in [
            (Duration::days(31), None),
            (Duration::days(30) + Duration::SECOND, None),
            (Duration::days(30), Some(Warning::ThirtyDays)),
            (Duration::days(15), Some(Warning::ThirtyDays)),
            (Duration::days(14), Some(Warning::FourteenDays)),
            (Duration::days(3), Some(Warning::ThreeDays)),
            (Duration::SECOND, Some(Warning::ThreeDays)),
            (Duration::ZERO, Some(Warning::Ended)),
            (Duration::days(-400), Some(Warning::Ended)),
        ] {
            assert_eq!(Warning::of(now + left, now), expected, "{left}");
        }
    }
}
