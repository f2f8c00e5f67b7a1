//! Counts the rows by their state, and reports the counts at the end.

use std::path::Path;

use hashlink::LruCache;

use super::row::RowState;
use crate::cli::exit::Exit;
use crate::cli::terminal::conclude;
use crate::consent::TenantId;

/// The number of latest tenants in which duplicates are detected. The limit bounds memory, so duplicates that are further apart go
/// undetected.
const REMEMBERED: usize = 16_384;
/// Most rows that the summary names.
const NAMED: usize = 10;

/// The counts of a run.
#[derive(Debug, Default)]
pub(super) struct Summary {
    rows: u64,
    links: u64,
    /// How many of `links` are from earlier runs.
    kept: u64,
    without: Named,
    /// Rows whose link has expired or was revoked.
    dead: Named,
    /// Rows of an interrupted run that this run would write differently.
    stale: Named,
    remarked: Named,
    /// The first problems, with their rows.
    problems: Vec<String>,
    /// Ctrl-C came before the end.
    pub(super) interrupted: bool,
}

impl Summary {
    /// Counts a row.
    pub(super) fn count(&mut self, number: u64, state: &RowState) {
        self.rows += 1;
        let (has_link, is_kept, problem) = match state {
            RowState::Written { tenant, .. } => (tenant.is_some(), tenant.is_some(), None),
            RowState::Linked { kept, .. } => (true, *kept, None),
            RowState::Dead { problem, .. } => (true, true, Some(problem)),
            RowState::Failed { problem, .. } => (false, false, Some(problem)),
        };
        for (rows, is_one) in [
            (&mut self.without, !has_link),
            (&mut self.dead, matches!(state, RowState::Dead { .. })),
            (&mut self.stale, matches!(state, RowState::Written { stale: true, .. })),
            (&mut self.remarked, matches!(state, RowState::Linked { remark, .. } if !remark.is_empty())),
        ] {
            if is_one {
                rows.add(number);
            }
        }
        self.links += u64::from(has_link);
        self.kept += u64::from(is_kept);
        if let Some(problem) = problem
            && self.problems.len() < NAMED
        {
            self.problems.push(format!("row {number}: {problem}"));
        }
    }

    /// The number of rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether rows of an interrupted run would be different now.
    pub(super) fn is_stale(&self) -> bool {
        self.stale.count > 0
    }

    /// Second pass: links from the first pass do not count as pre-existing.
    pub(super) fn after(mut self, first: &Self) -> Self {
        self.kept = self.kept.saturating_sub(first.links.saturating_sub(first.kept));
        self
    }

    /// The counts, for the progress bar.
    pub(super) fn progress_text(&self) -> String {
        match self.without.count {
            0 => format!("{} rows", self.rows),
            without => format!("{} rows, {without} without a link", self.rows),
        }
    }

    /// Reports the result. `to` contains the name of the table, and the name of the file that has its rows until all of them exist.
    pub(super) fn conclude(&self, from: &Path, to: Option<(&Path, &Path)>) -> Exit {
        let mut lines: Vec<String> = self.problems.clone();
        let mut summary = counted(self.links, "link", "links");
        if self.kept > 0 {
            summary.push_str(&format!(" ({} made before)", self.kept));
        }
        let groups =
            [(&self.without, "without a link"), (&self.dead, "with a link that is of no use any more"), (&self.remarked, "with a remark")];
        for (rows, what) in groups {
            if rows.count > 0 {
                summary.push_str(&format!(", {} {what} ({rows})", counted(rows.count, "row", "rows")));
            }
        }
        let table =
            to.map_or_else(|| "the table".to_owned(), |(whole, part)| if self.interrupted { part } else { whole }.display().to_string());
        if self.without.count + self.dead.count + self.remarked.count > 0 {
            summary.push_str(&format!(": see the column problem of {table}"));
        }
        lines.push(format!("{summary}."));
        if self.interrupted {
            lines.push(match to {
                Some((_, part)) => {
                    format!("Interrupted. {} keeps what was done; run the same command with --resume to go on.", part.display())
                }
                None => "Interrupted.".to_owned(),
            });
            conclude(Exit::Interrupted, &lines.join("\n"));
            return Exit::Interrupted;
        }
        if self.is_stale() {
            let rows = &self.stale;
            lines.push(format!(
                "Not checked again, because the customers came through a pipe: {rows}. Run the same command with --resume to check them."
            ));
        }
        if self.without.count > 0 && to.is_some() {
            let from = from.display();
            lines.push(format!(
                "Once {from} is corrected, or Microsoft answers, run the same command with --resume: links that were made stay as they are."
            ));
        }
        let nothing_is_left = self.without.count + self.dead.count + self.stale.count == 0;
        let exit = if nothing_is_left { Exit::Done } else { Exit::Attention };
        conclude(exit, &lines.join("\n"));
        exit
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The number of rows of one kind, and the first of these rows.
#[derive(Debug, Default)]
struct Named {
    count: u64,
    first: Vec<u64>,
}

impl Named {
    fn add(&mut self, row: u64) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(row);
        }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let first = self.first.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "{} {first}", if self.count == 1 { "row" } else { "rows" })?;
        if self.count > NAMED as u64 { f.write_str(" …") } else { Ok(()) }
    }
}

/// The tenants of the latest rows that have one, with the numbers of these rows.
#[derive(Debug)]
pub(super) struct RecentTenants(LruCache<TenantId, u64>);

impl Default for RecentTenants {
    fn default() -> Self {
        Self(LruCache::new(REMEMBERED))
    }
}

impl RecentTenants {
    /// The earlier row with this tenant.
    pub(super) fn before(&mut self, tenant: TenantId, row: u64) -> Option<u64> {
        let earlier = self.0.peek(&tenant).copied();
        if earlier.is_none() {
            self.0.insert(tenant, row);
        }
        earlier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_tenant_is_reported_and_few_are_remembered() {
        let mut met = RecentTenants::default();
        let tenant = |at: usize| TenantId::from_u128(at as u128);
        assert_eq!((met.before(tenant(0), 2), met.before(tenant(1), 3), met.before(tenant(0), 4)), (None, None, Some(2)));
        for at in 2..=REMEMBERED {
            assert_eq!(met.before(tenant(at), 9), None);
        }
        assert_eq!(met.0.len(), REMEMBERED);
        assert_eq!((met.before(tenant(0), 5), met.before(tenant(REMEMBERED), 6)), (None, Some(9)));
    }
}
