//! The result of an earlier run: a complete table, rows of an interrupted run, or both. Existing links stay unchanged, after a check that
//! they are genuine and belong to the same row.

use std::io;
use std::path::Path;

use super::job::{Dead, Job, Opened, ends};
use super::row::RowState;
use super::sheet::{KeyCells, LINK, Layout, MADE, STATUS, has_link};
use crate::cli::bulk::table::{Unfinished, WrittenRows};
use crate::cli::csv_safe::harmless;
use crate::cli::customers::{Columns, CustomersOfFile, IN_LINKS, Row, TableError};

/// Why a run cannot resume from an earlier one.
#[derive(Debug, thiserror::Error)]
pub(super) enum Discord {
    /// The customers are not the same.
    #[error(
        "row {row}: {column} is not what it was when {table} was written. --resume needs the same customers in the same order; new ones go \
         to the end. Use another --to for a changed table"
    )]
    Row {
        /// In the customers' table.
        row: u64,
        /// The column that differs.
        column: &'static str,
        /// The earlier table's name.
        table: String,
    },
    /// A link in the earlier table is of another kind than this run's.
    #[error(
        "row {row}: the link in {table} is not one that this command makes with the app, --direct and keys of today. Repeat the command of \
         then, or use another --to"
    )]
    Link {
        /// In the customers' table.
        row: u64,
        /// The earlier table's name.
        table: String,
    },
    /// A row of the earlier table is unreadable, so it is unknown whether its link was mailed.
    #[error(
        "row {row} of {table} cannot be read: a quote is not closed, a delimiter too many, or letters that are not UTF-8. Its link may have been \
         mailed, so no other is made. Put the row right, or use another --to"
    )]
    Illegible {
        /// In the earlier table.
        row: u64,
        /// The earlier table's name.
        table: String,
    },
    /// The earlier table has more rows than there are customers.
    #[error("{0} has more rows than there are customers: --resume needs the same customers in the same order")]
    Rows(String),
    /// The rows of an interrupted run have other columns.
    #[error("{0} has other columns than this run would write. Repeat the command of then, or delete that file and begin anew")]
    Columns(String),
    /// This command did not write the table.
    #[error("{0} is no table that this command wrote: it has no columns `link` and `status`")]
    Foreign(String),
    #[error(transparent)]
    Table(#[from] TableError),
    /// The interrupted run's rows cannot be read.
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

impl Discord {
    /// Whether the machine is at fault, and not the command.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Io(..))
    }
}

/// The complete table of an earlier run. A spreadsheet may have saved it since.
struct Whole {
    rows: CustomersOfFile,
    name: String,
    link: usize,
    status: usize,
}

/// Longer than any row that this command writes. A longer incomplete row means many rows after an unclosed quote.
const LONGEST_TORN: usize = 256 * 1024;

/// The rows of an interrupted run.
struct Part {
    rows: WrittenRows,
    name: String,
    /// The last row that was read, as a spreadsheet counts.
    number: u64,
}

/// Reads both row by row, in step with the customers.
#[derive(Default)]
pub(super) struct PreviousRun {
    whole: Option<Whole>,
    part: Option<Part>,
}

impl PreviousRun {
    /// Opens the existing files.
    ///
    /// # Errors
    /// [`Discord`] if this command did not write them for these columns.
    pub(super) fn open(to: &Unfinished, layout: &Layout, customers: &CustomersOfFile) -> Result<Self, Discord> {
        let whole = if to.whole.exists() { Some(Whole::open(&to.whole)?) } else { None };
        let name = to.part.display().to_string();
        let part = match WrittenRows::open(&to.part, customers.delimiter()) {
            Ok(None) => None,
            Ok(Some(WrittenRows { torn, .. })) if torn.as_slice().len() > LONGEST_TORN => {
                let row = torn.position().map_or(0, |position| position.record() + 1);
                return Err(Discord::Illegible { row, table: name });
            }
            Ok(Some(rows)) if rows.header == *layout.names() && rows.marked == customers.marked() => Some(Part { rows, name, number: 1 }),
            Ok(Some(_)) => return Err(Discord::Columns(name)),
            Err(error) => return Err(Discord::Io(name, error)),
        };
        Ok(Self { whole, part })
    }

    /// The rows that stay unchanged.
    pub(super) fn written(&self) -> Option<&WrittenRows> {
        self.part.as_ref().map(|part| &part.rows)
    }

