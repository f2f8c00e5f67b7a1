//! The views that the routes render.

use super::check::AssessedCheck;
use crate::config::{Chain, ConfiguredApp};
use crate::consent::{ApprovalState, Outcome};

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

/// The progress of a chain, in one line of a result page.
#[derive(Debug)]
pub(crate) struct ChainProgress<'a> {
    /// From the configuration.
    pub(crate) chain: &'a Chain,
    /// The number of approved apps. `None` as soon as any step has no check.
    pub(crate) done: Option<usize>,
    /// The address of the report.
    pub(crate) report: String,
}
