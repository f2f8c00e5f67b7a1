//! Reads customers from a CSV table, as spreadsheets and people write them. An invalid row gives an error with row, column and remedy, and
//! reading continues with the next row. No row stays in memory.
//!
//! | column | |
//! | --- | --- |
//! | `tenant` | one of the tenant's domains (non-ASCII letters too), or its id. The only required column |
//! | `label` | the operator's name for the customer, goes into the link |
//! | `reference` | the operator's reference, goes into the link |
//! | `contact` | the recipient of the link's mail; never goes into a link |
//! | `language` | a language tag such as `de` or `de-AT`, for the mail |
//!
//! Columns may have any order and any case. [`columns`] also knows the headings of common exports. Other columns are kept unchanged.
//!
//! Every command reads every table that another command wrote: the guard against formulas comes off the five fields (see
//! [`csv_safe::bare`]), and a table of results, which has a row for each app, gives each tenant once.

mod cells;
mod columns;
mod rows;
mod text;

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read};
use std::path::Path;

use self::cells::SpoiltReferences;
pub(super) use self::columns::{ColumnChoice, Columns, Reading};
use self::rows::{Bounds, LONGEST_ROW, RawRow, RowFlaw, Rows};
use super::csv_safe;
use super::exit::{CommandError, Exit, unusable, usage};
use crate::consent::text::UnfitText;
use crate::consent::{Label, Reference};
use crate::entra::discovery::TenantName;

/// The columns with a meaning, as [`column_name`] spells them.
pub(super) const COLUMNS: [&str; 5] = [TENANT, LABEL, REFERENCE, CONTACT, LANGUAGE];
const TENANT: &str = "tenant";
const LABEL: &str = "label";
const REFERENCE: &str = "reference";
const CONTACT: &str = "contact";
const LANGUAGE: &str = "language";
/// A column of every table that `link` writes.
const LINK_ID: &str = "link_id";

/// The columns whose cells go into links.
pub(super) const IN_LINKS: [&str; 3] = [TENANT, LABEL, REFERENCE];

/// How many rows are read ahead, to recognise columns and a wrong one.
const SAMPLE: usize = 64;

/// The file name that means standard input.
const STDIN: &str = "-";

/// The tenant of a row, and the operator's data about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Customer {
    /// The tenant, by its id or one of its domains.
    pub(crate) tenant: TenantName,
    /// The operator's name for the tenant.
    pub(crate) label: Option<Label>,
    pub(crate) reference: Option<Reference>,
    /// The recipient of the mail. Never in links.
    pub(crate) contact: Option<Box<str>>,
    /// A language tag, not validated.
    pub(crate) language: Option<Box<str>>,
}

/// A row that is not blank.
#[derive(Debug)]
pub(super) struct CustomerRow {
    /// The number of the row in a spreadsheet: the first row is 1, and blank rows and a line before the header count too.
    pub(crate) number: u64,
    /// The cells as read, one for each of [`Columns::names`]. Make them safe before you write them into a table again: see
    /// [`super::csv_safe`].
    pub(crate) cells: csv::StringRecord,
    /// The customer, or all errors in the row, so that the operator has to correct the row only once. The errors contain no text from the
    /// row.
    pub(crate) customer: Result<Customer, String>,
    /// What a spreadsheet has probably done to the row.
    pub(crate) warning: Option<String>,
    /// The row could not be split into cells, so [`Self::cells`] differs from the table.
    pub(crate) flawed: bool,
    /// The number of cells before padding to the header's number.
    pub(crate) found: usize,
    /// The end of the row, in bytes of the table. Only for a table in UTF-8 with line feeds.
    pub(crate) ends_at: u64,
}

/// Why a table, or the rest of it, cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{table}: {fault}")]
pub(super) struct TableError {
    /// The file's name.
    table: String,
    fault: TableFault,
}

/// Faults of a table as a whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableFault {
    /// An error of the file or the pipe.
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("there is nothing in it. The first row has to name the columns: {}", COLUMNS.join(", "))]
    Empty,
    /// The file is a workbook of Excel's, or contains other bytes that are no text.
    #[error("this is no text. In Excel save it with \"Save as\" as \"CSV UTF-8 (comma delimited)\"")]
    NoText,
    /// The header cannot be read.
    #[error("its header is longer than {LONGEST_ROW} bytes, or has a quote that is never closed")]
    NoHeader,
    /// The header has letters in the encoding of an old system.
    #[error("its header is not UTF-8. In Excel save it with \"Save as\" as \"CSV UTF-8 (comma delimited)\"")]
    NotUtf8,
    /// No column contains the tenant.
    #[error("no column is called `tenant`. The first row has to name the columns: {}. Only tenant is needed.\nIt has: {has}{remedy}",
        COLUMNS.join(", "))]
    NoTenant {
        /// The cells of the first row.
        has: String,
        remedy: String,
    },
    /// `--column` names no column of the table.
    #[error("no column is called {heading}. It has: {has}")]
    NoSuchColumn { heading: String, has: String },
    /// Columns have the same name, so it is unclear which one counts.
    #[error("{0}")]
    Twice(String),
    /// Each row names one tenant.
    #[error("{0}")]
    OneTenant(String),
}

