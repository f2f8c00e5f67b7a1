//! The rows of a table: detects the delimiter, skips blank rows and limits sizes.

use std::io::{self, Read};

use super::text::Lines;

/// Most bytes in one row of the operator's table. An unclosed quote turns the whole rest of a table into one row.
pub(super) const LONGEST_ROW: usize = 64 * 1024;

/// The limits of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    bytes: usize,
    cells: usize,
}

impl Bounds {
    /// The limits for the operator's tables.
    pub(super) const GIVEN: Self = Self { bytes: LONGEST_ROW, cells: 1_024 };
    /// The limits for tables that this program wrote: a row of the operator's with apostrophes, a link and a mail.
    pub(super) const WRITTEN: Self = Self { bytes: 4 * LONGEST_ROW, cells: 1_100 };
}

/// The delimiters of exports. A line `sep=` may declare others.
const DELIMITERS: [u8; 5] = [b',', b';', b'\t', b'|', b'~'];

/// One row as it is in the table.
#[derive(Debug)]
pub(super) struct RawRow {
    /// The row's number as a spreadsheet counts: the first is 1, and blank rows count.
    pub(super) number: u64,
    pub(super) cells: csv::ByteRecord,
    pub(super) flaw: Option<RowFlaw>,
    /// The end of the row, in bytes of UTF-8 text without a byte order mark.
    pub(super) ends_at: u64,
}

/// Why the cells of a row have no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowFlaw {
    /// The row exceeds its [`Bounds`].
    TooLong,
    /// The table ends inside a quoted cell.
    OpenQuote,
}

pub(super) struct Rows<R> {
    csv: csv::Reader<Lines<R>>,
    cells: usize,
    delimiter: u8,
}

impl<R: Read> Rows<R> {
    /// Starts a table. `is_wanted` recognises headings of the columns that commands read; it helps to detect the delimiter.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn new(source: R, bounds: Bounds, is_wanted: impl Fn(&str) -> bool) -> io::Result<Self> {
        let mut lines = Lines::new(source, bounds.bytes)?;
        let mut delimiter = None;
        let header = loop {
            let line = lines.first_line()?;
            if let Some(declared) = declared(&line) {
                delimiter = Some(declared);
                // Excel does not show this line.
                lines.drop_first_line(0);
            } else if line.trim_ascii_start().starts_with(TYPE) || line.starts_with(QUOTED_TYPE) {
                lines.drop_first_line(lines.next_number());
            } else {
                break line;
            }
        };
        let delimiter = delimiter.unwrap_or_else(|| detected(&header, is_wanted));
        let mut reader = csv::ReaderBuilder::new();
        reader.has_headers(false).flexible(true).delimiter(delimiter).terminator(csv::Terminator::Any(b'\n'));
        Ok(Self { csv: reader.from_reader(lines), cells: bounds.cells, delimiter })
    }

    /// Changes the limits for all rows that are not read yet.
    pub(super) fn set_bounds(&mut self, bounds: Bounds) {
        self.cells = bounds.cells;
        self.csv.get_mut().set_most(bounds.bytes);
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Returns the next row that is not blank. `None` at the end.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn next(&mut self) -> io::Result<Option<RawRow>> {
        let mut cells = csv::ByteRecord::new();
        while self.csv.read_byte_record(&mut cells).map_err(of_source)? {
            let (row, number, ends_at) = self.csv.get_mut().end_row();
            let flaw = match row.is_over {
                _ if row.is_cut || cells.len() > self.cells => Some(RowFlaw::TooLong),
                true => Some(RowFlaw::OpenQuote),
                false => None,
            };
            if flaw.is_some() {
                cells.clear();
            } else if cells.iter().all(super::cells::is_blank) {
                continue;
            }
            return Ok(Some(RawRow { number, cells, flaw, ends_at }));
        }
        Ok(None)
    }
}

/// Extracts the source's error. For bytes, the parser has no errors of its own.
fn of_source(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// The line above the header that `Export-Csv` of Windows PowerShell 5.1 writes without `-NoTypeInformation`.
const TYPE: &[u8] = b"#TYPE ";
/// The same line after a spreadsheet or an editor has put it into quotes.
const QUOTED_TYPE: &[u8] = b"\"#TYPE ";

/// Reads a line such as `sep=;`, in quotes or not. Excel treats it as a declaration and does not show it as a row.
fn declared(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix(b"\"").map_or(line, |line| line.trim_ascii_end().strip_suffix(b"\"").unwrap_or(line));
    match line.split_at_checked(4)? {
        (name, [delimiter, rest @ ..])
            if name.eq_ignore_ascii_case(b"sep=") && rest.iter().all(|byte| byte == delimiter || byte.is_ascii_whitespace()) =>
        {
            (*delimiter == b'\t' || delimiter.is_ascii_punctuation() && *delimiter != b'"').then_some(*delimiter)
        }
        _ => None,
    }
}

/// The delimiter that separates a wanted column in the header, or else the most frequent delimiter, or else the comma.
fn detected(header: &[u8], is_wanted: impl Fn(&str) -> bool) -> u8 {
    let mut quoted = false;
    let mut counts = DELIMITERS.map(|delimiter| (delimiter, 0_u32, false));
    for byte in header {
        if *byte == b'"' {
            quoted = !quoted;
        }
        for (delimiter, count, _) in &mut counts {
            *count += u32::from(!quoted && byte == delimiter);
        }
    }
    for (delimiter, count, finds) in &mut counts {
        *finds = *count > 0 && header.split(|byte| byte == delimiter).any(|cell| is_wanted(&String::from_utf8_lossy(cell)));
    }
    // Reversed, because `max_by_key` returns the last of equal delimiters and the first is wanted.
    let best = counts.iter().rev().max_by_key(|(_, count, finds)| (*finds, *count));
    best.filter(|(_, count, _)| *count > 0).map_or(b',', |(delimiter, ..)| *delimiter)
}
