//! The result of an earlier run: a complete table, rows of an interrupted run, or both. Existing links stay unchanged, after a check that
//! each is genuine and belongs to the same row.

use std::path::Path;

use super::csv_output::{KeyCells, LINK, Layout, STATUS, has_link};
use super::job::Job;
use super::row::{MADE, RowState};
use crate::cli::bulk::table::{Unfinished, WrittenRows};
use crate::cli::csv_safe::safe_cell;
use crate::cli::customers::{Columns, CustomerRow, CustomersOfFile, IN_LINKS, Reading, TableError};
use crate::cli::exit::{CommandError, Exit, unusable, usage};

const SAME_CUSTOMERS: &str = "--resume with the same customers in the same order, new ones at the end; or another --to for a changed table";

fn unread(error: TableError) -> CommandError {
    error.into_command().ending(Exit::Usage)
}

/// The error for an unreadable row. Its link may have been mailed, so the row blocks the run.
fn illegible(row: u64, table: &str) -> CommandError {
    let what = format!(
        "row {row} of {table} cannot be read: a quote is not closed, a delimiter too many, or letters that are not UTF-8.\n\
         Its link may have been mailed, so no other is made."
    );
    usage(what, "put the row right, or use another --to")
}

/// The complete table of an earlier run. A spreadsheet may have saved it since.
struct CompleteTable {
    rows: CustomersOfFile,
    name: String,
    link: usize,
    status: usize,
}

/// Longest incomplete row that this command could have written, in bytes. A longer one means many rows after an unclosed quote.
const LONGEST_TORN: usize = 256 * 1024;

/// The rows of an interrupted run.
struct PartialTable {
    rows: WrittenRows,
    name: String,
    /// The number of the row that was read last, as a spreadsheet counts.
    number: u64,
}

/// Reads the complete table and the partial one row by row, in step with the customers.
#[derive(Default)]
pub(super) struct PreviousRun {
    whole: Option<CompleteTable>,
    part: Option<PartialTable>,
}

impl PreviousRun {
    /// Opens the existing files.
    ///
    /// # Errors
    /// [`CommandError`] if this command did not write them for these columns.
    pub(super) fn open(to: &Unfinished, layout: &Layout, customers: &CustomersOfFile, reading: &Reading) -> Result<Self, CommandError> {
        let whole = if to.whole.exists() { Some(CompleteTable::open(&to.whole, reading)?) } else { None };
        let name = to.part.display().to_string();
        let part = match WrittenRows::open(&to.part, customers.delimiter()) {
            Ok(None) => None,
            Ok(Some(WrittenRows { torn, .. })) if torn.as_slice().len() > LONGEST_TORN => {
                let row = torn.position().map_or(0, |position| position.record() + 1);
                return Err(illegible(row, &name));
            }
            Ok(Some(rows)) if rows.header == *layout.names() => Some(PartialTable { rows, name, number: 1 }),
            Ok(Some(_)) => {
                let remedy = "repeat the earlier command, or delete that file and start again";
                return Err(usage(format!("{name} has other columns than this run would write."), remedy));
            }
            Err(error) => return Err(unusable(name, &error)),
        };
        Ok(Self { whole, part })
    }

    /// The rows that stay unchanged.
    pub(super) fn written(&self) -> Option<&WrittenRows> {
        self.part.as_ref().map(|part| &part.rows)
    }

    /// The previous state of the customers' next row. `None` if the row has no link yet.
    ///
    /// # Errors
    /// [`CommandError`] if the row differs from the row of the earlier run.
    pub(super) fn state_of(
        &mut self,
        row: &CustomerRow,
        now: &Columns,
        layout: &Layout,
        job: &Job<'_>,
    ) -> Result<Option<RowState>, CommandError> {
        let whole = match &mut self.whole {
            Some(table) => table.rows.next().transpose().map_err(unread)?.map(|old| (old, &*table)),
            None => None,
        };
        if let Some(part) = &mut self.part
            && let Some(old) = part.next(layout)?
        {
            let cells = layout.key_cells(&old);
            let opened = opened(&part.name, &cells, row, now, job)?;
            let is_usable = matches!(opened, Some(RowState::Linked { .. }));
            let stale = !is_usable || cells.status != MADE || !layout.keeps(&row.cells, &old);
            return Ok(Some(RowState::Written { tenant: opened.and_then(|opened| opened.tenant()), stale }));
        }
        let Some((old, table)) = whole else { return Ok(None) };
        opened(&table.name, &table.key_cells(&old)?, row, now, job)
    }