/// Reads customers one by one, so that a million rows take the memory of one.
pub(super) struct Customers<R> {
    table: String,
    columns: Columns,
    /// Rows that were read ahead.
    ahead: VecDeque<RawRow>,
    rows: Rows<R>,
    references: SpoiltReferences,
    /// Hashes of the tenants so far, in a table of results.
    met: Option<(RandomState, HashSet<u64>)>,
    over: bool,
}

pub(super) type CustomersOfFile = Customers<Box<dyn Read + Send>>;

impl TableError {
    /// How a command ends that cannot read the table.
    pub(super) fn into_command(self) -> CommandError {
        let remedy = match &self.fault {
            TableFault::Io(error) => return unusable(self.table, error),
            TableFault::Empty | TableFault::NoHeader => "a first row that names the columns: docs/five-hundred-customers.md",
            TableFault::NoText | TableFault::NotUtf8 => "in Excel: Save as, \"CSV UTF-8 (comma delimited)\"",
            TableFault::NoTenant { .. } => "--column tenant=NAME, with the column's name or number",
            TableFault::NoSuchColumn { .. } | TableFault::Twice(_) => "--column FIELD=NAME with a name that one column has",
            TableFault::OneTenant(_) => return usage(self, "a table with a tenant in each row, or --tenant").ending(Exit::Attention),
        };
        usage(self, remedy)
    }
}

impl CustomersOfFile {
    /// Opens a table; `-` is standard input.
    ///
    /// # Errors
    /// [`TableError`] if there is no table, or no header in it, or all of its rows name one tenant.
    pub(super) fn open(path: &Path, reading: &Reading) -> Result<Self, TableError> {
        if path.as_os_str() == STDIN {
            return Self::read(Box::new(io::stdin()), "standard input", reading);
        }
        Self::of_file(path, Bounds::GIVEN, reading)
    }

    /// Opens a table that this program wrote. Its rows are longer than those of the customers' table.
    ///
    /// # Errors
    /// As [`Self::open`], but the rows may name one tenant.
    pub(super) fn open_written(path: &Path, reading: &Reading) -> Result<Self, TableError> {
        Self::of_file(path, Bounds::WRITTEN, reading)
    }

    fn of_file(path: &Path, bounds: Bounds, reading: &Reading) -> Result<Self, TableError> {
        let table = path.display().to_string();
        match std::fs::File::open(path) {
            Ok(file) => Self::read_within(Box::new(file), &table, bounds, reading),
            Err(error) => Err(TableError { table, fault: error.into() }),
        }
    }
}

impl<R: Read> Customers<R> {
    /// Reads the header of a table; `table` is its name in errors.
    ///
    /// # Errors
    /// As [`CustomersOfFile::open`].
    pub(super) fn read(source: R, table: &str, reading: &Reading) -> Result<Self, TableError> {
        Self::read_within(source, table, Bounds::GIVEN, reading)
    }

    fn read_within(source: R, table: &str, bounds: Bounds, reading: &Reading) -> Result<Self, TableError> {
        Self::begin(source, table, bounds, reading).map_err(|fault| TableError { table: table.to_owned(), fault })
    }

