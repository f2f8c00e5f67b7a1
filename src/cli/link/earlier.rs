//! What an earlier run left: a whole table, rows of one that was interrupted, or both. Links that were made stay as they are, after
//! they were opened and found to be the same row's.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::job::{Dead, Job, Opened};
use super::sheet::{LINK, Layout, MADE, STATUS, has_link};
use crate::cli::customers::{Columns, CustomersOfFile, IN_LINKS, Row, TableError};
use crate::cli::formula::harmless;
use crate::consent::TenantId;
use crate::site::SignedLink;

/// Why what an earlier run left cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub(super) enum Discord {
    /// The customers are not the same.
    #[error(
        "row {row}: {column} is not what it was when {table} was written. --resume needs the same customers in the same order; new ones go \
         to the end. Use another --to for a changed table"
    )]
    Row {
        /// The customers' row.
        row: u64,
        /// What differs.
        column: &'static str,
        /// The earlier table.
        table: String,
    },
    /// The earlier table has a link that is none of this run's kind.
    #[error(
        "row {row}: the link in {table} is not one that this command makes with the app, --direct and keys of today. Repeat the command of \
         then, or use another --to"
    )]
    Link {
        /// The customers' row.
        row: u64,
        /// The earlier table.
        table: String,
    },
    /// A row of the earlier table cannot be read, so that nobody can tell whether its link was mailed.
    #[error(
        "row {row} of {table} cannot be read: a quote is not closed, a delimiter too many, or letters that are not UTF-8. Its link may have been \
         mailed, so no other is made. Put the row right, or use another --to"
    )]
    Illegible {
        /// The earlier table's row.
        row: u64,
        /// The earlier table.
        table: String,
    },
    /// The earlier table has more rows than there are customers.
    #[error("{0} has more rows than there are customers: --resume needs the same customers in the same order")]
    Rows(String),
    /// The rows of an interrupted run have other columns.
    #[error("{0} has other columns than this run would write. Repeat the command of then, or delete that file and begin anew")]
    Columns(String),
    /// It is no table of ours.
    #[error("{0} is no table that this command wrote: it has no columns `link` and `status`")]
    Foreign(String),
    /// It cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// It cannot be read.
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

impl Discord {
    /// Whether the machine is at fault, and not the command.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Io(..))
    }
}

/// A table that an earlier run wrote.
struct Table {
    rows: CustomersOfFile,
    name: String,
    link: usize,
    status: usize,
}

/// How a row stands.
pub(super) enum Was {
    /// Not seen yet, or without a link.
    Open,
    /// It has a link in the whole table.
    Made(TenantId, SignedLink<String>, Option<Dead>),
    /// It is in the rows of the interrupted run, with a link or without. `stale`: not as it would be written now, or to be told.
    Written { tenant: Option<TenantId>, stale: bool },
}

/// Goes along with the customers, row by row.
pub(super) struct Earlier {
    whole: Option<Table>,
    part: Option<Table>,
    /// Up to where the rows of the interrupted run are whole, in bytes; `None` where there are none to go on with.
    pub(super) part_ends: Option<u64>,
}

impl Earlier {
    /// There was no earlier run, or nothing is wanted of it.
    pub(super) fn none() -> Self {
        Self { whole: None, part: None, part_ends: None }
    }

    /// Opens what is there.
    ///
    /// # Errors
    /// [`Discord`] where it is nothing that this command wrote for these columns.
    pub(super) fn open(whole: &Path, part: &Path, layout: &Layout, customers: &CustomersOfFile) -> Result<Self, Discord> {
        let whole = if whole.exists() { Some(Table::open(whole)?) } else { None };
        let part =
            if has_a_line(part).map_err(|error| Discord::Io(part.display().to_string(), error))? { Some(Table::open(part)?) } else { None };
        if let Some(Table { rows, name, .. }) = &part {
            let same = rows.columns().names().eq(layout.names().iter().map(|name| name.trim()))
                && (rows.delimiter(), rows.marked()) == (customers.delimiter(), customers.marked());
            if !same {
                return Err(Discord::Columns(name.clone()));
            }
        }
        let part_ends = part.as_ref().map(|part| part.rows.header_ends_at() + if part.rows.marked() { MARK } else { 0 });
        Ok(Self { whole, part, part_ends })
    }

