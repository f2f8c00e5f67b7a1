//! What the doors render.

use super::check::AssessedCheck;
use crate::config::{Chain, ConfiguredApp};
use crate::consent::Outcome;
use crate::token::Receipt;

/// An approval as a page may show it. The record behind it is flushed.
#[derive(Debug)]
pub struct ApprovalView<'a> {
    /// The app.
    pub app: &'a ConfiguredApp,
    /// Everything that is remembered.
    pub state: Receipt,
    /// The outcome of the page. A page never says more than the check behind it saw, and one check that saw less takes nothing back.
    pub outcome: Outcome,
    /// The check of this visit.
    pub check: Option<AssessedCheck>,
    /// The invitation's address, for another try.
    pub invitation: Option<String>,
    /// How far the chain has come.
    pub chain: Option<ChainProgress<'a>>,
}

/// How far a chain has come, for one line of a result page.
#[derive(Debug)]
pub struct ChainProgress<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// How many apps are approved. `None` where only the worker can check.
    pub done: Option<usize>,
    /// The address of the report.
    pub report: String,
}