    /// After the last customer, checks that the earlier run has no further row.
    ///
    /// # Errors
    /// [`CommandError`] if it has one.
    pub(super) fn is_met(&mut self) -> Result<(), CommandError> {
        let part = self.part.as_mut().and_then(|part| part.rows.next().map(|_| &part.name));
        let whole = match &mut self.whole {
            Some(whole) => whole.rows.next().transpose().map_err(unread)?.map(|_| &whole.name),
            None => None,
        };
        let more = |name| usage(format!("{name} has more rows than there are customers."), SAME_CUSTOMERS);
        part.or(whole).map_or(Ok(()), |name| Err(more(name)))
    }
}

impl PartialTable {
    fn next(&mut self, layout: &Layout) -> Result<Option<csv::StringRecord>, CommandError> {
        self.number += 1;
        match self.rows.next() {
            None => Ok(None),
            Some(Ok(row)) if row.len() == layout.names().len() => Ok(Some(row)),
            Some(Err(error)) if error.is_io_error() => Err(unusable(&self.name, &error.into())),
            Some(_) => Err(illegible(self.number, &self.name)),
        }
    }
}

impl CompleteTable {
    fn open(path: &Path, reading: &Reading) -> Result<Self, CommandError> {
        let name = path.display().to_string();
        let rows = CustomersOfFile::open_written(path, reading).map_err(unread)?;
        match (rows.columns().position(LINK), rows.columns().position(STATUS)) {
            (Some(link), Some(status)) => Ok(Self { rows, name, link, status }),
            _ => {
                let what = format!("{name} is no table that this command wrote: it has no columns `link` and `status`.");
                Err(usage(what, "another file with --to"))
            }
        }
    }

    fn key_cells<'w>(&self, old: &'w CustomerRow) -> Result<KeyCells<'w>, CommandError> {
        // After a quote that opens too early, the rest of the row is one cell, so later cells are missing. Missing empty cells at the end
        // are harmless: spreadsheets omit them.
        if old.flawed || old.found <= self.link.max(self.status) {
            return Err(illegible(old.number, &self.name));
        }
        let cell = |at| old.cells.get(at).unwrap_or_default();
        let in_links = IN_LINKS.map(|column| self.rows.columns().cell_of(column, &old.cells));
        Ok(KeyCells { in_links, link: cell(self.link), status: cell(self.status) })
    }
}

/// If the written row has a link, verifies the link, and checks that it belongs to this customer.
fn opened(table: &str, old: &KeyCells<'_>, row: &CustomerRow, now: &Columns, job: &Job<'_>) -> Result<Option<RowState>, CommandError> {
    if !has_link(old.status) {
        return Ok(None);
    }
    let number = row.number;
    let differs = |column| usage(format!("row {number}: {column} is not what it was when {table} was written."), SAME_CUSTOMERS);
    for (column, was) in IN_LINKS.into_iter().zip(old.in_links) {
        if safe_cell(now.cell_of(column, &row.cells)).trim() != was.trim() {
            return Err(differs(column));
        }
    }
    let customer = row.customer.as_ref().map_err(|_| differs("tenant"))?;
    job.open(old.link, customer).map(Some).ok_or_else(|| {
        let what =
            format!("row {number}: the link in {table} is not one that this command makes with the app, --direct and keys of today.");
        usage(what, "repeat the command of then, or use another --to")
    })
}
