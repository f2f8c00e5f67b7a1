//! Credentials that end: said 30, 14 and 3 days before, and once they have ended. Called once a day.
//!
//! A credential that ends unnoticed stops the verification of every tenant at once, and nothing about the tenants says so beforehand.

use std::io;

use time::{Duration, OffsetDateTime};

use crate::config::CredentialSource;
use crate::consent::{ClientId, ProfileId};
use crate::record::{Event, ExpiryLine, Line, expiry_id};
use crate::site::{CredentialEnd, Site, ToldBy};

/// How near an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// Within 30 days.
    ThirtyDays,
    /// Within 14 days.
    FourteenDays,
    /// Within 3 days.
    ThreeDays,
    /// Over.
    Ended,
}

impl Warning {
    /// The nearest threshold that an end has come to. `None` for one that is further away.
    #[must_use]
    pub fn of(end: OffsetDateTime, now: OffsetDateTime) -> Option<Self> {
        let left = end - now;
        [Self::Ended, Self::ThreeDays, Self::FourteenDays, Self::ThirtyDays]
            .into_iter()
            .find(|warning| left <= Duration::days(i64::from(warning.days())))
    }

    /// The threshold in days; 0 for one that has ended.
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

/// What was found of one app's credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryFinding {
    /// The app.
    pub app: ProfileId,
    /// Its application id.
    pub client_id: ClientId,
    /// `secret`, `certificate` or `federated`.
    pub credential: &'static str,
    /// When it ends.
    pub end: CredentialEnd,
    /// Whether that is near.
    pub warning: Option<Warning>,
}

/// Looks at the credential of each app that has one.
pub async fn check(site: &Site) -> Vec<ExpiryFinding> {
    let now = site.clock.now();
    let mut findings = Vec::new();
    for app in &site.config.apps {
        let (Some(source), Some(end)) = (&app.credential, site.credential_end(app).await) else { continue };
        let credential = match source {
            CredentialSource::ClientSecret(_) => "secret",
            CredentialSource::Certificate(_) => "certificate",
            CredentialSource::Federated { .. } => "federated",
        };
        let warning = match &end {
            CredentialEnd::At(end, _) => Warning::of(*end, now),
            CredentialEnd::Never | CredentialEnd::Unseen(_) => None,
        };
        findings.push(ExpiryFinding { app: app.profile.id.clone(), client_id: app.profile.client_id, credential, end, warning });
    }
    findings
}

/// Looks, and records and logs what is near. One line a threshold: a second call repeats it with the same id, or in the same process
/// not at all.
///
/// # Errors
/// The sink's. What could be recorded is.
pub async fn warn(site: &Site) -> io::Result<Vec<ExpiryFinding>> {
    let findings = check(site).await;
    let mut written = Ok(());
    for finding in &findings {
        let recorded = match (&finding.end, finding.warning) {
            (CredentialEnd::At(end, told_by), Some(warning)) => say(site, finding, *end, *told_by, warning),
            (CredentialEnd::Unseen(why), _) => {
                tracing::info!(app.id = %finding.app, credential.kind = finding.credential, reason = %why, "nobody tells when a credential ends");
                Ok(())
            }
            (CredentialEnd::At(..) | CredentialEnd::Never, _) => Ok(()),
        };
        written = written.and(recorded);
    }
    written.map(|()| findings)
}

fn say(site: &Site, finding: &ExpiryFinding, end: OffsetDateTime, told_by: ToldBy, warning: Warning) -> io::Result<()> {
    let now = site.clock.now();
    let days_left = (end - now).whole_days();
    let what = "a credential ends soon: make a new one and put it beside the old (docs/credentials.md)";
    if warning >= Warning::ThreeDays {
        tracing::error!(app.id = %finding.app, credential.kind = finding.credential, credential.days_left = days_left, "{what}");
    } else {
        tracing::warn!(app.id = %finding.app, credential.kind = finding.credential, credential.days_left = days_left, "{what}");
    }
    let expiry =
        ExpiryLine { credential: finding.credential, ends: end, threshold_days: warning.days(), days_left, told_by: told_by.name() };
    let line = Line::new(Event::Expiring, now).of_app(&finding.app, finding.client_id).with_expiry(expiry, warning == Warning::Ended);
    site.records.write_transition_once(&expiry_id(finding.client_id, expiry), &line)
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
