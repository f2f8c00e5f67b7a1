//! Prints a command's results: a table for people, JSON or CSV for programs.

use std::io::{self, Write};
use std::path::Path;

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use dialoguer::console::measure_text_width;
use serde::Serialize;

use super::bulk::table::MARK;
use super::exit::{CommandError, unusable};
use super::{csv_safe, terminal};
use crate::file::{self, Readers};

/// The format of results. A command about one thing prints one JSON object; a command about many prints an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Columns or lines for people.
    Table,
    /// One object, or an array of them where there can be many.
    Json,
    /// Comma-separated values with a header, safe to open in a spreadsheet.
    Csv,
}

/// A column: its name in lower-case words, which is also the name in the CSV header, and the function for its cells.
pub(super) type Column<R> = (&'static str, fn(&R) -> String);

/// One row of a result. JSON contains the whole value; tables and CSV contain its cells.
pub(super) trait PrintedRow: Serialize + Sized + 'static {
    const COLUMNS: &'static [Column<Self>];

    /// The names of the columns.
    fn names() -> impl Iterator<Item = &'static str> {
        Self::COLUMNS.iter().map(|(name, _)| *name)
    }

    /// One cell for each column.
    fn cells(&self) -> impl Iterator<Item = String> {
        Self::COLUMNS.iter().map(|(_, cell)| cell(self))
    }
}

/// Prints rows as they arrive. The layout of a table depends on all its rows, so a table is printed at the end. JSON and CSV keep nothing
/// in memory.
pub(super) enum Printer<W: Write> {
    Table(Table, W),
    Json { out: W, any: bool },
    Csv(csv::Writer<W>),
}

impl<W: Write> Printer<W> {
    /// A printer for rows of one type.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn new<R: PrintedRow>(format: Format, out: W) -> io::Result<Self> {
        Ok(match format {
            Format::Table => {
                let mut table = Table::new();
                table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
                table.set_header(R::names().map(str::to_uppercase));
                Self::Table(table, out)
            }
            Format::Json => Self::Json { out, any: false },
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(out);
                csv.write_record(R::names())?;
                Self::Csv(csv)
            }
        })
    }

    /// Prints a row, or keeps it for the table.
    ///
    /// # Errors
    /// Those of the output.
    pub(super) fn row<R: PrintedRow>(&mut self, row: &R) -> io::Result<()> {
        match self {
            Self::Table(table, _) => {
                table.add_row(row.cells());
            }
            Self::Json { out, any } => {
                out.write_all(if *any { b",\n" } else { b"[\n" })?;
                serde_json::to_writer(&mut *out, row)?;
                *any = true;
            }
            Self::Csv(csv) => csv.write_record(row.cells().map(|cell| csv_safe::safe_cell(&cell).into_owned()))?,
        }
        Ok(())
    }

    /// Prints the table, or the end of the JSON array.
    ///
    /// # Errors
    /// Those of the output.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Table(mut table, mut out) => {
                if let Some(width) = terminal::width() {
                    fit(&mut table, width);
                }
                for line in table.lines() {
                    writeln!(out, "{}", line.trim_end())?;
                }
                out.flush()
            }
            Self::Json { mut out, any } => {
                out.write_all(if any { b"\n]\n" } else { b"[]\n" })?;
                out.flush()
            }
            Self::Csv(mut csv) => csv.flush(),
        }
    }
}

/// Wraps cells at words until the table fits. A column keeps its longest word whole, since that may be an id or an address.
fn fit(table: &mut Table, width: u16) {
    let longest = |cell: &str| cell.split_whitespace().map(measure_text_width).max().unwrap_or_default();
    let mut words: Vec<usize> = Vec::new();
    for row in table.header().into_iter().chain(table.row_iter()) {
        for (at, cell) in row.cell_iter().enumerate() {
            words.resize(words.len().max(at + 1), 0);
            words.iter_mut().skip(at).take(1).for_each(|word| *word = longest(&cell.content()).max(*word));
        }
    }
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for (column, word) in table.column_iter_mut().zip(words) {
        let word = u16::try_from(word).unwrap_or(u16::MAX).saturating_add(column.padding_width());
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(word)));
    }
}

/// Prints results that are complete before the first row is printed.
///
/// # Errors
/// Those of the output.
pub(super) fn all<'r, R: PrintedRow>(format: Format, rows: impl IntoIterator<Item = &'r R>, out: impl Write) -> io::Result<()> {
    let mut printer = Printer::new::<R>(format, out)?;
    rows.into_iter().try_for_each(|row| printer.row(row))?;
    printer.finish()
}

/// Writes complete results to a file as CSV, with the byte order mark that spreadsheets expect. An older file stays until the new one is
/// complete.
///
/// # Errors
/// Those of the disk.
pub(super) fn write_csv<'r, R: PrintedRow>(path: &Path, rows: impl IntoIterator<Item = &'r R>) -> Result<(), CommandError> {
    let unwritten = |error: io::Error| unusable(path.display(), &error);
    let mut csv = MARK.to_vec();
    all(Format::Csv, rows, &mut csv).map_err(unwritten)?;
    let mut whole = file::unfinished(path, Readers::Owner).map_err(unwritten)?;
    whole.write_all(&csv).and_then(|()| file::finish(whole, path)).map_err(unwritten)
}

/// Prints a single result: lines for people, one JSON object, or CSV with one row.
///
/// # Errors
/// Those of the output.
pub(super) fn one<R: PrintedRow>(format: Format, row: &R, mut out: impl Write) -> io::Result<()> {
    match format {
        Format::Table => {
            let labels: Vec<String> = R::names().map(label).collect();
            let width = labels.iter().map(String::len).max().unwrap_or_default() + 2;
            for (label, cell) in labels.iter().zip(row.cells()).filter(|(_, cell)| !cell.is_empty()) {
                write_labelled(&mut out, label, width, wrapped(&cell, LINE.saturating_sub(width)))?;
            }
            out.flush()
        }
        Format::Json => {
            serde_json::to_writer(&mut out, row)?;
            out.write_all(b"\n")?;
            out.flush()
        }
        Format::Csv => all(format, [row], out),
    }
}

/// The number of columns that fits every terminal.
pub(super) const LINE: usize = 80;

/// Splits a text into lines of at most `width` characters. A longer word may be an address, so it stays whole on its own line.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// Writes lines in one column, with a label before the first line.
///
/// # Errors
/// Those of the output.
pub(super) fn write_labelled(out: &mut impl Write, label: &str, width: usize, lines: Vec<String>) -> io::Result<()> {
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    lines.iter().zip(labels).try_for_each(|(line, label)| writeln!(out, "{label:<width$}{line}"))
}

/// A column's name for people.
fn label(column: &str) -> String {
    let words = column.replace('_', " ");
    let mut characters = words.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
