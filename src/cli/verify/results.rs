//! The file of results: written row by row, so that a stopped run can resume.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use super::row::ResultRow;
use crate::cli::bulk::table::{Flush, Shape, Table, WrittenRows};
use crate::cli::csv_safe;
use crate::cli::exit::{CommandError, unusable, usage};
use crate::cli::output::PrintedRow as _;

/// A file of results during writing, and how many columns it has: an older file lacks the last one, `contact`.
pub(super) struct Results(Table, usize);

/// The rows that an earlier run finished.
#[derive(Debug, Default)]
pub(super) struct PreviousRows {
    /// The hash of the tenant as written, by row and app.
    rows: HashMap<(u64, Box<str>), u64>,
    /// The same tenants and apps, without their rows.
    anywhere: HashSet<(u64, Box<str>)>,
}

fn foreign(path: &Path) -> CommandError {
    usage(format!("{} is no file of results of this command, so it is left alone.", path.display()), "name another file with --to")
}

fn shape() -> Shape {
    Shape { header: ResultRow::names().map(str::to_owned).collect(), delimiter: b',', marked: true }
}

impl Results {
    /// Creates the file, which must not exist yet.
    ///
    /// # Errors
    /// [`CommandError`].
    pub(super) fn create(path: &Path) -> Result<Self, CommandError> {
        let name = path.display();
        Table::create(path, &shape(), Flush::EachRow).map(|table| Self(table, ResultRow::COLUMNS.len())).map_err(|error| {
            match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    usage(format!("{name} exists already."), "add --resume to go on with it, or name another file with --to")
                }
                _ => unusable(name, &error),
            }
        })
    }

    /// Continues the file of an earlier run, or creates it. Passes each row of that run to `earlier`.
    ///
    /// # Errors
    /// [`CommandError`].
    pub(super) fn resume(path: &Path, mut earlier: impl FnMut(ResultRow)) -> Result<(Self, PreviousRows), CommandError> {
        let unusable = |error: io::Error| unusable(path.display(), &error);
        let mut done = PreviousRows::default();
        let mut rows = WrittenRows::open(path, b',').map_err(unusable)?;
        let mut shape = shape();
        if let Some(rows) = &mut rows {
            // This command writes each row on one line, so it did not write an incomplete row of several lines.
            if rows.header.len() + 1 == shape.header.len() {
                shape.header.pop();
            }
            if rows.header != shape.header || rows.torn.as_slice().contains(&b'\n') {
                return Err(foreign(path));
            }
            for record in rows {
                let row = record.ok().and_then(|record| ResultRow::read(&record)).ok_or_else(|| foreign(path))?;
                let tenant = mark(&row.tenant);
                done.rows.insert((row.row, row.app.clone()), tenant);
                done.anywhere.insert((tenant, row.app.clone()));
                earlier(row);
            }
        }
        let table = Table::resume(path, rows.as_ref(), &shape, Flush::EachRow).map_err(unusable)?;
        Ok((Self(table, shape.header.len()), done))
    }

    /// Writes a row, on one line.
    ///
    /// # Errors
    /// Those of the file.
    pub(super) fn write(&mut self, row: &ResultRow) -> io::Result<()> {
        let on_one_line = |cell: &String| cell.replace(['\r', '\n'], " ");
        self.0.row(row.cells().take(self.1).map(|cell| csv_safe::safe_cell(&on_one_line(&cell)).into_owned()))
    }
}

/// A 64-bit hash of a text: enough to notice that a tenant differs from the earlier run's.
fn mark(text: &str) -> u64 {
    let text = csv_safe::safe_cell(text);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |mark, byte| (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl PreviousRows {
    /// Whether an app in a tenant is done, in any row of the earlier run.
    pub(super) fn has_anywhere(&self, app: &str, tenant: &str) -> bool {
        self.anywhere.contains(&(mark(tenant), app.into()))
    }

    /// Whether an app in a tenant is done in this row.
    ///
    /// # Errors
    /// The input differs from that of the earlier run.
    pub(super) fn has(&self, row: u64, app: &str, tenant: &str) -> Result<bool, CommandError> {
        match self.rows.get(&(row, app.into())) {
            None => Ok(false),
            Some(known) if *known == mark(tenant) => Ok(true),
            Some(_) => Err(usage(
                format!("row {row} is about another tenant than when the file of results was begun."),
                "take the table as it was, or begin another file with --to",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;
    use crate::cli::verify::row::NOT_ASKED;

    #[test]
    fn rows_behind_an_open_quote_are_refused_and_kept() {
        let path = std::env::temp_dir().join(format!("entra-consent-open-quote-{}.csv", std::process::id()));
        let text = format!("{}\n2,\"a.example,\n3,b.example,\n", ResultRow::names().collect::<Vec<_>>().join(","));
        std::fs::write(&path, &text).unwrap();
        let resumed = Results::resume(&path, |_| {});
        let kept = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(resumed, Err(CommandError { exit: Exit::Usage, .. })));
        assert_eq!(kept, text);
    }

    #[test]
    fn a_row_is_one_line_and_is_known_again_in_another_row() {
        let path = std::env::temp_dir().join(format!("entra-consent-results-{}.csv", std::process::id()));
        let row = ResultRow {
            row: 7,
            tenant: "contoso.example".into(),
            name: Some("Con\r\ntoso".into()),
            app: "mail".into(),
            outcome: NOT_ASKED.into(),
            who: "operator".into(),
            ..ResultRow::default()
        };
        let mut results = Results::create(&path).unwrap();
        results.write(&row).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let resumed = Results::resume(&path, |_| {});
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        let (_, done) = resumed.unwrap();
        assert!(done.has_anywhere("mail", "contoso.example") && !done.has_anywhere("other", "contoso.example"));
        assert!(!done.has(8, "mail", "contoso.example").unwrap() && done.has(7, "mail", "contoso.example").unwrap());
        assert!(done.has(7, "mail", "fabrikam.example").is_err());
    }
}
