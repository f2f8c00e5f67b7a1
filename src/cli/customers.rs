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
//! Columns may have any order and any case. Other columns are kept unchanged.

mod rows;
mod text;

use std::io::{self, Read};
use std::path::Path;

use self::rows::{Bounds, LONGEST_ROW, RawRow, RowFlaw, Rows};
use crate::consent::text::UnfitText;
use crate::consent::{DisplayText, Label, Reference};
use crate::entra::discovery::TenantName;

/// The columns with a meaning, as [`column_name`] spells them.
pub(super) const COLUMNS: [&str; 5] = [TENANT, LABEL, REFERENCE, CONTACT, LANGUAGE];
const TENANT: &str = "tenant";
const LABEL: &str = "label";
const REFERENCE: &str = "reference";
const CONTACT: &str = "contact";
const LANGUAGE: &str = "language";

/// The columns whose cells go into links.
pub(super) const IN_LINKS: [&str; 3] = [TENANT, LABEL, REFERENCE];

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
    #[error("no column is called `tenant`. The first row has to name the columns: {}. Only tenant is needed.\nIt has: {has}{}",
        COLUMNS.join(", "), if *.is_customer { "\nThat looks like a customer: put a row with the columns' names above it." } else { "" })]
    NoTenant {
        /// The cells of the first row.
        has: String,
        /// Whether one of these cells is a tenant.
        is_customer: bool,
    },
    /// Two columns have the same name, so it is unclear which one counts.
    #[error("two columns are called `{0}`: rename one of them")]
    Twice(&'static str),
}

/// Normalises a column's name: removes white space and quotes, and converts to lower case.
fn column_name(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\u{feff}')).flat_map(char::to_lowercase).collect()
}

#[derive(Debug, Clone)]
pub(super) struct Columns {
    names: Vec<Box<str>>,
    places: [Option<usize>; COLUMNS.len()],
}

impl Columns {
    fn read(header: &RawRow) -> Result<Self, TableFault> {
        if header.flaw.is_some() {
            return Err(TableFault::NoHeader);
        }
        if header.cells.iter().flatten().any(|byte| *byte == 0) || header.cells.get(0).is_some_and(|cell| cell.starts_with(b"PK\x03\x04")) {
            return Err(TableFault::NoText);
        }
        let cells = csv::StringRecord::from_byte_record(header.cells.clone()).map_err(|_| TableFault::NotUtf8)?;
        let mut names: Vec<Box<str>> = cells.iter().map(|name| name.trim().into()).collect();
        // Spreadsheets write the delimiters of deleted columns too.
        while names.last().is_some_and(|name| name.is_empty()) {
            names.pop();
        }
        let mut places = [None; COLUMNS.len()];
        for (at, name) in names.iter().map(|name| column_name(name)).enumerate() {
            if let Some((known, place)) = COLUMNS.iter().zip(&mut places).find(|(known, _)| **known == name)
                && place.replace(at).is_some()
            {
                return Err(TableFault::Twice(known));
            }
        }
        let [Some(_), ..] = places else {
            let shown = names.iter().take(20).filter_map(|name| DisplayText::from_untrusted(name));
            let has = shown.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(TableFault::NoTenant { has, is_customer: names.iter().any(|name| TenantName::parse(name).is_ok()) });
        };
        Ok(Self { names, places })
    }

    /// The names as written.
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Finds a column by name; ignores case and white space.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.names().position(|known| Self::is(known, name))
    }

    /// Compares a column's name; ignores case and white space.
    pub(super) fn is(name: &str, which: &str) -> bool {
        column_name(name) == which
    }

    /// The cell of one of [`COLUMNS`] as written; empty if the column is missing.
    pub(super) fn cell_of<'c>(&self, which: &str, cells: &'c csv::StringRecord) -> &'c str {
        let place = COLUMNS.iter().zip(self.places).find(|(known, _)| **known == which).and_then(|(_, place)| place);
        place.and_then(|place| cells.get(place)).unwrap_or_default()
    }
}