    /// The previous state of the customers' next row. `None` if it has no link yet.
    ///
    /// # Errors
    /// [`Discord`] if it differs from the row of the earlier run.
    pub(super) fn state_of(&mut self, row: &Row, now: &Columns, layout: &Layout, job: &Job<'_>) -> Result<Option<RowState>, Discord> {
        let whole = match &mut self.whole {
            Some(table) => table.rows.next().transpose()?.map(|old| (old, &*table)),
            None => None,
        };
        if let Some(part) = &mut self.part
            && let Some(old) = part.next(layout)?
        {
            let cells = layout.key_cells(&old);
            let opened = opened(&part.name, &cells, row, now, job)?;
            let is_usable = opened.as_ref().is_some_and(|opened| opened.dead.is_none());
            let stale = !is_usable || cells.status != MADE || !layout.keeps(&row.cells, &old);
            return Ok(Some(RowState::Written { tenant: opened.map(|opened| opened.tenant), stale }));
        }
        let Some((old, table)) = whole else { return Ok(None) };
        let opened = opened(&table.name, &table.key_cells(&old)?, row, now, job)?;
        Ok(opened.map(|Opened { link, tenant, dead, .. }| match dead {
            None => RowState::linked(tenant, link, true),
            Some(dead) => {
                let what = match dead {
                    Dead::Expired => format!("the link ended on {}", ends(&link).date()),
                    Dead::Revoked => "`links.revoked` or `links.revoked_before` of consent.toml has taken the link back".to_owned(),
                };
                // A link that may have been mailed stays, unless the operator asks to replace it.
                let way =
                    "For another one, empty the cell `status` of this row in the table of links, and run the same command with --resume";
                RowState::Dead { tenant, link, dead, problem: format!("{what}. {way}") }
            }
        }))
    }

    /// Checks, after the last customer, that no row of the earlier run is left over.
    ///
    /// # Errors
    /// [`Discord`] if one is.
    pub(super) fn is_met(&mut self) -> Result<(), Discord> {
        if let Some(part) = &mut self.part
            && part.rows.next().is_some()
        {
            return Err(Discord::Rows(part.name.clone()));
        }
        if let Some(whole) = &mut self.whole
            && whole.rows.next().transpose()?.is_some()
        {
            return Err(Discord::Rows(whole.name.clone()));
        }
        Ok(())
    }
}

impl Part {
    fn next(&mut self, layout: &Layout) -> Result<Option<csv::StringRecord>, Discord> {
        self.number += 1;
        match self.rows.next() {
            None => Ok(None),
            Some(Ok(row)) if row.len() == layout.names().len() => Ok(Some(row)),
            Some(Err(error)) if error.is_io_error() => Err(Discord::Io(self.name.clone(), error.into())),
            Some(_) => Err(Discord::Illegible { row: self.number, table: self.name.clone() }),
        }
    }
}

impl Whole {
    fn open(path: &Path) -> Result<Self, Discord> {
        let name = path.display().to_string();
        let rows = CustomersOfFile::open_written(path)?;
        match (rows.columns().position(LINK), rows.columns().position(STATUS)) {
            (Some(link), Some(status)) => Ok(Self { rows, name, link, status }),
            _ => Err(Discord::Foreign(name)),
        }
    }

    fn key_cells<'w>(&self, old: &'w Row) -> Result<KeyCells<'w>, Discord> {
        // A quote that opens too early swallows the cells after it. Missing empty cells at the end are harmless: spreadsheets omit them.
        if old.flawed || old.found <= self.link.max(self.status) {
            return Err(Discord::Illegible { row: old.number, table: self.name.clone() });
        }
        let cell = |at| old.cells.get(at).unwrap_or_default();
        let in_links = IN_LINKS.map(|column| self.rows.columns().cell_of(column, &old.cells));
        Ok(KeyCells { in_links, link: cell(self.link), status: cell(self.status) })
    }
}

/// Verifies the link of a written row, if it has one, and that it belongs to this customer.
fn opened(table: &str, old: &KeyCells<'_>, row: &Row, now: &Columns, job: &Job<'_>) -> Result<Option<Opened>, Discord> {
    if !has_link(old.status) {
        return Ok(None);
    }
    let differs = |column| Discord::Row { row: row.number, column, table: table.to_owned() };
    for (column, was) in IN_LINKS.into_iter().zip(old.in_links) {
        if harmless(now.cell_of(column, &row.cells)).trim() != was.trim() {
            return Err(differs(column));
        }
    }
    let customer = row.customer.as_ref().map_err(|_| differs("tenant"))?;
    let of_the_row = |opened: &Opened| {
        opened.label == customer.label
            && opened.reference == customer.reference
            && customer.tenant.id().is_none_or(|id| id == opened.tenant)
    };
    let opened = job.open(old.link).filter(of_the_row);
    opened.map(Some).ok_or_else(|| Discord::Link { row: row.number, table: table.to_owned() })
}
