//! Whom and what is asked about.

use std::time::Duration;

use time::OffsetDateTime;

use crate::config::ConfiguredApp;
use crate::consent::outcome::conclude;
use crate::consent::{Claim, Outcome, ProfileId, TenantStatus, Verdict};
use crate::entra::discovery::TenantName;

/// A tenant as whoever asks knows it.
#[derive(Debug)]
pub(super) struct Subject {
    /// Where it stands in what was read: a row of the table, or a line of the records. 1 for a single tenant.
    pub(super) row: u64,
    /// As written. Never longer than a domain.
    pub(super) written: Box<str>,
    /// `None` only where what is written names no tenant.
    pub(super) tenant: Option<TenantName>,
    /// The operator's name for it.
    pub(super) label: Option<Box<str>>,
    /// The operator's reference.
    pub(super) reference: Option<Box<str>>,
}

/// An app that is asked about in a tenant.
#[derive(Debug, Clone)]
pub(super) struct Asked<'s> {
    pub(super) id: ProfileId,
    /// `None` for one that consent.toml does not have. Nobody is asked about it.
    pub(super) app: Option<&'s ConfiguredApp>,
    /// What a record remembers of it.
    pub(super) claim: Option<Remembered>,
}

/// The last claim about a tenant and an app, as records have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) claim: Claim,
    /// When the callback came.
    pub(super) at: OffsetDateTime,
    /// The last outcome. `None` for a claim that never got a conclusion.
    pub(super) before: Option<Outcome>,
}

impl<'s> Asked<'s> {
    /// An app that nobody claimed anything about.
    pub(super) fn of(app: &'s ConfiguredApp) -> Self {
        Self { id: app.profile.id.clone(), app: Some(app), claim: None }
    }

    /// How it stands: with a remembered claim as the claim is concluded, else as nobody claimed anything.
    pub(super) fn standing(&self, verdict: Verdict, now: OffsetDateTime) -> TenantStatus {
        match &self.claim {
            None => TenantStatus::of(verdict),
            Some(remembered) => {
                let age = Duration::try_from(now - remembered.at).unwrap_or_default();
                TenantStatus::Outcome(conclude(&remembered.claim, verdict, age, remembered.before))
            }
        }
    }
}

/// What is read next.
#[derive(Debug)]
pub(super) struct Input<'s> {
    pub(super) subject: Subject,
    pub(super) asked: Vec<Asked<'s>>,
    /// Why nobody is asked about it.
    pub(super) problem: Option<String>,
}