/// Reads customers one by one, so that a million rows take the memory of one.
pub(super) struct Customers<R> {
    table: String,
    columns: Columns,
    rows: Rows<R>,
    over: bool,
}

pub(super) type CustomersOfFile = Customers<Box<dyn Read + Send>>;

impl TableError {
    /// Whether the machine is at fault, and not the table.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self.fault, TableFault::Io(_))
    }
}

impl CustomersOfFile {
    /// Opens a table; `-` is standard input.
    ///
    /// # Errors
    /// [`TableError`] if there is no table, or no header in it.
    pub(super) fn open(path: &Path) -> Result<Self, TableError> {
        if path.as_os_str() == STDIN {
            return Self::read(Box::new(io::stdin()), "standard input");
        }
        Self::of_file(path, Bounds::GIVEN)
    }

    /// Opens a table that this program wrote. Its rows are longer than those of the customers' table.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn open_written(path: &Path) -> Result<Self, TableError> {
        Self::of_file(path, Bounds::WRITTEN)
    }

    fn of_file(path: &Path, bounds: Bounds) -> Result<Self, TableError> {
        let table = path.display().to_string();
        match std::fs::File::open(path) {
            Ok(file) => Self::read_within(Box::new(file), &table, bounds),
            Err(error) => Err(TableError { table, fault: error.into() }),
        }
    }
}

impl<R: Read> Customers<R> {
    /// Reads the header of a table; `table` is its name in errors.
    ///
    /// # Errors
    /// [`TableError`] if the table has no valid header.
    pub(super) fn read(source: R, table: &str) -> Result<Self, TableError> {
        Self::read_within(source, table, Bounds::GIVEN)
    }

    fn read_within(source: R, table: &str, bounds: Bounds) -> Result<Self, TableError> {
        let begin = || {
            let mut rows = Rows::new(source, bounds, TENANT)?;
            let header = rows.next()?.ok_or(TableFault::Empty)?;
            Ok((Columns::read(&header)?, rows))
        };
        match begin() {
            Ok((columns, rows)) => Ok(Self { table: table.to_owned(), columns, rows, over: false }),
            Err(fault) => Err(TableError { table: table.to_owned(), fault }),
        }
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The byte between cells: a comma, a semicolon or a tab.
    pub(super) fn delimiter(&self) -> u8 {
        self.rows.delimiter()
    }

    /// Whether the table begins with a byte order mark. Excel needs one to recognise UTF-8.
    pub(super) fn marked(&self) -> bool {
        self.rows.marked()
    }

    fn row(&self, raw: RawRow) -> CustomerRow {
        let (number, width) = (raw.number, self.columns.names.len());
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
        CustomerRow { number, cells, customer, flawed, found, ends_at: raw.ends_at }
    }

    fn customer(&self, cells: &csv::StringRecord) -> Result<Customer, Vec<String>> {
        let cell = |which| Some(self.columns.cell_of(which, cells).trim()).filter(|cell| !cell.is_empty());
        let tenant = TenantName::parse(cell(TENANT).unwrap_or_default());
        let label = cell(LABEL).map(Label::parse).transpose();
        let reference = cell(REFERENCE).map(Reference::parse).transpose();
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
        UnfitText::Steering => "type it anew, on one line",
    };
    format!("{error}; {remedy}")
}

impl<R: Read> Iterator for Customers<R> {
    type Item = Result<CustomerRow, TableError>;

    /// Returns nothing after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        match self.rows.next() {
            Ok(Some(raw)) => Some(Ok(self.row(raw))),
            Ok(None) => {
                self.over = true;
                None
            }
            Err(error) => {
                self.over = true;
                Some(Err(TableError { table: self.table.clone(), fault: error.into() }))
            }
        }
    }
}

#[cfg(test)]
mod tests;
