//! The number of rows for each outcome. The sum of these numbers is the number of all rows.

use std::collections::BTreeMap;

use super::row::{NOT_ASKED, ResultRow};
use crate::cli::report::tone;
use crate::consent::outcome::Tone;
use crate::consent::{Owner, TenantStatus};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OutcomeSummary {
    by_outcome: BTreeMap<Box<str>, u64>,
}

/// The sentence of an outcome, the owner of the next step, and the tone.
pub(super) fn meaning(outcome: &str) -> (&'static str, Owner, Tone) {
    let Some(standing) = TenantStatus::named(outcome) else {
        return ("The row is wrong, so no tenant was asked.", Owner::Operator, Tone::Ours);
    };
    (standing.line(), standing.turn(), tone(standing))
}

impl OutcomeSummary {
    pub(super) fn add(&mut self, row: &ResultRow) {
        *self.by_outcome.entry(row.outcome.clone()).or_default() += 1;
    }

    pub(super) fn rows(&self) -> u64 {
        self.by_outcome.values().sum()
    }

    pub(super) fn granted(&self) -> u64 {
        self.count(|outcome| TenantStatus::named(outcome).is_some_and(TenantStatus::is_granted))
    }

    /// The number of rows without a result, for a reason that says nothing about the tenant.
    pub(super) fn unasked(&self) -> u64 {
        self.count(|outcome| TenantStatus::named(outcome).is_some_and(TenantStatus::is_unasked))
    }

    fn count(&self, which: impl Fn(&str) -> bool) -> u64 {
        self.by_outcome.iter().filter(|(outcome, _)| which(outcome)).map(|(_, count)| count).sum()
    }

    /// The counts, for a terminal. The last line is the sum. If the run was stopped, that line says that rows are missing.
    pub(super) fn text(&self, is_stopped: bool) -> String {
        let mut outcomes: Vec<_> = self.by_outcome.iter().collect();
        // The least urgent come first, then those with the most rows.
        outcomes.sort_by_key(|(outcome, count)| (meaning(outcome).2, std::cmp::Reverse(**count)));
        let mut lines = Vec::new();
        for (outcome, count) in outcomes {
            let line = if **outcome == *NOT_ASKED { meaning(outcome).0 } else { "" };
            lines.push(format!("{count:>8}  {outcome:<20}{line}").trim_end().to_owned());
        }
        let of_all = if is_stopped { "rows so far" } else { "rows, each accounted for" };
        lines.push(format!("{:>8}  {of_all}", self.rows()));
        lines.join("\n")
    }
}
