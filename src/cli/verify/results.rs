//! The file of results: written row by row, so that a run that was stopped goes on where it was.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::row::Verified;
use crate::cli::file::{self, Readers};
use crate::cli::formula;
use crate::cli::output::Row as _;

/// A file of results that is being written. Each row is handed to the operating system whole before the next one is begun.
pub(super) struct Results {
    csv: csv::Writer<File>,
}

/// What an earlier run has done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The tenant as written, by row and app.
    rows: HashMap<(u64, Box<str>), u64>,
    /// The same tenants and apps, wherever they stand.
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

impl Results {
    /// Makes the file, which must not exist yet.
    ///
    /// # Errors
    /// [`NoResults`].
    pub(super) fn create(path: &Path) -> Result<Self, NoResults> {
        let name = path.display().to_string();
        match file::make(path, Readers::Owner) {
            Ok(file) => {
                let mut csv = csv::Writer::from_writer(file);
                let written = csv.write_record(Verified::COLUMNS).map_err(io::Error::from).and_then(|()| csv.flush());
                written.map_err(|error| NoResults::Io(name, error))?;
                Ok(Self { csv })
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(NoResults::Exists(name)),
            Err(error) => Err(NoResults::Io(name, error)),
        }
    }

    /// Goes on with the file of an earlier run, or makes it. Hands over each row that stands there; a last one that was cut off is taken
    /// away.
    ///
    /// # Errors
    /// [`NoResults`].
    pub(super) fn resume(path: &Path, mut earlier: impl FnMut(Verified) -> io::Result<()>) -> Result<(Self, Done), NoResults> {
        let name = path.display().to_string();
        let failed = |error: io::Error| NoResults::Io(name.clone(), error);
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Self::create(path)?, Done::default())),
            Err(error) => return Err(failed(error)),
        };
        let whole = whole_lines(&file).map_err(failed)?;
        if whole == 0 {
            // The first run got no further than to make it.
            file.set_len(0).map_err(failed)?;
            std::fs::remove_file(path).map_err(failed)?;
            return Ok((Self::create(path)?, Done::default()));
        }
        let mut done = Done::default();
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader((&file).take(whole));
        if !reader.headers().is_ok_and(|header| header.iter().eq(Verified::COLUMNS.iter().copied())) {
            return Err(NoResults::Foreign(name));
        }
        for record in reader.records() {
            let row = record.ok().and_then(|record| Verified::read(&record)).ok_or_else(|| NoResults::Foreign(name.clone()))?;
            let tenant = mark(&row.tenant);
            done.rows.insert((row.row, row.app.clone()), tenant);
            done.anywhere.insert((tenant, row.app.clone()));
            earlier(row).map_err(failed)?;
        }
        file.set_len(whole).map_err(failed)?;
        let mut file = file;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok((Self { csv: csv::WriterBuilder::new().has_headers(false).from_writer(file) }, done))
    }

    /// Writes a row.
    ///
    /// # Errors
    /// The file's.
    pub(super) fn write(&mut self, row: &Verified) -> io::Result<()> {
        // One line is one row: what was cut off is found by that.
        let on_one_line = |cell: &String| cell.replace(['\r', '\n'], " ");
        self.csv.write_record(row.cells().iter().map(|cell| formula::harmless(&on_one_line(cell)).into_owned()))?;
        self.csv.flush()
    }
}

/// How many bytes the whole lines of a file have. No cell of a result holds a line's end.
fn whole_lines(mut file: &File) -> io::Result<u64> {
    const STEP: u64 = 64 * 1024;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        file.take(end - start).read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            file.rewind()?;
            return Ok(start + u64::try_from(at).unwrap_or(0) + 1);
        }
        end = start;
    }
    file.rewind()?;
    Ok(0)
}

/// Tells two texts apart, as far as it matters here.
fn mark(text: &str) -> u64 {
    let text = formula::harmless(text);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |mark, byte| (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The input is another than that of the earlier run.
#[derive(Debug, thiserror::Error)]
#[error("row {0} is about another tenant than when the file of results was begun.\nTake the table as it was, or begin another file")]
pub(super) struct Changed(u64);

impl Done {
    /// Whether an app in a tenant is done, whatever row that was.
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
    fn a_row_is_one_line_and_is_known_again_in_another_row() {
        let path = std::env::temp_dir().join(format!("entra-consent-results-{}.csv", std::process::id()));
        let row = Verified {
            row: 7,
            tenant: "contoso.example".into(),
            name: Some("Con\r\ntoso".into()),
            app: "mail".into(),
            outcome: NOT_ASKED.into(),
            who: "operator".into(),
            ..Verified::default()
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