    fn begin(source: R, table: &str, bounds: Bounds, reading: &Reading) -> Result<Self, TableFault> {
        let mut rows = Rows::new(source, bounds, |heading| reading.is_tenant_heading(heading))?;
        let names = Columns::headings(&rows.next()?.ok_or(TableFault::Empty)?)?;
        if names.iter().any(|name| Columns::is(name, LINK_ID)) {
            rows.set_bounds(Bounds::WRITTEN);
        }
        let mut ahead = VecDeque::new();
        while ahead.len() < SAMPLE
            && let Some(row) = rows.next()?
        {
            ahead.push_back(row);
        }
        let columns = Columns::read(names, &ahead, reading)?;
        // Each row of a written table counts: `status` reads the outcome of each app.
        let is_results = bounds == Bounds::GIVEN && columns.is_results();
        if bounds == Bounds::GIVEN
            && !is_results
            && let Some(fault) = columns.one_tenant(&ahead, ahead.len() < SAMPLE, reading)
        {
            return Err(fault);
        }
        let mut references = SpoiltReferences::default();
        for cell in ahead.iter().filter_map(|row| row.cells.get(columns.place_of(REFERENCE)?)) {
            references.learn(str::from_utf8(cell).unwrap_or_default().trim());
        }
        Ok(Self { table: table.to_owned(), columns, ahead, rows, references, met: is_results.then(Default::default), over: false })
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The byte between cells, such as a comma.
    pub(super) fn delimiter(&self) -> u8 {
        self.rows.delimiter()
    }

    fn row(&mut self, raw: RawRow) -> CustomerRow {
        let (number, width) = (raw.number, self.columns.names().len());
        let mut problems: Vec<String> = Vec::new();
        match raw.flaw {
            Some(RowFlaw::TooLong) => problems.push(format!(
                    "it is longer than {LONGEST_ROW} bytes. A quote that is not closed takes all that follows for one cell: close it, or write it twice"
            )),
            Some(RowFlaw::OpenQuote) => {
                let what = "a quote is opened here and never closed, so that all that follows was taken for one cell: close it, or write it twice";
                problems.push(what.to_owned());
            }
            None => {}
        }
        let mut cells = csv::StringRecord::from_byte_record(raw.cells).unwrap_or_else(|error| {
            let what = "it has letters that are not UTF-8: in Excel save the table with \"Save as\" as \"CSV UTF-8 (comma delimited)\"";
            problems.push(what.to_owned());
            csv::StringRecord::from_byte_record_lossy(error.into_byte_record())
        });
        if cells.iter().skip(width).any(|cell| !cell.trim().is_empty()) {
            let what = format!("it has {} cells and the header {width}: a cell with a delimiter in it has to stand in quotes", cells.len());
            problems.push(what);
        }
        let flawed = !problems.is_empty();
        let found = cells.len();
        cells.truncate(width);
        while cells.len() < width {
            cells.push_field("");
        }
        let customer = if problems.is_empty() { self.customer(&cells) } else { Err(problems) };
        let customer = customer.map_err(|problems| problems.join("; "));
        let reference = csv_safe::bare(self.columns.cell_of(REFERENCE, &cells));
        self.references.learn(reference.trim());
        let warning = self.references.damage(reference.trim()).map(|damage| format!("column {REFERENCE}: {damage}"));
        CustomerRow { number, cells, customer, warning, flawed, found, ends_at: raw.ends_at }
    }

    fn customer(&self, cells: &csv::StringRecord) -> Result<Customer, Vec<String>> {
        let cell = |which| {
            let bare = csv_safe::bare(self.columns.cell_of(which, cells));
            Some(cells::visible(&bare).into_owned()).filter(|cell| !cell.is_empty())
        };
        let tenant = TenantName::parse(cells::without_braces(&cell(TENANT).unwrap_or_default()));
        let label = cell(LABEL).as_deref().map(Label::parse).transpose();
        let reference = cell(REFERENCE).as_deref().map(Reference::parse).transpose();
        match (tenant, label, reference) {
            (Ok(tenant), Ok(label), Ok(reference)) => {
                let (contact, language) = (cell(CONTACT).map(Into::into), cell(LANGUAGE).map(Into::into));
                Ok(Customer { tenant, label, reference, contact, language })
            }
            (tenant, label, reference) => {
                let tenant = tenant.err().map(|error| (TENANT, error.to_string()));
                let texts = [(LABEL, label.err()), (REFERENCE, reference.err())];
                let texts = texts.into_iter().filter_map(|(column, error)| Some((column, unfit(error?))));
                Err(tenant.into_iter().chain(texts).map(|(column, what)| format!("column {column}: {what}")).collect())
            }
        }
    }
}

/// Describes what is wrong with a label or a reference, with the remedy.
fn unfit(error: UnfitText) -> String {
    let remedy = match error {
        UnfitText::Empty | UnfitText::TooLong => "shorten it",
        UnfitText::At => "leave the address out, or put it into the column contact",
        UnfitText::Steering => "type it again, on one line",
    };
    format!("{error}; {remedy}")
}

impl<R: Read> Iterator for Customers<R> {
    type Item = Result<CustomerRow, TableError>;

    /// Returns nothing after an error.
    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            match self.ahead.pop_front().map_or_else(|| self.rows.next(), |row| Ok(Some(row))) {
                Ok(Some(raw)) => {
                    let row = self.row(raw);
                    let is_met = match (&mut self.met, &row.customer) {
                        (Some((hash, met)), Ok(customer)) => !met.insert(hash.hash_one(&customer.tenant)),
                        _ => false,
                    };
                    if !is_met {
                        return Some(Ok(row));
                    }
                }
                Ok(None) => self.over = true,
                Err(error) => {
                    self.over = true;
                    return Some(Err(TableError { table: self.table.clone(), fault: error.into() }));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
