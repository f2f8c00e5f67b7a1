//! The file of results: written row by row, so that a stopped run can resume.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use super::row::ResultRow;
use crate::cli::bulk::table::{Flush, Shape, Table, WrittenRows};
use crate::cli::csv_safe;
use crate::cli::output::PrintedRow as _;

/// A file of results during writing.
pub(super) struct Results(Table);

/// The rows that an earlier run finished.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The tenant as written, by row and app.
    rows: HashMap<(u64, Box<str>), u64>,
    /// The same tenants and apps, in any row.
    anywhere: HashSet<(u64, Box<str>)>,
}

/// Why the file cannot be written to.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoResults {
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
    #[error("{0} exists already. Add --resume to go on with it, or name another file")]
    Exists(String),
    #[error("{0} is no file of results of this command, so it is left alone. Name another file")]
    Foreign(String),
}

fn shape() -> Shape {
    Shape { header: ResultRow::names().map(str::to_owned).collect(), delimiter: b',', marked: false }
}

impl Results {
    /// Creates the file, which must not exist yet.
    ///
    /// # Errors
    /// [`NoResults`].
    pub(super) fn create(path: &Path) -> Result<Self, NoResults> {
        let name = path.display().to_string();
        Table::create(path, &shape(), Flush::EachRow).map(Self).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => NoResults::Exists(name),
            _ => NoResults::Io(name, error),
        })
    }

    /// Continues the file of an earlier run, or creates it. Passes each row of that run to `earlier`.
    ///
    /// # Errors
    /// [`NoResults`].
    pub(super) fn resume(path: &Path, mut earlier: impl FnMut(ResultRow) -> io::Result<()>) -> Result<(Self, Done), NoResults> {
        let name = || path.display().to_string();
        let failed = |error: io::Error| NoResults::Io(name(), error);
        let mut done = Done::default();
        let mut rows = WrittenRows::open(path, b',').map_err(failed)?;
        if let Some(rows) = &mut rows {
            // A row is one line, so this command did not write an incomplete row of several lines.
            if rows.header != ResultRow::names().collect::<Vec<_>>() || rows.torn.as_slice().contains(&b'\n') {
                return Err(NoResults::Foreign(name()));
            }
            for record in rows {
                let row = record.ok().and_then(|record| ResultRow::read(&record)).ok_or_else(|| NoResults::Foreign(name()))?;
                let tenant = mark(&row.tenant);
                done.rows.insert((row.row, row.app.clone()), tenant);
                done.anywhere.insert((tenant, row.app.clone()));
                earlier(row).map_err(failed)?;
            }
        }
        let table = Table::resume(path, rows.as_ref(), &shape(), Flush::EachRow).map_err(failed)?;
        Ok((Self(table), done))
    }

    /// Writes a row, on one line.
    ///
    /// # Errors
    /// The file's.
    pub(super) fn write(&mut self, row: &ResultRow) -> io::Result<()> {
        let on_one_line = |cell: &String| cell.replace(['\r', '\n'], " ");
        self.0.row(row.cells().map(|cell| csv_safe::harmless(&on_one_line(&cell)).into_owned()))
    }
}

/// A 64-bit hash of a text. It distinguishes texts well enough here.
fn mark(text: &str) -> u64 {
    let text = csv_safe::harmless(text);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |mark, byte| (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The input differs from that of the earlier run.
#[derive(Debug, thiserror::Error)]
#[error("row {0} is about another tenant than when the file of results was begun.\nTake the table as it was, or begin another file")]
pub(super) struct Changed(u64);

impl Done {
    /// Whether an app in a tenant is done, in any row.
    pub(super) fn has_anywhere(&self, app: &str, tenant: &str) -> bool {
        self.anywhere.contains(&(mark(tenant), app.into()))
    }

    /// Whether an app in a tenant is done in this row.
    ///
    /// # Errors
    /// [`Changed`].
    pub(super) fn has(&self, row: u64, app: &str, tenant: &str) -> Result<bool, Changed> {
        match self.rows.get(&(row, app.into())) {
            None => Ok(false),
            Some(known) if *known == mark(tenant) => Ok(true),
            Some(_) => Err(Changed(row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::verify::row::NOT_ASKED;

    #[test]
    fn rows_behind_an_open_quote_are_refused_and_kept() {
        let path = std::env::temp_dir().join(format!("entra-consent-open-quote-{}.csv", std::process::id()));
        let text = format!("{}\n2,\"a.example,\n3,b.example,\n", ResultRow::names().collect::<Vec<_>>().join(","));
        std::fs::write(&path, &text).unwrap();
        let resumed = Results::resume(&path, |_| Ok(()));
        let kept = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(resumed, Err(NoResults::Foreign(_))));
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
        let resumed = Results::resume(&path, |_| Ok(()));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        let (_, done) = resumed.unwrap();
        assert!(done.has_anywhere("mail", "contoso.example") && !done.has_anywhere("other", "contoso.example"));
        assert!(!done.has(8, "mail", "contoso.example").unwrap() && done.has(7, "mail", "contoso.example").unwrap());
        assert!(done.has(7, "mail", "fabrikam.example").is_err());
    }
}
