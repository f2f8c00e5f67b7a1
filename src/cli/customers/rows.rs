//! The rows of a table: the delimiter found out, blank rows left out, sizes bounded.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, Terminator};

use super::text::Text;

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
    pub(super) flaw: Option<Flaw>,
    /// Where in the text it ends, in bytes of UTF-8 without a byte order mark.
    pub(super) ends_at: u64,
}

/// Why a row has no cells that mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// More than its [`Bounds`].
    TooLong,
    /// The table ends inside a quoted cell.
    OpenQuote,
}

/// Reads rows one by one.
pub(super) struct Rows<R> {
    text: Text<R>,
    bounds: Bounds,
    core: csv_core::Reader,
    delimiter: u8,
    chunk: Vec<u8>,
    at: usize,
    over: bool,
    number: u64,
    consumed: u64,
    fields: Vec<u8>,
    ends: Vec<usize>,
}

impl<R: Read> Rows<R> {
    /// Begins a table. `wanted` is a column that the header has; it helps to tell the delimiter.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn new(source: R, bounds: Bounds, wanted: &str) -> io::Result<Self> {
        let mut text = Text::new(source);
        let mut chunk = Vec::new();
        while first_line(&chunk).is_none() && chunk.len() < bounds.bytes && text.more(&mut chunk)? {}
        let blank = chunk.iter().take_while(|byte| **byte == b'\n').count();
        let line = first_line(&chunk).unwrap_or(&chunk);
        let (delimiter, told) = match declared(line) {
            Some(delimiter) => (delimiter, blank + line.len() + 1),
            None => (detected(line, wanted), 0),
        };
        let core = csv_core::ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        Ok(Self {
            text,
            bounds,
            core,
            delimiter,
            consumed: u64::try_from(told).unwrap_or(u64::MAX),
            chunk,
            at: told,
            over: false,
            number: 0,
            fields: vec![0; 1_024],
            ends: vec![0; 32],
        })
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Whether the table began with a byte order mark.
    pub(super) fn marked(&self) -> bool {
        self.text.marked()
    }

    /// The next row that has anything in it. `None` at the end.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn next(&mut self) -> io::Result<Option<RawRow>> {
        loop {
            if !self.skip_blank_lines()? {
                return Ok(None);
            }
            self.number += 1;
            let row = self.row()?;
            let blank = row.flaw.is_none() && row.cells.iter().all(|cell| cell.trim_ascii().is_empty());
            if !blank {
                return Ok(Some(row));
            }
        }
    }

    /// False at the end.
    fn skip_blank_lines(&mut self) -> io::Result<bool> {
        loop {
            let rest = self.chunk.get(self.at..).unwrap_or_default();
            let blank = rest.iter().take_while(|byte| **byte == b'\n').count();
            let found = blank < rest.len();
            self.advance(blank);
            self.number += u64::try_from(blank).unwrap_or(u64::MAX);
            if found {
                return Ok(true);
            }
            if !self.refill()? {
                return Ok(false);
            }
        }
    }

    fn row(&mut self) -> io::Result<RawRow> {
        let (mut filled, mut ended) = (0, 0);
        let mut flaw = None;
        loop {
            if self.at >= self.chunk.len() {
                self.refill()?;
            }
            let input = self.chunk.get(self.at..).unwrap_or_default();
            let at_end = input.is_empty();
            let fields = self.fields.get_mut(filled..).unwrap_or_default();
            let ends = self.ends.get_mut(ended..).unwrap_or_default();
            let (result, read, written, cells) = self.core.read_record(input, fields, ends);
            self.advance(read);
            filled += written;
            ended += cells;
            match result {
                ReadRecordResult::InputEmpty => {}
                // What does not fit is read on and forgotten.
                ReadRecordResult::OutputFull if self.fields.len() >= self.bounds.bytes => {
                    flaw = Some(Flaw::TooLong);
                    filled = 0;
                }
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.ends.len() >= self.bounds.cells => {
                    flaw = Some(Flaw::TooLong);
                    ended = 0;
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => {
                    // A text always ends with a line feed; where that did not end the row, a quote is open.
                    if at_end {
                        flaw = flaw.or(Some(Flaw::OpenQuote));
                    }
                    let cells = if flaw.is_none() { self.cells(ended) } else { csv::ByteRecord::new() };
                    return Ok(RawRow { number: self.number, cells, flaw, ends_at: self.consumed });
                }
            }
        }
    }

    fn cells(&self, count: usize) -> csv::ByteRecord {
        let mut cells = csv::ByteRecord::with_capacity(0, count);
        let mut start = 0;
        for end in self.ends.iter().take(count) {
            cells.push_field(self.fields.get(start..*end).unwrap_or_default());
            start = *end;
        }
        cells
    }

    fn advance(&mut self, bytes: usize) {
        self.at += bytes;
        self.consumed += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// Only where all that was there has been read. False at the end.
    fn refill(&mut self) -> io::Result<bool> {
        self.chunk.clear();
        self.at = 0;
        self.over = self.over || !self.text.more(&mut self.chunk)?;
        Ok(!self.over)
    }
}

/// The first line with anything in it, if it is whole.
fn first_line(text: &[u8]) -> Option<&[u8]> {
    let start = text.iter().position(|byte| *byte != b'\n')?;
    let text = text.get(start..)?;
    text.get(..text.iter().position(|byte| *byte == b'\n')?)
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
