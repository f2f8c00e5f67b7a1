//! What a command prints: a table for people, JSON or CSV for programs.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::formula;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Columns for people.
    Table,
    /// One JSON array; each row an object.
    Json,
    /// Comma-separated values with a header, safe to open in a spreadsheet.
    Csv,
}

/// One row of a result. JSON has it whole; tables and CSV have its cells.
pub(super) trait Row: Serialize {
    /// The columns: lower-case words, also the header of the CSV.
    const COLUMNS: &'static [&'static str];

    /// One cell for each column.
    fn cells(&self) -> Vec<String>;
}

/// Prints rows as they come. A table is laid out, and so printed, at the end; JSON and CSV need no memory for what was printed.
pub(super) struct Printer<W: Write> {
    sheet: Sheet<W>,
}

enum Sheet<W: Write> {
    Table(Table, W),
    Json { out: W, any: bool },
    Csv(csv::Writer<W>),
}

impl<W: Write> Printer<W> {
    /// A printer of rows of one kind.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn new<R: Row>(format: Format, out: W) -> io::Result<Self> {
        let sheet = match format {
            Format::Table => {
                let mut table = Table::new();
                table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
                table.set_header(R::COLUMNS.iter().map(|column| column.to_uppercase()));
                Sheet::Table(table, out)
            }
            Format::Json => Sheet::Json { out, any: false },
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(out);
                csv.write_record(R::COLUMNS)?;
                Sheet::Csv(csv)
            }
        };
        Ok(Self { sheet })
    }

    /// Prints a row.
    ///
    /// # Errors
    /// Those of the output.
    pub(super) fn row<R: Row>(&mut self, row: &R) -> io::Result<()> {
        match &mut self.sheet {
            Sheet::Table(table, _) => {
                table.add_row(row.cells());
            }
            Sheet::Json { out, any } => {
                out.write_all(if *any { b",\n" } else { b"[\n" })?;
                serde_json::to_writer(&mut *out, row)?;
                *any = true;
            }
            Sheet::Csv(csv) => csv.write_record(row.cells().iter().map(|cell| formula::harmless(cell).into_owned()))?,
        }
        Ok(())
    }

    /// Ends the output.
    ///
    /// # Errors
    /// Those of the output.
    pub(super) fn finish(self) -> io::Result<()> {
        match self.sheet {
            Sheet::Table(table, mut out) => {
                for line in table.lines() {
                    writeln!(out, "{}", line.trim_end())?;
                }
                out.flush()
            }
            Sheet::Json { mut out, any } => {
                out.write_all(if any { b"\n]\n" } else { b"[]\n" })?;
                out.flush()
            }
            Sheet::Csv(mut csv) => csv.flush(),
        }
    }
}
