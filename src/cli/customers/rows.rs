//! The rows of a table: the delimiter found out, blank rows left out, sizes bounded.

use std::io::{self, Read};

use super::text::Lines;

/// Most bytes of one row of somebody's table. A quote that is never closed makes a row of everything after it.
pub(super) const LONGEST_ROW: usize = 64 * 1024;

/// How much one row may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    bytes: usize,
    cells: usize,
}

impl Bounds {
    /// Of a table that somebody hands in.
    pub(super) const GIVEN: Self = Self { bytes: LONGEST_ROW, cells: 1_024 };
    /// Of a table that this program wrote: such a row, its apostrophes, a link and a mail.
    pub(super) const WRITTEN: Self = Self { bytes: 4 * LONGEST_ROW, cells: 1_100 };
}
/// The delimiters that spreadsheets write.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// One row as it stands in the table.
#[derive(Debug)]
pub(super) struct RawRow {
    /// As a spreadsheet counts: the first is 1, blank ones count.
    pub(super) number: u64,
    pub(super) cells: csv::ByteRecord,
    pub(super) flaw: Option<RowFlaw>,
    /// Where in the text it ends, in bytes of UTF-8 without a byte order mark.
    pub(super) ends_at: u64,
}

/// Why a row has no cells that mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowFlaw {
    /// More than its [`Bounds`].
    TooLong,
    /// The table ends inside a quoted cell.
    OpenQuote,
}

/// Reads rows one by one.
pub(super) struct Rows<R> {
    csv: csv::Reader<Lines<R>>,
    cells: usize,
    delimiter: u8,
}

impl<R: Read> Rows<R> {
    /// Begins a table. `wanted` is a column that the header has; it helps to tell the delimiter.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn new(source: R, bounds: Bounds, wanted: &str) -> io::Result<Self> {
        let mut lines = Lines::new(source, bounds.bytes)?;
        let line = lines.first_line(|line| declared(line).is_some())?;
        let delimiter = declared(&line).unwrap_or_else(|| detected(&line, wanted));
        let mut reader = csv::ReaderBuilder::new();
        reader.has_headers(false).flexible(true).delimiter(delimiter).terminator(csv::Terminator::Any(b'\n'));
        Ok(Self { csv: reader.from_reader(lines), cells: bounds.cells, delimiter })
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Whether the table began with a byte order mark.
    pub(super) fn marked(&self) -> bool {
        self.csv.get_ref().marked()
    }

    /// The next row that has anything in it. `None` at the end.
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
            } else if cells.iter().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            return Ok(Some(RawRow { number, cells, flaw, ends_at }));
        }
        Ok(None)
    }
}

/// The error of the source within that of the parser, which has none of its own for bytes.
fn of_source(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A line such as `sep=;`, which Excel takes for a statement about the table and does not show as a row.
fn declared(line: &[u8]) -> Option<u8> {
    match line.trim_ascii_end() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => DELIMITERS.contains(delimiter).then_some(*delimiter),
        // Trimmed away.
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'='] if line.ends_with(b"\t") => Some(b'\t'),
        _ => None,
    }
}

/// The delimiter that cuts the column looked for out of the header; else the most frequent one; else the comma.
fn detected(header: &[u8], wanted: &str) -> u8 {
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
        let is_wanted = |cell: &[u8]| super::column_name(&String::from_utf8_lossy(cell)) == wanted;
        *finds = *count > 0 && header.split(|byte| byte == delimiter).any(is_wanted);
    }
    // The first of equals, and `max_by_key` takes the last.
    let best = counts.iter().rev().max_by_key(|(_, count, finds)| (*finds, *count));
    best.filter(|(_, count, _)| *count > 0).map_or(b',', |(delimiter, ..)| *delimiter)
}
