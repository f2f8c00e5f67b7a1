//! The views that the routes render.

use super::check::AssessedCheck;
use crate::config::{Chain, ConfiguredApp};
use crate::consent::{ApprovalState, Outcome};

/// An approval as a page may show it. Its record is flushed.
#[derive(Debug)]
pub(crate) struct ApprovalView<'a> {
    /// From the configuration.
    pub(crate) app: &'a ConfiguredApp,
    /// The remembered state, which the next receipt signs.
    pub(crate) state: ApprovalState,
    /// The outcome of the page. A page never says more than its check saw. A check that saw less takes nothing back.
    pub(crate) outcome: Outcome,
    /// The check of this visit.
    pub(crate) check: Option<AssessedCheck>,
    /// The result page's address, if it is a new one: it remembers this outcome.
    pub(crate) address: Option<String>,
    /// The invitation's address, for another attempt.
    pub(crate) invitation: Option<String>,
    /// How far the chain has come.
    pub(crate) chain: Option<ChainProgress<'a>>,
}

/// The progress of a chain, in one line of a result page.
#[derive(Debug)]
pub(crate) struct ChainProgress<'a> {
    /// From the configuration.
    pub(crate) chain: &'a Chain,
    /// The number of approved apps. `None` if only the worker can check.
    pub(crate) done: Option<usize>,
    /// The address of the report.
    pub(crate) report: String,
}