    /// How the next row of the customers stands.
    ///
    /// # Errors
    /// [`Discord`] where it is not the row that the earlier run saw.
    pub(super) fn of(&mut self, row: &Row, now: &Columns, layout: &Layout, job: &Job<'_>) -> Result<Was, Discord> {
        let whole = match &mut self.whole {
            Some(table) => table.rows.next().transpose()?.map(|old| (old, &*table)),
            None => None,
        };
        if let Some(part) = &mut self.part {
            match part.rows.next().transpose()? {
                Some(old) if !old.torn => {
                    self.part_ends = Some(old.ends_at + if part.rows.marked() { MARK } else { 0 });
                    let opened = part.link(&old, row, now, job)?;
                    let is_usable = opened.as_ref().is_some_and(|opened| opened.dead.is_none());
                    let stale = !is_usable || old.cells.get(part.status) != Some(MADE) || !layout.keeps(&row.cells, &old.cells);
                    return Ok(Was::Written { tenant: opened.map(|opened| opened.tenant), stale });
                }
                _ => self.part = None,
            }
        }
        match whole.map(|(old, table)| table.link(&old, row, now, job)).transpose()?.flatten() {
            Some(Opened { link, tenant, dead, .. }) => Ok(Was::Made(tenant, link, dead)),
            None => Ok(Was::Open),
        }
    }

    /// Whether all its rows were met.
    ///
    /// # Errors
    /// [`Discord`] where there are rows without a customer.
    pub(super) fn is_met(&mut self) -> Result<(), Discord> {
        for (table, is_whole) in [(&mut self.part, false), (&mut self.whole, true)] {
            let Some(table) = table else { continue };
            // Only where a run was interrupted is a last row without a line's end half of one.
            if table.rows.next().transpose()?.is_some_and(|row| is_whole || !row.torn) {
                return Err(Discord::Rows(table.name.clone()));
            }
        }
        Ok(())
    }
}

/// Bytes of a byte order mark.
const MARK: u64 = 3;

impl Table {
    fn open(path: &Path) -> Result<Self, Discord> {
        let name = path.display().to_string();
        let rows = CustomersOfFile::open_written(path)?;
        match (rows.columns().position(LINK), rows.columns().position(STATUS)) {
            (Some(link), Some(status)) => Ok(Self { rows, name, link, status }),
            _ => Err(Discord::Foreign(name)),
        }
    }

    /// The link of an earlier row, if it has one.
    fn link(&self, old: &Row, row: &Row, now: &Columns, job: &Job<'_>) -> Result<Option<Opened>, Discord> {
        // A quote that is opened too early swallows the cells after it. Spreadsheets leave out empty ones at the end, which is nothing.
        if old.flawed || old.found <= self.link.max(self.status) {
            return Err(Discord::Illegible { row: old.number, table: self.name.clone() });
        }
        old.cells.get(self.status).is_some_and(has_link).then(|| self.same(old, row, now, job)).transpose()
    }

    /// The link of an earlier row, which was made for the same customer.
    fn same(&self, old: &Row, row: &Row, now: &Columns, job: &Job<'_>) -> Result<Opened, Discord> {
        let differs = |column| Discord::Row { row: row.number, column, table: self.name.clone() };
        for column in IN_LINKS {
            let is = harmless(now.cell_of(column, &row.cells)).trim().to_owned();
            if is != self.rows.columns().cell_of(column, &old.cells).trim() {
                return Err(differs(column));
            }
        }
        let customer = row.customer.as_ref().map_err(|_| differs("tenant"))?;
        let foreign = || Discord::Link { row: row.number, table: self.name.clone() };
        let opened = job.open(old.cells.get(self.link).unwrap_or_default()).ok_or_else(foreign)?;
        let of_the_row = opened.label == customer.label
            && opened.reference == customer.reference
            && customer.tenant.id().is_none_or(|id| id == opened.tenant);
        if of_the_row { Ok(opened) } else { Err(foreign()) }
    }
}

/// Whether there is a file with at least one line: a run may have been killed before it wrote its header.
fn has_a_line(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(64 * 1024).read_to_end(&mut start).map(|_| start.contains(&b'\n')),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
