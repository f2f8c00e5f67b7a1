//! The tenants and apps to check.

use std::time::Duration;

use time::OffsetDateTime;

use crate::config::ConfiguredApp;
use crate::consent::outcome::conclude;
use crate::consent::{Claim, Outcome, ProfileId, TenantStatus, Verdict};
use crate::entra::discovery::TenantName;

/// A tenant, with the operator's data about it.
#[derive(Debug)]
pub(super) struct InputTenant {
    /// The tenant's position in the input: a row of the table, or a line of the records. 1 for a single tenant.
    pub(super) row: u64,
    /// The tenant as written. Never longer than a domain.
    pub(super) written: Box<str>,
    /// The tenant that the written text names; `None` only if it names none.
    pub(super) tenant: Option<TenantName>,
    /// The operator's name for the tenant.
    pub(super) label: Option<Box<str>>,
    pub(super) reference: Option<Box<str>>,
    /// The person to write to.
    pub(super) contact: Option<Box<str>>,
    /// The language of the mail.
    pub(super) language: Option<Box<str>>,
}

/// An app to check in a tenant.
#[derive(Debug, Clone)]
pub(super) struct AppToCheck<'s> {
    pub(super) id: ProfileId,
    /// `None` if consent.toml does not contain the app. The program then checks nothing.
    pub(super) app: Option<&'s ConfiguredApp>,
    /// The last claim in the records.
    pub(super) claim: Option<Remembered>,
}

/// The last claim about a tenant and an app, from the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) claim: Claim,
    /// When the callback arrived.
    pub(super) at: OffsetDateTime,
    /// The last outcome. `None` for a claim without a conclusion.
    pub(super) before: Option<Outcome>,
}

impl<'s> AppToCheck<'s> {
    /// An app without a claim.
    pub(super) fn of(app: &'s ConfiguredApp) -> Self {
        Self { id: app.profile.id.clone(), app: Some(app), claim: None }
    }

    /// The status. With a remembered claim, this is the conclusion for that claim; otherwise, the status without a claim.
    pub(super) fn status(&self, verdict: Verdict, now: OffsetDateTime) -> TenantStatus {
        match &self.claim {
            None => TenantStatus::of(verdict),
            Some(remembered) => {
                let age = Duration::try_from(now - remembered.at).unwrap_or_default();
                TenantStatus::Outcome(conclude(&remembered.claim, verdict, age, remembered.before))
            }
        }
    }
}

/// The next input.
#[derive(Debug)]
pub(super) struct Input<'s> {
    pub(super) subject: InputTenant,
    pub(super) asked: Vec<AppToCheck<'s>>,
    /// Why the program does not check this input.
    pub(super) problem: Option<String>,
}
