//! The views that the routes render.

use super::check::AssessedCheck;
use crate::config::{Chain, ConfiguredApp};
use crate::consent::finding::Obstacle;
use crate::consent::{ApprovalState, Outcome, ResourceId};

/// An approval as a page may show it. The record of the visit has been flushed.
#[derive(Debug)]
pub(crate) struct ApprovalView<'a> {
    /// From the configuration.
    pub(crate) app: &'a ConfiguredApp,
    /// The remembered state, which the next receipt signs.
    pub(crate) state: ApprovalState,
    /// The outcome of the page. A page never says more than its check saw. A check that saw less changes the page, but not the remembered
    /// outcome.
    pub(crate) outcome: Outcome,
    /// The check of this visit.
    pub(crate) check: Option<AssessedCheck>,
    /// The new address of the result page, whose receipt contains this outcome. `None` if the address stays.
    pub(crate) address: Option<String>,
    /// The invitation's address, for another attempt.
    pub(crate) invitation: Option<String>,
    /// The progress of the chain, if the app is part of one.
    pub(crate) chain: Option<ChainProgress<'a>>,
}

impl ApprovalView<'_> {
    /// The service that the app needs, and that the tenant lacks or has switched off.
    pub(crate) fn missing_resource(&self) -> Option<ResourceId> {
        match self.check.as_ref().map(|check| (check.timed.finding.obstacle, check.assessment.verdict)) {
            Some((Some(Obstacle::ResourceMissing(resource) | Obstacle::ResourceDisabled(resource)), _)) => resource,
            Some((_, verdict)) if !verdict.leaves_it_to_the_claim() => None,
            _ => self.state.claim.error().and_then(|error| error.resource),
        }
    }

    /// Whether the chain goes on without this step: it is optional, and the tenant lacks what it needs.
    pub(crate) fn is_skipped(&self, chain: &Chain) -> bool {
        self.outcome == Outcome::AppMisconfigured && self.missing_resource().is_some() && chain.optional.contains(&self.app.profile.id)
    }
}

/// The progress of a chain, in one line of a result page.
#[derive(Debug)]
pub(crate) struct ChainProgress<'a> {
    /// From the configuration.
    pub(crate) chain: &'a Chain,
    /// The number of approved apps. `None` as soon as any step has no check.
    pub(crate) done: Option<usize>,
    /// The number of apps without the skipped ones.
    pub(crate) total: usize,
    /// The address of the report.
    pub(crate) report: String,
}
